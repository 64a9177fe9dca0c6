use std::rc::Rc;

use toml::de::DeTable;

use crate::config::{Document, Fields, Node};
use crate::escape::Escaped;
use crate::finding::{Findings, Severity};
use crate::origin::Layer;
use crate::value::{Invalid, Word};

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
pub fn rows() -> Result<Vec<Row>, Findings> {
    parse(TEXT)
}

/// A row's path: relative, plain names.
struct TablePath(Vec<String>);

impl std::str::FromStr for TablePath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let good = |name: &str| !matches!(name, "" | "." | "..") && name.matches('*').count() <= 1;
        if !text.split('/').all(good) {
            return Err(Invalid::not(
                text,
                "a protected path",
                "write it from the project's root, one `*` a name",
            ));
        }
        Ok(Self(
            text.split('/')
                .map(|name| super::fold::fold(name.as_ref()))
                .collect(),
        ))
    }
}

fn parse(text: &str) -> Result<Vec<Row>, Findings> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let doc = Document::new("presets/protected.toml", Layer::Machine, text);
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        doc.report(Severity::Error, offset, "", Escaped::from(error.message()), "");
    }
    let mut fields = Fields::new(&doc, Rc::from(""), table.get_ref(), 0);
    let classes = Class::ALL
        .iter()
        .map(|(name, class)| fields.get(name, |node| class_rows(node, *class)));
    let rows: Vec<Row> = classes.flatten().flatten().collect();
    fields.finish();
    let findings = Findings(doc.into_findings());
    if findings.0.is_empty() {
        Ok(rows)
    } else {
        Err(findings)
    }
}

fn class_rows(node: &Node<'_>, class: Class) -> Option<Vec<Row>> {
    let rows = node.entries::<TablePath, _>(reason)?;
    let row = |(path, (why, only_file)): (crate::At<TablePath>, _)| Row {
        components: path.value.0,
        class,
        why,
        only_file,
    };
    Some(rows.into_iter().map(row).collect())
}

/// `"why"` or `{ why = "…", only = "file" }`.
fn reason(node: &Node<'_>) -> Option<(String, bool)> {
    if node.is_text() {
        return node.text().map(|why| (why.to_owned(), false));
    }
    node.table(|f| {
        let why = f.need("why", "say what runs it", |n| n.text().map(str::to_owned));
        let only = f.get("only", |n| n.text().filter(|t| *t == "file"));
        Some((why?.value, only.is_some()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_is_understood_and_names_each_path_once() {
        let rows = rows().unwrap();
        let mut paths: Vec<String> = rows.iter().map(|r| r.components.join("/")).collect();
        paths.sort();
        let all = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), all);
        for class in Class::ALL {
            assert!(rows.iter().any(|row| row.class == class.1), "{}", class.0);
        }
    }

    #[test]
    fn what_ordinary_work_rewrites_is_not_in_it() {
        let free = [
            ".git/index",
            ".git/HEAD",
            ".git/refs",
            ".git/objects",
            ".git/logs",
            ".git/info/exclude",
            "package.json",
            "Cargo.lock",
            "package-lock.json",
            ".gitmodules",
            "AGENTS.md",
            "CLAUDE.md",
            "build.rs",
        ];
        for row in rows().unwrap() {
            assert!(!free.contains(&row.components.join("/").as_str()), "{row:?}");
        }
    }

    #[test]
    fn a_wrong_row_is_told() {
        assert!(parse("[git]\n\"../x\" = \"y\"\n").is_err());
        assert!(
            parse("[giit]\n\"x\" = \"y\"\n")
                .unwrap_err()
                .to_string()
                .contains("did you mean `git`?")
        );
    }
}
