//! What another process of the account asks of a session that lives (docs/sessions.md), as the supervisor
//! answers it: what it is, its end, signals, and further programs in its sandbox.

use crate::approvals::Approvals;
use crate::keeper::Keeper;
use crate::log::Log;
use crate::terminal::check_stream;
use fumehood_audit::{Entry, Kind, Ticket};
use fumehood_monitor::desk::{About, Answer, Ask, Client, Heard, Over, Peer, Reply};
use fumehood_sandbox::{Launch, Outcome, Sandbox, Spec};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::termios::isatty;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

/// The most bytes of a description: as much as the first process takes.
const MAX_DESCRIPTION: u64 = 4 << 20;
/// The most programs at a time.
const MAX_PROGRAMS: usize = 64;
/// The longest command line that is recorded whole, bytes.
const RECORDED: usize = 32 << 10;

/// The session, for those who ask.
#[derive(Debug)]
pub(crate) struct Control {
    about: About,
    /// What a further program has unless it is asked for otherwise.
    environment: Vec<CString>,
    directory: CString,
    namespaces: bool,
    /// Programs that run, by the number the first process knows them by.
    programs: Vec<(i32, Client, Option<Ticket>)>,
    /// Streams that came, for the program that is asked for next.
    streams: Vec<(Client, [Option<OwnedFd>; 3])>,
    waiting: Vec<Client>,
    /// Who has the session's terminal.
    attached: Option<Client>,
    next: i32,
}

impl Control {
    pub(crate) fn new(about: About, spec: &Spec, namespaces: bool) -> Control {
        Control {
            about,
            environment: spec.command.environment.clone(),
            directory: spec.command.directory.clone(),
            namespaces,
            programs: Vec::new(),
            streams: Vec::new(),
            waiting: Vec::new(),
            attached: None,
            next: 1,
        }
    }

    /// Answers what was heard.
    pub(crate) fn hear(
        &mut self,
        heard: Heard,
        (desk, sandbox, keeper): (&Approvals, &Sandbox, Option<&Keeper>),
        log: &mut Log,
    ) {
        let (client, peer, ask, fd) = match heard {
            Heard::Ask(client, peer, ask, fd) => (client, peer, ask, fd),
            Heard::Gone(client) => return self.gone(client, sandbox, keeper),
        };
        let say = |reply: Reply| desk.answer_to(client, &reply, None);
        match ask {
            Ask::About => {
                let about = About {
                    holds: desk.held(),
                    programs: self.programs.len() as u64,
                    waiting: self.waiting.len() as u64,
                    ..self.about.clone()
                };
                say(Reply::Session(Answer::About(Box::new(about))));
            }
            Ask::Wait => self.waiting.push(client),
            Ask::Signal(signal) => {
                sandbox.signal(signal.into());
                let entry = Entry::new(Kind::SessionAsk).text("what", "signal");
                log.record(by(entry.number("signal", signal.into()), &peer));
                say(Reply::Done(format!("signal {signal} was sent")));
            }
            Ask::Attach => match (keeper, self.attached) {
                (None, _) => say(Reply::Refused(
                    "this session has no terminal to attach to: one has it that was started with -d -t"
                        .to_owned(),
                )),
                (_, Some(_)) => say(Reply::Refused(
                    "another terminal is attached to this session".to_owned(),
                )),
                (Some(keeper), None) => {
                    self.attached = Some(client);
                    self.waiting.push(client);
                    log.record(by(Entry::new(Kind::SessionAsk).text("what", "attach"), &peer));
                    let terminal = Reply::Session(Answer::Terminal);
                    desk.answer_to(client, &terminal, Some(keeper.pause()));
                }
            },
            // The supervisor's own to answer: it has the network.
            Ask::Reach { .. } => say(Reply::Refused("this session has no network to change".to_owned())),
            Ask::Ports => say(Reply::Session(Answer::Ports(Vec::new()))),
            Ask::Publish(port) => say(Reply::Refused(format!(
                "this session has no network, so nothing leads into it; begin it again with -p {port}"
            ))),
            Ask::Stream(n) => self.stream(client, n, fd),
            Ask::Exec => match self.launch(client, &peer, fd, sandbox, log) {
                Ok(()) => say(Reply::Session(Answer::Started)),
                Err(why) => say(Reply::Refused(why)),
            },
            Ask::ExecSignal(signal) => {
                for (number, ..) in self.programs.iter().filter(|(_, c, _)| *c == client) {
                    sandbox.signal_further(*number, signal.into());
                }
            }
        }
    }

    /// Who started a program is gone, so the program goes too: nothing runs that nobody knows of.
    fn gone(&mut self, client: Client, sandbox: &Sandbox, keeper: Option<&Keeper>) {
        if self.attached == Some(client) {
            self.attached = None;
            keeper.iter().for_each(|keeper| keeper.resume());
        }
        self.waiting.retain(|c| *c != client);
        self.streams.retain(|(c, _)| *c != client);
        for (number, ..) in self.programs.iter().filter(|(_, c, _)| *c == client) {
            sandbox.signal_further(*number, libc::SIGKILL);
        }
    }

    fn stream(&mut self, client: Client, n: u8, fd: Option<OwnedFd>) {
        let at = self.streams.iter().position(|(c, _)| *c == client);
        let at = at.unwrap_or_else(|| {
            self.streams.push((client, [None, None, None]));
            self.streams.len() - 1
        });
        let streams = self.streams.get_mut(at).map(|(_, streams)| streams);
        if let Some(slot) = streams.and_then(|streams| streams.get_mut(usize::from(n))) {
            *slot = fd;
        }
    }

    fn launch(
        &mut self,
        client: Client,
        peer: &Peer,
        description: Option<OwnedFd>,
        sandbox: &Sandbox,
        log: &mut Log,
    ) -> Result<(), String> {
        let at = self.streams.iter().position(|(c, _)| *c == client);
        let streams = at.map(|at| self.streams.swap_remove(at).1).unwrap_or_default();
        if self.programs.iter().any(|(_, c, _)| *c == client) {
            return Err("one program at a time on a connection".to_owned());
        }
        if self.programs.len() >= MAX_PROGRAMS {
            return Err(format!(
                "{MAX_PROGRAMS} programs run in this session already; wait until one has ended"
            ));
        }
        let wanted = description
            .and_then(read)
            .ok_or("the program's description does not read")?;
        if wanted.terminal.contains(&true) && !self.namespaces {
            return Err(
                "isolation level landlock gives a further program no terminal of its own, and yours is not shown \
                 inside; use pipes (</dev/null | cat), or start the session with isolation namespace"
                    .to_owned(),
            );
        }
        check(&wanted, &streams)?;
        let launch = self.filled(wanted);
        let bytes = launch
            .encode()
            .ok_or("its arguments and environment are too long")?;
        let memory = memory(&bytes).map_err(|errno| format!("memory for its description: {errno}"))?;
        let own = |n: usize| streams[n].as_ref().filter(|_| !launch.terminal[n]);
        let number = self.next;
        let sent = sandbox.launch(
            number,
            memory.as_fd(),
            [0, 1, 2].map(|n| own(n).map(OwnedFd::as_fd)),
        );
        sent.map_err(|errno| format!("the session's first process: {errno}"))?;
        self.next = self.next.wrapping_add(1).max(1);
        let asked = log.record(by(asked_for(number, &launch), peer));
        self.programs.push((number, client, asked));
        Ok(())
    }

    /// What was not asked for is as the session's command has it.
    fn filled(&self, wanted: Launch) -> Launch {
        let name = |variable: &CString| {
            variable
                .to_bytes()
                .split(|b| *b == b'=')
                .next()
                .map(<[u8]>::to_vec)
        };
        let given: Vec<_> = wanted.environment.iter().map(name).collect();
        let mut environment = wanted.environment;
        let others = self.environment.iter().filter(|v| !given.contains(&name(v)));
        environment.extend(others.cloned());
        let directory = match wanted.directory.to_bytes() {
            b"" => self.directory.clone(),
            path if path.starts_with(b"/") => wanted.directory.clone(),
            path => {
                let full = [self.directory.to_bytes(), b"/", path].concat();
                CString::new(full).unwrap_or_default() // both come from C strings
            }
        };
        Launch {
            environment,
            directory,
            ..wanted
        }
    }

    /// A further program's terminal goes to who asked for it.
    pub(crate) fn terminal(&self, number: i32, master: &OwnedFd, desk: &Approvals) {
        if let Some((_, client, _)) = self.programs.iter().find(|(n, ..)| *n == number) {
            desk.answer_to(*client, &Reply::Session(Answer::Terminal), Some(master.as_fd()));
        }
    }

    /// A further program is over.
    pub(crate) fn over(&mut self, number: i32, outcome: Outcome, desk: &Approvals, log: &mut Log) {
        let Some(at) = self.programs.iter().position(|(n, ..)| *n == number) else {
            return; // of one that could not be executed this is the second word
        };
        let (_, client, asked) = self.programs.swap_remove(at);
        let small = |n: i32| u8::try_from(n).unwrap_or(u8::MAX);
        let (over, entry) = (
            match outcome {
                Outcome::Exited(code) => Over::Exited(small(code)),
                Outcome::Killed(signal) => Over::Killed(small(signal)),
                Outcome::NotExecuted(errno) => Over::NotExecuted(u32::try_from(errno.0).unwrap_or(0)),
                Outcome::NoDirectory(errno) => Over::NoDirectory(u32::try_from(errno.0).unwrap_or(0)),
            },
            Entry::new(Kind::ProgramExit)
                .number("asked", u64::try_from(number).unwrap_or(0))
                .caused_by(asked.unwrap_or(Ticket::START)),
        );
        log.record(match outcome {
            Outcome::Exited(code) => entry.number("status", u64::from(small(code))),
            Outcome::Killed(signal) => entry.number("signal", u64::from(small(signal))),
            Outcome::NotExecuted(errno) | Outcome::NoDirectory(errno) => entry.text("not executed", errno),
        });
        desk.answer_to(client, &Reply::Session(Answer::Over(over)), None);
    }

    /// Who waits, for the end.
    pub(crate) fn into_waiting(self) -> Vec<Client> {
        self.waiting
    }
}

/// Bytes that nobody changes any more, read without waiting for anybody: memory that is sealed.
fn read(description: OwnedFd) -> Option<Launch> {
    let sealed = SealFlags::WRITE | SealFlags::SHRINK;
    if !fcntl_get_seals(&description).is_ok_and(|seals| seals.contains(sealed)) {
        return None;
    }
    let file = File::from(description);
    let size = file.metadata().ok()?.len();
    let mut bytes = vec![0; usize::try_from(size).ok().filter(|_| size <= MAX_DESCRIPTION)?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Launch::decode(&bytes)
}

/// Sealed memory that holds these bytes.
///
/// # Errors
/// There is none to be had.
pub(crate) fn memory(bytes: &[u8]) -> rustix::io::Result<OwnedFd> {
    let memory = memfd_create(c"fumehood", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        written += rustix::io::write(&memory, rest)?;
    }
    let all = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&memory, all)?;
    Ok(memory)
}

/// What it gets leads nowhere it should not, and is all there.
fn check(wanted: &Launch, streams: &[Option<OwnedFd>; 3]) -> Result<(), String> {
    for (n, stream) in streams.iter().enumerate() {
        let own = wanted.terminal.get(n) == Some(&true);
        match stream {
            _ if own => {}
            None => return Err(format!("stream {n} is missing")),
            Some(fd) if isatty(fd) => {
                return Err(format!("stream {n} is a terminal, which is never shown inside"));
            }
            Some(fd) => check_stream(n, fd.as_fd()).map_err(|e| e.to_string())?,
        }
    }
    Ok(())
}

fn asked_for(number: i32, launch: &Launch) -> Entry {
    let words = launch.arguments.iter().map(|word| word.as_bytes_with_nul());
    let argv = words.collect::<Vec<_>>().concat();
    Entry::new(Kind::SessionAsk)
        .text("what", "exec")
        .number("asked", u64::try_from(number).unwrap_or(0))
        .bytes("argv", argv.get(..RECORDED).unwrap_or(&argv))
        .digest("argv.digest", fumehood_effect::Digest::of(&argv))
        .bytes("directory", launch.directory.to_bytes())
}

/// By which process of the account.
pub(crate) fn by(entry: Entry, peer: &Peer) -> Entry {
    let program = peer.program.as_deref().map(|p| p.as_os_str().as_bytes());
    entry
        .caused_by(Ticket::START)
        .text("channel", "desk")
        .number("peer.pid", u64::try_from(peer.pid).unwrap_or(0))
        .number("peer.uid", u64::from(peer.uid))
        .bytes("peer.program", program.unwrap_or_default())
}

/// Those who wait for a session's end, and what tells them.
#[derive(Debug, Default)]
pub struct Waiting(pub(crate) Option<(Approvals, Vec<Client>)>);

impl Waiting {
    /// The session ended: with this exit status, for this reason.
    pub fn tell(&self, status: u8, origin: &str) {
        let over = Reply::Session(Answer::Over(Over::Session(status, origin.to_owned())));
        if let Some((desk, clients)) = &self.0 {
            clients
                .iter()
                .for_each(|client| desk.answer_to(*client, &over, None));
        }
    }
}
