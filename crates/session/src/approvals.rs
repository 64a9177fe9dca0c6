//! What waits for a human, as the supervisor keeps it, and the desk at which another terminal answers.

use crate::log::Log;
use fumehood_audit::{Entry, Kind, Ticket};
use fumehood_effect::{Decision, Digest, Effect, Reason, SessionId, Tier};
use fumehood_http::Denial;
use fumehood_monitor::desk::{Client, Desk, DeskError, Heard, Peer, Reply, Said, Told};
use fumehood_monitor::hold::{
    Answered, Approver, Ask, Choice, HoldId, Holds, Permit, Proof, Recorded, Refusal, Requirement, Settings,
    Time, Verdict, Via, Waiter, Wake, Why, headline, lines,
};
use fumehood_monitor::{FlowId, Held};
use rustix::time::{ClockId, clock_gettime};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
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
    chain: Chain,
    /// What became of requests, not handed on yet.
    answers: Vec<(FlowId, Answer)>,
    /// How many records of releases are durable.
    released: u64,
}

/// What waits for a person at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waits {
    /// How many holds.
    pub(crate) count: u32,
    /// The newest: its number, and what it is about, escaped.
    pub(crate) newest: Option<(u64, String)>,
}

/// A hold about which a person is asked at their own screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Its number.
    pub(crate) id: u64,
    /// Its content.
    pub(crate) card: Digest,
    /// The whole card, escaped.
    pub(crate) lines: Vec<String>,
    /// What has to be typed to allow it, where it is grave.
    pub(crate) code: Option<String>,
}

/// What becomes of a request that was held.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is released, once; the record of it.
    Go(Option<Ticket>),
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
            chain: Chain::default(),
            answers: Vec::new(),
            released: 0,
        })
    }

    /// A request that is hard to undo: asks, and keeps its answer for [`Approvals::answers`] as soon as there is one.
    /// Where it waits, what its client may be told.
    pub(crate) fn ask(&mut self, request: FlowId, held: &Held, log: &mut Log) -> Option<String> {
        let effect = held.effect(self.holds.session());
        self.hold(
            request,
            effect,
            held.reason().clone(),
            held.requirement().clone(),
            log,
        )
    }

    /// An effect of which policy has said what is to become of it: as [`Approvals::ask`]. What flies or is denied is
    /// recorded too.
    pub(crate) fn decided(
        &mut self,
        request: FlowId,
        effect: Effect,
        (decision, requirement): (Decision, Requirement),
        log: &mut Log,
    ) -> Option<String> {
        let ask = match decision.clone() {
            Decision::Hold(reason) => return self.hold(request, effect, reason, requirement, log),
            Decision::Allow { .. } | Decision::Deny(_) => Ask {
                effect: effect.clone(),
                decision: decision.clone(),
                requirement,
                waiter: None,
                kept: false,
                words: None,
            },
        };
        let verdict = self.holds.ask(ask, self.clock.now());
        let word = if matches!(verdict, Verdict::Go(_)) {
            "allow"
        } else {
            "deny"
        };
        let record = Entry::new(Kind::Effect)
            .text("decision", word)
            .text("kind", effect.kind)
            .text("system", &effect.resource.system)
            .text("name", &effect.resource.name)
            .text("rule", decision.rule())
            .digest("effect", effect.digest());
        let ticket = log.record(record);
        let answer = match verdict {
            Verdict::Go(permit) => {
                let now = self.clock.now();
                let digest = effect.digest();
                match self
                    .holds
                    .release(permit, digest, &effect.facts, &decision, None, now)
                {
                    Ok(_) if ticket.is_none() => {
                        Answer::No(Denial::new(403, "it cannot be recorded, so it is not done"))
                    }
                    Ok(_) => Answer::Go(ticket),
                    Err(why) => Answer::No(Denial::new(403, why.to_string())),
                }
            }
            Verdict::Refuse(refusal) => Answer::No(denial(&refusal)),
            // Nothing waits that nobody waits for.
            Verdict::Wait(_) => Answer::No(Denial::new(403, "it waits for nobody".to_owned())),
        };
        self.answers.push((request, answer));
        None
    }

    fn hold(
        &mut self,
        request: FlowId,
        effect: Effect,
        reason: Reason,
        requirement: Requirement,
        log: &mut Log,
    ) -> Option<String> {
        let ask = Ask {
            effect: effect.clone(),
            decision: Decision::Hold(reason.clone()),
            requirement,
            waiter: Some(request),
            kept: false,
            words: None,
        };
        let verdict = self.holds.ask(ask, self.clock.now());
        let digest = effect.digest();
        let led = self.chain.approved(&digest).unwrap_or(Ticket::START);
        let held = log.record(asked(&effect, &reason, &verdict).caused_by(led));
        if let (Some(id), Some(held)) = (number(&verdict), held) {
            self.chain.held(id, digest, held);
        }
        match verdict {
            Verdict::Go(permit) => self.release(request, permit, (&effect, &reason), held, log),
            Verdict::Wait(id) => {
                let words = format!(
                    "waiting for approval: {}; outside the sandbox: fumehood allow {id}, or fumehood deny {id}",
                    reason.why
                );
                self.waiting.insert(request, (effect, reason));
                return Some(words);
            }
            Verdict::Refuse(refusal) => self.answers.push((request, Answer::No(denial(&refusal)))),
        }
        None
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

    /// Goes on with those who waited; `by` is the record of the answer.
    fn wake(&mut self, wakes: Vec<Wake>, by: Option<Ticket>, log: &mut Log) {
        for wake in wakes {
            match wake {
                // Of one that left meanwhile the permit is used up by nobody.
                Wake::Go(request, permit) => {
                    if let Some((effect, reason)) = self.waiting.remove(&request) {
                        self.release(request, permit, (&effect, &reason), by, log);
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
    fn release(
        &mut self,
        request: FlowId,
        permit: Permit,
        (effect, reason): (&Effect, &Reason),
        by: Option<Ticket>,
        log: &mut Log,
    ) {
        let digest = effect.digest();
        let ticket = log.record_durably(
            Entry::new(Kind::Effect)
                .text("decision", "release")
                .text("kind", effect.kind)
                .digest("effect", digest)
                .caused_by(by.unwrap_or(Ticket::START)),
        );
        self.released += u64::from(ticket.is_some());
        let recorded = ticket.map(|_| Recorded(self.released));
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
            Ok(_) => Answer::Go(ticket),
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
        self.wake(ended, None, log);
        let (told, heard) = self.desk.turn(&mut self.holds, now);
        for told in told {
            let (led, digest) = self.chain.of(&told.said);
            let by = log.record(entry(&told).caused_by(led));
            if let (Said::Allow(..), Some(digest), Some(by)) = (&told.said, digest, by) {
                self.chain.allowed(digest, by);
            }
            self.wake(told.wakes, by, log);
        }
        heard
    }

    /// Whose holds these are.
    pub(crate) const fn session(&self) -> &SessionId {
        self.holds.session()
    }

    /// Whether a person stopped the session.
    pub(crate) fn is_frozen(&self) -> bool {
        self.holds.is_frozen()
    }

    /// How much is held.
    pub(crate) fn held(&self) -> u64 {
        self.holds.cards().len() as u64
    }

    /// What a person is to be told.
    pub(crate) fn waits(&self) -> Waits {
        let cards = self.holds.cards();
        let newest = cards.iter().max_by_key(|card| card.id);
        Waits {
            count: u32::try_from(cards.len()).unwrap_or(u32::MAX),
            newest: newest.map(|card| (card.id.0, headline(card))),
        }
    }

    /// The gravest hold for which somebody waits, but for those that a person left for later.
    pub(crate) fn to_ask(&self, later: &BTreeSet<u64>) -> Option<Asked> {
        let now = self.clock.now();
        let cards = self.holds.cards();
        let waiting = cards
            .iter()
            .filter(|card| card.members.iter().any(|m| m.waiting() > 0) && !later.contains(&card.id.0));
        let card = waiting.max_by_key(|card| (card.tier(), Reverse(card.id)))?;
        let grave = card.tier() >= Tier::High;
        Some(Asked {
            id: card.id.0,
            card: card.digest(),
            lines: lines(card, now),
            code: grave.then(|| card.code().to_string()),
        })
    }

    /// A person answered at their own screen, over the program's: to this very content. False where it did nothing: the
    /// hold goes on waiting.
    pub(crate) fn answered(&mut self, asked: &Asked, allow: bool, log: &mut Log) -> bool {
        let id = HoldId(asked.id);
        let (said, choice) = if allow {
            (Said::Allow(id, asked.card), Choice::Allow { times: 1 })
        } else {
            (Said::Deny(id, asked.card), Choice::Deny(None))
        };
        let approver = Approver {
            person: format!("uid {}", crate::user_id()),
            groups: BTreeSet::new(),
            proof: Proof::Account,
            via: Via::PopUp,
        };
        let answer = fumehood_monitor::hold::Answer {
            id,
            card: asked.card,
            choice,
            approver,
        };
        let wakes = match self.holds.answer(answer, self.clock.now()) {
            Ok(Answered::Done(wakes)) => wakes,
            Ok(Answered::More(_)) => Vec::new(),
            Err(_) => return false,
        };
        let (led, digest) = self.chain.of(&said);
        let entry = about(&said)
            .text("channel", "pop-up")
            .number("woken", wakes.len() as u64);
        let by = log.record(entry.caused_by(led));
        if let (true, Some(digest), Some(by)) = (allow, digest, by) {
            self.chain.allowed(digest, by);
        }
        self.wake(wakes, by, log);
        true
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

/// Records by which later ones name what led to them: command, hold, answer, release, request.
#[derive(Debug, Default)]
struct Chain {
    /// What waits or waited, by its number.
    held: BTreeMap<u64, (Ticket, Digest)>,
    /// The answer that allowed an effect, in the order of answers.
    allowed: VecDeque<(Digest, Ticket)>,
}

/// Of how many the records are remembered.
const REMEMBERED: usize = 1024;

impl Chain {
    fn held(&mut self, id: u64, effect: Digest, record: Ticket) {
        // Asked again it has its number already; the first record of it is what was answered.
        self.held.entry(id).or_insert((record, effect));
        if self.held.len() > REMEMBERED {
            self.held.pop_first();
        }
    }

    fn allowed(&mut self, effect: Digest, answer: Ticket) {
        self.allowed.push_back((effect, answer));
        if self.allowed.len() > REMEMBERED {
            self.allowed.pop_front();
        }
    }

    /// The answer that allowed an effect last.
    fn approved(&self, effect: &Digest) -> Option<Ticket> {
        let mut newest = self.allowed.iter().rev();
        newest.find(|(digest, _)| digest == effect).map(|(_, by)| *by)
    }

    /// What was answered, and the effect that it was about.
    fn of(&self, said: &Said) -> (Ticket, Option<Digest>) {
        let held = match said {
            Said::Allow(id, _) | Said::Deny(id, _) => self.held.get(&id.0),
            Said::Freeze => None,
        };
        (
            held.map_or(Ticket::START, |(record, _)| *record),
            held.map(|(_, effect)| *effect),
        )
    }
}

/// The number under which something waits.
fn number(verdict: &Verdict) -> Option<u64> {
    match verdict {
        Verdict::Wait(id) => Some(id.0),
        Verdict::Refuse(refusal) => refusal.ticket.map(|id| id.0),
        Verdict::Go(_) => None,
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
    let entry = about(&told.said);
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
        .text(
            "channel",
            match told.via {
                Via::Page => "page",
                _ => "terminal",
            },
        )
        .number("peer.pid", number(*pid))
        .number("peer.uid", u64::from(*uid))
        .bytes("peer.program", program.as_os_str().as_bytes())
        .number("peer.terminal", u64::try_from(*terminal).unwrap_or(0))
        .number("peer.leader", number(*leader))
        .number("woken", told.wakes.len() as u64)
}

fn about(said: &Said) -> Entry {
    let entry = Entry::new(Kind::Approval);
    match said {
        Said::Allow(id, card) => entry
            .text("answer", "allow")
            .number("hold", id.0)
            .digest("card", *card),
        Said::Deny(id, card) => entry
            .text("answer", "deny")
            .number("hold", id.0)
            .digest("card", *card),
        Said::Freeze => entry.text("answer", "freeze"),
    }
}
