//! Reading a pack in pieces of any size.

use super::entry::{Head, MAX_HEAD, Stored, head};
use super::{Bounds, Objects, PackError, commit};
use crate::delta;
use crate::oid::{Format, ObjectId};
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes inflated at a time.
const ROOM: usize = 64 << 10;

/// A pack that is being read.
pub struct PackScan {
    format: Format,
    bounds: Bounds,
    state: State,
    /// Bytes of a head that are not whole yet.
    pending: Vec<u8>,
    /// Where in the pack the next byte is.
    at: u64,
    inflater: Box<InflateState>,
    room: Vec<u8>,
    inflated: u64,
    kept: usize,
    found: Objects,
    /// Contents of commits and trees, by where they begin, for deltas.
    contents: BTreeMap<u64, (Which, Vec<u8>)>,
    begins: BTreeMap<ObjectId, u64>,
    /// Deltas against an id that has not been seen, or whose base is such a delta.
    waiting: Vec<Waiting>,
    unresolved: BTreeSet<u64>,
}

/// What an object that is kept is. A delta makes one of its base's kind.
#[derive(Clone, Copy)]
enum Which {
    Commit,
    Tree,
}

struct Waiting {
    begins: u64,
    base: Stored,
    delta: Vec<u8>,
}

enum State {
    Header,
    Head(u32),
    Object {
        left: u32,
        begins: u64,
        stored: Stored,
        size: u64,
        out: u64,
        content: Option<Vec<u8>>,
    },
    Trailer(usize),
    Whole,
}

impl std::fmt::Debug for PackScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackScan")
            .field("at", &self.at)
            .field("commits", &self.found.commits.len())
            .finish_non_exhaustive()
    }
}

impl PackScan {
    /// Begins.
    #[must_use]
    pub fn new(format: Format, bounds: Bounds) -> PackScan {
        PackScan {
            format,
            bounds,
            state: State::Header,
            pending: Vec::new(),
            at: 0,
            inflater: InflateState::new_boxed(DataFormat::Zlib),
            room: vec![0; ROOM],
            inflated: 0,
            kept: 0,
            found: Objects::default(),
            contents: BTreeMap::new(),
            begins: BTreeMap::new(),
            waiting: Vec::new(),
            unresolved: BTreeSet::new(),
        }
    }

    /// The next piece.
    ///
    /// # Errors
    /// It is no pack, or inflates to more than is read. Nothing after that is read.
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<(), PackError> {
        while !piece.is_empty() {
            let used = match &self.state {
                State::Header | State::Head(_) => self.heads(piece)?,
                State::Object { .. } => self.object(piece)?,
                State::Trailer(left) => {
                    let used = piece.len().min(*left);
                    let left = left - used;
                    self.state = if left == 0 {
                        State::Whole
                    } else {
                        State::Trailer(left)
                    };
                    used
                }
                State::Whole => return Err(PackError::End),
            };
            piece = piece.get(used..).unwrap_or_default();
            self.at += used as u64;
        }
        Ok(())
    }

    /// What was learned, when the pack has ended.
    ///
    /// # Errors
    /// It has not.
    pub fn finish(mut self) -> Result<Objects, PackError> {
        if !matches!(self.state, State::Whole) {
            return Err(PackError::End);
        }
        self.resolve();
        Ok(self.found)
    }

    /// Header and heads may be cut anywhere: what is not whole waits for more.
    fn heads(&mut self, piece: &[u8]) -> Result<usize, PackError> {
        let had = self.pending.len();
        let taken = piece.len().min(MAX_HEAD.saturating_sub(had));
        self.pending
            .extend_from_slice(piece.get(..taken).unwrap_or_default());
        let length = match self.state {
            State::Header => self.header()?,
            State::Head(left) => self.next_object(left, had)?,
            _ => None,
        };
        match length {
            None if taken == 0 => Err(PackError::Object),
            None => Ok(taken),
            Some(length) => {
                self.pending.clear();
                Ok(length - had)
            }
        }
    }

    fn header(&mut self) -> Result<Option<usize>, PackError> {
        let Some(header) = self.pending.get(..12) else {
            return Ok(None);
        };
        let number = |at: usize| {
            header
                .get(at..at + 4)
                .and_then(|b| b.try_into().ok())
                .map(u32::from_be_bytes)
        };
        if !header.starts_with(b"PACK") || !matches!(number(4), Some(2 | 3)) {
            return Err(PackError::Header);
        }
        let count = number(8).ok_or(PackError::Header)?;
        self.state = self.after(count);
        Ok(Some(12))
    }

    fn after(&self, left: u32) -> State {
        if left == 0 {
            State::Trailer(self.format.length())
        } else {
            State::Head(left)
        }
    }

    fn next_object(&mut self, left: u32, had: usize) -> Result<Option<usize>, PackError> {
        let Some(Head { stored, size, length }) = head(&self.pending, self.format)? else {
            return Ok(None);
        };
        let begins = self.at - had as u64;
        if matches!(stored, Stored::Before(offset) if offset == 0 || offset > begins) {
            return Err(PackError::Object);
        }
        let content = self.wanted(stored, begins, size).then(Vec::new);
        self.inflater.reset(DataFormat::Zlib);
        self.state = State::Object {
            left: left - 1,
            begins,
            stored,
            size,
            out: 0,
            content,
        };
        Ok(Some(length))
    }

    /// Whether an object's content matters: a commit or tree, or what may make one.
    fn wanted(&self, stored: Stored, begins: u64, size: u64) -> bool {
        let base = |offset: u64| begins - offset;
        let of_those = match stored {
            Stored::Commit | Stored::Tree | Stored::From(_) => true,
            Stored::Other => false,
            Stored::Before(offset) => {
                self.contents.contains_key(&base(offset)) || self.unresolved.contains(&base(offset))
            }
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        of_those && size <= self.bounds.commit && self.kept.saturating_add(size) <= self.bounds.kept
    }

    /// Inflates; at the end of the object it is looked at.
    fn object(&mut self, piece: &[u8]) -> Result<usize, PackError> {
        let State::Object {
            size, out, content, ..
        } = &mut self.state
        else {
            return Ok(0);
        };
        let result = inflate(&mut self.inflater, piece, &mut self.room, MZFlush::None);
        let made = result.bytes_written as u64;
        *out += made;
        self.inflated += made;
        if *out > *size {
            return Err(PackError::Inflate);
        }
        if self.inflated > self.bounds.inflated {
            return Err(PackError::Bomb);
        }
        if let Some(content) = content {
            content.extend_from_slice(self.room.get(..result.bytes_written).unwrap_or_default());
        }
        match result.status {
            Ok(MZStatus::StreamEnd) if *out == *size => self.whole(),
            Ok(MZStatus::Ok) | Err(MZError::Buf) if result.bytes_consumed > 0 || made > 0 => {}
            _ => return Err(PackError::Inflate),
        }
        Ok(result.bytes_consumed)
    }

    fn whole(&mut self) {
        let State::Object {
            left,
            begins,
            stored,
            content,
            ..
        } = std::mem::replace(&mut self.state, State::Whole)
        else {
            return;
        };
        self.state = self.after(left);
        let Some(content) = content else { return };
        self.kept += content.len();
        match stored {
            Stored::Commit => self.keep(Which::Commit, begins, content),
            Stored::Tree => self.keep(Which::Tree, begins, content),
            base => {
                let waiting = Waiting {
                    begins,
                    base,
                    delta: content,
                };
                if let Err(waiting) = self.undelta(waiting) {
                    self.unresolved.insert(waiting.begins);
                    self.waiting.push(waiting);
                }
            }
        }
    }

    fn keep(&mut self, which: Which, begins: u64, content: Vec<u8>) {
        let id = match which {
            Which::Commit => {
                let Some(read) = commit(self.format, &content) else {
                    return;
                };
                let id = ObjectId::of_commit(self.format, &content);
                self.found.commits.insert(id, read);
                id
            }
            Which::Tree => {
                let id = ObjectId::of_tree(self.format, &content);
                self.kept = self.kept.saturating_add(content.len());
                self.found.trees.insert(id, content.clone());
                id
            }
        };
        self.begins.insert(id, begins);
        self.contents.insert(begins, (which, content));
    }

    /// Makes an object of a delta whose base is known, or gives it back.
    fn undelta(&mut self, waiting: Waiting) -> Result<(), Waiting> {
        let base = match waiting.base {
            Stored::Before(offset) => Some(waiting.begins - offset),
            Stored::From(id) => self.begins.get(&id).copied(),
            _ => None,
        };
        let Some((which, base)) = base.and_then(|at| self.contents.get(&at)) else {
            return Err(waiting);
        };
        let which = *which;
        if let Some(made) = delta::apply(base, &waiting.delta, self.bounds.commit)
            && self.kept.saturating_add(made.len()) <= self.bounds.kept
        {
            self.kept += made.len();
            self.keep(which, waiting.begins, made);
        }
        Ok(())
    }

    /// Deltas whose base came later, until nothing more is learned. Each round makes at least one object, and
    /// the rounds are bounded: a chain longer than that proves nothing.
    fn resolve(&mut self) {
        for _ in 0..64 {
            let before = self.waiting.len();
            for waiting in std::mem::take(&mut self.waiting) {
                if let Err(waiting) = self.undelta(waiting) {
                    self.waiting.push(waiting);
                }
            }
            if self.waiting.len() == before {
                return;
            }
        }
    }
}
