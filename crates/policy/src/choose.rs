//! Which presets a run uses, and why: a pure function of the command's name, the file names
//! in the project's root and in the folders from there to where the run starts, and what was
//! asked for.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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
    /// For this file, its path from the project's root. The name is the index's own, with its
    /// star if it has one.
    File(PathBuf),
    /// Another preset brings it along.
    With(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(origin) => origin.fmt(f),
            Self::Command(name) => Escaped::from(name.as_str()).at_most(40).fmt(f),
            Self::File(path) => Escaped::from(path.as_path()).at_most(60).fmt(f),
            Self::With(name) => write!(f, "with {name}"),
        }
    }
}

/// A folder of the project that presets are chosen by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// From the project's root; empty for the root.
    pub at: PathBuf,
    /// What it holds, one listing.
    pub names: Vec<OsString>,
}

/// The folders that presets are chosen by, the root first: those between the project's root and
/// where the run starts, since tools look for their files upwards. Relative to the root; at most
/// [`MOST_FOLDERS`], the outermost ones, so that a start does not depend on depth.
pub fn folders_between<'a>(project: &Path, start: &'a Path) -> Vec<&'a Path> {
    let Ok(below) = start.strip_prefix(project) else {
        return vec![Path::new("")];
    };
    let mut folders: Vec<&Path> = below.ancestors().collect();
    folders.reverse();
    folders.truncate(MOST_FOLDERS);
    folders
}

/// Folders looked at for presets.
pub const MOST_FOLDERS: usize = 16;

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
pub fn choose(command: &OsStr, folders: &[Folder], asked: &[(&'static Entry, Origin)]) -> Vec<Chosen> {
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
        if let Some(path) = folders.iter().find_map(|folder| file_of(entry, folder)) {
            add(&mut chosen, entry, Reason::File(path));
        }
    }
    bring_along(&mut chosen);
    chosen
}

/// The first of a preset's files that the folder holds.
fn file_of(entry: &Entry, folder: &Folder) -> Option<PathBuf> {
    let present = |file: &&&str| folder.names.iter().any(|name| fits(file, name));
    entry.files.iter().find(present).map(|file| folder.at.join(file))
}

/// Whether a folder holds a file that chooses this preset.
pub(crate) fn chooses(preset: &str, folder: &Folder) -> bool {
    find(preset).is_some_and(|entry| file_of(entry, folder).is_some())
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
        chosen_in(command, &[("", files)], asked)
    }

    fn chosen_in(command: &str, folders: &[(&str, &[&str])], asked: &[&str]) -> String {
        let folders: Vec<Folder> = folders
            .iter()
            .map(|(at, files)| Folder {
                at: PathBuf::from(at),
                names: files.iter().map(OsString::from).collect(),
            })
            .collect();
        let asked: Vec<_> = asked
            .iter()
            .map(|n| (find(n).unwrap(), Origin::Flag("--preset")))
            .collect();
        let list = choose(OsStr::new(command), &folders, &asked);
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
    fn folders_from_the_root_to_the_start_choose_too() {
        let folders: &[(&str, &[&str])] = &[
            ("", &[".git", "package.json"]),
            ("apps", &["README"]),
            ("apps/tool", &["Cargo.toml", "package.json"]),
            ("apps/tool/src", &["main.rs"]),
        ];
        insta::assert_snapshot!(
            chosen_in("true", folders, &[]),
            @"rust (apps/tool/Cargo.toml), node (package.json), git (.git)"
        );
        let between = |start| folders_between(Path::new("/p"), Path::new(start));
        assert_eq!(between("/p"), [Path::new("")]);
        assert_eq!(
            between("/p/a/b"),
            [Path::new(""), Path::new("a"), Path::new("a/b")]
        );
        assert_eq!(between("/elsewhere"), [Path::new("")]);
        assert_eq!(between(&format!("/p{}", "/d".repeat(100))).len(), MOST_FOLDERS);
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
        let folder = Folder {
            at: PathBuf::new(),
            names: files.to_vec(),
        };
        assert_eq!(choose(OsStr::from_bytes(b"\xff"), &[folder], &[]), vec![]);
        assert!(!fits("requirements*.txt", OsStr::new("requirements.tx")));
        assert!(!fits("a*a", OsStr::new("a")));
    }
}
