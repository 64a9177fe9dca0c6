//! The command of a tool, as a list: what is fixed, and where the values of parameters stand.

use std::fmt;

use super::parameter::Parameter;
use super::{Fields, Node};
use crate::origin::At;
use crate::value::ToolName;

/// One element of a tool's command. A value is an argument of its own, or follows a text that is fixed up to
/// its `=` or is `./`: so it never turns into an option, or into a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// As written.
    Literal(String),
    /// The parameter's value.
    Parameter(ToolName),
    /// The parameter's value after this text: `--package={package}`, `./{folder}`.
    Prefixed(String, ToolName),
    /// Several that stand together: left out where a parameter in them has no value.
    Group(Vec<Argument>),
}

/// Arguments within one group.
const MAX_GROUP: usize = 16;

impl Argument {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        if node.is_list() {
            return Self::group(node);
        }
        Self::single(node)
    }

    fn group(node: &Node<'_>) -> Option<Self> {
        let parts = node.list(Self::single)?;
        let parts: Vec<_> = parts.into_iter().map(|p| p.value).collect();
        let named = parts.iter().any(|p| p.parameters().next().is_some());
        if !named || parts.len() > MAX_GROUP {
            node.error(
                "a group stands or falls with a parameter in it",
                "put a `{parameter}` into it, or leave its brackets out",
            );
            return None;
        }
        Some(Self::Group(parts))
    }

    fn single(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?;
        if text.contains('\0') {
            node.error("an argument has no NUL byte", "remove it");
            return None;
        }
        let Some((prefix, rest)) = text.split_once('{') else {
            return literal(node, text);
        };
        let fixed = prefix.is_empty() || prefix == "./" || is_option(prefix);
        match rest.strip_suffix('}') {
            Some(name) if fixed && !name.contains(['{', '}']) => {
                let name = node.check(name.parse())?;
                Some(match prefix {
                    "" => Self::Parameter(name),
                    prefix => Self::Prefixed(prefix.to_owned(), name),
                })
            }
            _ => {
                node.error(
                    "an argument is a fixed text or one `{parameter}`, not both",
                    "split it in two, or write `--option={parameter}` or `./{parameter}`",
                );
                None
            }
        }
    }

    /// The parameters that it names.
    pub fn parameters(&self) -> impl Iterator<Item = &ToolName> {
        let parts = match self {
            Self::Group(parts) => parts.as_slice(),
            other => std::slice::from_ref(other),
        };
        parts.iter().filter_map(|part| match part {
            Self::Parameter(name) | Self::Prefixed(_, name) => Some(name),
            Self::Literal(_) | Self::Group(_) => None,
        })
    }
}

fn literal(node: &Node<'_>, text: &str) -> Option<Argument> {
    if text.contains('}') {
        node.error(
            "a `}` without its `{`",
            "write a fixed text, or one `{parameter}`",
        );
        return None;
    }
    Some(Argument::Literal(text.to_owned()))
}

/// `--name=`: what follows is its value whatever it is.
fn is_option(prefix: &str) -> bool {
    let name = prefix.strip_prefix("--").and_then(|p| p.strip_suffix('='));
    name.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// The program is fixed, every placeholder is declared, every declared parameter is used.
pub(super) fn check(fields: &Fields<'_>, argv: &[At<Argument>], params: &[(At<ToolName>, Parameter)]) {
    match argv.first().map(|a| &a.value) {
        None => fields.error("`argv` is empty", "list the command and its arguments"),
        Some(Argument::Literal(name)) if name.is_empty() => {
            fields.error("the program has no name", "write its name");
        }
        Some(Argument::Literal(_)) => {}
        Some(_) => fields.error("the program itself cannot be a parameter", "write its name"),
    }
    let named = || argv.iter().flat_map(|a| a.value.parameters());
    for name in named() {
        if !params.iter().any(|(known, _)| known.value == *name) {
            let near = crate::suggest::nearest(name.as_str(), params.iter().map(|(n, _)| n.value.as_str()));
            let help = near.map_or("declare it in `params`".to_owned(), |n| {
                format!("did you mean `{{{n}}}`?")
            });
            fields.error(format_args!("`{{{name}}}` is no parameter"), &help);
        }
    }
    for (name, _) in params {
        if !named().any(|n| *n == name.value) {
            fields.error(
                format_args!("parameter `{}` is never used", name.value),
                "put it into `argv` or remove it",
            );
        }
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fixed = |text: &str, f: &mut fmt::Formatter<'_>| crate::Escaped::from(text).at_most(200).fmt(f);
        match self {
            Self::Literal(text) => fixed(text, f),
            Self::Parameter(name) => write!(f, "{{{name}}}"),
            Self::Prefixed(prefix, name) => {
                fixed(prefix, f)?;
                write!(f, "{{{name}}}")
            }
            Self::Group(parts) => {
                let words: Vec<String> = parts.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", words.join(" "))
            }
        }
    }
}
