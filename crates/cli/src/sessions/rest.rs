//! Sessions that have ended: gone on with, removed.

use super::{Failure, PruneArguments, ResumeArguments, RmArguments, ended, find, living, print, span};
use crate::configuration::now;
use crate::policy::places;
use crate::run::{output, outputs, rests};
use crate::workspace::{place, plural};
use crate::{FAILED, say};
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;
use fumehood_workspace::{Session, Title, Use, all_sessions, called, title};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Runs a command in a session that has ended.
pub(crate) fn resume(arguments: ResumeArguments) -> u8 {
    let mut run = arguments.run;
    if run.new || run.live {
        say::error("a session that is gone on with keeps changes back as before; leave --new and --live out");
        return FAILED;
    }
    run.resumed = Some(arguments.session);
    crate::run::run(&run)
}

struct Here {
    state: PathBuf,
    place: PathBuf,
}

fn here() -> Result<Here, String> {
    if std::env::var_os("FUMEHOOD").is_some() {
        return Err("sessions are removed outside: this is a sandbox".to_owned());
    }
    let state = places()?.state();
    fumehood_session::check_state(&state).map_err(|e| e.to_string())?;
    Ok(Here {
        place: place(&state)?,
        state,
    })
}

/// Sessions that do not run and keep changes back: id, project, how each is called.
pub(super) fn resting() -> Result<Vec<(String, PathBuf, Title)>, String> {
    let here = here()?;
    let mut found = Vec::new();
    for id in all_sessions(&here.place).map_err(|e| e.to_string())? {
        // One that runs, or is damaged, is left alone.
        let Ok(session) = Session::open(&here.place, &id, Use::Running) else {
            continue;
        };
        if !rests(&session) {
            let title = title(session.path()).unwrap_or_default();
            found.push((id, session.about().project.clone(), title));
        }
    }
    Ok(found)
}

/// Removes one.
pub(crate) fn rm(arguments: &RmArguments) -> u8 {
    ended(attempt_rm(arguments))
}

fn attempt_rm(arguments: &RmArguments) -> Result<u8, Failure> {
    let here = here()?;
    let named = match (&arguments.session, &arguments.home) {
        (Some(named), None) => named.as_str(),
        (_, home) => return forget_homes(&here, home.as_ref().and_then(Option::as_deref)),
    };
    let shown = Escaped::from(named).to_string();
    if find(Some(named)).is_ok() {
        return Err(format!("session {shown} runs; `fumehood stop {shown}` ends it").into());
    }
    let session = match called(&here.place, named) {
        Ok(id) => Session::open(&here.place, &id, Use::Running)?,
        // Nothing but what it printed.
        Err(why) => {
            let folder = outputs(&here.state).join(named);
            if !is_id(named) || !folder.is_dir() {
                return Err(why.into());
            }
            std::fs::remove_dir_all(&folder).map_err(|e| format!("remove what it printed: {e}"))?;
            print(&format!("removed {shown}"));
            return Ok(0);
        }
    };
    if !rests(&session) && !arguments.force {
        return Err(format!(
            "changes of session {shown} wait: `fumehood apply --session {shown}` brings them, --force forgets them"
        )
        .into());
    }
    remove(&here, session)?;
    print(&format!("removed {shown}"));
    Ok(0)
}

/// Forgets what agents keep in this project.
fn forget_homes(here: &Here, agent: Option<&str>) -> Result<u8, Failure> {
    let project = places()?.project;
    let forgotten = crate::run::forget_homes(&here.state, &project, agent)?;
    if forgotten.is_empty() {
        let whose = agent.map_or("no agent".to_owned(), |agent| Escaped::from(agent).to_string());
        let verb = if agent.is_some() {
            "keeps nothing"
        } else {
            "keeps anything"
        };
        return Err(format!("{whose} {verb} in {}", Escaped::from(project.as_path())).into());
    }
    print(&format!(
        "forgot the home of {} in this project",
        forgotten.join(", ")
    ));
    Ok(0)
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Forgets it, on the record, and what it printed.
fn remove(here: &Here, session: Session) -> Result<(), String> {
    if let Some(title) = title(session.path()).filter(|title| is_id(&title.log)) {
        let printed = output(&here.state, &title.log);
        let _none = printed.parent().map(std::fs::remove_dir_all);
    }
    crate::workspace::forget(&here.state, session)
}

/// Removes all in which nothing waits.
pub(crate) fn prune(arguments: &PruneArguments) -> u8 {
    ended(attempt_prune(arguments))
}

fn attempt_prune(arguments: &PruneArguments) -> Result<u8, Failure> {
    let age = span("--older-than", arguments.older_than.as_deref())?.unwrap_or_default();
    let before = u64::try_from(now()).unwrap_or(0).saturating_sub(age.as_secs());
    let here = here()?;
    let mut kept: BTreeSet<String> = living()?.into_iter().map(|living| living.about.id).collect();
    let (mut removed, mut waiting) = (0, 0);
    for id in all_sessions(&here.place)? {
        let log = title(&here.place.join("sessions").join(&id)).map(|title| title.log);
        let Ok(session) = Session::open(&here.place, &id, Use::Running) else {
            kept.extend(log);
            continue;
        };
        let rests = rests(&session);
        waiting += u64::from(!rests);
        if rests && session.about().since <= before {
            remove(&here, session)?;
            removed += 1;
        } else {
            kept.extend(log);
        }
    }
    removed += printed(&here.state, &kept, before);
    if arguments.json {
        let fields = vec![
            ("removed", Json::Number(removed)),
            ("waiting", Json::Number(waiting)),
        ];
        print(&Json::Object(fields).to_string());
        return Ok(0);
    }
    let count = |n: u64| plural(usize::try_from(n).unwrap_or(usize::MAX), "session");
    print(&format!("removed {}", count(removed)));
    if waiting > 0 {
        say::line(&format!(
            "changes of {} wait and are kept: see `fumehood ps -a`",
            count(waiting)
        ));
    }
    Ok(0)
}

/// What sessions printed of which nothing else is left.
fn printed(state: &Path, kept: &BTreeSet<String>, before: u64) -> u64 {
    let entries = std::fs::read_dir(outputs(state)).into_iter().flatten().flatten();
    let gone = entries.filter(|entry| {
        let name = entry.file_name();
        let began = entry.metadata().and_then(|m| m.modified()).ok();
        let began = began.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        let old = began.is_some_and(|t| t.as_secs() <= before);
        old && name
            .to_str()
            .is_some_and(|name| is_id(name) && !kept.contains(name))
    });
    gone.filter(|entry| std::fs::remove_dir_all(entry.path()).is_ok())
        .count() as u64
}
