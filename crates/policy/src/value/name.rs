use std::fmt;
use std::str::FromStr;

use super::Invalid;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $first:expr, $rest:expr, $help:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                let first: fn(u8) -> bool = $first;
                let rest: fn(u8) -> bool = $rest;
                let ok = text.bytes().next().is_some_and(first) && text.bytes().all(rest) && text.len() <= 63;
                ok.then(|| Self(text.to_owned())).ok_or_else(|| Invalid::not(text, $kind, $help))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a preset, a service, an environment, a database or a cluster.
    Label, "a name",
    |b| b.is_ascii_lowercase() || b.is_ascii_digit(),
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_',
    "use small letters, digits, `-` and `_`"
}

name! {
    /// The name of a tool or of its parameter, as a model calls it.
    ToolName, "a tool's or parameter's name",
    |b| b.is_ascii_lowercase(),
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_',
    "use small letters, digits and `_`, such as `run_tests`"
}

name! {
    /// The name of a tool as another's server calls it (specification 2025-11-25, "Tools": letters, digits, `_`, `-`, `.`).
    UpstreamTool, "a tool's name",
    |b| b.is_ascii_alphanumeric() || b == b'_',
    |b| b.is_ascii_alphanumeric() || b"_-.".contains(&b),
    "use letters, digits, `_`, `-` and `.`"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!("claude-code".parse::<Label>().is_ok());
        assert!("run_tests".parse::<ToolName>().is_ok());
        for wrong in ["", "-a", "A", "a b", "a/b", "ä", &"a".repeat(64)] {
            assert!(wrong.parse::<Label>().is_err(), "{wrong}");
        }
    }
}
