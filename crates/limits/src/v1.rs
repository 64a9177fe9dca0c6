//! cgroup v1 (Documentation/admin-guide/cgroup-v1/): a child of our own group in the hierarchy of each controller.
//! Version 1 has no rule against processes in inner groups, and a child stays under its parent's limits.

use crate::files::Files;
use crate::hierarchy::Hierarchy;
use crate::limit::{Limit, Limits};
use crate::units::Millicpus;
use crate::v2::{share_of, within};
use std::io;
use std::path::{Path, PathBuf};

/// Length of a period of `cpu.cfs_quota_us` in µs: the kernel's default.
const PERIOD: u64 = 100_000;

/// Makes the group for one limit, or sets the limit in `made` if that hierarchy has it already.
pub(crate) fn place(
    files: &dyn Files,
    own: &Hierarchy,
    name: &str,
    limit: Limit,
    limits: &Limits,
    made: &[PathBuf],
) -> Result<PathBuf, String> {
    let dir = own.own.join(name);
    let failed = |e: io::Error| format!("{}: {e}", dir.display());
    let fresh = !made.contains(&dir);
    if fresh {
        files.make_dir(&dir).map_err(failed)?;
    }
    let caps = narrowed(files, own, limit, limits);
    let set = set(files, &dir, limit, &caps).map_err(failed);
    let held = set.and_then(|()| match is_held(files, &dir, limit, &caps) {
        true => Ok(()),
        false => Err(format!("{}: the {limit} limit did not take", dir.display())),
    });
    if held.is_err() && fresh {
        // Empty and just made: if it cannot be removed now, the sweep removes it.
        let _ = files.remove_dir(&dir);
    }
    held.map(|()| dir)
}

/// A group may not have a larger share of the CPUs than its parent: the kernel refuses the write, where version 2
/// takes the lesser (`tg_cfs_schedulable_down` in kernel/sched/core.c).
fn narrowed(files: &dyn Files, own: &Hierarchy, limit: Limit, limits: &Limits) -> Limits {
    let mut caps = limits.clone();
    if limit == Limit::Cpus {
        caps.cpus = own
            .upwards()
            .filter_map(|dir| share(files, dir))
            .chain(limits.cpus)
            .min();
    }
    caps
}

fn set(files: &dyn Files, dir: &Path, limit: Limit, caps: &Limits) -> io::Result<()> {
    let put = |file: &str, value: u64| files.write(&dir.join(file), &value.to_string());
    match limit {
        Limit::Memory => {
            let size = caps.memory.unwrap_or_default();
            put("memory.limit_in_bytes", size)?;
            // Memory and swap together no more than memory alone; absent without swap accounting (memory.rst §2.4).
            put("memory.memsw.limit_in_bytes", size)
                .or_else(|_| put("memory.swappiness", 0))
                .or(Ok(()))
        }
        Limit::Pids => put("pids.max", u64::from(caps.pids.unwrap_or_default())),
        Limit::Cpus => {
            put("cpu.cfs_period_us", PERIOD)?;
            put(
                "cpu.cfs_quota_us",
                u64::from(caps.cpus.map_or(0, Millicpus::get)) * PERIOD / 1000,
            )
        }
        Limit::Disk | Limit::Timeout | Limit::OpenFiles => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Whether what is set now is at least as strict as `caps`.
pub(crate) fn is_held(files: &dyn Files, dir: &Path, limit: Limit, caps: &Limits) -> bool {
    match limit {
        Limit::Memory => within(number(files, dir, "memory.limit_in_bytes"), caps.memory),
        Limit::Pids => within(number(files, dir, "pids.max"), caps.pids.map(u64::from)),
        Limit::Cpus => within(share(files, dir), caps.cpus),
        Limit::Disk | Limit::Timeout | Limit::OpenFiles => false,
    }
}

/// A quota of -1 is no limit and does not parse.
fn share(files: &dyn Files, dir: &Path) -> Option<Millicpus> {
    share_of(
        number(files, dir, "cpu.cfs_quota_us")?,
        number(files, dir, "cpu.cfs_period_us")?,
    )
}

fn number(files: &dyn Files, dir: &Path, file: &str) -> Option<u64> {
    files.read(&dir.join(file)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[test]
    fn a_limit_that_does_not_take_is_not_held() {
        let fake = Fake::v2("");
        fake.v1("pids").deaf("pids.max");
        let own = Hierarchy {
            mount: "/v1/pids".into(),
            own: "/v1/pids".into(),
        };
        let limits = Limits {
            pids: Some(9),
            ..Limits::default()
        };
        let reason = place(&fake, &own, "g", Limit::Pids, &limits, &[]).unwrap_err();
        assert_eq!(reason, "/v1/pids/g: the pids limit did not take");
        assert!(fake.named("g").is_empty());
    }
}
