//! How a session is called, how long it may live, and which one is gone on with.

use crate::arguments::RunArguments;
use fumehood_policy::Escaped;
use fumehood_workspace::{About, Session as Workspace, Title, Use};
use std::path::Path;
use std::time::Duration;

/// The longest name, and value of a label.
const NAME: usize = 64;
const VALUE: usize = 256;
/// The most labels.
const LABELS: usize = 64;

/// Checks what nobody else does, before anything is made.
pub(super) fn check(arguments: &RunArguments) -> Result<(), String> {
    if arguments.tty && !arguments.detach {
        return Err("--tty is for a session that goes on without this terminal; say -d too".to_owned());
    }
    labels(arguments)?;
    ends_after(arguments)?;
    let Some(name) = &arguments.name else {
        return Ok(());
    };
    check_name(name)?;
    let same = |living: &crate::sessions::Living| living.about.name.as_ref() == Some(name);
    if crate::sessions::living()?.iter().any(same) {
        return Err(format!(
            "--name {name}: a session of that name runs; stop it, or take another name"
        ));
    }
    Ok(())
}

/// A name that is no id, and is written as it is everywhere.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    if begins && name.len() <= NAME && name.bytes().all(plain) {
        return Ok(());
    }
    Err(format!(
        "--name {}: write a letter, then letters, digits, dots and dashes, {NAME} at most",
        Escaped::from(name).at_most(NAME)
    ))
}

/// Labels as pairs.
pub(super) fn labels(arguments: &RunArguments) -> Result<Vec<(String, String)>, String> {
    if arguments.labels.len() > LABELS {
        return Err(format!("--label: {LABELS} at most"));
    }
    let one = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let good = !key.is_empty() && key.len() <= NAME && value.len() <= VALUE;
        let wrong = || {
            let shown = Escaped::from(text.as_str()).at_most(NAME);
            format!("--label {shown}: write KEY=VALUE, {NAME} and {VALUE} bytes at most")
        };
        good.then(|| (key.to_owned(), value.to_owned())).ok_or_else(wrong)
    };
    arguments.labels.iter().map(one).collect()
}

/// How long it may live.
pub(super) fn ends_after(arguments: &RunArguments) -> Result<Option<Duration>, String> {
    crate::sessions::span("--ttl", arguments.ttl.as_deref())
}

/// Keeps how it is called beside its changes, where it is called something or lives by itself.
pub(super) fn entitle(
    arguments: &RunArguments,
    session: Option<&Path>,
    log: &fumehood_audit::Session,
) -> Result<(), String> {
    let called = arguments.name.is_some() || !arguments.labels.is_empty() || arguments.detach;
    let Some(session) = session.filter(|_| called || arguments.resumed.is_some()) else {
        return Ok(());
    };
    // A session that is gone on with keeps its name.
    let before = fumehood_workspace::title(session).unwrap_or_default();
    let given = labels(arguments)?;
    let title = Title {
        name: arguments.name.clone().or(before.name),
        labels: if given.is_empty() { before.labels } else { given },
        log: log.id.to_string(),
    };
    fumehood_workspace::entitle(session, &title).map_err(|e| e.to_string())
}

/// The session that is named, to be gone on with.
pub(super) fn resumed(place: &Path, about: &About, named: &str) -> Result<Workspace, String> {
    let words = |e: fumehood_workspace::Error| e.to_string();
    let id = fumehood_workspace::called(place, named).map_err(words)?;
    let mut session = Workspace::open(place, &id, Use::Running).map_err(words)?;
    let project = session.about().project.clone();
    if project != about.project {
        return Err(format!(
            "session {} is of another project; go to {}, or say -C",
            Escaped::from(named),
            Escaped::from(project.as_path())
        ));
    }
    if session.is_torn() {
        crate::say::line(super::TORN);
    }
    session.resume(about).map_err(words)?;
    Ok(session)
}
