//! `fumehood tool`: what a model may call instead of a shell.

pub(crate) mod call;
mod check;
mod edits;
mod files;
pub(crate) mod offered;
pub(crate) mod pins;
pub(crate) mod result;
mod show;

pub(crate) use edits::Edits;

use crate::FAILED;
use crate::say;
use clap::{Args, Subcommand};
use fumehood_tools::Effect;
use std::io::Write;

#[derive(Debug, Subcommand)]
pub(crate) enum ToolVerb {
    /// Say which tools there are here
    List {
        /// Print JSON, as an MCP client is told
        #[arg(long)]
        json: bool,
    },
    /// Say what is unwise in the tools that are written here
    Lint,
    /// Say what a call would run, and with what, without running it
    Explain(CallArguments),
    /// Try hostile values on each parameter of each tool, without running any
    Test {
        /// Only this tool
        name: Option<String>,
    },
    /// Call a tool in its own sandbox
    Call(CallArguments),
    /// Look at what the servers behind the gateway offer, and accept what changed
    Pins(pins::PinsArguments),
    /// Read on in an output that a call left out
    Read(ReadArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CallArguments {
    /// The tool
    pub(crate) name: String,
    /// Its arguments, a JSON object
    #[arg(default_value = "{}")]
    pub(crate) arguments: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReadArguments {
    /// The handle that a result names
    pub(crate) handle: String,
    /// The first line
    #[arg(long, value_name = "LINE", default_value_t = 1)]
    pub(crate) from: u64,
    /// Only lines that match this regular expression
    #[arg(long, value_name = "REGEX")]
    pub(crate) grep: Option<String>,
}

pub(crate) fn tool(verb: &ToolVerb) -> u8 {
    let done = match verb {
        ToolVerb::List { json } => show::list(*json).map(printed),
        ToolVerb::Lint => check::lint().map(judged),
        ToolVerb::Explain(arguments) => show::explain(arguments).map(printed),
        ToolVerb::Test { name } => check::test(name.as_deref()).map(judged),
        ToolVerb::Call(arguments) => call::by_hand(arguments).map(|(text, code)| {
            printed(text);
            code
        }),
        ToolVerb::Pins(arguments) => pins::pins(arguments).map(printed),
        ToolVerb::Read(arguments) => show::read(arguments).map(printed),
    };
    done.unwrap_or_else(|text| {
        say::error(&text);
        FAILED
    })
}

/// What a sandbox lets its programs do, in a word.
pub(crate) fn class(tool: &fumehood_policy::config::Tool) -> &'static str {
    match fumehood_tools::effect_of(tool) {
        Effect::Observe => "observe",
        Effect::SandboxWrite => "sandbox-write",
        Effect::Outward => "outward",
    }
}

fn printed(text: String) -> u8 {
    let mut to = std::io::stdout();
    let _closed = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    0
}

/// 1 where something is wrong.
fn judged((text, good): (String, bool)) -> u8 {
    printed(text);
    u8::from(!good)
}
