//! Writing: one writer, one file, one sync for a group of records.

use crate::key::Key;
use crate::layout::{CHECKPOINT, CHECKPOINTS, JOURNAL, WIDTH, tile};
use crate::note::Checkpoint;
use crate::record::{Kind, Record, RecordError, Value};
use crate::tree::{Frontier, Hash, leaf, root_of};
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Why nothing was written. After any of these the writer refuses everything: what it cannot record
/// must not happen.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Someone else writes this log.
    #[error("the log has a writer already")]
    Busy,
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
    /// The kernel gave no random numbers for a key.
    #[error("make a key: {0}")]
    Key(rustix::io::Errno),
}

fn doing(doing: &'static str) -> impl FnOnce(std::io::Error) -> WriteError {
    move |error| WriteError::System { doing, error }
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
    leaves: Vec<Hash>,
    waiting: Vec<u8>,
    durable: u64,
    /// The last checkpoint as it was signed.
    note: String,
    failed: bool,
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
        let journal = new(&folder.join(JOURNAL))?;
        if folder.join(CHECKPOINT).exists() {
            return Err(WriteError::Exists);
        }
        flock(&journal, FlockOperation::NonBlockingLockExclusive).map_err(|_| WriteError::Busy)?;
        let checkpoints = new(&folder.join(CHECKPOINTS))?;
        sync_folder(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            origin: origin.to_owned(),
            key,
            journal,
            checkpoints,
            frontier: Frontier::default(),
            leaves: Vec::new(),
            waiting: Vec::new(),
            durable: 0,
            note: String::new(),
            failed: false,
        })
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
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.append_at(
            u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            kind,
            cause,
            fields,
        )
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
            kind,
            fields,
        };
        let bytes = record.encode()?;
        let length = u16::try_from(bytes.len()).map_err(|_| RecordError::TooLong)?;
        self.waiting.extend_from_slice(&length.to_be_bytes());
        self.waiting.extend_from_slice(&bytes);
        let hash = leaf(&bytes);
        self.frontier.push(hash);
        self.leaves.push(hash);
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

    fn write_out(&mut self) -> Result<Checkpoint, WriteError> {
        self.journal
            .write_all(&self.waiting)
            .map_err(doing("write records"))?;
        self.journal.sync_data().map_err(doing("sync records"))?;
        self.waiting.clear();
        let head = Checkpoint {
            origin: self.origin.clone(),
            size: self.frontier.size(),
            root: self.frontier.root(),
        };
        if head.size > self.durable {
            self.note = head.sign(&self.key);
            self.checkpoints
                .write_all(self.note.as_bytes())
                .map_err(doing("write a checkpoint"))?;
        }
        self.durable = head.size;
        Ok(head)
    }

    /// Goes on with a new key, which the old one signs before it is forgotten: records until now can
    /// never be signed again.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn evolve(&mut self) -> Result<(), WriteError> {
        let next = Key::generate().map_err(WriteError::Key)?;
        let public = Value::Bytes(next.public().as_bytes().to_vec());
        self.append(Kind::KeyNext, None, BTreeMap::from([("key".to_owned(), public)]))?;
        self.commit()?;
        self.key = next;
        Ok(())
    }

    /// Ends the log: tiles are laid out and synced, then the last checkpoint takes its place, and only
    /// then does the journal go. Killed in between, the journal is still there.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn finish(mut self) -> Result<Checkpoint, WriteError> {
        let head = self.commit()?;
        let frames = std::fs::read(self.folder.join(JOURNAL)).map_err(doing("read the records"))?;
        for (name, bytes) in tiles(&frames, &self.leaves) {
            lay(&self.folder, &name, &bytes)?;
        }
        self.checkpoints.sync_data().map_err(doing("sync checkpoints"))?;
        lay(&self.folder, CHECKPOINT, self.note.as_bytes())?;
        std::fs::remove_file(self.folder.join(JOURNAL)).map_err(doing("remove the journal"))?;
        sync_folder(&self.folder)?;
        Ok(head)
    }
}

/// All files below `tile/` of a log with these frames and leaves.
pub(crate) fn tiles(frames: &[u8], leaves: &[Hash]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut rest = frames;
    for (index, group) in leaves.chunks(WIDTH).enumerate() {
        let length = group.iter().fold(0, |at, _| at + frame_length(rest, at));
        let (bundle, after) = rest.split_at(length.min(rest.len()));
        files.push((tile("entries", index as u64, group.len()), bundle.to_vec()));
        rest = after;
    }
    let mut hashes = leaves.to_vec();
    for level in 0..8 {
        for (index, group) in hashes.chunks(WIDTH).enumerate() {
            files.push((
                tile(&level.to_string(), index as u64, group.len()),
                group.concat(),
            ));
        }
        hashes = hashes.chunks_exact(WIDTH).map(root_of).collect();
    }
    files
}

fn frame_length(frames: &[u8], at: usize) -> usize {
    match frames.get(at..) {
        Some([high, low, ..]) => 2 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    }
}

fn new(path: &Path) -> Result<File, WriteError> {
    let mut options = File::options();
    options.append(true).create_new(true).mode(0o600);
    options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => WriteError::Exists,
        _ => doing("make a file")(error),
    })
}

fn lay(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), WriteError> {
    let path = folder.join(name);
    let parent = path.parent().unwrap_or(folder);
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(parent).map_err(doing("make a folder"))?;
    // A writer that was killed while it laid out leaves files; they are laid again.
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&path).map_err(doing("make a tile"))?;
    file.write_all(bytes).map_err(doing("write a tile"))?;
    file.sync_data().map_err(doing("sync a tile"))?;
    sync_folder(parent)
}

fn sync_folder(folder: &Path) -> Result<(), WriteError> {
    let opened = File::open(folder).and_then(|f| f.sync_all());
    opened.map_err(doing("sync the folder"))
}
