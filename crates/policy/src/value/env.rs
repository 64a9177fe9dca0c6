use std::fmt;
use std::str::FromStr;

use super::Invalid;

/// The name of an environment variable: ASCII letters, digits, `_`, no digit first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvName(String);

impl EnvName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let first_is_digit = text.starts_with(|c: char| c.is_ascii_digit());
        if text.is_empty() || text.len() > 255 || first_is_digit || !text.bytes().all(word) {
            return Err(Invalid::not(
                text,
                "a variable's name",
                "use letters, digits and `_`, such as `RUST_LOG`",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A variable, or all whose names begin alike: `RUST_LOG`, `LC_*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EnvPattern {
    /// This one.
    Name(EnvName),
    /// Those that begin so.
    Prefix(EnvName),
}

impl EnvPattern {
    /// Whether `name` is meant. Names of the real environment may be any bytes.
    pub fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Name(wanted) => wanted.0.as_bytes() == name,
            Self::Prefix(prefix) => name.starts_with(prefix.0.as_bytes()),
        }
    }
}

impl FromStr for EnvPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.strip_suffix('*') {
            Some("") => Err(Invalid::new(
                "`*` would pass every variable, keys and tokens too",
                "name those that are needed, such as `LC_*`",
            )),
            Some(prefix) => prefix.parse().map(Self::Prefix),
            None => text.parse().map(Self::Name),
        }
    }
}

impl fmt::Display for EnvPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Prefix(name) => write!(f, "{name}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_prefixes() {
        let pattern: EnvPattern = "LC_*".parse().unwrap();
        assert!(pattern.matches(b"LC_ALL") && !pattern.matches(b"LANG"));
        for wrong in ["", "*", "1A", "A B", "A=B", "A*B", "Ä", "A\0"] {
            assert!(wrong.parse::<EnvPattern>().is_err(), "{wrong}");
        }
    }
}
