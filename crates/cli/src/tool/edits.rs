//! Where edits go: a session of their own, in whose layer they wait as a run's changes do.

use super::call::CallError;
use super::files::view;
use crate::configuration::{Places, now, profile, real};
use crate::workspace::place;
use fumehood_files::edit::{Edited, Wanted, edited};
use fumehood_policy::profile::CommandLine;
use fumehood_session::worktree;
use fumehood_workspace::{About, Session, changes, git, identity, keep};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The session of a server's edits, or of one call's: made at the first.
#[derive(Debug, Default)]
pub(crate) struct Edits(Mutex<Option<Session>>);

impl Edits {
    pub(super) fn session(&self) -> MutexGuard<'_, Option<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Edits a file; what it will be, and the session in which it waits.
    pub(super) fn edit(
        &self,
        places: &Places,
        path: &Path,
        wanted: &Wanted<'_>,
    ) -> Result<(Edited, String), CallError> {
        let mut kept = self.session();
        // What is refused makes no session.
        edited(&view(places, kept.as_ref())?.0, path, wanted)?;
        let session = match kept.take() {
            Some(session) => session,
            None => begin(places)?,
        };
        let done = put(places, &session, path, wanted);
        let id = session.id().to_owned();
        match done.is_err() && session.is_untouched() {
            true => session.discard()?,
            false => *kept = Some(session),
        }
        Ok((done?, id))
    }

    /// There are no more of them: what was kept is on the disk from here on. In words, what waits.
    pub(crate) fn over(&self) -> Option<String> {
        let session = self.session().take()?;
        let waits = session
            .make_durable()
            .and_then(|()| changes::read(&session))
            .map(|found| found.list.len());
        match waits {
            // All of it was applied.
            Ok(0) => None,
            Ok(n) => Some(format!(
                "{n} edited paths are kept back: `fumehood diff {id}` shows, `fumehood apply {id}` brings, `fumehood discard {id}` forgets",
                id = session.id()
            )),
            Err(e) => Some(format!("what was edited cannot be read: {e}")),
        }
    }
}

impl From<fumehood_workspace::Error> for CallError {
    fn from(e: fumehood_workspace::Error) -> CallError {
        CallError::Failed(e.to_string())
    }
}

fn put(places: &Places, session: &Session, path: &Path, wanted: &Wanted<'_>) -> Result<Edited, CallError> {
    let view = view(places, Some(session))?.0;
    let mut out = None;
    session.put(path, || {
        // Once more: what was read before the new file was there may be an earlier one.
        let edited = edited(&view, path, wanted)?;
        let bytes = edited.bytes.clone();
        out = Some(edited);
        Ok::<_, CallError>(bytes)
    })?;
    let found = changes::read(session)?;
    keep(session, &found)?;
    if let Some(left) = found.left.iter().find(|left| path.starts_with(&left.path)) {
        return Err(CallError::Refused(format!(
            "it will not reach the project: {}",
            left.why.words()
        )));
    }
    out.ok_or_else(|| CallError::Failed("nothing was written".to_owned()))
}

/// A session of this project in which nothing runs.
fn begin(places: &Places) -> Result<Session, CallError> {
    let project = real(&places.project);
    let state = place(&places.state()).map_err(CallError::Failed)?;
    if state.starts_with(&project) {
        return Err(CallError::Failed(
            "the state directory lies in the project; set XDG_STATE_HOME to another place".to_owned(),
        ));
    }
    let flags = CommandLine {
        cwd: project.clone(),
        ..CommandLine::default()
    };
    let (_, policy) =
        profile(places, &flags, OsStr::new(""), &places.folders()).map_err(CallError::Failed)?;
    let (identity, owner) = identity(&project)?;
    let session = Session::create(
        &state,
        &About {
            identity,
            repository: worktree(&project).map(|w| git::Repository {
                own: w.own,
                common: w.git,
            }),
            owner,
            // Nobody is inside; whoever resumes it gets the layers.
            inside: owner,
            apply: "never".to_owned(),
            policy: policy.to_string(),
            // Whoever edits a file of a folder of build outputs means that file.
            scratch: Vec::new(),
            // What is hidden or masked is not edited.
            hidden: Vec::new(),
            masked: Vec::new(),
            since: u64::try_from(now()).unwrap_or(0),
            project,
        },
    )?;
    session.begin()?;
    Ok(session)
}
