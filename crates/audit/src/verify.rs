//! Verifying a log from its leaves to its signed heads, with nothing but its first public key.

use crate::key::PublicKey;
use crate::layout::{CHECKPOINT, CHECKPOINTS};
use crate::note::{Checkpoint, NoteError};
use crate::read::{self, ReadError, Records};
use crate::record::{Kind, Record, Value};
use crate::tree::{Frontier, Hash, leaf};
use crate::writer::tiles;
use std::path::Path;

/// A head that was seen before, or by a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// How many records there were.
    pub size: u64,
    /// The root then.
    pub root: Hash,
}

/// What holds of a log that verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Records under a signed head.
    pub signed: u64,
    /// Whole records after the last signed head: written when the writer died, or is still writing.
    /// Nothing vouches for them.
    pub unsigned: u64,
    /// Bytes of a last record or checkpoint that is not all there.
    pub torn: usize,
    /// How many checkpoints.
    pub checkpoints: u64,
    /// Records whose clock is behind that of the one before.
    pub clock_steps: Vec<u64>,
    /// Whether the writer ended the log.
    pub ended: bool,
    /// The size up to which someone else vouches for it.
    pub remembered: Option<u64>,
}

impl Report {
    /// What the verdict rests on.
    #[must_use]
    pub fn anchor(&self) -> String {
        match self.remembered {
            Some(size) => format!("remembered until record {size}; after that self-signed"),
            None => "self-signed: detects accident and outsiders, not the owner of this account".to_owned(),
        }
    }
}

/// Why a log does not verify.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A checkpoint is wrong.
    #[error("checkpoint {index}: {error}")]
    Note {
        /// Which, from 0.
        index: u64,
        /// Why.
        error: NoteError,
    },
    /// Checkpoints do not grow.
    #[error("checkpoint {0} is not larger than the one before")]
    Order(u64),
    /// The records up to a checkpoint are not those that were signed.
    #[error("the first {0} records are not those that were signed")]
    Root(u64),
    /// Records that were signed are missing.
    #[error("records are missing: {there} of {signed} signed ones are there")]
    Truncated {
        /// How many there are.
        there: u64,
        /// How many were signed.
        signed: u64,
    },
    /// A record is not in its place.
    #[error("record {0} is not in its place, or names a cause that comes after it")]
    Sequence(u64),
    /// The log is older than what was seen of it.
    #[error("rolled back: {0} records were seen, fewer are signed")]
    RolledBack(u64),
    /// Another log than the one that was seen.
    #[error("the first {0} records are not those that were seen before")]
    NotRemembered(u64),
    /// A log that ended has something after its last checkpoint, or its files differ.
    #[error("{0}: not what the records give")]
    File(String),
}

/// Verifies the log in a folder.
///
/// # Errors
/// It does not verify; the first reason found.
pub fn verify(
    folder: &Path,
    origin: &str,
    first: PublicKey,
    remembered: Option<&Remembered>,
) -> Result<Report, VerifyError> {
    let notes = read::file(folder, CHECKPOINTS)?;
    let notes = String::from_utf8(notes).map_err(|_| VerifyError::File(CHECKPOINTS.to_owned()))?;
    let mut notes = split(&notes);
    // A checkpoint that is not all there, the last word of a writer that died, vouches for nothing. In
    // a log that ended there is none.
    let begun = |note: &mut &str| Checkpoint::is_begun(note, origin);
    let broken = notes.pop_if(begun).map_or(0, str::len);
    let last = notes
        .last()
        .map_or(0, |note| Checkpoint::peek(note, origin).map_or(0, |c| c.size));
    let (frames, ended) = read::frames(folder, last)?;
    let mut walk = Walk::new(origin, first, &notes, remembered);
    let mut records = Records::new(&frames);
    walk.head()?;
    for read in records.by_ref() {
        let (bytes, record) = read?;
        walk.record(bytes, &record)?;
    }
    let report = walk.end(records.torn() + broken, ended)?;
    if ended {
        check_files(folder, &frames, &walk.leaves, notes.last().copied(), &report)?;
    }
    Ok(report)
}

/// One text a note: body, empty line, signature line.
fn split(notes: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut begin = 0;
    let mut lines = 0;
    for (at, _) in notes.match_indices('\n') {
        lines += 1;
        if lines % 5 == 0 {
            found.extend(notes.get(begin..=at));
            begin = at + 1;
        }
    }
    found.extend(notes.get(begin..).filter(|rest| !rest.is_empty()));
    found
}

fn check_files(
    folder: &Path,
    frames: &[u8],
    leaves: &[Hash],
    last: Option<&str>,
    report: &Report,
) -> Result<(), VerifyError> {
    let wrong = |name: &str| VerifyError::File(name.to_owned());
    if report.unsigned > 0 || report.torn > 0 {
        return Err(wrong("tile/entries"));
    }
    if read::file(folder, CHECKPOINT)? != last.unwrap_or_default().as_bytes() {
        return Err(wrong(CHECKPOINT));
    }
    for (name, bytes) in tiles(frames, leaves) {
        if read::file(folder, &name)? != bytes {
            return Err(wrong(&name));
        }
    }
    Ok(())
}

/// A walk over the records, past the checkpoints.
struct Walk<'a> {
    origin: &'a str,
    key: PublicKey,
    notes: &'a [&'a str],
    next: usize,
    signed: u64,
    remembered: Option<&'a Remembered>,
    seen: bool,
    frontier: Frontier,
    leaves: Vec<Hash>,
    time: u64,
    clock_steps: Vec<u64>,
    /// The key of the next checkpoint but one: a key signs its successor first.
    successor: Option<PublicKey>,
}

impl<'a> Walk<'a> {
    fn new(
        origin: &'a str,
        key: PublicKey,
        notes: &'a [&'a str],
        remembered: Option<&'a Remembered>,
    ) -> Self {
        Self {
            origin,
            key,
            notes,
            next: 0,
            signed: 0,
            remembered,
            seen: false,
            frontier: Frontier::default(),
            leaves: Vec::new(),
            time: 0,
            clock_steps: Vec::new(),
            successor: None,
        }
    }

    fn record(&mut self, bytes: &[u8], record: &Record) -> Result<(), VerifyError> {
        let at = self.frontier.size();
        if record.sequence != at || record.cause.is_some_and(|cause| cause >= at) {
            return Err(VerifyError::Sequence(at));
        }
        if record.time < self.time {
            self.clock_steps.push(at);
        }
        self.time = record.time;
        if record.kind == Kind::KeyNext {
            let key = match record.fields.get("key") {
                Some(Value::Bytes(bytes)) => <[u8; 32]>::try_from(bytes.as_slice()).ok(),
                _ => None,
            };
            self.successor = Some(PublicKey::from_bytes(key.ok_or(VerifyError::Sequence(at))?));
        }
        let hash = leaf(bytes);
        self.frontier.push(hash);
        self.leaves.push(hash);
        self.head()
    }

    /// Compares with the checkpoint and the remembered head of this size, if there are.
    fn head(&mut self) -> Result<(), VerifyError> {
        let size = self.frontier.size();
        if let Some(known) = self.remembered.filter(|r| r.size == size) {
            if known.root != self.frontier.root() {
                return Err(VerifyError::NotRemembered(size));
            }
            self.seen = true;
        }
        let Some(note) = self.notes.get(self.next) else {
            return Ok(());
        };
        let index = self.next as u64;
        let wrong = |error| VerifyError::Note { index, error };
        let peeked = Checkpoint::peek(note, self.origin).map_err(wrong)?;
        if peeked.size > size {
            return Ok(());
        }
        if peeked.size < size || size == 0 {
            return Err(VerifyError::Order(index));
        }
        let checkpoint = Checkpoint::open(note, self.origin, &self.key).map_err(wrong)?;
        if checkpoint.root != self.frontier.root() {
            return Err(VerifyError::Root(size));
        }
        self.signed = size;
        self.next += 1;
        self.key = self.successor.take().unwrap_or(self.key);
        // The one after must be larger: at this size it would never be met again.
        match self
            .notes
            .get(self.next)
            .map(|n| Checkpoint::peek(n, self.origin))
        {
            Some(Ok(next)) if next.size <= size => Err(VerifyError::Order(index + 1)),
            _ => Ok(()),
        }
    }

    fn end(&self, torn: usize, ended: bool) -> Result<Report, VerifyError> {
        let there = self.frontier.size();
        if let Some(note) = self.notes.get(self.next) {
            let index = self.next as u64;
            let peeked = Checkpoint::peek(note, self.origin);
            let signed = peeked.map_err(|error| VerifyError::Note { index, error })?.size;
            return Err(VerifyError::Truncated { there, signed });
        }
        if let Some(known) = self.remembered.filter(|r| !self.seen || r.size > self.signed) {
            return Err(VerifyError::RolledBack(known.size));
        }
        Ok(Report {
            signed: self.signed,
            unsigned: there - self.signed,
            torn,
            checkpoints: self.next as u64,
            clock_steps: self.clock_steps.clone(),
            ended,
            remembered: self.remembered.map(|r| r.size),
        })
    }
}
