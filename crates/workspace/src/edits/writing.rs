//! Writing through what a session sees. What the host did in place is done in place, what it replaced is replaced, so
//! that who watches inside hears the same.

use super::{Agenda, PASSING};
use crate::bases::Base;
use crate::beneath::{self, Facts, Kind, Tree};
use crate::copy;
use crate::error::{At, Result};
use crate::session::Owner;
use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// Larger files are not copied for it: written in place they are fresh inside by themselves, without a word to watchers;
/// replaced, they stay what they were until the next run.
const MOST: u64 = 64 << 20;

/// What came of it.
#[derive(Debug)]
pub(super) enum Written {
    /// The session has that version of the host's.
    Whole(Facts),
    /// As that, of a link that leads there.
    Link(Facts, OsString),
    /// Neither has it.
    Gone,
    /// A folder was made.
    Folder,
    /// There was nothing to do, or it cannot be done.
    Nothing,
    /// The session changed it in this moment, or has something in the way.
    Refused,
}

/// The top of what a session sees.
#[derive(Debug)]
pub(super) struct View {
    tree: Tree,
    inside: Owner,
}

/// A place in the view: an open folder and a name.
struct Spot<'a> {
    folder: OwnedFd,
    name: &'a OsStr,
}

impl View {
    pub(super) fn new(top: OwnedFd, inside: Owner) -> View {
        View {
            tree: Tree::of_view(top),
            inside,
        }
    }

    /// Makes a path what the host has there. `both` is what both had as far as that was noted, and the layer's entry.
    pub(super) fn write(
        &self,
        project: &Tree,
        path: &Path,
        host: Option<Facts>,
        both: (Option<Base>, Option<Facts>),
        agenda: &mut Agenda,
    ) -> Result<Written> {
        let (folder, name) = match self.tree.parent(path) {
            Ok(parent) => parent,
            // The folder itself comes first, or is gone.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return Ok(Written::Nothing),
            Err(e) => return Err(e).at("open inside", path),
        };
        let at = Spot { folder, name };
        let inside = beneath::facts(&at.folder, name).at("look inside at", path)?;
        let done = match (host, inside) {
            (None, None) => Ok(Written::Gone),
            (None, Some(inside)) => self.remove(&at, path, &inside, agenda),
            (Some(host), inside) => match host.kind {
                Kind::Directory => self.folder(&at, &host, inside),
                Kind::File => self.file(project, &at, path, inside, both, &mut agenda.words),
                Kind::Link => self.link(project, &at, path, (&host, inside)),
                Kind::Other => Ok(Written::Nothing),
            },
        };
        done.at("write inside", path)
    }

    fn remove(
        &self,
        at: &Spot<'_>,
        path: &Path,
        inside: &Facts,
        agenda: &mut Agenda,
    ) -> rustix::io::Result<Written> {
        let flags = match inside.kind {
            Kind::Directory => AtFlags::REMOVEDIR,
            Kind::File | Kind::Link => AtFlags::empty(),
            Kind::Other => return Ok(Written::Nothing),
        };
        match rustix::fs::unlinkat(&at.folder, at.name, flags) {
            Ok(()) => Ok(Written::Gone),
            Err(Errno::NOTEMPTY) => {
                let open = beneath::open_directory(&at.folder, at.name)?;
                let names = beneath::names(&open)?;
                // What is in it, then it once more; what the session has there stays, and the folder with it.
                if agenda.emptied.insert(path.to_owned()) {
                    agenda.waiting.push(path.to_owned());
                    agenda.waiting.extend(names.iter().map(|name| path.join(name)));
                }
                Ok(Written::Nothing)
            }
            Err(e) => Err(e),
        }
    }

    fn folder(&self, at: &Spot<'_>, host: &Facts, inside: Option<Facts>) -> rustix::io::Result<Written> {
        match inside {
            Some(inside) if inside.kind == Kind::Directory => {
                // It is there already, as a folder of the project that nobody had looked at: who watches is told.
                let now = rustix::fs::UTIME_OMIT;
                let keep = rustix::fs::Timespec {
                    tv_sec: 0,
                    tv_nsec: now,
                };
                let times = rustix::fs::Timestamps {
                    last_access: rustix::fs::Timespec {
                        tv_sec: 0,
                        tv_nsec: rustix::fs::UTIME_NOW,
                    },
                    last_modification: keep,
                };
                rustix::fs::utimensat(&at.folder, at.name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
                return Ok(Written::Nothing);
            }
            Some(inside) if inside.kind == Kind::Other => return Ok(Written::Refused),
            Some(_) => rustix::fs::unlinkat(&at.folder, at.name, AtFlags::empty())?,
            None => {}
        }
        rustix::fs::mkdirat(&at.folder, at.name, Mode::from_raw_mode(0o700))?;
        self.give(&at.folder, at.name)?;
        beneath::set_mode(&at.folder, at.name, host.mode)?;
        Ok(Written::Folder)
    }

    fn file(
        &self,
        project: &Tree,
        at: &Spot<'_>,
        path: &Path,
        inside: Option<Facts>,
        (noted, mine): (Option<Base>, Option<Facts>),
        words: &mut usize,
    ) -> rustix::io::Result<Written> {
        let (folder, name) = project.parent(path)?;
        let from = beneath::open_file(&folder, name)?;
        let host = beneath::facts_of(&from)?;
        if host.size > MOST {
            return Ok(Written::Nothing);
        }
        let is_file = inside.filter(|i| i.kind == Kind::File);
        let in_place = noted.and_then(|b| b.host).map(|h| h.inode) == Some(host.identity.inode);
        match (is_file, mine) {
            // The very file of the host, as it is: who watches is told.
            (Some(inside), None) if is_shown(&inside, &host) => {
                if *words == 0 {
                    return Ok(Written::Nothing);
                }
                *words -= 1;
                if touch(at, &host).is_ok() {
                    return Ok(Written::Whole(host));
                }
            }
            (Some(_), Some(mine))
                if in_place && mine.kind == Kind::File && self.overwrite(at, &from, &mine)? =>
            {
                return Ok(Written::Whole(host));
            }
            _ => {}
        }
        let made = |name: &OsStr| {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let to = rustix::fs::openat(&at.folder, name, flags, Mode::from_raw_mode(0o600))?;
            self.give(&at.folder, name)?;
            copy::file(&from, &File::from(to)).map(drop)
        };
        Ok(if self.replace(at, inside, made)? {
            Written::Whole(host)
        } else {
            Written::Refused
        })
    }

    fn link(
        &self,
        project: &Tree,
        at: &Spot<'_>,
        path: &Path,
        (host, inside): (&Facts, Option<Facts>),
    ) -> rustix::io::Result<Written> {
        let (folder, name) = project.parent(path)?;
        let target = beneath::target(&folder, name)?;
        let is_link = inside.is_some_and(|i| i.kind == Kind::Link);
        if is_link && beneath::target(&at.folder, at.name)? == target {
            return Ok(Written::Nothing);
        }
        let made = |name: &OsStr| {
            rustix::fs::symlinkat(&target, &at.folder, name)?;
            self.give(&at.folder, name)
        };
        Ok(if self.replace(at, inside, made)? {
            Written::Link(*host, target)
        } else {
            Written::Refused
        })
    }

    /// Writes a file of the session's in place; not if it is another version than `mine`.
    fn overwrite(&self, at: &Spot<'_>, from: &File, mine: &Facts) -> rustix::io::Result<bool> {
        let Ok(to) = open_to_write(at) else {
            return Ok(false); // it may not be written: it is replaced
        };
        let now = beneath::facts_of(&to)?;
        if now.modified != mine.modified || now.size != mine.size || now.kind != Kind::File {
            return Ok(false);
        }
        copy::over(from, &to)?;
        Ok(true)
    }

    /// Puts something new in a name's place. What stood there is looked at once it is out of the way: if it is not what
    /// was seen, it comes back.
    fn replace(
        &self,
        at: &Spot<'_>,
        inside: Option<Facts>,
        make: impl Fn(&OsStr) -> rustix::io::Result<()>,
    ) -> rustix::io::Result<bool> {
        let passing = passing();
        let unlink = |flags| rustix::fs::unlinkat(&at.folder, &passing, flags);
        if let Err(e) = make(&passing) {
            let _never_there = unlink(AtFlags::empty());
            return Err(e);
        }
        let flags = match inside {
            None => RenameFlags::NOREPLACE,
            Some(_) => RenameFlags::EXCHANGE,
        };
        let swap = |flags| rustix::fs::renameat_with(&at.folder, &passing, &at.folder, at.name, flags);
        match (swap(flags), inside) {
            (Ok(()), None) => return Ok(true),
            (Ok(()), Some(inside)) => {
                let out = beneath::facts(&at.folder, &passing)?;
                let same = |out: Facts| {
                    out.kind == inside.kind && out.modified == inside.modified && out.size == inside.size
                };
                let flags = match inside.kind {
                    Kind::Directory => AtFlags::REMOVEDIR,
                    _ => AtFlags::empty(),
                };
                if out.is_some_and(same) && unlink(flags).is_ok() {
                    return Ok(true);
                }
                swap(RenameFlags::EXCHANGE)?;
            }
            // The session made it, or took it away, in this moment.
            (Err(Errno::EXIST | Errno::NOENT), _) => {}
            (Err(e), _) => {
                let _gone = unlink(AtFlags::empty());
                return Err(e);
            }
        }
        let _gone = unlink(AtFlags::empty());
        Ok(false)
    }

    /// What root makes is to be the session's.
    fn give(&self, folder: &OwnedFd, name: &OsStr) -> rustix::io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let uid = rustix::fs::Uid::from_raw(self.inside.uid);
        let gid = rustix::fs::Gid::from_raw(self.inside.gid);
        rustix::fs::chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
    }
}

/// Tells who watches a file that it changed, and changes nothing: room is set aside that it has, by whoever holds it open
/// for writing. It is copied into the layer for that, and keeps the host's time.
fn touch(at: &Spot<'_>, host: &Facts) -> rustix::io::Result<()> {
    let file = open_to_write(at)?;
    rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, 1)?;
    copy::like(&file, host)
}

fn open_to_write(at: &Spot<'_>) -> rustix::io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&at.folder, at.name, flags, Mode::empty())?;
    if beneath::facts_of(&file)?.kind != Kind::File {
        return Err(Errno::INVAL);
    }
    Ok(File::from(file))
}

/// Whether what the session sees is the host's file itself, as it is now.
fn is_shown(inside: &Facts, host: &Facts) -> bool {
    inside.identity.inode == host.identity.inode
        && inside.modified == host.modified
        && inside.size == host.size
        && inside.mode == host.mode
}

/// A name that nobody has.
fn passing() -> OsString {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = PASSING.to_vec();
    name.extend(format!("{}-{number}", std::process::id()).into_bytes());
    OsString::from_vec(name)
}
