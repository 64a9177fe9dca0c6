//! The project as it is seen: its open folder, and what of it is not there.
//!
//! Each name of a path is opened alone, from the folder before it, and then asked what it is: no path is checked and opened
//! afterwards, so nothing can be swapped in between (`openat2`(2), `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
//! RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV`). What is opened first is the place alone (`O_PATH`), which neither waits for
//! a pipe's other end nor wakes a device.

use crate::error::FileError;
use fumehood_policy::glob::{Cursor, Glob, GlobSet};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::ops::Bound;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// What of a project is not there, by pattern and by path.
#[derive(Clone, Debug)]
pub struct Unseen {
    hidden: GlobSet,
    project: PathBuf,
    /// Absolute paths, whatever a pattern says.
    paths: Vec<PathBuf>,
}

impl Unseen {
    /// Patterns as the file system's root sees them (`HidePattern::absolute`), and absolute paths.
    #[must_use]
    pub fn new(project: &Path, hidden: impl IntoIterator<Item = Glob>, paths: Vec<PathBuf>) -> Unseen {
        Unseen {
            hidden: GlobSet::new(hidden),
            project: project.to_owned(),
            paths,
        }
    }

    /// Where the project begins; none where a pattern covers all of it.
    fn root(&self) -> Option<Seen<'_>> {
        let mut cursor = self.hidden.root();
        for name in self.project.iter().filter(|n| *n != "/") {
            cursor = cursor.enter(name.as_bytes());
            if cursor.is_match() {
                return None;
            }
        }
        let covers = |path: &PathBuf| self.project.starts_with(path);
        (!self.paths.iter().any(covers)).then(|| Seen {
            of: self,
            lower: cursor.clone(),
            cursor,
            path: self.project.clone(),
        })
    }
}

/// A place on the way down, and what is hidden below it.
#[derive(Clone)]
struct Seen<'a> {
    of: &'a Unseen,
    cursor: Cursor<'a>,
    /// The same with every name in small letters: the filesystem may not tell them apart.
    lower: Cursor<'a>,
    path: PathBuf,
}

impl<'a> Seen<'a> {
    /// None where that name is not there.
    fn enter(&self, name: &OsStr) -> Option<Seen<'a>> {
        let cursor = self.cursor.enter(name.as_bytes());
        let lower = self.lower.enter(&name.as_bytes().to_ascii_lowercase());
        let path = self.path.join(name);
        let hidden = cursor.is_match() || lower.is_match() || self.of.paths.contains(&path);
        (!hidden).then_some(Seen {
            of: self.of,
            cursor,
            lower,
            path,
        })
    }
}

/// Whether it is a name of a repository's own folder, on any filesystem.
fn is_git(name: &OsStr) -> bool {
    let name = name.as_bytes().to_ascii_lowercase();
    name == b".git" || name.starts_with(b"git~")
}

/// Who is asked for whether something may be read: where that is not this process, which may read everything.
#[derive(Clone, Copy, Debug)]
struct Owner {
    uid: u32,
    gid: u32,
}

/// The project.
#[derive(Debug)]
pub struct View {
    top: OwnedFd,
    /// What was changed and waits: it is looked at first.
    layer: Option<(OwnedFd, BTreeSet<PathBuf>)>,
    unseen: Unseen,
    owner: Option<Owner>,
}

/// What a name is, opened for its place alone.
pub(crate) struct Place {
    at: OwnedFd,
    facts: Stat,
}

impl Place {
    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.facts.st_mode)
    }

    pub(crate) fn target(&self) -> OsString {
        let target = rustix::fs::readlinkat(&self.at, "", Vec::new());
        target.map_or_else(|_| OsString::new(), |t| OsString::from_vec(t.into_bytes()))
    }
}

/// What a file that is none is, in a word.
pub(crate) fn word(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "pipe",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        FileType::Directory => "folder",
        FileType::Symlink => "symbolic link",
        FileType::RegularFile => "file",
        FileType::Unknown => "thing of an unknown kind",
    }
}

impl View {
    /// Opens a project. Its own path may hold links; nothing below is reached through one.
    ///
    /// # Errors
    /// It is no folder that can be entered, or it is hidden as a whole.
    pub fn open(project: &Path, unseen: Unseen) -> Result<View, FileError> {
        let system = |e| FileError::system(project, e);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open(project, flags, Mode::empty()).map_err(system)?;
        let facts = rustix::fs::fstat(&top).map_err(system)?;
        if unseen.root().is_none() {
            return Err(FileError::of(project, "is hidden by the configuration"));
        }
        let owner = rustix::process::geteuid().is_root().then_some(Owner {
            uid: facts.st_uid,
            gid: facts.st_gid,
        });
        Ok(View {
            top,
            layer: None,
            unseen,
            owner,
        })
    }

    /// The same with what waits in a session's layer, whose files stand for the project's. Of the layer nothing else is seen:
    /// what was applied of it is the project's again, and what the host made of that since counts.
    ///
    /// # Errors
    /// The layer is no folder that can be entered.
    pub fn over(mut self, layer: &Path, waiting: BTreeSet<PathBuf>) -> Result<View, FileError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(layer, flags, Mode::empty());
        self.layer = Some((opened.map_err(|e| FileError::system(layer, e))?, waiting));
        Ok(self)
    }

    /// The layer, where something waits at a path or below it.
    fn layer_at(&self, path: &Path) -> Option<&OwnedFd> {
        let (layer, waiting) = self.layer.as_ref()?;
        let below = path.strip_prefix(".").unwrap_or(path);
        let next = waiting
            .range::<Path, _>((Bound::Included(below), Bound::Unbounded))
            .next();
        next.is_some_and(|waits| waits.starts_with(below))
            .then_some(layer)
    }

    /// Whether a path is one at which a file can be made: nothing is there, and nothing that is hidden.
    pub(crate) fn is_free(&self, path: &Path) -> Result<(), FileError> {
        let there = || {
            FileError::of(
                path,
                "is there already; send what it has as `old`, and what comes in its place as `new`",
            )
        };
        if path.iter().any(is_git) {
            return Err(FileError::of(path, "is git's own, which no tool writes"));
        }
        if self.seen(path).is_none() {
            return Err(FileError::of(
                path,
                "cannot be made: the configuration hides what has that name",
            ));
        }
        let mut folders: Vec<&Path> = path
            .ancestors()
            .skip(1)
            .filter(|p| !p.as_os_str().is_empty())
            .collect();
        folders.reverse();
        for folder in folders {
            match self.place(folder) {
                Ok(place) if place.kind() == FileType::Directory => {}
                Ok(place) if place.kind() == FileType::Symlink => {
                    return Err(FileError::link(folder, &place.target()));
                }
                Ok(_) => return Err(FileError::of(folder, "is no folder")),
                Err(e) if e == FileError::not_there(folder) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        match self.place(path) {
            Ok(_) => Err(there()),
            Err(e) if e == FileError::not_there(path) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// A regular file, open for reading, and its facts.
    pub(crate) fn file(&self, path: &Path) -> Result<(File, Stat), FileError> {
        let place = self.place(path)?;
        self.open_file(path, &place)
    }

    fn open_file(&self, path: &Path, place: &Place) -> Result<(File, Stat), FileError> {
        match place.kind() {
            FileType::RegularFile => {}
            FileType::Symlink => return Err(FileError::link(path, &place.target())),
            FileType::Directory => {
                return Err(FileError::of(path, "is a folder; list_files shows what it holds"));
            }
            other => {
                let what = format!("is a {}, which is not read; name a file", word(other));
                return Err(FileError::of(path, what));
            }
        }
        if !self.may(&place.facts, 0o4) {
            return Err(FileError::denied(path));
        }
        // The place itself, by its own name in /proc: there is nothing that could be another by now.
        let own = format!("/proc/self/fd/{}", place.at.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::open(own, flags, Mode::empty()).map_err(|e| FileError::system(path, e))?;
        Ok((File::from(file), place.facts))
    }

    /// A folder's names that are to be seen, sorted; each that is looked at is taken from `left`, and none after the last.
    pub(crate) fn names(&self, path: &Path, left: &mut usize) -> Result<Vec<OsString>, FileError> {
        let seen = self.seen(path).ok_or_else(|| FileError::not_there(path))?;
        let mut names = Vec::new();
        let (mut listed, mut why) = (false, None);
        for (top, of_layer) in self
            .layer_at(path)
            .map(|l| (l, true))
            .into_iter()
            .chain([(&self.top, false)])
        {
            let done = self.place_from(top, path).and_then(|place| {
                let mut found = self.names_of(path, &place, &seen, left)?;
                found.retain(|name| !of_layer || self.layer_at(&path.join(name)).is_some());
                names.append(&mut found);
                Ok(())
            });
            match done {
                Ok(()) => listed = true,
                Err(e) => why = Some(e),
            }
        }
        // What the project says counts: it is asked last.
        if let (false, Some(why)) = (listed, why) {
            return Err(why);
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn names_of(
        &self,
        path: &Path,
        place: &Place,
        seen: &Seen<'_>,
        left: &mut usize,
    ) -> Result<Vec<OsString>, FileError> {
        match place.kind() {
            FileType::Directory => {}
            FileType::Symlink => return Err(FileError::link(path, &place.target())),
            _ => return Err(FileError::of(path, "is a file; read_file shows what it holds")),
        }
        let system = |e| FileError::system(path, e);
        if !self.may(&place.facts, 0o4) {
            return Err(FileError::denied(path));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::openat(&place.at, ".", flags, Mode::empty()).map_err(system)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&open).map_err(system)? {
            let name = OsString::from_vec(entry.map_err(system)?.file_name().to_bytes().to_vec());
            if name == "." || name == ".." {
                continue;
            }
            if *left == 0 {
                break;
            }
            *left -= 1;
            if !is_git(&name) && seen.enter(&name).is_some() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// What a path below the project is; `.` is the project.
    pub(crate) fn place(&self, path: &Path) -> Result<Place, FileError> {
        if let Some(layer) = self.layer_at(path)
            && let Ok(place) = self.place_from(layer, path)
        {
            return Ok(place);
        }
        self.place_from(&self.top, path)
    }

    fn place_from(&self, top: &OwnedFd, path: &Path) -> Result<Place, FileError> {
        let system = |e| FileError::system(path, e);
        let mut seen = self.unseen.root().ok_or_else(|| FileError::not_there(path))?;
        let mut here = self.look(top, OsStr::new(".")).map_err(system)?;
        for component in path.components() {
            let name = match component {
                Component::Normal(name) => name,
                Component::CurDir => continue,
                _ => {
                    return Err(FileError::of(
                        path,
                        "is not below the project; write a path such as src/main.rs",
                    ));
                }
            };
            if is_git(name) {
                return Err(FileError::of(path, "is git's own; git_log and git_diff read it"));
            }
            match here.kind() {
                FileType::Directory => {}
                FileType::Symlink => return Err(FileError::link(path, &here.target())),
                _ => return Err(FileError::not_there(path)),
            }
            if !self.may(&here.facts, 0o1) {
                return Err(FileError::denied(path));
            }
            seen = seen.enter(name).ok_or_else(|| FileError::not_there(path))?;
            here = self.look(here.at.as_fd(), name).map_err(system)?;
        }
        Ok(here)
    }

    fn seen(&self, path: &Path) -> Option<Seen<'_>> {
        let names = path.iter().filter(|n| *n != ".");
        names.fold(self.unseen.root(), |seen, name| seen?.enter(name))
    }

    fn look(&self, folder: impl AsFd, name: &OsStr) -> Result<Place, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let at = loop {
            match rustix::fs::openat2(&folder, name, flags, Mode::empty(), BENEATH) {
                // A rename elsewhere; there is no `..` here that could lead out.
                Err(Errno::AGAIN) => {}
                other => break other?,
            }
        };
        let facts = rustix::fs::fstat(&at)?;
        Ok(Place { at, facts })
    }

    /// Whether the mode lets the project's owner do this (4 read, 1 enter): root could do more than any sandbox of its.
    fn may(&self, facts: &Stat, wanted: u32) -> bool {
        let Some(owner) = self.owner else {
            return true; // the kernel asks
        };
        let shift = match (facts.st_uid == owner.uid, facts.st_gid == owner.gid) {
            (true, _) => 6,
            (_, true) => 3,
            _ => 0,
        };
        facts.st_mode >> shift & wanted != 0
    }
}
