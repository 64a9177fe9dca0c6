//! What waits for a human, as the supervisor keeps it, and the desk at which another terminal answers.

use crate::log::Log;
use fumehood_audit::{Entry, Kind};
use fumehood_effect::{Decision, Effect, Reason, SessionId};
use fumehood_http::Denial;
use fumehood_monitor::desk::{Client, Desk, DeskError, Heard, Peer, Reply, Said, Told};
use fumehood_monitor::hold::{
    Ask, Holds, Permit, Recorded, Refusal, Requirement, Settings, Time, Verdict, Waiter, Wake, Why,
};
use fumehood_monitor::{FlowId, Held};
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashMap;
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
    /// Requests that wait.
    waiting: HashMap<Waiter, (Effect, Reason)>,
    /// What became of requests, not handed on yet.
    answers: Vec<(FlowId, Answer)>,
    /// How many records of releases are durable.
    released: u64,
}

/// What becomes of a request that was held.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is released, once.
    Go,
    /// It is not sent.
    No(Denial),
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
            waiting: HashMap::new(),
            answers: Vec::new(),
            released: 0,
        })
    }

    /// A request that is hard to undo: asks, and keeps its answer for [`Approvals::answers`] as soon as there is one.
    pub(crate) fn ask(&mut self, request: FlowId, held: &Held, log: &mut Log) {
        let effect = held.effect(self.holds.session());
        let reason = held.reason().clone();
        let ask = Ask {
            effect: effect.clone(),
            decision: Decision::Hold(reason.clone()),
            requirement: Requirement::default(),
            waiter: Some(request),
            kept: false,
            words: None,
        };
        let verdict = self.holds.ask(ask, self.clock.now());
        log.record(asked(&effect, &reason, &verdict));
        match verdict {
            Verdict::Go(permit) => self.release(request, permit, &effect, &reason, log),
            Verdict::Wait(_) => drop(self.waiting.insert(request, (effect, reason))),
            Verdict::Refuse(refusal) => self.answers.push((request, Answer::No(denial(&refusal)))),
        }
    }

    /// Whoever sent this request does not wait for it any more; what is held goes on as a ticket.
    pub(crate) fn gone(&mut self, request: FlowId) {
        self.waiting.remove(&request);
        self.holds.gone(request);
    }

    /// What became of requests since this was asked last.
    pub(crate) fn answers(&mut self) -> Vec<(FlowId, Answer)> {
        std::mem::take(&mut self.answers)
    }

    fn wake(&mut self, wakes: Vec<Wake>, log: &mut Log) {
        for wake in wakes {
            match wake {
                // Of one that left meanwhile the permit is used up by nobody.
                Wake::Go(request, permit) => {
                    if let Some((effect, reason)) = self.waiting.remove(&request) {
                        self.release(request, permit, &effect, &reason, log);
                    }
                }
                Wake::Refuse(request, refusal) => {
                    self.waiting.remove(&request);
                    self.answers.push((request, Answer::No(denial(&refusal))));
                }
                // No bytes are kept for who left.
                Wake::Perform(_) | Wake::Forget(_) => {}
            }
        }
    }

    /// Right before a held request is released: that it will be is on the disk first. The head and the body that the
    /// broker is given are those that were digested, so what was shown is what was looked at anew.
    fn release(&mut self, request: FlowId, permit: Permit, effect: &Effect, reason: &Reason, log: &mut Log) {
        let digest = effect.digest();
        let recorded = log.record_durably(
            Entry::new(Kind::Effect)
                .text("decision", "release")
                .text("kind", effect.kind)
                .digest("effect", digest),
        );
        self.released += u64::from(recorded);
        let recorded = recorded.then_some(Recorded(self.released));
        let decision = Decision::Hold(reason.clone());
        let released = self.holds.release(
            permit,
            digest,
            &effect.facts,
            &decision,
            recorded,
            self.clock.now(),
        );
        let answer = match released {
            Ok(_) => Answer::Go,
            Err(why) => Answer::No(Denial::new(
                403,
                format!("allowed, and not sent all the same: {why}"),
            )),
        };
        self.answers.push((request, answer));
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
        let ended = self.holds.tick(now);
        self.wake(ended, log);
        let (told, heard) = self.desk.turn(&mut self.holds, now);
        for told in told {
            log.record(entry(&told));
            self.wake(told.wakes, log);
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

/// What a client is told, with the number that a person outside needs.
fn denial(refusal: &Refusal) -> Denial {
    let Why::Waiting(reason) = &refusal.why else {
        return Denial::new(403, refusal.to_string());
    };
    let remedy = match refusal.ticket {
        Some(id) => {
            format!("ask for `fumehood allow {id}` outside the sandbox, then send the very same again")
        }
        None => "send it again, and ask for `fumehood holds` outside the sandbox".to_owned(),
    };
    Denial {
        status: 403,
        reason: format!("held, not sent: {}", reason.why),
        rule: reason.rule.clone(),
        remedy,
    }
}

/// A question as it is recorded.
fn asked(effect: &Effect, reason: &Reason, verdict: &Verdict) -> Entry {
    let entry = Entry::new(Kind::Hold)
        .text("kind", effect.kind)
        .text("tier", effect.tier)
        .text("system", &effect.resource.system)
        .text("name", &effect.resource.name)
        .text("rule", &reason.rule)
        .digest("effect", effect.digest());
    match verdict {
        Verdict::Go(_) => entry.text("decision", "allowed before"),
        Verdict::Wait(id) => entry.text("decision", "wait").number("hold", id.0),
        Verdict::Refuse(refusal) => {
            let entry = entry.text("decision", "refuse");
            match refusal.ticket {
                Some(id) => entry.number("hold", id.0),
                None => entry,
            }
        }
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
