//! One sandbox's group: the directories that hold its limits, in as few hierarchies as that takes.

use crate::error::Error;
use crate::files::{Files, Host};
use crate::hierarchy::Hierarchies;
use crate::janitor::JanitorPaths;
use crate::kill;
use crate::limit::{Backend, InForce, Limits, Struck};
use crate::making::Making;
use crate::owner::Owner;
use crate::readings::{Readings, Usage};
use crate::{v1, v2};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The limits of one sandbox, held. Dropping it kills what is left in it and removes it.
///
/// Made by the supervisor (its pid is in the name) before the sandbox's first process. Without limits that a cgroup
/// could hold it has no directory, and every operation is free and does nothing.
#[derive(Debug)]
pub struct Group {
    pub(crate) files: Arc<dyn Files>,
    /// Of the process that made it: a copy in a forked child removes nothing.
    maker: u32,
    pub(crate) limits: Limits,
    pub(crate) in_force: InForce,
    pub(crate) leaf: Option<PathBuf>,
    pub(crate) leaf_fd: Option<OwnedFd>,
    pub(crate) v1: Vec<PathBuf>,
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
        Self::create_in(Arc::new(Host), &Hierarchies::of_this_process()?, limits, &name)
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
        Making::new(empty, places, name).run()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;
    use crate::hierarchy::Hierarchy;
    use crate::limit::Limit;
    use crate::units::Millicpus;

    /// Version 2 with these controllers, version 1 with those; this process stands in `/cg/job` and the v1 roots.
    fn machine(v2: &str, v1: &[&str]) -> (Arc<Fake>, Hierarchies) {
        let fake = Fake::v2(v2);
        fake.cgroup("/cg/job", v2);
        for controller in v1 {
            fake.v1(controller);
        }
        let at = |mount: &str, own: &str| Hierarchy {
            mount: mount.into(),
            own: own.into(),
        };
        let path = |controller: &&str| format!("/v1/{controller}");
        let v1 = v1
            .iter()
            .map(|c| (vec![(*c).to_string()], at(&path(c), &path(c))))
            .collect();
        (
            Arc::new(fake),
            Hierarchies {
                v2: Some(at("/cg", "/cg/job")),
                v1,
            },
        )
    }

    fn make(machine: &(Arc<Fake>, Hierarchies), limits: &Limits) -> Result<Group, Error> {
        let files: Arc<dyn Files> = Arc::<Fake>::clone(&machine.0);
        Group::create_in(files, &machine.1, limits, "g")
    }

    fn all() -> Limits {
        Limits {
            memory: Some(64 << 20),
            pids: Some(32),
            cpus: Millicpus::new(500),
            ..Limits::default()
        }
    }

    #[test]
    fn no_limit_touches_nothing() {
        let machine = machine("memory pids cpu", &["memory"]);
        let before = machine.0.all();
        let group = make(&machine, &Limits::default()).unwrap();
        assert_eq!(
            (
                group.in_force().to_string().as_str(),
                group.cgroup2_fd().is_none()
            ),
            ("no limits", true)
        );
        assert_eq!(group.janitor_paths(), JanitorPaths::default());
        group.add(1).unwrap();
        group.kill().unwrap();
        group.remove().unwrap();
        assert_eq!(machine.0.all(), before);
    }

    #[test]
    fn version_2_holds_all_it_can() {
        let machine = machine("memory pids cpu", &["memory", "pids"]);
        let group = make(&machine, &all()).unwrap();
        assert_eq!(
            group.in_force().to_string(),
            "memory by cgroup v2, cpus by cgroup v2, pids by cgroup v2"
        );
        assert_eq!(group.paths(), [Path::new("/cg/job/g")]);
        assert!(group.cgroup2_fd().is_some());
        group.remove().unwrap();
        assert!(machine.0.named("g").is_empty());
    }

    #[test]
    fn each_limit_by_what_holds_it() {
        let machine = machine("pids", &["memory", "cpu"]);
        let group = make(
            &machine,
            &Limits {
                open_files: Some(9),
                disk: Some(9),
                ..all()
            },
        )
        .unwrap();
        let line = "memory by cgroup v1, cpus by cgroup v1, pids by cgroup v2, disk by watchdog, open_files by rlimit";
        assert_eq!(group.in_force().to_string(), line);
        drop(group);
        assert!(machine.0.named("g").is_empty());
    }

    #[test]
    fn without_cgroups_the_watchdog_and_rlimits() {
        let (fake, _) = machine("", &[]);
        let limits = Limits { cpus: None, ..all() };
        let group = make(&(fake, Hierarchies::default()), &limits).unwrap();
        assert_eq!(group.in_force().to_string(), "memory by watchdog, pids by rlimit");
        assert!(group.in_force().needs_watchdog());
    }

    #[test]
    fn a_limit_that_nothing_holds_is_an_error_and_leaves_nothing() {
        let machine = machine("memory", &["pids"]);
        let error = make(&machine, &all()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "nothing here can hold the cpus limit: it takes a control group that you may make, which a login through \
             systemd gives (or `systemd-run --user --scope`), or root (cgroup v2: the controller is not delegated; \
             cgroup v1: not mounted; rlimits: none limits a rate)"
        );
        assert!(machine.0.named("g").is_empty());
    }

    #[test]
    fn a_version_1_group_is_killed_through_version_2() {
        let machine = machine("", &["memory", "freezer"]);
        let group = make(
            &machine,
            &Limits {
                memory: Some(1 << 20),
                ..Limits::default()
            },
        )
        .unwrap();
        assert_eq!(group.paths(), [Path::new("/cg/job/g"), Path::new("/v1/memory/g")]);
        assert_eq!(
            machine
                .0
                .read(Path::new("/v1/memory/g/memory.swappiness"))
                .unwrap(),
            "0"
        );
    }

    #[test]
    fn or_by_the_freezer_unless_it_can_refuse_forks() {
        let (fake, mut places) = machine("", &["memory", "pids", "freezer"]);
        places.v2 = None;
        let machine = (fake, places);
        let limits = Limits {
            memory: Some(1 << 20),
            ..Limits::default()
        };
        let group = make(&machine, &limits).unwrap();
        assert_eq!(
            group.paths(),
            [Path::new("/v1/memory/g"), Path::new("/v1/freezer/g")]
        );
        drop(group);
        let group = make(
            &machine,
            &Limits {
                pids: Some(9),
                ..limits
            },
        )
        .unwrap();
        assert_eq!(
            group.paths(),
            [Path::new("/v1/memory/g"), Path::new("/v1/pids/g")]
        );
    }

    #[test]
    fn a_share_of_the_cpus_is_no_larger_than_the_parents() {
        let machine = machine("", &["cpu"]);
        machine.0.set("/v1/cpu/cpu.cfs_quota_us", "20000");
        let group = make(
            &machine,
            &Limits {
                cpus: Millicpus::new(500),
                ..Limits::default()
            },
        )
        .unwrap();
        assert_eq!(
            machine.0.read(Path::new("/v1/cpu/g/cpu.cfs_quota_us")).unwrap(),
            "20000"
        );
        group.verify().unwrap();
    }

    #[test]
    fn a_limit_taken_away_is_noticed() {
        let machine = machine("pids", &["memory"]);
        let group = make(&machine, &Limits { cpus: None, ..all() }).unwrap();
        group.verify().unwrap();
        machine
            .0
            .set("/v1/memory/g/memory.limit_in_bytes", "9223372036854771712");
        assert!(matches!(
            group.verify(),
            Err(Error::Lost {
                limit: Limit::Memory,
                ..
            })
        ));
        machine
            .0
            .set("/v1/memory/g/memory.limit_in_bytes", "4096")
            .set("/cg/job/g/pids.max", "max");
        assert!(matches!(
            group.verify(),
            Err(Error::Lost {
                limit: Limit::Pids,
                ..
            })
        ));
    }

    #[test]
    fn dropping_kills_what_is_left() {
        let machine = machine("pids", &[]);
        let group = make(
            &machine,
            &Limits {
                pids: Some(9),
                ..Limits::default()
            },
        )
        .unwrap();
        group.add_cgroup2(42).unwrap();
        assert_eq!(
            machine.0.read(Path::new("/cg/job/g/cgroup.procs")).unwrap(),
            "42\n"
        );
        drop(group);
        assert!(machine.0.named("g").is_empty());
    }
}
