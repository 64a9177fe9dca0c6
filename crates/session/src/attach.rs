//! `fumehood attach`, the side of whoever attaches: stands between its terminal and one that a session
//! has, until the session ends or the person leaves.

use crate::exec::ExecError;
use crate::terminal::{Terminal, size_inside};
use fumehood_monitor::desk::{Answer, Ask, Caller, Over};
use fumehood_sandbox::Signals;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{tcgetwinsize, tcsetwinsize};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Time for a program to see that its window has another size for a moment, which makes it paint anew.
const NUDGE: Duration = Duration::from_millis(40);

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attached {
    /// The session is over: with this exit status.
    Over(u8),
    /// The person left, and the session goes on.
    Left,
}

/// Attaches the caller's terminal.
///
/// # Errors
/// The session refused, or was lost.
pub fn attach(caller: &Caller, title: &str) -> Result<Attached, ExecError> {
    let ending = [libc::SIGTERM, libc::SIGHUP, libc::SIGINT];
    let signals = Signals::block(&ending).map_err(ExecError::Signals)?;
    caller.ask(Ask::Attach, None)?;
    let mut terminal: Option<Terminal> = None;
    let mut over = false;
    let ended = loop {
        let mut watched = vec![
            PollFd::from_borrowed_fd(caller.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
        ];
        // A terminal that ended with its session is told of by the session.
        if let Some(terminal) = terminal.as_ref().filter(|_| !over) {
            watched.push(PollFd::from_borrowed_fd(terminal.ended(), PollFlags::IN));
        }
        let _interrupted = poll(&mut watched, None);
        let told = watched.get(1).is_some_and(|fd| !fd.revents().is_empty());
        let ended = watched.get(2).is_some_and(|fd| !fd.revents().is_empty());
        let left = told || ended && terminal.as_ref().is_some_and(Terminal::was_left);
        over |= ended;
        match caller.answer() {
            Ok(Some((Answer::Terminal, Some(master)))) => {
                nudge(&master);
                terminal = Some(Terminal::attach(master, title.to_owned())?);
            }
            Ok(Some((Answer::Over(Over::Session(code, _)), _))) => break Ok(Attached::Over(code)),
            Ok(_) if left => break Ok(Attached::Left),
            Ok(_) => {}
            Err(error) => break Err(error.into()),
        }
    };
    if let Some(terminal) = terminal {
        terminal.finish();
    }
    ended
}

/// Another size for a moment: who draws on the whole screen draws it anew.
fn nudge(master: &OwnedFd) {
    let (rows, columns) = size_inside();
    if let Ok(mut size) = tcgetwinsize(master) {
        size.ws_row = rows.saturating_sub(1).max(1);
        size.ws_col = columns;
        let _gone = tcsetwinsize(master, size);
        std::thread::sleep(NUDGE);
    }
}
