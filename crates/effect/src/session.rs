//! Which run an effect belongs to.

use std::fmt;
use std::str::FromStr;

/// A session's name: 1 to 64 of `a-z`, `0-9` and `-`, not beginning with `-`. Safe as a file name, as
/// a label of a host name's length, and to print.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(String);

/// Not a session's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session is named by 1 to 64 of a-z, 0-9 and -, and does not begin with -")]
pub struct InvalidSession;

impl SessionId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = InvalidSession;

    fn from_str(text: &str) -> Result<Self, InvalidSession> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let good = (1..=64).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(plain);
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSession)
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_safe_as_a_file_name() {
        assert!("k3x-7".parse::<SessionId>().is_ok());
        for wrong in ["", "-a", "..", "a/b", "A", "a b", "é", &"a".repeat(65)] {
            assert_eq!(wrong.parse::<SessionId>(), Err(InvalidSession), "{wrong}");
        }
    }
}
