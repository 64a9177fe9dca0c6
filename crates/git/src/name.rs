//! Ref names, and what they mean.

use std::fmt;

/// What a ref is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefKind {
    /// `refs/heads/**`
    Branch,
    /// `refs/tags/**`
    Tag,
    /// Anything else: notes, replacements, a forge's own, a name that git would refuse.
    Odd,
}

/// A ref's name, any bytes but NUL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(Vec<u8>);

impl RefName {
    /// As it came.
    #[must_use]
    pub fn new(bytes: &[u8]) -> RefName {
        RefName(bytes.to_vec())
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What it is. What git would not take as a name (git-check-ref-format(1)), or that is not UTF-8, is odd.
    #[must_use]
    pub fn kind(&self) -> RefKind {
        let named = |prefix: &str| {
            self.0
                .strip_prefix(prefix.as_bytes())
                .is_some_and(|rest| !rest.is_empty())
        };
        match () {
            () if !self.is_well_formed() => RefKind::Odd,
            () if named("refs/heads/") => RefKind::Branch,
            () if named("refs/tags/") => RefKind::Tag,
            () => RefKind::Odd,
        }
    }

    /// What comes after `refs/heads/`.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.0).ok()?;
        text.strip_prefix("refs/heads/")
            .filter(|_| self.kind() == RefKind::Branch)
    }

    fn is_well_formed(&self) -> bool {
        let Ok(text) = std::str::from_utf8(&self.0) else {
            return false;
        };
        let bad = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
        let part =
            |p: &str| !p.is_empty() && !p.starts_with('.') && !p.ends_with(".lock") && !p.ends_with('.');
        !text.contains("..")
            && !text.contains("@{")
            && !text.contains(bad)
            && text.len() <= 1024
            && text.split('/').all(part)
    }
}

impl fmt::Display for RefName {
    /// Escaped: on one line, nothing hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", fumehood_policy::Escaped::bytes(&self.0))
    }
}

impl fmt::Debug for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_kinds() {
        let kind = |text: &str| RefName::new(text.as_bytes()).kind();
        assert_eq!(kind("refs/heads/main"), RefKind::Branch);
        assert_eq!(kind("refs/heads/agent/s1/näme"), RefKind::Branch);
        assert_eq!(kind("refs/tags/v1.0"), RefKind::Tag);
        for odd in [
            "HEAD",
            "main",
            "refs/heads/",
            "refs/heads",
            "refs/notes/x",
            "refs/for/main",
            "refs/replace/x",
            "refs/pull/1/head",
            "refs/heads/a..b",
            "refs/heads/a b",
            "refs/heads//a",
            "refs/heads/.a",
            "refs/heads/a.lock",
            "refs/heads/a\n",
            "refs/heads/a\u{7f}",
            "refs/heads/@{1}",
            "refs/Heads/a",
            "",
        ] {
            assert_eq!(kind(odd), RefKind::Odd, "{odd:?}");
        }
        assert_eq!(RefName::new(b"refs/heads/\xff").kind(), RefKind::Odd);
    }
}
