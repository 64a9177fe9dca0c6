//! One sandbox's group: the directories that hold its limits, in as few hierarchies as that takes.

use crate::error::Error;
use crate::files::{Files, Host};
use crate::hierarchy::Hierarchies;
use crate::janitor::JanitorPaths;
use crate::kill;
use crate::limit::{Backend, InForce, Limit, Limits, Struck};
use crate::owner::Owner;
use crate::readings::{Readings, Usage};
use crate::{v1, v2};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The limits of one sandbox, held. Dropping it kills what is left in it and removes it.
///
/// Made by the supervisor (its pid is in the name) before the sandbox's first process. Without limits that a cgroup
/// could hold it has no directory, and every operation is free and does nothing.
#[derive(Debug)]
pub struct Group {
    files: Arc<dyn Files>,
    /// Of the process that made it: a copy in a forked child removes nothing.
    maker: u32,
    limits: Limits,
    in_force: InForce,
    leaf: Option<PathBuf>,
    leaf_fd: Option<OwnedFd>,
    v1: Vec<PathBuf>,
}

impl Group {
    /// Makes the group and sets its limits. `name` is 1 to 64 letters, digits, `-`, `_`; it need not be unique.
    ///
    /// # Errors
    /// [`Error::Unenforceable`] when a limit that is set cannot be held by any back end; then nothing remains.
    pub fn create(limits: &Limits, name: &str) -> Result<Self, Error> {
        Owner::check(name)?;
        if !limits.set().any(|limit| limit.controller().is_some()) {
            return Self::create_in(Arc::new(Host), &Hierarchies::default(), limits, name);
        }
        let name = Owner::this_process()?.name(name);
        Self::create_in(
            Arc::new(Host),
            &Hierarchies::of_this_process()?,
            limits,
            &name,
        )
    }

    pub(crate) fn create_in(
        files: Arc<dyn Files>,
        places: &Hierarchies,
        limits: &Limits,
        name: &str,
    ) -> Result<Self, Error> {
        let (maker, limits) = (std::process::id(), limits.clone());
        let empty = Self {
            files,
            maker,
            limits,
            in_force: InForce::default(),
            leaf: None,
            leaf_fd: None,
            v1: Vec::new(),
        };
        let mut making = Making {
            group: empty,
            places,
            name,
            reasons: Vec::new(),
        };
        making.by_v2();
        making.by_v1();
        making.by_rest()?;
        making.something_that_kills();
        Ok(making.group)
    }

    /// What holds each limit.
    pub fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// The v2 leaf for `CLONE_INTO_CGROUP` (clone3, Linux 5.7), where there is one: the child is in it from its first
    /// instruction. Where clone3 refuses it, clone without and call [`Self::add_cgroup2`] before releasing the child.
    pub fn cgroup2_fd(&self) -> Option<BorrowedFd<'_>> {
        self.leaf_fd.as_ref().map(OwnedFd::as_fd)
    }

    /// Puts a process into the v1 groups. To be called by the parent before the child is released; what the child
    /// forked before stays outside.
    ///
    /// # Errors
    /// [`Error::Add`]: the process must not be released.
    pub fn add(&self, pid: i32) -> Result<(), Error> {
        self.v1.iter().try_for_each(|dir| self.add_to(dir, pid))
    }

    /// Puts a process into the v2 leaf, if there is one: for a child that was not cloned into it.
    ///
    /// # Errors
    /// [`Error::Add`]: the process must not be released.
    pub fn add_cgroup2(&self, pid: i32) -> Result<(), Error> {
        self.leaf.iter().try_for_each(|dir| self.add_to(dir, pid))
    }

    fn add_to(&self, dir: &Path, pid: i32) -> Result<(), Error> {
        let procs = dir.join("cgroup.procs");
        let put = self.files.write(&procs, &pid.to_string());
        put.map_err(|source| Error::Add {
            pid,
            path: dir.into(),
            source,
        })
    }

    /// Which limit the kernel enforced so far, the gravest first: processes killed for memory, then refused forks.
    /// Limits held otherwise are reported by [`Watchdog::tick`](crate::Watchdog::tick), or (rlimits) only to the
    /// process itself, as an error.
    #[must_use]
    pub fn struck(&self) -> Option<Struck> {
        self.reading(|readings| readings.struck())
    }

    /// What was used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.reading(|readings| readings.usage())
    }

    fn reading<T>(&self, read: impl Fn(Readings<'_>) -> T) -> T {
        read(Readings {
            files: &*self.files,
            groups: &self.paths(),
        })
    }

    /// Checks that the limits are still as they were set: under systemd another manager may rewrite a hierarchy that
    /// is not delegated as a whole.
    ///
    /// # Errors
    /// [`Error::Lost`] with the first limit that is gone.
    pub fn verify(&self) -> Result<(), Error> {
        for limit in self.limits.set() {
            let lost = match self.in_force.get(limit) {
                Some(Backend::CgroupV2) => self.lost(self.leaf.iter(), |dir| {
                    v2::is_held(&*self.files, dir, limit, &self.limits)
                }),
                Some(Backend::CgroupV1) => self.lost(self.v1.iter(), |dir| {
                    v1::is_held(&*self.files, dir, limit, &self.limits)
                }),
                _ => None,
            };
            if let Some(path) = lost {
                return Err(Error::Lost { limit, path });
            }
        }
        Ok(())
    }

    /// A directory to name if none of them holds.
    fn lost<'a>(
        &self,
        mut dirs: impl Iterator<Item = &'a PathBuf> + Clone,
        held: impl Fn(&Path) -> bool,
    ) -> Option<PathBuf> {
        if dirs.clone().any(|dir| held(dir)) {
            None
        } else {
            Some(dirs.next().cloned().unwrap_or_default())
        }
    }

    /// Kills every process in the group and waits, at most about two seconds, until they are gone.
    ///
    /// # Errors
    /// [`Error::Survivors`] when some are not.
    pub fn kill(&self) -> Result<(), Error> {
        kill::kill(&*self.files, &self.paths())
    }

    /// Removes the group once it is empty; waits for that at most about two seconds. Does not kill.
    ///
    /// # Errors
    /// [`Error::Remove`]; the group is then killed and removed as on drop.
    pub fn remove(mut self) -> Result<(), Error> {
        kill::remove(&*self.files, &self.paths())?;
        self.forget();
        Ok(())
    }

    fn forget(&mut self) {
        (self.leaf, self.leaf_fd, self.v1) = (None, None, Vec::new());
    }

    /// What a janitor needs to kill and remove this group: see [`clean`](crate::clean).
    #[must_use]
    pub fn janitor_paths(&self) -> JanitorPaths {
        JanitorPaths(self.paths())
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.leaf.iter().chain(&self.v1).cloned().collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let paths = self.paths();
        if paths.is_empty() || self.maker != std::process::id() {
            return;
        }
        // Nobody is left to be told; what could not be removed now, the sweep of the next run removes.
        let _ = kill::kill(&*self.files, &paths);
        let _ = kill::remove(&*self.files, &paths);
    }
}

/// A group while it is made. If a step fails, dropping it takes back the steps before.
struct Making<'a> {
    group: Group,
    places: &'a Hierarchies,
    name: &'a str,
    /// What each back end said about each limit.
    reasons: Vec<(Limit, String)>,
}

impl Making<'_> {
    /// The limits that are set, that a controller can hold, and that nothing holds yet.
    fn open(&self) -> Vec<Limit> {
        let open = |limit: &Limit| {
            limit.controller().is_some() && self.group.in_force.get(*limit).is_none()
        };
        self.group.limits.set().filter(open).collect()
    }

    fn by_v2(&mut self) {
        let open = self.open();
        if open.is_empty() {
            return;
        }
        let wanted = Limits {
            disk: None,
            timeout: None,
            open_files: None,
            ..self.group.limits.clone()
        };
        let placed = self.places.v2.as_ref().ok_or_else(|| "not mounted".into());
        match placed.and_then(|own| v2::place(&*self.group.files, own, self.name, &wanted)) {
            Ok(placed) => {
                placed
                    .held
                    .iter()
                    .for_each(|limit| self.group.in_force.put(*limit, Backend::CgroupV2));
                self.open_leaf(placed.dir);
                self.refused(&open, "cgroup v2: the controller is not delegated");
            }
            Err(reason) => self.refused(&open, &format!("cgroup v2: {reason}")),
        }
    }

    fn refused(&mut self, limits: &[Limit], reason: &str) {
        self.reasons
            .extend(limits.iter().map(|limit| (*limit, reason.into())));
    }

    /// Without the descriptor the leaf can still be entered through `cgroup.procs`.
    fn open_leaf(&mut self, dir: PathBuf) {
        self.group.leaf_fd = self.group.files.open_dir(&dir).ok();
        self.group.leaf = Some(dir);
    }

    fn by_v1(&mut self) {
        for limit in self.open() {
            let hierarchy = limit
                .controller()
                .and_then(|controller| self.places.v1(controller));
            let placed = hierarchy.ok_or_else(|| "not mounted".to_string());
            let group = &self.group;
            match placed.and_then(|own| {
                v1::place(
                    &*group.files,
                    own,
                    self.name,
                    limit,
                    &group.limits,
                    &group.v1,
                )
            }) {
                Ok(dir) => {
                    self.group.in_force.put(limit, Backend::CgroupV1);
                    self.keep_v1(dir);
                }
                Err(reason) => self.refused(&[limit], &format!("cgroup v1: {reason}")),
            }
        }
    }

    fn keep_v1(&mut self, dir: PathBuf) {
        if !self.group.v1.contains(&dir) {
            self.group.v1.push(dir);
        }
    }

    fn by_rest(&mut self) -> Result<(), Error> {
        for limit in self.group.limits.set().collect::<Vec<_>>() {
            if self.group.in_force.get(limit).is_none() {
                let backend = without_cgroup(limit).ok_or_else(|| self.unenforceable(limit))?;
                self.group.in_force.put(limit, backend);
            }
        }
        Ok(())
    }

    fn unenforceable(&self, limit: Limit) -> Error {
        let said = self
            .reasons
            .iter()
            .filter(|(about, _)| *about == limit)
            .map(|(_, reason)| reason.clone());
        // A CPU mask could be widened from inside, and RLIMIT_CPU is a sum, not a rate.
        let reasons = said.chain(["rlimits: none limits a rate".into()]).collect();
        Error::Unenforceable { limit, reasons }
    }

    /// With v1 groups alone, killing walks lists; a v2 leaf without controllers, or else the freezer, makes that
    /// certain. A v1 pids group is that already (see `kill`). Not essential, so a failure is none.
    fn something_that_kills(&mut self) {
        if self.group.v1.is_empty() || self.group.leaf.is_some() || self.v2_that_kills().is_some() {
            return;
        }
        if self.group.in_force.pids != Some(Backend::CgroupV1) {
            let dir = self.places.v1("freezer").map(|own| own.own.join(self.name));
            let made = dir.filter(|dir| self.group.files.make_dir(dir).is_ok());
            made.into_iter().for_each(|dir| self.keep_v1(dir));
        }
    }

    fn v2_that_kills(&mut self) -> Option<()> {
        let own = &self.places.v2.as_ref()?.own;
        let (files, dir) = (Arc::clone(&self.group.files), own.join(self.name));
        files.make_dir(&dir).ok()?;
        let may = files
            .may_write(&own.join("cgroup.procs"))
            .and_then(|()| files.may_write(&dir.join("cgroup.kill")));
        if may.is_err() {
            let _: io::Result<()> = files.remove_dir(&dir);
            return None;
        }
        self.open_leaf(dir);
        Some(())
    }
}

/// What holds a limit where no cgroup does.
fn without_cgroup(limit: Limit) -> Option<Backend> {
    match limit {
        Limit::Memory | Limit::Disk | Limit::Timeout => Some(Backend::Watchdog),
        Limit::Pids | Limit::OpenFiles => Some(Backend::Rlimit),
        Limit::Cpus => None,
    }
}
