//! The parameters of a tool: what a model may fill in, and of which type.

use super::tool::description;
use super::{Fields, Node};
use crate::value::Invalid;

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its type.
    pub kind: ParameterKind,
    /// Whether it may be left out.
    pub optional: bool,
    /// What stands for it where it is left out; of its type, which is checked when the tool is loaded.
    pub default: Option<String>,
    /// It is a list of at most so many.
    pub many: Option<u16>,
    /// What the model is told.
    pub description: Option<String>,
}

/// The type of a parameter. There is no free text that reaches a command unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A path below the project.
    RelPath {
        /// Whether what is there is written: paths that programs outside obey are refused then.
        write: bool,
    },
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
    /// Statements of SQL, of at most so many characters; no word of the client that sends them.
    Sql {
        /// Most characters.
        max: u32,
    },
}

/// Values of one list.
const MOST_VALUES: i64 = 256;

const KINDS: &[&str] = &[
    "RelPath", "Glob", "GitRef", "PkgName", "TestId", "Ident", "Int", "Enum", "Host", "Url", "Regex", "Text",
    "Sql",
];

impl Parameter {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let word = f.need("type", &format!("one of {}", KINDS.join(", ")), |n| {
                n.text().map(|t| (t, n.clone()))
            });
            let optional = f.get("optional", Node::flag).unwrap_or(false);
            let default = f.take("default", |n| n.text().map(str::to_owned));
            let many = f.get("many", |n| n.integer(1..=MOST_VALUES));
            let description = f.get("description", description);
            let (word, node) = word?.value;
            let kind = ParameterKind::decode(word, &node, f)?;
            if default.is_some() && (many.is_some() || matches!(kind, ParameterKind::Int { .. })) {
                f.error("a list or a number has no default", "make it optional");
            }
            Some(Self {
                kind,
                optional,
                default: default.map(|at| at.value),
                many: many.and_then(|n| u16::try_from(n).ok()),
                description,
            })
        })
    }
}

impl ParameterKind {
    fn decode(word: &str, node: &Node<'_>, f: &mut Fields<'_>) -> Option<Self> {
        Some(match word {
            "RelPath" => Self::RelPath {
                write: f.get("write", Node::flag).unwrap_or(false),
            },
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
            "Sql" => Self::Sql {
                max: most_characters(f)?,
            },
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
        let max = most_characters(f)?;
        let multiline = f.get("multiline", Node::flag).unwrap_or(false);
        Some(Self::Text { max, multiline })
    }
}

fn most_characters(f: &mut Fields<'_>) -> Option<u32> {
    let max = f.need("max", "a text has a bound, in characters", |n| {
        n.integer(1..=1_000_000)
    })?;
    u32::try_from(max.value).ok()
}
