//! The host's edits, brought inside while the program runs, by a process of their own. It ends with the supervisor.

use fumehood_sandbox::{fork_role_with, set_process_name};
use fumehood_session::{BothSides, Running, Word, let_go_of_all_streams};
use fumehood_workspace::Error;
use fumehood_workspace::edits::Edits;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Starts it, for a run that began then, with the top of what the session sees.
pub(super) fn start(place: PathBuf, id: String, since: SystemTime, view: OwnedFd) -> Result<Running, String> {
    let failed = |e: rustix::io::Errno| format!("a pipe: {e}");
    let (ends, alive) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (words, told) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).map_err(failed)?;
    // Neither a stream of the user's, nor the session's lock, nor anything else that the supervisor holds.
    let forked = fork_role_with(vec![ends, told, view], |kept| {
        set_process_name(c"fumehood-edits");
        // A terminal that hangs up, or Ctrl-C, is for the supervisor.
        let _leader_already = rustix::process::setsid();
        let_go_of_all_streams();
        let Ok([ends, told, view]) = <[OwnedFd; 3]>::try_from(kept) else {
            return 1;
        };
        match Edits::open(&place, &id, view, since) {
            Ok(edits) => i32::from(watch(edits, &ends, &told).is_none()),
            Err(why) => {
                say(&told, Word::Less(why.to_string()));
                1
            }
        }
    });
    let (_, process) = forked.map_err(|e| format!("start the process that watches the project: {e:?}"))?;
    Ok(Running {
        alive,
        process,
        words,
    })
}

/// Watches until the supervisor is gone or says that it is enough.
fn watch(mut edits: Edits, ends: &OwnedFd, words: &OwnedFd) -> Option<()> {
    let mut less = false;
    loop {
        let mut watched = [
            PollFd::from_borrowed_fd(ends.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(edits.descriptor(), PollFlags::IN),
        ];
        let pause = edits.pause().map(|p| p.max(Duration::from_millis(1)));
        let pause = pause.and_then(|p| Timespec::try_from(p).ok());
        let _interrupted = poll(&mut watched, pause.as_ref());
        if !watched[0].revents().is_empty() {
            return Some(());
        }
        let told = match edits.turn() {
            Err(Error::Vanished { .. }) => return None,
            // Tried again when it rested.
            other => other.unwrap_or_default(),
        };
        for both in told {
            let both = BothSides {
                path: both.path,
                merges: both.merges,
            };
            say(words, Word::Both(both));
        }
        if let Some(why) = edits.unwatched().filter(|_| !std::mem::replace(&mut less, true)) {
            say(words, Word::Less(why.to_owned()));
        }
    }
}

/// A supervisor that does not listen is told by the apply.
fn say(words: &OwnedFd, word: Word) {
    let _full = send(words, &word.packet(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}
