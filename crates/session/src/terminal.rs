//! The user's terminal, as the supervisor sees it: a relay process that connects it with the
//! sandbox's own.
//!
//! No descriptor of the user's terminal enters the sandbox. The relay is a process of its own
//! because it reads what the program prints, which is hostile; it holds no secret, and the
//! supervisor reads nothing from it but single bytes.

mod player;
mod relay;

pub use player::{Play, PlayError, play, plays_here};

use crate::approvals::{Asked, Waits};
use crate::recording::Tap;
use fumehood_sandbox::{Errno, fork_role};
use fumehood_terminal::Choice;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{Termios, isatty, tcgetattr, tcsetattr};
use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Why the terminal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// The relay could not be connected.
    #[error("make a socket for the terminal relay: {0}")]
    Socket(#[source] rustix::io::Errno),
    /// The relay could not be started.
    #[error("start the terminal relay: {0}")]
    Start(#[source] Errno),
}

/// A standard stream that would be a way out.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StreamError {
    /// A socket of the host's network.
    #[error(
        "descriptor {0} is a network socket, through which the host's network could be reached; put a pipe between (| cat)"
    )]
    Socket(usize),
    /// A folder.
    #[error("descriptor {0} is a folder of the host; use a file, a pipe or /dev/null")]
    Folder(usize),
}

/// Checks that the standard streams, which the command gets, lead nowhere they should not.
///
/// # Errors
/// One of them does.
pub fn check_streams() -> Result<(), StreamError> {
    let mut all = [stdin(), stdout(), stderr()].into_iter().enumerate();
    all.try_for_each(|(n, fd)| check_stream(n, fd))
}

pub(crate) fn check_stream(n: usize, fd: BorrowedFd<'_>) -> Result<(), StreamError> {
    use rustix::fs::FileType;
    let kind = rustix::fs::fstat(fd).map(|s| FileType::from_raw_mode(s.st_mode));
    let local = || rustix::net::getsockname(fd).is_ok_and(|a| a.address_family() == AddressFamily::UNIX);
    match kind {
        Ok(FileType::Socket) if !local() => Err(StreamError::Socket(n)),
        Ok(FileType::Directory) => Err(StreamError::Folder(n)),
        _ => Ok(()),
    }
}

/// Which of the descriptors 0, 1, 2 are terminals.
#[must_use]
pub fn terminals() -> [bool; 3] {
    [isatty(stdin()), isatty(stdout()), isatty(stderr())]
}

/// Rows and columns of a terminal inside that stands for the user's.
pub(crate) fn size_inside() -> (u16, u16) {
    let size = relay::size_inside();
    (size.ws_row, size.ws_col)
}

/// Gives a terminal of the sandbox the size that the user's has, or the usual one.
pub(crate) fn give_size(master: &OwnedFd) {
    relay::give_size(master);
}

/// The supervisor keeps no copy of streams that belong to the command, except standard error, which
/// it needs for its last words: a reader sees the end when the command has closed it.
pub(crate) fn let_go_of_streams() {
    if let Ok(null) = null() {
        let _keeps = rustix::stdio::dup2_stdin(&null);
        let _keeps = rustix::stdio::dup2_stdout(&null);
    }
}

/// The standard streams are not this process's: they lead nowhere from now on.
pub fn let_go_of_all_streams() {
    let_go_of_streams();
    if let Ok(null) = null() {
        let _keeps = rustix::stdio::dup2_stderr(&null);
    }
}

fn null() -> std::io::Result<std::fs::File> {
    std::fs::File::options().read(true).write(true).open("/dev/null")
}

/// Orders to the relay, a byte each; it answers `Suspend` with the same byte.
const SUSPEND: u8 = b's';
const RESUME: u8 = b'r';
const FINISH: u8 = b'f';
/// With four bytes more, the lowest first: so many changes wait.
const WAITS: u8 = b'w';
/// With four bytes more, the lowest first, and words: so many holds wait, and the newest is about this.
const HOLDS: u8 = b'h';
/// The longest order, bytes.
const MAX_ORDER: usize = 16 << 10;
/// With eight bytes of a number, the lowest first, four of a code (zeros: none) and lines: asks over the screen.
const ASK: u8 = b'a';
/// Asks nothing any more.
const WITHDRAW: u8 = b'x';
const NOTICE: u8 = b'n';
/// Bytes of the number and the code.
const ASKED: usize = 12;
/// The relay's last word: the terminal is as it was found.
const GIVEN_BACK: u8 = b'g';

/// The relay's word where it could not be confined.
const UNCONFINED: u8 = b'u';

fn packets() -> Result<(OwnedFd, OwnedFd), TerminalError> {
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(TerminalError::Socket)
}

/// Why a relay ended that should not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It could not give up what it does not need.
    Unconfined,
    /// Its filter ended it.
    Broke,
    /// Somebody else did.
    Killed,
}

/// The relay, running.
#[derive(Debug)]
pub(crate) struct Terminal {
    process: OwnedFd,
    orders: OwnedFd,
    /// What a person chose where something was asked.
    answers: OwnedFd,
    /// How the terminal was found, should the relay die without putting it back.
    found: Option<Termios>,
}

impl Terminal {
    /// Starts the relay for the sandbox's terminal; what is printed there is handed on to a recorder, if there is one.
    pub(crate) fn start(master: OwnedFd, title: String, tap: Option<Tap>) -> Result<Terminal, TerminalError> {
        Terminal::begin(master, title, tap, false)
    }

    /// As [`Terminal::start`], for a terminal that goes on when the person leaves, with Ctrl-\.
    pub(crate) fn attach(master: OwnedFd, title: String) -> Result<Terminal, TerminalError> {
        Terminal::begin(master, title, None, true)
    }

    fn begin(
        master: OwnedFd,
        title: String,
        tap: Option<Tap>,
        leaves: bool,
    ) -> Result<Terminal, TerminalError> {
        relay::give_size(&master);
        // A shared terminal is not ours to change: `less` at the end of a pipe may be doing just that.
        let found = if relay::takes_terminal() {
            tcgetattr(stdin()).ok()
        } else {
            None
        };
        let (ours, theirs) = packets()?;
        let (answers, said) = packets()?;
        let kept = RefCell::new(Some((ours, answers)));
        let process = fork_role(|| {
            drop(kept.take());
            relay::run((master, tap), (theirs, said), &title, leaves)
        })
        .map_err(TerminalError::Start)?;
        let (orders, answers) = kept
            .into_inner()
            .ok_or(TerminalError::Start(Errno(libc::EBADF)))?;
        Ok(Terminal {
            process,
            orders,
            answers,
            found,
        })
    }

    /// Gives the terminal back until [`Terminal::resume`].
    pub(crate) fn suspend(&self) {
        self.order(SUSPEND);
        let _its_answer = rustix::io::read(&self.orders, &mut [0u8]);
    }

    /// Takes the terminal again.
    pub(crate) fn resume(&self) {
        self.order(RESUME);
    }

    /// Shows in the status row how much waits for a person.
    pub(crate) fn waits(&self, count: u32) {
        let [a, b, c, d] = count.to_le_bytes();
        let _relay_gone = rustix::net::send(
            &self.orders,
            &[WAITS, a, b, c, d],
            rustix::net::SendFlags::NOSIGNAL,
        );
    }

    /// Whether there is a row of our own.
    pub(crate) fn has_status_row(&self) -> bool {
        relay::takes_terminal()
    }

    /// Asks a person about a hold, over the program's screen.
    pub(crate) fn ask(&self, asked: &Asked) {
        let mut order = vec![ASK];
        order.extend(asked.id.to_le_bytes());
        let code = asked
            .code
            .as_deref()
            .and_then(|code| code.as_bytes().try_into().ok());
        order.extend(code.unwrap_or([0_u8; 4]));
        order.extend(asked.lines.join("\n").bytes());
        order.truncate(MAX_ORDER);
        let _relay_gone = rustix::net::send(&self.orders, &order, rustix::net::SendFlags::NOSIGNAL);
    }

    /// Asks nothing any more.
    pub(crate) fn withdraw(&self) {
        self.order(WITHDRAW);
    }

    /// Readable when a person chose something.
    pub(crate) fn answered(&self) -> BorrowedFd<'_> {
        self.answers.as_fd()
    }

    /// What was chosen, about which hold.
    pub(crate) fn answer(&self) -> Option<(u64, Choice)> {
        let mut packet = [0u8; 9];
        let flags = rustix::net::RecvFlags::DONTWAIT;
        let (Ok((9, _)), [choice, id @ ..]) = (rustix::net::recv(&self.answers, &mut packet, flags), packet)
        else {
            return None;
        };
        let choice = match choice {
            b'a' => Choice::Allow,
            b'd' => Choice::Deny,
            _ => Choice::Later,
        };
        Some((u64::from_le_bytes(id), choice))
    }

    /// Shows in the status row what is held, with how to answer, and rings where there is something new.
    pub(crate) fn holds(&self, waits: &Waits) {
        let mut order = vec![HOLDS];
        order.extend(waits.count.to_le_bytes());
        if let Some((id, what)) = &waits.newest {
            let words: String = format!("fumehood allow {id}: {what}").chars().take(200).collect();
            order.extend(words.as_bytes());
        }
        let _relay_gone = rustix::net::send(&self.orders, &order, rustix::net::SendFlags::NOSIGNAL);
    }

    /// Shows a sentence in the status row.
    pub(crate) fn notice(&self, words: &str) {
        let mut order = vec![NOTICE];
        order.extend(words.chars().take(200).collect::<String>().into_bytes());
        let _relay_gone = rustix::net::send(&self.orders, &order, rustix::net::SendFlags::NOSIGNAL);
    }

    fn order(&self, order: u8) {
        let _relay_gone = rustix::net::send(&self.orders, &[order], rustix::net::SendFlags::NOSIGNAL);
    }

    /// Readable when the relay has ended.
    pub(crate) fn ended(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }

    /// After it has ended: whether the person left.
    pub(crate) fn was_left(&self) -> bool {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        // It is reaped later.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::PidFd(self.process.as_fd()), options)
            .ok()
            .flatten();
        status.and_then(|s| s.exit_status()) == Some(relay::LEFT)
    }

    /// After it has ended.
    pub(crate) fn why_ended(&self) -> Ended {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let mut word = [0u8];
        let flags = rustix::net::RecvFlags::DONTWAIT | rustix::net::RecvFlags::PEEK;
        let said = rustix::net::recv(&self.orders, &mut word, flags).is_ok();
        // It is reaped later.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::PidFd(self.process.as_fd()), options)
            .ok()
            .flatten();
        match status.and_then(|s| s.terminating_signal()) {
            _ if said && word[0] == UNCONFINED => Ended::Unconfined,
            Some(libc::SIGSYS) => Ended::Broke,
            _ => Ended::Killed,
        }
    }

    /// Lets the relay show what is left and give the terminal back; waits for that.
    pub(crate) fn finish(self) {
        self.order(FINISH);
        // The user's terminal may be stopped (Ctrl-S, a stalled line): the run ends all the same.
        let patience = Timespec {
            tv_sec: 2,
            tv_nsec: 0,
        };
        let mut ended = [PollFd::from_borrowed_fd(self.process.as_fd(), PollFlags::IN)];
        if !poll(&mut ended, Some(&patience)).is_ok_and(|n| n > 0) {
            let _gone = rustix::process::pidfd_send_signal(&self.process, rustix::process::Signal::KILL);
        }
        fumehood_sandbox::wait_for(self.process.as_fd());
        let mut word = [0u8];
        if rustix::io::read(&self.orders, &mut word) != Ok(1) || word[0] != GIVEN_BACK {
            relay::restore_for_the_dead();
        }
        // A run that ends in the background leaves the terminal to whoever has it.
        let behind = fumehood_sandbox::in_background(stdin());
        if let Some(found) = self.found.as_ref().filter(|_| !behind) {
            let _gone = tcsetattr(stdin(), rustix::termios::OptionalActions::Drain, found);
        }
    }
}
