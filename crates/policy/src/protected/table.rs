//! The table is read line by line: it is part of the program and read at every start, and the
//! full parser would take a twentieth of it. A test holds the two equal.

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// From the project's root, folded; each name may hold one `*`.
    pub path: &'static str,
    /// What would run or trust it.
    pub class: Class,
    /// The rest of its line: few rows fit a project, and only theirs is read.
    rest: &'static str,
}

impl Row {
    /// A fragment for people.
    pub fn why(&self) -> &'static str {
        self.rest.split('"').nth(1).unwrap_or_default()
    }

    /// Whether it is protected only if it is a regular file.
    pub fn only_file(&self) -> bool {
        self.rest.ends_with(", only = \"file\" }")
    }

    /// Its names, from the project's root.
    pub fn components(&self) -> std::str::Split<'static, char> {
        self.path.split('/')
    }
}

const TEXT: &str = include_str!("../../../../presets/protected.toml");

/// The shipped table.
pub fn rows() -> impl Iterator<Item = Row> {
    let mut class = Class::Git;
    TEXT.split('\n').filter_map(move |line| {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            class = Class::from_word(name).unwrap_or(class);
        }
        row(line, class)
    })
}

/// `"path" = "why"` or `"path" = { why = "…", only = "file" }`.
fn row(line: &'static str, class: Class) -> Option<Row> {
    let (path, rest) = line.strip_prefix('"')?.split_once('"')?;
    Some(Row { path, class, rest })
}

#[cfg(test)]
mod tests {
    use super::super::fold::fold;
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
                r.path.to_owned(),
                r.why().to_owned(),
                r.only_file(),
            )
        };
        let mut lines: Vec<_> = rows().map(flat).collect();
        lines.sort();
        assert_eq!(lines, by_toml());
        assert!(by_toml().iter().all(|row| Class::from_word(&row.0).is_ok()));
    }

    #[test]
    fn paths_are_plain_and_named_once() {
        for name in rows().flat_map(|r| r.components()) {
            assert!(
                !matches!(name, "" | "." | "..") && name.matches('*').count() <= 1,
                "{name}"
            );
            assert_eq!(name, fold(name.as_ref()), "written folded");
        }
        let mut paths: Vec<&str> = rows().map(|r| r.path).collect();
        paths.sort_unstable();
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
            assert!(!free.contains(&row.path), "{row:?}");
        }
    }
}
