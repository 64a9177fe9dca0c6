//! `fumehood hook AGENT`: what a coding agent's own permission layer is told of a call of one of its tools. Pure.
//!
//! An agent asks its user before it acts, since it does not know what holds. Inside a sandbox something does: what can be
//! undone flies, and what cannot waits at the boundary. There the hook says yes, so that nobody is asked twice. Outside
//! nothing holds but the agent's own layer: the hook brings commands into a sandbox of their own, leaves the rest to that
//! layer where it is known to ask, and refuses it where it is switched off. It never says yes to what happens outside.
//!
//! What each agent understands was read in Claude Code 2.1, Codex 0.171 and Gemini CLI 0.61 (their `PreToolUse`,
//! `PermissionRequest` and `BeforeTool`), and is tried with them in tests/real/hooks.sh.

use crate::guard::guard;
use serde_json::{Map, Value, json};
use std::path::Path;

/// An agent whose hooks are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// Claude Code.
    ClaudeCode,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
}

/// What holds where the hook runs. To be found out from what the kernel says: variables are set by a checkout too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand<'a> {
    /// A sandbox whose changes are kept back.
    Inside,
    /// A sandbox that writes to the project itself: what it does there cannot be undone.
    Weaker,
    /// No sandbox. The program is what begins one.
    Outside(&'a Path),
}

/// What a hook says: on standard output, on standard error, and its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// For the agent, JSON or nothing.
    pub output: String,
    /// A reason that is no answer to a call.
    pub error: String,
    /// 2 refuses the call, with every agent.
    pub status: u8,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    /// The agent's own layer decides.
    Own,
    /// It is done without asking.
    Yes,
    /// It is done with this input instead.
    Instead(Map<String, Value>),
    /// It is not done.
    No(&'static str),
}

/// A call, as far as it is looked at.
struct Call {
    event: String,
    tool: String,
    mode: Option<String>,
    input: Map<String, Value>,
}

const OUTSIDE: &str = "outside of a sandbox nothing bounds this, and the agent does not say that it asks; start the agent \
                       inside: fumehood run -- AGENT";
const UNREAD: &str = "its command is not read, so it cannot be brought into a sandbox";
const WHY: &str = "inside fumehood: what is hard to undo waits at the boundary";

/// What the agent is told of the call that came on standard input.
#[must_use]
pub fn answer(agent: Agent, stand: Stand<'_>, bytes: &[u8]) -> Said {
    let call = match read(bytes) {
        Ok(call) => call,
        // Inside the agent may ask about it; outside nobody knows what it would do.
        Err(_) if !matches!(stand, Stand::Outside(_)) => {
            return Said::default();
        }
        Err(why) => return refused(&why),
    };
    let answer = match stand {
        Stand::Weaker => Answer::Own,
        Stand::Inside => inside(agent, &call),
        Stand::Outside(program) => outside(agent, &call, program),
    };
    render(agent, &call.event, answer)
}

/// The entry of the agent's settings that names this hook, and the file that it belongs in.
#[must_use]
pub fn settings(agent: Agent, program: &str) -> (&'static str, String) {
    let command =
        |name: &str| json!([{ "type": "command", "command": format!("{} hook {name}", quoted(program)) }]);
    let (file, hooks) = match agent {
        Agent::ClaudeCode => (
            "~/.claude/settings.json",
            json!({ "PreToolUse": [{ "matcher": "*", "hooks": command("claude-code") }] }),
        ),
        Agent::Codex => (
            "~/.codex/hooks.json",
            json!({ "PreToolUse": [{ "hooks": command("codex") }], "PermissionRequest": [{ "hooks": command("codex") }] }),
        ),
        Agent::Gemini => (
            "~/.gemini/settings.json",
            json!({ "BeforeTool": [{ "matcher": ".*", "hooks": command("gemini") }] }),
        ),
    };
    (file, format!("{:#}", json!({ "hooks": hooks })))
}

fn refused(why: &str) -> Said {
    Said {
        error: format!("fumehood: {why}"),
        status: 2,
        ..Said::default()
    }
}

fn read(bytes: &[u8]) -> Result<Call, String> {
    let value = guard(bytes).map_err(|e| e.to_string())?.into_value();
    let Value::Object(mut call) = value else {
        return Err("a call of a tool is a JSON object".to_owned());
    };
    let mut text = |key: &str| match call.remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (event, tool, mode) = (
        text("hook_event_name"),
        text("tool_name"),
        text("permission_mode"),
    );
    let input = match call.remove("tool_input") {
        Some(Value::Object(input)) => input,
        None => Map::new(),
        Some(_) => return Err("`tool_input` is no object".to_owned()),
    };
    match (event, tool) {
        (Some(event), Some(tool)) => Ok(Call {
            event,
            tool,
            mode,
            input,
        }),
        _ => Err(
            "`hook_event_name` and `tool_name` say which call of which tool it is; they are not there"
                .to_owned(),
        ),
    }
}

/// Yes, but to what is a question to the user and no act, and where the user asked for a plan only.
fn inside(agent: Agent, call: &Call) -> Answer {
    let planned = call.mode.as_deref() == Some("plan");
    let question = matches!(
        call.tool.as_str(),
        "AskUserQuestion" | "ExitPlanMode" | "EnterPlanMode"
    );
    match (agent, call.event.as_str()) {
        _ if planned || question => Answer::Own,
        (Agent::ClaudeCode, "PreToolUse" | "PermissionRequest") | (Agent::Codex, "PermissionRequest") => {
            Answer::Yes
        }
        // Codex takes no such answer before a call, and for Gemini CLI it is none: `fumehood run --no-prompts`.
        _ => Answer::Own,
    }
}

fn outside(agent: Agent, call: &Call, program: &Path) -> Answer {
    let asks = asks(agent, call.mode.as_deref());
    match (agent, call.event.as_str(), call.tool.as_str()) {
        // Its user is being asked already.
        (Agent::ClaudeCode | Agent::Codex, "PermissionRequest", _) => Answer::Own,
        // Nothing is done in these.
        (Agent::ClaudeCode, "PreToolUse", _) if matches!(call.mode.as_deref(), Some("plan" | "dontAsk")) => {
            Answer::Own
        }
        // It has a sandbox of its own, in which another cannot begin.
        (Agent::Codex, "PreToolUse", _) if asks => Answer::Own,
        (Agent::ClaudeCode | Agent::Codex, "PreToolUse", "Bash")
        | (Agent::Gemini, "BeforeTool", "run_shell_command") => routed(call, program),
        (Agent::ClaudeCode, "PreToolUse", _) if asks => Answer::Own,
        _ => Answer::No(OUTSIDE),
    }
}

/// Whether its own layer asks, by the words it uses for that. One that is new is taken for one that does not.
fn asks(agent: Agent, mode: Option<&str>) -> bool {
    match (agent, mode) {
        (Agent::ClaudeCode, Some(mode)) => matches!(mode, "default" | "acceptEdits" | "plan" | "dontAsk"),
        (Agent::Codex, Some(mode)) => matches!(mode, "default" | "acceptEdits" | "plan" | "dontAsk"),
        // Gemini CLI does not tell its hooks.
        _ => false,
    }
}

/// The same command in a sandbox of its own, whose changes reach the project when it is over, but for those that wait.
fn routed(call: &Call, program: &Path) -> Answer {
    let command = match call.input.get("command") {
        Some(Value::String(command)) if !command.contains('\0') => command,
        _ => return Answer::No(UNREAD),
    };
    let Some(program) = program.to_str() else {
        return Answer::No("the path of fumehood is no UTF-8: install it elsewhere");
    };
    let mut input = call.input.clone();
    let words = format!(
        "{} run --apply turn -- bash -c {}",
        quoted(program),
        quoted(command)
    );
    input.insert("command".to_owned(), Value::String(words));
    Answer::Instead(input)
}

/// One word of a shell (POSIX, 2.2.2).
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn render(agent: Agent, event: &str, answer: Answer) -> Said {
    let output = match (agent, event, answer) {
        (_, _, Answer::Own) => return Said::default(),
        (_, "PermissionRequest", Answer::Yes) => {
            json!({ "hookSpecificOutput": { "hookEventName": event, "decision": { "behavior": "allow" } } })
        }
        (Agent::ClaudeCode, _, Answer::Yes) => {
            json!({ "hookSpecificOutput": { "hookEventName": event, "permissionDecision": "allow",
                "permissionDecisionReason": WHY } })
        }
        (Agent::Gemini, _, Answer::Instead(input)) => {
            json!({ "decision": "allow", "hookSpecificOutput": { "hookEventName": event, "tool_input": input } })
        }
        (_, _, Answer::Instead(input)) => {
            json!({ "hookSpecificOutput": { "hookEventName": event, "permissionDecision": "allow",
                "updatedInput": input } })
        }
        (Agent::ClaudeCode | Agent::Codex, "PreToolUse", Answer::No(why)) => {
            json!({ "hookSpecificOutput": { "hookEventName": event, "permissionDecision": "deny",
                "permissionDecisionReason": format!("fumehood: {why}") } })
        }
        (Agent::Gemini, "BeforeTool", Answer::No(why)) => {
            json!({ "decision": "deny", "reason": format!("fumehood: {why}") })
        }
        (_, _, Answer::No(why)) => return refused(why),
        (Agent::Codex | Agent::Gemini, _, Answer::Yes) => return Said::default(),
    };
    Said {
        output: output.to_string(),
        ..Said::default()
    }
}

#[cfg(test)]
mod tests;
