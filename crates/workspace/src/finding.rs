//! What in a change would be run, obeyed or trusted on the host later. A finding holds a change until a
//! person names it: by place, from the table in `findings.toml`, and by content.

use crate::changes::{Change, Node, Status};
use fumehood_policy::glob::{Glob, GlobSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use toml::de::{DeTable, DeValue};

const TABLE: &str = include_str!("../findings.toml");
/// So many deletions in one apply are looked at by a person.
const MANY: usize = 50;
/// So many bytes come in one apply, the smallest files first; what is beyond is named by a person. Each byte is read
/// once more when its digest is recorded, and a file that is large by its length alone costs whoever makes it nothing.
const MOST: u64 = 8 << 30;

/// Why a change waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name, as in the table: `ci`, `executable`.
    pub name: String,
    /// A fragment for people.
    pub why: String,
}

fn finding(name: &str, why: &str) -> Finding {
    Finding {
        name: name.to_owned(),
        why: why.to_owned(),
    }
}

/// The rows, and what is known of a whole change set.
#[derive(Debug)]
pub struct Judge {
    rows: Vec<Row>,
    many_deleted: bool,
    /// Files up to this size fit into [`MOST`] together.
    fits: u64,
}

#[derive(Debug)]
struct Row {
    finding: Finding,
    paths: GlobSet,
    #[cfg(test)]
    examples: Vec<(String, bool)>,
}

impl Judge {
    /// For a change set.
    #[must_use]
    pub fn of(changes: &[Change]) -> Judge {
        let deleted = changes.iter().filter(|c| c.after.is_none() && !c.is_directory());
        Judge {
            rows: rows(),
            many_deleted: deleted.count() > MANY,
            fits: fits(changes),
        }
    }

    /// What is found in one change; contents are those of files that were read.
    #[must_use]
    pub fn judge(&self, change: &Change, before: Option<&[u8]>, after: Option<&[u8]>) -> Vec<Finding> {
        let mut found = Vec::new();
        if change.is_directory() && change.after.is_some() {
            return found;
        }
        found.extend(self.by_place(&change.path));
        if change.after.is_none() {
            found.extend(
                self.many_deleted
                    .then(|| finding("many-deletions", "many files are deleted at once")),
            );
            return found;
        }
        let large = matches!(change.after, Some(Node::File { size, .. }) if size > self.fits);
        found.extend(large.then(|| finding("large", "more data than comes at once (8 GiB)")));
        found.extend(executable(change));
        found.extend(leaving_link(change));
        found.extend(makes_a_repository(change, after.unwrap_or_default()));
        if let Some(after) = after.filter(|_| change.status() != Status::Mode) {
            found.extend(hidden_characters(before.unwrap_or_default(), after));
            found.extend(package_scripts(&change.path, before, after));
        }
        found
    }

    fn by_place(&self, path: &Path) -> Vec<Finding> {
        let folded = path.as_os_str().as_bytes().to_ascii_lowercase();
        let folded = Path::new(OsStr::from_bytes(&folded));
        let hits = self.rows.iter().filter(|row| row.paths.covers(folded));
        hits.map(|row| row.finding.clone()).collect()
    }
}

/// The size up to which all files fit into [`MOST`] together.
fn fits(changes: &[Change]) -> u64 {
    let size = |change: &Change| match change.after {
        Some(Node::File { size, .. }) => Some(size),
        _ => None,
    };
    let mut sizes: Vec<u64> = changes.iter().filter_map(size).collect();
    sizes.sort_unstable();
    let mut sum = 0u64;
    // Those of one size fit all or not at all.
    let first = sizes.iter().find(|size| {
        sum = sum.saturating_add(**size);
        sum > MOST
    });
    first.map_or(u64::MAX, |size| size.saturating_sub(1))
}

fn rows() -> Vec<Row> {
    let table = DeTable::parse(TABLE).ok();
    let list = table.as_ref().and_then(|t| t.get_ref().get("finding"));
    let Some(DeValue::Array(list)) = list.map(|l| l.get_ref()) else {
        return Vec::new();
    };
    list.iter().filter_map(|row| self::row(row.get_ref())).collect()
}

fn row(value: &DeValue<'_>) -> Option<Row> {
    let DeValue::Table(row) = value else { return None };
    let text = |key: &str| match row.get(key)?.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    };
    let texts = |key: &str| -> Vec<String> {
        let Some(DeValue::Array(list)) = row.get(key).map(|v| v.get_ref()) else {
            return Vec::new();
        };
        let one = |v: &toml::Spanned<DeValue<'_>>| match v.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            _ => None,
        };
        list.iter().filter_map(one).collect()
    };
    let globs: Option<Vec<Glob>> = texts("paths")
        .iter()
        .map(|p| Glob::parse(p.as_bytes()).ok())
        .collect();
    Some(Row {
        finding: finding(&text("name")?, &text("why")?),
        paths: GlobSet::new(globs?),
        #[cfg(test)]
        examples: (texts("match").into_iter().map(|e| (e, true)))
            .chain(texts("not_match").into_iter().map(|e| (e, false)))
            .collect(),
    })
}

fn executable(change: &Change) -> Option<Finding> {
    let runs = |node: &Option<Node>| matches!(node, Some(Node::File { mode, .. }) if mode & 0o111 != 0);
    (runs(&change.after) && !runs(&change.before)).then(|| finding("executable", "it becomes executable"))
}

/// A link whose target, as written, lies outside the project.
fn leaving_link(change: &Change) -> Option<Finding> {
    let Some(Node::Link(target)) = &change.after else {
        return None;
    };
    let mut depth = change.path.components().count().saturating_sub(1);
    for part in Path::new(target).components() {
        depth = match part {
            Component::Normal(_) => depth + 1,
            Component::CurDir => depth,
            Component::ParentDir if depth > 0 => depth - 1,
            _ => return Some(finding("leaving-link", "a link that leads out of the project")),
        };
    }
    None
}

/// Sections of git's configuration with keys that name programs, or files with more of it (git-config(1)).
const RUNNING_SECTIONS: [&[u8]; 20] = [
    b"[core",
    b"[include",
    b"[filter",
    b"[diff",
    b"[merge",
    b"[credential",
    b"[gpg",
    b"[remote",
    b"[alias",
    b"[pager",
    b"[interactive",
    b"[trailer",
    b"[sendemail",
    b"[uploadpack",
    b"[mergetool",
    b"[man",
    b"[browser",
    b"[tar",
    b"[submodule",
    b"[sequence",
];

/// A folder with `HEAD`, `objects` and `refs` is a repository to git, under whatever name, and git runs what the `config`
/// in it names (`core.fsmonitor`) when somebody merely asks for the status there. Without `HEAD` it is none.
fn makes_a_repository(change: &Change, after: &[u8]) -> Option<Finding> {
    let name = change.path.file_name()?.to_ascii_lowercase();
    let head = ["head", "commondir"].iter().any(|n| name == *n);
    let runs = |bytes: &[u8]| {
        let lower = bytes.to_ascii_lowercase();
        RUNNING_SECTIONS
            .iter()
            .any(|section| lower.windows(section.len()).any(|w| w == *section))
    };
    let config = name == "config" || name == "config.worktree";
    (head || (config && runs(after))).then(|| {
        finding(
            "repository",
            "git takes a folder with it for a repository, and runs what its config names",
        )
    })
}

/// Characters that change what a reader sees (Trojan Source, CVE-2021-42574), more of them than before.
fn hidden_characters(before: &[u8], after: &[u8]) -> Option<Finding> {
    let count = |bytes: &[u8]| {
        let chunks = bytes.utf8_chunks().flat_map(|chunk| chunk.valid().chars());
        chunks.filter(|c| is_hidden(*c)).count()
    };
    (count(after) > count(before))
        .then(|| finding("hidden-characters", "characters that hide or reorder text"))
}

fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
}

/// Scripts of a package, which its manager runs on `install`; dependencies alone are ordinary work.
fn package_scripts(path: &Path, before: Option<&[u8]>, after: &[u8]) -> Option<Finding> {
    let name = path.file_name()?.as_bytes();
    if !name.eq_ignore_ascii_case(b"package.json") {
        return None;
    }
    let scripts = |bytes: &[u8]| -> Option<[serde_json::Value; 3]> {
        let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        Some(["scripts", "gypfile", "pnpm"].map(|key| value.get(key).cloned().unwrap_or_default()))
    };
    let none = || Some([(); 3].map(|()| serde_json::Value::Null));
    let before = before.map_or_else(none, scripts);
    let after = scripts(after);
    (after.is_none() || before != after)
        .then(|| finding("package-scripts", "scripts that a package manager runs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_matches_its_examples_and_not_their_twins() {
        let judge = Judge::of(&[]);
        assert_eq!(judge.rows.len(), TABLE.matches("[[finding]]").count());
        for row in &judge.rows {
            assert!(row.examples.iter().any(|(_, m)| *m), "{row:?}");
            for (example, matches) in &row.examples {
                let hit = judge.by_place(Path::new(example)).contains(&row.finding);
                assert_eq!(hit, *matches, "{} {example}", row.finding.name);
            }
        }
    }

    fn change(path: &str, before: Option<Node>, after: Node) -> Change {
        Change::for_tests(path, before, Some(after))
    }

    fn names(change: &Change, before: &str, after: &str) -> Vec<String> {
        let found = Judge::of(&[]).judge(change, Some(before.as_bytes()), Some(after.as_bytes()));
        found.into_iter().map(|f| f.name).collect()
    }

    #[test]
    fn content_is_judged_not_names() {
        let file = |mode| Node::File { mode, size: 9 };
        let plain = change("src/a.rs", Some(file(0o644)), file(0o644));
        assert!(names(&plain, "a", "b").is_empty());
        assert_eq!(names(&plain, "a", "b\u{202e}"), ["hidden-characters"]);
        assert!(names(&plain, "a\u{202e}", "b\u{202e}").is_empty());
        let runs = change("src/a.sh", None, file(0o755));
        assert_eq!(names(&runs, "", ""), ["executable"]);
        let package = change("web/package.json", Some(file(0o644)), file(0o644));
        let with = |dependency: &str, script: &str| {
            format!(r#"{{"dependencies":{{"a":"{dependency}"}},"scripts":{{"test":"{script}"}}}}"#)
        };
        assert!(names(&package, &with("1", "x"), &with("2", "x")).is_empty());
        assert_eq!(
            names(&package, &with("1", "x"), &with("1", "y")),
            ["package-scripts"]
        );
        assert_eq!(names(&package, &with("1", "x"), "{"), ["package-scripts"]);
    }

    #[test]
    fn what_makes_a_folder_a_repository_is_found() {
        let file = || Node::File { mode: 0o644, size: 9 };
        for (path, content, found) in [
            ("bare/HEAD", "ref: refs/heads/main", true),
            ("x/head", "", true),
            ("bare/commondir", "..", true),
            ("bare/config", "[Core]\n\tfsmonitor = x", true),
            ("bare/config", "[include]\n\tpath = more", true),
            ("bare/config.worktree", "[filter \"x\"]", true),
            ("app/config", "[server]\nlevel = 1", false),
            ("src/head.rs", "", false),
            ("HEADER", "", false),
        ] {
            let change = change(path, None, file());
            assert_eq!(names(&change, "", content) == ["repository"], found, "{path}");
        }
        let link = change("bare/HEAD", None, Node::Link("refs/heads/main".into()));
        assert_eq!(names(&link, "", ""), ["repository"]);
    }

    #[test]
    fn links_are_judged_by_where_they_lead_as_written() {
        for (path, target, leaves) in [
            ("a/b/l", "../../c", false),
            ("a/b/l", "../../../c", true),
            ("l", "/etc/passwd", true),
            ("l", "x/../../y", true),
            ("l", "./x", false),
        ] {
            let link = change(path, None, Node::Link(target.into()));
            assert_eq!(!names(&link, "", "").is_empty(), leaves, "{path} {target}");
        }
    }
}
