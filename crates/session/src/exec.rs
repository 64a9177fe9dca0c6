//! `fumehood exec`, the side of whoever asks: hands its streams over, stands between its terminal and the
//! program's, passes signals on, and learns how it ended.

use crate::terminal::{Terminal, TerminalError, let_go_of_streams, size_inside, terminals};
use fumehood_monitor::desk::{Answer, Ask, Caller, CallerError, Over};
use fumehood_sandbox::{Errno, Launch, Signals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::{stderr, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Signals that are passed on to the program.
const FORWARDED: [u8; 6] = [1, 2, 3, 10, 12, 15]; // HUP, INT, QUIT, USR1, USR2, TERM
const KILL: u8 = 9;
/// How long a program that was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to run in a session that lives.
#[derive(Debug)]
pub struct Exec {
    /// What. Its terminal is set here, from the standard streams.
    pub launch: Launch,
    /// What the status row says, already escaped.
    pub title: String,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Its streams, none of them a terminal; this process's own otherwise.
    pub streams: Option<[OwnedFd; 3]>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Executed {
    /// As the session says.
    Over(Over),
    /// Its time was up.
    TimedOut,
}

/// Why it is not known how it ended, or why it did not begin.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The session refused, or is gone.
    #[error(transparent)]
    Session(#[from] CallerError),
    /// Signals could not be set up.
    #[error("set up signals: {0}")]
    Signals(#[source] Errno),
    /// Memory for its description.
    #[error("memory for the program's description: {0}")]
    Memory(#[source] rustix::io::Errno),
    /// More than a program may have.
    #[error("the arguments and variables are too long: at most 4 MiB and 65,536 of them")]
    TooLong,
    /// The user's terminal.
    #[error(transparent)]
    Terminal(#[from] TerminalError),
}

/// Runs it to its end.
///
/// # Errors
/// It did not begin, or the session was lost.
pub fn exec(caller: &Caller, exec: Exec) -> Result<Executed, ExecError> {
    let signals: Vec<i32> = FORWARDED.iter().map(|n| i32::from(*n)).collect();
    let signals = Signals::block(&signals).map_err(ExecError::Signals)?;
    let mut launch = exec.launch;
    let own = exec.streams.is_none();
    launch.terminal = if own { terminals() } else { [false; 3] };
    (launch.rows, launch.columns) = size_inside();
    let bytes = launch.encode().ok_or(ExecError::TooLong)?;
    let memory = crate::control::memory(&bytes).map_err(ExecError::Memory)?;
    {
        let streams = match &exec.streams {
            Some(streams) => streams.each_ref().map(AsFd::as_fd),
            None => [stdin(), stdout(), stderr()],
        };
        for (n, stream) in (0u8..).zip(streams) {
            if !launch.terminal[usize::from(n)] {
                caller.ask(Ask::Stream(n), Some(stream))?;
            }
        }
    }
    caller.ask(Ask::Exec, Some(memory.as_fd()))?;
    drop(exec.streams);
    if own && !launch.terminal.contains(&true) {
        // Whoever reads what the program writes sees its end.
        let_go_of_streams();
    }
    let mut going = Going {
        caller,
        signals,
        title: exec.title,
        terminal: None,
        until: exec.timeout.map(|timeout| Instant::now() + timeout),
        timed_out: false,
    };
    let ended = going.watch();
    if let Some(terminal) = going.terminal {
        terminal.finish();
    }
    ended
}

struct Going<'a> {
    caller: &'a Caller,
    signals: Signals,
    title: String,
    terminal: Option<Terminal>,
    until: Option<Instant>,
    timed_out: bool,
}

impl Going<'_> {
    fn watch(&mut self) -> Result<Executed, ExecError> {
        loop {
            self.wait();
            while let Some(signal) = self.signals.next() {
                let signal = u8::try_from(signal).unwrap_or(KILL);
                self.caller.ask(Ask::ExecSignal(signal), None)?;
            }
            if self.until.is_some_and(|until| until <= Instant::now()) {
                if self.timed_out {
                    return Ok(Executed::TimedOut);
                }
                self.timed_out = true;
                self.until = Some(Instant::now() + PATIENCE);
                self.caller.ask(Ask::ExecSignal(KILL), None)?;
            }
            while let Some((answer, fd)) = self.caller.answer()? {
                match (answer, fd) {
                    (Answer::Terminal, Some(master)) => {
                        self.terminal = Some(Terminal::start(master, self.title.clone(), None)?);
                    }
                    (Answer::Over(_), _) if self.timed_out => return Ok(Executed::TimedOut),
                    (Answer::Over(over), _) => return Ok(Executed::Over(over)),
                    _ => {}
                }
            }
        }
    }

    fn wait(&self) {
        let left = self
            .until
            .map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut watched = [
            PollFd::from_borrowed_fd(self.caller.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        let _interrupted = poll(&mut watched, timeout.as_ref());
    }
}
