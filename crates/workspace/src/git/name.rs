//! Names of objects and refs, as git would accept them, from bytes that anybody wrote.

use std::fmt;

/// An object's id: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(String);

impl ObjectId {
    /// Reads one; nothing else may stand around it.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<ObjectId> {
        let hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
        let fits = matches!(text.len(), 40 | 64) && text.iter().all(hex);
        let text = std::str::from_utf8(text).ok().filter(|_| fits)?;
        Some(ObjectId(text.to_owned()))
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for no object.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }

    /// The first digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A full name of a ref, `refs/…`, that git-check-ref-format(1) accepts. Narrower than git: text in UTF-8,
/// no part that begins with a dash (an option to whoever types it), at most 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(String);

const LONGEST: usize = 512;

impl RefName {
    /// Reads one.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<RefName> {
        let text = std::str::from_utf8(text).ok()?;
        let rest = text.strip_prefix("refs/")?;
        let bad = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
        let whole = text.len() <= LONGEST
            && rest.contains('/')
            && !text.chars().any(bad)
            && !text.contains("..")
            && !text.contains("@{")
            && !text.ends_with('.');
        let part = |p: &str| !p.is_empty() && !p.starts_with(['.', '-']) && !p.ends_with(".lock") && p != "@";
        (whole && rest.split('/').all(part)).then(|| RefName(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without `refs/heads/` or `refs/tags/`, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        let known = ["refs/heads/", "refs/tags/", "refs/"];
        known
            .iter()
            .find_map(|k| self.0.strip_prefix(k))
            .unwrap_or(&self.0)
    }

    /// Whether it names a branch.
    #[must_use]
    pub fn is_branch(&self) -> bool {
        self.0.starts_with("refs/heads/")
    }

    /// Whether a session's own travels: branches, tags, notes. What tells where remotes stand
    /// (`refs/remotes`), what changes how objects are read (`refs/replace`) and whatever else there is
    /// stays where it was made.
    #[must_use]
    pub fn travels(&self) -> bool {
        let confusing = matches!(self.short(), "HEAD" | "FETCH_HEAD" | "ORIG_HEAD" | "MERGE_HEAD")
            || ObjectId::parse(self.short().as_bytes()).is_some();
        let known = ["refs/heads/", "refs/tags/", "refs/notes/"];
        !confusing && known.iter().any(|k| self.0.starts_with(k))
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a HEAD points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// To a branch, born or not.
    Branch(RefName),
    /// To a commit.
    Detached(ObjectId),
}

impl Head {
    /// Reads what a `HEAD` file holds.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Head> {
        let text = text.trim_ascii_end();
        match text.strip_prefix(b"ref: ") {
            Some(name) => RefName::parse(name.trim_ascii_start())
                .filter(RefName::is_branch)
                .map(Head::Branch),
            None => ObjectId::parse(text).map(Head::Detached),
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Head::Branch(name) => write!(f, "ref: {name}"),
            Head::Detached(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_refs_are_those_git_takes_and_fewer() {
        for name in [
            "refs/heads/main",
            "refs/heads/feat/a-b_c",
            "refs/tags/v1.0",
            "refs/heads/ünï",
        ] {
            assert!(RefName::parse(name.as_bytes()).is_some(), "{name}");
        }
        for name in [
            "",
            "refs",
            "refs/",
            "refs/heads",
            "refs/heads/",
            "heads/main",
            "refs/heads//a",
            "refs/heads/a/",
            "refs/heads/.a",
            "refs/heads/a..b",
            "refs/heads/a.lock",
            "refs/heads/a.lock/b",
            "refs/heads/a.",
            "refs/heads/a b",
            "refs/heads/a\n",
            "refs/heads/a~1",
            "refs/heads/a^",
            "refs/heads/a:b",
            "refs/heads/a?",
            "refs/heads/a*",
            "refs/heads/[a",
            "refs/heads/a\\b",
            "refs/heads/a@{1}",
            "refs/heads/@",
            "refs/heads/-x",
            "refs/heads/../../config",
        ] {
            assert!(RefName::parse(name.as_bytes()).is_none(), "{name:?}");
        }
        assert!(RefName::parse(b"refs/heads/\xff").is_none());
        assert!(RefName::parse(&[b"refs/heads/".as_slice(), &[b'a'; LONGEST]].concat()).is_none());
    }

    #[test]
    fn what_says_where_remotes_stand_or_replaces_objects_does_not_travel() {
        let travels = |name: &str| RefName::parse(name.as_bytes()).unwrap().travels();
        assert!(travels("refs/heads/a") && travels("refs/tags/a") && travels("refs/notes/commits"));
        for name in [
            "refs/remotes/o/a",
            "refs/replace/a",
            "refs/fumehood/x",
            "refs/heads/HEAD",
        ] {
            assert!(!travels(name), "{name}");
        }
        assert!(!travels(&format!("refs/heads/{}", "a".repeat(40))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_name_or_none(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let named = [b"refs/heads/".as_slice(), &bytes].concat();
            if let Some(name) = RefName::parse(&named) {
                prop_assert!(!name.as_str().contains("..") && !name.as_str().contains('\n'));
            }
            let _any = (ObjectId::parse(&bytes), Head::parse(&bytes));
        }
    }
}
