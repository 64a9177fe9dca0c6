//! Compressed bodies, undone: what is compressed cannot be looked at.

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::fmt;
use std::io::Write;

/// A coding being undone (RFC 9110 §8.4.1).
pub(super) enum Coding {
    Gzip(MultiGzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
    /// What some servers send as `deflate`.
    Raw(DeflateDecoder<Vec<u8>>),
    /// `deflate`, before its first byte tells which.
    Deflate,
}

impl fmt::Debug for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Coding")
    }
}

/// Why a body is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// Not what it says it is.
    #[error("the compressed answer is damaged")]
    Damaged,
    /// A bomb.
    #[error("the answer grows beyond {MOST} bytes for a piece of at most {PIECE}")]
    Grows,
}

/// Bytes taken at once.
const PIECE: usize = 4096;
/// What one piece may become; deflate's most is 1032 times as much.
const MOST: usize = 8 * 1024 * 1024;

impl Coding {
    pub(super) fn new(name: &str) -> Option<Coding> {
        match name {
            "gzip" | "x-gzip" => Some(Coding::Gzip(MultiGzDecoder::new(Vec::new()))),
            "deflate" => Some(Coding::Deflate),
            _ => None,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, CodingError> {
        let mut out = Vec::new();
        for piece in bytes.chunks(PIECE) {
            let taken = self.take(piece)?;
            if out.len() + taken.len() > MOST {
                return Err(CodingError::Grows);
            }
            out.extend(taken);
        }
        Ok(out)
    }

    fn take(&mut self, piece: &[u8]) -> Result<Vec<u8>, CodingError> {
        if let Coding::Deflate = self {
            // The header of zlib (RFC 1950 §2.2): method 8.
            let zlib = piece.first().is_some_and(|b| b & 15 == 8);
            *self = if zlib {
                Coding::Zlib(ZlibDecoder::new(Vec::new()))
            } else {
                Coding::Raw(DeflateDecoder::new(Vec::new()))
            };
        }
        let (written, out) = match self {
            Coding::Gzip(d) => (d.write_all(piece).and_then(|()| d.flush()), d.get_mut()),
            Coding::Zlib(d) => (d.write_all(piece).and_then(|()| d.flush()), d.get_mut()),
            Coding::Raw(d) => (d.write_all(piece).and_then(|()| d.flush()), d.get_mut()),
            Coding::Deflate => return Ok(Vec::new()),
        };
        written.map_err(|_| CodingError::Damaged)?;
        Ok(std::mem::take(out))
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, CodingError> {
        let rest = match self {
            Coding::Gzip(d) => d.finish(),
            Coding::Zlib(d) => d.finish(),
            Coding::Raw(d) => d.finish(),
            Coding::Deflate => Ok(Vec::new()),
        };
        rest.map_err(|_| CodingError::Damaged)
    }
}
