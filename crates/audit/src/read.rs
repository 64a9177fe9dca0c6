//! Reading frames: two bytes of length, then that many bytes.

use crate::index::{ENTRY, Span};
use crate::layout::{CHECKPOINT, INDEX, JOURNAL, WIDTH, tile};
use crate::record::{Record, RecordError};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

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
    let mut bytes = Vec::new();
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
    /// The level 0 tile beside it, where the log has ended.
    pub(crate) tile: Option<(String, Vec<u8>)>,
}

/// The bundles of a log, from its journal or, once it has ended, from its tiles.
#[derive(Debug)]
pub(crate) enum Bundles {
    Journal {
        frames: Frames<BufReader<File>>,
        index: u64,
        /// The last bundle was met; what is written meanwhile is not read.
        over: bool,
    },
    Tiles {
        folder: PathBuf,
        index: u64,
        size: u64,
    },
}

impl Bundles {
    /// Of the log in a folder. `size` is how many records its last checkpoint covers.
    pub(crate) fn open(folder: &Path, size: u64) -> Result<Self, ReadError> {
        Self::open_at(folder, size, 0, 0)
    }

    /// From the bundle `index` on, which begins at `offset` in the journal.
    pub(crate) fn open_at(folder: &Path, size: u64, index: u64, offset: u64) -> Result<Self, ReadError> {
        if ended(folder) {
            let folder = folder.to_owned();
            return Ok(Self::Tiles { folder, index, size });
        }
        use std::io::Seek;
        let mut journal = File::open(folder.join(JOURNAL)).map_err(system(JOURNAL))?;
        journal
            .seek(std::io::SeekFrom::Start(offset))
            .map_err(system(JOURNAL))?;
        let frames = Frames::new(BufReader::with_capacity(1 << 20, journal));
        Ok(Self::Journal {
            frames,
            index,
            over: false,
        })
    }

    /// Whether they come from tiles.
    pub(crate) const fn ended(&self) -> bool {
        matches!(self, Self::Tiles { .. })
    }

    /// After the last: how many bytes of a record that is not all there follow.
    pub(crate) const fn torn(&self) -> usize {
        match self {
            Self::Journal { frames, .. } => frames.torn(),
            Self::Tiles { .. } => 0,
        }
    }

    fn from_journal(
        frames: &mut Frames<BufReader<File>>,
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

    fn from_tiles(folder: &Path, index: u64, size: u64) -> Result<Option<Bundle>, ReadError> {
        let before = index * WIDTH as u64;
        if before >= size {
            return Ok(None);
        }
        let count = usize::try_from((size - before).min(WIDTH as u64)).unwrap_or(WIDTH);
        let name = tile("0", index, count);
        let hashes = file(folder, &name)?;
        Ok(Some(Bundle {
            index,
            frames: file(folder, &tile("entries", index, count))?,
            tile: Some((name, hashes)),
        }))
    }
}

impl Iterator for Bundles {
    type Item = Result<Bundle, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let bundle = match self {
            Self::Journal { frames, index, over } => {
                Self::from_journal(frames, *index, over).map_err(system(JOURNAL))
            }
            Self::Tiles { folder, index, size } => Self::from_tiles(folder, *index, *size),
        };
        match self {
            Self::Journal { index, .. } | Self::Tiles { index, .. } => *index += 1,
        }
        bundle.transpose()
    }
}

/// The records of one bundle, found by the index: where that is wrong, they are not those of the tree,
/// which whoever asks sees.
pub(crate) fn bundle_at(folder: &Path, size: u64, index: u64) -> Result<Vec<Vec<u8>>, ReadError> {
    let offset = begin(&file(folder, INDEX)?, index);
    let mut bundles = Bundles::open_at(folder, size, index, offset)?;
    let bundle = bundles.next().transpose()?;
    let frames = bundle.map(|b| b.frames).unwrap_or_default();
    let mut records = Records::new(&frames);
    Ok(std::iter::from_fn(|| records.frame().map(<[u8]>::to_vec)).collect())
}

/// Where a bundle begins in the journal: where the one before ends.
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
