//! What a preset shows only after it was looked through: a settings file, or a folder of plugins
//! with such files in it. A suspicious file stays outside alone; its folder is shown without it.

use std::path::{Path, PathBuf};

use crate::config::MAX_BYTES;
use crate::escape::Escaped;
use crate::expand::{Environment, FileKind, Shown};
use crate::screen::screen;

/// Names looked at in one folder, so that a start stays short.
const MOST_NAMES: usize = 20_000;

/// Files of these endings hold settings, headers and the environment of servers; a program's own
/// text and documents are not looked through: they are full of examples of keys.
const SETTINGS: &[&str] = &[
    ".json",
    ".jsonc",
    ".json5",
    ".toml",
    ".yaml",
    ".yml",
    ".env",
    ".ini",
    ".cfg",
    ".conf",
    ".properties",
    "rc",
];

/// What was found in something to be shown.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Whether the whole stays outside.
    pub(crate) out: bool,
    /// Files in it that are covered: paths inside.
    pub(crate) covered: Vec<PathBuf>,
    /// Why, in words, one for each.
    pub(crate) words: Vec<String>,
}

/// Looks a file or a folder through.
pub(crate) fn look(shown: &Shown, env: &impl Environment) -> Look {
    let mut found = Look::default();
    if shown.kind == FileKind::File {
        if let Some(why) = suspicious(&shown.source, env) {
            found.out = true;
            found.words.push(said(&shown.target, &why));
        }
        return found;
    }
    let mut left = MOST_NAMES;
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        for (name, directory) in env.list(&shown.source.join(&below)) {
            let Some(less) = left.checked_sub(1) else {
                let why = format!("it holds more than {MOST_NAMES} names, too many to look through");
                return Look {
                    out: true,
                    covered: Vec::new(),
                    words: vec![said(&shown.target, &why)],
                };
            };
            left = less;
            let path = below.join(&name);
            if directory {
                open.push(path);
            } else if holds_settings(&name.to_string_lossy())
                && let Some(why) = suspicious(&shown.source.join(&path), env)
            {
                let inside = shown.target.join(&path);
                found.words.push(said(&inside, &why));
                found.covered.push(inside);
            }
        }
    }
    found
}

fn said(path: &Path, why: &str) -> String {
    format!("{} is not shown: {why}", Escaped::from(path))
}

fn holds_settings(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with(".env") || SETTINGS.iter().any(|ending| name.ends_with(ending))
}

/// Why a file stays outside. One that cannot be read cannot be read inside either.
fn suspicious(path: &Path, env: &impl Environment) -> Option<String> {
    let content = env.read(path)?;
    if content.len() > MAX_BYTES {
        return Some(format!(
            "it is larger than {MAX_BYTES} bytes, too large to look through"
        ));
    }
    let suspect = screen(&content)?;
    Some(format!("line {} looks like {}", suspect.line, suspect.looks_like))
}
