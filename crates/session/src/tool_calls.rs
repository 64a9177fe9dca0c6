//! Calls of tools before the monitor: each is one effect, decided by the rules, held where they say so until a person
//! has seen it, and recorded, by a session of its own that has a desk and a log but no sandbox.
//!
//! Sandboxes are made for single calls by others; what may happen at all is decided here, on one thread, so that answers
//! and records have one order.

use crate::approvals::{Answer, Approvals, Asking, AskingError};
use crate::flows::observed;
use crate::log::Log;
use fumehood_audit::{Entry, Kind, Session, Ticket};
use fumehood_effect::{Decision, Digest, Effect, EffectKind, Facts, Reason, Resource, Tier};
use fumehood_monitor::Effects;
use fumehood_monitor::desk::{About, Answer as Said, Ask, Client, Heard, Over, Reply};
use fumehood_monitor::hold::Requirement;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, kill_process};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A call that wants to happen, decoded.
#[derive(Clone, Debug)]
pub struct Called {
    /// `tool.call`, or what else it is known to do.
    pub kind: EffectKind,
    /// Whose tool, and which.
    pub resource: Resource,
    /// What a person is shown of it.
    pub facts: Facts,
    /// How grave.
    pub tier: Tier,
    /// The exact bytes that the tool would be given.
    pub content: Vec<u8>,
    /// Why it is held whatever the rules say; they can still deny it, or ask for more.
    pub held: Option<Reason>,
}

/// What a caller is told while it waits.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// A person is asked; in words.
    Waits(String),
    /// It may happen, once, now.
    Go(Leave),
    /// It does not happen; in words.
    No(String),
}

/// The record of a call that may happen: what came of it is recorded under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave(Option<Ticket>);

/// Why calls cannot be decided: then there are none.
#[derive(Debug, thiserror::Error)]
pub enum ToolCallsError {
    /// No desk.
    #[error(transparent)]
    Asking(#[from] AskingError),
    /// Nothing is recorded.
    #[error("calls cannot be recorded: {0}")]
    Log(String),
    /// No thread or no sockets.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

enum Question {
    Ask(u64, Box<Called>, Sender<Standing>),
    Gone(u64),
    Ended(Leave, Vec<(&'static str, u64)>, String, Option<Digest>),
    Over(u8),
}

/// Where calls are asked for. Dropped, the session is over.
#[derive(Debug)]
pub struct ToolCalls {
    questions: Mutex<Sender<Question>>,
    wake: UnixStream,
    numbers: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
    lost: Arc<Mutex<Option<String>>>,
}

impl ToolCalls {
    /// Begins a session of calls. A byte on `frozen` says that a person froze it: what runs is to be ended. To be called before there are threads: the log's writer is a copy of this process.
    ///
    /// # Errors
    /// It cannot be recorded, or nobody could answer.
    pub fn start(
        session: &Session,
        about: About,
        asking: &Asking,
        rules: Effects,
        frozen: UnixStream,
    ) -> Result<ToolCalls, ToolCallsError> {
        let log = Log::start(session, None);
        if let Some(why) = log.failure() {
            return Err(ToolCallsError::Log(why.to_owned()));
        }
        let approvals = Approvals::open(asking, session.id.as_str())?;
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let (questions, from) = channel();
        let lost = Arc::new(Mutex::new(None));
        let desk = Desk {
            approvals,
            log,
            about,
            rules,
            from,
            woken,
            callers: HashMap::new(),
            waiting: Vec::new(),
            lost: Arc::clone(&lost),
            frozen,
            told: false,
        };
        let thread = std::thread::Builder::new()
            .name("calls".to_owned())
            .spawn(move || desk.serve())?;
        Ok(ToolCalls {
            questions: Mutex::new(questions),
            wake,
            numbers: AtomicU64::new(1),
            thread: Mutex::new(Some(thread)),
            lost,
        })
    }

    fn say(&self, question: Question) {
        let to = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let _over = to.send(question);
        let _full_is_awake = (&self.wake).write(&[0]);
    }

    /// Asks for a call. Its number is for [`ToolCalls::gone`]; what becomes of it comes over the channel.
    #[must_use]
    pub fn ask(&self, called: Called) -> (u64, Receiver<Standing>) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (to, standing) = channel();
        self.say(Question::Ask(number, Box::new(called), to));
        (number, standing)
    }

    /// Whoever asked does not wait any more.
    pub fn gone(&self, number: u64) {
        self.say(Question::Gone(number));
    }

    /// What came of a call that was let happen: counts by name, how it ended, the digest of what it gave.
    pub fn ended(
        &self,
        leave: Leave,
        counts: Vec<(&'static str, u64)>,
        origin: &str,
        output: Option<Digest>,
    ) {
        self.say(Question::Ended(leave, counts, origin.to_owned(), output));
    }

    /// Ends the session, with this status, and waits until that is recorded. Why it is not, where it is not.
    pub fn over(&self, status: u8) -> Option<String> {
        self.say(Question::Over(status));
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _panicked = thread.map(JoinHandle::join);
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The thread that decides.
struct Desk {
    approvals: Approvals,
    log: Log,
    about: About,
    rules: Effects,
    from: Receiver<Question>,
    woken: UnixStream,
    callers: HashMap<u64, Sender<Standing>>,
    /// Who waits for the session's end.
    waiting: Vec<Client>,
    lost: Arc<Mutex<Option<String>>>,
    frozen: UnixStream,
    /// Whether that was said there.
    told: bool,
}

impl Desk {
    fn serve(mut self) {
        loop {
            self.wait();
            let mut some = [0; 256];
            let _as_many_as_there_are = self.woken.read(&mut some);
            for heard in self.approvals.turn(&mut self.log) {
                self.hear(heard);
            }
            self.answers();
            while let Ok(question) = self.from.try_recv() {
                match question {
                    Question::Over(status) => return self.over(status),
                    other => self.question(other),
                }
            }
            self.answers();
            self.log.look();
            if self.approvals.is_frozen() {
                self.refuse_all();
                if !std::mem::replace(&mut self.told, true) {
                    let _gone = self.frozen.write_all(&[0]);
                }
            }
        }
    }

    fn wait(&self) {
        let pause = self.approvals.pause().and_then(|p| Timespec::try_from(p).ok());
        let own = [Some(self.woken.as_fd()), self.log.fd()];
        let all = own.into_iter().flatten().chain(self.approvals.descriptors());
        let mut all: Vec<_> = all
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let _interrupted = poll(&mut all, pause.as_ref());
    }

    fn question(&mut self, question: Question) {
        match question {
            Question::Ask(number, called, to) => self.asked(number, *called, to),
            Question::Gone(number) => {
                self.callers.remove(&number);
                self.approvals.gone(number);
            }
            Question::Ended(leave, counts, origin, output) => {
                let mut entry = Entry::new(Kind::Effect)
                    .text("decision", "ended")
                    .text("kind", EffectKind::ToolCall)
                    .text("origin", origin);
                for (name, count) in counts {
                    entry = entry.number(name, count);
                }
                if let Some(output) = output {
                    entry = entry.digest("output", output);
                }
                self.log.record(entry.caused_by(leave.0.unwrap_or(Ticket::START)));
            }
            Question::Over(_) => {}
        }
    }

    fn asked(&mut self, number: u64, called: Called, to: Sender<Standing>) {
        if let Some(why) = self.log.failure() {
            let _gone = to.send(Standing::No(format!(
                "nothing is recorded any more, so nothing is called: {why}; start fumehood mcp again"
            )));
            return;
        }
        let decided = ruled(self.rules.decide(called.kind), called.held.clone());
        for would in self.rules.would() {
            self.log.record(observed(&would));
        }
        let effect = Effect {
            kind: called.kind,
            resource: called.resource,
            facts: called.facts,
            tier: called.tier.max(called.kind.tier()),
            content: Digest::of(&called.content),
            session: self.approvals.session().clone(),
        };
        let waits = self.approvals.decided(number, effect, decided, &mut self.log);
        if let Some(words) = waits {
            let _gone = to.send(Standing::Waits(words));
        }
        self.callers.insert(number, to);
    }

    fn answers(&mut self) {
        for (number, answer) in self.approvals.answers() {
            let Some(to) = self.callers.remove(&number) else {
                continue;
            };
            let standing = match answer {
                Answer::Go(ticket) => Standing::Go(Leave(ticket)),
                Answer::No(denial) => Standing::No(words(&denial)),
            };
            let _gone = to.send(standing);
        }
    }

    fn refuse_all(&mut self) {
        for (number, to) in std::mem::take(&mut self.callers) {
            self.approvals.gone(number);
            let _gone = to.send(Standing::No("a person froze this session".to_owned()));
        }
    }

    /// A session without a sandbox: it says what it is, and can be ended.
    fn hear(&mut self, heard: Heard) {
        let (client, ask) = match heard {
            Heard::Ask(client, _, ask, _) => (client, ask),
            Heard::Gone(client) => return self.waiting.retain(|c| *c != client),
        };
        let reply = match ask {
            Ask::About => {
                let about = About {
                    holds: self.approvals.held(),
                    waiting: self.waiting.len() as u64,
                    ..self.about.clone()
                };
                Reply::Session(Said::About(Box::new(about)))
            }
            Ask::Wait => return self.waiting.push(client),
            Ask::Signal(signal) => {
                let own = rustix::process::getpid();
                let named = if signal == libc::SIGKILL as u8 {
                    Signal::KILL
                } else {
                    Signal::TERM
                };
                let _ours = kill_process(own, named);
                Reply::Done(format!("signal {signal} was sent"))
            }
            _ => Reply::Refused("this session serves tools; it has no sandbox of its own".to_owned()),
        };
        self.approvals.answer_to(client, &reply, None);
    }

    fn over(mut self, status: u8) {
        self.refuse_all();
        self.log.record(
            Entry::new(Kind::SessionEnd)
                .number("status", status.into())
                .text("origin", "command"),
        );
        let over = Reply::Session(Said::Over(Over::Session(status, "command".to_owned())));
        for client in &self.waiting {
            self.approvals.answer_to(*client, &over, None);
        }
        let lost = self.log.failure().map(str::to_owned);
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = lost;
        self.log.end();
    }
}

/// What the rules say, and what is known of this very call.
fn ruled((decision, requirement): (Decision, Requirement), held: Option<Reason>) -> (Decision, Requirement) {
    match (decision, held) {
        (Decision::Allow { .. }, Some(reason)) => (Decision::Hold(reason), requirement),
        (Decision::Hold(rule), Some(reason)) => {
            let both = Reason {
                why: format!("{}; {}", reason.why, rule.why),
                rule: format!("{}, {}", reason.rule, rule.rule),
                remedy: rule.remedy,
            };
            (Decision::Hold(both), requirement)
        }
        (decision, _) => (decision, requirement),
    }
}

fn words(denial: &fumehood_http::Denial) -> String {
    let mut out = denial.reason.clone();
    for more in [&denial.rule, &denial.remedy] {
        if !more.is_empty() {
            out = format!("{out}; {more}");
        }
    }
    out
}
