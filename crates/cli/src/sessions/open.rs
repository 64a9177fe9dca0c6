//! `fumehood open`: a look around in a session, behind its walls.

use super::rest::resting;
use super::{ExecArguments, Failure, OpenArguments, ended, exec, find};
use crate::arguments::{Verb, verb};
use crate::policy::places;
use fumehood_session::terminals;
use std::ffi::{OsStr, OsString};

/// A shell, or an editor, in a session that runs, or in one that has ended with the changes it kept back.
pub(crate) fn open(arguments: &OpenArguments) -> u8 {
    if !matches!(terminals(), [true, true, _]) {
        return ended(Err(
            "open is for a terminal; `fumehood exec` runs a program in a session".into(),
        ));
    }
    match find(arguments.session.as_deref()) {
        Ok(living) => exec(&ExecArguments {
            directory: None,
            env: ["SHELL", "VISUAL", "EDITOR"].map(OsString::from).to_vec(),
            timeout: None,
            session: living.about.id,
            command: command(arguments),
        }),
        Err(why) => ended(of_the_past(arguments, why)),
    }
}

/// What runs: the words of the user's own environment, which may name what is not inside.
fn command(arguments: &OpenArguments) -> Vec<OsString> {
    let shell = "exec \"${SHELL:-/bin/sh}\"";
    // As the shell would read it, since it may be a program with arguments.
    let editor = "eval \"exec ${VISUAL:-${EDITOR:-vi}} \\\"\\$1\\\"\"";
    let words: &[&str] = match &arguments.edit {
        None => &["/bin/sh", "-c", shell],
        Some(_) => &["/bin/sh", "-c", editor, "sh"],
    };
    let file = arguments.edit.iter().map(|file| file.clone().into_os_string());
    words.iter().map(OsString::from).chain(file).collect()
}

/// One that has ended is gone on with for it.
fn of_the_past(arguments: &OpenArguments, why: String) -> Result<u8, Failure> {
    let named = match &arguments.session {
        Some(named) => named.clone(),
        None => {
            let project = places()?.project;
            let mut all = resting()?;
            all.retain(|(_, of, _)| *of == project);
            let newest = all.pop().map(|(id, ..)| id);
            newest.ok_or_else(|| format!("{why}; and none that has ended here keeps changes back"))?
        }
    };
    let mut words = [
        "resume", "--env", "SHELL", "--env", "VISUAL", "--env", "EDITOR", "--apply", "ask",
    ]
    .map(OsString::from)
    .to_vec();
    words.extend(["--".into(), named.into()]);
    words.extend(command(arguments));
    let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
    match verb(&words) {
        Ok(Verb::Resume(resume)) => Ok(super::resume(*resume)),
        Ok(_) | Err(_) => Err(why.into()),
    }
}
