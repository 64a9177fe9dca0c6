//! What can go wrong, a variant a step.

use fumehood_policy::Escaped;
use std::io;
use std::path::{Path, PathBuf};

/// Why something about a workspace could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused a step.
    #[error("{step} {}: {}", shown(path), words(why))]
    Io {
        /// The step, in words.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        why: io::Error,
    },
    /// No place for layers was found.
    #[error("no place for the session's layers: {0}; set XDG_STATE_HOME to a folder that is on none")]
    NoPlace(String),
    /// A file of ours does not read as one.
    #[error(
        "{}: the record is damaged ({what}); `fumehood rescue` can still copy the files out",
        shown(path)
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// A file of ours was written by a later version.
    #[error(
        "{}: written by a later version of fumehood (format {version}); use that one",
        shown(path)
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// There is no such session.
    #[error("no session {0} here; `fumehood run` starts one")]
    NoSession(String),
    /// Something of a session cannot be read, so it cannot be kept whole.
    #[error("{} cannot be read, so it cannot be kept; chmod it inside", shown(.0))]
    Unreadable(PathBuf),
    /// There is no such checkpoint.
    #[error(
        "session {id} has no checkpoint{}; `fumehood checkpoint --list` shows them",
        number.map_or(String::new(), |n| format!(" {n}"))
    )]
    NoCheckpoint {
        /// Which.
        number: Option<u64>,
        /// Of which session.
        id: String,
    },
    /// The session is in use.
    #[error("session {0} is running")]
    Running(String),
    /// The project is not what the session was made for.
    #[error(
        "{}: the project of session {id} is gone, or another folder has its name; its changes are kept",
        shown(path)
    )]
    Vanished {
        /// The project.
        path: PathBuf,
        /// The session.
        id: String,
    },
    /// Something about the session's repository.
    #[error("{what}: {why}; the changes to files can still be applied, one by one: fumehood apply PATH")]
    Git {
        /// The step, in words.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// Nothing was applied that could be undone.
    #[error("nothing to undo here")]
    NothingToUndo,
    /// Stopped by a test at this step, as a kill would.
    #[error("stopped at step {0}")]
    Stopped(u64),
}

/// A path in a message.
fn shown(path: &Path) -> String {
    Escaped::from(path).to_string()
}

/// An error's words without the number that std appends.
fn words(why: &io::Error) -> String {
    let text = why.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Names the step and the path of a failure.
pub(crate) trait At<T> {
    fn at(self, step: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> At<T> for std::result::Result<T, E> {
    fn at(self, step: &'static str, path: &Path) -> Result<T> {
        self.map_err(|why| Error::Io {
            step,
            path: path.to_owned(),
            why: why.into(),
        })
    }
}
