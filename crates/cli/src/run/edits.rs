//! The host's edits, brought inside while the program runs, by a process of their own. It ends with the supervisor, and is
//! confined before it looks at anything of either side.

use fumehood_sandbox::{Reach, Role, confine, fork_role_with, give_up, set_process_name};
use fumehood_session::{BothSides, Running, Word, let_go_of_all_streams};
use fumehood_workspace::edits::{Edits, Needs};
use fumehood_workspace::{Error, Session};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Of which session.
pub(super) struct Of {
    place: PathBuf,
    id: String,
    session: PathBuf,
    project: PathBuf,
    repository: PathBuf,
    since: SystemTime,
}

impl Of {
    /// A session whose run begins now.
    pub(super) fn new(place: &Path, session: &Session) -> Of {
        Of {
            place: place.to_owned(),
            id: session.id().to_owned(),
            session: session.path().to_owned(),
            project: session.about().project.clone(),
            repository: session.repository().own,
            since: SystemTime::now(),
        }
    }

    fn needs(&self) -> Result<Needs, Error> {
        Needs::of(&self.place, &self.session, &self.project, &self.repository)
    }
}

/// Starts it, with the top of what the session sees.
pub(super) fn start(of: &Of, view: OwnedFd) -> Result<Running, String> {
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
        let opened = shut_in(of, [&ends, &told, &view])
            .and_then(|()| Edits::open(&of.place, &of.id, view, of.since).map_err(|e| e.to_string()));
        match opened {
            Ok(edits) => i32::from(watch(edits, &ends, &told).is_none()),
            Err(why) => {
                say(&told, Word::Less(why));
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

/// From here on it has these descriptors, reads the project, writes the session's notes and what the session sees, and no more.
fn shut_in(of: &Of, open: [&OwnedFd; 3]) -> Result<(), String> {
    let needs = of.needs().map_err(|e| e.to_string())?;
    let [_, _, view] = open;
    let place = |path: &Path| CString::new(path.as_os_str().as_bytes()).unwrap_or_default(); // the system's hold no NUL
    let mut places: Vec<_> = needs
        .looks
        .iter()
        .map(|path| (place(path), Reach::Look))
        .collect();
    places.push((place(&needs.notes), Reach::Note));
    places.push((place(&needs.lock), Reach::Write));
    // It has no name here.
    let view = format!("/proc/self/fd/{}", view.as_raw_fd());
    places.push((place(Path::new(&view)), Reach::Follow));
    give_up(&open.map(AsFd::as_fd)).map_err(|e| format!("close what it does not need: {e}"))?;
    confine(Role::Edits, &places).map(drop).map_err(|e| e.to_string())
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
