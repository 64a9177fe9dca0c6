//! The account's index: one log for all sessions of an account, which says of each that it began,
//! how far it was, and that it ended. A session's log that is missing, or shorter than it was, shows.
//!
//! Sessions write it one after the other, under a lock. Its key is kept in a file, so it must outlive
//! its writers; it is replaced every day, and after that can sign nothing of before.

use crate::entry::Entry;
use crate::finish::replace;
use crate::key::{Key, PublicKey};
use crate::note::Checkpoint;
use crate::record::{Kind, Value};
use crate::writer::{WriteError, Writer, doing};
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOCK: &str = "lock";
/// 32 bytes that sign; of this account alone.
const KEY: &str = "key";
/// The key that takes over, until its predecessor has signed it.
const NEXT: &str = "key.next";
/// Name and first public key of the index.
const PUBLIC: &str = "public";
/// How long a key signs.
const KEY_FOR: Duration = Duration::from_secs(24 * 3600);

/// What the index is called where sessions are named: no session has this name.
pub const ACCOUNT: &str = "account";

/// The folder of the index, below the folder of all logs.
#[must_use]
pub fn index_folder(root: &Path) -> PathBuf {
    root.join(ACCOUNT)
}

/// The folder of a session's log, below the folder of all logs.
#[must_use]
pub fn session_folder(root: &Path, id: &str) -> PathBuf {
    root.join("sessions").join(id)
}

/// Name and first public key of an account's index, if it has one.
#[must_use]
pub fn identity(root: &Path) -> Option<(String, PublicKey)> {
    let text = std::fs::read(index_folder(root).join(PUBLIC)).ok()?;
    PublicKey::from_verifier(std::str::from_utf8(&text).ok()?.trim_end())
}

/// The index, locked.
#[derive(Debug)]
pub struct Account {
    folder: PathBuf,
    origin: String,
    writer: Writer,
    _lock: File,
}

impl Account {
    /// Opens the index below the folder of all logs, or begins it with a new key. Waits while another
    /// session writes.
    ///
    /// # Errors
    /// It cannot be written, or is not what was signed: then it must be looked at, not continued.
    pub fn open(root: &Path) -> Result<Self, WriteError> {
        let folder = index_folder(root);
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&folder)
            .map_err(doing("make the folder of the index"))?;
        let lock = lock(&folder, LOCK)?;
        let key = key(root, &folder)?;
        let (origin, _) = identity(root).ok_or(WriteError::Changed)?;
        let (writer, signed_key) = Writer::reopen(&folder, &origin, key)?;
        let mut account = Self {
            folder,
            origin,
            writer,
            _lock: lock,
        };
        account.renew(signed_key)?;
        Ok(account)
    }

    /// The name of the index; a session's log is named below it.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Writes a record of the index; it is on the disk, under a signed head, when this returns.
    ///
    /// # Errors
    /// It is not.
    pub fn record(&mut self, kind: Kind, fields: BTreeMap<String, Value>) -> Result<Checkpoint, WriteError> {
        self.writer.append(kind, None, fields)?;
        self.writer.commit()
    }

    /// As [`Account::record`], for an entry. A cause is not kept: it is of another log.
    ///
    /// # Errors
    /// It is not on the disk.
    pub fn record_entry(&mut self, entry: Entry) -> Result<Checkpoint, WriteError> {
        self.record(entry.kind, entry.fields)
    }

    /// Adds a record of the index, which others see from now on. It is on the disk and under a signed head when
    /// [`Account::commit`], or whoever writes the next one, has returned.
    ///
    /// # Errors
    /// It is not written.
    pub fn announce(&mut self, kind: Kind, fields: BTreeMap<String, Value>) -> Result<(), WriteError> {
        self.writer.append(kind, None, fields)?;
        self.writer.flush()
    }

    /// Signs what was announced, once it is on the disk.
    ///
    /// # Errors
    /// It is not.
    pub fn commit(&mut self) -> Result<Checkpoint, WriteError> {
        self.writer.commit()
    }

    /// The key that signs now.
    pub(crate) fn key(&self) -> &Key {
        self.writer.key()
    }

    /// The last head, as a signed note.
    #[must_use]
    pub fn note(&self) -> &str {
        self.writer.note()
    }

    /// Finishes a change of keys that was interrupted, and makes one that is due. `signed` is the key
    /// that the last signed record names.
    fn renew(&mut self, signed: Option<PublicKey>) -> Result<(), WriteError> {
        if let Some(next) = read_key(&self.folder, NEXT) {
            if signed == Some(next.public()) {
                return self.keep(next);
            }
            std::fs::remove_file(self.folder.join(NEXT)).map_err(doing("forget a key"))?;
        }
        let made = std::fs::metadata(self.folder.join(KEY)).and_then(|m| m.modified());
        let age = made.ok().and_then(|made| made.elapsed().ok());
        if age.is_some_and(|age| age > KEY_FOR) {
            self.replace_key()?;
        }
        Ok(())
    }

    /// Replaces the key: what it signed can never be signed again.
    ///
    /// # Errors
    /// The new key cannot be kept; the old one stays.
    pub fn replace_key(&mut self) -> Result<(), WriteError> {
        let next = Key::generate().map_err(WriteError::Key)?;
        replace(&self.folder, NEXT, &next.seed())?;
        self.writer.sign_successor(&next.public())?;
        self.keep(next)
    }

    /// The next key was signed: it takes the place of its predecessor.
    fn keep(&mut self, next: Key) -> Result<(), WriteError> {
        self.writer.sync_checkpoints()?;
        let (from, to) = (self.folder.join(NEXT), self.folder.join(KEY));
        std::fs::rename(from, to).map_err(doing("keep the new key"))?;
        crate::finish::sync_folder(&self.folder)?;
        self.writer.go_on_with(next);
        Ok(())
    }
}

/// Waits until nobody else has this lock of the index's folder.
pub(crate) fn lock(folder: &Path, name: &str) -> Result<File, WriteError> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(folder.join(name)).map_err(doing("open the lock"))?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(doing("lock the index")(errno.into())),
        }
    }
}

fn read_key(folder: &Path, name: &str) -> Option<Key> {
    let seed = std::fs::read(folder.join(name)).ok()?;
    Some(Key::from_seed(&seed.try_into().ok()?))
}

/// The key that signs; on first use it is made. An index without its key is not continued.
fn key(root: &Path, folder: &Path) -> Result<Key, WriteError> {
    let key = match (read_key(folder, KEY), identity(root)) {
        (Some(key), Some(_)) => return Ok(key),
        (None, Some(_)) => return Err(WriteError::Changed),
        // Interrupted before anything was signed.
        (Some(key), None) => key,
        (None, None) => {
            let key = Key::generate().map_err(WriteError::Key)?;
            replace(folder, KEY, &key.seed())?;
            key
        }
    };
    let public = key.public();
    let name: String = public.as_bytes()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let verifier = public.verifier(&format!("fumehood.local/{name}"));
    replace(folder, PUBLIC, format!("{verifier}\n").as_bytes())?;
    Ok(key)
}
