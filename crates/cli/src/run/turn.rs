//! Changes that land while the program runs: at each quiet point, those without a finding, by a process of their
//! own. It ends with the supervisor.

use crate::workspace::travel;
use fumehood_sandbox::{fork_role_with, set_process_name, wait_for};
use fumehood_session::{Turn, let_go_of_all_streams};
use fumehood_workspace::apply::{Applied, Options, Steps};
use fumehood_workspace::{Session, Undone, Use, changes, keep, quiet};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Two looks this far apart that see the same are a quiet point.
const PAUSE: Duration = Duration::from_millis(250);
/// Looking takes no more than one part in so many of the time.
const SHARE: u32 = 30;

/// The process, running.
#[derive(Debug)]
pub(super) struct Turner {
    process: OwnedFd,
    alive: OwnedFd,
}

impl Turner {
    /// Starts it; the other value tells the supervisor of each turn.
    pub(super) fn start(place: &Path, id: &str) -> Result<(Turner, OwnedFd), String> {
        let failed = |e: rustix::io::Errno| format!("a pipe: {e}");
        let (ends, alive) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        let (turns, told) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        let (place, id) = (PathBuf::from(place), id.to_owned());
        // Neither a stream of the user's, nor the session's lock, nor anything else that the supervisor holds.
        let forked = fork_role_with(vec![ends, told], |kept| {
            set_process_name(c"fumehood-turn");
            // A terminal that hangs up, or Ctrl-C, is for the supervisor.
            let _leader_already = rustix::process::setsid();
            let_go_of_all_streams();
            let mut kept = kept.into_iter();
            match (kept.next(), kept.next()) {
                (Some(ends), Some(told)) => i32::from(watch(&place, &id, &ends, &told).is_none()),
                _ => 1,
            }
        });
        let (_, process) = forked.map_err(|e| format!("start the process that applies: {e:?}"))?;
        Ok((Turner { process, alive }, turns))
    }

    /// Lets it finish what it is at, and waits for that.
    pub(super) fn finish(self) {
        drop(self.alive);
        wait_for(self.process.as_fd());
    }
}

/// Looks until the supervisor is gone or says that it is enough.
fn watch(place: &Path, id: &str, ends: &OwnedFd, told: &OwnedFd) -> Option<()> {
    let session = Session::open(place, id, Use::Looking).ok()?;
    let (mut seen, mut done) = (None, None);
    let mut pause = PAUSE;
    loop {
        let mut ended = [PollFd::from_borrowed_fd(ends.as_fd(), PollFlags::IN)];
        let wait = Timespec::try_from(pause).ok()?;
        if poll(&mut ended, Some(&wait)).is_ok_and(|n| n > 0) {
            return Some(());
        }
        let begun = Instant::now();
        let now = quiet::look(&session);
        pause = PAUSE.max(begun.elapsed() * SHARE);
        let is_quiet = seen == Some(now) && !quiet::is_in_between(&session);
        seen = Some(now);
        if is_quiet && done != seen {
            done = seen;
            if let Ok(turned) = turn(place, &session) {
                tell(told, &turned);
            }
        }
    }
}

/// What one turn did.
#[derive(Debug, Default)]
pub(super) struct Turned {
    pub(super) done: Applied,
    /// Taken back by the user, and not changed since.
    pub(super) taken_back: usize,
}

impl Turned {
    /// How much waits for a person.
    pub(super) fn waits(&self) -> usize {
        let done = &self.done;
        done.held.len() + done.conflicts.len() + done.git_waits.len() + self.taken_back
    }
}

/// Applies what has no finding, did not change on both sides and was not taken back.
pub(super) fn turn(place: &Path, session: &Session) -> Result<Turned, String> {
    let words = |e: fumehood_workspace::Error| e.to_string();
    let mut found = changes::read(session).map_err(words)?;
    keep(session, &found).map_err(words)?;
    let mut travel = travel(session)?;
    let undone = Undone::load(session.path()).map_err(words)?;
    let taken_back = undone.leave_out(&mut found, travel.as_mut());
    let done = fumehood_workspace::apply::apply(
        place,
        session,
        &found,
        travel.as_ref(),
        &Options::default(),
        &Steps::default(),
    );
    Ok(Turned {
        done: done.map_err(words)?,
        taken_back,
    })
}

fn tell(told: &OwnedFd, turned: &Turned) {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let turn = Turn {
        number: turned.done.number.unwrap_or(0),
        paths: count(turned.done.paths.len()),
        waits: count(turned.waits()),
    };
    let _supervisor_gone = rustix::io::write(told, &turn.to_bytes());
}
