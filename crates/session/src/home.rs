//! The home directory inside: never the host's.
//!
//! An agent's home is kept between runs, per project and agent, so that history and resuming work.
//! What it may keep is named by its preset; everything else a session left there, and every
//! instruction, hook and setting that the next session would obey, is removed before the next start
//! (review-security F25). The folder was written by a sandbox, so it is hostile: it is walked by
//! descriptor, and no symbolic link in it is ever followed.

mod settings;
mod slot;

pub use settings::Settings;
pub use slot::Slot;

use fumehood_sandbox::Kind;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Which home a program gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// In memory, gone with the sandbox.
    Throwaway,
    /// A private folder of fumehood's state, kept between runs.
    Kept(PathBuf),
}

/// Why a kept home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A file operation failed.
    #[error("{what} {path:?} in the agent's home: {why}")]
    Call {
        /// What was tried.
        what: &'static str,
        /// The path, relative to the home.
        path: PathBuf,
        /// The kernel's answer.
        why: Errno,
    },
    /// More sessions than can be told apart.
    #[error("{0} sessions of this agent run in this project; end one of them")]
    Busy(usize),
    /// A session runs in it.
    #[error("a session of this agent runs in this project; `fumehood ps` lists it, `fumehood stop` ends it")]
    InUse,
}

/// Bytes of a settings file that are read.
const MOST_SETTINGS: u64 = 16 << 20;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A kept home, opened.
#[derive(Debug)]
pub struct KeptHome {
    top: OwnedFd,
}

impl KeptHome {
    /// Opens the folder, making it, for its owner alone, if need be.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &Path) -> Result<KeptHome, HomeError> {
        use std::os::unix::fs::{DirBuilderExt, MetadataExt};
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path);
        made.map_err(|e| call("make", path, Errno::from_io_error(&e).unwrap_or(Errno::IO)))?;
        // A session may change the mode of its home, and must not keep the next one out by it.
        let mode = std::fs::symlink_metadata(path).map(|m| m.mode());
        if mode.is_ok_and(|mode| mode & 0o700 != 0o700) {
            rustix::fs::chmod(path, Mode::RWXU).map_err(|e| call("open up", path, e))?;
        }
        let top = rustix::fs::open(path, FOLDER, Mode::empty()).map_err(|e| call("open", path, e))?;
        Ok(KeptHome { top })
    }

    /// Removes all but what is to be kept, and of that what is guarded. Paths are relative; a part
    /// that is `*`, or begins or ends with it, stands for any name. Answers the guarded paths that
    /// held something.
    ///
    /// # Errors
    /// Something could not be removed: the run must not go on with it.
    pub fn clean(&self, keep: &[PathBuf], guarded: &[PathBuf]) -> Result<Vec<PathBuf>, HomeError> {
        self.keep_only(&self.top, Path::new(""), keep)?;
        let mut held = Vec::new();
        for path in guarded {
            for path in self.meant(path)? {
                if self.holds_something(&path) {
                    held.push(path.clone());
                }
                self.remove(&path)?;
            }
        }
        Ok(held)
    }

    fn keep_only(&self, folder: &OwnedFd, at: &Path, keep: &[PathBuf]) -> Result<(), HomeError> {
        for name in names(folder).map_err(|e| call("list", at, e))? {
            let path = at.join(OsStr::from_bytes(&name));
            if keep.iter().any(|k| begins(&path, k)) {
                continue;
            }
            match open_folder(folder, OsStr::from_bytes(&name)) {
                Ok(below) if keep.iter().any(|k| leads_to(&path, k)) => {
                    self.keep_only(&below, &path, keep)?
                }
                _ => fumehood_tree::remove(folder, OsStr::from_bytes(&name))
                    .map_err(|e| call("remove", &path, e))?,
            }
        }
        Ok(())
    }

    /// The paths in the home that one with `*` in it means.
    fn meant(&self, pattern: &Path) -> Result<Vec<PathBuf>, HomeError> {
        let mut paths = vec![PathBuf::new()];
        for part in pattern.components().filter_map(plain) {
            let mut next = Vec::new();
            for path in paths {
                if !part.as_bytes().contains(&b'*') {
                    next.push(path.join(part));
                    continue;
                }
                let Some(folder) = self.folder(&path) else {
                    continue;
                };
                let found = names(&folder).map_err(|e| call("list", &path, e))?;
                let found = found.iter().map(|name| OsStr::from_bytes(name));
                next.extend(found.filter(|name| fits(part, name)).map(|name| path.join(name)));
            }
            paths = next;
        }
        Ok(paths)
    }

    /// A folder of the home; none where there is none, a link included.
    fn folder(&self, path: &Path) -> Option<OwnedFd> {
        let mut folder = self.top.try_clone().ok()?;
        for name in path.components().filter_map(plain) {
            folder = open_folder(&folder, name).ok()?;
        }
        Some(folder)
    }

    /// Whether more is there than an empty file or folder, as [`KeptHome::place`] makes them.
    fn holds_something(&self, path: &Path) -> bool {
        let Ok(Some((folder, name))) = self.parent(path, false) else {
            return false;
        };
        let Ok(stat) = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return false;
        };
        match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
            rustix::fs::FileType::RegularFile => stat.st_size > 0,
            rustix::fs::FileType::Directory => {
                let below = open_folder(&folder, name).and_then(|below| names(&below));
                below.is_ok_and(|names| !names.is_empty())
            }
            _ => true,
        }
    }

    /// Leaves of a settings file what may go on to the next session; answers the keys that were
    /// dropped.
    ///
    /// # Errors
    /// The kernel's: the run must not go on with the file.
    pub fn settle(&self, rules: &Settings) -> Result<Vec<String>, HomeError> {
        let path = rules.file.as_path();
        let failed = |e| call("write", path, e);
        let kept = self.read(path);
        let composed = settings::compose(kept.as_deref(), rules);
        let Some((folder, name)) = self.parent(path, true).map_err(failed)? else {
            return Ok(composed.dropped);
        };
        match composed.text {
            Some(text) => {
                self.remove_folder_at(path)?;
                slot::put(&folder, name, |out| std::io::Write::write_all(out, &text)).map_err(failed)?;
            }
            None => self.remove(path)?,
        }
        Ok(composed.dropped)
    }

    /// What is no file gives way.
    fn remove_folder_at(&self, path: &Path) -> Result<(), HomeError> {
        match self.folder(path) {
            Some(_) => self.remove(path),
            None => Ok(()),
        }
    }

    /// A regular file's content; none if it is something else or too large.
    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        use std::io::Read;
        let (folder, name) = self.parent(path, false).ok()??;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = std::fs::File::from(openat(&folder, name, flags, Mode::empty()).ok()?);
        let mut bytes = Vec::new();
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        if metadata.len() > MOST_SETTINGS {
            return Some(Vec::new()); // no JSON: dropped whole, and said
        }
        file.take(MOST_SETTINGS).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    fn remove(&self, path: &Path) -> Result<(), HomeError> {
        match self.parent(path, false) {
            Ok(Some((folder, name))) => match fumehood_tree::remove(&folder, name) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(e) => Err(call("remove", path, e)),
            },
            Ok(None) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
            Err(e) => Err(call("open the folder of", path, e)),
        }
    }

    /// Writes a file, its folder too.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write(&self, path: &Path, content: &[u8]) -> Result<(), HomeError> {
        let failed = |e| call("write", path, e);
        self.remove(path)?;
        let Some((folder, name)) = self.parent(path, true).map_err(failed)? else {
            return Ok(());
        };
        slot::put(&folder, name, |out| std::io::Write::write_all(out, content)).map_err(failed)
    }

    /// Makes sure that something of this kind is at a path, to be mounted on. What stands in the
    /// way is removed.
    ///
    /// # Errors
    /// The kernel's.
    pub fn place(&self, path: &Path, kind: Kind) -> Result<(), HomeError> {
        let failed = |e| call("make", path, e);
        let Some((folder, name)) = self.parent(path, true).map_err(failed)? else {
            return Ok(());
        };
        match kind {
            Kind::Directory => make_folder(&folder, name).map(drop),
            Kind::File => make_file(&folder, name),
        }
        .map_err(failed)
    }

    /// The folder a path lies in and its last name; made on the way if asked.
    fn parent<'p>(&self, path: &'p Path, make: bool) -> Result<Option<(OwnedFd, &'p OsStr)>, Errno> {
        let mut names: Vec<&OsStr> = path.components().filter_map(plain).collect();
        let Some(last) = names.pop() else { return Ok(None) };
        let mut folder = self.top.try_clone().map_err(|_| Errno::MFILE)?;
        for name in names {
            folder = if make {
                make_folder(&folder, name)?
            } else {
                open_folder(&folder, name)?
            };
        }
        Ok(Some((folder, last)))
    }
}

/// Whether the path is what the pattern means, or lies in it.
fn begins(path: &Path, pattern: &Path) -> bool {
    path.components().count() >= pattern.components().count() && agrees(path, pattern)
}

/// Whether what the pattern means can lie in the path.
fn leads_to(path: &Path, pattern: &Path) -> bool {
    path.components().count() < pattern.components().count() && agrees(path, pattern)
}

fn agrees(path: &Path, pattern: &Path) -> bool {
    let (path, pattern) = (path.components(), pattern.components());
    path.zip(pattern)
        .all(|(name, part)| fits(part.as_os_str(), name.as_os_str()))
}

/// `*` in a part stands for anything; there is one at most.
fn fits(part: &OsStr, name: &OsStr) -> bool {
    match (part.to_str(), name.to_str()) {
        (Some(part), Some(name)) => settings::fits(part, name),
        _ => part == name,
    }
}

fn call(what: &'static str, path: &Path, why: Errno) -> HomeError {
    HomeError::Call {
        what,
        path: path.to_owned(),
        why,
    }
}

fn plain<'a>(component: Component<'a>) -> Option<&'a OsStr> {
    match component {
        Component::Normal(name) => Some(name),
        _ => None,
    }
}

fn names(folder: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let entries = Dir::read_from(folder)?;
    let mut out = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            out.push(name);
        }
    }
    Ok(out)
}

fn open_folder(folder: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    openat(folder, name, FOLDER, Mode::empty())
}

fn make_folder(folder: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    if let Ok(there) = open_folder(folder, name) {
        return Ok(there);
    }
    match fumehood_tree::remove(folder, name) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(e) => return Err(e),
    }
    mkdirat(folder, name, Mode::RWXU)?;
    open_folder(folder, name)
}

fn make_file(folder: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    let there = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .map(|s| rustix::fs::FileType::from_raw_mode(s.st_mode));
    match there {
        Ok(rustix::fs::FileType::RegularFile) => return Ok(()),
        Ok(_) => fumehood_tree::remove(folder, name)?,
        Err(Errno::NOENT) => {}
        Err(e) => return Err(e),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::RUSR | Mode::WUSR).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn paths(texts: &[&str]) -> Vec<PathBuf> {
        texts.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn what_is_not_kept_or_is_guarded_goes() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("home");
        let home = KeptHome::open(&top).unwrap();
        for file in [
            ".bashrc",
            ".agent/history",
            ".agent/hooks/x",
            ".agent/settings",
            "bin/tool",
        ] {
            fs::create_dir_all(top.join(file).parent().unwrap()).unwrap();
            fs::write(top.join(file), "x").unwrap();
        }
        let held = home
            .clean(
                &paths(&[".agent", ".agent.json"]),
                &paths(&[".agent/hooks", ".agent/settings", ".agent/none"]),
            )
            .unwrap();
        assert_eq!(held, paths(&[".agent/hooks", ".agent/settings"]));
        assert!(top.join(".agent/history").exists());
        for gone in [".bashrc", "bin", ".agent/hooks", ".agent/settings"] {
            assert!(!top.join(gone).exists(), "{gone}");
        }
    }

    #[test]
    fn stars_stand_for_any_name() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("home");
        let home = KeptHome::open(&top).unwrap();
        for file in [
            "a/p/one/talk",
            "a/p/one/memory/m",
            "a/p/two/memory/m",
            "a/other",
            "a/s_1.db",
            "a/s.txt",
        ] {
            fs::create_dir_all(top.join(file).parent().unwrap()).unwrap();
            fs::write(top.join(file), "x").unwrap();
        }
        let held = home.clean(&paths(&["a/p/*", "a/s_*.db"]), &paths(&["a/p/*/memory"]));
        let mut held = held.unwrap();
        held.sort();
        assert_eq!(held, paths(&["a/p/one/memory", "a/p/two/memory"]));
        for (path, there) in [
            ("a/p/one/talk", true),
            ("a/s_1.db", true),
            ("a/p/one/memory", false),
            ("a/other", false),
            ("a/s.txt", false),
        ] {
            assert_eq!(top.join(path).exists(), there, "{path}");
        }
    }

    #[test]
    fn settings_are_settled_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("home");
        let home = KeptHome::open(&top).unwrap();
        let rules = Settings {
            file: PathBuf::from("a.json"),
            keep: vec!["starts".to_owned()],
            ..Settings::default()
        };
        assert_eq!(home.settle(&rules).unwrap(), Vec::<String>::new());
        assert!(!top.join("a.json").exists());
        let outside = dir.path().join("outside");
        fs::write(&outside, r#"{ "starts": 1 }"#).unwrap();
        std::os::unix::fs::symlink(&outside, top.join("a.json")).unwrap();
        assert_eq!(home.settle(&rules).unwrap(), Vec::<String>::new());
        assert!(fs::symlink_metadata(top.join("a.json")).is_err() && outside.exists());
        fs::write(top.join("a.json"), r#"{ "starts": 1, "hooks": "x" }"#).unwrap();
        assert_eq!(home.settle(&rules).unwrap(), ["hooks"]);
        assert_eq!(fs::read_to_string(top.join("a.json")).unwrap(), r#"{"starts":1}"#);
    }

    #[test]
    fn links_are_never_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (top, outside) = (dir.path().join("home"), dir.path().join("outside"));
        fs::create_dir_all(outside.join("hooks")).unwrap();
        fs::write(outside.join("hooks/precious"), "x").unwrap();
        let home = KeptHome::open(&top).unwrap();
        std::os::unix::fs::symlink(&outside, top.join(".agent")).unwrap();
        home.clean(&paths(&[".agent"]), &paths(&[".agent/hooks"]))
            .unwrap();
        home.place(Path::new(".agent/settings/file"), Kind::File).unwrap();
        assert!(outside.join("hooks/precious").exists());
        assert!(!outside.join("settings").exists());
        assert!(top.join(".agent/settings/file").is_file());
    }
}
