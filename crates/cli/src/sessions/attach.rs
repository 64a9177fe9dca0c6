//! `fumehood attach` and `logs`: what a session that was started with `-d` shows.

use super::{AttachArguments, Failure, LogsArguments, ended, find, living};
use crate::policy::places;
use crate::run::output;
use fumehood_policy::Escaped;
use fumehood_session::{Attached, Plain, terminals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;

/// Connects this terminal with the session's.
pub(crate) fn attach(arguments: &AttachArguments) -> u8 {
    ended(attempt_attach(arguments))
}

fn attempt_attach(arguments: &AttachArguments) -> Result<u8, Failure> {
    if !matches!(terminals(), [true, true, _]) {
        return Err("attach is for a terminal; `fumehood logs` shows what was printed".into());
    }
    let session = find(arguments.session.as_deref())?;
    let name = Escaped::from(session.called()).at_most(24).to_string();
    match fumehood_session::attach(&session.caller, &format!("{name} (Ctrl-\\ leaves)"))? {
        Attached::Over(code) => Ok(code),
        Attached::Left => {
            crate::say::line(&format!(
                "left {name}, which goes on; `fumehood attach {name}` returns"
            ));
            Ok(0)
        }
    }
}

/// Shows what a session printed.
pub(crate) fn logs(arguments: &LogsArguments) -> u8 {
    ended(attempt_logs(arguments))
}

/// The name in the log of a session that has ended.
fn ended_as(state: &std::path::Path, named: &str) -> Option<String> {
    let place = crate::workspace::place(state).ok()?;
    let id = fumehood_workspace::called(&place, named).ok()?;
    Some(fumehood_workspace::title(&place.join("sessions").join(id))?.log)
}

/// How often a file that grows is looked at.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

fn attempt_logs(arguments: &LogsArguments) -> Result<u8, Failure> {
    let alive = find(arguments.session.as_deref());
    let state = places()?.state();
    let id = match (&alive, &arguments.session) {
        (Ok(session), _) => session.about.id.clone(),
        // One that has ended is known by its name, if changes are kept, and by its id.
        (Err(_), Some(named)) => ended_as(&state, named).unwrap_or_else(|| named.clone()),
        (Err(why), None) => return Err(why.clone().into()),
    };
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let file = plain.then(|| File::open(output(&state, &id)));
    let Some(Ok(mut file)) = file else {
        let shown = Escaped::from(id.as_str());
        return Err(format!(
            "nothing is kept of what session {shown} printed; that is so for sessions started with -d only"
        )
        .into());
    };
    let mut shown = Shown::new();
    loop {
        shown.all(&mut file)?;
        let Some(session) = alive.as_ref().ok().filter(|_| arguments.follow) else {
            break;
        };
        // Its end is the end of the connection.
        let mut watched = [PollFd::from_borrowed_fd(session.caller.as_fd(), PollFlags::IN)];
        if poll(&mut watched, Some(&LOOK)).is_ok_and(|n| n > 0) && living()?.iter().all(|l| l.about.id != id)
        {
            shown.all(&mut file)?;
            break;
        }
    }
    Ok(0)
}

/// What is printed: at a terminal, without what could act on it.
struct Shown(Option<Plain>);

impl Shown {
    fn new() -> Shown {
        Shown(std::io::stdout().is_terminal().then(Plain::default))
    }

    fn all(&mut self, file: &mut File) -> Result<(), String> {
        let mut bytes = vec![0; 64 << 10];
        loop {
            let n = file
                .read(&mut bytes)
                .map_err(|e| format!("read its output: {e}"))?;
            let bytes = bytes.get(..n).filter(|bytes| !bytes.is_empty());
            let Some(bytes) = bytes else { return Ok(()) };
            let mut out = std::io::stdout();
            let written = match &mut self.0 {
                Some(plain) => out.write_all(&plain.output(bytes)),
                None => out.write_all(bytes),
            };
            if written.and_then(|()| out.flush()).is_err() {
                return Ok(()); // whoever read it has enough
            }
        }
    }
}
