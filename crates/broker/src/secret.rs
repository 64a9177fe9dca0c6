//! A secret's value.

use regex_lite::Regex;
use std::fmt;
use zeroize::Zeroizing;

/// A secret's value: no line break, no control character, long enough to be told apart from ordinary
/// text. Its memory is wiped when it is dropped; it cannot be copied, compared or printed by accident.
pub struct Secret(Zeroizing<Vec<u8>>);

/// Shorter ones stand in ordinary text by chance, and could not be kept out of what comes back.
pub(crate) use fumehood_redact::SHORTEST;
/// A service account's key file has 2.4 KB, a token with many claims up to 8.
pub(crate) const LONGEST: usize = 16 * 1024;

/// Why a value is no secret that can be used. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nothing was found.
    #[error("it is empty")]
    Empty,
    /// Too short to be recognised.
    #[error("it has {0} bytes; one of fewer than {SHORTEST} cannot be told apart from ordinary text")]
    Short(usize),
    /// Longer than any credential.
    #[error("it has more than {LONGEST} bytes, which is no credential")]
    Long,
    /// It could end a header line and begin another (A38).
    #[error("it holds a line break")]
    LineBreak,
    /// It could mean something else to each program that reads it.
    #[error("it holds a control character")]
    Control,
    /// Programs read it from an environment variable.
    #[error("it is not UTF-8")]
    Text,
    /// Not what was asked for.
    #[error("it does not match `{0}`, which `require` asks for")]
    Require(String),
}

impl Secret {
    /// The value as a file or program gives it: one line end at the end is not part of it.
    ///
    /// # Errors
    /// It cannot be used as a secret.
    pub fn new(value: impl Into<Zeroizing<Vec<u8>>>) -> Result<Secret, Unusable> {
        let mut value = value.into();
        if value.last() == Some(&b'\n') {
            value.pop();
            if value.last() == Some(&b'\r') {
                value.pop();
            }
        }
        check(&value).map(|()| Secret(value))
    }

    /// Refuses a value that is not of the kind that was meant: a live key where a test key belongs.
    ///
    /// # Errors
    /// It does not match.
    pub fn require(self, pattern: Option<&Regex>) -> Result<Secret, Unusable> {
        match pattern {
            Some(regex) if !regex.is_match(&String::from_utf8_lossy(&self.0)) => {
                Err(Unusable::Require(regex.as_str().to_owned()))
            }
            _ => Ok(self),
        }
    }

    /// The value, for the bytes that leave.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

fn check(value: &[u8]) -> Result<(), Unusable> {
    match value {
        [] => Err(Unusable::Empty),
        _ if value.len() > LONGEST => Err(Unusable::Long),
        _ if value.contains(&b'\n') || value.contains(&b'\r') => Err(Unusable::LineBreak),
        _ if value.iter().any(u8::is_ascii_control) => Err(Unusable::Control),
        _ if std::str::from_utf8(value).is_err() => Err(Unusable::Text),
        _ if value.len() < SHORTEST => Err(Unusable::Short(value.len())),
        _ => Ok(()),
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(value: &[u8]) -> Result<Secret, Unusable> {
        Secret::new(value.to_vec())
    }

    #[test]
    fn one_line_end_is_not_part_of_it() {
        for value in [&b"sk-test-1234"[..], b"sk-test-1234\n", b"sk-test-1234\r\n"] {
            assert_eq!(new(value).unwrap().expose(), b"sk-test-1234");
        }
    }

    /// A38: a header cannot be added through a credential.
    #[test]
    fn a38_what_cannot_be_a_secret() {
        for (value, why) in [
            (&b""[..], Unusable::Empty),
            (b"\n", Unusable::Empty),
            (b"sk-test\r\nx-evil: 1", Unusable::LineBreak),
            (b"sk-test-1234\n\n", Unusable::LineBreak),
            (b"sk-test\rmore", Unusable::LineBreak),
            (b"sk-test\0more", Unusable::Control),
            (b"sk-test\xff\xff", Unusable::Text),
            (b"short", Unusable::Short(5)),
        ] {
            assert_eq!(new(value).unwrap_err(), why);
        }
        assert_eq!(new(&[b'a'; LONGEST + 1]).unwrap_err(), Unusable::Long);
    }

    #[test]
    fn a_value_of_another_kind_is_refused_without_showing_it() {
        let test_keys = Regex::new("^sk_test_").unwrap();
        assert!(new(b"sk_test_abcdef").unwrap().require(Some(&test_keys)).is_ok());
        let error = new(b"sk_live_abcdef")
            .unwrap()
            .require(Some(&test_keys))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "it does not match `^sk_test_`, which `require` asks for"
        );
    }

    #[test]
    fn it_does_not_print() {
        assert_eq!(format!("{:?}", new(b"sk_live_abcdef").unwrap()), "Secret");
    }
}
