//! `[mcp.NAME]`: a server of tools that others wrote, run in a sandbox of its own behind the gateway.

use super::Node;
use super::argument::Argument;
use super::sandbox::{Limits, globs};
use super::tool::{Output, Tool, ToolNetwork, ToolWorkspace, environment, folder};
use crate::origin::At;
use crate::value::{Span, UpstreamTool, Word};

/// A server behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its command and its sandbox, as a tool's without parameters.
    pub sandbox: Tool,
    /// Of its tools only these; all of them without.
    pub tools: Option<Vec<At<UpstreamTool>>>,
    /// Tools that are offered under another name.
    pub rename: Vec<(At<UpstreamTool>, UpstreamTool)>,
    /// What stands before the names of the others; the server's name and `_` without.
    pub prefix: Option<String>,
    /// Tools whose calls wait for a person.
    pub hold: Vec<At<UpstreamTool>>,
    /// Parameters by which something leaves, `*` for all: a value that the user did not say waits for a person.
    pub sinks: Vec<(At<UpstreamTool>, Vec<At<String>>)>,
    /// Whether what it gives is not for everybody.
    pub private: bool,
    /// How long a call may take.
    pub timeout: Option<Span>,
    /// What of it is passed on beside tools.
    pub pass: Vec<At<Pass>>,
}

/// What a server has beside tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Documents by their address.
    Resources,
    /// Texts for a person to choose.
    Prompts,
    /// Values that arguments could have.
    Completion,
}

impl Word for Pass {
    const KIND: &'static str = "something that a server has beside tools";
    const ALL: &'static [(&'static str, Self)] = &[
        ("resources", Self::Resources),
        ("prompts", Self::Prompts),
        ("completion", Self::Completion),
    ];
}

impl Upstream {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let command = f.need("command", "list the program and its arguments", |n| n.list(word));
            let sandbox = Tool {
                description: String::new(),
                params: Vec::new(),
                argv: Vec::new(),
                cwd: f.take("cwd", folder),
                env: f.get("env", environment).unwrap_or_default(),
                network: f.get("network", ToolNetwork::decode).unwrap_or_default(),
                workspace: f
                    .get("workspace", |n| {
                        n.text().and_then(|t| n.check(ToolWorkspace::from_word(t)))
                    })
                    .unwrap_or_default(),
                scratch: globs(f, "scratch"),
                secrets: f.get("secrets", Node::texts).unwrap_or_default(),
                limits: f.get("limits", Limits::decode).unwrap_or_default(),
                output: f.get("output", Output::decode).unwrap_or_default(),
            };
            let tools = f.get("tools", Node::texts);
            let rename = f.get("rename", |n| n.entries(Node::parse)).unwrap_or_default();
            let prefix = f.get("prefix", prefix);
            let hold = f.get("hold", Node::texts).unwrap_or_default();
            let sinks = f.get("sinks", |n| n.entries(|n| n.list(parameter)));
            let private = f.get("private", Node::flag).unwrap_or(false);
            let timeout = f.get("timeout", Node::parse);
            let pass = f.get("pass", |n| {
                n.list(|n| n.text().and_then(|t| n.check(Pass::from_word(t))))
            });
            let command = command?.value;
            if command.is_empty() {
                f.error("`command` is empty", "list the program and its arguments");
            }
            Some(Self {
                sandbox: Tool {
                    argv: command,
                    ..sandbox
                },
                tools,
                rename,
                prefix,
                hold,
                sinks: sinks.unwrap_or_default(),
                private,
                timeout,
                pass: pass.unwrap_or_default(),
            })
        })
    }

    /// The words of its command.
    pub fn command(&self) -> impl Iterator<Item = &str> {
        self.sandbox.argv.iter().filter_map(|at| match &at.value {
            Argument::Literal(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

/// A fixed word: nothing is filled in, so braces are as they stand.
fn word(node: &Node<'_>) -> Option<Argument> {
    let text = node.text()?;
    if text.contains('\0') {
        node.error("an argument has no NUL byte", "remove it");
        return None;
    }
    Some(Argument::Literal(text.to_owned()))
}

fn parameter(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    if text.is_empty() || text.len() > 256 {
        node.error("a parameter has a name", "write it as the server does, or `*`");
        return None;
    }
    Some(text.to_owned())
}

fn prefix(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if text.len() > 32 || !text.bytes().all(plain) {
        node.error(
            "a prefix has at most 32 letters, digits, `_` and `-`",
            "shorten it",
        );
        return None;
    }
    Some(text.to_owned())
}
