//! Taking one step at a path of the project, and taking it back. Each can be done again after a stop
//! anywhere in it.

use super::Steps;
use crate::beneath::{self, Facts, Identity, Kind, Tree};
use crate::copy;
use crate::error::{At, Error, Result};
use crate::journal::{Journal, Step};
use crate::session::Owner;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Why a step was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// The host changed the path since.
    Changed,
    /// The system said no.
    System(Errno),
    /// A test stops here.
    Stopped(u64),
}

impl From<Errno> for Refused {
    fn from(e: Errno) -> Refused {
        match e {
            // A directory on the way is gone, is a link now, or somebody filled the name.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::EXIST => Refused::Changed,
            e => Refused::System(e),
        }
    }
}

type Done = std::result::Result<(), Refused>;

/// Works on the project with the files of one journal.
pub(super) struct Hands<'a> {
    project: &'a Tree,
    store: OwnedFd,
    store_facts: Facts,
    owner: Owner,
    /// Staged inodes with several names: taking one back changes the time of the others.
    shared: HashSet<u64>,
    /// Directories that this apply made: they go again, and what stood in their place keeps its mode.
    made: HashSet<&'a Path>,
}

/// A place in the project: the directory, open, and the name in it.
struct Spot<'a> {
    folder: OwnedFd,
    name: &'a OsStr,
    /// Whether files can be renamed between it and the journal.
    near: bool,
}

fn new(n: usize) -> OsString {
    format!("{n}.new").into()
}

fn old(n: usize) -> OsString {
    format!("{n}.old").into()
}

impl<'a> Hands<'a> {
    pub(super) fn new(project: &'a Tree, folder: &Path, journal: &'a Journal) -> Result<Hands<'a>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let store = rustix::fs::open(folder, flags, Mode::empty()).at("open", folder)?;
        Ok(Hands {
            project,
            store_facts: beneath::facts_of(&store).at("look at", folder)?,
            store,
            owner: journal.owner,
            shared: shared(journal),
            made: journal
                .steps
                .iter()
                .filter(|(_, step)| *step == Step::MakeDirectory)
                .map(|(path, _)| path.as_path())
                .collect(),
        })
    }

    fn spot<'p>(&self, path: &'p Path) -> std::result::Result<Spot<'p>, Errno> {
        let (folder, name) = self.project.parent(path)?;
        let facts = beneath::facts_of(&folder)?;
        let near = facts.filesystem == self.store_facts.filesystem
            && facts.mount.is_some()
            && facts.mount == self.store_facts.mount;
        Ok(Spot { folder, name, near })
    }

    fn has(&self, name: &OsStr) -> std::result::Result<Option<Facts>, Errno> {
        beneath::facts(&self.store, name)
    }

    /// Takes a step; what then stands there, of one that puts something there.
    pub(super) fn take(
        &self,
        n: usize,
        path: &Path,
        step: &Step,
        steps: &Steps,
    ) -> std::result::Result<Option<Facts>, Refused> {
        stop(steps)?;
        let spot = match (step, self.spot(path)) {
            // Its directory went with it, before the stop.
            (Step::Remove(_) | Step::RemoveDirectory(_), Err(Errno::NOENT | Errno::NOTDIR)) => {
                return Ok(None);
            }
            (_, spot) => spot?,
        };
        let here = beneath::facts(&spot.folder, spot.name)?;
        match step {
            Step::Remove(before) => self.remove(n, &spot, here, *before, steps)?,
            Step::RemoveDirectory(_) => remove_directory(&spot, here)?,
            Step::MakeDirectory => self.make_directory(&spot, here)?,
            Step::Put { staged, before, .. } => {
                self.put(n, &spot, here, *staged, *before, steps)?;
                return Ok(beneath::facts(&spot.folder, spot.name)?);
            }
            Step::Mode(_, to) => beneath::set_mode(&spot.folder, spot.name, *to)?,
        }
        Ok(None)
    }

    fn remove(
        &self,
        n: usize,
        spot: &Spot<'_>,
        here: Option<Facts>,
        before: Identity,
        steps: &Steps,
    ) -> Done {
        let Some(here) = here else { return Ok(()) };
        let kept = self.has(&old(n))?.is_some();
        if here.identity.inode != before.inode || (!kept && !is_version(&here, before)) {
            return Err(Refused::Changed);
        }
        if spot.near {
            let flags = RenameFlags::NOREPLACE;
            rustix::fs::renameat_with(&spot.folder, spot.name, &self.store, old(n), flags)?;
            return self.or_return(n, spot, before.inode);
        }
        if !kept {
            self.copy_in(&spot.folder, spot.name, &old(n), steps)?;
        }
        Ok(rustix::fs::unlinkat(&spot.folder, spot.name, AtFlags::empty())?)
    }

    /// What was taken must be what was meant: the host may have put another file there in between.
    fn or_return(&self, n: usize, spot: &Spot<'_>, inode: u64) -> Done {
        let taken = self.has(&old(n))?.ok_or(Refused::Changed)?;
        if taken.identity.inode == inode {
            return Ok(());
        }
        rustix::fs::renameat_with(
            &self.store,
            old(n),
            &spot.folder,
            spot.name,
            RenameFlags::NOREPLACE,
        )?;
        Err(Refused::Changed)
    }

    fn make_directory(&self, spot: &Spot<'_>, here: Option<Facts>) -> Done {
        match here {
            Some(f) if f.kind == Kind::Directory => return Ok(()),
            Some(_) => return Err(Refused::Changed),
            None => rustix::fs::mkdirat(&spot.folder, spot.name, Mode::RWXU)?,
        }
        if rustix::process::geteuid().is_root() {
            let (uid, gid) = (
                rustix::process::Uid::from_raw(self.owner.uid),
                rustix::process::Gid::from_raw(self.owner.gid),
            );
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::chownat(&spot.folder, spot.name, Some(uid), Some(gid), flags)?;
        }
        Ok(())
    }

    fn put(
        &self,
        n: usize,
        spot: &Spot<'_>,
        here: Option<Facts>,
        staged: u64,
        before: Option<Identity>,
        steps: &Steps,
    ) -> Done {
        let Some(slot) = self.has(&new(n))? else {
            return Ok(()); // installed before the stop
        };
        if slot.identity.inode != staged && here.is_some_and(|h| h.identity.inode == staged) {
            // Exchanged before the stop, not yet named.
            return Ok(rustix::fs::renameat(&self.store, new(n), &self.store, old(n))?);
        }
        let kept = self.has(&old(n))?.is_some();
        let expected = match (&here, before) {
            (Some(here), Some(before)) => is_version(here, before),
            (here, before) => here.is_none() && before.is_none(),
        };
        if !kept && !expected {
            return Err(Refused::Changed);
        }
        match (before, spot.near) {
            (None, true) => Ok(rustix::fs::renameat_with(
                &self.store,
                new(n),
                &spot.folder,
                spot.name,
                RenameFlags::NOREPLACE,
            )?),
            (Some(before), true) => self.exchange(n, spot, before.inode, steps),
            (before, false) => self.put_far(n, spot, before.is_some() && !kept, steps),
        }
    }

    fn exchange(&self, n: usize, spot: &Spot<'_>, before: u64, steps: &Steps) -> Done {
        let swap = || {
            rustix::fs::renameat_with(
                &self.store,
                new(n),
                &spot.folder,
                spot.name,
                RenameFlags::EXCHANGE,
            )
        };
        swap()?;
        if self.has(&new(n))?.is_none_or(|f| f.identity.inode != before) {
            swap()?; // the host had put another file there in between
            return Err(Refused::Changed);
        }
        stop(steps)?;
        Ok(rustix::fs::renameat(&self.store, new(n), &self.store, old(n))?)
    }

    /// On another filesystem: copies, the last one beside the place and then renamed.
    fn put_far(&self, n: usize, spot: &Spot<'_>, keep: bool, steps: &Steps) -> Done {
        if keep {
            self.copy_in(&spot.folder, spot.name, &old(n), steps)?;
        }
        self.copy_out(&new(n), n, spot)?;
        stop(steps)?;
        Ok(rustix::fs::unlinkat(&self.store, new(n), AtFlags::empty())?)
    }

    /// A file or link of the project, into the journal.
    fn copy_in(&self, folder: &OwnedFd, name: &OsStr, to: &OsStr, steps: &Steps) -> Done {
        let temporary = OsString::from("copy");
        clear(&self.store, &temporary)?;
        copy_name(folder, name, &self.store, &temporary, None)?;
        stop(steps)?;
        Ok(rustix::fs::renameat(&self.store, &temporary, &self.store, to)?)
    }

    /// A file or link of the journal, to its place.
    fn copy_out(&self, from: &OsStr, n: usize, spot: &Spot<'_>) -> Done {
        let temporary = OsString::from(format!(".fumehood-{n}"));
        clear(&spot.folder, &temporary)?;
        copy_name(&self.store, from, &spot.folder, &temporary, Some(self.owner))?;
        Ok(rustix::fs::renameat(
            &spot.folder,
            &temporary,
            &spot.folder,
            spot.name,
        )?)
    }

    pub(super) fn take_back(
        &self,
        n: usize,
        path: &Path,
        step: &Step,
        after: Option<Identity>,
        steps: &Steps,
    ) -> Done {
        stop(steps)?;
        let spot = match (step, self.spot(path)) {
            (Step::MakeDirectory | Step::Put { before: None, .. }, Err(Errno::NOENT)) => return Ok(()),
            (_, spot) => spot?,
        };
        let here = beneath::facts(&spot.folder, spot.name)?;
        match step {
            Step::Remove(before) => self.bring_back(n, &spot, here, before.inode, steps),
            Step::RemoveDirectory(mode) => {
                self.make_directory(&spot, here)?;
                Ok(beneath::set_mode(&spot.folder, spot.name, *mode)?)
            }
            Step::MakeDirectory => remove_directory(&spot, here),
            Step::Put { before: None, .. } => match here {
                None => Ok(()),
                Some(h) if !self.is_ours(&h, after) => Err(Refused::Changed),
                Some(_) => Ok(rustix::fs::unlinkat(&spot.folder, spot.name, AtFlags::empty())?),
            },
            Step::Put {
                before: Some(before), ..
            } => self.put_back(n, &spot, here, *before, after, steps),
            Step::Mode(from, _) if here.is_some() && !self.made.contains(path) => {
                Ok(beneath::set_mode(&spot.folder, spot.name, *from)?)
            }
            Step::Mode(..) => Ok(()),
        }
    }

    /// Whether a file is still the one that the apply left there.
    fn is_ours(&self, here: &Facts, after: Option<Identity>) -> bool {
        let same_file = after.is_some_and(|a| a.inode == here.identity.inode);
        Some(here.identity) == after || (same_file && self.shared.contains(&here.identity.inode))
    }

    fn bring_back(&self, n: usize, spot: &Spot<'_>, here: Option<Facts>, inode: u64, steps: &Steps) -> Done {
        if self.has(&old(n))?.is_none() {
            return match here {
                Some(h) if spot.near && h.identity.inode != inode => Err(Refused::Changed),
                _ => Ok(()),
            };
        }
        if here.is_some() {
            return Err(Refused::Changed);
        }
        if spot.near {
            let flags = RenameFlags::NOREPLACE;
            return Ok(rustix::fs::renameat_with(
                &self.store,
                old(n),
                &spot.folder,
                spot.name,
                flags,
            )?);
        }
        self.copy_out(&old(n), n, spot)?;
        stop(steps)?;
        Ok(rustix::fs::unlinkat(&self.store, old(n), AtFlags::empty())?)
    }

    fn put_back(
        &self,
        n: usize,
        spot: &Spot<'_>,
        here: Option<Facts>,
        before: Identity,
        after: Option<Identity>,
        steps: &Steps,
    ) -> Done {
        if self.has(&old(n))?.is_none() {
            return Ok(()); // put back before the stop, or never taken
        }
        let exchanged = here.is_some_and(|h| spot.near && h.identity.inode == before.inode);
        if !exchanged {
            if !here.is_some_and(|h| self.is_ours(&h, after)) {
                return Err(Refused::Changed);
            }
            if spot.near {
                let flags = RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(&self.store, old(n), &spot.folder, spot.name, flags)?;
            } else {
                self.copy_out(&old(n), n, spot)?;
            }
            stop(steps)?;
        }
        Ok(rustix::fs::unlinkat(&self.store, old(n), AtFlags::empty())?)
    }
}

fn shared(journal: &Journal) -> HashSet<u64> {
    let mut seen = HashSet::new();
    let staged = journal.steps.iter().filter_map(|(_, step)| match step {
        Step::Put { staged, .. } => Some(*staged),
        _ => None,
    });
    staged.filter(|inode| !seen.insert(*inode)).collect()
}

/// Whether a file is the version meant. One with several names changes its time when another of them is
/// taken, by this very apply perhaps.
fn is_version(here: &Facts, meant: Identity) -> bool {
    here.identity == meant || (here.links > 1 && here.identity.inode == meant.inode)
}

fn stop(steps: &Steps) -> Done {
    steps.next().map_err(|e| match e {
        Error::Stopped(n) => Refused::Stopped(n),
        _ => Refused::System(Errno::IO),
    })
}

fn remove_directory(spot: &Spot<'_>, here: Option<Facts>) -> Done {
    match here {
        None => Ok(()),
        Some(h) if h.kind != Kind::Directory => Err(Refused::Changed),
        Some(_) => match rustix::fs::unlinkat(&spot.folder, spot.name, AtFlags::REMOVEDIR) {
            // The host put something into it meanwhile.
            Err(Errno::NOTEMPTY | Errno::EXIST) => Err(Refused::Changed),
            other => Ok(other?),
        },
    }
}

fn clear(folder: &OwnedFd, name: &OsStr) -> std::result::Result<(), Errno> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn copy_name(
    folder: &OwnedFd,
    name: &OsStr,
    to: &OwnedFd,
    to_name: &OsStr,
    owner: Option<Owner>,
) -> std::result::Result<(), Errno> {
    let facts = beneath::facts(folder, name)?.ok_or(Errno::NOENT)?;
    match facts.kind {
        Kind::Link => rustix::fs::symlinkat(beneath::target(folder, name)?, to, to_name)?,
        Kind::File => {
            let from = beneath::open_file(folder, name)?;
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let into = rustix::fs::openat(to, to_name, flags, Mode::RUSR | Mode::WUSR)?;
            copy::file(&from, &File::from(into))?;
        }
        Kind::Directory | Kind::Other => return Err(Errno::INVAL),
    }
    if let (Some(owner), true) = (owner, rustix::process::geteuid().is_root()) {
        let (uid, gid) = (
            rustix::process::Uid::from_raw(owner.uid),
            rustix::process::Gid::from_raw(owner.gid),
        );
        rustix::fs::chownat(to, to_name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}
