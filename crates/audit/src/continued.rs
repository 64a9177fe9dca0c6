//! Going on with a log: the right edge of its tree is found again, and what a writer that died left
//! half written is cut off.
//!
//! The edge after the last complete bundles is kept in a file, so that only the records after it are
//! read. It is not believed: the root that it leads to is the one that was signed last, or the whole
//! log is read.

use crate::finish::{replace, sync_folder};
use crate::index::{ENTRY, Index};
use crate::key::PublicKey;
use crate::layout::{CHECKPOINTS, INDEX, JOURNAL, WIDTH};
use crate::read::Frames;
use crate::record::{Head, Kind, Raw};
use crate::tree::{Frontier, Hash, leaf};
use crate::writer::{WriteError, doing};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The right edge of the tree after complete bundles, and where they end in the journal.
const EDGE: &str = "edge";
/// The edge is written anew when so many records lie behind it.
const BEHIND: u64 = WIDTH as u64;

/// A log as it was found.
pub(crate) struct Found {
    pub(crate) journal: File,
    pub(crate) checkpoints: File,
    pub(crate) index_file: File,
    pub(crate) frontier: Frontier,
    pub(crate) index: Index,
    /// How many records its last head covers.
    pub(crate) signed: u64,
    /// The last head.
    pub(crate) note: String,
    /// The key that the last signed record names, if it is a change of keys.
    pub(crate) signed_key: Option<PublicKey>,
}

/// Opens the log in a folder, whose writer the caller is.
pub(crate) fn open(folder: &Path) -> Result<Found, WriteError> {
    let there = folder.join(JOURNAL).exists();
    let mut checkpoints = file(&folder.join(CHECKPOINTS))?;
    let note = last_note(&mut checkpoints)?;
    let journal = file(&folder.join(JOURNAL))?;
    let edge = read_edge(folder).filter(|edge| edge.frontier.size() < note.size);
    let replayed = match edge {
        Some(edge) => replay(&journal, edge, &note).or_else(|_| replay(&journal, Edge::default(), &note)),
        None => replay(&journal, Edge::default(), &note),
    }?;
    cut(&journal, replayed.index.end()).map_err(doing("cut off what is half written"))?;
    let index_file = file(&folder.join(INDEX))?;
    let mut index = replayed.index;
    let kept = replayed.from / WIDTH as u64 * ENTRY as u64;
    cut(&index_file, kept)
        .and_then(|()| (&index_file).write_all(&index.complete()))
        .map_err(doing("write the index"))?;
    if let Some(edge) = replayed.boundary
        && edge.frontier.size() >= replayed.from + BEHIND
        // The last signed record is always read: it may be a change of keys that was interrupted.
        && edge.frontier.size() < note.size
    {
        replace(folder, EDGE, edge.encode().as_bytes())?;
    }
    if !there {
        sync_folder(folder)?;
    }
    Ok(Found {
        journal,
        checkpoints,
        index_file,
        frontier: replayed.frontier,
        index,
        signed: note.size,
        note: note.text,
        signed_key: replayed.signed_key.map(PublicKey::from_bytes),
    })
}

/// Cuts a file, if it is longer or shorter: the kernel writes its inode in any case.
fn cut(file: &File, length: u64) -> std::io::Result<()> {
    if file.metadata()?.len() == length {
        return Ok(());
    }
    file.set_len(length)
}

fn file(path: &Path) -> Result<File, WriteError> {
    let mut options = File::options();
    options.read(true).append(true).create(true).mode(0o600);
    options.open(path).map_err(doing("open a file"))
}

/// The last whole checkpoint of a file.
#[derive(Default)]
struct Last {
    text: String,
    size: u64,
    root: Hash,
}

/// Longer than any two notes.
const TAIL: u64 = 2048;

/// The last note; what is half written after it is cut off.
fn last_note(checkpoints: &mut File) -> Result<Last, WriteError> {
    let error = || doing("read the checkpoints");
    let length = checkpoints.metadata().map_err(error())?.len();
    let from = length.saturating_sub(TAIL);
    checkpoints.seek(SeekFrom::Start(from)).map_err(error())?;
    let mut tail = Vec::new();
    checkpoints.read_to_end(&mut tail).map_err(error())?;
    // The last line that is a whole signature ends the last note.
    let mark = "\n\u{2014} ".as_bytes();
    let marks = tail.windows(mark.len()).enumerate();
    let marks = marks.filter(|(_, window)| *window == mark).map(|(at, _)| at + 1);
    let line_end = |at: usize| {
        let rest = tail.get(at..)?;
        rest.iter()
            .position(|byte| *byte == b'\n')
            .map(|end| at + end + 1)
    };
    let Some(end) = marks.filter_map(line_end).next_back() else {
        // Less than a first note.
        if from > 0 {
            return Err(WriteError::Changed);
        }
        cut(checkpoints, 0).map_err(error())?;
        return Ok(Last::default());
    };
    cut(checkpoints, from + end as u64).map_err(error())?;
    let whole = tail.get(..end).unwrap_or_default();
    let lines = whole.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let begin = lines.map(|(at, _)| at + 1).nth(5).unwrap_or_default();
    let note = whole.get(begin..).and_then(|note| std::str::from_utf8(note).ok());
    note.and_then(parse_note).ok_or(WriteError::Changed)
}

fn parse_note(text: &str) -> Option<Last> {
    let mut lines = text.lines().skip(1);
    let size = lines.next()?.parse().ok()?;
    let root = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
    Some(Last {
        text: text.to_owned(),
        size,
        root,
    })
}

#[derive(Clone, Default)]
struct Edge {
    frontier: Frontier,
    end: u64,
}

impl Edge {
    fn encode(&self) -> String {
        let hashes = self.frontier.hashes().iter();
        let hashes: Vec<String> = hashes.map(|hash| STANDARD.encode(hash)).collect();
        format!("{}\n{}\n{}\n", self.frontier.size(), self.end, hashes.join("\n"))
    }

    fn decode(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let size: u64 = lines.next()?.parse().ok()?;
        let end = lines.next()?.parse().ok()?;
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
        let hashes = lines.take(64).map(hash).collect::<Option<Vec<Hash>>>()?;
        let frontier = Frontier::from_parts(size, hashes).filter(|_| size.is_multiple_of(WIDTH as u64))?;
        Some(Self { frontier, end })
    }
}

fn read_edge(folder: &Path) -> Option<Edge> {
    let text = std::fs::read(folder.join(EDGE)).ok().filter(|t| t.len() < 8192)?;
    Edge::decode(std::str::from_utf8(&text).ok()?)
}

struct Replayed {
    /// How many records were not read.
    from: u64,
    frontier: Frontier,
    index: Index,
    /// After the last complete bundle.
    boundary: Option<Edge>,
    signed_key: Option<[u8; 32]>,
}

/// Reads the records after an edge. The tree must have had the root that was signed last.
fn replay(mut journal: &File, edge: Edge, note: &Last) -> Result<Replayed, WriteError> {
    let error = || doing("read the records");
    journal.seek(SeekFrom::Start(edge.end)).map_err(error())?;
    let mut frames = Frames::new(BufReader::with_capacity(1 << 16, journal));
    let mut replayed = Replayed {
        from: edge.frontier.size(),
        index: Index::after(edge.end),
        frontier: edge.frontier,
        boundary: None,
        signed_key: None,
    };
    // A tree of this size that is not the one that was signed is another log.
    let same = |frontier: &Frontier| frontier.size() != note.size || frontier.root() == note.root;
    let mut met = note.size == 0;
    while let Some(frame) = frames.next_frame().map_err(error())? {
        let mut key = None;
        let head = Head::read(frame, |name, value| {
            if let ("key", Raw::Bytes(bytes)) = (name, value) {
                key = <[u8; 32]>::try_from(bytes).ok();
            }
        });
        let head = match head {
            Ok(head) if head.sequence == replayed.frontier.size() => head,
            // After the last head nothing was acknowledged.
            _ if met => break,
            _ => return Err(WriteError::Changed),
        };
        if head.kind == Kind::KeyNext && met {
            // The key that it names was not signed, and is forgotten.
            break;
        }
        replayed.index.push(frame.len(), head.time, head.kind);
        replayed.frontier.push(leaf(frame));
        let frontier = &replayed.frontier;
        if !same(frontier) {
            return Err(WriteError::Changed);
        }
        if frontier.size() == note.size {
            met = true;
            replayed.signed_key = key.filter(|_| head.kind == Kind::KeyNext);
        }
        if frontier.size().is_multiple_of(WIDTH as u64) {
            replayed.boundary = Some(Edge {
                frontier: frontier.clone(),
                end: replayed.index.end(),
            });
        }
    }
    if met {
        Ok(replayed)
    } else {
        Err(WriteError::Changed)
    }
}
