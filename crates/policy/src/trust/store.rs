use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Digest;
use super::record::{Damage, Record};
use crate::config::MAX_BYTES;
use crate::escape::Escaped;

/// The trust store, `trust/` in the state directory: a directory of the user's own, 0700,
/// opened once and used through its descriptor.
#[derive(Debug)]
pub struct Store {
    directory: OwnedFd,
    path: PathBuf,
}

/// Why the store cannot be used. Nothing is trusted then.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The directory cannot be made or opened.
    #[error("{path}: the trust store cannot be opened: {source}")]
    Open {
        /// The directory, escaped.
        path: String,
        /// The kernel's word.
        source: io::Error,
    },
    /// Someone else could change it.
    #[error("{path}: the trust store is not yours alone; chown it to you and chmod 700 it")]
    NotPrivate {
        /// The directory, escaped.
        path: String,
    },
    /// Written by a newer fumehood.
    #[error("{path}: written by a newer fumehood (format {format}); update fumehood")]
    Newer {
        /// The record, escaped.
        path: String,
        /// Its format.
        format: u32,
    },
    /// Not what was written.
    #[error("{path}: the record of trust is damaged; remove it and run fumehood trust again")]
    Damaged {
        /// The record, escaped.
        path: String,
    },
    /// The disk refused.
    #[error("{path}: the record of trust cannot be {verb}: {source}")]
    Disk {
        /// The record, escaped.
        path: String,
        /// Read or written.
        verb: &'static str,
        /// The kernel's word.
        source: io::Error,
    },
    /// A relative path names no file for good.
    #[error("{path}: trust needs an absolute path")]
    Relative {
        /// The file, escaped.
        path: String,
    },
}

/// The file that holds the highest serial; no digest is named so.
const SERIAL: &str = "policy-serial";

/// Room for the head beside the largest file.
const MAX_RECORD: u64 = MAX_BYTES as u64 + 16 * 1024;

impl Store {
    /// Opens the store below the state directory (`$XDG_STATE_HOME/fumehood`), if it exists.
    /// Makes nothing: a run that trusts nothing writes nothing.
    pub fn open(state: &Path) -> Result<Option<Self>, TrustError> {
        match Self::open_directory(state) {
            Err(TrustError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Likewise, making it first.
    pub fn create(state: &Path) -> Result<Self, TrustError> {
        use std::os::unix::fs::DirBuilderExt;
        let path = state.join("trust");
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path);
        made.map_err(|source| TrustError::Open {
            path: shown(&path),
            source,
        })?;
        Self::open_directory(state)
    }

    fn open_directory(state: &Path) -> Result<Self, TrustError> {
        let path = state.join("trust");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let failed = |errno: Errno| TrustError::Open {
            path: shown(&path),
            source: errno.into(),
        };
        let directory = rustix::fs::open(&path, flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&directory).map_err(failed)?;
        let mine = stat.st_uid == rustix::process::geteuid().as_raw();
        if !mine || stat.st_mode & 0o077 != 0 {
            return Err(TrustError::NotPrivate { path: shown(&path) });
        }
        Ok(Self { directory, path })
    }

    /// Whether the user has accepted exactly this content for this path, which is absolute
    /// and without links.
    pub fn is_trusted(&self, path: &Path, content: &[u8]) -> Result<bool, TrustError> {
        let record = self.record(path)?;
        Ok(record.is_some_and(|r| r.path == path && Digest::of(&r.content) == Digest::of(content)))
    }

    /// The content accepted last for this path, to show what a change adds.
    pub fn accepted(&self, path: &Path) -> Result<Option<Vec<u8>>, TrustError> {
        Ok(self.record(path)?.map(|record| record.content))
    }

    /// Accepts this content for this path in place of any other. `now` in seconds since 1970.
    pub fn accept(&self, path: &Path, content: &[u8], now: u64) -> Result<(), TrustError> {
        if !path.is_absolute() {
            return Err(TrustError::Relative { path: shown(path) });
        }
        let record = Record {
            path: path.to_owned(),
            accepted_at: now,
            content: content.to_vec(),
        };
        self.write(&Record::file_name(path), &record.encode())
    }

    /// The highest `serial` of a machine policy that was ever used here.
    pub fn serial(&self) -> Result<Option<u64>, TrustError> {
        let Some(bytes) = self.read(SERIAL)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let number = text
            .strip_prefix("fumehood serial 1\n")
            .and_then(|t| t.trim_end().parse().ok());
        let damaged = || TrustError::Damaged {
            path: shown(&self.path.join(SERIAL)),
        };
        number.map(Some).ok_or_else(damaged)
    }

    /// Remembers the `serial` of the policy in use; a lower one than before changes nothing.
    pub fn raise_serial(&self, serial: u64) -> Result<(), TrustError> {
        if self.serial()?.is_some_and(|last| last >= serial) {
            return Ok(());
        }
        self.write(SERIAL, format!("fumehood serial 1\n{serial}\n").as_bytes())
    }

    /// On disk before this returns; another process sees the old content or the new one.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrustError> {
        let temporary = format!("{name}.{}.new", std::process::id());
        let write = || -> io::Result<()> {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&self.directory, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
            let mut file = File::from(file);
            file.write_all(bytes)?;
            file.sync_all()?;
            rustix::fs::renameat(&self.directory, &temporary, &self.directory, name)?;
            Ok(rustix::fs::fsync(&self.directory)?)
        };
        write().map_err(|source| self.disk(name, "written", source))
    }

    /// Takes back what was accepted for this path; false if nothing was.
    pub fn forget(&self, path: &Path) -> Result<bool, TrustError> {
        let name = Record::file_name(path);
        match rustix::fs::unlinkat(&self.directory, &name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.disk(&name, "removed", errno.into())),
        }
    }

    fn record(&self, path: &Path) -> Result<Option<Record>, TrustError> {
        let name = Record::file_name(path);
        let Some(bytes) = self.read(&name)? else {
            return Ok(None);
        };
        let at = || shown(&self.path.join(&name));
        Record::decode(&bytes).map(Some).map_err(|damage| match damage {
            Damage::Newer(format) => TrustError::Newer { path: at(), format },
            Damage::Broken => TrustError::Damaged { path: at() },
        })
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, TrustError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let failed = |source: io::Error| self.disk(name, "read", source);
        let file = match rustix::fs::openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno.into())),
        };
        let stat = rustix::fs::fstat(&file).map_err(|errno| failed(errno.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(TrustError::Damaged {
                path: shown(&self.path.join(name)),
            });
        }
        let mut bytes = Vec::new();
        file.take(MAX_RECORD).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Some(bytes))
    }

    fn disk(&self, name: &str, verb: &'static str, source: io::Error) -> TrustError {
        TrustError::Disk {
            path: shown(&self.path.join(name)),
            verb,
            source,
        }
    }
}

fn shown(path: &Path) -> String {
    Escaped::from(path).to_string()
}
