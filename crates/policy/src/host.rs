//! The real machine behind [`Environment`].

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::expand::{Environment, FileKind};
use crate::hidden::Tree;
use crate::protected::{Entry, ProjectView};
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
        let kind = fs::metadata(path).ok()?.file_type();
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

    fn list(&self, directory: &Path) -> Vec<(OsString, bool)> {
        let entries = fs::read_dir(directory)
            .into_iter()
            .flatten()
            .filter_map(Result::ok);
        // The kind comes with the name: no look at the file itself, links not followed.
        let kind = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        entries.map(|entry| (entry.file_name(), kind(&entry))).collect()
    }
}

impl Tree for Host {
    fn list(&self, directory: &Path) -> Vec<(OsString, bool)> {
        Environment::list(self, directory)
    }

    fn is_directory(&self, path: &Path) -> Option<bool> {
        fs::symlink_metadata(path).ok().map(|stat| stat.is_dir())
    }
}

/// A directory, looked at from outside before anything of the sandbox runs.
#[derive(Clone, Debug)]
pub struct ProjectDirectory {
    root: PathBuf,
}

/// Names read of one directory.
const MAX_NAMES: usize = 8192;

impl ProjectDirectory {
    /// The project's directory, without links.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl ProjectView for ProjectDirectory {
    fn names(&self, directory: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(self.root.join(directory)).into_iter().flatten();
        entries
            .filter_map(Result::ok)
            .take(MAX_NAMES)
            .map(|entry| entry.file_name())
            .collect()
    }

    fn entry(&self, path: &Path) -> Option<Entry> {
        let kind = fs::symlink_metadata(self.root.join(path)).ok()?.file_type();
        Some(match () {
            () if kind.is_symlink() => Entry::Link,
            () if kind.is_dir() => Entry::Directory,
            () if kind.is_file() => Entry::File,
            () => Entry::Other,
        })
    }

    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        read::bounded(&self.root.join(path)).ok()
    }

    fn target_in_project(&self, path: &Path) -> Option<PathBuf> {
        let target = self.root.join(path).canonicalize().ok()?;
        let inside = target.strip_prefix(&self.root).ok()?;
        (!inside.as_os_str().is_empty()).then(|| inside.to_owned())
    }
}
