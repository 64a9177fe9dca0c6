//! Programs that are known by their content: found once, hashed, and looked at again before each execution.
//!
//! Looking again costs a few `stat`s: a file whose number, size and times are what they were has the content it had
//! (the time of the last change is the kernel's to set). One whose times are others is hashed again. A file that had
//! just changed when it was hashed could change once more within the same tick of that clock; it is hashed again too.

use super::{DEEPEST, ProgramError, interpreters, locate};
use crate::view::plain;
use fumehood_effect::Digest;
use fumehood_sandbox::Stamp;
use rustix::fs::{Mode, OFlags};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds after its last change in which a file could change unseen: far more than a tick of any kernel's clock.
const YOUNG: i64 = 2;

/// Why a program cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// It is not there.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Its content cannot be had.
    #[error("{path:?} cannot be hashed: {why}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// More interpreters behind one another than the kernel follows.
    #[error("{0:?}: too many interpreters stand behind one another")]
    Deep(PathBuf),
}

/// Why a program is not executed.
#[derive(Debug, thiserror::Error)]
pub enum Changed {
    /// Another name is behind it.
    #[error("{named:?} leads to {now:?}, and led to {before:?} when the tools were loaded")]
    Elsewhere {
        /// As it was found.
        named: PathBuf,
        /// Where it led.
        before: PathBuf,
        /// Where it leads.
        now: PathBuf,
    },
    /// Another content.
    #[error("{path:?} is {now}, and was {before} when the tools were loaded")]
    Content {
        /// Which file.
        path: PathBuf,
        /// What it was.
        before: Digest,
        /// What it is.
        now: Digest,
    },
    /// It is not to be had any more.
    #[error("{path:?} was there when the tools were loaded: {why}")]
    Gone {
        /// Which file.
        path: PathBuf,
        /// What became of it.
        why: String,
    },
}

/// One file, as it was found and as it was.
#[derive(Debug)]
struct Known {
    named: PathBuf,
    real: PathBuf,
    digest: Digest,
    seen: Mutex<Seen>,
}

/// What a file was known by when it was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    device: u64,
    stamp: Stamp,
    /// It had just changed: what it is known by could be another content's too.
    young: bool,
}

/// A program, and the interpreters that its first line names, each with its content.
#[derive(Debug)]
pub struct Pinned {
    files: Vec<Known>,
}

impl Pinned {
    /// Where it is, as it was found; may be a link.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(""), |f| &f.named)
    }

    /// Each file without links, and the digest of its content: the program, then its interpreters.
    pub fn files(&self) -> impl Iterator<Item = (&Path, Digest)> {
        self.files.iter().map(|f| (f.real.as_path(), f.digest))
    }

    /// Looks at all of it again; what the program's file is known by now.
    ///
    /// # Errors
    /// Something is not what it was.
    pub fn check(&self) -> Result<Option<Stamp>, Changed> {
        let mut first = None;
        for file in &self.files {
            let stamp = file.check()?;
            first.get_or_insert(stamp);
        }
        Ok(first)
    }
}

impl Known {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<Stamp, Changed> {
        let gone = |e: &std::io::Error| Changed::Gone {
            path: self.named.clone(),
            why: plain(e),
        };
        let now = std::fs::canonicalize(&self.named).map_err(|e| gone(&e))?;
        if now != self.real {
            return Err(Changed::Elsewhere {
                named: self.named.clone(),
                before: self.real.clone(),
                now,
            });
        }
        let metadata = std::fs::metadata(&self.real).map_err(|e| gone(&e))?;
        let mut seen = self.seen();
        if !seen.young && (metadata.dev(), stamp(&metadata)) == (seen.device, seen.stamp) {
            return Ok(seen.stamp);
        }
        let (digest, again) = hashed(&self.real).map_err(|e| gone(&e))?;
        if digest != self.digest {
            return Err(Changed::Content {
                path: self.real.clone(),
                before: self.digest,
                now: digest,
            });
        }
        *seen = again;
        Ok(seen.stamp)
    }
}

/// Finds programs, and hashes each file once.
#[derive(Debug)]
pub struct Programs {
    search: OsString,
    hashed: HashMap<PathBuf, (Digest, Seen)>,
}

impl Programs {
    /// For programs on this search path; what of it lies in `project`, or is no absolute path, is left out: who writes
    /// the project would choose them.
    #[must_use]
    pub fn on(search: &OsStr, project: &Path) -> Programs {
        let outside = |folder: &PathBuf| {
            let real = std::fs::canonicalize(folder);
            folder.is_absolute()
                && !folder.starts_with(project)
                && !real.is_ok_and(|real| real.starts_with(project))
        };
        let mut kept: Vec<PathBuf> = std::env::split_paths(search).filter(outside).collect();
        for folder in std::env::split_paths(crate::prepare::DEFAULT_PATH) {
            if !kept.contains(&folder) {
                kept.push(folder);
            }
        }
        Programs {
            // Only a folder with ":" in its name cannot be joined, and split_paths gave none.
            search: std::env::join_paths(kept).unwrap_or_else(|_| crate::prepare::DEFAULT_PATH.into()),
            hashed: HashMap::new(),
        }
    }

    /// The search path that is left.
    #[must_use]
    pub fn search(&self) -> &OsStr {
        &self.search
    }

    /// A program: a name on the search path, or a path relative to `directory`.
    ///
    /// # Errors
    /// It is not there, cannot be executed, or cannot be read.
    pub fn pin(&mut self, name: &OsStr, directory: &Path) -> Result<Pinned, PinError> {
        let mut files = Vec::new();
        self.follow(locate(name, &self.search, directory)?, directory, &mut files)?;
        Ok(Pinned { files })
    }

    fn follow(&mut self, named: PathBuf, directory: &Path, files: &mut Vec<Known>) -> Result<(), PinError> {
        if files.len() > DEEPEST {
            return Err(PinError::Deep(named));
        }
        let unreadable = |e: &std::io::Error| PinError::Unreadable {
            path: named.clone(),
            why: plain(e),
        };
        let real = std::fs::canonicalize(&named).map_err(|e| unreadable(&e))?;
        let (digest, seen) = match self.hashed.get(&real) {
            Some(known) => *known,
            None => hashed(&real).map_err(|e| unreadable(&e))?,
        };
        self.hashed.insert(real.clone(), (digest, seen));
        let next = interpreters(&real);
        files.push(Known {
            named,
            real,
            digest,
            seen: Mutex::new(seen),
        });
        for interpreter in next {
            self.follow(locate(&interpreter, &self.search, directory)?, directory, files)?;
        }
        Ok(())
    }
}

/// The digest of a file, and what it was known by while it was read.
fn hashed(path: &Path) -> std::io::Result<(Digest, Seen)> {
    // Whoever puts a pipe there does not keep us.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let before = file.metadata()?;
    if !before.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
    let digest = Digest::of_all(&file)?;
    let after = file.metadata()?;
    let known = stamp(&before);
    if known != stamp(&after) {
        return Err(std::io::Error::other("it changed while it was read"));
    }
    let seen = Seen {
        device: before.dev(),
        stamp: known,
        young: known.changed.0.saturating_add(YOUNG) >= now,
    };
    Ok((digest, seen))
}

fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        inode: metadata.ino(),
        size: metadata.size(),
        written: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

#[cfg(test)]
mod tests;
