//! `fumehood checkpoint`, `undo --in`, `fork`: what a session had written at a moment.

use super::{CheckpointArguments, Failure, ForkArguments, ended, living, print};
use crate::arguments::UndoArguments;
use crate::configuration::now;
use crate::policy::places;
use crate::say;
use crate::workspace::place;
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;
use fumehood_workspace::checkpoint::{
    ByItself, Checkpoint, fork as fork_from, list, restore, take, take_by_itself,
};
use fumehood_workspace::{Session, Title, Use, all_sessions, called, entitle, title, waits};
use std::io::IsTerminal;
use std::path::PathBuf;

/// Takes a checkpoint, or lists them.
pub(crate) fn checkpoint(arguments: &CheckpointArguments) -> u8 {
    ended(attempt_checkpoint(arguments))
}

/// Takes a session back to one.
pub(crate) fn undo_in(arguments: &UndoArguments, session: &str) -> u8 {
    ended(attempt_undo_in(arguments, session))
}

/// Makes a new session of one.
pub(crate) fn fork(arguments: &ForkArguments) -> u8 {
    ended(attempt_fork(arguments))
}

fn here() -> Result<PathBuf, String> {
    if std::env::var_os("FUMEHOOD").is_some() {
        return Err("checkpoints are taken outside: this is a sandbox".to_owned());
    }
    let state = places()?.state();
    fumehood_session::check_state(&state).map_err(|e| e.to_string())?;
    place(&state)
}

/// The session that is named, or the newest of this project that keeps changes back.
fn session(place: &std::path::Path, named: Option<&str>, how: Use) -> Result<Session, String> {
    let words = |e: fumehood_workspace::Error| e.to_string();
    let Some(named) = named else {
        let project = places()?.project;
        for id in Session::of_project(place, &project).map_err(words)?.iter().rev() {
            let session = Session::open(place, id, how).map_err(words)?;
            if waits(session.path()) {
                return Ok(session);
            }
        }
        return Err("no session here kept changes back; name one: `fumehood ps -a` lists them".to_owned());
    };
    let runs = || {
        let all = living().ok()?;
        let it = all
            .into_iter()
            .find(|l| l.about.id == named || l.about.name.as_deref() == Some(named))?;
        let live = format!(
            "session {} writes to the project itself, and has no layer",
            Escaped::from(named)
        );
        Some(it.about.workspace.ok_or(live))
    };
    let id = match called(place, named) {
        Ok(id) => id,
        Err(why) => runs().unwrap_or_else(|| Err(why.to_string()))?,
    };
    Session::open(place, &id, how).map_err(words)
}

/// Takes one before something that may want to be taken back. It is no reason not to do that if it cannot be.
pub(crate) fn before(session: &Session, what: &str) {
    let not = |why: String| {
        if std::io::stderr().is_terminal() {
            say::line(&format!("no checkpoint before {what}: {why}"));
        }
    };
    match take_by_itself(session, &format!("before {what}"), seconds()) {
        Ok(ByItself::Taken(_) | ByItself::Unchanged) => {}
        Ok(ByItself::TooLarge(names, bytes)) => not(format!(
            "the session wrote {names} files, {} MiB; `fumehood checkpoint` takes one",
            bytes >> 20
        )),
        Err(error) => not(error.to_string()),
    }
}

/// As [`before`], of the session in whose layer a program is about to run, if it has one.
pub(crate) fn before_program(workspace: Option<&str>) {
    let Some(id) = workspace else { return };
    match here().and_then(|place| Session::open(&place, id, Use::Looking).map_err(|e| e.to_string())) {
        Ok(session) => before(&session, "exec"),
        Err(why) => say::line(&format!("no checkpoint before exec: {why}")),
    }
}

fn seconds() -> u64 {
    u64::try_from(now()).unwrap_or(0)
}

fn attempt_checkpoint(arguments: &CheckpointArguments) -> Result<u8, Failure> {
    let place = here()?;
    let session = session(&place, arguments.session.as_deref(), Use::Looking)?;
    if !arguments.list {
        let taken = take(
            &session,
            arguments.why.as_deref().unwrap_or("asked for"),
            seconds(),
        )?;
        if taken.moving {
            say::line("programs wrote while it was taken: files may be of different moments");
        }
        print(&if arguments.json {
            json(&taken).to_string()
        } else {
            format!("checkpoint {} of {}", taken.number, session.id())
        });
        return Ok(0);
    }
    let all = list(&session)?;
    if arguments.json {
        print(&Json::List(all.iter().map(json).collect()).to_string());
        return Ok(0);
    }
    if all.is_empty() {
        print("no checkpoint");
    }
    for Checkpoint {
        number,
        since,
        why,
        moving,
        by_itself: _,
    } in &all
    {
        let clock = fumehood_audit::Clock::of_nanos(since.saturating_mul(1_000_000_000));
        let moving = if *moving { ", while programs wrote" } else { "" };
        print(&format!(
            "{number:>4}  {clock}  {}{moving}",
            Escaped::from(why.as_str())
        ));
    }
    Ok(0)
}

fn json(checkpoint: &Checkpoint) -> Json {
    Json::Object(vec![
        ("number", Json::Number(checkpoint.number)),
        ("since", Json::Number(checkpoint.since)),
        ("why", Json::text(&checkpoint.why)),
        ("moving", Json::Bool(checkpoint.moving)),
        ("by_itself", Json::Bool(checkpoint.by_itself)),
    ])
}

fn attempt_undo_in(arguments: &UndoArguments, named: &str) -> Result<u8, Failure> {
    let place = here()?;
    let shown = Escaped::from(named).to_string();
    let session = session(&place, Some(named), Use::Running).map_err(|why| {
        if why.ends_with("is running") {
            format!("{why}: its programs would go on with what they have open; stop it first: fumehood stop {shown}")
        } else {
            why
        }
    })?;
    let (to, before) = restore(&session, arguments.number, seconds())?;
    if arguments.json {
        let fields = vec![("to", json(&to)), ("before", json(&before))];
        print(&Json::Object(fields).to_string());
        return Ok(0);
    }
    print(&format!(
        "session {shown} is as at checkpoint {}; what it was is checkpoint {}",
        to.number, before.number
    ));
    Ok(0)
}

fn attempt_fork(arguments: &ForkArguments) -> Result<u8, Failure> {
    let place = here()?;
    let name = arguments.name.as_deref();
    if let Some(name) = name {
        crate::run::check_name(name)?;
        let taken = all_sessions(&place)?.iter().any(|id| {
            title(&place.join("sessions").join(id)).is_some_and(|t| t.name.as_deref() == Some(name))
        });
        if taken {
            return Err(format!("--name {name}: a session of that name is there; take another").into());
        }
    }
    let session = session(&place, arguments.session.as_deref(), Use::Looking)?;
    let made = fork_from(&place, &session, arguments.at, seconds())?;
    if let Some(name) = name {
        let title = Title {
            name: Some(name.to_owned()),
            ..Title::default()
        };
        entitle(made.path(), &title)?;
    }
    let shown = name.unwrap_or(made.id());
    if arguments.json {
        print(&Json::Object(vec![("session", Json::text(made.id()))]).to_string());
    } else {
        print(&format!(
            "forked as {shown}: `fumehood resume {shown} -- CMD` goes on in it"
        ));
    }
    Ok(0)
}
