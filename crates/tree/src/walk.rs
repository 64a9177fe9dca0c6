//! The way down into a tree and back up, with one open folder.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, chmod, fstat, openat, statat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// Which folder it is: device and inode.
type Identity = (u64, u64);

/// What may be done to a folder to enter it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// Nothing: its mode is somebody's.
    None,
    /// Its mode may be changed: it goes.
    Any,
}

/// An open folder that can be listed, and in which names can be removed.
pub(crate) struct Folder {
    open: OwnedFd,
    identity: Identity,
}

impl Folder {
    /// Enters one, no link, and opens it up if that is `Means::Any`; `None` if it is gone.
    pub(crate) fn enter(parent: impl AsFd, name: &OsStr, means: Means) -> Result<Option<Folder>, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let place = match openat(parent, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        Folder::of(&place, means).map(Some)
    }

    /// Of a descriptor that may be for the place alone.
    fn of(place: &OwnedFd, means: Means) -> Result<Folder, Errno> {
        let facts = fstat(place)?;
        if means == Means::Any && facts.st_mode & 0o700 != 0o700 {
            // fchmod refuses such a descriptor; its name in /proc leads to that very inode. Where it is
            // refused, privilege may do.
            let own = format!("/proc/self/fd/{}", place.as_raw_fd());
            let _not_ours = chmod(own, Mode::from_raw_mode(0o700));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Folder {
            open: openat(place, ".", flags, Mode::empty())?,
            identity: (facts.st_dev, facts.st_ino),
        })
    }

    /// At most so many names.
    fn names(&self, most: usize) -> Result<Vec<OsString>, Errno> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.open)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
            if names.len() == most {
                break;
            }
        }
        Ok(names)
    }
}

/// A folder on the way, its parent, and what of it is still to be looked at.
struct Level {
    name: OsString,
    parent: Identity,
    names: Vec<OsString>,
}

/// Where a walk stands.
pub(crate) struct Way {
    here: Folder,
    names: Vec<OsString>,
    above: Vec<Level>,
    most: usize,
    means: Means,
}

impl Way {
    pub(crate) fn at(top: Folder, most: usize, means: Means) -> Result<Way, Errno> {
        Ok(Way {
            names: top.names(most)?,
            here: top,
            above: Vec::new(),
            most,
            means,
        })
    }

    pub(crate) fn here(&self) -> BorrowedFd<'_> {
        self.here.open.as_fd()
    }

    pub(crate) fn next_name(&mut self) -> Option<OsString> {
        self.names.pop()
    }

    /// Lists the folder once more; whether there is anything.
    pub(crate) fn list_again(&mut self) -> Result<bool, Errno> {
        self.names = self.here.names(self.most)?;
        Ok(!self.names.is_empty())
    }

    /// Goes into a folder; one that is gone is passed over.
    pub(crate) fn down(&mut self, name: OsString) -> Result<(), Errno> {
        let Some(below) = Folder::enter(&self.here.open, &name, self.means)? else {
            return Ok(());
        };
        let names = below.names(self.most)?;
        let level = Level {
            name,
            parent: self.here.identity,
            names: std::mem::replace(&mut self.names, names),
        };
        self.above.push(level);
        self.here = below;
        Ok(())
    }

    /// Goes back up; the name of the folder that was left. `None`: this is the top.
    pub(crate) fn up(&mut self) -> Result<Option<OsString>, Errno> {
        let Some(level) = self.above.pop() else {
            return Ok(None);
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = Folder::of(&openat(&self.here.open, "..", flags, Mode::empty())?, self.means)?;
        if above.identity != level.parent {
            return Err(Errno::STALE); // somebody moved it: nothing elsewhere is to be touched
        }
        self.here = above;
        self.names = level.names;
        Ok(Some(level.name))
    }
}

/// Calls `visit` with every name below a folder, folders before what they hold: the open folder, the name, facts
/// about the name itself. No mode is changed.
///
/// # Errors
/// `visit`'s, or a folder cannot be entered.
pub fn each<E: From<Errno>>(
    top: &Path,
    mut visit: impl FnMut(BorrowedFd<'_>, &OsStr, &Stat) -> Result<(), E>,
) -> Result<(), E> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = openat(rustix::fs::CWD, top, flags, Mode::empty())?;
    let mut way = Way::at(Folder::of(&place, Means::None)?, usize::MAX, Means::None)?;
    loop {
        let Some(name) = way.next_name() else {
            match way.up()? {
                Some(_) => continue,
                None => return Ok(()),
            }
        };
        let facts = match statat(way.here(), &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        visit(way.here(), &name, &facts)?;
        if FileType::from_raw_mode(facts.st_mode) == FileType::Directory {
            way.down(name)?;
        }
    }
}
