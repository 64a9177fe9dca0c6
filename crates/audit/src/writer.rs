//! Writing: one writer, one file, one sync for a group of records.

use crate::clock::Clock;
use crate::continued;
use crate::finish::{lay_out, lay_out_bundles, new, replace, sync_folder};
use crate::index::Index;
use crate::key::{Blinds, Key, PublicKey};
use crate::layout::{CHECKPOINT, CHECKPOINTS, INDEX, JOURNAL, NEXT_JOURNAL, WIDTH};
use crate::note::Checkpoint;
use crate::record::{Kind, Record, RecordError, Value};
use crate::tree::{Frontier, leaf};
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Why nothing was written. After any of these the writer refuses everything: what it cannot record
/// must not happen.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is a log already; a session's log is never continued, since its key is gone.
    #[error("the log exists already")]
    Exists,
    /// A record that cannot be.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The system did not do it: a full disk, a lost permission.
    #[error("{doing} of the log: {error}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        error: std::io::Error,
    },
    /// An earlier write failed.
    #[error("the log could not be written before, so nothing more is")]
    Failed,
    /// What is on the disk is not what was written.
    #[error("the records on the disk are not those that were written")]
    Changed,
    /// The kernel gave no random numbers for a key.
    #[error("make a key: {0}")]
    Key(rustix::io::Errno),
}

pub(crate) fn doing(doing: &'static str) -> impl FnOnce(std::io::Error) -> WriteError {
    move |error| WriteError::System { doing, error }
}

/// What is before a journal: laid out already.
#[derive(Clone, Copy, Debug, Default)]
struct Begins {
    /// How many bundles.
    bundles: u64,
    /// How many bytes, as [`Index`] counts.
    offset: u64,
    /// How many bytes to wait for, where the disk had no room to lay them out.
    later: u64,
}

/// The writer of one log. It holds the key.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    origin: String,
    key: Key,
    journal: File,
    checkpoints: File,
    frontier: Frontier,
    blinds: Blinds,
    index: Index,
    index_file: File,
    /// Where the journal begins.
    begins: Begins,
    waiting: Vec<u8>,
    /// How many records were brought to the disk.
    synced: u64,
    /// Whether the files have their names on the disk.
    named: bool,
    durable: u64,
    /// The last checkpoint as it was signed.
    note: String,
    failed: bool,
}

/// A journal that takes the place of another, or of none, when it is renamed: this process has its lock already.
fn next_journal(folder: &Path) -> Result<File, WriteError> {
    let path = folder.join(NEXT_JOURNAL);
    let _none = std::fs::remove_file(&path); // of one that had no room
    let next = new(&path)?;
    flock(&next, FlockOperation::NonBlockingLockExclusive)
        .map_err(|errno| doing("lock the journal")(errno.into()))?;
    Ok(next)
}

impl Writer {
    /// Begins a log in this folder, which is made for this account alone. `origin` names the log in
    /// its checkpoints and must be one line without spaces and `+`.
    ///
    /// # Errors
    /// There is a log already, or a writer, or the folder cannot be written.
    pub fn create(folder: &Path, origin: &str, key: Key) -> Result<Self, WriteError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).map_err(doing("make the folder"))?;
        // Whoever makes this one is the writer; it stays when the log has ended.
        let checkpoints = new(&folder.join(CHECKPOINTS))?;
        let index_file = new(&folder.join(INDEX))?;
        // Last, and with its lock: who sees a journal sees a log that can be read and whether it has a writer.
        let journal = next_journal(folder)?;
        std::fs::rename(folder.join(NEXT_JOURNAL), folder.join(JOURNAL)).map_err(doing("begin a journal"))?;
        Ok(Self {
            folder: folder.to_owned(),
            origin: origin.to_owned(),
            key,
            journal,
            checkpoints,
            frontier: Frontier::default(),
            blinds: Blinds::new().map_err(WriteError::Key)?,
            index: Index::default(),
            index_file,
            begins: Begins::default(),
            waiting: Vec::new(),
            synced: 0,
            named: false,
            durable: 0,
            note: String::new(),
            failed: false,
        })
    }

    /// Goes on with a log whose key was kept: the account's index. What a writer that died left
    /// half written is cut off.
    /// Also gives the key that the last signed record names, if it does.
    pub(crate) fn reopen(
        folder: &Path,
        origin: &str,
        key: Key,
    ) -> Result<(Self, Option<PublicKey>), WriteError> {
        let found = continued::open(folder)?;
        let writer = Self {
            folder: folder.to_owned(),
            origin: origin.to_owned(),
            key,
            journal: found.journal,
            checkpoints: found.checkpoints,
            synced: 0,
            named: true,
            durable: found.signed,
            frontier: found.frontier,
            blinds: Blinds::new().map_err(WriteError::Key)?,
            index: found.index,
            index_file: found.index_file,
            begins: Begins::default(),
            waiting: Vec::new(),
            note: found.note,
            failed: false,
        };
        Ok((writer, found.signed_key))
    }

    /// The last head that was signed and written; empty before the first.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The public half of the key that signs now.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// The key that signs now.
    pub(crate) const fn key(&self) -> &Key {
        &self.key
    }

    /// How many records are on the disk.
    #[must_use]
    pub const fn durable(&self) -> u64 {
        self.durable
    }

    /// Adds a record; returns its sequence number. It is not on the disk before [`Writer::commit`].
    ///
    /// # Errors
    /// The record cannot be, or an earlier write failed.
    pub fn append(
        &mut self,
        kind: Kind,
        cause: Option<u64>,
        fields: BTreeMap<String, Value>,
    ) -> Result<u64, WriteError> {
        self.append_at(Clock::now().nanos(), kind, cause, fields)
    }

    /// As [`Writer::append`], with the time given: nanoseconds since 1970.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn append_at(
        &mut self,
        time: u64,
        kind: Kind,
        cause: Option<u64>,
        fields: BTreeMap<String, Value>,
    ) -> Result<u64, WriteError> {
        if self.failed {
            return Err(WriteError::Failed);
        }
        let sequence = self.frontier.size();
        let record = Record {
            sequence,
            time,
            cause,
            blind: self.blinds.next(),
            kind,
            fields,
        };
        let bytes = record.encode()?;
        let length = u16::try_from(bytes.len()).map_err(|_| RecordError::TooLong)?;
        self.waiting.extend_from_slice(&length.to_be_bytes());
        self.waiting.extend_from_slice(&bytes);
        self.frontier.push(leaf(&bytes));
        self.index.push(bytes.len(), time, kind);
        Ok(sequence)
    }

    /// Brings every record added so far to the disk, with one sync, then signs the tree's head. What
    /// waits for a record may go on when this returned.
    ///
    /// # Errors
    /// The disk is full, or else not writable; the writer refuses everything from then on.
    pub fn commit(&mut self) -> Result<Checkpoint, WriteError> {
        if self.failed {
            return Err(WriteError::Failed);
        }
        let written = self.write_out();
        self.failed = written.is_err();
        written
    }

    /// Writes every record added so far, so that readers see it; it is not on the disk yet.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn flush(&mut self) -> Result<(), WriteError> {
        if self.failed {
            return Err(WriteError::Failed);
        }
        let written = self.write_journal();
        self.failed = written.is_err();
        written
    }

    /// Brings every record added so far to the disk, without a signature; gives the head that would be signed.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn sync(&mut self) -> Result<Checkpoint, WriteError> {
        if self.failed {
            return Err(WriteError::Failed);
        }
        let synced = self.write_journal().and_then(|()| self.sync_journal());
        self.failed = synced.is_err();
        synced.map(|()| self.checkpoint())
    }

    /// The head of what was added so far, signed; nothing is written.
    #[must_use]
    pub fn head(&self) -> String {
        self.checkpoint().sign(&self.key)
    }

    /// How many records were added.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            origin: self.origin.clone(),
            size: self.frontier.size(),
            root: self.frontier.root(),
        }
    }

    fn write_journal(&mut self) -> Result<(), WriteError> {
        self.journal
            .write_all(&self.waiting)
            .map_err(doing("write records"))?;
        self.waiting.clear();
        self.index_file
            .write_all(&self.index.complete())
            .map_err(doing("write the index"))
    }

    fn sync_journal(&mut self) -> Result<(), WriteError> {
        if self.synced < self.size() {
            self.journal.sync_data().map_err(doing("sync records"))?;
            self.synced = self.size();
        }
        if !self.named {
            sync_folder(&self.folder)?;
            self.named = true;
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<Checkpoint, WriteError> {
        self.write_journal()?;
        let head = self.checkpoint();
        if head.size > self.durable {
            self.sync_journal()?;
            self.note = head.sign(&self.key);
            self.checkpoints
                .write_all(self.note.as_bytes())
                .map_err(doing("write a checkpoint"))?;
        }
        self.durable = head.size;
        Ok(head)
    }

    /// Lays out what the journal holds, if its complete bundles have this many bytes or more, and goes on with a journal of
    /// what is left: a log that grows needs its space once, and its end is no longer than that of a short one.
    /// Where there is no room for that it is tried again later; nothing is lost by it.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn rotate(&mut self, longest: u64) -> Result<(), WriteError> {
        let complete = self.index.boundary().saturating_sub(self.begins.offset);
        if self.failed || complete == 0 || complete < longest.saturating_add(self.begins.later) {
            return Ok(());
        }
        self.flush()?;
        match self.begin_next(complete) {
            Ok(next) => {
                self.journal = next;
                self.begins = Begins {
                    bundles: self.size() / WIDTH as u64,
                    offset: self.index.boundary(),
                    later: 0,
                };
                self.synced = self.size();
                // Its name is brought to the disk before anything in it counts.
                self.named = false;
            }
            Err(_no_room) => self.begins.later = complete,
        }
        Ok(())
    }

    /// The journal that follows, in its place: everything before it is on the disk.
    fn begin_next(&self, complete: u64) -> Result<File, WriteError> {
        let path = self.folder.join(JOURNAL);
        let open = || File::open(&path).map_err(doing("read the records"));
        let count = self.size() / WIDTH as u64 - self.begins.bundles;
        lay_out_bundles(&self.folder, open()?, self.begins.bundles, count)?;
        self.index_file.sync_data().map_err(doing("sync the index"))?;
        let (mut rest, mut journal) = (Vec::new(), open()?);
        journal
            .seek(SeekFrom::Start(complete))
            .and_then(|_| journal.read_to_end(&mut rest))
            .map_err(doing("read the records"))?;
        let mut next = next_journal(&self.folder)?;
        next.write_all(&rest)
            .and_then(|()| next.sync_data())
            .and_then(|()| std::fs::rename(self.folder.join(NEXT_JOURNAL), &path))
            .map_err(doing("begin a journal"))?;
        Ok(next)
    }

    /// Goes on with a new key, which the old one signs before it is forgotten: records until now can
    /// never be signed again.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn evolve(&mut self) -> Result<(), WriteError> {
        let next = Key::generate().map_err(WriteError::Key)?;
        self.sign_successor(&next.public())?;
        self.go_on_with(next);
        Ok(())
    }

    /// Signs the key that is to go on.
    pub(crate) fn sign_successor(&mut self, next: &PublicKey) -> Result<(), WriteError> {
        let public = Value::Bytes(next.as_bytes().to_vec());
        self.append(Kind::KeyNext, None, BTreeMap::from([("key".to_owned(), public)]))?;
        self.commit().map(drop)
    }

    /// The key that was signed goes on; the old one is forgotten.
    pub(crate) fn go_on_with(&mut self, next: Key) {
        self.key = next;
    }

    /// Heads that were written are on the disk when this returns.
    pub(crate) fn sync_checkpoints(&self) -> Result<(), WriteError> {
        self.checkpoints.sync_data().map_err(doing("sync checkpoints"))
    }

    /// Ends the log. A long one is laid out, as by [`Writer::finish`]. One of less than a bundle stays a journal:
    /// everything is in it, and most sessions are short. Its records are on the disk when this returns; its last head
    /// need not be, since the index has it.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn end(mut self) -> Result<Checkpoint, WriteError> {
        if self.size() >= WIDTH as u64 {
            return self.finish();
        }
        self.commit()
    }

    /// Ends the log: tiles are laid out and synced, then the last checkpoint takes its place, and only
    /// then does the journal go. Killed in between, the journal is still there.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn finish(mut self) -> Result<Checkpoint, WriteError> {
        let head = self.commit()?;
        self.index_file
            .write_all(&self.index.rest())
            .map_err(doing("write the index"))?;
        lay_out(&self.folder, head.size, &head.root)?;
        for file in [&self.checkpoints, &self.index_file] {
            file.sync_data().map_err(doing("sync checkpoints"))?;
        }
        replace(&self.folder, CHECKPOINT, self.note.as_bytes())?;
        let _none = std::fs::remove_file(self.folder.join(NEXT_JOURNAL)); // of a rotation that had no room
        std::fs::remove_file(self.folder.join(JOURNAL)).map_err(doing("remove the journal"))?;
        Ok(head)
    }
}
