//! The watcher: a process that hears of every program that is executed inside, before it is, and
//! records it.
//!
//! It is a process of its own because it reads memory of the sandbox, which is hostile; it holds the
//! filter's listener and a way to record, and decides nothing. Without it nothing is executed: the
//! kernel answers `ENOSYS`.

mod running;

use fumehood_audit::{Batch, Client, Entry, Kind, Ticket};
use fumehood_effect::Digest;
use fumehood_sandbox::{
    Became, Command, Errno, Execution, Heard, Process, Programs, Role, confine, fork_role_with, give_up,
    set_process_name,
};
use running::Running;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// A watcher that waits for its listener, or listens.
#[derive(Debug)]
pub(crate) struct Watcher {
    process: OwnedFd,
    socket: OwnedFd,
    ended: bool,
}

impl Watcher {
    /// Starts it, while the sandbox is being built. Without a client it lets everything go on unrecorded:
    /// the run says so at its end.
    pub(crate) fn start(client: Option<Client>, command: &Command) -> Result<Watcher, Errno> {
        let kind = SocketType::SEQPACKET;
        let pair = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None);
        let (ours, theirs) = pair.map_err(|e| Errno(e.raw_os_error()))?;
        let mut kept = vec![theirs];
        kept.extend(client.map(Client::into_socket));
        let (_, process) = fork_role_with(kept, |kept| run(kept, command))?;
        Ok(Watcher {
            process,
            socket: ours,
            ended: false,
        })
    }

    /// Gives it the listener.
    pub(crate) fn listen(&self, listener: &OwnedFd) -> Result<(), Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [listener.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let sent = sendmsg(
            &self.socket,
            &[IoSlice::new(b"l")],
            &mut control,
            SendFlags::NOSIGNAL,
        );
        sent.map(drop).map_err(|e| Errno(e.raw_os_error()))
    }

    /// Readable when it has ended.
    pub(crate) fn ended(&self) -> Option<BorrowedFd<'_>> {
        (!self.ended).then(|| self.process.as_fd())
    }

    /// How it ended, if otherwise than because nobody is left to hear of.
    pub(crate) fn death(&mut self) -> Option<Death> {
        let status = waitid(WaitId::PidFd(self.process.as_fd()), WaitIdOptions::EXITED);
        self.ended = true;
        let status = status.ok().flatten();
        match status.map(|s| (s.exit_status(), s.terminating_signal())) {
            Some((Some(0), _)) => None,
            Some((Some(UNCONFINED), _)) => Some(Death::Unconfined),
            Some((_, Some(libc::SIGSYS))) => Some(Death::Broke),
            _ => Some(Death::Killed),
        }
    }

    /// Waits until it has recorded what it heard: nothing is left that could execute anything. Says so where a
    /// signal had ended it before: what ran last may have ended only because nothing could be executed any more.
    pub(crate) fn finish(self) -> Option<Death> {
        let patience = Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        if self.ended {
            return None;
        }
        let mut ended = [
            PollFd::from_borrowed_fd(self.process.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN),
        ];
        let heard = poll(&mut ended, Some(&patience)).is_ok_and(|n| n > 0);
        let mut word = [0u8; 1];
        if rustix::net::recv(&self.socket, &mut word, RecvFlags::DONTWAIT)
            .is_ok_and(|got| word[..got.0] == *DONE)
        {
            return None;
        }
        if !heard || !poll(&mut ended[..1], Some(&patience)).is_ok_and(|n| n > 0) {
            let _gone = rustix::process::pidfd_send_signal(&self.process, rustix::process::Signal::KILL);
            fumehood_sandbox::wait_for(self.process.as_fd());
            return None;
        }
        let status = waitid(WaitId::PidFd(self.process.as_fd()), WaitIdOptions::EXITED);
        match status.ok().flatten()?.terminating_signal()? {
            libc::SIGSYS => Some(Death::Broke),
            _ => Some(Death::Killed),
        }
    }
}

/// Why a watcher ended that should not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// From outside, or by a flaw.
    Killed,
    /// It could not give up what it does not need.
    Unconfined,
    /// Its own filter ended it.
    Broke,
}

/// The status of a watcher that could not be confined.
const UNCONFINED: i32 = 126;

/// The watcher's process.
fn run(kept: Vec<OwnedFd>, command: &Command) -> i32 {
    set_process_name(c"fumehood-execs");
    // A terminal that hangs up, or Ctrl-C, is for the supervisor.
    let _leader_already = rustix::process::setsid();
    crate::terminal::let_go_of_all_streams();
    // Before the first byte of the sandbox is read.
    let open: Vec<_> = kept.iter().map(AsFd::as_fd).collect();
    if give_up(&open).is_err() || confine(Role::Watcher, &[]).is_err() {
        return UNCONFINED;
    }
    let mut kept = kept.into_iter();
    let Some(socket) = kept.next() else { return 125 };
    let client = kept.next().and_then(|socket| Client::from_socket(socket).ok());
    let Some(listener) = receive(&socket) else {
        // The sandbox was not built.
        return 0;
    };
    let status = listen(&Programs::new(listener), client.as_ref(), command);
    if status == 0 {
        let _gone = rustix::net::send(&socket, DONE, SendFlags::NOSIGNAL);
    }
    status
}

/// Its last word: what it heard is with the writer. Taking down its memory is not waited for.
const DONE: &[u8] = b"d";

/// How long what was heard waits for more, milliseconds: the writer is woken once for many, who looks for a program on a
/// search path tries one path after the other, and most programs are over by then.
const MORE: i32 = 20;
/// How much waits at most.
const WAITING: usize = 64;
/// How much of that goes on waiting, when the rest is recorded: the last ones have only begun.
const YOUNGEST: usize = 16;

/// What was heard, and who records it.
struct Listening<'a> {
    client: Option<&'a Client>,
    heard: Vec<(Execution, Entry)>,
    running: Running,
    /// A program ended: that is looked at with what comes meanwhile.
    ended: bool,
}

/// Of the attempts of one process to execute the same, the last is recorded.
fn listen(programs: &Programs, client: Option<&Client>, command: &Command) -> i32 {
    let mut first = Some(command);
    let mut all = Listening {
        client,
        heard: Vec::with_capacity(WAITING),
        running: Running::default(),
        ended: false,
    };
    loop {
        let quiet = all.heard.is_empty() && !all.ended;
        let heard = if quiet {
            programs.next(-1, &all.running.descriptors())
        } else {
            programs.next(MORE, &[])
        };
        match heard {
            Ok(Heard::Execution(next)) => {
                all.hear(*next, first.take());
                if all.heard.len() == WAITING {
                    all.record(WAITING - YOUNGEST);
                }
            }
            Ok(Heard::Ended) => all.ended = true,
            Ok(Heard::Nothing) => all.record(WAITING),
            Ok(Heard::Over) => {
                let last = all.heard.iter().filter_map(|(last, _)| last.process.as_ref());
                all.running.await_end(last);
                all.record(WAITING);
                return 0;
            }
            Err(_) => return 125,
        }
    }
}

impl Listening<'_> {
    /// The first is a fork of the supervisor, whose memory and directory nobody may read.
    fn hear(&mut self, mut next: Execution, first: Option<&Command>) {
        if let Some(first) = first.filter(|_| next.arguments.is_empty()) {
            let words = first.arguments.iter().map(|word| word.to_bytes_with_nul());
            (next.arguments, next.cut) = (words.collect::<Vec<_>>().concat(), false);
        }
        let mut before = self.heard.iter_mut().rev().map(|(before, _)| before);
        match before.find(|before| before.pid == next.pid) {
            Some(before) if before.arguments == next.arguments => before.path = next.path,
            _ => {
                let entry = entry(&next, first);
                self.heard.push((next, entry));
            }
        }
    }

    /// Records what was heard first, up to so much, and what ended. Where the writer is gone the run goes on, and says so
    /// at its end.
    fn record(&mut self, most: usize) {
        let Some(client) = self.client else {
            self.heard.clear();
            return;
        };
        let count = most.min(self.heard.len());
        let batch: Vec<(Execution, Entry)> = self.heard.drain(..count).collect();
        let mut later: Vec<i32> = batch.iter().map(|(execution, _)| execution.pid).collect();
        later.extend(self.heard.iter().map(|(execution, _)| execution.pid));
        let mut over = Vec::new();
        let mut together = client.batch();
        for (at, (execution, mut entry)) in batch.into_iter().enumerate() {
            let pid = execution.pid;
            if let Some((exec, became)) = self.running.take_other(pid, execution.process.as_ref())
                && !over.contains(&pid)
            {
                exit(&mut together, pid, exec, became);
            }
            over.retain(|gone| *gone != pid);
            // Where the same process executes something else afterwards, its end is that one's.
            let last = !later.iter().skip(at + 1).any(|other| *other == pid);
            let process = execution.process;
            let became = process
                .as_ref()
                .filter(|_| last)
                .map_or(Became::Running, Process::became);
            entry = ended(entry.bytes("path", &execution.path), became);
            let parent = execution.parent.and_then(|parent| self.running.exec(parent));
            let recorded = together.add(entry.caused_by(parent.unwrap_or(Ticket::START)));
            if let (Ok(exec), Some(process)) = (recorded, process) {
                // Also of one that is over: its children, which were heard of later, name it.
                self.running.keep(pid, process, exec);
                over.extend((became != Became::Running).then_some(pid));
            }
        }
        over.into_iter().for_each(|pid| self.running.forget(pid));
        for (pid, exec, became) in self.running.take_all_ended() {
            exit(&mut together, pid, exec, became);
        }
        let _said_at_the_end = together.send();
        self.ended = false;
    }
}

/// The end of a program whose execution was recorded before.
fn exit(together: &mut Batch<'_>, pid: i32, exec: Ticket, became: Became) {
    if matches!(became, Became::Exited(_) | Became::Killed(_)) {
        let entry = Entry::new(Kind::ProgramExit)
            .caused_by(exec)
            .number("pid", u64::try_from(pid).unwrap_or_default());
        let _said_at_the_end = together.add(ended(entry, became));
    }
}

fn ended(entry: Entry, became: Became) -> Entry {
    match became {
        Became::Exited(status) => entry.number("status", status.into()),
        Became::Killed(signal) => entry.number("signal", signal.into()),
        Became::Running | Became::Gone => entry,
    }
}

fn receive(socket: &OwnedFd) -> Option<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0u8];
    loop {
        let into = &mut [IoSliceMut::new(&mut byte)];
        match recvmsg(socket, into, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
            Ok(_) => break,
        }
    }
    control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    })
}

/// The longest line that is recorded as it is.
const SHOWN: usize = 2048;

fn entry(execution: &Execution, first: Option<&Command>) -> Entry {
    let arguments = &execution.arguments;
    let shown = arguments.get(..SHOWN).unwrap_or(arguments);
    let mut entry = Entry::new(Kind::ProgramExec)
        .number("pid", u64::try_from(execution.pid).unwrap_or_default())
        .bytes("argv", shown);
    let told = execution.parent.and_then(|parent| u64::try_from(parent).ok());
    if let Some(parent) = told.or_else(|| parent(execution.pid)) {
        entry = entry.number("parent", parent);
    }
    if let Some(first) = first {
        entry = entry.bytes("directory", first.directory.to_bytes());
    } else if let Some(directory) = &execution.directory {
        entry = entry.bytes("directory", directory.as_os_str().as_bytes());
    }
    if execution.cut || shown.len() < arguments.len() {
        let whole = Digest::of(arguments);
        entry = entry.flag("cut", true).digest("argv.digest", whole);
    }
    entry
}

/// The parent where the kernel did not tell it, from `/proc/PID/stat`: the second word after the name, which ends with the last `)`.
fn parent(pid: i32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let after = stat.iter().rposition(|b| *b == b')')? + 1;
    let text = std::str::from_utf8(stat.get(after..)?).ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}
