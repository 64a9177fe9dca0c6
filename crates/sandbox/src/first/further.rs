//! Further programs that the first process starts: children of it, so behind every wall it is behind.
//!
//! Nobody joins the sandbox from outside. What the supervisor sends is a description and three open streams;
//! all else a new program has, this process had when its walls were up.

use super::{CONTROL, tell};
use crate::errno::Errno;
use crate::kernel::{Fd, Kernel};
use crate::launch::{Launch, MAX_LAUNCH};
use crate::sys::{self, Linux, Program};
use crate::wire::{Message, Outcome};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// The most at a time.
const MAX: usize = 64;

/// Those that run, and the streams of the next.
#[derive(Default)]
pub(super) struct Further {
    running: Vec<(i32, i32)>,
    streams: [Option<OwnedFd>; 3],
}

impl Further {
    /// A stream for the next program, put where it is in nobody's way: this process has closed 0, 1 and 2.
    pub(super) fn stream(&mut self, n: i32, fd: Option<OwnedFd>) {
        let slot = usize::try_from(n).ok().and_then(|n| self.streams.get_mut(n));
        if let (Some(slot), Some(fd)) = (slot, fd) {
            *slot = sys::out_of_the_way(&fd).ok();
        }
    }

    /// Starts one; says so where it could not.
    pub(super) fn launch(&mut self, number: i32, description: Option<OwnedFd>) {
        let streams = std::mem::take(&mut self.streams);
        let started = if self.running.len() < MAX {
            start(number, description, streams)
        } else {
            Err(Errno(libc::EAGAIN))
        };
        match started {
            Ok(pid) => self.running.push((pid, number)),
            Err(errno) => tell(CONTROL, Message::Further(number, Outcome::NotExecuted(errno))),
        }
    }

    /// Signals one and its process group.
    pub(super) fn signal(&self, number: i32, signal: i32) {
        // Not yet reaped, so the number is nobody else's.
        if let Some((pid, _)) = self.running.iter().find(|(_, n)| *n == number) {
            sys::signal_group(*pid, signal);
        }
    }

    /// One of them, or anything else that this process adopted, has ended.
    pub(super) fn ended(&mut self, pid: i32, outcome: Outcome) {
        let Some(at) = self.running.iter().position(|(p, _)| *p == pid) else {
            return; // an orphan
        };
        let (_, number) = self.running.swap_remove(at);
        // After a word that it was not executed, the supervisor knows it no more.
        tell(CONTROL, Message::Further(number, outcome));
    }
}

fn start(number: i32, description: Option<OwnedFd>, streams: [Option<OwnedFd>; 3]) -> Result<i32, Errno> {
    let description = description.ok_or(Errno(libc::EBADF))?;
    let launch = read(description)
        .and_then(|bytes| Launch::decode(&bytes))
        .ok_or(Errno::INVAL)?;
    let places = launch.candidates();
    let program = Program::further(&launch, &places).ok_or(Errno(libc::ENOMEM))?;
    let terminal = open_terminal(number, &launch)?;
    let mut ends = [Fd(-1); 3];
    for (n, end) in ends.iter_mut().enumerate() {
        let own = terminal.as_ref().filter(|_| launch.terminal[n]);
        let fd = own.or(streams[n].as_ref()).ok_or(Errno(libc::EBADF))?;
        *end = Fd(fd.as_raw_fd());
    }
    let terminal = terminal.as_ref().map(|fd| Fd(fd.as_raw_fd()));
    sys::start_command(&mut || command(number, &launch, &program, ends, terminal))
}

/// What it is to be, from memory that the supervisor filled and sealed.
fn read(description: OwnedFd) -> Option<Vec<u8>> {
    let file = File::from(description);
    let size = usize::try_from(file.metadata().ok()?.len())
        .ok()
        .filter(|n| *n <= MAX_LAUNCH)?;
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes)
}

/// A terminal of the sandbox's own, where one is wanted; the supervisor gets the other end.
fn open_terminal(number: i32, launch: &Launch) -> Result<Option<OwnedFd>, Errno> {
    if !launch.terminal.contains(&true) {
        return Ok(None);
    }
    let (master, slave) = Linux { control: CONTROL }.open_terminal()?;
    let (master, slave) = (sys::own(master), sys::own(slave));
    let slave = sys::out_of_the_way(&slave)?;
    sys::set_size(&slave, launch.rows, launch.columns);
    let packet = Message::FurtherTerminal(number).encode();
    sys::send_with_fd(CONTROL, &packet, Fd(master.as_raw_fd()))?;
    Ok(Some(slave))
}

/// The new process: a session of its own, its streams, the program. It shares this process's memory until
/// then, which nobody inside can read or trace.
fn command(number: i32, launch: &Launch, program: &Program<'_>, ends: [Fd; 3], terminal: Option<Fd>) -> i32 {
    sys::lead_session();
    if let Some(terminal) = terminal {
        let _not_one = Linux { control: CONTROL }.control_terminal(terminal);
    }
    for (n, end) in ends.into_iter().enumerate() {
        sys::duplicate(end, Fd(n as i32));
    }
    sys::set_file_mask(launch.mask & 0o777);
    sys::reset_for_child();
    let outcome = match program.enter() {
        Ok(()) => Outcome::NotExecuted(program.execute()),
        Err(errno) => Outcome::NoDirectory(errno),
    };
    tell(CONTROL, Message::Further(number, outcome));
    127
}
