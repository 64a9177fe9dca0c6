//! Several sessions of one agent in one project at a time. Each has a home of its own: the first
//! takes the kept one, the others copies of it, and what they added is brought back when the kept
//! one is free again. So no session writes where another reads, and none removes what another
//! stands on.
//!
//! What is copied was written by sandboxes, and may be written to this moment: it is walked by
//! descriptor, no link is followed, nothing but regular files and folders is taken.

use super::{HomeError, begins, call, leads_to, make_folder, names, open_folder};
use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Sessions of one agent in one project at a time.
const MOST_SLOTS: usize = 64;
/// Files copied from one home to another, and their bytes; what is more stays where it is.
const MOST_FILES: usize = 100_000;
const MOST_BYTES: u64 = 4 << 30;
/// Logs that two sessions added to are joined up to this size, bytes each.
const MOST_JOINED: u64 = 64 << 20;
/// Depth of folders: what an agent makes is far from it.
const MOST_DEPTH: usize = 32;

/// A home that nobody else uses while this lives.
#[derive(Debug)]
pub struct Slot {
    path: PathBuf,
    _lock: OwnedFd,
    /// Whether it is a copy, since another session has the kept home.
    pub copy: bool,
}

impl Slot {
    /// The kept home at `path`, or, where a session has it, a copy of what is to be kept beside it.
    ///
    /// # Errors
    /// The kernel's; too many sessions.
    pub fn take(path: &Path, keep: &[PathBuf]) -> Result<Slot, HomeError> {
        if let Some(lock) = lock(path)? {
            let kept = folder(path)?;
            for number in 2..=MOST_SLOTS {
                bring_back(&kept, &numbered(path, number), keep)?;
            }
            return Ok(Slot {
                path: path.to_owned(),
                _lock: lock,
                copy: false,
            });
        }
        for number in 2..=MOST_SLOTS {
            let own = numbered(path, number);
            if let Some(lock) = lock(&own)? {
                let mut room = Room::new(keep);
                room.absorb(&folder(path)?, &folder(&own)?, Path::new(""))
                    .map_err(|e| call("copy", &own, e))?;
                return Ok(Slot {
                    path: own,
                    _lock: lock,
                    copy: true,
                });
            }
        }
        Err(HomeError::Busy(MOST_SLOTS))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the kept home at `path`, with what sessions left beside it. The empty files of its locks stay: one that
    /// is removed could be held by somebody who does not know. False where there is nothing.
    ///
    /// # Errors
    /// A session uses it; the kernel's.
    pub fn forget(path: &Path) -> Result<bool, HomeError> {
        let mut forgotten = false;
        let mut held = Vec::new();
        let places = (2..=MOST_SLOTS).map(|number| numbered(path, number));
        let places: Vec<PathBuf> = std::iter::once(path.to_owned())
            .chain(places.filter(|copy| std::fs::symlink_metadata(copy).is_ok()))
            .collect();
        for place in &places {
            held.push(lock(place)?.ok_or(HomeError::InUse)?);
        }
        for place in &places {
            forgotten |= std::fs::symlink_metadata(place).is_ok();
            if let (Some(parent), Some(name)) = (place.parent(), place.file_name()) {
                fumehood_tree::remove(&folder(parent)?, name).map_err(|e| call("remove", place, e))?;
            }
        }
        Ok(forgotten)
    }

    /// The kept homes in `folder`, by the name of their folder.
    ///
    /// # Errors
    /// The kernel's; none where the folder is not there.
    pub fn all(folder: &Path) -> Result<Vec<OsString>, HomeError> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => {
                return Err(call(
                    "list",
                    folder,
                    Errno::from_io_error(&e).unwrap_or(Errno::IO),
                ));
            }
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        let is_home = |name: &OsString| !name.as_bytes().contains(&b'.');
        Ok(names.filter(is_home).collect())
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn folder(path: &Path) -> Result<OwnedFd, HomeError> {
    Ok(super::KeptHome::open(path)?.top)
}

/// The lock of a home, if nobody has it. It lies beside the home, out of sight of any session.
fn lock(path: &Path) -> Result<Option<OwnedFd>, HomeError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    if let Some(parent) = path.parent() {
        super::KeptHome::open(parent)?;
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(&name, flags, Mode::RUSR | Mode::WUSR).map_err(|e| call("open", &name, e))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(call("lock", &name, e)),
    }
}

/// Brings what an ended session added to its copy back into the kept home, and removes the copy.
fn bring_back(kept: &OwnedFd, copy: &Path, keep: &[PathBuf]) -> Result<(), HomeError> {
    if std::fs::symlink_metadata(copy).is_err() {
        return Ok(());
    }
    let Some(_lock) = lock(copy)? else { return Ok(()) };
    let failed = |e| call("bring back", copy, e);
    Room::new(keep)
        .absorb(&folder(copy)?, kept, Path::new(""))
        .map_err(failed)?;
    let (Some(parent), Some(name)) = (copy.parent(), copy.file_name()) else {
        return Ok(());
    };
    fumehood_tree::remove(&folder(parent)?, name).map_err(failed)
}

/// What may be copied, and how much still.
struct Room<'k> {
    keep: &'k [PathBuf],
    files: usize,
    bytes: u64,
}

impl<'k> Room<'k> {
    fn new(keep: &'k [PathBuf]) -> Room<'k> {
        Room {
            keep,
            files: MOST_FILES,
            bytes: MOST_BYTES,
        }
    }

    /// Copies what `into` lacks; logs that both have are joined.
    fn absorb(&mut self, from: &OwnedFd, into: &OwnedFd, at: &Path) -> Result<(), Errno> {
        if at.components().count() > MOST_DEPTH {
            return Ok(());
        }
        for name in names(from)? {
            let name = OsStr::from_bytes(&name);
            let path = at.join(name);
            let kept = self.keep.iter().any(|k| begins(&path, k));
            let leads = self.keep.iter().any(|k| leads_to(&path, k));
            let Ok(stat) = statat(from, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue; // gone meanwhile
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory if kept || leads => self.absorb_folder(from, into, name, &path)?,
                FileType::RegularFile if kept => self.take_file(from, into, name)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn absorb_folder(
        &mut self,
        from: &OwnedFd,
        into: &OwnedFd,
        name: &OsStr,
        path: &Path,
    ) -> Result<(), Errno> {
        let standing = statat(into, name, AtFlags::SYMLINK_NOFOLLOW);
        if standing.is_ok_and(|s| FileType::from_raw_mode(s.st_mode) != FileType::Directory) {
            return Ok(());
        }
        match open_folder(from, name) {
            Ok(below) => self.absorb(&below, &make_folder(into, name)?, path),
            Err(_) => Ok(()), // replaced meanwhile
        }
    }

    fn take_file(&mut self, from: &OwnedFd, into: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
        let Ok(theirs) = open_file(from, name) else {
            return Ok(());
        };
        let size = fstat(&theirs)?.st_size.unsigned_abs();
        if self.files == 0 || size > self.bytes {
            return Ok(());
        }
        self.files -= 1;
        self.bytes -= size;
        match statat(into, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => put(into, name, |out| {
                std::io::copy(&mut theirs.take(size), out).map(drop)
            }),
            Ok(_) if name.as_bytes().ends_with(b".jsonl") => join(into, name, theirs),
            _ => Ok(()),
        }
    }
}

/// A log of lines that both have: what theirs has beyond the beginning that both share is added.
fn join(into: &OwnedFd, name: &OsStr, theirs: File) -> Result<(), Errno> {
    let (Ok(ours), Ok(theirs)) = (open_file(into, name).and_then(whole), whole(theirs)) else {
        return Ok(());
    };
    let Some(more) = beyond(&ours, &theirs) else {
        return Ok(());
    };
    put(into, name, |out| {
        out.write_all(&ours)?;
        out.write_all(more)
    })
}

/// The lines of `theirs` after the last line that both begin with; none where there are none.
fn beyond<'t>(ours: &[u8], theirs: &'t [u8]) -> Option<&'t [u8]> {
    let same = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
    let line = match theirs.get(..same)?.iter().rposition(|b| *b == b'\n') {
        Some(end) => end + 1,
        None => 0,
    };
    // Ours may have grown after a line that was cut when it was copied.
    let more = theirs.get(line..)?;
    (!more.is_empty() && !ours.get(line..)?.starts_with(more) && (ours.is_empty() || ours.ends_with(b"\n")))
        .then_some(more)
}

fn whole(file: File) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    let read = file.take(MOST_JOINED + 1).read_to_end(&mut bytes);
    read.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST_JOINED {
        return Err(Errno::FBIG);
    }
    Ok(bytes)
}

fn open_file(folder: &OwnedFd, name: &OsStr) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    Ok(File::from(file))
}

/// A file with this content in place of what stands there, whole or not at all.
pub(super) fn put(
    folder: &OwnedFd,
    name: &OsStr,
    write: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), Errno> {
    let mut new = OsString::from(".fumehood-new-");
    new.push(std::process::id().to_string());
    match unlinkat(folder, &new, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(_) => fumehood_tree::remove(folder, &new)?,
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, &new, flags, Mode::RUSR | Mode::WUSR)?);
    let written = write(&mut file).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO));
    let done = written.and_then(|()| renameat(folder, &new, folder, name));
    if done.is_err() {
        let _gone = unlinkat(folder, &new, AtFlags::empty());
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_second_session_has_a_copy_and_what_it_added_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("homes/agent");
        let keep = [PathBuf::from("a"), PathBuf::from("state")];
        let first = Slot::take(&path, &keep).unwrap();
        assert!(!first.copy && first.path() == path);
        fs::create_dir_all(path.join("a")).unwrap();
        fs::write(path.join("a/talk.jsonl"), "1\n2\n").unwrap();
        fs::write(path.join("state"), "old").unwrap();
        fs::write(path.join("other"), "not kept").unwrap();
        let second = Slot::take(&path, &keep).unwrap();
        let own = second.path().to_owned();
        assert!(second.copy && own != path);
        assert_eq!(fs::read_to_string(own.join("a/talk.jsonl")).unwrap(), "1\n2\n");
        assert!(!own.join("other").exists());
        let third = Slot::take(&path, &keep).unwrap();
        assert!(third.path() != own && third.path() != path);
        fs::write(own.join("a/new.jsonl"), "n\n").unwrap();
        fs::write(own.join("a/talk.jsonl"), "1\n2\ntheirs\n").unwrap();
        fs::write(own.join("state"), "theirs").unwrap();
        fs::write(path.join("a/talk.jsonl"), "1\n2\nours\n").unwrap();
        std::os::unix::fs::symlink("/etc", own.join("a/link")).unwrap();
        drop((second, third));
        assert!(!path.join("a/new.jsonl").exists());
        drop(first);
        let again = Slot::take(&path, &keep).unwrap();
        assert!(!again.copy);
        assert_eq!(
            fs::read_to_string(path.join("a/talk.jsonl")).unwrap(),
            "1\n2\nours\ntheirs\n"
        );
        assert_eq!(fs::read_to_string(path.join("a/new.jsonl")).unwrap(), "n\n");
        assert_eq!(fs::read_to_string(path.join("state")).unwrap(), "old");
        assert!(fs::symlink_metadata(path.join("a/link")).is_err());
        assert!(!own.exists());
    }

    #[test]
    fn a_home_in_use_is_not_forgotten_and_one_that_is_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let homes = dir.path().join("homes");
        let path = homes.join("agent");
        assert!(Slot::all(&homes).unwrap().is_empty());
        let keep = [PathBuf::from("state")];
        let first = Slot::take(&path, &keep).unwrap();
        let second = Slot::take(&path, &keep).unwrap();
        fs::create_dir_all(second.path().join("deep/er")).unwrap();
        fs::write(path.join("state"), "old").unwrap();
        let copy = second.path().to_owned();
        assert!(matches!(Slot::forget(&path), Err(HomeError::InUse)));
        drop(first);
        assert!(matches!(Slot::forget(&path), Err(HomeError::InUse)));
        assert_eq!(fs::read_to_string(path.join("state")).unwrap(), "old");
        drop(second);
        assert_eq!(Slot::all(&homes).unwrap(), ["agent"]);
        assert!(Slot::forget(&path).unwrap());
        assert!(!path.exists() && !copy.exists());
        assert!(!Slot::forget(&path).unwrap());
    }

    #[test]
    fn logs_are_joined_by_lines() {
        for (ours, theirs, more) in [
            ("1\n2\n", "1\n2\n3\n", Some("3\n")),
            ("1\n2\n", "1\n2\n", None),
            ("1\n2\nx\n", "1\n2\n", None),
            ("1\n2\nx\n", "1\n2\ny\n", Some("y\n")),
            ("", "1\n", Some("1\n")),
            ("1\n25\n", "1\n2", None),
        ] {
            let found = beyond(ours.as_bytes(), theirs.as_bytes());
            assert_eq!(found, more.map(str::as_bytes), "{ours:?} {theirs:?}");
        }
    }
}
