//! Reading frames: two bytes of length, then that many bytes.

use crate::index::{ENTRY, Span};
use crate::layout::{CHECKPOINT, INDEX, JOURNAL, PACKED, WIDTH, tile};
use crate::pack::unpack;
use crate::record::{Head, Record, RecordError};
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file is missing or closed.
    #[error("{file}: {error}")]
    System {
        /// Which.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// A file is longer than any log's.
    #[error("{0}: longer than a log's file may be")]
    TooLong(String),
    /// A compressed file is not what was compressed.
    #[error("{0}: not as it was compressed")]
    Packed(String),
    /// A record is not one.
    #[error("record {index}: {error}")]
    Record {
        /// Which, from 0.
        index: u64,
        /// Why.
        error: RecordError,
    },
}

/// The longest file that is read whole: the checkpoints of ten million records are 2.5 MB.
const LONGEST: u64 = 1 << 30;

pub(crate) fn file(folder: &Path, name: &str) -> Result<Vec<u8>, ReadError> {
    let opened = File::open(folder.join(name)).map_err(system(name))?;
    let length = opened.metadata().map_err(system(name))?.len();
    // What it has now in one piece; what it has at the end is what is read.
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(LONGEST)).unwrap_or(0) + 1);
    let got = opened
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(system(name))?;
    if got as u64 > LONGEST {
        return Err(ReadError::TooLong(name.to_owned()));
    }
    Ok(bytes)
}

fn system(name: &str) -> impl FnOnce(std::io::Error) -> ReadError {
    let file = name.to_owned();
    move |error| ReadError::System { file, error }
}

/// Whether the log in a folder has ended: its tiles count, not its journal.
pub(crate) fn ended(folder: &Path) -> bool {
    folder.join(CHECKPOINT).exists()
}

/// Frames from a stream, one at a time.
#[derive(Debug)]
pub(crate) struct Frames<R> {
    input: R,
    length: [u8; 2],
    frame: Vec<u8>,
    torn: usize,
}

impl<R: Read> Frames<R> {
    pub(crate) const fn new(input: R) -> Self {
        Self {
            input,
            length: [0; 2],
            frame: Vec::new(),
            torn: 0,
        }
    }

    /// The next frame; none at the end, also where the last one is not all there.
    pub(crate) fn next_frame(&mut self) -> std::io::Result<Option<&[u8]>> {
        let got = fill(&mut self.input, &mut self.length)?;
        if got < 2 {
            self.torn = got;
            return Ok(None);
        }
        let length = usize::from(u16::from_be_bytes(self.length));
        self.frame.resize(length, 0);
        let got = fill(&mut self.input, &mut self.frame)?;
        if got < length {
            self.torn = got + 2;
            return Ok(None);
        }
        Ok(Some(&self.frame))
    }

    /// The last frame once more.
    pub(crate) fn last(&self) -> &[u8] {
        &self.frame
    }

    /// The last frame once more, with its length before it.
    pub(crate) fn copy_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.length);
        out.extend_from_slice(&self.frame);
    }

    /// After the last: how many bytes of one that is not all there follow.
    pub(crate) const fn torn(&self) -> usize {
        self.torn
    }
}

/// Reads as much as there is, at most all of `into`.
fn fill(input: &mut impl Read, into: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = into.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// The frames of at most 256 records that begin at a multiple of that.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// Which, from 0.
    pub(crate) index: u64,
    pub(crate) frames: Vec<u8>,
    /// The level 0 tile beside it, where it is laid out.
    pub(crate) tile: Option<(String, Vec<u8>)>,
}

/// A bundle that is found, and perhaps not read yet: reading and unpacking needs no order.
#[derive(Debug)]
pub(crate) enum Part {
    /// So many records of it are laid out.
    Laid(u64, usize),
    /// It was in the journal.
    Read(Bundle),
}

impl Part {
    /// The bundle.
    pub(crate) fn read(self, folder: &Path) -> Result<Bundle, ReadError> {
        let (index, count) = match self {
            Part::Read(bundle) => return Ok(bundle),
            Part::Laid(index, count) => (index, count),
        };
        let name = tile("0", index, count);
        let hashes = file(folder, &name)?;
        Ok(Bundle {
            index,
            frames: entries(folder, index, count)?,
            tile: Some((name, hashes)),
        })
    }
}

/// Where the records of a log are. While it is written its last ones are in the journal, and those before are laid out as
/// tiles; when it has ended, all are.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    folder: PathBuf,
    /// How many records are laid out.
    laid: u64,
    journal: Option<Journal>,
}

/// The journal, and what is in front of it.
#[derive(Clone, Debug)]
struct Journal {
    file: Arc<File>,
    /// Where its first record would be, if all records were in it.
    offset: u64,
}

impl Source {
    /// Of the log in a folder. `size` is how many records its last checkpoint covers; it is asked where the log has ended.
    pub(crate) fn open(folder: &Path, size: impl FnOnce() -> u64) -> Result<Self, ReadError> {
        // The journal first: whatever is before it was laid out when it took its place.
        let opened = match File::open(folder.join(JOURNAL)) {
            Err(_) if ended(folder) => None,
            // A log that ended, and was stopped before its journal went.
            Ok(_) if ended(folder) => None,
            opened => Some(opened.map_err(system(JOURNAL))?),
        };
        let (laid, journal) = match opened {
            None => (size(), None),
            Some(file) => {
                let bundles = before(folder, &file)?;
                let offset = match bundles {
                    0 => 0,
                    bundles => begin(&self::file(folder, INDEX)?, bundles),
                };
                let file = Arc::new(file);
                (bundles * WIDTH as u64, Some(Journal { file, offset }))
            }
        };
        let folder = folder.to_owned();
        Ok(Self {
            folder,
            laid,
            journal,
        })
    }

    /// Whether the log has ended.
    pub(crate) const fn ended(&self) -> bool {
        self.journal.is_none()
    }

    /// The bundles from `index` on, which begins at `offset` as [`Span`] counts.
    pub(crate) fn from(self, index: u64, offset: u64) -> Bundles {
        let first = self.laid.div_ceil(WIDTH as u64);
        let frames = self.journal.as_ref().map(|journal| {
            let offset = if index < first {
                0
            } else {
                offset.saturating_sub(journal.offset)
            };
            let file = Arc::clone(&journal.file);
            Frames::new(BufReader::with_capacity(1 << 20, At { file, offset }))
        });
        Bundles {
            source: self,
            index,
            frames,
            over: false,
        }
    }
}

/// How many bundles are before those in a journal. What its first record says of itself is believed here: where it is
/// wrong, the records before it are not to be had, or it is not in its place.
fn before(folder: &Path, journal: &File) -> Result<u64, ReadError> {
    let mut frames = Frames::new(At {
        file: Arc::new(journal.try_clone().map_err(system(JOURNAL))?),
        offset: 0,
    });
    let first = frames.next_frame().map_err(system(JOURNAL))?;
    if let Some(frame) = first {
        let head = Head::read(frame, |_, _| ());
        return Ok(head.map_or(0, |head| head.sequence / WIDTH as u64));
    }
    // It is empty: it was begun, or the one before had nothing but what was laid out. The index was synced then.
    let there = entries(folder, 0, WIDTH).is_ok();
    let index = if there { file(folder, INDEX)?.len() } else { 0 };
    Ok((index / ENTRY) as u64)
}

/// A file, read without moving where others read it.
#[derive(Debug)]
pub(crate) struct At {
    file: Arc<File>,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let got = self.file.read_at(into, self.offset)?;
        self.offset += got as u64;
        Ok(got)
    }
}

/// The bundles of a log, in order.
#[derive(Debug)]
pub(crate) struct Bundles {
    source: Source,
    index: u64,
    /// Of the journal, where there is one.
    frames: Option<Frames<BufReader<At>>>,
    /// The last bundle was met; what is written meanwhile is not read.
    over: bool,
}

impl Bundles {
    /// After the last: how many bytes of a record that is not all there follow.
    pub(crate) fn torn(&self) -> usize {
        self.frames.as_ref().map_or(0, Frames::torn)
    }

    fn from_journal(
        frames: &mut Frames<BufReader<At>>,
        index: u64,
        over: &mut bool,
    ) -> std::io::Result<Option<Bundle>> {
        let mut bundle = Vec::with_capacity(WIDTH << 8);
        for _ in 0..WIDTH {
            *over = *over || frames.next_frame()?.is_none();
            if *over {
                break;
            }
            frames.copy_to(&mut bundle);
        }
        Ok((!bundle.is_empty()).then_some(Bundle {
            index,
            frames: bundle,
            tile: None,
        }))
    }

    /// The folder of the log.
    pub(crate) fn folder(&self) -> &Path {
        &self.source.folder
    }

    /// The next one, found and not read.
    pub(crate) fn next_part(&mut self) -> Option<Result<Part, ReadError>> {
        let index = self.index;
        let before = index.saturating_mul(WIDTH as u64);
        let left = self.source.laid.saturating_sub(before);
        self.index += 1;
        match &mut self.frames {
            _ if left > 0 => {
                let count = usize::try_from(left.min(WIDTH as u64)).unwrap_or(WIDTH);
                Some(Ok(Part::Laid(index, count)))
            }
            Some(frames) => {
                let read = Self::from_journal(frames, index, &mut self.over);
                read.map_err(system(JOURNAL))
                    .map(|bundle| bundle.map(Part::Read))
                    .transpose()
            }
            None => None,
        }
    }
}

impl Iterator for Bundles {
    type Item = Result<Bundle, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let part = self.next_part()?;
        Some(part.and_then(|part| part.read(self.folder())))
    }
}

/// The frames of a bundle that is laid out. Older logs have complete ones that are not compressed.
fn entries(folder: &Path, index: u64, count: usize) -> Result<Vec<u8>, ReadError> {
    let name = tile("entries", index, count);
    let packed = format!("{name}{PACKED}");
    match file(folder, &name) {
        Err(ReadError::System { error, .. })
            if error.kind() == std::io::ErrorKind::NotFound && count == WIDTH =>
        {
            unpack(&file(folder, &packed)?).ok_or(ReadError::Packed(packed))
        }
        read => read,
    }
}

/// The records of one bundle, found by the index: where that is wrong, they are not those of the tree,
/// which whoever asks sees.
pub(crate) fn bundle_at(folder: &Path, size: u64, index: u64) -> Result<Vec<Vec<u8>>, ReadError> {
    let offset = begin(&file(folder, INDEX)?, index);
    let bundle = Source::open(folder, || size)?
        .from(index, offset)
        .next()
        .transpose()?;
    let frames = bundle.map(|b| b.frames).unwrap_or_default();
    let mut records = Records::new(&frames);
    Ok(std::iter::from_fn(|| records.frame().map(<[u8]>::to_vec)).collect())
}

/// Where a bundle begins, as if all were in the journal: where the one before ends.
fn begin(index: &[u8], bundle: u64) -> u64 {
    let before = bundle.checked_sub(1).and_then(|b| usize::try_from(b).ok());
    let span = before.and_then(|b| index.chunks_exact(ENTRY).nth(b));
    span.and_then(|s| s.try_into().ok())
        .map_or(0, |s| Span::decode(s).end)
}

/// The records in frames. A frame that is not all there ends them; [`Records::torn`] tells.
#[derive(Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    index: u64,
}

impl<'a> Records<'a> {
    /// Of these frames.
    #[must_use]
    pub const fn new(frames: &'a [u8]) -> Self {
        Self {
            rest: frames,
            index: 0,
        }
    }

    /// After the last: how many bytes of a record that is not all there follow.
    #[must_use]
    pub const fn torn(&self) -> usize {
        self.rest.len()
    }

    /// The next frame, whatever is in it.
    pub(crate) fn frame(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        let (frame, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(frame)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], Record), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let frame = self.frame()?;
        let index = self.index;
        self.index += 1;
        let record = Record::decode(frame).map_err(|error| ReadError::Record { index, error });
        Some(record.map(|record| (frame, record)))
    }
}
