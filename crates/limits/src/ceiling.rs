//! What a sandbox may use where nobody said: enough that honest work never meets it, too little for a bomb to take
//! the machine. Held by what costs a start nothing: no group, no janitor.

use crate::limit::Limits;
use crate::rlimits::{Resource, Rlimit};

/// Ceilings of one sandbox, each only where no limit of that kind is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// Processes and threads, by `RLIMIT_NPROC`: of the sandbox's own user namespace.
    pub pids: Option<u32>,
    /// Bytes of memory of all processes together, watched.
    pub memory: Option<u64>,
}

/// Processes and threads that any machine allows: `cargo build`, `npm install`, a browser under test and a Java
/// application server together have some hundreds.
const PIDS: u32 = 4096;
/// For each processor, since build tools start workers and threads by their number.
const PIDS_EACH: u32 = 256;

impl Ceilings {
    /// Those of this machine.
    #[must_use]
    pub fn of_machine() -> Self {
        let info = rustix::system::sysinfo();
        let unit = u64::from(info.mem_unit);
        let cpus = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
        #[expect(clippy::useless_conversion, reason = "c_ulong is u32 on 32-bit machines")]
        Self::of(u64::from(info.totalram).saturating_mul(unit), cpus)
    }

    fn of(memory: u64, cpus: u32) -> Self {
        Self {
            pids: Some(PIDS.max(PIDS_EACH.saturating_mul(cpus))),
            memory: (memory > 0).then(|| rounded(memory / 4 * 3)),
        }
    }

    /// What of them counts beside these limits.
    #[must_use]
    pub fn beside(self, limits: &Limits) -> Self {
        Self {
            pids: self.pids.filter(|_| limits.pids.is_none()),
            memory: self.memory.filter(|_| limits.memory.is_none()),
        }
    }

    /// The limits with the ceilings in their gaps, to be shown.
    #[must_use]
    pub fn fill(self, limits: &Limits) -> Limits {
        Limits {
            pids: limits.pids.or(self.pids),
            memory: limits.memory.or(self.memory),
            ..limits.clone()
        }
    }

    /// The resource limit for the child to set on itself.
    #[must_use]
    pub fn rlimit(self) -> Option<Rlimit> {
        let value = u64::from(self.pids?);
        Some(Rlimit {
            resource: Resource::Processes,
            value,
        })
    }
}

/// A number for people: whole gigabytes, of small machines whole megabytes. A quarter of the memory stays for the
/// machine: its user's session, and the kernel's own.
fn rounded(bytes: u64) -> u64 {
    let unit = if bytes >= 4 << 30 { 1 << 30 } else { 1 << 20 };
    bytes / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_grow_with_the_machine() {
        let of = |memory, cpus| {
            let found = Ceilings::of(memory, cpus);
            (found.pids.unwrap_or(0), found.memory)
        };
        assert_eq!(of(24 << 30, 2), (4096, Some(18 << 30)));
        assert_eq!(of(256 << 30, 128), (32_768, Some(192 << 30)));
        assert_eq!(of(0, 0), (4096, None));
        let here = Ceilings::of_machine();
        assert!(
            here.pids >= Some(PIDS) && here.memory > Some(64 << 20),
            "{here:?}"
        );
    }

    #[test]
    fn a_limit_takes_the_place_of_its_ceiling() {
        let limits = Limits {
            pids: Some(9),
            ..Limits::default()
        };
        let ceilings = Ceilings::of(8 << 30, 1).beside(&limits);
        assert_eq!((ceilings.pids, ceilings.memory), (None, Some(6 << 30)));
        assert_eq!(ceilings.rlimit(), None);
        let filled = ceilings.fill(&limits);
        assert_eq!((filled.pids, filled.memory), (Some(9), Some(6 << 30)));
    }
}
