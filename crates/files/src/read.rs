//! A file's text, a page at a time.

use crate::bounds::FILE;
use crate::error::FileError;
use crate::view::View;
use fumehood_output::{Literal, Page, page};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes at the beginning and the end that tell a binary file; git looks at those of the beginning.
const LOOKED_AT: u64 = 8000;

/// A page of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Its lines.
    pub text: String,
    /// Number of the first.
    pub first: u64,
    /// The line to go on with.
    pub next: Option<u64>,
    /// Lines of the file.
    pub lines: u64,
    /// Bytes of the file.
    pub size: u64,
    /// Whether all of it was looked at; what is longer has no more lines here.
    pub is_whole: bool,
    /// Characters and bytes that are written out, up to where it was looked at.
    pub written_out: u64,
    /// Line ends of DOS.
    pub dos: u64,
}

/// Reads a file from a line on, at most so many bytes.
///
/// # Errors
/// It is not there, is no file, or is a binary file.
pub fn read(view: &View, path: &Path, first: u64, most: usize) -> Result<Reading, FileError> {
    let (mut file, facts) = view.file(path)?;
    let size = u64::try_from(facts.st_size).unwrap_or(0);
    if is_binary(&mut file, size).map_err(|e| failed(path, &e))? {
        return Err(binary(path, size));
    }
    let mut text = Literal::new(file.take(FILE));
    let wanted = Page {
        from_line: first,
        most: Some(most),
        grep: None,
    };
    let read = page(&mut text, &wanted)?;
    Ok(Reading {
        text: read.text,
        first: first.max(1),
        next: read.next_line,
        lines: read.lines,
        size,
        is_whole: text.source().limit() > 0 || size <= FILE,
        written_out: text.written_out(),
        dos: text.dos(),
    })
}

pub(crate) fn binary(path: &Path, size: u64) -> FileError {
    FileError::of(
        path,
        format_args!("is a binary file of {size} bytes, which has no lines to show"),
    )
}

pub(crate) fn failed(path: &Path, e: &std::io::Error) -> FileError {
    FileError::of(path, format_args!("cannot be read: {e}"))
}

/// Whether there is a NUL near its beginning, or its end: a file that is mostly a hole is none of lines either. It is at
/// its beginning afterwards.
pub(crate) fn is_binary(file: &mut std::fs::File, size: u64) -> std::io::Result<bool> {
    let mut found = false;
    for at in [size.saturating_sub(LOOKED_AT), 0] {
        let mut part = Vec::new();
        file.seek(SeekFrom::Start(at))?;
        file.take(LOOKED_AT).read_to_end(&mut part)?;
        found |= memchr::memchr(0, &part).is_some();
    }
    file.rewind()?;
    Ok(found)
}
