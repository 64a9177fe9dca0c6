//! Who holds a terminal that nobody looks at: a process that takes what the program prints, so that it is
//! not stopped, and keeps it in a file. While somebody is attached it does not read.
//!
//! It reads hostile bytes and understands none: what shows them makes them safe.

use crate::recording::Tap;
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
    /// The recording, where there is one.
    tap: Option<Tap>,
}

impl Keeper {
    /// Starts it; `output` is where it writes, the tap where what is printed is recorded.
    pub(crate) fn start(
        master: OwnedFd,
        output: &OwnedFd,
        tap: Option<Tap>,
    ) -> Result<Keeper, TerminalError> {
        let flags = SocketFlags::CLOEXEC;
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (ours, theirs) = pair.map_err(TerminalError::Socket)?;
        let copies = [master.as_fd(), output.as_fd()].map(rustix::io::dup);
        let mut kept = Vec::new();
        for copy in copies {
            kept.push(copy.map_err(TerminalError::Socket)?);
        }
        kept.push(theirs);
        if let Some(tap) = &tap {
            kept.push(rustix::io::dup(tap).map_err(TerminalError::Socket)?);
        }
        let (_, process) = fork_role_with(kept, run).map_err(TerminalError::Start)?;
        Ok(Keeper {
            master,
            orders: ours,
            process,
            tap,
        })
    }

    /// The terminal, which it does not read until [`Keeper::resume`].
    pub(crate) fn pause(&self) -> BorrowedFd<'_> {
        let _gone = send(&self.orders, &[PAUSE], SendFlags::NOSIGNAL);
        // It has stopped reading when it says so.
        let _its_answer = read(&self.orders, &mut [0u8]);
        self.mark("fumehood: a terminal is attached: what it shows is not recorded");
        self.master.as_fd()
    }

    pub(crate) fn resume(&self) {
        self.mark("fumehood: the terminal that was attached is gone");
        let _gone = send(&self.orders, &[RESUME], SendFlags::NOSIGNAL);
    }

    fn mark(&self, words: &str) {
        self.tap.iter().for_each(|tap| tap.mark(words));
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
    let mut kept = kept;
    let tap = kept.get(3).is_some().then(|| kept.pop()).flatten().map(Tap::from);
    let Ok([master, output, orders]) = <[OwnedFd; 3]>::try_from(kept) else {
        return 125;
    };
    let mut own = vec![master.as_fd(), output.as_fd(), orders.as_fd()];
    own.extend(tap.as_ref().map(AsFd::as_fd));
    if give_up(&own).is_err() || confine(Role::Relay, &[]).is_err() {
        return 1;
    }
    keep(&master, (&output, tap.as_ref()), &orders);
    // The process ends; a build with checks looks at each descriptor it drops, which is no call of this role.
    std::mem::forget((master, output, orders, tap));
    0
}

fn keep(master: &OwnedFd, output: (&OwnedFd, Option<&Tap>), orders: &OwnedFd) {
    let (mut reads, mut room, mut over) = (true, KEPT, false);
    tell_size(master, output.1);
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
                Ok(1) => {
                    tell_size(master, output.1);
                    reads = true;
                }
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

/// Who attached may have had another.
fn tell_size(master: &OwnedFd, tap: Option<&Tap>) {
    if let (Some(tap), Ok(size)) = (tap, rustix::termios::tcgetwinsize(master)) {
        tap.size(size.ws_row, size.ws_col);
    }
}

/// False when the terminal has ended.
fn take(master: &OwnedFd, (output, tap): (&OwnedFd, Option<&Tap>), room: &mut usize) -> bool {
    let mut bytes = [0u8; 4096];
    match read(master, &mut bytes) {
        Ok(0) => false,
        Ok(n) => {
            let read = bytes.get(..n).unwrap_or_default();
            tap.iter().for_each(|tap| tap.output(read));
            let fits = n.min(*room);
            *room -= fits;
            let _full = bytes.get(..fits).map(|bytes| write(output, bytes));
            true
        }
        Err(Errno::INTR | Errno::AGAIN) => true,
        Err(_) => false, // EIO: nobody has it open any more
    }
}
