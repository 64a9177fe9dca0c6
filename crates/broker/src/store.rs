//! The store of `fumehood secret add`: a folder of the user's own, 0700, a file of 0600 for each secret.
//!
//! Not encrypted: a key to it would lie beside it. It keeps secrets from other users, and from what runs in a
//! sandbox; not from another program of the same account, nor from whoever copies the disk. For that there
//! are keyrings and password managers.

use crate::secret::{LONGEST, Secret, Unusable};
use fumehood_policy::Escaped;
use fumehood_policy::value::{EnvName, HostPort};
use regex_lite::Regex;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The folder.
#[derive(Debug)]
pub struct Store {
    directory: OwnedFd,
    path: PathBuf,
}

/// A stored secret and what it is for.
#[derive(Debug)]
pub struct Stored {
    /// Its value.
    pub value: Secret,
    /// Hosts that it is for, and no configuration can widen; never empty.
    pub hosts: Vec<HostPort>,
    /// What its value matched when it was stored, and must match.
    pub require: Option<Regex>,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder.
    #[error("{path}: the store of secrets cannot be opened: {why}")]
    Open {
        /// The folder, escaped.
        path: String,
        /// The system's word.
        why: io::Error,
    },
    /// Someone else could read or change it.
    #[error("{path}: it is not yours alone; chown it to you, and chmod {mode:o} it")]
    NotPrivate {
        /// The folder or file, escaped.
        path: String,
        /// What the mode must be.
        mode: u32,
    },
    /// A file of it.
    #[error("{path}: the secret cannot be {verb}: {why}")]
    Disk {
        /// The file, escaped.
        path: String,
        /// Read, written or removed.
        verb: &'static str,
        /// The system's word.
        why: io::Error,
    },
    /// Not what was written.
    #[error("{path}: the stored secret is damaged; remove it with `fumehood secret rm`, and add it again")]
    Damaged {
        /// The file, escaped.
        path: String,
    },
    /// Written by a newer fumehood.
    #[error("{path}: written by a newer fumehood; update fumehood")]
    Newer {
        /// The file, escaped.
        path: String,
    },
    /// Its value is none.
    #[error("{path}: {why}; remove it with `fumehood secret rm`, and add it again")]
    Unusable {
        /// The file, escaped.
        path: String,
        /// Why.
        why: Unusable,
    },
    /// The kernel gave no random numbers.
    #[error("the kernel gives no random numbers")]
    Random,
    /// It would be for nobody.
    #[error("name at least one host that it is for: --for HOST")]
    NoHost,
}

/// No variable has this name.
const KEY_FILE: &str = ".placeholders";
const FORMAT: &str = "fumehood-secret 1";
const ANY_FORMAT: &str = "fumehood-secret ";
/// Hosts and pattern beside the value.
const LONGEST_FILE: u64 = LONGEST as u64 + 16 * 1024;

impl Store {
    /// The store below the state directory, if there is one.
    ///
    /// # Errors
    /// It cannot be opened, or is not the user's alone.
    pub fn open(state: &Path) -> Result<Option<Store>, StoreError> {
        match Self::open_directory(state) {
            Err(StoreError::Open { why, .. }) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Likewise, made if there is none.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn create(state: &Path) -> Result<Store, StoreError> {
        use std::os::unix::fs::DirBuilderExt;
        let path = state.join("secrets");
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path);
        made.map_err(|why| StoreError::Open {
            path: shown(&path),
            why,
        })?;
        Self::open_directory(state)
    }

    fn open_directory(state: &Path) -> Result<Store, StoreError> {
        let path = state.join("secrets");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let failed = |e: Errno| StoreError::Open {
            path: shown(&path),
            why: e.into(),
        };
        let directory = rustix::fs::open(&path, flags, Mode::empty()).map_err(failed)?;
        private(&directory, &path, 0o700).map_err(|e| e.unwrap_or_else(failed))?;
        Ok(Store { directory, path })
    }

    /// A secret, if it is there.
    ///
    /// # Errors
    /// It is there and cannot be used.
    pub fn get(&self, name: &EnvName) -> Result<Option<Stored>, StoreError> {
        let path = self.path.join(name.as_str());
        let failed = |why| disk(&path, "read", why);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&self.directory, name.as_str(), flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(|e| failed(e.into()))?,
        };
        private(&file, &path, 0o600).map_err(|e| e.unwrap_or_else(|e| failed(e.into())))?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(
            usize::try_from(LONGEST_FILE).unwrap_or(LONGEST) + 1,
        ));
        let read = File::from(file).take(LONGEST_FILE).read_to_end(&mut bytes);
        read.map_err(failed)?;
        decode(&bytes, &path).map(Some)
    }

    /// Stores a secret, in place of one of that name.
    ///
    /// # Errors
    /// It is for no host, or the disk refused; then what was there is still there.
    pub fn put(&self, name: &EnvName, stored: &Stored) -> Result<(), StoreError> {
        if stored.hosts.is_empty() {
            return Err(StoreError::NoHost);
        }
        let path = self.path.join(name.as_str());
        let temporary = format!(".{name}.{}", rustix::process::getpid().as_raw_nonzero());
        let written = self.write(&temporary, &encode(stored));
        let placed = written.and_then(|()| {
            rustix::fs::renameat(&self.directory, &temporary, &self.directory, name.as_str())?;
            Ok(rustix::fs::fsync(&self.directory)?)
        });
        placed.map_err(|why| {
            let _gone = rustix::fs::unlinkat(&self.directory, &temporary, AtFlags::empty());
            disk(&path, "written", why)
        })
    }

    fn write(&self, temporary: &str, bytes: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(&self.directory, temporary, flags, mode)?;
        // A umask can only take from the mode; an ACL of the folder could add to it.
        rustix::fs::fchmod(&file, mode)?;
        let mut file = File::from(file);
        file.write_all(bytes)?;
        file.sync_all()
    }

    /// Removes a secret; says whether there was one.
    ///
    /// # Errors
    /// The disk refused.
    pub fn remove(&self, name: &EnvName) -> Result<bool, StoreError> {
        let path = self.path.join(name.as_str());
        match rustix::fs::unlinkat(&self.directory, name.as_str(), AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(false),
            other => other.map(|()| true).map_err(|e| disk(&path, "removed", e.into())),
        }
    }

    /// The key of placeholders; `fresh` becomes it where there is none yet.
    ///
    /// # Errors
    /// It cannot be read or written, or is not the user's alone.
    pub(crate) fn key(&self, fresh: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        let path = self.path.join(KEY_FILE);
        let failed = |verb| move |why: io::Error| (verb, why);
        let made = || {
            let temporary = format!("{KEY_FILE}.{}", rustix::process::getpid().as_raw_nonzero());
            self.write(&temporary, fresh)?;
            // The first of two sessions that begin together makes it for both.
            let linked = rustix::fs::linkat(
                &self.directory,
                &temporary,
                &self.directory,
                KEY_FILE,
                AtFlags::empty(),
            );
            let _gone = rustix::fs::unlinkat(&self.directory, &temporary, AtFlags::empty());
            match linked {
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(e) => Err(e.into()),
            }
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let open = || rustix::fs::openat(&self.directory, KEY_FILE, flags, Mode::empty());
        let file = match open() {
            Err(Errno::NOENT) => made()
                .map_err(failed("written"))
                .and_then(|()| open().map_err(|e| ("read", e.into()))),
            other => other.map_err(|e| ("read", e.into())),
        };
        let file = file.map_err(|(verb, why)| disk(&path, verb, why))?;
        private(&file, &path, 0o600).map_err(|e| e.unwrap_or_else(|e| disk(&path, "read", e.into())))?;
        let mut key = Zeroizing::new([0; 32]);
        File::from(file)
            .read_exact(&mut *key)
            .map_err(|_| StoreError::Damaged { path: shown(&path) })?;
        Ok(key)
    }

    /// The names, sorted.
    ///
    /// # Errors
    /// The disk refused.
    pub fn names(&self) -> Result<Vec<EnvName>, StoreError> {
        let failed = |e: Errno| disk(&self.path, "read", e.into());
        let entries = rustix::fs::Dir::read_from(&self.directory).map_err(failed)?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            names.extend(entry.file_name().to_str().ok().and_then(|n| n.parse().ok()));
        }
        names.sort();
        Ok(names)
    }
}

/// Whether a folder or file is the user's alone. The inner error is the system's.
fn private(file: &OwnedFd, path: &Path, mode: u32) -> Result<(), Result<StoreError, Errno>> {
    let stat = rustix::fs::fstat(file).map_err(Err)?;
    let mine = stat.st_uid == rustix::process::geteuid().as_raw();
    let kind = FileType::from_raw_mode(stat.st_mode);
    let expected = matches!(kind, FileType::Directory | FileType::RegularFile);
    if mine && expected && stat.st_mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Ok(StoreError::NotPrivate {
        path: shown(path),
        mode,
    }))
}

fn encode(stored: &Stored) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(LONGEST * 2));
    out.extend_from_slice(FORMAT.as_bytes());
    out.push(b'\n');
    for host in &stored.hosts {
        out.extend_from_slice(format!("for {host}\n").as_bytes());
    }
    if let Some(regex) = &stored.require {
        out.extend_from_slice(format!("require {}\n", regex.as_str()).as_bytes());
    }
    out.push(b'\n');
    out.extend_from_slice(stored.value.expose());
    out.push(b'\n');
    out
}

fn decode(bytes: &[u8], path: &Path) -> Result<Stored, StoreError> {
    let damaged = || StoreError::Damaged { path: shown(path) };
    let end = bytes.windows(2).position(|w| w == b"\n\n").ok_or_else(damaged)?;
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| damaged())?;
    let mut lines = head.split('\n');
    match lines.next() {
        Some(FORMAT) => {}
        Some(other) if other.starts_with(ANY_FORMAT) => return Err(StoreError::Newer { path: shown(path) }),
        _ => return Err(damaged()),
    }
    let unusable = |why| StoreError::Unusable {
        path: shown(path),
        why,
    };
    let mut stored = Stored {
        value: Secret::new(bytes[end + 2..].to_vec()).map_err(unusable)?,
        hosts: Vec::new(),
        require: None,
    };
    for line in lines {
        match line.split_once(' ') {
            Some(("for", host)) => stored.hosts.push(host.parse().map_err(|_| damaged())?),
            Some(("require", regex)) => stored.require = Some(Regex::new(regex).map_err(|_| damaged())?),
            _ => return Err(damaged()),
        }
    }
    let value = stored.value.require(stored.require.as_ref()).map_err(unusable)?;
    if stored.hosts.is_empty() {
        return Err(damaged());
    }
    Ok(Stored { value, ..stored })
}

fn shown(path: &Path) -> String {
    Escaped::from(path.as_os_str()).to_string()
}

fn disk(path: &Path, verb: &'static str, why: io::Error) -> StoreError {
    StoreError::Disk {
        path: shown(path),
        verb,
        why,
    }
}

#[cfg(test)]
mod tests;
