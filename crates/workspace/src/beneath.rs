//! A tree that others may be changing: every look-up starts at its open top directory and follows no
//! symbolic link (openat2(2), `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`), so nothing outside is reached.

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// What kind of thing a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A socket, pipe or device; the last one is an overlay's whiteout if its number is 0:0.
    Other,
}

/// Which version of a thing it is: what changes whenever it is changed or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Inode number.
    pub inode: u64,
    /// Change time: seconds, nanoseconds.
    pub changed: (i64, u32),
}

/// Facts about one name, of the name itself if it is a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, without set-id.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Whether it has no holes, as far as the blocks it takes tell.
    pub solid: bool,
    /// Which version.
    pub identity: Identity,
    /// When it was made: of an upper layer's file, when it was copied up.
    pub born: Option<(i64, u32)>,
    /// Modification time.
    pub modified: (i64, u32),
    /// Hard links.
    pub links: u32,
    /// Device of a special file, as (major, minor).
    pub device: (u32, u32),
    /// The filesystem.
    pub filesystem: (u32, u32),
    /// The mount that it was reached by, where the kernel tells (Linux 5.8): no rename leaves one (rename(2), `EXDEV`),
    /// also where the same filesystem is mounted twice.
    pub mount: Option<u64>,
}

impl Facts {
    pub(crate) fn is_whiteout(&self) -> bool {
        self.kind == Kind::Other && self.device == (0, 0) && self.mode == 0
    }
}

/// Facts about a name in an open directory; `None` if there is none.
pub(crate) fn facts(directory: impl AsFd, name: &OsStr) -> Result<Option<Facts>> {
    match rustix::fs::statx(
        directory,
        name,
        AtFlags::SYMLINK_NOFOLLOW,
        StatxFlags::BASIC_STATS | StatxFlags::BTIME | StatxFlags::MNT_ID,
    ) {
        Ok(stat) => Ok(Some(from_statx(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Facts about an open file.
pub(crate) fn facts_of(file: impl AsFd) -> Result<Facts> {
    let stat = rustix::fs::statx(
        file,
        "",
        AtFlags::EMPTY_PATH,
        StatxFlags::BASIC_STATS | StatxFlags::BTIME | StatxFlags::MNT_ID,
    )?;
    Ok(from_statx(&stat))
}

fn from_statx(stat: &rustix::fs::Statx) -> Facts {
    let mode = u32::from(stat.stx_mode);
    let kind = match mode & 0o170_000 {
        0o100_000 => Kind::File,
        0o040_000 => Kind::Directory,
        0o120_000 => Kind::Link,
        _ => Kind::Other,
    };
    let time = |t: rustix::fs::StatxTimestamp| (t.tv_sec, t.tv_nsec);
    // 0:0 is the number of a whiteout, and of every special file that is no device: its type tells.
    let device = if mode & 0o170_000 == 0o020_000 {
        (stat.stx_rdev_major, stat.stx_rdev_minor)
    } else {
        (u32::MAX, u32::MAX)
    };
    let has_mount = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    Facts {
        kind,
        mode: mode & 0o1777,
        size: stat.stx_size,
        solid: stat.stx_blocks.saturating_mul(512) >= stat.stx_size,
        identity: Identity {
            inode: stat.stx_ino,
            changed: time(stat.stx_ctime),
        },
        born: has_birth.then(|| time(stat.stx_btime)),
        modified: time(stat.stx_mtime),
        links: stat.stx_nlink,
        device,
        filesystem: (stat.stx_dev_major, stat.stx_dev_minor),
        mount: has_mount.then_some(stat.stx_mnt_id),
    }
}

/// The top directory of a tree.
#[derive(Debug)]
pub struct Tree {
    top: OwnedFd,
    resolve: ResolveFlags,
}

impl Tree {
    /// Opens it. The path itself may hold links; nothing below is reached through one.
    ///
    /// # Errors
    /// It is no directory that can be entered.
    pub fn open(path: &Path) -> std::io::Result<Tree> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Tree {
            top,
            resolve: RESOLVE,
        })
    }

    /// What a session sees, by its open top: what is mounted below is not entered.
    pub(crate) fn of_view(top: OwnedFd) -> Tree {
        Tree {
            top,
            resolve: RESOLVE.union(ResolveFlags::NO_XDEV),
        }
    }

    /// Opens a session's layer. Its top has the mode that the session gave the project's folder, which must not
    /// keep the host from what is kept back: it is opened up, and stays so.
    pub(crate) fn open_layer(path: &Path) -> std::io::Result<Tree> {
        match Tree::open(path) {
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                let mode = std::fs::symlink_metadata(path)?.mode();
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o777 | 0o700))?;
                Tree::open(path)
            }
            other => other,
        }
    }

    pub(crate) fn top(&self) -> &OwnedFd {
        &self.top
    }

    /// A directory, by path from the top; the empty path is the top.
    pub(crate) fn directory(&self, path: &Path) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.open_at(
            if path.as_os_str().is_empty() {
                Path::new(".")
            } else {
                path
            },
            flags,
        )
    }

    /// The directory that holds a path's last name, and that name.
    pub(crate) fn parent<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a OsStr)> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        Ok((self.directory(path.parent().unwrap_or(Path::new("")))?, name))
    }

    /// Facts about a path; `None` if it, or a directory on the way, is not there.
    pub(crate) fn facts(&self, path: &Path) -> Result<Option<Facts>> {
        match self.parent(path) {
            Ok((directory, name)) => facts(&directory, name),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn open_at(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        loop {
            match rustix::fs::openat2(&self.top, path, flags, Mode::empty(), self.resolve) {
                // "the kernel could not ensure that a .. component didn't escape"; not ours to fear,
                // since no path here holds one, but a rename elsewhere can cause it.
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
    }
}

/// Names in an open directory, sorted.
pub(crate) fn names(directory: &OwnedFd) -> Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    names.sort();
    Ok(names)
}

/// Opens a regular file for reading: no link, nothing that could hang. One that its owner may not read
/// is made readable for the moment of opening.
pub(crate) fn open_file(directory: &OwnedFd, name: &OsStr) -> Result<std::fs::File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(directory, name, flags, Mode::empty());
    let file = match open() {
        Err(Errno::ACCESS) => made_accessible(directory, name, 0o400, open)?,
        other => other?,
    };
    if facts_of(&file)?.kind != Kind::File {
        return Err(Errno::INVAL);
    }
    Ok(std::fs::File::from(file))
}

/// Opens a directory; one that its owner may not list is made listable for the moment.
pub(crate) fn open_directory(directory: &OwnedFd, name: &OsStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(directory, name, flags, Mode::empty());
    match open() {
        Err(Errno::ACCESS) => made_accessible(directory, name, 0o500, open),
        other => other,
    }
}

fn made_accessible<T>(
    directory: &OwnedFd,
    name: &OsStr,
    bits: u32,
    then: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let before = facts(directory, name)?.ok_or(Errno::NOENT)?;
    set_mode(directory, name, before.mode | bits)?;
    let done = then();
    set_mode(directory, name, before.mode)?;
    done
}

/// Sets the permission bits of a file or directory, never through a link.
pub(crate) fn set_mode(directory: impl AsFd, name: &OsStr, mode: u32) -> Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    if facts_of(&place)?.kind == Kind::Link {
        return Err(Errno::LOOP);
    }
    // fchmod refuses such a descriptor; its name in /proc leads to that very inode.
    let own = format!("/proc/self/fd/{}", place.as_raw_fd());
    rustix::fs::chmod(own, Mode::from_raw_mode(mode & 0o1777))
}

/// The target of a link.
pub(crate) fn target(directory: impl AsFd, name: &OsStr) -> Result<OsString> {
    let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
    Ok(OsStr::from_bytes(target.as_bytes()).to_owned())
}
