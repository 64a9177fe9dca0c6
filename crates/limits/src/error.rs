//! One variant for each step that can fail.

use crate::limit::Limit;
use crate::units::UnitError;
use std::io;
use std::path::PathBuf;

/// Why a limit could not be set, held or taken away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A quantity could not be read.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// A group's name has other characters than letters, digits, `-` and `_`, or is longer than 64.
    #[error("group name {0:?} is not 1 to 64 letters, digits, '-' or '_'")]
    Name(String),
    /// What the kernel says about this process's place could not be read.
    #[error("failed to read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No back end can hold this limit here; the reasons are in the order the back ends were tried.
    #[error(
        "nothing here can hold the {limit} limit: it takes a control group that you may make, which a login through \
         systemd gives (or `systemd-run --user --scope`), or root ({})",
        .reasons.join("; ")
    )]
    Unenforceable {
        /// Which one.
        limit: Limit,
        /// What each back end said.
        reasons: Vec<String>,
    },
    /// The process could not be put into a group; it must not be released.
    #[error("failed to put process {pid} into {path}: {source}")]
    Add {
        /// The process.
        pid: i32,
        /// The group's directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A group that was made is no longer as it was made (another manager rewrote the hierarchy).
    #[error("the {limit} limit is no longer in force in {path}")]
    Lost {
        /// Which one.
        limit: Limit,
        /// The group's directory.
        path: PathBuf,
    },
    /// Processes outlived the bounded time given to killing them (uninterruptible sleep, for example).
    #[error("{left} processes are still in {path} after {waited_ms} ms of killing")]
    Survivors {
        /// One of the group's directories.
        path: PathBuf,
        /// How many.
        left: usize,
        /// How long they were given.
        waited_ms: u128,
    },
    /// A group's directory could not be removed within the bounded time.
    #[error("failed to remove {path}: {source}")]
    Remove {
        /// The group's directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
