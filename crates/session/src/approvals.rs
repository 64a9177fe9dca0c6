//! What waits for a human, as the supervisor keeps it, and the desk at which another terminal answers.

use crate::log::Log;
use fumehood_audit::{Entry, Kind};
use fumehood_effect::SessionId;
use fumehood_monitor::desk::{Client, Desk, DeskError, Heard, Peer, Reply, Said, Told};
use fumehood_monitor::hold::{Holds, Settings, Time};
use rustix::time::{ClockId, clock_gettime};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How a session's holds are answered.
#[derive(Clone, Debug)]
pub struct Asking {
    /// The folder of the account's desks.
    pub folder: PathBuf,
    /// How long things wait, and whether they do.
    pub settings: Settings,
}

/// Why holds could not be answered: the run does not start.
#[derive(Debug, thiserror::Error)]
pub enum AskingError {
    /// No desk.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The session's name.
    #[error("the session's name: {0}")]
    Name(#[from] fumehood_effect::InvalidSession),
    /// No random numbers.
    #[error("random numbers: {0}")]
    Random(#[source] rustix::io::Errno),
}

/// Wall time once, then a clock that nobody sets.
#[derive(Clone, Copy, Debug)]
struct Clock {
    wall: Duration,
    boot: Duration,
}

impl Clock {
    fn start() -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { wall, boot: boot() }
    }

    fn now(self) -> Time {
        let since = boot().saturating_sub(self.boot);
        let now = self.wall.saturating_add(since).as_millis();
        Time(u64::try_from(now).unwrap_or(u64::MAX))
    }
}

fn boot() -> Duration {
    clock_gettime(ClockId::Boottime).try_into().unwrap_or_default()
}

/// The holds of a session, and its desk.
#[derive(Debug)]
pub(crate) struct Approvals {
    holds: Holds,
    desk: Desk,
    clock: Clock,
}

impl Approvals {
    /// Opens the desk. Call it when the sandbox's first process exists: it must not have the socket.
    pub(crate) fn open(asking: &Asking, session: &str) -> Result<Approvals, AskingError> {
        let session: SessionId = session.parse()?;
        let mut salt = [0; 32];
        let flags = rustix::rand::GetRandomFlags::empty();
        rustix::rand::getrandom(&mut salt, flags).map_err(AskingError::Random)?;
        let account = format!("uid {}", crate::user_id());
        Ok(Approvals {
            desk: Desk::open(&asking.folder, &session, &account)?,
            holds: Holds::new(session, &account, salt, asking.settings),
            clock: Clock::start(),
        })
    }

    /// What to wait for.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.desk.descriptors()
    }

    /// Milliseconds until [`Approvals::turn`] has something to do by itself.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let now = self.clock.now();
        self.holds.next().map(|at| Duration::from_millis(now.until(at)))
    }

    /// Hears who comes, and ends what has waited long enough. What the session itself was asked.
    pub(crate) fn turn(&mut self, log: &mut Log) -> Vec<Heard> {
        let now = self.clock.now();
        let _waiters = self.holds.tick(now);
        let (told, heard) = self.desk.turn(&mut self.holds, now);
        for told in told {
            log.record(entry(&told));
        }
        heard
    }

    /// Whether a person stopped the session.
    pub(crate) fn is_frozen(&self) -> bool {
        self.holds.is_frozen()
    }

    /// How much is held.
    pub(crate) fn held(&self) -> u64 {
        self.holds.cards().len() as u64
    }

    /// Answers what the session was asked.
    pub(crate) fn answer_to(&self, client: Client, reply: &Reply, fd: Option<BorrowedFd<'_>>) {
        self.desk.answer_to(client, reply, fd);
    }
}

/// An answer as it is recorded: which content, by which process at which terminal.
fn entry(told: &Told) -> Entry {
    let entry = Entry::new(Kind::Approval);
    let entry = match &told.said {
        Said::Allow(id, card) => entry
            .text("answer", "allow")
            .number("hold", id.0)
            .digest("card", *card),
        Said::Deny(id, card) => entry
            .text("answer", "deny")
            .number("hold", id.0)
            .digest("card", *card),
        Said::Freeze => entry.text("answer", "freeze"),
    };
    let Peer {
        pid,
        uid,
        program,
        terminal,
        leader,
    } = &told.peer;
    let number = |n: i32| u64::try_from(n).unwrap_or(0);
    let program = program.as_deref().unwrap_or(Path::new(""));
    entry
        .text("channel", "terminal")
        .number("peer.pid", number(*pid))
        .number("peer.uid", u64::from(*uid))
        .bytes("peer.program", program.as_os_str().as_bytes())
        .number("peer.terminal", u64::try_from(*terminal).unwrap_or(0))
        .number("peer.leader", number(*leader))
        .number("woken", told.wakes.len() as u64)
}
