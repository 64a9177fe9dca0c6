//! A pack as it streams by (gitformat-pack): commits and trees are kept and hashed, everything else is inflated to
//! find where it ends, and dropped.

mod entry;
mod scan;

pub use scan::PackScan;

use crate::oid::{Format, ObjectId};
use std::collections::BTreeMap;

/// What is read of a pack at most; past a bound nothing more is learned, and nothing is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one commit or tree, or of a delta that may make one.
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
    /// Its files.
    pub tree: ObjectId,
    /// Its parents.
    pub parents: Vec<ObjectId>,
}

/// The commits of a pack, by the hash of their content.
pub type Commits = BTreeMap<ObjectId, Commit>;

/// What was learned of a pack: each object under the hash of its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Its commits.
    pub commits: Commits,
    /// The contents of its trees.
    pub trees: BTreeMap<ObjectId, Vec<u8>>,
}

/// A commit's content: the lines between the first and `author`.
fn commit(format: Format, content: &[u8]) -> Option<Commit> {
    let mut lines = content.split(|b| *b == b'\n');
    let tree = ObjectId::from_hex(lines.next()?.strip_prefix(b"tree ")?)?;
    let of = |line: &[u8]| line.strip_prefix(b"parent ").map(ObjectId::from_hex);
    let parents: Vec<ObjectId> = lines.map_while(of).collect::<Option<_>>()?;
    let same = tree.format() == format && parents.iter().all(|id| id.format() == format);
    same.then_some(Commit { tree, parents })
}
