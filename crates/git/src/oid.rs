//! Object ids.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Which hash a repository uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 20 bytes.
    Sha1,
    /// 32 bytes.
    Sha256,
}

impl Format {
    /// Bytes of an id.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Format::Sha1 => 20,
            Format::Sha256 => 32,
        }
    }
}

/// The name of an object, or all zeros for none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectId {
    /// SHA-1.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl ObjectId {
    /// From its bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<ObjectId> {
        match bytes.len() {
            20 => bytes.try_into().ok().map(ObjectId::Sha1),
            32 => bytes.try_into().ok().map(ObjectId::Sha256),
            _ => None,
        }
    }

    /// From lower-case hexadecimal digits, as git writes them.
    #[must_use]
    pub fn from_hex(digits: &[u8]) -> Option<ObjectId> {
        if !matches!(digits.len(), 40 | 64) {
            return None;
        }
        let nibble = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let byte = |pair: &[u8]| match pair {
            [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
            _ => None,
        };
        let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
        ObjectId::from_bytes(&bytes)
    }

    /// The id of a commit with this content.
    #[must_use]
    pub fn of_commit(format: Format, content: &[u8]) -> ObjectId {
        ObjectId::of("commit", format, content)
    }

    /// The id of a tree with this content.
    #[must_use]
    pub fn of_tree(format: Format, content: &[u8]) -> ObjectId {
        ObjectId::of("tree", format, content)
    }

    fn of(kind: &str, format: Format, content: &[u8]) -> ObjectId {
        let head = format!("{kind} {}\0", content.len());
        match format {
            Format::Sha1 => {
                let mut hash = Sha1::new();
                hash.update(head.as_bytes());
                hash.update(content);
                ObjectId::Sha1(hash.finalize().into())
            }
            Format::Sha256 => {
                let mut hash = Sha256::new();
                hash.update(head.as_bytes());
                hash.update(content);
                ObjectId::Sha256(hash.finalize().into())
            }
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            ObjectId::Sha1(bytes) => bytes,
            ObjectId::Sha256(bytes) => bytes,
        }
    }

    /// Whether it stands for no object.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.as_bytes().iter().all(|b| *b == 0)
    }

    /// Which hash it is of.
    #[must_use]
    pub const fn format(&self) -> Format {
        match self {
            ObjectId::Sha1(_) => Format::Sha1,
            ObjectId::Sha256(_) => Format::Sha256,
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
