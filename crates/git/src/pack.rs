//! A pack as it streams by (gitformat-pack): commits are kept and hashed, everything else is inflated to find
//! where it ends, and dropped.

mod entry;
mod scan;

pub use scan::PackScan;

use crate::oid::{Format, ObjectId};
use std::collections::BTreeMap;

/// What is read of a pack at most; past a bound nothing more is learned, and nothing is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one commit, or of a delta that may make one.
    pub commit: usize,
    /// Bytes kept of all of them together.
    pub kept: usize,
    /// Bytes that come out of all compressed streams together.
    pub inflated: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            commit: 256 << 10,
            kept: 64 << 20,
            inflated: 16 << 30,
        }
    }
}

/// Not a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// Its first twelve bytes.
    #[error("not a pack of version 2 or 3")]
    Header,
    /// The head of an object.
    #[error("an object of the pack has no type or size")]
    Object,
    /// Compressed bytes.
    #[error("an object of the pack does not inflate to its size")]
    Inflate,
    /// More bytes after the last object and the checksum, or too few.
    #[error("the pack does not end where it says")]
    End,
    /// It inflates to more than is read.
    #[error("the pack inflates to more than is read")]
    Bomb,
}

/// A commit, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its parents.
    pub parents: Vec<ObjectId>,
}

/// The commits of a pack, by the hash of their content.
pub type Commits = BTreeMap<ObjectId, Commit>;

/// The parents of a commit's content: the lines between `tree` and `author`.
fn parents(format: Format, content: &[u8]) -> Option<Vec<ObjectId>> {
    let mut lines = content.split(|b| *b == b'\n');
    lines.next()?.strip_prefix(b"tree ")?;
    let of = |line: &[u8]| line.strip_prefix(b"parent ").map(ObjectId::from_hex);
    let found: Option<Vec<ObjectId>> = lines.map_while(of).collect();
    found.filter(|ids| ids.iter().all(|id| id.format() == format))
}
