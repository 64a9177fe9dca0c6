//! Paths and path patterns below the project.
//!
//! A path is taken as it is spelled or not at all: nothing is normalised, so that no later reader can read
//! another path (CVE-2025-53109, CVE-2025-53110). What it leads to is the sandbox's business: links are
//! followed where only the project exists.

use super::{at_most, hidden, not_empty};
use crate::refused::Wrong;
use fumehood_policy::glob::Glob;
use fumehood_policy::protected;

/// Bytes of a path; the kernel's own bound is 4096.
const LONGEST: usize = 1024;
/// Bytes of one name (`NAME_MAX`).
const LONGEST_NAME: usize = 255;
/// Bytes of a pattern.
const LONGEST_GLOB: usize = 256;
/// `**` of a pattern: each may match any number of folders.
const MOST_DEPTHS: usize = 3;
const HELP: &str = "write a path below the project, such as src/main.rs";

/// A path below the project; where something is written, none that programs outside obey.
pub(super) fn relative(text: &str, write: bool) -> Result<(), Wrong> {
    not_empty(text)?;
    at_most(text, LONGEST)?;
    hidden(text).map_or(Ok(()), Err)?;
    if text.starts_with('/') || text.starts_with('~') {
        return Err(Wrong::of(text, "is not below the project", HELP));
    }
    if text != "." {
        for part in text.split('/') {
            component(text, part)?;
        }
    }
    if write { unprotected(text) } else { Ok(()) }
}

fn component(text: &str, part: &str) -> Result<(), Wrong> {
    match part {
        ".." => Err(Wrong::of(text, "leaves the project", HELP)),
        "" | "." => Err(Wrong::of(
            text,
            "has an empty part or a `.`",
            "write each folder once, no `/` at the end",
        )),
        part if part.len() > LONGEST_NAME => Err(Wrong::of(text, "has too long a name", HELP)),
        _ => Ok(()),
    }
}

/// Names are compared without case, and short names of old filesystems count: the project may lie on one.
fn unprotected(text: &str) -> Result<(), Wrong> {
    let parts: Vec<String> = text.split('/').map(str::to_lowercase).collect();
    let short = |part: &String| part.starts_with("git~");
    for row in protected::rows() {
        let wanted: Vec<&str> = row.components().collect();
        // What lies below it, and the folder that it lies in: whoever replaces that replaces it.
        if wanted.iter().zip(&parts).all(|(w, p)| fits(w, p)) {
            return Err(protected_path(text, row.why()));
        }
    }
    if parts.iter().any(short) {
        return Err(protected_path(text, "another name of .git on some filesystems"));
    }
    Ok(())
}

fn protected_path(text: &str, why: &str) -> Wrong {
    Wrong::of(
        text,
        &format!("is not a tool's to write: {why}"),
        "a person can write it, outside",
    )
}

/// A name of the table, which may hold one `*`.
fn fits(wanted: &str, name: &str) -> bool {
    match wanted.split_once('*') {
        None => wanted == name,
        Some((before, after)) => {
            let rest = name.strip_prefix(before);
            rest.is_some_and(|rest| rest.ends_with(after))
        }
    }
}

/// A pattern below the project, in the language of fumehood.toml.
pub(super) fn glob(text: &str) -> Result<(), Wrong> {
    not_empty(text)?;
    at_most(text, LONGEST_GLOB)?;
    hidden(text).map_or(Ok(()), Err)?;
    if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        return Err(Wrong::of(
            text,
            "leaves the project",
            "write a pattern such as src/**/*.rs",
        ));
    }
    if text.matches("**").count() > MOST_DEPTHS {
        return Err(Wrong::of(
            text,
            "has too many `**`",
            format!("at most {MOST_DEPTHS}"),
        ));
    }
    Glob::parse(text.as_bytes())
        .map(|_| ())
        .map_err(|e| Wrong::new(e.what.into_owned(), e.help.into_owned()))
}
