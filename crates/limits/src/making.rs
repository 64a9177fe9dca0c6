//! Making a group: for each limit the back ends are tried in turn, and what each said is kept.

use crate::error::Error;
use crate::group::Group;
use crate::hierarchy::Hierarchies;
use crate::limit::{Backend, Limit, Limits};
use crate::{v1, v2};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A group while it is made. If a step fails, dropping it takes back the steps before.
pub(crate) struct Making<'a> {
    group: Group,
    places: &'a Hierarchies,
    name: &'a str,
    /// What each back end said about each limit.
    reasons: Vec<(Limit, String)>,
}

impl<'a> Making<'a> {
    pub(crate) fn new(group: Group, places: &'a Hierarchies, name: &'a str) -> Self {
        Self {
            group,
            places,
            name,
            reasons: Vec::new(),
        }
    }

    /// The strongest first; each takes what is still open.
    pub(crate) fn run(mut self) -> Result<Group, Error> {
        self.by_v2();
        self.by_v1();
        self.by_rest()?;
        self.something_that_kills();
        Ok(self.group)
    }

    /// The limits that are set, that a controller can hold, and that nothing holds yet.
    fn open(&self) -> Vec<Limit> {
        let open = |limit: &Limit| limit.controller().is_some() && self.group.in_force.get(*limit).is_none();
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
            match placed
                .and_then(|own| v1::place(&*group.files, own, self.name, limit, &group.limits, &group.v1))
            {
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
