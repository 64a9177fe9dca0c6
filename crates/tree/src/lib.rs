//! Walking and removing trees that something hostile may have made: as deep as the disk allows, which is far
//! beyond what a path can name, with folders that cannot be entered. A descriptor a level, or a call a level, would
//! let a program inside keep its rests from being removed for ever. And what is mounted below a folder.

#![forbid(unsafe_code)]

mod mounts;
mod walk;

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::Path;
use walk::{Folder, Means, Way};

pub use mounts::{MOUNTS, mounts_below};
pub use walk::each;

/// Names of one folder that are looked at before it is listed again: what was listed is gone by then.
const AT_ONCE: usize = 4096;

/// Removes a file, a link, or a folder with all below it. One that is not there is removed.
///
/// # Errors
/// Something cannot be removed; what is left is whole.
pub fn remove(folder: impl AsFd, name: &OsStr) -> Result<(), Errno> {
    if remove_one(&folder, name)? {
        return Ok(());
    }
    let Some(top) = Folder::enter(&folder, name, Means::Any)? else {
        return Ok(());
    };
    let mut way = Way::at(top, AT_ONCE, Means::Any)?;
    loop {
        match way.next_name() {
            Some(name) => {
                if !remove_one(way.here(), &name)? {
                    way.down(name)?;
                }
            }
            // What was listed is gone; there may be more.
            None if way.list_again()? => {}
            None => match way.up()? {
                Some(done) => gone(unlinkat(way.here(), &*done, AtFlags::REMOVEDIR))?,
                None => break,
            },
        }
    }
    gone(unlinkat(&folder, name, AtFlags::REMOVEDIR))
}

/// As [`remove`], by path: the folder it lies in is trusted, links on the way to it are followed.
///
/// # Errors
/// As [`remove`].
pub fn remove_path(path: &Path) -> std::io::Result<()> {
    use rustix::fs::{Mode, OFlags, openat};
    let name = path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = match openat(rustix::fs::CWD, parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    Ok(remove(folder, name)?)
}

/// Removes what is no folder, or an empty one; false: it is a folder with something in it.
fn remove_one(folder: impl AsFd, name: &OsStr) -> Result<bool, Errno> {
    match unlinkat(&folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        // Linux says the first, POSIX and some filesystems the second.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(e),
    }
    match unlinkat(&folder, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(e) => Err(e),
    }
}

fn gone(done: Result<(), Errno>) -> Result<(), Errno> {
    match done {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
