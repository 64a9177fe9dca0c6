//! The head of an object in a pack.

use super::PackError;
use crate::oid::{Format, ObjectId};

/// What an object is stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// A commit, whole.
    Commit,
    /// A tree, whole.
    Tree,
    /// A blob or tag, whole.
    Other,
    /// As what differs from the object that begins so many bytes earlier.
    Before(u64),
    /// As what differs from the object with this id.
    From(ObjectId),
}

/// The head: what it is, how many bytes it inflates to, how long the head was.
pub(super) struct Head {
    pub(super) stored: Stored,
    pub(super) size: u64,
    pub(super) length: usize,
}

/// The longest head: ten bytes of size, then an offset or an id.
pub(super) const MAX_HEAD: usize = 10 + 32;

/// Reads a head; `None` where it is not here whole yet.
pub(super) fn head(bytes: &[u8], format: Format) -> Result<Option<Head>, PackError> {
    let mut at = 0;
    let mut next = || {
        let byte = bytes.get(at).copied();
        at += 1;
        byte
    };
    let Some(first) = next() else { return Ok(None) };
    let (mut size, mut shift, mut byte) = (u64::from(first & 0x0f), 4, first);
    while byte & 0x80 != 0 {
        let Some(more) = next() else { return Ok(None) };
        if shift > 53 {
            return Err(PackError::Object);
        }
        size |= u64::from(more & 0x7f) << shift;
        (shift, byte) = (shift + 7, more);
    }
    let stored = match first >> 4 & 7 {
        1 => Stored::Commit,
        2 => Stored::Tree,
        3 | 4 => Stored::Other,
        6 => {
            let Some(offset) = offset(&mut next)? else {
                return Ok(None);
            };
            Stored::Before(offset)
        }
        7 => {
            let Some(id) = bytes.get(at..at + format.length()) else {
                return Ok(None);
            };
            at += format.length();
            Stored::From(ObjectId::from_bytes(id).ok_or(PackError::Object)?)
        }
        _ => return Err(PackError::Object),
    };
    Ok(Some(Head {
        stored,
        size,
        length: at,
    }))
}

/// Seven bits a byte, the most significant first, each but the last one more than it says.
fn offset(next: &mut impl FnMut() -> Option<u8>) -> Result<Option<u64>, PackError> {
    let Some(mut byte) = next() else { return Ok(None) };
    let mut offset = u64::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        let Some(more) = next() else { return Ok(None) };
        if offset >= 1 << 48 {
            return Err(PackError::Object);
        }
        (offset, byte) = ((offset + 1) << 7 | u64::from(more & 0x7f), more);
    }
    Ok(Some(offset))
}
