//! Sessions that live: found by name, looked at, waited for, ended (docs/sessions.md).

mod arguments;
mod attach;
mod checkpoint;
mod copy;
mod exec;
mod list;
mod open;
mod ports;
mod replay;
mod rest;

pub(crate) use arguments::{
    AttachArguments, CheckpointArguments, CpArguments, EventsArguments, ExecArguments, ForkArguments,
    InspectArguments, LogsArguments, OpenArguments, PortArguments, PruneArguments, PsArguments,
    ReplayArguments, ResumeArguments, RmArguments, StopArguments, WaitArguments,
};
pub(crate) use attach::{attach, logs};
use checkpoint::before_program;
pub(crate) use checkpoint::{before, checkpoint, fork, undo_in};
pub(crate) use copy::cp;
pub(crate) use exec::exec;
pub(crate) use list::{inspect, ps};
pub(crate) use open::open;
pub(crate) use ports::port;
pub(crate) use replay::replay;
pub(crate) use rest::{prune, resume, rm};

use crate::holds::folder;
use crate::policy::places;
use crate::{FAILED, say};
use fumehood_monitor::desk::{About, Answer, Ask, Caller, CallerError, Over, sessions};
use fumehood_policy::Escaped;
use fumehood_policy::value::Span;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

/// What is said and with which status it ends.
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure {
            text: error.to_string(),
            code: FAILED,
        }
    }
}

fn ended(done: Result<u8, Failure>) -> u8 {
    done.unwrap_or_else(|Failure { text, code }| {
        say::error(&text);
        code
    })
}

fn print(text: &str) {
    let _closed = writeln!(std::io::stdout(), "{text}");
}

/// A session that answers.
pub(crate) struct Living {
    pub(crate) caller: Caller,
    pub(crate) about: About,
}

impl Living {
    /// What a person calls it.
    pub(crate) fn called(&self) -> &str {
        self.about.name.as_deref().unwrap_or(&self.about.id)
    }
}

/// All that answer, by name in the log, which begins with the time: the oldest first. What a killed run left
/// is passed over.
pub(crate) fn living() -> Result<Vec<Living>, String> {
    if std::env::var_os("FUMEHOOD").is_some() {
        return Err("sessions are looked at and driven outside: this is a sandbox".to_owned());
    }
    let folder = folder(&places()?.state());
    let mut found = Vec::new();
    for id in sessions(&folder).map_err(|e| e.to_string())? {
        let Ok(caller) = Caller::connect(&folder, &id) else {
            continue;
        };
        match caller.about() {
            Ok(about) => found.push(Living { caller, about }),
            // One that ended in this moment.
            Err(CallerError::Nobody(_)) => {}
            Err(error @ CallerError::Silent) => say::line(&format!("session {id} is passed over: {error}")),
            Err(error) => return Err(format!("session {id}: {error}")),
        }
    }
    found.sort_by_key(|living| living.about.since);
    Ok(found)
}

/// The one that is named, by its id, name or place of changes; or the newest of this project.
pub(crate) fn find(named: Option<&str>) -> Result<Living, String> {
    let mut all = living()?;
    let Some(named) = named else {
        let project = places()?.project;
        all.retain(|living| living.about.project == project.as_os_str().as_bytes());
        return all
            .pop()
            .ok_or_else(|| "no session runs in this project; name one: `fumehood ps` lists all".to_owned());
    };
    let is_it = |about: &About| {
        let other = [about.name.as_deref(), about.workspace.as_deref()];
        about.id == named || other.contains(&Some(named))
    };
    let exact = all.iter().rposition(|living| is_it(&living.about));
    let begins = |living: &&Living| living.about.id.starts_with(named) && named.len() > 3;
    let at = exact.or_else(|| match all.iter().filter(begins).count() {
        1 => all.iter().position(|living| begins(&living)),
        _ => None,
    });
    let shown = Escaped::from(named);
    at.map(|at| all.swap_remove(at))
        .ok_or_else(|| format!("no session {shown} runs; `fumehood ps` lists those that do"))
}

/// Waits until a session is over.
pub(crate) fn wait(arguments: &WaitArguments) -> u8 {
    ended(attempt_wait(arguments))
}

fn attempt_wait(arguments: &WaitArguments) -> Result<u8, Failure> {
    let timeout = span("--timeout", arguments.timeout.as_deref())?;
    let session = find(arguments.session.as_deref())?;
    session.caller.ask(Ask::Wait, None)?;
    match over(&session, timeout)? {
        Some(code) => Ok(code),
        None => Err(Failure {
            text: format!("session {} still runs", Escaped::from(session.called())),
            code: 124,
        }),
    }
}

/// Stops a session: asks its command to end, and ends it where it does not.
pub(crate) fn stop(arguments: &StopArguments) -> u8 {
    ended(attempt_stop(arguments))
}

/// How long the end of a command that was killed may take.
const KILLED: Duration = Duration::from_secs(20);

fn attempt_stop(arguments: &StopArguments) -> Result<u8, Failure> {
    let patience = span("--time", Some(&arguments.time))?;
    let session = find(arguments.session.as_deref())?;
    let name = Escaped::from(session.called()).to_string();
    session.caller.ask(Ask::Wait, None)?;
    // A stopped command takes its end only when it is continued.
    for signal in [15, 18] {
        let _ended_already = session.caller.ask(Ask::Signal(signal), None);
    }
    if over(&session, patience)?.is_none() {
        let _ended_already = session.caller.ask(Ask::Signal(9), None);
        if over(&session, Some(KILLED))?.is_none() {
            return Err(format!(
                "session {name} does not end; kill its supervisor: {}",
                session.about.pid
            )
            .into());
        }
    }
    print(&format!("stopped {name}"));
    Ok(0)
}

/// The exit status of a session that is waited for, once it is over; `None` where it is not in time.
fn over(session: &Living, timeout: Option<Duration>) -> Result<Option<u8>, Failure> {
    let until = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        match session.caller.answer() {
            Ok(Some((Answer::Over(Over::Session(code, _)), _))) => return Ok(Some(code)),
            Ok(Some(_)) => continue,
            Ok(None) => {}
            // An answer to a signal.
            Err(CallerError::Strange) => continue,
            Err(CallerError::Nobody(_)) => {
                return Err("the session ended without a word: its supervisor was killed".into());
            }
            Err(error) => return Err(error.into()),
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut watched = [PollFd::from_borrowed_fd(session.caller.as_fd(), PollFlags::IN)];
        let _interrupted = poll(&mut watched, left.as_ref());
    }
}

/// A time of the command line.
pub(crate) fn span(flag: &str, text: Option<&str>) -> Result<Option<Duration>, String> {
    let parse = |text: &str| text.parse::<Span>().map(Span::duration);
    let invalid = |e: fumehood_policy::value::Invalid| format!("{flag}: {e}; {}", e.help);
    text.map(parse).transpose().map_err(invalid)
}
