//! Resource limits (setrlimit(2)) for the child to set on itself: a pure function of what is asked and what else
//! holds it.

use crate::limit::{Backend, InForce, Limits};
use rustix::process::Resource as Raw;

/// A resource that is limited here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `RLIMIT_CORE`.
    Core,
    /// `RLIMIT_DATA`: private writable memory (Linux 4.7). Never `RLIMIT_AS`, which counts what is only reserved and
    /// which Node, Go, Java and wasm runtimes cannot live under.
    Data,
    /// `RLIMIT_NPROC`: processes and threads of the user within the user namespace (Linux 5.14). Does not bind the
    /// host's uid 0, under which no sandbox runs.
    Processes,
    /// `RLIMIT_FSIZE`: the size of a file at which writing it fails (`SIGXFSZ`, else `EFBIG`).
    FileSize,
    /// `RLIMIT_NOFILE`.
    OpenFiles,
}

impl Resource {
    /// The number setrlimit(2) and prlimit(2) take on this architecture.
    #[must_use]
    pub fn raw(self) -> u32 {
        self.of_rustix() as u32
    }

    fn of_rustix(self) -> Raw {
        match self {
            Self::Core => Raw::Core,
            Self::Data => Raw::Data,
            Self::Processes => Raw::Nproc,
            Self::FileSize => Raw::Fsize,
            Self::OpenFiles => Raw::Nofile,
        }
    }
}

/// One resource limit, for soft and hard alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    /// Which resource.
    pub resource: Resource,
    /// Bytes or a count.
    pub value: u64,
}

impl Rlimit {
    /// The lesser of this and the hard limit of the calling process, which an unprivileged child cannot pass.
    #[must_use]
    pub fn within_current(self) -> Self {
        let hard = rustix::process::getrlimit(self.resource.of_rustix()).maximum;
        Self {
            value: hard.map_or(self.value, |hard| hard.min(self.value)),
            ..self
        }
    }
}

/// The resource limits that belong to these limits. A core file is never written: it would hold the memory of the
/// process, and land in the project.
#[must_use]
pub fn rlimits(limits: &Limits, in_force: &InForce) -> Vec<Rlimit> {
    let here = |backend, is, value: Option<u64>| value.filter(|_| backend == Some(is));
    let rows = [
        (Resource::Core, Some(0)),
        (
            Resource::Data,
            here(in_force.memory, Backend::Watchdog, limits.memory),
        ),
        (
            Resource::Processes,
            here(in_force.pids, Backend::Rlimit, limits.pids.map(u64::from)),
        ),
        (
            Resource::FileSize,
            here(in_force.disk, Backend::Watchdog, limits.disk),
        ),
        (
            Resource::OpenFiles,
            here(in_force.open_files, Backend::Rlimit, limits.open_files),
        ),
    ];
    rows.into_iter()
        .filter_map(|(resource, value)| value.map(|value| Rlimit { resource, value }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Limits {
        Limits {
            memory: Some(1),
            pids: Some(2),
            disk: Some(3),
            open_files: Some(4),
            ..Limits::default()
        }
    }

    #[test]
    fn a_core_file_is_never_written() {
        let only = [Rlimit {
            resource: Resource::Core,
            value: 0,
        }];
        assert_eq!(rlimits(&Limits::default(), &InForce::default()), only);
    }

    #[test]
    fn where_no_cgroup_holds_it() {
        let force = InForce {
            memory: Some(Backend::Watchdog),
            pids: Some(Backend::Rlimit),
            disk: Some(Backend::Watchdog),
            open_files: Some(Backend::Rlimit),
            ..InForce::default()
        };
        let set: Vec<_> = rlimits(&all(), &force)
            .into_iter()
            .map(|r| (r.resource, r.value))
            .collect();
        let wanted = [
            (Resource::Core, 0),
            (Resource::Data, 1),
            (Resource::Processes, 2),
            (Resource::FileSize, 3),
            (Resource::OpenFiles, 4),
        ];
        assert_eq!(set, wanted);
    }

    #[test]
    fn what_a_cgroup_holds_is_not_set_twice() {
        let force = InForce {
            memory: Some(Backend::CgroupV2),
            pids: Some(Backend::CgroupV1),
            ..InForce::default()
        };
        assert_eq!(rlimits(&all(), &force).len(), 1);
    }

    #[test]
    fn the_numbers_of_this_architecture() {
        let text = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = Rlimit {
            resource: Resource::OpenFiles,
            value: u64::MAX,
        }
        .within_current();
        let row = text
            .lines()
            .find(|line| line.starts_with("Max open files"))
            .unwrap();
        assert!(row.contains(&core.value.to_string()), "{row}");
    }
}
