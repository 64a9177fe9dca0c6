//! A run whose changes are kept back: its session on disk before, what waits after.

use crate::configuration::{Places, now};
use crate::say;
use crate::workspace::{place, plural};
use fumehood_audit::{Entry, Kind};
use fumehood_policy::Escaped;
use fumehood_policy::profile::Profile;
use fumehood_policy::value::Apply;
use fumehood_sandbox::{Layers, Level};
use fumehood_session::{Host, Log, Request};
use fumehood_workspace::{About, Owner, Session, Use, changes, git, identity, mounts_below, waits};
use std::ffi::CString;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Makes the session, if changes are to be kept back, and puts its layers into the request.
pub(super) fn begin(
    host: &Host,
    request: &mut Request,
    profile: &Profile,
    places: &Places,
    resume: bool,
) -> Result<Option<Session>, String> {
    if profile.apply == Apply::Live {
        return Ok(None);
    }
    if request.level == Level::Landlock {
        return Err(
            "isolation level landlock cannot keep changes back; say --live, or use namespace".to_owned(),
        );
    }
    if profile.apply == Apply::Turn {
        say::line("this version applies on request only: changes wait for `fumehood apply` (ask, not turn)");
    }
    let project = request.project.path().to_owned();
    if let Some(mount) = mounts_below(&project).map_err(|e| e.to_string())?.first() {
        return Err(format!(
            "{} is mounted inside the project, and cannot be kept back; say --live, or start below it",
            Escaped::from(mount.as_path())
        ));
    }
    let place = place(&places.state())?;
    if place.starts_with(&project) {
        return Err(
            "the state directory lies in the project; set XDG_STATE_HOME to another place".to_owned(),
        );
    }
    let about = about(host, request, profile)?;
    let session = session(&place, &about, resume)?;
    let mask = session.make_mask().map_err(|e| e.to_string())?;
    request.git = match session.make_git().map_err(|e| e.to_string())? {
        Ok(own) => own.map(|own| (own, PathBuf::from(git::OBJECTS))),
        Err(why) => {
            say::line(&format!(
                "commits made outside meanwhile can confuse git inside: {}",
                why.0
            ));
            None
        }
    };
    // Those in the project are absent; those elsewhere stay covered.
    request.hidden.retain(|path| !path.starts_with(&project));
    request.protected.clear();
    request.layers = Some(Layers {
        mask: mask.map(|m| text(&m)),
        upper: text(&session.upper()),
        work: text(&session.work()),
    });
    Ok(Some(session))
}

/// A new session, or the newest one with changes; where one waits that is not gone on with, that is said.
fn session(place: &Path, about: &About, resume: bool) -> Result<Session, String> {
    let ids = Session::of_project(place, &about.project).map_err(|e| e.to_string())?;
    let mut waiting = ids
        .iter()
        .rev()
        .filter(|id| waits(&place.join("sessions").join(id)));
    match (waiting.next(), resume) {
        (Some(id), true) => {
            let mut session = Session::open(place, id, Use::Running).map_err(|e| e.to_string())?;
            session.resume(about).map_err(|e| e.to_string())?;
            return Ok(session);
        }
        (None, true) => return Err("no session here kept changes back; leave --resume out".to_owned()),
        (Some(_), false) if std::io::stderr().is_terminal() => {
            say::line(
                "an earlier session's changes wait here: --resume goes on with them, `fumehood diff` shows them",
            );
        }
        (_, false) => {}
    }
    Session::create(place, about).map_err(|e| e.to_string())
}

fn about(host: &Host, request: &Request, profile: &Profile) -> Result<About, String> {
    let project = request.project.path();
    let (identity, owner) = identity(project).map_err(|e| e.to_string())?;
    let inside = host.private.map_or(owner, |ids| Owner {
        uid: ids.uid,
        gid: ids.gid,
    });
    let hidden = request
        .hidden
        .iter()
        .filter_map(|path| path.strip_prefix(project).ok());
    Ok(About {
        project: project.to_owned(),
        identity,
        owner,
        inside,
        apply: profile.apply.to_string(),
        scratch: profile
            .scratch
            .iter()
            .map(|s| s.value.as_bytes().to_vec())
            .collect(),
        hidden: hidden.map(Path::to_owned).collect(),
        since: u64::try_from(now()).unwrap_or(0),
    })
}

/// Says what waits; a session that changed nothing is forgotten.
pub(super) fn end(session: Session, log: &mut Log) {
    if !waits(session.path()) {
        let _left_for_discard = session.discard();
        return;
    }
    match changes::read(&session) {
        Ok(found) if found.list.is_empty() && found.left.is_empty() && !git::moved(session.path()) => {}
        Ok(found) => {
            let commits = if git::moved(session.path()) {
                " and commits"
            } else {
                ""
            };
            log.record(
                Entry::new(Kind::WorkspaceStage)
                    .text("workspace", session.id())
                    .number("changes", found.list.len() as u64)
                    .flag("commits", git::moved(session.path())),
            );
            say::line(&format!(
                "{}{commits} kept back: `fumehood diff` shows, `fumehood apply` brings, `fumehood discard` forgets",
                plural(found.list.len(), "change")
            ));
        }
        Err(e) => say::line(&format!("what was changed cannot be read: {e}")),
    }
}

fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default() // the system's paths hold no NUL
}
