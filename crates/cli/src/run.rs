//! `fumehood run`.

use crate::FAILED;
use crate::arguments::{Isolation, RunArguments};
use crate::events::Events;
use crate::say;
use fumehood_limits::{Limit, Limits, units};
use fumehood_policy::Escaped;
use fumehood_sandbox::{Errno, Level};
use fumehood_session::{End, Facts, Home, Host, Outcome, PrepareError, ProgramError, Project, Request, Run, RunError, prepare, project_of, remedy};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Runs the command; returns the exit status of the contract (DESIGN §8).
pub(crate) fn run(arguments: &RunArguments) -> u8 {
    match attempt(arguments) {
        Ok(code) => code,
        Err(Failure { text, code }) => {
            say::error(&text);
            code
        }
    }
}

/// What is said and with which status it ends.
struct Failure {
    text: String,
    code: u8,
}

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure { text: error.to_string(), code: FAILED }
    }
}

fn attempt(arguments: &RunArguments) -> Result<u8, Failure> {
    let host = Host::look()?;
    let directory = directory(arguments.directory.as_deref())?;
    let project = Project::open(&project_of(&directory, &host.user.home), &host.user.home)?;
    let limits = limits(arguments)?;
    let mut events = Events::open(arguments.events.as_deref())?;
    let request = Request {
        directory,
        command: arguments.command.clone(),
        level: match arguments.isolation {
            Some(Isolation::Landlock) => Level::Landlock,
            Some(Isolation::Namespace) | None => Level::Namespace,
        },
        nested: arguments.nested,
        read_only: arguments.read_only.clone(),
        read_write: arguments.read_write.clone(),
        shown: Vec::new(),
        settings: Vec::new(),
        hidden: Vec::new(),
        protected: Vec::new(),
        home: Home::Throwaway,
        variables: variables(&arguments.env),
        user: arguments.user,
        room: limits.disk,
        terminal: fumehood_session::terminals(),
        project,
    };
    let spec = prepare(&host, &request).map_err(not_found)?;
    events.write("start", "");
    let written = vec![request.project.path().to_owned()];
    let outcome = fumehood_session::run(Run { spec, limits: limits.clone(), gives_streams: true, title: title(&request), written }).map_err(with_remedy)?;
    Ok(end(&request.command, &limits, &outcome, &mut events))
}

/// A sandbox that could not be built says what to do.
pub(crate) fn with_remedy(error: RunError) -> String {
    match &error {
        RunError::Start(start) => format!("{error}; {}", remedy(start, Facts::look())),
        _ => error.to_string(),
    }
}

fn directory(given: Option<&Path>) -> Result<PathBuf, String> {
    let here = given.unwrap_or(Path::new("."));
    std::fs::canonicalize(here).map_err(|e| format!("{}: {e}; name a directory that exists with -C", here.display()))
}

fn not_found(error: PrepareError) -> Failure {
    let code = match &error {
        PrepareError::Program(ProgramError::NotOnPath(_) | ProgramError::Missing(_)) => 127,
        PrepareError::Program(ProgramError::NotExecutable { .. }) => 126,
        _ => FAILED,
    };
    Failure { text: error.to_string(), code }
}

fn limits(arguments: &RunArguments) -> Result<Limits, String> {
    fn parsed<T>(flag: &str, text: Option<&String>, parse: fn(&str) -> Result<T, units::UnitError>) -> Result<Option<T>, String> {
        text.map(|t| parse(t).map_err(|e| format!("--{flag} {t}: {e}"))).transpose()
    }
    Ok(Limits {
        memory: parsed("memory", arguments.memory.as_ref(), units::bytes)?,
        cpus: parsed("cpus", arguments.cpus.as_ref(), units::cpus)?,
        pids: parsed("pids", arguments.pids.as_ref(), units::count)?,
        disk: parsed("disk", arguments.disk.as_ref(), units::bytes)?,
        timeout: parsed("timeout", arguments.timeout.as_ref(), units::duration)?,
        open_files: parsed("open-files", arguments.open_files.as_ref(), units::count)?.map(u64::from),
    })
}

/// `NAME=VALUE` sets, `NAME` passes the caller's value if there is one.
fn variables(given: &[OsString]) -> Vec<(OsString, OsString)> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let os = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    given
        .iter()
        .filter_map(|word| {
            let bytes = word.as_bytes();
            match bytes.iter().position(|b| *b == b'=') {
                Some(at) => Some((os(&bytes[..at]), os(&bytes[at + 1..]))),
                None => std::env::var_os(word).map(|value| (word.clone(), value)),
            }
        })
        .collect()
}

/// What the status row says.
fn title(request: &Request) -> String {
    let name = request.project.path().file_name().unwrap_or_default();
    Escaped::from(name).at_most(40).to_string()
}

/// Says how it ended, where that needs saying, and gives the exit status.
fn end(command: &[OsString], limits: &Limits, outcome: &Outcome, events: &mut Events) -> u8 {
    if let Some(struck) = outcome.struck {
        let value = limits.show(struck.limit).unwrap_or_default();
        say::line(&format!("the {struck} of {value} was reached; raise it with --{}", struck.limit));
    }
    let (code, origin) = match outcome.end {
        End::Exited(code) => (code as u8, "command"),
        End::Killed(signal) => (128u8.saturating_add(signal as u8), if outcome.struck.is_some() { "limit" } else { "signal" }),
        End::Limit(limit) => (limit_struck(limit, limits), "limit"),
        End::NotExecuted(errno) => (not_executed(command, errno), "fumehood"),
    };
    events.write("end", &format!("\"status\":{code},\"origin\":\"{origin}\""));
    code
}

fn limit_struck(limit: Limit, limits: &Limits) -> u8 {
    let value = limits.show(limit).unwrap_or_default();
    say::line(&format!("ended: the {limit} limit of {value} was reached; raise it with --{limit}"));
    if limit == Limit::Timeout { 124 } else { 137 }
}

fn not_executed(command: &[OsString], errno: Errno) -> u8 {
    let name = command.first().map(|c| format!("{c:?}")).unwrap_or_default();
    let (code, hint) = match errno {
        Errno::NOENT => (127, "it, or its interpreter, is not visible inside; show it with --ro"),
        Errno::NOEXEC => (126, "not a program this machine can run; start a script with #!"),
        _ => (126, "check its permissions"),
    };
    say::line(&format!("{name}: {errno}: {hint}"));
    code
}
