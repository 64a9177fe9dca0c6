use std::fmt;
use std::str::FromStr;

use super::Invalid;

/// A release number, `0.4` or `0.4.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32, pub u32, pub u32);

impl FromStr for Version {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::not(text, "a version", "write it as \"0.4\" or \"0.4.1\"");
        let numbers: Option<Vec<u32>> = text.split('.').map(number).collect();
        match numbers.ok_or_else(bad)?[..] {
            [major, minor] => Ok(Self(major, minor, 0)),
            [major, minor, patch] => Ok(Self(major, minor, patch)),
            _ => Err(bad()),
        }
    }
}

/// Digits only: `u32::from_str` would take a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// At least this release: `>=0.4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VersionReq(pub Version);

impl VersionReq {
    /// Whether `version` will do.
    pub fn accepts(self, version: Version) -> bool {
        version >= self.0
    }
}

impl FromStr for VersionReq {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::not(text, "a required version", "write it as \">=0.4\"");
        let least = text.strip_prefix(">=").ok_or_else(bad)?;
        Ok(Self(least.trim_start().parse().map_err(|_| bad())?))
    }
}

impl fmt::Display for VersionReq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ">={}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_compare_numbers_not_text() {
        let req: VersionReq = ">=0.4".parse().unwrap();
        assert!(req.accepts(Version(0, 10, 0)) && req.accepts(Version(0, 4, 0)));
        assert!(!req.accepts(Version(0, 3, 99)));
        for wrong in ["0.4", ">=", ">=0", ">0.4", ">=0.4.1.2", ">=+0.4", ">=0.x"] {
            assert!(wrong.parse::<VersionReq>().is_err(), "{wrong}");
        }
    }
}
