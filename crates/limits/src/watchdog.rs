//! What no kernel mechanism holds here, watched: wall time, and memory and disk where there is no cgroup.
//!
//! A watchdog samples, so a limit can be passed before it strikes. The overshoot is what can be allocated or written
//! in one interval ([`Watchdog::pause`]) plus the time of one look. A look is made in bounded steps, and the pause after
//! a step is at least [`REST`] times as long as the step took: watching never takes more than a fifth of one CPU.

mod disk;
mod memory;
mod tree;

use crate::error::Error;
use crate::limit::{Backend, InForce, Limit, Limits, Struck};
use disk::Disk;
use memory::{Ceiling, Memory};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The pause after a tick, in multiples of what the tick took.
const REST: u32 = 4;

/// What a watchdog looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// The sandbox's first process, whose descendants are counted; it is ours, and not yet waited for (its pid is
    /// therefore still its own). Double forks stay descendants when it is pid 1 of a pid namespace.
    pub init: i32,
    /// Directories that only the sandbox writes: everything in them counts against the disk limit.
    pub private: Vec<PathBuf>,
    /// Directories that others may write too (the project, in live mode): files changed since the start count.
    pub shared: Vec<PathBuf>,
    /// Bytes of memory that nobody asked to limit ([`Ceilings`](crate::Ceilings)). Where the processes cannot be seen
    /// it is not watched.
    pub ceiling: Option<u64>,
}

/// Watches one sandbox. The supervisor calls [`Self::tick`] after each [`Self::pause`], and ends the sandbox when
/// something struck.
#[derive(Debug)]
pub struct Watchdog {
    deadline: Option<Instant>,
    memory: Option<Memory>,
    ceiling: Option<Ceiling>,
    disk: Option<Disk>,
    /// How long the last tick took.
    took: Duration,
}

impl Watchdog {
    /// A watchdog for the limits that no cgroup and no rlimit holds; `None` when there are none.
    ///
    /// # Errors
    /// [`Error::Read`] when the processes cannot be seen (`hidepid`, a kernel without `CONFIG_PROC_CHILDREN`) or a
    /// directory cannot be looked at: the limit could not be held.
    pub fn start(
        limits: &Limits,
        in_force: &InForce,
        watched: &Watched,
        now: Instant,
    ) -> Result<Option<Self>, Error> {
        let ours = |limit| in_force.get(limit) == Some(Backend::Watchdog);
        let memory = limits.memory.filter(|_| ours(Limit::Memory));
        let disk = limits.disk.filter(|_| ours(Limit::Disk));
        let deadline = limits
            .timeout
            .filter(|_| ours(Limit::Timeout))
            .and_then(|span| now.checked_add(span));
        let ceiling = watched
            .ceiling
            .and_then(|limit| Ceiling::start(limit, watched.init, now));
        if memory.is_none() && ceiling.is_none() && disk.is_none() && deadline.is_none() {
            return Ok(None);
        }
        let memory = memory
            .map(|limit| Memory::start(limit, watched.init))
            .transpose()?;
        let disk = disk.map(|limit| Disk::start(limit, watched)).transpose()?;
        Ok(Some(Self {
            deadline,
            memory,
            ceiling,
            disk,
            took: Duration::ZERO,
        }))
    }

    /// Looks once. A look that would take long goes on at the next tick.
    pub fn tick(&mut self, now: Instant) -> Option<Struck> {
        let began = Instant::now();
        let limit = self.look(now);
        self.took = began.elapsed();
        Some(Struck {
            limit: limit?,
            times: 1,
        })
    }

    fn look(&mut self, now: Instant) -> Option<Limit> {
        let late = self
            .deadline
            .is_some_and(|deadline| now >= deadline)
            .then_some(Limit::Timeout);
        late.or_else(|| self.memory.as_mut()?.step(now).then_some(Limit::Memory))
            .or_else(|| self.ceiling.as_mut()?.step(now).then_some(Limit::Memory))
            .or_else(|| self.disk.as_mut()?.step().then_some(Limit::Disk))
    }

    /// How long to wait before the next tick: 20 to 100 ms for memory, up to 2 s for a ceiling, 250 ms for disk (5 ms while it is walked), more
    /// after a tick that took long, and never past the end of the time.
    #[must_use]
    pub fn pause(&self, now: Instant) -> Duration {
        let rest = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(now));
        let memory = self.memory.as_ref().map(Memory::pause);
        let sample = memory
            .into_iter()
            .chain(self.ceiling.as_ref().map(|ceiling| ceiling.pause(now)))
            .chain(self.disk.as_ref().map(Disk::pause))
            .min();
        let sample = sample.map(|pause| pause.max(self.took * REST));
        rest.into_iter().chain(sample).min().unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(limits: &Limits) -> Option<Watchdog> {
        let mut force = InForce::default();
        limits.set().for_each(|limit| force.put(limit, Backend::Watchdog));
        Watchdog::start(limits, &force, &Watched::default(), Instant::now()).unwrap()
    }

    #[test]
    fn nothing_to_watch_is_no_watchdog() {
        assert!(of(&Limits::default()).is_none());
        let limits = Limits {
            memory: Some(1),
            ..Limits::default()
        };
        let force = InForce {
            memory: Some(Backend::CgroupV2),
            ..InForce::default()
        };
        assert!(
            Watchdog::start(&limits, &force, &Watched::default(), Instant::now())
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn time_strikes_when_it_is_over_and_not_before() {
        let start = Instant::now();
        let limits = Limits {
            timeout: Some(Duration::from_secs(3600)),
            ..Limits::default()
        };
        let force = InForce {
            timeout: Some(Backend::Watchdog),
            ..InForce::default()
        };
        let mut dog = Watchdog::start(&limits, &force, &Watched::default(), start)
            .unwrap()
            .unwrap();
        assert_eq!(dog.pause(start), Duration::from_secs(3600));
        assert_eq!(dog.tick(start + Duration::from_millis(3_599_999)), None);
        let struck = dog.tick(start + Duration::from_secs(3600));
        assert_eq!(
            struck,
            Some(Struck {
                limit: Limit::Timeout,
                times: 1
            })
        );
    }

    #[test]
    fn watching_leaves_the_cpu_to_others_but_not_the_time() {
        let start = Instant::now();
        let limits = Limits {
            timeout: Some(Duration::from_secs(9)),
            disk: Some(1 << 60),
            ..Limits::default()
        };
        let mut dog = of(&limits).unwrap();
        assert_eq!(dog.pause(start), Duration::from_millis(250));
        dog.took = Duration::from_secs(1);
        assert_eq!(dog.pause(start), Duration::from_secs(4));
        dog.took = Duration::from_secs(3);
        assert!(dog.pause(start) <= Duration::from_secs(10));
    }

    #[test]
    fn processes_that_cannot_be_seen_are_an_error() {
        let limits = Limits {
            memory: Some(1),
            ..Limits::default()
        };
        let force = InForce {
            memory: Some(Backend::Watchdog),
            ..InForce::default()
        };
        let nobody = Watched {
            init: i32::MAX,
            ..Watched::default()
        };
        assert!(matches!(
            Watchdog::start(&limits, &force, &nobody, Instant::now()),
            Err(Error::Read { .. })
        ));
    }
}
