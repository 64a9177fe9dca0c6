//! The session's log, as the supervisor sees it: a process that alone holds the key, at the other end
//! of a socket.
//!
//! It is started when the first process of the sandbox runs already, and does the slow part (folders,
//! keys, the account's index) beside it; records wait in the socket meanwhile. When nobody can record
//! any more it ends the log, also after the supervisor.

use crate::view::c_string;
use fumehood_audit::{
    Client, Entry, Kind, Recorder, RecorderError, Session, Summary, SystemJournal, Ticket, write_session,
};
use fumehood_effect::Digest;
use fumehood_sandbox::{Errno, Plan, Reach, Role, Spec, confine, fork_role_with, give_up, set_process_name};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;

/// A session that is recorded, or that should be and is not.
#[derive(Debug, Default)]
pub struct Log {
    client: Option<Client>,
    lost: Option<String>,
    id: String,
    writer: Option<i32>,
    process: Option<OwnedFd>,
}

/// How long a run that did not take place waits for its log to be ended.
const PATIENCE: Timespec = Timespec {
    tv_sec: 2,
    tv_nsec: 0,
};

impl Log {
    /// Starts the writer. Where that fails, the log says so.
    pub(crate) fn start(session: &Session, spec: Option<&Spec>) -> Self {
        match start(session, spec) {
            Ok((client, writer, process)) => Self {
                client: Some(client),
                lost: None,
                id: session.id.to_string(),
                writer: Some(writer),
                process: Some(process),
            },
            Err(error) => Self::lost(&error),
        }
    }

    #[cfg(test)]
    pub(crate) fn of_client(client: Client) -> Self {
        Self {
            client: Some(client),
            ..Self::default()
        }
    }

    fn lost(error: &RecorderError) -> Self {
        Self {
            client: None,
            lost: Some(error.to_string()),
            ..Self::default()
        }
    }

    /// Records, without waiting for the disk. Where that is not possible any more, [`Log::failure`]
    /// says why: what may only happen if it is recorded asks [`Log::client`] instead.
    pub fn record(&mut self, entry: Entry) -> Option<Ticket> {
        let client = self.client.as_ref()?;
        match client.record(entry) {
            Ok(ticket) => Some(ticket),
            Err(error) => {
                *self = Self::lost(&error);
                None
            }
        }
    }

    /// Records, and waits until it is on the disk; none where it is not.
    pub(crate) fn record_durably(&mut self, entry: Entry) -> Option<Ticket> {
        let recorded = self.client.as_ref()?.record_durably(entry);
        recorded.inspect_err(|error| *self = Self::lost(error)).ok()
    }

    /// The session's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The log's head as it is, signed.
    pub fn head(&mut self) -> Option<Summary> {
        let head = self.client.as_ref()?.head();
        head.inspect_err(|error| *self = Self::lost(error)).ok()
    }

    /// The end of a run that did not take place: it is recorded, and the writer waited for, so that nothing of the
    /// run is left when its refusal is read.
    pub(crate) fn broken_off(&mut self, error: &impl std::fmt::Display) {
        self.record(broken_off(error));
        self.end();
    }

    /// The end of a session without a sandbox: its writer is waited for, as long as a disk takes.
    pub(crate) fn end(&mut self) {
        self.client = None;
        if let Some(process) = self.process.take() {
            let mut ended = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
            let _as_long_as_the_disk_takes = poll(&mut ended, Some(&PATIENCE));
        }
    }

    /// Records nothing more: when nobody else does either, the writer ends the log. What is given is readable when it
    /// has; none where nothing is recorded any more.
    pub fn let_go(&mut self) -> Option<OwnedFd> {
        let process = self.process.take();
        *self = Self::default();
        process
    }

    /// Another client, for another process, which may record these kinds.
    ///
    /// # Errors
    /// Nothing is recorded any more.
    pub fn client(&self, kinds: &[Kind]) -> Result<Client, RecorderError> {
        self.client.as_ref().ok_or(RecorderError::Lost)?.split(kinds)
    }

    /// Readable when [`Log::look`] has something to find.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.client.as_ref().map(Client::lost)
    }

    /// The writer's pid.
    pub(crate) const fn writer(&self) -> Option<i32> {
        self.writer
    }

    /// Finds out whether the writer is still there.
    pub fn look(&mut self) {
        if let Some(error) = self.client.as_ref().and_then(Client::why) {
            *self = Self::lost(&error);
        }
    }

    /// Why the session is not recorded, or not any more.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.lost.as_deref()
    }
}

fn start(session: &Session, spec: Option<&Spec>) -> Result<(Client, i32, OwnedFd), RecorderError> {
    // So that whoever looks for the session's log knows of it before it is there.
    let folder = fumehood_audit::session_folder(&session.root, session.id.as_str());
    let mut builder = std::fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| RecorderError::Failed(format!("make the folder of the log: {error}")))?;
    let (client, sender) = Client::pair()?;
    let forked = fork_role_with(vec![sender], |kept| match kept.into_iter().next() {
        Some(sender) => run(session, spec, sender),
        None => 125,
    });
    let (pid, process) =
        forked.map_err(|Errno(errno)| RecorderError::Failed(format!("start the log's writer: {errno}")))?;
    Ok((client, pid, process))
}

/// The writer's process.
fn run(session: &Session, spec: Option<&Spec>, sender: OwnedFd) -> i32 {
    set_process_name(c"fumehood-log");
    // A terminal that hangs up, or Ctrl-C, is for the supervisor; the key is for nobody.
    let _leader_already = rustix::process::setsid();
    crate::terminal::let_go_of_all_streams();
    let mut session = session.clone();
    if let Some(Ok(plan)) = spec.map(Plan::new) {
        // Every step that built the walls, as it was carried out.
        session.start = session
            .start
            .digest("plan", Digest::of(plan.to_string().as_bytes()));
    }
    // Before the first word of anybody is read, and before there is a key.
    let folder = [(c_string(&session.root), Reach::Keep)];
    let journal = SystemJournal::open();
    let open: Vec<_> = [Some(sender.as_fd()), journal.as_ref().map(SystemJournal::fd)]
        .into_iter()
        .flatten()
        .collect();
    if give_up(&open).is_err() || confine(Role::Log, &folder).is_err() {
        fumehood_audit::decline(&sender, "the log's writer could not be confined");
        return 125;
    }
    i32::from(write_session(&session, sender, journal.as_ref()).is_err())
}

/// A session that ended before its command did, in words.
fn broken_off(error: &impl std::fmt::Display) -> Entry {
    Entry::new(Kind::SessionEnd)
        .text("origin", "fumehood")
        .text("error", error)
}
