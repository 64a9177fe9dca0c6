//! Erasing what a session recorded, and verifying what stays: the tree's hashes, its heads, and that the index says so.
//!
//! A record's hash says nothing of it, since nobody can guess its blind. So nothing needs to be encrypted to be erased:
//! with the records their blinds are gone.

use crate::account::{Account, identity, session_folder};
use crate::finish::{lay_out, replace, sync_folder};
use crate::inspect::{InspectError, Known, State, inspect_index, inspect_session, is_running};
use crate::layout::{CHECKPOINT, INDEX, JOURNAL, NEXT_JOURNAL, WIDTH, tile};
use crate::note::Checkpoint;
use crate::read;
use crate::record::{Kind, Value};
use crate::tree::{Frontier, Hash};
use crate::verify::{Remembered, VerifyError, verify_tree};
use crate::writer::{WriteError, doing};
use fumehood_effect::Digest;
use std::collections::BTreeMap;
use std::path::Path;

/// The folder of the records of a log that ended.
const ENTRIES: &str = "tile/entries";

/// Why nothing was erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// It is still written.
    #[error("the session is running")]
    Running,
    /// The index does not know it, or its log is gone or not what was signed: that must be looked at first.
    #[error("its log does not verify; nothing was erased")]
    NotGood,
    /// The index is not good.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The log is not good.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The index or the log cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Forgets what a session recorded; the index says so first, so that content that is missing and content that was erased
/// are two things. Once more does it to its end where it was interrupted.
///
/// # Errors
/// It runs, does not verify, or cannot be written.
pub fn erase(root: &Path, id: &str) -> Result<(), EraseError> {
    let folder = session_folder(root, id);
    if is_running(&folder) {
        return Err(EraseError::Running);
    }
    let (_, known) = inspect_index(root, &[])?;
    let known = known.get(id).ok_or(EraseError::NotGood)?;
    if !known.erased {
        match inspect_session(root, id, Some(known)) {
            State::Whole(_) | State::Broken(_) => {}
            _ => return Err(EraseError::NotGood),
        }
        note(root, id, &end(root, id, known)?)?;
    }
    for gone in [ENTRIES, JOURNAL, NEXT_JOURNAL, INDEX] {
        let path = folder.join(gone);
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(doing("remove a file")(error).into());
            }
            _ => {}
        }
    }
    Ok(sync_folder(&folder)?)
}

/// The last head that vouches for the log. One that is a journal, because it is short or its writer died, becomes tiles
/// first, so that hashes stay.
fn end(root: &Path, id: &str, known: &Known) -> Result<Remembered, EraseError> {
    let folder = session_folder(root, id);
    let (account, _) = identity(root).ok_or(EraseError::NotGood)?;
    let origin = format!("{account}/{id}");
    let verified = verify_tree(&folder, &origin, known.key, &known.heads)?;
    let last = verified.keys.last().ok_or(EraseError::NotGood)?;
    let signed = Checkpoint::peek(&last.note, &origin).map_err(|_| EraseError::NotGood)?;
    let signed = Remembered {
        size: signed.size,
        root: signed.root,
    };
    let indexed = known.heads.last().filter(|head| head.size > signed.size);
    let head = indexed.cloned().unwrap_or(signed);
    if !read::ended(&folder) {
        lay_out(&folder, head.size, &head.root)?;
        replace(&folder, CHECKPOINT, last.note.as_bytes())?;
    }
    Ok(head)
}

fn note(root: &Path, id: &str, head: &Remembered) -> Result<(), EraseError> {
    let fields = BTreeMap::from([
        ("session".to_owned(), Value::Text(id.to_owned())),
        ("size".to_owned(), Value::Number(head.size)),
        ("root".to_owned(), Value::Digest(Digest::from_bytes(head.root))),
    ]);
    Account::open(root)?.record(Kind::SessionErase, fields)?;
    Ok(())
}

/// Whether the hashes that stayed are those of every head that the index has, and nothing else stayed.
pub(crate) fn verify_erased(folder: &Path, heads: &[Remembered]) -> Result<(), VerifyError> {
    if let Some(there) = [ENTRIES, JOURNAL, NEXT_JOURNAL]
        .iter()
        .find(|name| folder.join(name).exists())
    {
        return Err(VerifyError::NotErased((*there).to_owned()));
    }
    let size = heads.last().map_or(0, |head| head.size);
    let mut frontier = Frontier::default();
    let mut heads = heads.iter().peekable();
    let width = WIDTH as u64;
    for index in 0..size.div_ceil(width) {
        let count = usize::try_from((size - index * width).min(width)).unwrap_or(WIDTH);
        let bytes = read::file(folder, &tile("0", index, count))?;
        for leaf in bytes.chunks_exact(32) {
            frontier.push(Hash::try_from(leaf).unwrap_or_default());
            while let Some(head) = heads.next_if(|head| head.size == frontier.size()) {
                if head.root != frontier.root() {
                    return Err(VerifyError::NotRemembered(head.size));
                }
            }
        }
    }
    match heads.next() {
        Some(head) => Err(VerifyError::Truncated {
            there: frontier.size(),
            signed: head.size,
        }),
        None => Ok(()),
    }
}
