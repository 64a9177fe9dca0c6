//! The supervisor: starts the sandbox, forwards signals, keeps the time, and says how it ended.

use fumehood_sandbox::{Errno, Event, Plan, PlanError, Sandbox, Signals, Spec, StartError, raise_stop};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// One run.
#[derive(Debug)]
pub struct Run {
    /// What the sandbox is.
    pub spec: Spec,
    /// How long it may take.
    pub timeout: Option<Duration>,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The command ended with this status.
    Exited(i32),
    /// A signal ended the command.
    Killed(i32),
    /// The time limit ended it.
    TimedOut,
    /// The program could not be executed.
    NotExecuted(Errno),
}

/// Why a run did not take place.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The sandbox's description does not hold together.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The sandbox could not be built.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Signals could not be set up.
    #[error("set up signals: {0}")]
    Signals(#[source] Errno),
    /// The first process was killed from outside, or its kernel failed it.
    #[error("the sandbox's first process was killed from outside")]
    Lost,
}

/// Signals that are passed on to the command.
const FORWARDED: [i32; 6] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];

/// Runs to the end. When this returns, nothing of the sandbox is left.
///
/// # Errors
/// The run did not take place, or its end is not known.
pub fn run(run: Run) -> Result<Outcome, RunError> {
    let mut listened = FORWARDED.to_vec();
    listened.extend([libc::SIGTSTP, libc::SIGCONT]);
    let signals = Signals::block(&listened).map_err(RunError::Signals)?;
    let plan = Plan::new(&run.spec)?;
    let deadline = run.timeout.map(|t| Instant::now() + t);
    let sandbox = Sandbox::start(plan, None, None)?;
    let outcome = Supervisor { sandbox: &sandbox, signals: &signals, deadline }.watch();
    match outcome {
        Ok(Outcome::Exited(_) | Outcome::Killed(_) | Outcome::NotExecuted(_)) => sandbox.wait(),
        _ => sandbox.kill_and_wait(),
    }
    outcome
}

struct Supervisor<'a> {
    sandbox: &'a Sandbox,
    signals: &'a Signals,
    deadline: Option<Instant>,
}

impl Supervisor<'_> {
    fn watch(&self) -> Result<Outcome, RunError> {
        loop {
            let left = match self.time_left() {
                Some(Duration::ZERO) => return Ok(Outcome::TimedOut),
                left => left,
            };
            let mut watched = [
                PollFd::from_borrowed_fd(self.sandbox.events(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
            ];
            let timeout = left.and_then(|d| Timespec::try_from(d).ok());
            let _interrupted = poll(&mut watched, timeout.as_ref());
            if !watched[1].revents().is_empty() {
                self.forward();
            }
            if !watched[0].revents().is_empty()
                && let Some(outcome) = self.event()?
            {
                return Ok(outcome);
            }
        }
    }

    fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|d| d.saturating_duration_since(Instant::now()))
    }

    fn forward(&self) {
        while let Some(signal) = self.signals.next() {
            self.sandbox.signal(signal);
            if signal == libc::SIGTSTP {
                raise_stop();
            }
        }
    }

    fn event(&self) -> Result<Option<Outcome>, RunError> {
        Ok(match self.sandbox.event() {
            Event::Exited(code) => Some(Outcome::Exited(code)),
            Event::Killed(signal) => Some(Outcome::Killed(signal)),
            Event::NotExecuted(errno) => Some(Outcome::NotExecuted(errno)),
            Event::Failed(error) => return Err(error.into()),
            Event::Lost => return Err(RunError::Lost),
            Event::Stopped(_) | Event::Terminal(_) => None,
        })
    }
}
