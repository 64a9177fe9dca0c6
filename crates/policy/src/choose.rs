//! Which presets a run uses, and why: a pure function of the command's name, the file names
//! in the project's root and what was asked for.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::escape::Escaped;
use crate::origin::Origin;
use crate::preset::{Entry, INDEX, find};

/// Why a preset was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was named.
    Asked(Origin),
    /// For this command.
    Command(String),
    /// For this file in the project's root.
    File(&'static str),
    /// Another preset brings it along.
    With(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(origin) => origin.fmt(f),
            Self::Command(name) => Escaped::from(name.as_str()).at_most(40).fmt(f),
            Self::File(name) => f.write_str(name),
            Self::With(name) => write!(f, "with {name}"),
        }
    }
}

/// A chosen preset.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Which.
    pub entry: &'static Entry,
    /// Why, the first reason found.
    pub reason: Reason,
}

impl PartialEq for Chosen {
    fn eq(&self, other: &Self) -> bool {
        self.entry.name == other.entry.name && self.reason == other.reason
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.entry.name, self.reason)
    }
}

/// Chooses presets: those `asked` for, those for the command, those for the files, those that
/// these bring along; each once, in that order. Agents are never chosen by files.
pub fn choose(command: &OsStr, root_names: &[OsString], asked: &[(&'static Entry, Origin)]) -> Vec<Chosen> {
    let mut chosen: Vec<Chosen> = Vec::new();
    for (entry, origin) in asked {
        add(&mut chosen, entry, Reason::Asked(origin.clone()));
    }
    let command = Path::new(command).file_name().unwrap_or(command);
    for entry in INDEX
        .iter()
        .filter(|e| e.commands.iter().any(|c| fits(c, command)))
    {
        add(
            &mut chosen,
            entry,
            Reason::Command(command.to_string_lossy().into_owned()),
        );
    }
    for entry in INDEX {
        let present = |file: &&&str| root_names.iter().any(|name| fits(file, name));
        if let Some(file) = entry.files.iter().find(present) {
            add(&mut chosen, entry, Reason::File(file));
        }
    }
    bring_along(&mut chosen);
    chosen
}

fn add(chosen: &mut Vec<Chosen>, entry: &'static Entry, reason: Reason) {
    if !chosen.iter().any(|c| c.entry.name == entry.name) {
        chosen.push(Chosen { entry, reason });
    }
}

fn bring_along(chosen: &mut Vec<Chosen>) {
    let mut next = 0;
    while let Some(entry) = chosen.get(next).map(|c| c.entry) {
        for other in entry.also.iter().filter_map(|name| find(name)) {
            add(chosen, other, Reason::With(entry.name));
        }
        next += 1;
    }
}

/// `*` in a pattern of the index stands for anything; there is one at most.
fn fits(pattern: &str, name: &OsStr) -> bool {
    let name = name.as_bytes();
    match pattern.split_once('*') {
        None => pattern.as_bytes() == name,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len()
                && name.starts_with(head.as_bytes())
                && name.ends_with(tail.as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(command: &str, files: &[&str], asked: &[&str]) -> String {
        let files: Vec<OsString> = files.iter().map(OsString::from).collect();
        let asked: Vec<_> = asked
            .iter()
            .map(|n| (find(n).unwrap(), Origin::Flag("--preset")))
            .collect();
        let list = choose(OsStr::new(command), &files, &asked);
        list.iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn presets_are_chosen_with_their_reason() {
        insta::assert_snapshot!(chosen("/usr/bin/cargo", &["Cargo.toml", ".git"], &[]), @"rust (cargo), git (.git)");
        insta::assert_snapshot!(chosen("codex", &["requirements-dev.txt"], &[]), @"codex (codex), python (requirements*.txt), git (with codex), node (with codex)");
        insta::assert_snapshot!(chosen("claude", &["package.json", ".git"], &["go"]), @"go (--preset), claude-code (claude), node (package.json), git (.git)");
        insta::assert_snapshot!(chosen("python3.12", &[], &[]), @"python (python3.12)");
        insta::assert_snapshot!(chosen("true", &["README"], &[]), @"");
    }

    #[test]
    fn a_file_in_the_project_never_chooses_an_agent() {
        assert!(INDEX.iter().filter(|e| !e.harmless).all(|e| e.files.is_empty()));
    }

    #[test]
    fn names_may_be_any_bytes() {
        let files = [
            OsString::from("Cargo.toml\u{fffd}"),
            OsStr::from_bytes(b"\xff\xfe").to_owned(),
        ];
        assert_eq!(choose(OsStr::from_bytes(b"\xff"), &files, &[]), vec![]);
        assert!(!fits("requirements*.txt", OsStr::new("requirements.tx")));
        assert!(!fits("a*a", OsStr::new("a")));
    }
}
