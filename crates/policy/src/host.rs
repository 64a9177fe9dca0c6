//! The real machine behind [`Environment`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::expand::{Environment, FileKind};
use crate::read;
use crate::value::Variables;

/// The machine and the environment of this process.
#[derive(Clone, Debug)]
pub struct Host {
    home: Option<PathBuf>,
}

impl Host {
    /// With this home directory: the account's, which the caller has looked up.
    pub fn new(home: Option<PathBuf>) -> Self {
        Self {
            home: home.filter(|home| home.is_absolute()),
        }
    }
}

impl Variables for Host {
    fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    fn var(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}

impl Environment for Host {
    fn kind(&self, path: &Path) -> Option<FileKind> {
        let kind = std::fs::metadata(path).ok()?.file_type();
        Some(match () {
            () if kind.is_dir() => FileKind::Directory,
            () if kind.is_file() => FileKind::File,
            () => FileKind::Special,
        })
    }

    fn realpath(&self, path: &Path) -> Option<PathBuf> {
        path.canonicalize().ok()
    }

    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        read::bounded(path).ok()
    }
}
