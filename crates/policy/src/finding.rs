//! What is wrong in a file: where, what, and what to do.

use std::cmp::Ordering;
use std::fmt::{self, Display};

use crate::escape::Escaped;

/// A place in a file. Line and column count from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Pos {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl Display for Pos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is not used; a run stops.
    Error,
    /// The file is used; the line does less than it seems to.
    Warning,
}

impl Severity {
    /// The word printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing wrong in one file. Every text in it is already escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Error or warning.
    pub severity: Severity,
    /// The file's name as given by the caller, not escaped.
    pub file: String,
    /// Where.
    pub pos: Pos,
    /// The dotted key, `limits.memory`, or empty when the text is no TOML at all.
    pub key: String,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What to do, if there is more to say.
    pub help: Option<String>,
}

impl Finding {
    /// Order of reading: by file, then by place.
    pub(crate) fn reading_order(&self, other: &Self) -> Ordering {
        (&self.file, self.pos, &self.message).cmp(&(&other.file, other.pos, &other.message))
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = Escaped::from(self.file.as_str());
        write!(
            f,
            "{file}:{}: {}: {}",
            self.pos,
            self.severity.word(),
            self.message
        )?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// All findings of one file, errors first seen first. As an error it prints one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|f| f.severity == Severity::Error)
    }
}

impl Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, finding) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}
