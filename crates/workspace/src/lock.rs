//! One at a time.

use crate::error::{At, Result};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file of a folder's lock, which is made if it is not there.
pub(crate) fn made(folder: &Path) -> Result<PathBuf> {
    opened(folder).map(|(path, _)| path)
}

/// Waits until nobody else holds the lock of this folder; it is held until the file is closed.
pub(crate) fn alone(folder: &Path) -> Result<File> {
    let (path, lock) = opened(folder)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).at("lock", &path)?;
    Ok(lock)
}

fn opened(folder: &Path) -> Result<(PathBuf, File)> {
    let path = folder.join("lock");
    let lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .at("open", &path)?;
    Ok((path, lock))
}
