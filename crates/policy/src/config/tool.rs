//! `[tool.NAME]`: a command that a model may call, with typed parameters and no shell.

use std::fmt;

use super::sandbox::{Limits, globs};
use super::{Fields, Node};
use crate::glob::Glob;
use crate::origin::At;
use crate::value::{ByteSize, EnvName, HostPort, Invalid, Label, ToolName, Word};

/// A tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// What the model is told.
    pub description: String,
    /// Its parameters.
    pub params: Vec<(At<ToolName>, Parameter)>,
    /// The command, one argument an element.
    pub argv: Vec<Argument>,
    /// What it may reach.
    pub network: ToolNetwork,
    /// What it may do to the project.
    pub workspace: ToolWorkspace,
    /// Build outputs it may write.
    pub scratch: Vec<At<Glob>>,
    /// Secrets whose placeholders it gets.
    pub secrets: Vec<At<EnvName>>,
    /// Its limits.
    pub limits: Limits,
    /// What of its output goes back.
    pub output: Output,
}

/// One element of a tool's command: a fixed text or the value of one parameter, never a
/// mixture, so that a value cannot turn into an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// As written.
    Literal(String),
    /// The parameter's value.
    Parameter(ToolName),
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its type.
    pub kind: ParameterKind,
    /// Whether it may be left out.
    pub optional: bool,
    /// What the model is told.
    pub description: Option<String>,
}

/// The type of a parameter. There is no free text that reaches a command unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A path below the project.
    RelPath,
    /// A path pattern below the project.
    Glob,
    /// A branch, tag or commit.
    GitRef,
    /// A package's name.
    PkgName,
    /// The name of a test.
    TestId,
    /// Letters, digits, `_`.
    Ident,
    /// A whole number.
    Int {
        /// Least.
        min: i64,
        /// Most.
        max: i64,
    },
    /// One of these.
    Enum(Vec<String>),
    /// A host's name.
    Host,
    /// A URL.
    Url,
    /// A regular expression.
    Regex,
    /// Text of at most so many characters.
    Text {
        /// Most characters.
        max: u32,
        /// Whether line breaks are allowed.
        multiline: bool,
    },
}

const KINDS: &[&str] = &[
    "RelPath", "Glob", "GitRef", "PkgName", "TestId", "Ident", "Int", "Enum", "Host", "Url", "Regex", "Text",
];

/// What a tool may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolNetwork {
    /// Nothing.
    #[default]
    None,
    /// These hosts.
    Hosts(Vec<At<HostPort>>),
}

/// What a tool may do to the project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ToolWorkspace {
    /// It does not see it.
    None,
    /// It reads it.
    #[default]
    Read,
    /// It changes it.
    Write,
}

impl Word for ToolWorkspace {
    const KIND: &'static str = "a use of the workspace";
    const ALL: &'static [(&'static str, Self)] =
        &[("none", Self::None), ("read", Self::Read), ("write", Self::Write)];
}

/// What of a tool's output goes back to the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Most bytes.
    pub budget: Option<ByteSize>,
    /// Which parser makes the summary.
    pub parser: Option<Label>,
}

const DESCRIPTION_HELP: &str = "say in a sentence what it does";

impl Tool {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let description = f.need("description", DESCRIPTION_HELP, description);
            let params = f
                .get("params", |n| n.entries(Parameter::decode))
                .unwrap_or_default();
            let argv = f.need("argv", "list the command and its arguments", |n| {
                n.list(Argument::decode)
            });
            let network = f.get("network", ToolNetwork::decode).unwrap_or_default();
            let workspace = f.get("workspace", |n| {
                n.text().and_then(|t| n.check(ToolWorkspace::from_word(t)))
            });
            let scratch = globs(f, "scratch");
            let secrets = f.get("secrets", Node::texts).unwrap_or_default();
            let limits = f.get("limits", Limits::decode).unwrap_or_default();
            let output = f.get("output", Output::decode).unwrap_or_default();
            let argv: Vec<Argument> = argv?.value.into_iter().map(|a| a.value).collect();
            check_argv(f, &argv, &params);
            let workspace = workspace.unwrap_or_default();
            Some(Self {
                description: description?.value,
                params,
                argv,
                network,
                workspace,
                scratch,
                secrets,
                limits,
                output,
            })
        })
    }
}

fn description(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    if text.trim().is_empty() || text.chars().count() > 1000 {
        node.error("a description has 1 to 1000 characters", DESCRIPTION_HELP);
        return None;
    }
    Some(text.to_owned())
}

/// The program is fixed, every placeholder is declared, every declared parameter is used.
fn check_argv(fields: &Fields<'_>, argv: &[Argument], params: &[(At<ToolName>, Parameter)]) {
    match argv.first() {
        None => fields.error("`argv` is empty", "list the command and its arguments"),
        Some(Argument::Parameter(_)) => {
            fields.error("the program itself cannot be a parameter", "write its name")
        }
        Some(Argument::Literal(_)) => {}
    }
    for argument in argv {
        if let Argument::Parameter(name) = argument
            && !params.iter().any(|(known, _)| known.value == *name)
        {
            let near = crate::suggest::nearest(name.as_str(), params.iter().map(|(n, _)| n.value.as_str()));
            let help = near.map_or("declare it in `params`".to_owned(), |n| {
                format!("did you mean `{{{n}}}`?")
            });
            fields.error(format_args!("`{{{name}}}` is no parameter"), &help);
        }
    }
    for (name, _) in params {
        let used = argv
            .iter()
            .any(|a| matches!(a, Argument::Parameter(n) if *n == name.value));
        if !used {
            fields.error(
                format_args!("parameter `{}` is never used", name.value),
                "put it into `argv` or remove it",
            );
        }
    }
}

impl Argument {
    fn decode(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?;
        if let Some(name) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            return node.check(name.parse()).map(Self::Parameter);
        }
        if text.contains(['{', '}', '\0']) {
            node.error(
                "an argument is a fixed text or one `{parameter}`, not both",
                "split it in two",
            );
            return None;
        }
        Some(Self::Literal(text.to_owned()))
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => crate::Escaped::from(text.as_str()).at_most(200).fmt(f),
            Self::Parameter(name) => write!(f, "{{{name}}}"),
        }
    }
}

impl Parameter {
    fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let word = f.need("type", &format!("one of {}", KINDS.join(", ")), |n| {
                n.text().map(|t| (t, n.clone()))
            });
            let optional = f.get("optional", Node::flag).unwrap_or(false);
            let description = f.get("description", description);
            let (word, node) = word?.value;
            let kind = ParameterKind::decode(word, &node, f)?;
            Some(Self {
                kind,
                optional,
                description,
            })
        })
    }
}

impl ParameterKind {
    fn decode(word: &str, node: &Node<'_>, f: &mut Fields<'_>) -> Option<Self> {
        Some(match word {
            "RelPath" => Self::RelPath,
            "Glob" => Self::Glob,
            "GitRef" => Self::GitRef,
            "PkgName" => Self::PkgName,
            "TestId" => Self::TestId,
            "Ident" => Self::Ident,
            "Host" => Self::Host,
            "Url" => Self::Url,
            "Regex" => Self::Regex,
            "Int" => Self::int(f)?,
            "Enum" => Self::one_of(f)?,
            "Text" => Self::bounded_text(f)?,
            other => {
                let help = match crate::suggest::nearest(other, KINDS.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("one of {}", KINDS.join(", ")),
                };
                return node.check(Err(Invalid::not(other, "a parameter's type", help)));
            }
        })
    }

    fn int(f: &mut Fields<'_>) -> Option<Self> {
        let min = f.need("min", "a number has bounds", |n| n.integer(i64::MIN..=i64::MAX));
        let max = f.need("max", "a number has bounds", |n| n.integer(i64::MIN..=i64::MAX));
        let (min, max) = (min?.value, max?.value);
        if min > max {
            f.error("`min` is above `max`: no number can match", "swap them");
        }
        Some(Self::Int { min, max })
    }

    fn one_of(f: &mut Fields<'_>) -> Option<Self> {
        let values = f.need("values", "list the values", |n| {
            n.one_or_more(|v| v.text().map(str::to_owned))
        })?;
        Some(Self::Enum(values.value.into_iter().map(|v| v.value).collect()))
    }

    fn bounded_text(f: &mut Fields<'_>) -> Option<Self> {
        let max = f.need("max", "a text has a bound, in characters", |n| {
            n.integer(1..=1_000_000)
        })?;
        let multiline = f.get("multiline", Node::flag).unwrap_or(false);
        Some(Self::Text {
            max: u32::try_from(max.value).ok()?,
            multiline,
        })
    }
}

impl ToolNetwork {
    fn decode(node: &Node<'_>) -> Option<Self> {
        if node.is_text() {
            let none = node.text() == Some("none");
            if !none {
                node.error(
                    "a tool's network is \"none\" or a list of hosts",
                    "write [\"api.example.com\"]",
                );
            }
            return none.then_some(Self::None);
        }
        node.texts().map(Self::Hosts)
    }
}

impl Output {
    fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            Some(Self {
                budget: f.get("budget", Node::amount),
                parser: f.get("parser", Node::parse),
            })
        })
    }
}
