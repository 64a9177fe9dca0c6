//! Where this process stands, found independently of the code under test.

use std::fs;
use std::path::{Path, PathBuf};

/// This process's own directory in the hierarchy of a v1 controller, or (`""`) of version 2.
pub(crate) fn own(controller: &str) -> Option<PathBuf> {
    let cgroup = fs::read_to_string("/proc/self/cgroup").unwrap();
    let beneath = cgroup.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        parts
            .next()?
            .split(',')
            .any(|c| c == controller)
            .then(|| parts.next())?
    })?;
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let at = mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let kind = if controller.is_empty() {
            "cgroup2"
        } else {
            "cgroup"
        };
        let has = controller.is_empty() || fields[3].split(',').any(|option| option == controller);
        (fields[2] == kind && has).then(|| fields[1].to_string())
    })?;
    Some(Path::new(&at).join(beneath.trim_start_matches('/')))
}

/// The processes in these groups.
pub(crate) fn processes(dirs: &[PathBuf]) -> Vec<i32> {
    let read = |dir: &PathBuf| fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let mut all: Vec<i32> = dirs
        .iter()
        .flat_map(|dir| {
            read(dir)
                .lines()
                .map(|pid| pid.parse().unwrap())
                .collect::<Vec<_>>()
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}
