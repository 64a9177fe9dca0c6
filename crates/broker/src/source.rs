//! Where secrets come from.

mod machine;
#[cfg(test)]
mod tests;

use crate::secret::{Secret, Unusable};
use crate::store::{Store, StoreError};
use fumehood_policy::value::SecretSource;
pub use machine::Machine;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The machine's side of fetching: what is asked of it, so that every answer can be tried in tests.
pub trait Outside {
    /// A variable of the user's environment.
    fn variable(&self, name: &str) -> Option<Zeroizing<Vec<u8>>>;
    /// The path behind a template; `None` where a variable in it is not set.
    fn path(&self, template: &fumehood_policy::value::PathTemplate) -> Option<PathBuf>;
    /// A file's content, if others cannot read it.
    ///
    /// # Errors
    /// It cannot be read, or can be read by others.
    fn file(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError>;
    /// What a program prints.
    ///
    /// # Errors
    /// It cannot be run, or failed.
    fn output(&self, argv: &[String]) -> Result<Zeroizing<Vec<u8>>, RunError>;
    /// The store of `fumehood secret add`.
    ///
    /// # Errors
    /// It cannot be used.
    fn store(&self) -> Result<Option<Store>, StoreError>;
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system's word.
    #[error("{0}")]
    Io(io::Error),
    /// Not a regular file: opening it could wait for ever.
    #[error("it is not a regular file")]
    Kind,
    /// Its mode lets others read it, or it is somebody else's.
    #[error("other users can read it (mode {0:03o}); chmod 600 it")]
    Open(u32),
    /// It belongs to another user.
    #[error("it belongs to another user (uid {0}); copy it to a file of your own")]
    Foreign(u32),
}

/// Why a program gave no secret.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error("{program} cannot be run: {why}; install it, or name another source")]
    Start {
        /// As named.
        program: String,
        /// The system's word.
        why: io::Error,
    },
    /// It ended otherwise than with 0.
    #[error("{program} ended with {status}; run it yourself to see why")]
    Status {
        /// As named.
        program: String,
        /// Its status, in words.
        status: String,
    },
    /// It did not end in time, or printed more than any secret.
    #[error("{program} {what}; it was stopped")]
    Stopped {
        /// As named.
        program: String,
        /// Why.
        what: &'static str,
    },
}

/// Why a secret could not be fetched. Never holds any of it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The variable is not set.
    #[error("the variable {0} is not set; set it where you start fumehood, or name another source")]
    NotSet(String),
    /// The path's variables are not set.
    #[error("{0}: a variable in it is not set")]
    NoPath(String),
    /// The file.
    #[error("{path}: {why}")]
    File {
        /// The file, escaped.
        path: String,
        /// Why.
        why: FileError,
    },
    /// The program.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The store has no such secret.
    #[error("the store has no {0}; add it with `fumehood secret add {0}`")]
    NotStored(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What came is no secret.
    #[error("{0}")]
    Unusable(#[from] Unusable),
}

/// Fetches a secret.
///
/// # Errors
/// It could not be fetched, or what was fetched is no secret.
pub fn fetch(source: &SecretSource, outside: &impl Outside) -> Result<Secret, FetchError> {
    match source {
        SecretSource::Env(name) => {
            let value = outside.variable(name.as_str());
            let value = value.ok_or_else(|| FetchError::NotSet(name.to_string()))?;
            Ok(Secret::new(value)?)
        }
        SecretSource::File(template) => file(template, outside),
        SecretSource::Store(name) => {
            let missing = || FetchError::NotStored(name.to_string());
            let store = outside.store()?.ok_or_else(missing)?;
            Ok(store.get(name)?.ok_or_else(missing)?.value)
        }
        SecretSource::Command(argv) => Ok(Secret::new(outside.output(argv)?)?),
        SecretSource::Manager(item) => {
            let printed = outside.output(&item.argv())?;
            let whole = !item.manager().first_line;
            Ok(Secret::new(if whole { printed } else { first_line(&printed) })?)
        }
    }
}

fn file(
    template: &fumehood_policy::value::PathTemplate,
    outside: &impl Outside,
) -> Result<Secret, FetchError> {
    let path = outside
        .path(template)
        .ok_or_else(|| FetchError::NoPath(template.to_string()))?;
    let content = outside.file(&path).map_err(|why| FetchError::File {
        path: fumehood_policy::Escaped::from(path.as_os_str()).to_string(),
        why,
    })?;
    Ok(Secret::new(content)?)
}

fn first_line(printed: &[u8]) -> Zeroizing<Vec<u8>> {
    let line = printed.split(|b| *b == b'\n').next().unwrap_or_default();
    Zeroizing::new(line.to_vec())
}
