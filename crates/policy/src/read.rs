//! Reading configuration files: the only place of this crate, beside the trust store, that
//! opens anything. A file is opened without blocking and without following links, looked at
//! through its descriptor, and read up to a bound, so a pipe cannot hang us, a device cannot
//! act, and a swap between look and read changes nothing.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::config::MAX_BYTES;
use crate::escape::Escaped;

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileText {
    /// Its content, up to [`MAX_BYTES`] and one more.
    pub bytes: Vec<u8>,
    /// Where a link led to, if the path was one: worth saying.
    pub resolved: Option<PathBuf>,
}

/// Who may have written the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Anyone: the project's file is untrusted anyway.
    Anyone,
    /// This user or root, and not everyone.
    User(u32),
    /// This user only, neither group nor others, the directory included. Root's for the
    /// machine's policy.
    Only(u32),
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The kernel refused.
    #[error("{path}: cannot be opened: {source}")]
    Open {
        /// Which file, escaped.
        path: String,
        /// The kernel's word.
        source: std::io::Error,
    },
    /// Not a regular file.
    #[error("{path}: is not a regular file")]
    NotRegular {
        /// Which file, escaped.
        path: String,
    },
    /// Someone else could have written it.
    #[error("{path}: {why}; {help}")]
    Owner {
        /// Which file or directory, escaped.
        path: String,
        /// What is wrong.
        why: String,
        /// What to do.
        help: String,
    },
    /// Reading failed.
    #[error("{path}: cannot be read: {source}")]
    Read {
        /// Which file, escaped.
        path: String,
        /// The kernel's word.
        source: std::io::Error,
    },
}

/// Reads a configuration file; none if it does not exist.
pub fn config(path: &Path, owner: Owner) -> Result<Option<FileText>, ReadError> {
    let (file, resolved) = match open(path) {
        Ok(file) => (file, None),
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(Errno::LOOP) => {
            let target = path.canonicalize().map_err(|source| open_error(path, source))?;
            let file = open(&target).map_err(|errno| open_error(&target, errno.into()))?;
            (file, Some(target))
        }
        Err(errno) => return Err(open_error(path, errno.into())),
    };
    let real = resolved.as_deref().unwrap_or(path);
    let stat = look(&file, real)?;
    check_owner(&stat, real, owner)?;
    if let (Owner::Only(_), Some(parent)) = (owner, real.parent()) {
        check_directory(parent, owner)?;
    }
    let bytes = read_bounded(file, real)?;
    Ok(Some(FileText { bytes, resolved }))
}

/// Any regular file of up to [`MAX_BYTES`], links followed; larger ones are cut one byte
/// later, so that the caller can tell.
pub(crate) fn bounded(path: &Path) -> Result<Vec<u8>, ReadError> {
    let real = path.canonicalize().map_err(|source| open_error(path, source))?;
    let file = open(&real).map_err(|errno| open_error(&real, errno.into()))?;
    look(&file, &real)?;
    read_bounded(file, &real)
}

/// `O_NONBLOCK`: a pipe without a writer must not hang. `O_NOCTTY`: a terminal must not
/// become ours.
fn open(path: &Path) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty()).map(File::from)
}

fn look(file: &File, path: &Path) -> Result<Stat, ReadError> {
    let stat = rustix::fs::fstat(file.as_fd()).map_err(|errno| open_error(path, errno.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(ReadError::NotRegular { path: shown(path) });
    }
    Ok(stat)
}

fn check_directory(path: &Path, owner: Owner) -> Result<(), ReadError> {
    let stat = rustix::fs::stat(path).map_err(|errno| open_error(path, errno.into()))?;
    check_owner(&stat, path, owner)
}

fn check_owner(stat: &Stat, path: &Path, owner: Owner) -> Result<(), ReadError> {
    let others = stat.st_mode & 0o002 != 0;
    let group = stat.st_mode & 0o020 != 0;
    let wrong = |why: String, help: String| {
        Err(ReadError::Owner {
            path: shown(path),
            why,
            help,
        })
    };
    match owner {
        Owner::Anyone => Ok(()),
        Owner::User(uid) if stat.st_uid != uid && stat.st_uid != 0 => wrong(
            format!("belongs to user {}", stat.st_uid),
            "only your own configuration counts".to_owned(),
        ),
        Owner::Only(uid) if stat.st_uid != uid => wrong(
            format!("belongs to user {}, not {uid}", stat.st_uid),
            format!("chown {uid} it"),
        ),
        Owner::Only(_) if group || others => {
            wrong("can be changed by others".to_owned(), "chmod go-w it".to_owned())
        }
        Owner::User(_) if others => wrong("can be changed by everyone".to_owned(), "chmod o-w it".to_owned()),
        Owner::User(_) | Owner::Only(_) => Ok(()),
    }
}

fn read_bounded(file: File, path: &Path) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 1;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|source| ReadError::Read {
            path: shown(path),
            source,
        })?;
    Ok(bytes)
}

fn open_error(path: &Path, source: std::io::Error) -> ReadError {
    ReadError::Open {
        path: shown(path),
        source,
    }
}

fn shown(path: &Path) -> String {
    Escaped::from(path).to_string()
}
