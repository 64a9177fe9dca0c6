//! Whether the pushed commits prove that a ref moves forward (review-security F19).

use crate::oid::ObjectId;
use crate::pack::Commits;
use std::collections::BTreeSet;

/// What the pack proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ancestry {
    /// The old commit is an ancestor of the new one.
    Forward,
    /// It is not: all history of the new commit is in the pack.
    Diverged,
    /// The history leaves the pack without meeting the old commit.
    Unknown,
}

/// Walks parents from `new` through commits of the pack. Each commit was hashed, so a path that reaches `old`
/// is a proof, whatever else the bytes say.
#[must_use]
pub fn ancestry(commits: &Commits, old: ObjectId, new: ObjectId) -> Ancestry {
    let (mut seen, mut left, mut whole) = (BTreeSet::new(), vec![new], true);
    while let Some(id) = left.pop() {
        if id == old {
            return Ancestry::Forward;
        }
        if !seen.insert(id) {
            continue;
        }
        match commits.get(&id) {
            Some(commit) => left.extend(commit.parents.iter().copied()),
            None => whole = false,
        }
    }
    if whole {
        Ancestry::Diverged
    } else {
        Ancestry::Unknown
    }
}
