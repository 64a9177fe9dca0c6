//! The table is read line by line: it is part of the program and read at every start, and the
//! full parser would take a twentieth of it. A test holds the two equal.

use super::fold::fold;
use crate::value::Word;

/// What would run or trust the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the words of the table")]
pub enum Class {
    Git,
    Agent,
    Editor,
    Shell,
    Hook,
    Ci,
    Tool,
    Policy,
}

impl Word for Class {
    const KIND: &'static str = "a class of protected paths";
    const ALL: &'static [(&'static str, Self)] = &[
        ("git", Self::Git),
        ("agent", Self::Agent),
        ("editor", Self::Editor),
        ("shell", Self::Shell),
        ("hook", Self::Hook),
        ("ci", Self::Ci),
        ("tool", Self::Tool),
        ("policy", Self::Policy),
    ];
}

/// One protected path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its names from the project's root, folded; each may hold one `*`.
    pub components: Vec<String>,
    /// What would run or trust it.
    pub class: Class,
    /// A fragment for people.
    pub why: String,
    /// Protected only if it is a regular file.
    pub only_file: bool,
}

const TEXT: &str = include_str!("../../../../presets/protected.toml");

/// The shipped table.
pub fn rows() -> Vec<Row> {
    let mut class = Class::Git;
    let mut rows = Vec::new();
    for line in TEXT.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            class = Class::from_word(name).unwrap_or(class);
        } else {
            rows.extend(row(line, class));
        }
    }
    rows
}

/// `"path" = "why"` or `"path" = { why = "…", only = "file" }`.
fn row(line: &str, class: Class) -> Option<Row> {
    let (path, rest) = line.strip_prefix('"')?.split_once("\" = ")?;
    let only_file = rest.ends_with(", only = \"file\" }");
    let why = rest.split('"').nth(1)?;
    let components = path.split('/').map(|name| fold(name.as_ref())).collect();
    Some(Row {
        components,
        class,
        why: why.to_owned(),
        only_file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::{DeTable, DeValue};

    fn text(value: &DeValue<'_>) -> String {
        match value {
            DeValue::String(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// What TOML says of the table: (class, path, why, only).
    fn by_toml() -> Vec<(String, String, String, bool)> {
        let table = DeTable::parse(TEXT).unwrap();
        let mut rows = Vec::new();
        for (class, entries) in table.get_ref().iter() {
            let DeValue::Table(entries) = entries.get_ref() else {
                panic!("{class:?}")
            };
            for (path, value) in entries.iter() {
                let (why, only) = match value.get_ref() {
                    DeValue::Table(long) => {
                        assert_eq!(text(long["only"].get_ref()), "file");
                        (text(long["why"].get_ref()), true)
                    }
                    short => (text(short), false),
                };
                rows.push((class.get_ref().to_string(), path.get_ref().to_string(), why, only));
            }
        }
        rows.sort();
        rows
    }

    #[test]
    fn the_lines_say_what_toml_says() {
        let flat = |r: Row| {
            (
                r.class.word().to_owned(),
                r.components.join("/"),
                r.why,
                r.only_file,
            )
        };
        let mut lines: Vec<_> = rows().into_iter().map(flat).collect();
        lines.sort();
        // Names are folded in the lines only.
        let folded = |(class, path, why, only): (String, String, String, bool)| {
            (class, path.to_lowercase(), why, only)
        };
        let mut toml: Vec<_> = by_toml().into_iter().map(folded).collect();
        toml.sort();
        assert_eq!(lines, toml);
        assert!(by_toml().iter().all(|row| Class::from_word(&row.0).is_ok()));
    }

    #[test]
    fn paths_are_plain_and_named_once() {
        let mut paths: Vec<Vec<String>> = rows().into_iter().map(|r| r.components).collect();
        for name in paths.iter().flatten() {
            assert!(
                !matches!(name.as_str(), "" | "." | "..") && name.matches('*').count() <= 1,
                "{name}"
            );
        }
        paths.sort();
        assert!(paths.windows(2).all(|w| w[0] != w[1]));
    }

    #[test]
    fn what_ordinary_work_rewrites_is_not_in_it() {
        let free = [
            ".git/index",
            ".git/head",
            ".git/refs",
            ".git/objects",
            ".git/logs",
            ".git/info/exclude",
            "package.json",
            "cargo.lock",
            "package-lock.json",
            ".gitmodules",
            "agents.md",
            "claude.md",
            "build.rs",
        ];
        for row in rows() {
            assert!(!free.contains(&row.components.join("/").as_str()), "{row:?}");
        }
    }
}
