//! Programs that were recorded and still run: what their children name as their cause, and how they end.

use fumehood_audit::Ticket;
use fumehood_sandbox::{Became, Process};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Of how many at a time the end is heard.
const MOST: usize = 512;

#[derive(Debug)]
struct Program {
    process: Process,
    exec: Ticket,
}

/// By their pids.
#[derive(Debug, Default)]
pub(super) struct Running(HashMap<i32, Program>);

impl Running {
    /// The record of the program that this process executed last.
    pub(super) fn exec(&self, pid: i32) -> Option<Ticket> {
        self.0.get(&pid).map(|program| program.exec)
    }

    pub(super) fn keep(&mut self, pid: i32, process: Process, exec: Ticket) {
        if self.0.len() < MOST || self.0.contains_key(&pid) {
            self.0.insert(pid, Program { process, exec });
        }
    }

    /// Forgets the process of this pid where the pid is now another's: its record, and how it ended. One that executes
    /// something else stays the same.
    pub(super) fn take_other(&mut self, pid: i32, process: Option<&Process>) -> Option<(Ticket, Became)> {
        if is_same(&self.0.get(&pid)?.process, process?) {
            return None;
        }
        self.0
            .remove(&pid)
            .map(|program| (program.exec, program.process.became()))
    }

    pub(super) fn forget(&mut self, pid: i32) {
        self.0.remove(&pid);
    }

    /// Forgets the process of this pid where it is over: its record, and how it ended.
    fn take_ended(&mut self, pid: i32) -> Option<(Ticket, Became)> {
        let program = self.0.get(&pid)?;
        let became = program.process.became();
        if became == Became::Running {
            return None;
        }
        self.0.remove(&pid).map(|program| (program.exec, became))
    }

    /// Forgets all that are over: their pids, their records, and how they ended.
    pub(super) fn take_all_ended(&mut self) -> Vec<(i32, Ticket, Became)> {
        let ended = ready(self.0.values().map(|program| &program.process), Duration::ZERO);
        if !ended {
            return Vec::new();
        }
        let mut pids: Vec<i32> = self.0.keys().copied().collect();
        pids.sort_unstable();
        let over = pids
            .into_iter()
            .filter_map(|pid| self.take_ended(pid).map(|(exec, became)| (pid, exec, became)));
        over.collect()
    }

    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.0.values().map(|program| program.process.as_fd()).collect()
    }

    /// Waits until these and all that are kept were waited for by their parents: nothing is left that runs.
    pub(super) fn await_end<'a>(&'a self, others: impl Iterator<Item = &'a Process>) {
        /// Who does not wait for its children leaves them until it ends itself.
        const PATIENCE: Duration = Duration::from_millis(200);
        /// Before Linux 6.15 nobody is woken.
        const LOOK: Duration = Duration::from_millis(10);
        let mut left: Vec<&Process> = others.chain(self.0.values().map(|p| &p.process)).collect();
        let begun = Instant::now();
        loop {
            left.retain(|process| process.became() == Became::Running);
            if left.is_empty() || begun.elapsed() > PATIENCE {
                return;
            }
            ready(left.iter().copied(), LOOK);
        }
    }
}

/// Each process has a file of its own (pidfs, Linux 6.9); on older kernels they cannot be told apart, nor does one say how
/// it ended.
fn is_same(one: &Process, other: &Process) -> bool {
    let file = |process: &Process| rustix::fs::fstat(process).map(|file| file.st_ino);
    match (file(one), file(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => true,
    }
}

/// Whether one of these is over, waited for or not; waits for that.
fn ready<'a>(processes: impl Iterator<Item = &'a Process>, patience: Duration) -> bool {
    // Of one that is over and not waited for: where there is time, the wait is for more than that.
    let events = if patience.is_zero() {
        PollFlags::IN
    } else {
        PollFlags::empty()
    };
    let mut polled: Vec<PollFd<'_>> = processes.map(|process| PollFd::new(process, events)).collect();
    if polled.is_empty() {
        return false;
    }
    let timeout = Timespec::try_from(patience).ok();
    poll(&mut polled, timeout.as_ref()).is_ok_and(|ready| ready > 0)
}
