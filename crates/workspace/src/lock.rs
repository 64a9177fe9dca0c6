//! One at a time.

use crate::error::{At, Result};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Waits until nobody else holds the lock of this folder; it is held until the file is closed.
pub(crate) fn alone(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .at("open", &path)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).at("lock", &path)?;
    Ok(lock)
}
