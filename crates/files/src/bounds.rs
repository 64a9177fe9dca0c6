//! How far a listing or a search goes.

use std::fmt;
use std::time::{Duration, Instant};

/// Names that are looked at.
pub(crate) const NAMES: usize = 200_000;
/// Bytes of text that one call gives, over all of its pages.
pub(crate) const TEXT: usize = 4 * 1024 * 1024;
/// Folders within each other.
pub(crate) const DEPTH: usize = 64;
/// Bytes of one file that are looked at.
pub(crate) const FILE: u64 = 64 * 1024 * 1024;
/// Bytes of all files that one search looks at.
pub(crate) const ALL: u64 = 2 * 1024 * 1024 * 1024;
/// How long one call takes.
const TIME: Duration = Duration::from_secs(15);

/// What ended a call before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Names looked at.
    Names,
    /// What was found.
    Text,
    /// Bytes looked at.
    Bytes,
    /// Seconds.
    Time,
    /// Nobody waits for it any more.
    Cancelled,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Names => write!(f, "{NAMES} names were looked at"),
            Bound::Text => write!(f, "more than {} MiB were found", TEXT >> 20),
            Bound::Bytes => write!(f, "{} GiB were looked at", ALL >> 30),
            Bound::Time => write!(f, "{} seconds are over", TIME.as_secs()),
            Bound::Cancelled => f.write_str("it was cancelled"),
        }
    }
}

/// Time, and whether somebody still waits.
pub struct Bounds<'a> {
    until: Instant,
    is_cancelled: &'a dyn Fn() -> bool,
}

impl fmt::Debug for Bounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounds")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl<'a> Bounds<'a> {
    /// From now on. `is_cancelled` is asked often, and answers at once.
    #[must_use]
    pub fn new(is_cancelled: &'a dyn Fn() -> bool) -> Bounds<'a> {
        Bounds {
            until: Instant::now() + TIME,
            is_cancelled,
        }
    }

    pub(crate) fn reached(&self) -> Option<Bound> {
        if (self.is_cancelled)() {
            return Some(Bound::Cancelled);
        }
        (Instant::now() >= self.until).then_some(Bound::Time)
    }

    #[cfg(test)]
    pub(crate) fn over(is_cancelled: &'a dyn Fn() -> bool) -> Bounds<'a> {
        Bounds {
            until: Instant::now(),
            is_cancelled,
        }
    }
}
