//! `fumehood exec`: a further program in a session that lives, behind the same walls.

use super::{ExecArguments, Failure, ended, find, span};
use crate::say;
use fumehood_monitor::desk::Over;
use fumehood_policy::Escaped;
use fumehood_sandbox::{Errno, Launch};
use fumehood_session::{Exec, Executed, terminals};
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

/// Runs it; returns the exit status of the contract.
pub(crate) fn exec(arguments: &ExecArguments) -> u8 {
    ended(attempt(arguments))
}

fn attempt(arguments: &ExecArguments) -> Result<u8, Failure> {
    let timeout = span("--timeout", arguments.timeout.as_deref())?;
    let launch = Launch {
        arguments: arguments
            .command
            .iter()
            .map(|w| word(w))
            .collect::<Result<_, _>>()?,
        environment: environment(arguments)?,
        directory: word(arguments.directory.as_deref().unwrap_or("".as_ref()).as_os_str())?,
        mask: mask(),
        ..Launch::default()
    };
    let session = find(Some(&arguments.session))?;
    super::before_program(session.about.workspace.as_deref());
    let title = Escaped::from(session.called()).at_most(40).to_string();
    let exec = Exec {
        launch,
        title,
        timeout,
        streams: None,
    };
    Ok(match fumehood_session::exec(&session.caller, exec)? {
        Executed::TimedOut => {
            let time = arguments.timeout.as_deref().unwrap_or_default();
            say::line(&format!(
                "ended: the timeout of {} was reached; raise it with --timeout",
                Escaped::from(time)
            ));
            124
        }
        Executed::Over(Over::Exited(code)) => code,
        Executed::Over(Over::Killed(signal)) => 128u8.saturating_add(signal),
        Executed::Over(Over::NotExecuted(errno)) => not_executed(arguments, errno),
        Executed::Over(Over::NoDirectory(errno)) => {
            let given = arguments.directory.as_deref().map(Escaped::from);
            let shown = given.map_or("the session's directory".to_owned(), |d| d.to_string());
            return Err(format!(
                "{shown}: {}: name a directory that is there inside, with -C",
                words(errno)
            )
            .into());
        }
        Executed::Over(Over::Session(..)) => return Err("the session ended".into()),
    })
}

/// What no program can be told is told the user.
pub(super) fn word(word: &OsStr) -> Result<CString, String> {
    CString::new(word.as_bytes()).map_err(|_| format!("{}: holds a NUL byte", Escaped::from(word)))
}

/// What is asked for, and how the caller's terminal is called where there is one.
fn environment(arguments: &ExecArguments) -> Result<Vec<CString>, String> {
    let mut all = Vec::new();
    for given in &arguments.env {
        let (name, value) = crate::run::variable(given)?;
        let Some(value) = value.or_else(|| std::env::var_os(&name)) else {
            continue; // the caller has none to pass
        };
        all.push(word(OsStr::from_bytes(
            &[name.as_bytes(), b"=", value.as_bytes()].concat(),
        ))?);
    }
    let term = std::env::var_os("TERM").filter(|_| terminals().contains(&true));
    let given = |v: &CString| v.as_bytes().starts_with(b"TERM=");
    if let Some(term) = term.filter(|_| !all.iter().any(given)) {
        all.push(word(OsStr::from_bytes(&[b"TERM=", term.as_bytes()].concat()))?);
    }
    Ok(all)
}

pub(super) fn words(errno: u32) -> Errno {
    Errno(i32::try_from(errno).unwrap_or(0))
}

fn not_executed(arguments: &ExecArguments, errno: u32) -> u8 {
    let name = arguments
        .command
        .first()
        .map(|c| Escaped::from(c.as_os_str()).to_string());
    let (code, hint) = match words(errno) {
        Errno::NOENT => (127, "it, or its interpreter, is not visible in this session"),
        Errno::NOEXEC => (126, "not a program this machine can run; start a script with #!"),
        Errno::PERM => (
            126,
            "it leads to fumehood's own program, which nothing inside may run so",
        ),
        Errno(libc::EAGAIN) => (
            126,
            "too many programs run in this session; wait until one has ended",
        ),
        _ => (126, "check its permissions"),
    };
    say::line(&format!("{}: {}: {hint}", name.unwrap_or_default(), words(errno)));
    code
}

/// The caller's mask of permission bits.
pub(super) fn mask() -> u32 {
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    mask.bits()
}
