//! What a janitor process keeps, so that `kill -9` of the supervisor leaves neither processes nor groups.

use crate::error::Error;
use crate::files::Host;
use crate::kill;
use std::path::{Path, PathBuf};

/// Plain paths of one group's directories: no descriptor, no thread, nothing to keep alive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JanitorPaths(pub(crate) Vec<PathBuf>);

impl JanitorPaths {
    /// The directories, to be sent to another process.
    pub fn iter(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path)
    }
}

impl FromIterator<PathBuf> for JanitorPaths {
    fn from_iter<I: IntoIterator<Item = PathBuf>>(paths: I) -> Self {
        Self(paths.into_iter().collect())
    }
}

/// Kills what is in the group and removes it; a group already gone is no error. Takes at most about four seconds.
///
/// # Errors
/// [`Error::Survivors`] or [`Error::Remove`] when the time was not enough.
pub fn clean(paths: &JanitorPaths) -> Result<(), Error> {
    let killed = kill::kill(&Host, &paths.0);
    kill::remove(&Host, &paths.0).and(killed)
}
