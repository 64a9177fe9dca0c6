//! Verifying a log from its leaves to its signed heads, with nothing but its first public key.

use crate::check::{Checked, Checking};
use crate::finish::upper_tiles;
use crate::index::{ENTRY, bit};
use crate::key::PublicKey;
use crate::layout::{CHECKPOINT, CHECKPOINTS, INDEX, WIDTH};
use crate::note::{Checkpoint, NoteError};
use crate::read::{self, ReadError, Source};
use crate::record::Kind;
use crate::tree::{Frontier, Hash};
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
    /// Records under a signed head, of the log or remembered.
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
    /// Whether the writer ended the log and laid it out: one of less than a bundle stays a journal, and only
    /// the index says that it has ended.
    pub ended: bool,
    /// The size up to which someone else vouches for it.
    pub remembered: Option<u64>,
    /// A bit for each kind that is in it.
    pub(crate) kinds: u64,
}

impl Report {
    /// Whether there is a record of this kind.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.kinds & bit(kind) != 0
    }

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
    /// The index says that it was erased, and it is there.
    #[error("{0}: the index says that this was erased")]
    NotErased(String),
    /// A log that ended has something after its last checkpoint, or its files differ.
    #[error("{0}: not what the records give")]
    File(String),
}

/// Verifies the log in a folder. `remembered` are heads that someone else keeps.
///
/// # Errors
/// It does not verify; the first reason found.
pub fn verify(
    folder: &Path,
    origin: &str,
    first: PublicKey,
    remembered: &[Remembered],
) -> Result<Report, VerifyError> {
    verify_tree(folder, origin, first, remembered).map(|verified| verified.report)
}

/// A log that verifies, with what proofs are made from.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) report: Report,
    /// The roots of all bundles, the last of which may not be complete.
    pub(crate) roots: Vec<Hash>,
    /// The last checkpoint of each key, in order, with the sequence number of the record that names the
    /// next one: at the last key there is none.
    pub(crate) keys: Vec<Signed>,
}

/// What a key signed last.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) note: String,
    pub(crate) size: u64,
    pub(crate) successor: Option<u64>,
}

pub(crate) fn verify_tree(
    folder: &Path,
    origin: &str,
    first: PublicKey,
    remembered: &[Remembered],
) -> Result<Verified, VerifyError> {
    let before = read::ended(folder);
    match verify_once(folder, origin, first, remembered) {
        // It ended meanwhile.
        Err(VerifyError::Read(_)) if !before && read::ended(folder) => {
            verify_once(folder, origin, first, remembered)
        }
        done => done,
    }
}

fn verify_once(
    folder: &Path,
    origin: &str,
    first: PublicKey,
    remembered: &[Remembered],
) -> Result<Verified, VerifyError> {
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
    let index = read::file(folder, INDEX)?;
    let source = Source::open(folder, || last)?;
    let ended = source.ended();
    let bundles = source.from(0, 0);
    let mut walk = Walk::new(origin, first, &notes, remembered);
    let torn = std::thread::scope(|scope| {
        let mut checking = Checking::start(scope, bundles);
        walk.heads()?;
        for checked in checking.by_ref() {
            walk.bundle(&checked?, &index)?;
        }
        Ok::<usize, VerifyError>(checking.torn())
    })?;
    let report = walk.end(torn + broken, ended, index.len())?;
    if ended {
        check_files(folder, &walk.roots, notes.last().copied(), &report)?;
    }
    Ok(Verified {
        report,
        roots: walk.roots,
        keys: walk.keys,
    })
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

/// The files of a log that ended, but for those that were compared on the way.
fn check_files(
    folder: &Path,
    roots: &[Hash],
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
    let complete = usize::try_from(report.signed / WIDTH as u64).unwrap_or(usize::MAX);
    for (name, bytes) in upper_tiles(roots.iter().take(complete).copied().collect()) {
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
    remembered: &'a [Remembered],
    /// How many of the remembered heads were met.
    seen: usize,
    frontier: Frontier,
    roots: Vec<Hash>,
    keys: Vec<Signed>,
    time: u64,
    /// Bytes of the journal so far.
    offset: u64,
    clock_steps: Vec<u64>,
    /// Keys whose records were seen and that have not taken over yet: a key signs its successor first.
    successors: Vec<(u64, PublicKey)>,
    kinds: u64,
}

/// Steps of the clock that are reported one by one.
const STEPS: usize = 1_000;

impl<'a> Walk<'a> {
    fn new(origin: &'a str, key: PublicKey, notes: &'a [&'a str], remembered: &'a [Remembered]) -> Self {
        Self {
            origin,
            key,
            notes,
            next: 0,
            signed: 0,
            remembered,
            seen: 0,
            frontier: Frontier::default(),
            roots: Vec::new(),
            keys: Vec::new(),
            time: 0,
            offset: 0,
            clock_steps: Vec::new(),
            successors: Vec::new(),
            kinds: 0,
        }
    }

    fn bundle(&mut self, checked: &Checked, index: &[u8]) -> Result<(), VerifyError> {
        let begin = self.frontier.size();
        let end = begin + checked.leaves.len() as u64;
        self.compare_index(checked, index)?;
        if checked.times.0 < self.time {
            self.clock_steps.push(begin);
        }
        self.clock_steps.extend(&checked.clock_steps);
        self.clock_steps.truncate(STEPS);
        self.time = checked.times.1;
        self.kinds |= checked.span.kinds;
        self.successors.extend(
            checked
                .keys
                .iter()
                .map(|(at, key)| (*at, PublicKey::from_bytes(*key))),
        );
        self.roots.push(checked.root);
        let whole = checked.leaves.len() == WIDTH && self.next_size().is_none_or(|size| size >= end);
        if whole && self.frontier.push_subtree(WIDTH.trailing_zeros(), checked.root) {
            return self.heads();
        }
        for leaf in &checked.leaves {
            self.frontier.push(*leaf);
            self.heads()?;
        }
        Ok(())
    }

    /// The index is what the records give; one of a log that is being written may lag behind.
    fn compare_index(&mut self, checked: &Checked, index: &[u8]) -> Result<(), VerifyError> {
        self.offset += checked.bytes;
        let entry = checked.entry(self.offset);
        let at = self.roots.len() * ENTRY;
        match index.get(at..at + ENTRY) {
            Some(there) if there != entry => Err(VerifyError::File(INDEX.to_owned())),
            _ => Ok(()),
        }
    }

    /// The size at which there is something to compare next.
    fn next_size(&self) -> Option<u64> {
        let note = self
            .notes
            .get(self.next)
            .map(|note| Checkpoint::peek(note, self.origin).map_or(0, |c| c.size));
        let remembered = self.remembered.get(self.seen).map(|head| head.size);
        note.into_iter().chain(remembered).min()
    }

    /// Compares with the remembered heads and the checkpoint of this size, if there are.
    fn heads(&mut self) -> Result<(), VerifyError> {
        let size = self.frontier.size();
        while let Some(known) = self.remembered.get(self.seen).filter(|r| r.size == size) {
            if known.root != self.frontier.root() {
                return Err(VerifyError::NotRemembered(size));
            }
            self.seen += 1;
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
        self.signed_by(note, size);
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

    /// A head was signed. The newest key that it covers signs from here on.
    fn signed_by(&mut self, note: &str, size: u64) {
        let next = self.successors.iter().rev().find(|(at, _)| *at < size).copied();
        let signed = Signed {
            note: note.to_owned(),
            size,
            successor: next.map(|(at, _)| at),
        };
        match self.keys.last_mut().filter(|last| last.successor.is_none()) {
            Some(last) => *last = signed,
            None => self.keys.push(signed),
        }
        if let Some((_, key)) = next {
            self.key = key;
            self.successors.retain(|(at, _)| *at >= size);
        }
    }

    fn end(&self, torn: usize, ended: bool, index: usize) -> Result<Report, VerifyError> {
        let there = self.frontier.size();
        if let Some(note) = self.notes.get(self.next) {
            let index = self.next as u64;
            let peeked = Checkpoint::peek(note, self.origin);
            let signed = peeked.map_err(|error| VerifyError::Note { index, error })?.size;
            return Err(VerifyError::Truncated { there, signed });
        }
        let newest = self.remembered.last();
        // The records up to each remembered head were met, and are those that it stands for, or they are gone.
        if let Some(known) = newest.filter(|_| self.seen < self.remembered.len()) {
            return Err(VerifyError::RolledBack(known.size));
        }
        let signed = newest.map_or(self.signed, |r| r.size.max(self.signed));
        let entries = self.roots.len() * ENTRY;
        if index > entries || (ended && index < entries) {
            return Err(VerifyError::File(INDEX.to_owned()));
        }
        Ok(Report {
            signed,
            unsigned: there - signed,
            torn,
            checkpoints: self.next as u64,
            clock_steps: self.clock_steps.clone(),
            ended,
            remembered: newest.map(|r| r.size),
            kinds: self.kinds,
        })
    }
}

/// The heads of a log in a text of notes one after the other, by size. Their signatures are not
/// looked at: what counts is that someone else kept them.
#[must_use]
pub fn heads_in(notes: &str, origin: &str) -> Vec<Remembered> {
    let begins = |(at, _): &(usize, &str)| {
        notes
            .get(..*at)
            .is_some_and(|b| b.is_empty() || b.ends_with('\n'))
    };
    let of_log = notes.match_indices(origin).filter(begins);
    let heads = of_log.filter_map(|(at, _)| Checkpoint::peek(notes.get(at..)?, origin).ok());
    let mut heads: Vec<Remembered> = heads
        .map(|head| Remembered {
            size: head.size,
            root: head.root,
        })
        .collect();
    heads.sort_by_key(|head| head.size);
    heads
}
