//! The flags of `run`, parsed into policy's terms.

use crate::arguments::{Isolation, RunArguments, When};
use fumehood_policy::Escaped;
use fumehood_policy::profile::CommandLine;
use fumehood_policy::value::{self, Apply, HidePattern};
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::IsTerminal;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::str::FromStr;

/// Parses them; the message names the flag and what it takes.
pub(super) fn parse(arguments: &RunArguments, directory: &Path) -> Result<CommandLine, String> {
    let presets = arguments
        .presets
        .iter()
        .map(|name| preset(name))
        .collect::<Result<_, _>>()?;
    let hide = arguments
        .hide
        .iter()
        .map(|p| hidden(p))
        .collect::<Result<_, _>>()?;
    Ok(CommandLine {
        presets,
        apply: apply(arguments),
        watched: !arguments.detach && std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
        isolation: arguments.isolation.map(isolation),
        ro: arguments.read_only.clone(),
        rw: arguments.read_write.clone(),
        cwd: directory.to_owned(),
        hide,
        env: arguments
            .env
            .iter()
            .map(|word| variable(word))
            .collect::<Result<_, _>>()?,
        memory: number("memory", arguments.memory.as_deref())?,
        cpus: number("cpus", arguments.cpus.as_deref())?,
        pids: number("pids", arguments.pids.as_deref())?,
        disk: number("disk", arguments.disk.as_deref())?,
        timeout: number("timeout", arguments.timeout.as_deref())?,
        allow: all("allow", &arguments.allow)?,
        control: all("control", &arguments.control)?,
        publish: all("publish", &arguments.publish)?,
        secrets: all("secret", &arguments.secrets)?,
    })
}

fn apply(arguments: &RunArguments) -> Option<Apply> {
    match arguments.apply {
        Some(When::Turn) => Some(Apply::Turn),
        Some(When::Ask) => Some(Apply::Ask),
        Some(When::Never) => Some(Apply::Never),
        None => arguments.live.then_some(Apply::Live),
    }
}

fn preset(name: &str) -> Result<&'static fumehood_policy::preset::Entry, String> {
    fumehood_policy::preset::find(name).ok_or_else(|| {
        let known: Vec<&str> = fumehood_policy::preset::names().collect();
        format!(
            "--preset {}: there is none of that name; there are {}",
            Escaped::from(name),
            known.join(", ")
        )
    })
}

fn isolation(given: Isolation) -> value::Isolation {
    match given {
        Isolation::Namespace => value::Isolation::Namespace,
        Isolation::Landlock => value::Isolation::Landlock,
    }
}

fn hidden(pattern: &OsStr) -> Result<HidePattern, String> {
    HidePattern::parse(pattern).map_err(|e| format!("--hide {}: {e}", Escaped::from(pattern)))
}

fn number<T: FromStr<Err: Display>>(flag: &str, text: Option<&str>) -> Result<Option<T>, String> {
    text.map(|t| {
        t.parse()
            .map_err(|e| format!("--{flag} {}: {e}", Escaped::from(t)))
    })
    .transpose()
}

fn all<T: FromStr<Err = value::Invalid>>(flag: &str, texts: &[String]) -> Result<Vec<T>, String> {
    let one = |text: &String| {
        text.parse()
            .map_err(|e: value::Invalid| format!("--{flag}: {e}; {}", e.help))
    };
    texts.iter().map(one).collect()
}

/// `NAME=VALUE` sets, `NAME` passes the caller's.
pub(crate) fn variable(word: &OsStr) -> Result<(OsString, Option<OsString>), String> {
    let bytes = word.as_bytes();
    let (name, value) = match bytes.iter().position(|b| *b == b'=') {
        Some(at) => (&bytes[..at], Some(OsString::from_vec(bytes[at + 1..].to_vec()))),
        None => (bytes, None),
    };
    if name.is_empty() {
        return Err(format!("--env {}: a variable needs a name", Escaped::from(word)));
    }
    Ok((OsString::from_vec(name.to_vec()), value))
}
