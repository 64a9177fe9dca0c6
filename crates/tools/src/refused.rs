//! Why a call is refused, in words that a model can act on.

use fumehood_policy::Escaped;
use std::fmt;

/// The longest message, in bytes.
pub(crate) const LONGEST: usize = 512;

/// A call that is not made. Its text names the parameter, what is wrong, and what to write instead; it is at
/// most [`LONGEST`] bytes, one line, and whatever it repeats of the call is escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(String);

impl Refused {
    /// Of the call as a whole.
    pub(crate) fn call(what: impl fmt::Display, help: &str) -> Refused {
        Refused(cut(&format!("{what}; {help}")))
    }

    /// Of one parameter.
    pub(crate) fn parameter(name: &str, wrong: &Wrong) -> Refused {
        let name = Escaped::from(name).at_most(64);
        Refused(cut(&format!("`{name}`: {}; {}", wrong.what, wrong.help)))
    }

    /// The message.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Why a value is not of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) what: String,
    pub(crate) help: String,
}

impl Wrong {
    pub(crate) fn new(what: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong {
            what: what.into(),
            help: help.into(),
        }
    }

    /// "`text` what".
    pub(crate) fn of(text: &str, what: &str, help: impl Into<String>) -> Wrong {
        Wrong::new(format!("`{}` {what}", Escaped::from(text).at_most(60)), help)
    }
}

fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let most = LONGEST - '…'.len_utf8();
    let end = (0..=most)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_short_and_one_line() {
        let wrong = Wrong::of(&"\n\u{202e}é".repeat(1000), "is wrong", "x".repeat(2000));
        let refused = Refused::parameter(&"p".repeat(500), &wrong);
        assert!(refused.text().len() <= LONGEST);
        assert!(!refused.text().chars().any(fumehood_policy::escape::acts_or_hides));
    }
}
