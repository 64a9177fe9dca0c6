//! The supervisor: starts the sandbox, forwards signals, keeps the limits, and says how it ended.

use crate::approvals::{Answer, Approvals, Asked, Asking, AskingError, Waits};
use crate::control::{Control, Waiting};
use crate::edits::{BothSides, Edits, StartEdits, Word};
use crate::janitor::Janitor;
use crate::keeper::Keeper;
use crate::log::Log;
use crate::network::{Network, Question, Watch};
use crate::recording::{self, Recording};
use crate::stand_in::StandIn;
use crate::terminal::{self, Ended, Terminal, TerminalError};
use crate::turn::Turn;
use crate::watcher::{Death, Watcher};
use fumehood_audit::{Entry, Kind, Session, Ticket};
use fumehood_http::Denial;
use fumehood_limits::{Ceilings, Group, InForce, Limit, Limits, Struck, Watchdog, Watched, rlimits};
use fumehood_monitor::Report;
use fumehood_monitor::desk::{About, Ask, Heard};
use fumehood_policy::Escaped;
use fumehood_sandbox::{
    Errno, Event, Plan, PlanError, Sandbox, Signals, Spec, StartError, Way, become_subreaper,
    kill_descendants, raise_stop,
};
use fumehood_terminal::Choice;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// One run.
#[derive(Debug)]
pub struct Run {
    /// What the sandbox is. Its `limits` and `placed` are set here, from `limits`.
    pub spec: Spec,
    /// What it may use.
    pub limits: Limits,
    /// What it may use where no limit is set.
    pub ceilings: Ceilings,
    /// What it may reach. The specification's boundary is set here, from this.
    pub network: Network,
    /// What the status row says, already escaped.
    pub title: String,
    /// Where a person is told at once what waits for an answer, if no screen of ours shows it.
    pub tell: Option<fn(&str)>,
    /// Whether the standard streams are the command's alone from now on.
    pub gives_streams: bool,
    /// Folders of the host whose growth counts against the disk limit.
    pub written: Vec<PathBuf>,
    /// Where the process that applies changes says what it did.
    pub turns: Option<OwnedFd>,
    /// Begins to bring the host's edits inside, once the run is not over at once.
    pub edits: Option<StartEdits>,
    /// How the run is recorded; a small job of our own is not.
    pub session: Option<Session>,
    /// Whether it does not take place, or ends, where it cannot be recorded.
    pub must_record: bool,
    /// How its holds are answered; a session that is not recorded has none.
    pub asking: Option<Asking>,
    /// What it says of itself to those who ask.
    pub about: About,
    /// How it goes on without the terminal it was started at.
    pub detached: Option<Detached>,
    /// Where what its terminal shows is recorded, if that is asked for.
    pub recording: Option<Recording>,
}

/// A run without a terminal to return to.
#[derive(Debug)]
pub struct Detached {
    /// Where it says that it has begun: a line of `k` and its name; closed then.
    pub begun: OwnedFd,
    /// Where what its terminal shows is kept, if it has one.
    pub output: OwnedFd,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
    /// A limit that is kept by the supervisor ended it.
    Limit(Limit),
    /// It could not be executed.
    NotExecuted(Errno),
    /// A person stopped it, with `fumehood freeze`.
    Frozen,
}

/// A run that took place.
#[derive(Debug)]
pub struct Outcome {
    /// How the command ended.
    pub end: End,
    /// A limit that the kernel enforced meanwhile.
    pub struck: Option<Struck>,
    /// What held each limit.
    pub in_force: InForce,
    /// Its log, for what happens at its end.
    pub log: Log,
    /// What its network did, and how connections reached the boundary, if it had one.
    pub network: Option<(Report, Option<Way>)>,
    /// Who waits for its end.
    pub waiting: Waiting,
    /// What became of the recording of its terminal, where there was one.
    pub recording: Option<recording::Outcome>,
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
    /// A limit cannot be held here.
    #[error(transparent)]
    Limits(#[from] fumehood_limits::Error),
    /// The user's terminal.
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    /// Signals could not be set up.
    #[error("set up signals: {0}")]
    Signals(#[source] Errno),
    /// A helper process could not be made.
    #[error("start the janitor: {0}")]
    Janitor(#[source] Errno),
    /// A helper process could not give up what it does not need.
    #[error("the janitor could not be confined")]
    JanitorUnconfined,
    /// It cannot be recorded, and is not to run then.
    #[error("{0}: the run cannot be recorded, and `audit.fail_closed` forbids it then")]
    NotRecorded(String),
    /// Nobody could answer what is held.
    #[error("approvals: {0}")]
    Asking(#[from] AskingError),
    /// The first process was killed from outside, or its kernel failed it.
    #[error("the sandbox's first process was killed from outside")]
    Lost,
    /// The process that hears of programs could not be made.
    #[error("start the watcher of programs: {0}")]
    Watcher(#[source] Errno),
    /// The process that hears of programs was killed from outside; without it none can be executed.
    #[error("the watcher of programs was killed from outside")]
    WatcherLost,
    /// A helper process could not give up what it does not need.
    #[error("the watcher of programs could not be confined")]
    WatcherUnconfined,
    /// The watcher was ended by its own filter.
    #[error(
        "the watcher of programs made a system call that it never makes, and was ended: a program's arguments may have \
         taken it over, or it has a flaw"
    )]
    WatcherBroke,
    /// The terminal relay was killed from outside; the sandbox went with it.
    #[error("the terminal relay was killed from outside")]
    RelayLost,
    /// A helper process could not give up what it does not need.
    #[error("the terminal relay could not be confined")]
    RelayUnconfined,
    /// The relay was ended by its own filter.
    #[error(
        "the terminal relay made a system call that it never makes, and was ended: what the program printed may have \
         taken it over, or it has a flaw"
    )]
    RelayBroke,
}

impl From<Death> for RunError {
    fn from(death: Death) -> RunError {
        match death {
            Death::Killed => RunError::WatcherLost,
            Death::Unconfined => RunError::WatcherUnconfined,
            Death::Broke => RunError::WatcherBroke,
        }
    }
}

/// Signals that are passed on to the command.
const FORWARDED: [i32; 6] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
];

/// Runs to the end. When this returns, nothing of the sandbox is left.
///
/// # Errors
/// The run did not take place, or its end is not known.
pub fn run(mut run: Run) -> Result<Outcome, RunError> {
    let signals = block_signals()?;
    if run.limits.set().next().is_some() {
        // What a supervisor and its janitor, both killed, left behind.
        let _none_or_later = fumehood_limits::sweep_stale();
    }
    let group = Group::create(&run.limits, "run")?;
    let in_force = group.in_force().clone();
    let paths = group.janitor_paths();
    let grouped = paths.iter().next().is_some();
    let janitor = if grouped {
        Some(Janitor::start(paths).map_err(RunError::Janitor)?)
    } else {
        None
    };
    if !janitor.as_ref().is_none_or(Janitor::is_confined) {
        return Err(RunError::JanitorUnconfined);
    }
    run.spec.placed = grouped;
    run.ceilings = run.ceilings.beside(&run.limits);
    run.spec.boundary = run.network.boundary();
    let session = run.session.as_ref().and_then(|s| s.id.as_str().parse().ok());
    let mut network = run
        .spec
        .boundary
        .is_some()
        .then(|| Watch::new(std::mem::take(&mut run.network), session));
    run.spec.watched = run.session.is_some();
    run.spec.limits = rlimits::rlimits(&run.limits, &in_force)
        .into_iter()
        .chain(run.ceilings.rlimit())
        .map(|l| l.within_current())
        .map(|l| (l.resource.raw(), l.value))
        .collect();
    if let Some(session) = &mut run.session {
        session.start = session.start.clone().text("enforced", &in_force);
    }
    let mut log = Log::default();
    let mut waiting = Waiting::default();
    let mut recorded = None;
    let ended = supervise(
        &mut run,
        &signals,
        &group,
        &in_force,
        &mut log,
        &mut network,
        (&mut waiting, &mut recorded),
    );
    let network = network.map(|watch| {
        let way = watch.way();
        (watch.finish(&mut log), way)
    });
    let struck = group.struck();
    if let (Some(struck), true) = (struck, ended.is_ok()) {
        log.record(Entry::new(Kind::LimitStruck).text("limit", struck.limit));
    }
    drop(group);
    if let Some(janitor) = janitor {
        janitor.dismiss();
    }
    let ended = match (ended, struck) {
        // A limit too low for the first process itself.
        (Err(RunError::Lost), Some(struck)) => Ok(End::Limit(struck.limit)),
        (ended, _) => ended,
    };
    let end = ended.inspect_err(|error| log.broken_off(error))?;
    log.look();
    Ok(Outcome {
        end,
        struck,
        in_force,
        log,
        network,
        waiting,
        recording: recorded,
    })
}

fn block_signals() -> Result<Signals, RunError> {
    let mut listened = FORWARDED.to_vec();
    listened.extend([libc::SIGTSTP, libc::SIGCONT]);
    Signals::block(&listened).map_err(RunError::Signals)
}

fn supervise(
    run: &mut Run,
    signals: &Signals,
    group: &Group,
    in_force: &InForce,
    log: &mut Log,
    network: &mut Option<Watch>,
    (waiting, recorded): (&mut Waiting, &mut Option<recording::Outcome>),
) -> Result<End, RunError> {
    let plan = Plan::new(&run.spec)?;
    let separate = plan.has_namespaces();
    if !separate {
        become_subreaper().map_err(RunError::Signals)?;
    }
    let mut place = |pid| group.add(pid).map_err(std::io::Error::other);
    let place = if run.spec.placed {
        Some(&mut place as fumehood_sandbox::Placement<'_>)
    } else {
        None
    };
    let sandbox = Sandbox::start(plan, group.cgroup2_fd(), place)?;
    // Now, while the first process builds the walls; its socket is not in that process.
    let mut watcher = None;
    if let Some(session) = &run.session {
        *log = Log::start(session, Some(&run.spec));
        let client = log.client(&[Kind::ProgramExec, Kind::ProgramExit]).ok();
        watcher = Some(Watcher::start(client, &run.spec.command).map_err(RunError::Watcher)?);
    }
    // No program is executed before the supervisor gives the watcher its listener: until then the log has begun.
    if run.must_record && log.head().is_none() {
        sandbox.kill_and_wait();
        return Err(not_recorded(log));
    }
    // Likewise: nothing inside has the desk's socket.
    let approvals = match (&run.session, &run.asking) {
        (Some(session), Some(asking)) => Some(Approvals::open(asking, session.id.as_str())),
        _ => None,
    };
    let approvals = approvals.transpose().inspect_err(|_| sandbox.kill_and_wait())?;
    let mut supervisor = Supervisor {
        approvals,
        control: Control::new(run.about.clone(), &run.spec, separate),
        log,
        must_record: run.must_record,
        watcher,
        sandbox: &sandbox,
        signals,
        watchdog: None,
        struck: None,
        terminal: None,
        detached: run.detached.take(),
        keeper: None,
        recording: run.recording.take(),
        recorded: None,
        network,
        turns: run.turns.as_ref(),
        edits: Edits::new(run.edits.take(), sandbox.take_view()),
        title: run.title.clone(),
        tell: run.tell,
        told: Default::default(),
        asked: None,
        later: BTreeSet::new(),
    };
    let mut ended = supervisor.begin(run, in_force).and_then(|()| supervisor.watch());
    let by_itself = matches!(ended, Ok(End::Exited(_) | End::Killed(_) | End::NotExecuted(_)));
    if by_itself {
        sandbox.wait();
    } else {
        sandbox.kill_and_wait();
    }
    // It holds the overlay, which the next run mounts again.
    std::mem::take(&mut supervisor.edits).finish();
    // What it heard last is recorded before the end is.
    let lost = supervisor.watcher.take().and_then(Watcher::finish);
    if let (true, Some(death)) = (by_itself, lost) {
        ended = Err(death.into());
    }
    if !separate {
        kill_descendants(supervisor.log.writer());
    }
    *waiting = Waiting(
        supervisor
            .approvals
            .take()
            .map(|desk| (desk, supervisor.control.into_waiting())),
    );
    if let Some(keeper) = supervisor.keeper.take() {
        keeper.finish();
    }
    // After the sandbox: the relay shows what its terminal still holds, then leaves the user's as
    // it was found.
    if let Some(terminal) = supervisor.terminal {
        terminal.finish();
    }
    if let (Some(recording), Some(begun)) = (supervisor.recording, supervisor.recorded) {
        let outcome = recording.finish();
        supervisor.log.record(outcome.entry(begun));
        *recorded = Some(outcome);
    }
    ended
}

fn not_recorded(log: &Log) -> RunError {
    RunError::NotRecorded(log.failure().unwrap_or("the log's writer is gone").to_owned())
}

struct Supervisor<'a> {
    approvals: Option<Approvals>,
    control: Control,
    log: &'a mut Log,
    must_record: bool,
    watcher: Option<Watcher>,
    sandbox: &'a Sandbox,
    signals: &'a Signals,
    watchdog: Option<Watchdog>,
    /// A limit that struck while this process was stopped.
    struck: Option<Limit>,
    terminal: Option<Terminal>,
    detached: Option<Detached>,
    keeper: Option<Keeper>,
    recording: Option<Recording>,
    /// The record of its beginning.
    recorded: Option<Ticket>,
    network: &'a mut Option<Watch>,
    turns: Option<&'a OwnedFd>,
    edits: Edits,
    title: String,
    tell: Option<fn(&str)>,
    /// What was told of holds last, and the highest number of one.
    told: (Waits, u64),
    /// What is asked over the screen, and what was left for later.
    asked: Option<Asked>,
    later: BTreeSet<u64>,
}

impl Supervisor<'_> {
    fn begin(&mut self, run: &Run, in_force: &InForce) -> Result<(), RunError> {
        let watched = Watched {
            init: self.sandbox.pid(),
            private: Vec::new(),
            shared: run.written.clone(),
            ceiling: run.ceilings.memory,
        };
        self.watchdog = Watchdog::start(&run.limits, in_force, &watched, Instant::now())?;
        if run.gives_streams && !run.spec.terminal.contains(&true) {
            terminal::let_go_of_streams();
        }
        Ok(())
    }

    fn watch(&mut self) -> Result<End, RunError> {
        loop {
            let ready = self.wait();
            if let Some(limit) = self.struck.take() {
                self.log
                    .record(Entry::new(Kind::LimitStruck).text("limit", limit));
                return Ok(End::Limit(limit));
            }
            if let Some(struck) = self.watchdog.as_mut().and_then(|w| w.tick(Instant::now())) {
                self.log
                    .record(Entry::new(Kind::LimitStruck).text("limit", struck.limit));
                return Ok(End::Limit(struck.limit));
            }
            if ready.signals {
                self.forward();
            }
            if ready.events
                && let Some(end) = self.event()?
            {
                return Ok(end);
            }
            if ready.terminal {
                return Err(match self.terminal.as_ref().map(Terminal::why_ended) {
                    Some(Ended::Unconfined) => RunError::RelayUnconfined,
                    Some(Ended::Broke) => RunError::RelayBroke,
                    _ => RunError::RelayLost,
                });
            }
            if ready.answered {
                self.answered();
            }
            if ready.log {
                self.log.look();
            }
            if self.must_record && self.log.failure().is_some() {
                return Err(not_recorded(self.log));
            }
            if let Some(network) = self.network.as_mut() {
                network.expire(self.log);
            }
            if self.hear() {
                return Ok(End::Frozen);
            }
            if ready.network {
                self.network();
            }
            if ready.watcher
                && let Some(death) = self.watcher.as_mut().and_then(Watcher::death)
            {
                return Err(death.into());
            }
            if ready.turns {
                self.turn();
            }
            let word = self.edits.begin_when_due();
            self.of_edits(word);
            if ready.edits {
                let word = self.edits.heard();
                self.of_edits(word);
            }
        }
    }

    fn wait(&self) -> Ready {
        let pause = self
            .watchdog
            .as_ref()
            .map(|w| w.pause(Instant::now()))
            .filter(|p| *p < Duration::MAX);
        let asked = self.approvals.as_ref().and_then(Approvals::pause);
        let rules = self.network.as_ref().and_then(Watch::pause);
        let edits = self.edits.pause();
        let pause = pause.into_iter().chain(asked).chain(rules).chain(edits).min();
        let timeout = pause.and_then(|d| Timespec::try_from(d).ok());
        let mut watched = vec![
            PollFd::from_borrowed_fd(self.sandbox.events(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        let some = [
            self.terminal.as_ref().map(Terminal::ended),
            self.terminal.as_ref().map(Terminal::answered),
            self.log.fd(),
            self.watcher.as_ref().and_then(Watcher::ended),
        ];
        let there = some.iter().flatten();
        watched.extend(there.map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)));
        watched.extend(
            self.approvals
                .iter()
                .flat_map(Approvals::descriptors)
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
        );
        let turns = self.turns.map(|fd| {
            watched.push(PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN));
            watched.len() - 1
        });
        let edits = self.edits.words().map(|fd| {
            watched.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
            watched.len() - 1
        });
        let of_network = watched.len();
        watched.extend(self.network.iter().flat_map(Watch::watched));
        let _interrupted = poll(&mut watched, timeout.as_ref());
        let mut ready = watched.iter().map(|fd| !fd.revents().is_empty());
        let network = ready.clone().skip(of_network).any(|ready| ready);
        let is_ready = |n: Option<usize>| n.and_then(|n| ready.clone().nth(n)).unwrap_or(false);
        let (turns, edits) = (is_ready(turns), is_ready(edits));
        let mut next = || ready.next().unwrap_or(false);
        let (events, signals) = (next(), next());
        let [terminal, answered, log, watcher] = some.map(|fd| fd.is_some() && next());
        Ready {
            turns,
            edits,
            events,
            signals,
            terminal,
            answered,
            log,
            network,
            watcher,
        }
    }

    /// Hears who comes to the desk; whether the session was frozen by it.
    fn hear(&mut self) -> bool {
        let Some(desk) = self.approvals.as_mut() else {
            return false;
        };
        for heard in desk.turn(self.log) {
            let (client, reply) = match (heard, self.network.as_mut()) {
                (Heard::Ask(client, peer, Ask::Reach { host, allow, span }, _), Some(network)) => {
                    (client, network.reach((&host, allow, span), &peer, self.log))
                }
                (Heard::Ask(client, _, Ask::Ports, _), Some(network)) => (client, network.ports()),
                (Heard::Ask(client, peer, Ask::Publish(port), fd), Some(network)) => {
                    (client, network.publish(port, fd, &peer, self.log))
                }
                (heard, _) => {
                    self.control
                        .hear(heard, (desk, self.sandbox, self.keeper.as_ref()), self.log);
                    continue;
                }
            };
            desk.answer_to(client, &reply, None);
        }
        let frozen = desk.is_frozen();
        self.held();
        frozen
    }

    /// What the network asks goes to the desk, and its answers back.
    fn held(&mut self) {
        let Some(network) = self.network.as_mut() else {
            return;
        };
        for question in network.questions() {
            match (question, self.approvals.as_mut()) {
                (Question::Hold(request, held), Some(desk)) => {
                    if let Some(words) = desk.ask(request, &held, self.log) {
                        network.waiting(request, words);
                    }
                }
                (Question::Hold(request, held), None) => {
                    let why = format!("{}; nobody can be asked in this run", held.reason().why);
                    network.answer(request, Answer::No(Denial::new(403, why)), self.log);
                }
                (Question::Gone(request), Some(desk)) => desk.gone(request),
                (Question::Gone(_), None) => {}
            }
        }
        let answers = self
            .approvals
            .as_mut()
            .map(Approvals::answers)
            .unwrap_or_default();
        for (request, answer) in answers {
            network.answer(request, answer, self.log);
        }
        self.tell_holds();
    }

    /// What somebody waits for is asked over the program's own screen, one at a time.
    fn ask_over_the_screen(&mut self) {
        let Some(terminal) = self.terminal.as_ref().filter(|t| t.has_status_row()) else {
            return;
        };
        let next = self.approvals.as_ref().and_then(|desk| desk.to_ask(&self.later));
        let key = |asked: &Option<Asked>| asked.as_ref().map(|a| (a.id, a.card));
        if key(&next) == key(&self.asked) {
            return;
        }
        match &next {
            Some(asked) => terminal.ask(asked),
            None => terminal.withdraw(),
        }
        self.asked = next;
    }

    /// A person answered over the program's screen. An answer to what is not asked any more is none.
    fn answered(&mut self) {
        let Some((id, choice)) = self.terminal.as_ref().and_then(Terminal::answer) else {
            return;
        };
        let Some(asked) = self.asked.take_if(|asked| asked.id == id) else {
            return;
        };
        let decided = match (choice, self.approvals.as_mut()) {
            (Choice::Allow, Some(desk)) => desk.answered(&asked, true, self.log),
            (Choice::Deny, Some(desk)) => desk.answered(&asked, false, self.log),
            _ => false,
        };
        // What nobody may decide here is not asked again here.
        if !decided {
            self.later.insert(id);
        }
        self.held();
    }

    /// What waits is shown where the person looks: in the status row, else as a line.
    fn tell_holds(&mut self) {
        let waits = self.approvals.as_ref().map(Approvals::waits).unwrap_or_default();
        self.ask_over_the_screen();
        if waits == self.told.0 {
            return;
        }
        let shown = self.terminal.as_ref().filter(|t| t.has_status_row());
        if let Some(terminal) = shown {
            terminal.holds(&waits);
        }
        if let Some((id, what)) = &waits.newest
            && *id > self.told.1
        {
            self.told.1 = *id;
            if let (Some(tell), None) = (self.tell, shown) {
                tell(&format!(
                    "hold {id} waits: {what}; in another terminal: fumehood allow {id}, or fumehood deny {id}"
                ));
            }
        }
        self.told.0 = waits;
    }

    fn network(&mut self) {
        let log = &mut *self.log;
        let asked = self.network.as_mut().map_or(0, |network| network.ready(log));
        (0..asked).for_each(|_| self.sandbox.ask_socket());
        self.held();
    }

    /// What the process that applies says goes to the log and to the status row.
    fn turn(&mut self) {
        let mut bytes = [0; Turn::SIZE];
        if self.turns.map(|t| rustix::io::read(t, &mut bytes)) != Some(Ok(Turn::SIZE)) {
            self.turns = None; // it is gone, and what it would have applied waits
            return;
        }
        let turn = Turn::from_bytes(bytes);
        if turn.number > 0 {
            self.log.record(
                Entry::new(Kind::WorkspaceApply)
                    .number("apply", turn.number)
                    .number("paths", turn.paths.into())
                    .number("waits", turn.waits.into())
                    .text("by", "turn"),
            );
        }
        if let Some(terminal) = &self.terminal {
            terminal.waits(turn.waits);
        }
    }

    /// What host and session both changed is told at once, and what does not reach the inside.
    fn of_edits(&mut self, word: Option<Word>) {
        let words = match &word {
            None => return,
            Some(Word::Both(BothSides { path, merges })) => {
                let then = if *merges {
                    "an apply merges both"
                } else {
                    "an apply will leave it and say so"
                };
                let path = Escaped::from(&**path);
                format!("{} was changed here and inside: {then}", path.at_most(120))
            }
            Some(Word::Less(why)) => format!(
                "what you change here may not be seen inside before the next run: {}",
                Escaped::from(why.as_str()).at_most(200)
            ),
        };
        match self.terminal.as_ref().filter(|t| t.has_status_row()) {
            Some(terminal) => terminal.notice(&words),
            None => self.tell.iter().for_each(|tell| tell(&words)),
        }
        if let Some(Word::Both(BothSides { path, merges })) = word {
            let entry = Entry::new(Kind::WorkspaceBoth).flag("merges", merges);
            self.log.record(entry.bytes("path", path.as_os_str().as_bytes()));
        }
    }

    fn forward(&mut self) {
        while let Some(signal) = self.signals.next() {
            self.sandbox.signal(signal);
            match signal {
                libc::SIGTSTP => self.stop(),
                // A stopped command takes its end only when it is continued.
                libc::SIGHUP | libc::SIGTERM => self.sandbox.signal(libc::SIGCONT),
                _ => {}
            }
        }
    }

    /// Stops this process as a shell's job, and goes on when it is continued. Who keeps the limits
    /// goes on all the time; without one there is no stop.
    fn stop(&mut self) {
        let Ok(stand_in) = self
            .watchdog
            .as_mut()
            .map(|watchdog| StandIn::start(self.sandbox, watchdog))
            .transpose()
        else {
            self.sandbox.signal(libc::SIGCONT);
            return;
        };
        if let Some(terminal) = &self.terminal {
            terminal.suspend();
        }
        raise_stop();
        self.struck = stand_in.and_then(StandIn::dismiss);
        if self.struck.is_some() {
            return; // and the terminal stays with whoever has it
        }
        if let Some(terminal) = &self.terminal {
            terminal.resume();
        }
        self.sandbox.signal(libc::SIGCONT);
    }

    fn event(&mut self) -> Result<Option<End>, RunError> {
        Ok(match self.sandbox.event() {
            Event::Exited(code) => Some(End::Exited(code)),
            Event::Killed(signal) => Some(End::Killed(signal)),
            Event::NotExecuted(errno) => Some(End::NotExecuted(errno)),
            Event::Failed(error) => return Err(error.into()),
            Event::Lost => return Err(RunError::Lost),
            Event::Terminal(master) => self.connect(master)?,
            Event::Socket(socket, fd) => {
                if let Some(network) = &mut self.network {
                    network.take(socket, fd);
                }
                None
            }
            Event::Further(number, outcome) => {
                if let Some(desk) = &self.approvals {
                    self.control.over(number, outcome, desk, self.log);
                }
                None
            }
            Event::FurtherTerminal(number, master) => {
                if let Some(desk) = &self.approvals {
                    self.control.terminal(number, &master, desk);
                }
                None
            }
            Event::View(top) => {
                self.edits.take(top);
                None
            }
            Event::Listener(listener) => {
                let given = self.watcher.as_ref().map(|w| w.listen(&listener));
                given.transpose().map_err(RunError::Watcher)?;
                self.begun();
                None
            }
            Event::Stopped(_) => {
                if self.terminal.is_some() {
                    self.stop();
                }
                None
            }
        })
    }

    /// The walls are up: whoever started a run that goes on alone may go.
    fn begun(&mut self) {
        if let Some(Detached { begun, output: _ }) = self.detached.take() {
            let word = format!("k{}\n", self.log.id());
            let _nobody_waits = rustix::io::write(&begun, word.as_bytes());
        }
    }

    fn connect(&mut self, master: OwnedFd) -> Result<Option<End>, RunError> {
        let tap = self.record()?;
        if let Some(Detached { output, .. }) = &self.detached {
            terminal::give_size(&master);
            self.keeper = Some(Keeper::start(master, output, tap)?);
            self.sandbox.terminal_taken();
            return Ok(None);
        }
        self.terminal = Some(Terminal::start(master, self.title.clone(), tap)?);
        self.sandbox.terminal_taken();
        Ok(None)
    }
}

impl Supervisor<'_> {
    /// Begins the recording of the terminal, where there is to be one.
    fn record(&mut self) -> Result<Option<recording::Tap>, RunError> {
        let Some(recording) = &mut self.recording else {
            return Ok(None);
        };
        recording.ensure_started()?;
        let tap = recording.tap()?;
        self.recorded = Some(self.log.record(recording::begun()).unwrap_or(Ticket::START));
        Ok(Some(tap))
    }
}

struct Ready {
    turns: bool,
    edits: bool,
    events: bool,
    signals: bool,
    terminal: bool,
    answered: bool,
    log: bool,
    network: bool,
    watcher: bool,
}
