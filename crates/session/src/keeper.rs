//! Who holds a terminal that nobody looks at: a process that takes what the program prints, so that it is
//! not stopped, and keeps it in a file. While somebody is attached it does not read.
//!
//! It reads hostile bytes and understands none: what shows them makes them safe.

use crate::terminal::TerminalError;
use fumehood_sandbox::{Role, confine, fork_role_with, give_up, set_process_name};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read, write};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most that is kept; what comes later is dropped.
const KEPT: usize = 16 << 20;
const PAUSE: u8 = b'p';
const RESUME: u8 = b'r';

/// The process, and the terminal itself, for who attaches.
#[derive(Debug)]
pub(crate) struct Keeper {
    master: OwnedFd,
    orders: OwnedFd,
    process: OwnedFd,
}

impl Keeper {
    /// Starts it; `output` is where it writes.
    pub(crate) fn start(master: OwnedFd, output: &OwnedFd) -> Result<Keeper, TerminalError> {
        let flags = SocketFlags::CLOEXEC;
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (ours, theirs) = pair.map_err(TerminalError::Socket)?;
        let copies = [master.as_fd(), output.as_fd()].map(rustix::io::dup);
        let mut kept = Vec::new();
        for copy in copies {
            kept.push(copy.map_err(TerminalError::Socket)?);
        }
        kept.push(theirs);
        let (_, process) = fork_role_with(kept, run).map_err(TerminalError::Start)?;
        Ok(Keeper {
            master,
            orders: ours,
            process,
        })
    }

    /// The terminal, which it does not read until [`Keeper::resume`].
    pub(crate) fn pause(&self) -> BorrowedFd<'_> {
        let _gone = send(&self.orders, &[PAUSE], SendFlags::NOSIGNAL);
        // It has stopped reading when it says so.
        let _its_answer = read(&self.orders, &mut [0u8]);
        self.master.as_fd()
    }

    pub(crate) fn resume(&self) {
        let _gone = send(&self.orders, &[RESUME], SendFlags::NOSIGNAL);
    }

    /// Lets it take what is left, and waits for that.
    pub(crate) fn finish(self) {
        drop((self.master, self.orders));
        fumehood_sandbox::wait_for(self.process.as_fd());
    }
}

fn run(kept: Vec<OwnedFd>) -> i32 {
    set_process_name(c"fumehood-keep");
    // A terminal that hangs up, or Ctrl-C, is for the supervisor.
    let _leader_already = rustix::process::setsid();
    crate::terminal::let_go_of_all_streams();
    let Ok([master, output, orders]) = <[OwnedFd; 3]>::try_from(kept) else {
        return 125;
    };
    let own = [master.as_fd(), output.as_fd(), orders.as_fd()];
    if give_up(&own).is_err() || confine(Role::Relay, &[]).is_err() {
        return 1;
    }
    keep(&master, &output, &orders);
    // The process ends; a build with checks looks at each descriptor it drops, which is no call of this role.
    std::mem::forget((master, output, orders));
    0
}

fn keep(master: &OwnedFd, output: &OwnedFd, orders: &OwnedFd) {
    let (mut reads, mut room, mut over) = (true, KEPT, false);
    loop {
        let wanted = if reads { PollFlags::IN } else { PollFlags::empty() };
        let mut watched = vec![PollFd::from_borrowed_fd(master.as_fd(), wanted)];
        if !over {
            watched.push(PollFd::from_borrowed_fd(orders.as_fd(), PollFlags::IN));
        }
        let _interrupted = poll(&mut watched, None);
        let got: Vec<PollFlags> = watched.iter().map(PollFd::revents).collect();
        if got.get(1).is_some_and(|got| !got.is_empty()) {
            let mut order = [0u8];
            match read(orders, &mut order) {
                Ok(1) if order[0] == PAUSE => {
                    reads = false;
                    let _supervisor_gone = write(orders, &[PAUSE]);
                }
                Ok(1) => reads = true,
                // The supervisor has nothing more to say: what the terminal still holds is taken.
                _ => (over, reads) = (true, true),
            }
        }
        if reads && !got.first().is_none_or(|got| got.is_empty()) && !take(master, output, &mut room) {
            return;
        }
        if !reads && got.first().is_some_and(|got| got.contains(PollFlags::HUP)) {
            // Nobody inside has it open any more; who is attached takes what is left.
            return;
        }
    }
}

/// False when the terminal has ended.
fn take(master: &OwnedFd, output: &OwnedFd, room: &mut usize) -> bool {
    let mut bytes = [0u8; 4096];
    match read(master, &mut bytes) {
        Ok(0) => false,
        Ok(n) => {
            let fits = n.min(*room);
            *room -= fits;
            let _full = bytes.get(..fits).map(|bytes| write(output, bytes));
            true
        }
        Err(Errno::INTR | Errno::AGAIN) => true,
        Err(_) => false, // EIO: nobody has it open any more
    }
}
