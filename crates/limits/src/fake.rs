//! Made-up cgroup hierarchies with the rules that matter here: who may write where; in version 2 controllers only from
//! the parent; none given out by a cgroup that has processes, but for those that know threads, whose children then take
//! no process.

use crate::files::Files;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

#[derive(Debug, Default)]
struct Tree {
    dirs: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, String>,
    foreign: BTreeSet<PathBuf>,
    deaf: Option<&'static str>,
    busy: u32,
}

/// Version 2 mounted at `/cg`, each controller of version 1 at `/v1/CONTROLLER`.
#[derive(Debug, Default)]
pub(crate) struct Fake(Mutex<Tree>);

impl Fake {
    /// A root with these controllers, all given out.
    pub(crate) fn v2(controllers: &str) -> Self {
        let fake = Self::default();
        fake.lock().dirs.insert("/cg".into());
        fake.set("/cg/cgroup.subtree_control", controllers)
            .set("/cg/cgroup.controllers", controllers);
        fake.set("/cg/cgroup.procs", "");
        fake
    }

    /// A version 1 hierarchy with one controller.
    pub(crate) fn v1(&self, controller: &str) -> &Self {
        let path = PathBuf::from(format!("/v1/{controller}"));
        let mut tree = self.lock();
        tree.dirs.insert(path.clone());
        tree.populate(&path, &format!("v1 {controller}"));
        drop(tree);
        self
    }

    /// Every directory and the text of every file, to see that nothing was touched.
    pub(crate) fn all(&self) -> String {
        let tree = self.lock();
        format!("{:?}{:?}", tree.dirs, tree.files)
    }

    /// Makes a cgroup that gives these controllers to its children, whoever its parent belongs to.
    pub(crate) fn cgroup(&self, path: &str, given: &str) -> &Self {
        self.lock().make(Path::new(path)).unwrap();
        self.set(&format!("{path}/cgroup.subtree_control"), given)
    }

    /// Files of this name take any text and keep their own.
    pub(crate) fn deaf(&self, name: &'static str) -> &Self {
        self.lock().deaf = Some(name);
        self
    }

    /// The next so many removals find the directory still in use.
    pub(crate) fn busy(&self, times: u32) -> &Self {
        self.lock().busy = times;
        self
    }

    /// This directory, or this file, belongs to somebody else.
    pub(crate) fn foreign(&self, path: &str) -> &Self {
        self.lock().foreign.insert(path.into());
        self
    }

    pub(crate) fn with_process(&self, path: &str, pid: i32) -> &Self {
        self.set(&format!("{path}/cgroup.procs"), &format!("{pid}\n"))
    }

    pub(crate) fn set(&self, path: &str, text: &str) -> &Self {
        self.lock().files.insert(path.into(), text.into());
        self
    }

    /// Every directory of this name.
    pub(crate) fn named(&self, name: &str) -> Vec<PathBuf> {
        self.lock()
            .dirs
            .iter()
            .filter(|dir| dir.ends_with(name))
            .cloned()
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Tree> {
        self.0.lock().unwrap()
    }
}

/// The control files that come with a controller, and what they hold at first.
const FILES: &[(&str, &[(&str, &str)])] = &[
    (
        "",
        &[
            ("cgroup.procs", ""),
            ("cgroup.kill", ""),
            ("cgroup.subtree_control", ""),
            ("cgroup.type", "domain"),
        ],
    ),
    (
        "memory",
        &[
            ("memory.max", "max"),
            ("memory.swap.max", "max"),
            ("memory.oom.group", "0"),
            ("memory.events", "oom_kill 0"),
        ],
    ),
    ("pids", &[("pids.max", "max"), ("pids.events", "max 0")]),
    ("cpu", &[("cpu.max", "max 100000")]),
    (
        "v1 memory",
        &[
            ("cgroup.procs", ""),
            ("memory.limit_in_bytes", "9223372036854771712"),
            ("memory.swappiness", "60"),
        ],
    ),
    (
        "v1 pids",
        &[
            ("cgroup.procs", ""),
            ("pids.max", "max"),
            ("pids.events", "max 0"),
        ],
    ),
    (
        "v1 cpu",
        &[
            ("cgroup.procs", ""),
            ("cpu.cfs_quota_us", "-1"),
            ("cpu.cfs_period_us", "100000"),
        ],
    ),
    ("v1 freezer", &[("cgroup.procs", ""), ("freezer.state", "THAWED")]),
];

/// Controllers that a cgroup with processes gives out, and makes a threaded subtree of its children by it.
const KNOW_THREADS: [&str; 2] = ["cpu", "pids"];

impl Tree {
    fn given(&self, dir: &Path) -> Vec<String> {
        let text = self
            .files
            .get(&dir.join("cgroup.subtree_control"))
            .cloned()
            .unwrap_or_default();
        text.split_ascii_whitespace()
            .map(|word| word.trim_start_matches('+').to_string())
            .collect()
    }

    fn make(&mut self, dir: &Path) -> io::Result<()> {
        let parent = dir
            .parent()
            .filter(|parent| self.dirs.contains(*parent))
            .ok_or(ErrorKind::NotFound)?;
        let controllers = self.given(parent);
        if !self.dirs.insert(dir.to_path_buf()) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if let Some(controller) = dir
            .strip_prefix("/v1")
            .ok()
            .and_then(|rest| rest.components().next())
        {
            self.populate(dir, &format!("v1 {}", controller.as_os_str().display()));
            return Ok(());
        }
        self.populate(dir, "");
        self.files
            .insert(dir.join("cgroup.controllers"), controllers.join(" "));
        controllers
            .iter()
            .for_each(|controller| self.populate(dir, controller));
        let busy = |file: &str| {
            self.files
                .get(&parent.join(file))
                .is_some_and(|text| !text.is_empty())
        };
        if busy("cgroup.procs") && busy("cgroup.type") && !controllers.is_empty() {
            self.invalidate(dir);
        }
        Ok(())
    }

    fn invalidate(&mut self, dir: &Path) {
        self.files
            .insert(dir.join("cgroup.type"), "domain invalid".into());
    }

    fn populate(&mut self, dir: &Path, controller: &str) {
        let found = FILES
            .iter()
            .find(|(of, _)| *of == controller)
            .map_or(&[][..], |(_, files)| files);
        for (file, text) in found {
            self.files.entry(dir.join(file)).or_insert_with(|| (*text).into());
        }
    }

    fn give(&mut self, dir: &Path, controller: &str) -> io::Result<()> {
        let has = |file: &str| self.files.get(&dir.join(file)).cloned().unwrap_or_default();
        if !has("cgroup.controllers").split(' ').any(|c| c == controller) {
            return Err(ErrorKind::NotFound.into());
        }
        // The true root alone has no type, and may have both.
        let busy = !has("cgroup.procs").is_empty() && !has("cgroup.type").is_empty();
        if busy && !KNOW_THREADS.contains(&controller) {
            return Err(ErrorKind::ResourceBusy.into());
        }
        let given = format!("{} {controller}", self.given(dir).join(" "));
        self.files.insert(dir.join("cgroup.subtree_control"), given);
        let children: Vec<_> = self
            .dirs
            .iter()
            .filter(|child| child.parent() == Some(dir))
            .cloned()
            .collect();
        children.iter().for_each(|child| self.populate(child, controller));
        if busy {
            children.iter().for_each(|child| self.invalidate(child));
        }
        Ok(())
    }
}

impl Files for Fake {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.lock();
        if path.parent().is_some_and(|parent| tree.foreign.contains(parent)) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        tree.make(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.lock();
        if tree.busy > 0 {
            tree.busy -= 1;
            return Err(ErrorKind::ResourceBusy.into());
        }
        if tree
            .files
            .get(&path.join("cgroup.procs"))
            .is_some_and(|procs| !procs.is_empty())
        {
            return Err(ErrorKind::ResourceBusy.into());
        }
        tree.files.retain(|file, _| file.parent() != Some(path));
        if tree.dirs.remove(path) {
            Ok(())
        } else {
            Err(ErrorKind::NotFound.into())
        }
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.lock()
            .files
            .get(path)
            .cloned()
            .ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        self.may_write(path)?;
        let mut tree = self.lock();
        if tree.deaf.is_some_and(|name| path.ends_with(name)) {
            return Ok(());
        }
        let dir = path.parent().ok_or(ErrorKind::NotFound)?.to_path_buf();
        match (
            path.file_name().and_then(|name| name.to_str()),
            text.strip_prefix('+'),
        ) {
            (Some("cgroup.subtree_control"), Some(controller)) => {
                return tree.give(&dir, controller);
            }
            (Some("cgroup.kill"), _) => tree.files.insert(dir.join("cgroup.procs"), String::new()),
            (Some("cgroup.procs"), _) => tree.files.insert(path.into(), format!("{text}\n")),
            _ => tree.files.insert(path.into(), text.into()),
        };
        Ok(())
    }

    fn may_write(&self, path: &Path) -> io::Result<()> {
        let tree = self.lock();
        if !tree.files.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        let dir = path.parent().is_some_and(|dir| tree.foreign.contains(dir));
        if dir || tree.foreign.contains(path) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        Ok(())
    }

    fn dirs(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let tree = self.lock();
        let inside = tree.dirs.iter().filter(|dir| dir.parent() == Some(path));
        Ok(inside.filter_map(|dir| dir.file_name()).map(Into::into).collect())
    }

    fn open_dir(&self, _path: &Path) -> io::Result<OwnedFd> {
        Ok(File::open("/")?.into())
    }

    fn kill_all(&self, group: &Path) -> io::Result<usize> {
        Ok(self.read(&group.join("cgroup.procs"))?.lines().count())
    }
}
