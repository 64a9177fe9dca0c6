//! Memory by sampling. Resident sizes are cheap to read but count a page once for each process that has it, so their
//! sum is at least what is used; only when it passes the limit are the proportional sizes read
//! (Documentation/filesystems/proc.rst, `statm` and `smaps_rollup`).
//!
//! Not seen: memory that no process maps (a `memfd` that was written and unmapped; sized tmpfs has its own bound) and
//! what was swapped out before it was sampled. `RLIMIT_DATA` bounds each process either way.

use super::tree::Tree;
use crate::error::Error;
use std::fs;
use std::time::{Duration, Instant};

/// Processes read in one step.
const STEP: usize = 1024;
/// The least time between two readings of proportional sizes, which walk page tables: for 200 small processes 30 ms of
/// work, against 6 ms for their resident sizes.
const EXACT: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(crate) struct Memory {
    limit: u64,
    init: i32,
    walk: Tree,
    /// Resident bytes found in the present walk, and in the last whole one.
    sum: u64,
    last: u64,
    exact: Option<Instant>,
}

impl Memory {
    pub(crate) fn start(limit: u64, init: i32) -> Result<Self, Error> {
        Tree::check(init)?;
        Ok(Self {
            limit,
            init,
            walk: Tree::from(init),
            sum: 0,
            last: 0,
            exact: None,
        })
    }

    /// Whether the limit is passed.
    pub(crate) fn step(&mut self, now: Instant) -> bool {
        let found: Vec<u64> = self.walk.by_ref().take(STEP).map(resident).collect();
        self.sum += found.iter().sum::<u64>();
        let over = self.sum > self.limit && self.is_over(now);
        if found.len() < STEP {
            (self.last, self.sum, self.walk) = (self.sum, 0, Tree::from(self.init));
        }
        over
    }

    fn is_over(&mut self, now: Instant) -> bool {
        if self
            .exact
            .is_some_and(|at| now.saturating_duration_since(at) < EXACT)
        {
            return false;
        }
        self.exact = Some(now);
        Tree::from(self.init)
            .map(|pid| proportional(pid).unwrap_or_else(|| resident(pid)))
            .sum::<u64>()
            > self.limit
    }

    pub(crate) fn pause(&self) -> Duration {
        Duration::from_millis(if self.last > self.limit / 2 { 20 } else { 100 })
    }
}

/// Memory that nobody asked to limit. While the whole machine uses less than the ceiling no sandbox can be over it, so
/// one small file is read and no process is looked at; how soon again depends on what is left.
#[derive(Debug)]
pub(crate) struct Ceiling {
    memory: Memory,
    /// When it was looked at last, and how long that is enough.
    looked: Instant,
    pause: Duration,
}

/// Bytes that a machine's processors can fill in a second, at most.
const FASTEST: u64 = 8 << 30;
const RARELY: Duration = Duration::from_secs(2);
const OFTEN: Duration = Duration::from_millis(50);

impl Ceiling {
    pub(crate) fn start(limit: u64, init: i32, now: Instant) -> Option<Self> {
        let memory = Memory::start(limit, init).ok()?;
        // What a short run can take before the first look is what the machine has left: looked at soon.
        Some(Self {
            memory,
            looked: now,
            pause: RARELY / 4,
        })
    }

    /// Whether the ceiling is passed. Who has other things to do, and comes before it is time, reads nothing.
    pub(crate) fn step(&mut self, now: Instant) -> bool {
        if !self.pause(now).is_zero() {
            return false;
        }
        self.looked = now;
        let used = fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| used(&text));
        self.step_at(used.unwrap_or(u64::MAX), now)
    }

    fn step_at(&mut self, used: u64, now: Instant) -> bool {
        let left = self.memory.limit.saturating_sub(used);
        self.pause = Duration::from_millis(left / (FASTEST / 1000)).clamp(OFTEN, RARELY);
        left == 0 && self.memory.step(now)
    }

    /// How long until the next look.
    pub(crate) fn pause(&self, now: Instant) -> Duration {
        self.pause
            .saturating_sub(now.saturating_duration_since(self.looked))
    }
}

/// Bytes that the machine uses and cannot get back by dropping caches (proc_meminfo(5)).
fn used(meminfo: &str) -> Option<u64> {
    let kib = |key: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    let swap = kib("SwapTotal:")
        .unwrap_or(0)
        .saturating_sub(kib("SwapFree:").unwrap_or(0));
    let memory = kib("MemTotal:")?.saturating_sub(kib("MemAvailable:")?);
    Some((memory + swap).saturating_mul(1024))
}

/// Resident bytes; 0 for a process that has ended.
fn resident(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages
        .unwrap_or(0)
        .saturating_mul(rustix::param::page_size() as u64)
}

/// Proportional bytes, swap included; `None` where the process does not let itself be read, and is then counted in
/// full.
fn proportional(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kib = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    Some((kib("Pss:")? + kib("SwapPss:").unwrap_or(0)).saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> i32 {
        rustix::process::getpid().as_raw_nonzero().get()
    }

    #[test]
    fn sizes_of_this_process_agree() {
        let (all, part) = (resident(me()), proportional(me()).unwrap());
        assert!(part > 0 && part <= all + (8 << 20), "{part} of {all}");
    }

    #[test]
    fn strikes_over_the_limit_and_not_under_it() {
        let now = Instant::now();
        assert!(Memory::start(1, me()).unwrap().step(now));
        assert!(!Memory::start(1 << 50, me()).unwrap().step(now));
    }

    #[test]
    fn page_tables_are_not_walked_at_each_step() {
        let now = Instant::now();
        let mut memory = Memory::start(1, me()).unwrap();
        assert!(memory.step(now));
        assert!(!memory.step(now + Duration::from_millis(1)));
        assert!(memory.step(now + EXACT));
    }

    #[test]
    fn a_ceiling_looks_at_processes_only_when_the_machine_is_that_full() {
        let now = Instant::now();
        let mut ceiling = Ceiling::start(1 << 30, me(), now).unwrap();
        assert!(!ceiling.step_at(0, now) && ceiling.pause(now) == Duration::from_millis(125));
        assert!(!ceiling.step_at((1 << 30) - 1, now) && ceiling.pause(now) == OFTEN);
        assert!(!ceiling.step_at(u64::MAX, now), "this process is smaller");
        let mut ceiling = Ceiling::start(1, me(), now).unwrap();
        assert!(!ceiling.step_at(0, now) && ceiling.step_at(1, now));
    }

    #[test]
    fn a_ceiling_is_looked_at_when_it_is_time_however_often_it_is_asked() {
        let now = Instant::now();
        let mut ceiling = Ceiling::start(1, me(), now).unwrap();
        let first = ceiling.pause(now);
        assert!(first == RARELY / 4 && !ceiling.step(now) && !ceiling.step(now + first / 2));
        assert_eq!(
            ceiling.pause(now + first / 2),
            first / 2,
            "asking puts nothing off"
        );
        assert!(ceiling.step(now + first), "one byte is passed");
        assert_eq!(ceiling.pause(now + first), OFTEN);
        assert!(!ceiling.step(now + first + OFTEN / 2) && ceiling.step(now + first + EXACT));
        let mut ceiling = Ceiling::start(u64::MAX, me(), now).unwrap();
        assert!(!ceiling.step(now + first) && ceiling.pause(now + first) == RARELY);
    }

    #[test]
    fn what_a_machine_uses_is_read() {
        let text = "MemTotal:       1000 kB\nMemFree:          10 kB\nMemAvailable:    400 kB\nSwapTotal:       100 kB\nSwapFree:         60 kB\n";
        assert_eq!(used(text), Some(640 * 1024));
        assert_eq!(used("MemTotal: 1 kB"), None);
    }

    #[test]
    fn looks_oftener_when_it_gets_tight() {
        let mut memory = Memory::start(1 << 50, me()).unwrap();
        memory.step(Instant::now());
        assert_eq!(memory.pause(), Duration::from_millis(100));
        memory.limit = 1;
        assert_eq!(memory.pause(), Duration::from_millis(20));
    }
}
