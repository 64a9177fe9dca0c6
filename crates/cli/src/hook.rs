//! `fumehood hook AGENT`: an agent asks what becomes of a call of one of its tools (docs/agents.md).

use crate::FAILED;
use crate::say;
use clap::{Args, ValueEnum};
use fumehood_tools::MAX_BYTES;
use fumehood_tools::hook::{Agent, Said, Stand, answer, settings};
use fumehood_workspace::is_overlay;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct HookArguments {
    /// Whose hook it is
    pub(crate) agent: HookAgent,
    /// Print what belongs in the agent's settings, and where; also done where standard input is a terminal
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HookAgent {
    /// Claude Code: PreToolUse, PermissionRequest
    ClaudeCode,
    /// Codex: PreToolUse, PermissionRequest
    Codex,
    /// Gemini CLI: BeforeTool
    Gemini,
}

impl HookAgent {
    const fn agent(self) -> Agent {
        match self {
            HookAgent::ClaudeCode => Agent::ClaudeCode,
            HookAgent::Codex => Agent::Codex,
            HookAgent::Gemini => Agent::Gemini,
        }
    }
}

/// Answers one call. Whatever fails here refuses it: an agent takes any status but 2 for a yes.
pub(crate) fn hook(arguments: &HookArguments) -> u8 {
    let agent = arguments.agent.agent();
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(e) => return say_no(&format!("its own path: {e}")),
    };
    if arguments.print || std::io::stdin().is_terminal() {
        return print(agent, &own);
    }
    let mut call = Vec::new();
    let most = MAX_BYTES as u64 + 1;
    if let Err(e) = std::io::stdin().take(most).read_to_end(&mut call) {
        return say_no(&format!("the call on standard input: {e}"));
    }
    let Said {
        output,
        error,
        status,
    } = answer(agent, stand(&own), &call);
    if !error.is_empty() {
        let _closed = writeln!(std::io::stderr(), "{error}");
        return status;
    }
    if output.is_empty() {
        return status;
    }
    match writeln!(std::io::stdout(), "{output}").and_then(|()| std::io::stdout().flush()) {
        Ok(()) => status,
        Err(e) => say_no(&format!("the answer on standard output: {e}")),
    }
}

fn say_no(why: &str) -> u8 {
    say::error(&format!("the call is refused: {why}"));
    2
}

fn print(agent: Agent, own: &Path) -> u8 {
    let Some(own) = own.to_str() else {
        say::error("the path of fumehood is no UTF-8: install it elsewhere");
        return FAILED;
    };
    let (file, text) = settings(agent, own);
    say::line(&format!("into {file}:"));
    u8::from(writeln!(std::io::stdout(), "{text}").is_err())
}

/// Told by what lies in the root, where only root makes anything, and by the filesystem below: a checkout's settings
/// set variables as they like.
fn stand(own: &Path) -> Stand<'_> {
    let sandbox = Path::new("/.fumehood").is_dir();
    match std::env::current_dir().map(|here: PathBuf| is_overlay(&here)) {
        _ if !sandbox => Stand::Outside(own),
        Ok(Ok(true)) => Stand::Inside,
        _ => Stand::Weaker,
    }
}
