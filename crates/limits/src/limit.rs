//! What is asked for, what holds it, and what struck.

use crate::units::{Millicpus, show_bytes, show_duration};
use std::fmt;
use std::time::Duration;

/// What one sandbox may use, all processes in it together unless said otherwise. Nothing set: nothing is touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory in bytes, page cache and private tmpfs included where a cgroup holds it. Swap is not added to it.
    pub memory: Option<u64>,
    /// CPU time per wall time.
    pub cpus: Option<Millicpus>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Bytes on disk; see [`Watched`](crate::Watched) for what is counted.
    pub disk: Option<u64>,
    /// Wall time from the start of the command.
    pub timeout: Option<Duration>,
    /// Open files of each process.
    pub open_files: Option<u64>,
}

impl Limits {
    /// The limits that are set, in the order they are reported.
    pub fn set(&self) -> impl Iterator<Item = Limit> + '_ {
        Limit::ALL.into_iter().filter(|limit| self.show(*limit).is_some())
    }

    /// The value of one limit as a person would write it.
    #[must_use]
    pub fn show(&self, limit: Limit) -> Option<String> {
        match limit {
            Limit::Memory => self.memory.map(show_bytes),
            Limit::Cpus => self.cpus.map(|cpus| cpus.to_string()),
            Limit::Pids => self.pids.map(|pids| pids.to_string()),
            Limit::Disk => self.disk.map(show_bytes),
            Limit::Timeout => self.timeout.map(show_duration),
            Limit::OpenFiles => self.open_files.map(|files| files.to_string()),
        }
    }

    /// The stricter of the two, limit by limit.
    #[must_use]
    pub fn narrowed_by(&self, other: &Self) -> Self {
        Self {
            memory: least(self.memory, other.memory),
            cpus: least(self.cpus, other.cpus),
            pids: least(self.pids, other.pids),
            disk: least(self.disk, other.disk),
            timeout: least(self.timeout, other.timeout),
            open_files: least(self.open_files, other.open_files),
        }
    }
}

fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The name of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// [`Limits::memory`]
    Memory,
    /// [`Limits::cpus`]
    Cpus,
    /// [`Limits::pids`]
    Pids,
    /// [`Limits::disk`]
    Disk,
    /// [`Limits::timeout`]
    Timeout,
    /// [`Limits::open_files`]
    OpenFiles,
}

impl Limit {
    /// Every limit, in the order of the fields of [`Limits`].
    pub const ALL: [Self; 6] = [
        Self::Memory,
        Self::Cpus,
        Self::Pids,
        Self::Disk,
        Self::Timeout,
        Self::OpenFiles,
    ];

    /// The word used on the command line and in configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpus => "cpus",
            Self::Pids => "pids",
            Self::Disk => "disk",
            Self::Timeout => "timeout",
            Self::OpenFiles => "open_files",
        }
    }

    /// The cgroup controller that can hold it, by its name in both versions.
    pub(crate) fn controller(self) -> Option<&'static str> {
        match self {
            Self::Memory => Some("memory"),
            Self::Cpus => Some("cpu"),
            Self::Pids => Some("pids"),
            Self::Disk | Self::Timeout | Self::OpenFiles => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What holds a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// A cgroup v2 leaf: all processes together, by the kernel.
    CgroupV2,
    /// A cgroup v1 group: all processes together, by the kernel.
    CgroupV1,
    /// A resource limit: by the kernel, for each process (`pids`: for the user within the user namespace).
    Rlimit,
    /// Our own sampling: all processes together, with overshoot; the supervisor must call
    /// [`Watchdog::tick`](crate::Watchdog::tick).
    Watchdog,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CgroupV2 => "cgroup v2",
            Self::CgroupV1 => "cgroup v1",
            Self::Rlimit => "rlimit",
            Self::Watchdog => "watchdog",
        })
    }
}

/// What holds each limit that was asked for; a limit that was not asked for is `None`.
#[must_use = "a run must be able to say what holds its limits"]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InForce {
    /// What holds [`Limits::memory`]. By the watchdog there is also `RLIMIT_DATA` for each process.
    pub memory: Option<Backend>,
    /// What holds [`Limits::cpus`].
    pub cpus: Option<Backend>,
    /// What holds [`Limits::pids`].
    pub pids: Option<Backend>,
    /// What holds [`Limits::disk`]: always the watchdog, and `RLIMIT_FSIZE` for each file.
    pub disk: Option<Backend>,
    /// What holds [`Limits::timeout`]: always the watchdog.
    pub timeout: Option<Backend>,
    /// What holds [`Limits::open_files`]: always a resource limit.
    pub open_files: Option<Backend>,
}

impl InForce {
    /// What holds one limit.
    #[must_use]
    pub fn get(&self, limit: Limit) -> Option<Backend> {
        match limit {
            Limit::Memory => self.memory,
            Limit::Cpus => self.cpus,
            Limit::Pids => self.pids,
            Limit::Disk => self.disk,
            Limit::Timeout => self.timeout,
            Limit::OpenFiles => self.open_files,
        }
    }

    pub(crate) fn put(&mut self, limit: Limit, backend: Backend) {
        let place = match limit {
            Limit::Memory => &mut self.memory,
            Limit::Cpus => &mut self.cpus,
            Limit::Pids => &mut self.pids,
            Limit::Disk => &mut self.disk,
            Limit::Timeout => &mut self.timeout,
            Limit::OpenFiles => &mut self.open_files,
        };
        *place = Some(backend);
    }

    /// Whether the supervisor must run a [`Watchdog`](crate::Watchdog).
    #[must_use]
    pub fn needs_watchdog(&self) -> bool {
        Limit::ALL
            .into_iter()
            .any(|limit| self.get(limit) == Some(Backend::Watchdog))
    }
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for limit in Limit::ALL {
            if let Some(backend) = self.get(limit) {
                write!(f, "{between}{limit} by {backend}")?;
                between = ", ";
            }
        }
        if between.is_empty() {
            f.write_str("no limits")
        } else {
            Ok(())
        }
    }
}

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Struck {
    /// Which one.
    pub limit: Limit,
    /// How often the kernel counted it (processes killed, forks refused); 1 from the watchdog.
    pub times: u64,
}

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} limit", self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_force_reads_as_a_line() {
        let force = InForce {
            memory: Some(Backend::CgroupV1),
            pids: Some(Backend::Rlimit),
            ..InForce::default()
        };
        assert_eq!(force.to_string(), "memory by cgroup v1, pids by rlimit");
        assert_eq!(InForce::default().to_string(), "no limits");
    }

    #[test]
    fn the_stricter_value_wins_on_each_side() {
        let a = Limits {
            memory: Some(5),
            pids: Some(7),
            ..Limits::default()
        };
        let b = Limits {
            memory: Some(9),
            pids: Some(3),
            disk: Some(1),
            ..Limits::default()
        };
        let both = Limits {
            memory: Some(5),
            pids: Some(3),
            disk: Some(1),
            ..Limits::default()
        };
        assert_eq!(a.narrowed_by(&b), both);
        assert_eq!(b.narrowed_by(&a), both);
    }

    #[test]
    fn what_is_put_is_what_is_got() {
        for limit in Limit::ALL {
            let mut force = InForce::default();
            force.put(limit, Backend::Watchdog);
            assert_eq!(force.get(limit), Some(Backend::Watchdog), "{limit}");
            assert!(force.needs_watchdog());
        }
    }
}
