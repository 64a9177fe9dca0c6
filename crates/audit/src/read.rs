//! Reading frames: two bytes of length, then that many bytes.

use crate::layout::{CHECKPOINT, JOURNAL, WIDTH, tile};
use crate::record::{Record, RecordError};
use std::fs::File;
use std::io::Read;
use std::path::Path;

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

/// The longest file that is read whole: ten million records of about 200 bytes.
const LONGEST: u64 = 4 << 30;

pub(crate) fn file(folder: &Path, name: &str) -> Result<Vec<u8>, ReadError> {
    let error = |error| ReadError::System {
        file: name.to_owned(),
        error,
    };
    let opened = File::open(folder.join(name)).map_err(error)?;
    let mut bytes = Vec::new();
    let got = opened.take(LONGEST + 1).read_to_end(&mut bytes).map_err(error)?;
    if got as u64 > LONGEST {
        return Err(ReadError::TooLong(name.to_owned()));
    }
    Ok(bytes)
}

/// All frames of a log, from its journal or, once it has ended, from its tiles; and whether it ended.
pub(crate) fn frames(folder: &Path, size: u64) -> Result<(Vec<u8>, bool), ReadError> {
    if !folder.join(CHECKPOINT).exists() {
        return Ok((file(folder, JOURNAL)?, false));
    }
    let width = WIDTH as u64;
    let mut all = Vec::new();
    for index in 0..size.div_ceil(width) {
        let count = usize::try_from((size - index * width).min(width)).unwrap_or(WIDTH);
        all.extend(file(folder, &tile("entries", index, count))?);
    }
    Ok((all, true))
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

    fn frame(&mut self) -> Option<&'a [u8]> {
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
