//! A change set in words: unified, by name, by numbers. Every byte that came from inside is escaped, so
//! nothing acts on the terminal that shows it.

use crate::beneath::{self, Tree};
use crate::changes::{Change, Changes, Node, Status};
use crate::error::{At, Result};
use crate::hunk::{Hunks, Line};
use crate::session::Session;
use fumehood_policy::Escaped;
use similar::TextDiff;
use std::fmt::Write;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

/// Files larger than this are shown as binary: comparing lines costs more than anyone reads.
const MOST: u64 = 8 << 20;
/// As git: a NUL in the first bytes means binary.
const HEAD: usize = 8000;

/// Both contents of one change.
#[derive(Debug)]
pub struct Contents {
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
}

impl Contents {
    /// What the project has, if it is a file that is read.
    #[must_use]
    pub fn before(&self) -> Option<&[u8]> {
        self.before.as_deref()
    }

    /// What the session has.
    #[must_use]
    pub fn after(&self) -> Option<&[u8]> {
        self.after.as_deref()
    }
}

/// How one file differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Lines that were added and removed.
    Lines {
        /// Added.
        added: usize,
        /// Removed.
        removed: usize,
    },
    /// Not text, too long, or lines that take too long to compare; sizes in bytes.
    Binary {
        /// Before.
        before: u64,
        /// After.
        after: u64,
    },
    /// Nothing but the mode, or a directory.
    Nothing,
}

/// Reads both contents of a change; files over a bound are not read.
///
/// # Errors
/// A side cannot be read.
pub fn contents(session: &Session, change: &Change) -> Result<Contents> {
    let project = session.project()?;
    let upper = session.upper();
    let layer = Tree::open_layer(&upper).at("open", &upper)?;
    let after = match &change.text {
        Some(text) => Some(text.bytes.clone()),
        None => side(&layer, change, change.after.as_ref())?,
    };
    Ok(Contents {
        before: side(&project, change, change.before.as_ref())?,
        after,
    })
}

/// What the project has at a change, if it is a file that is read.
pub(crate) fn before(session: &Session, change: &Change) -> Result<Option<Vec<u8>>> {
    match &change.before {
        Some(Node::File { .. }) => side(&session.project()?, change, change.before.as_ref()),
        _ => Ok(None),
    }
}

fn side(tree: &Tree, change: &Change, node: Option<&Node>) -> Result<Option<Vec<u8>>> {
    match node {
        Some(Node::File { size, .. }) if *size <= MOST && !change.content_same => {
            let (folder, name) = tree.parent(&change.path).at("open", &change.path)?;
            let file = beneath::open_file(&folder, name).at("open", &change.path)?;
            let mut bytes = Vec::new();
            file.take(MOST).read_to_end(&mut bytes).at("read", &change.path)?;
            Ok(Some(bytes))
        }
        Some(Node::Link(target)) => Ok(Some(
            std::os::unix::ffi::OsStrExt::as_bytes(target.as_os_str()).to_vec(),
        )),
        _ => Ok(None),
    }
}

fn size(node: Option<&Node>) -> u64 {
    match node {
        Some(Node::File { size, .. }) => *size,
        _ => 0,
    }
}

fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().take(HEAD).any(|b| *b == 0)
}

/// Comparing lines costs up to the product of their numbers, where they differ from the first to the last.
const PRODUCT: u64 = 1 << 32;

/// Whether what lies between the first and the last line that differ is too much to be compared.
fn takes_long(old: &[u8], new: &[u8]) -> bool {
    let lines = |text: &'_ [u8]| text.iter().filter(|b| **b == b'\n').count() as u64 + 1;
    if lines(old).saturating_mul(lines(new)) <= PRODUCT {
        return false;
    }
    let (a, b) = (
        || old.split_inclusive(|b| *b == b'\n'),
        || new.split_inclusive(|b| *b == b'\n'),
    );
    let first = a().zip(b()).take_while(|(x, y)| x == y).count() as u64;
    let last = a().rev().zip(b().rev()).take_while(|(x, y)| x == y).count() as u64;
    let between = |text| lines(text).saturating_sub(first + last);
    between(old).saturating_mul(between(new)) > PRODUCT
}

/// How a change differs, in numbers.
#[must_use]
pub fn body(change: &Change, contents: &Contents) -> Body {
    if change.is_directory() || change.status() == Status::Mode {
        return Body::Nothing;
    }
    let (before, after) = (size(change.before.as_ref()), size(change.after.as_ref()));
    let old = contents.before.as_deref().unwrap_or_default();
    let new = contents.after.as_deref().unwrap_or_default();
    if before.max(after) > MOST || !is_text(old) || !is_text(new) || takes_long(old, new) {
        return Body::Binary { before, after };
    }
    let diff = TextDiff::from_lines(old, new);
    let count = |tag| diff.iter_all_changes().filter(|c| c.tag() == tag).count();
    Body::Lines {
        added: count(similar::ChangeTag::Insert),
        removed: count(similar::ChangeTag::Delete),
    }
}

/// Colours of a terminal, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colours(pub bool);

impl Colours {
    fn paint(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// `M src/main.rs`, a line each.
#[must_use]
pub fn name_status(changes: &Changes) -> String {
    let mut out = String::new();
    for change in &changes.list {
        let _infallible = writeln!(
            out,
            "{} {}{}{}",
            change.status().letter(),
            Escaped::from(change.path.as_path()),
            if change.is_directory() { "/" } else { "" },
            if change.conflict {
                "  (conflict: changed on the host too)"
            } else if change.is_merged() {
                "  (changed on the host too, merged)"
            } else {
                ""
            }
        );
    }
    out
}

/// What kind of change it is, and of which path: a line.
#[must_use]
pub fn heading(change: &Change, colours: Colours) -> String {
    let path = Escaped::from(change.path.as_path());
    let text = format!("{} {path}{}", change.status().letter(), note(change));
    colours.paint("1", &text) + "\n"
}

/// Some pieces of a text, as in a unified diff.
#[must_use]
pub fn hunk(hunks: &Hunks<'_>, group: &Range<usize>, colours: Colours) -> String {
    let (head, lines) = hunks.shown(group);
    let mut out = colours.paint("36", &head) + "\n";
    for line in lines {
        let (sign, code, text) = match line {
            Line::Same(text) => (' ', "0", text),
            Line::Old(text) => ('-', "31", text),
            Line::New(text) => ('+', "32", text),
        };
        out += &colours.paint(code, &format!("{sign}{}", plain(text)));
        out += "\n";
        if !text.ends_with(b"\n") {
            out += "\\ No newline at end of file\n";
        }
    }
    out
}

/// Both texts of a change of which parts can be taken, if it is one.
#[must_use]
pub fn texts<'c>(change: &Change, contents: &'c Contents) -> Option<(&'c [u8], &'c [u8])> {
    let both = change.status() == Status::Modified && matches!(body(change, contents), Body::Lines { .. });
    let file = |node: &Option<Node>| matches!(node, Some(Node::File { .. }));
    (both && file(&change.before) && file(&change.after)).then_some((contents.before()?, contents.after()?))
}

/// One file as a unified diff.
#[must_use]
pub fn unified(change: &Change, contents: &Contents, colours: Colours) -> String {
    let path = Escaped::from(change.path.as_path());
    let mut out = heading(change, colours);
    match body(change, contents) {
        Body::Nothing => {}
        Body::Binary { before, after } => {
            let _infallible = writeln!(out, "binary, {before} bytes before, {after} after");
        }
        Body::Lines { .. } => lines(&mut out, change, contents, colours, &path),
    }
    out
}

fn note(change: &Change) -> String {
    let mode = |node: &Option<Node>| node.as_ref().and_then(Node::mode);
    let mut out = match (mode(&change.before), mode(&change.after)) {
        (Some(a), Some(b)) if a != b => format!(" (mode {a:o} to {b:o})"),
        (None, Some(b)) if b & 0o111 != 0 && !change.is_directory() => format!(" (mode {b:o})"),
        _ => String::new(),
    };
    if change.conflict {
        out.push_str(" (conflict: changed on the host too)");
    }
    if change.is_merged() {
        out.push_str(" (changed on the host too, merged)");
    }
    out
}

fn lines(out: &mut String, change: &Change, contents: &Contents, colours: Colours, path: &Escaped<'_>) {
    let side = |exists: bool, letter: char| {
        if exists {
            format!("{letter}/{path}")
        } else {
            "/dev/null".to_owned()
        }
    };
    let old = contents.before.as_deref().unwrap_or_default();
    let new = contents.after.as_deref().unwrap_or_default();
    let _infallible = writeln!(out, "--- {}", side(change.before.is_some(), 'a'));
    let _infallible = writeln!(out, "+++ {}", side(change.after.is_some(), 'b'));
    let diff = TextDiff::from_lines(old, new);
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        let _infallible = writeln!(out, "{}", colours.paint("36", &hunk.header().to_string()));
        for line in hunk.iter_changes() {
            let (sign, code) = match line.tag() {
                similar::ChangeTag::Insert => ('+', "32"),
                similar::ChangeTag::Delete => ('-', "31"),
                similar::ChangeTag::Equal => (' ', "0"),
            };
            let text = plain(line.value());
            let painted = colours.paint(code, &format!("{sign}{text}"));
            let _infallible = writeln!(out, "{painted}");
            if !line.value().ends_with(b"\n") {
                let _infallible = writeln!(out, "\\ No newline at end of file");
            }
        }
    }
}

/// A line of a file: tabs and backslashes as they are, all else that acts or hides escaped.
fn plain(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut out = String::new();
    for part in line.split_inclusive(|b| *b == b'\t' || *b == b'\\') {
        let (text, last) = match part.split_last() {
            Some((last, text)) if *last == b'\t' || *last == b'\\' => (text, Some(char::from(*last))),
            _ => (part, None),
        };
        let _infallible = write!(out, "{}", Escaped::bytes(text));
        out.extend(last);
    }
    out
}

/// `3 files, 10 lines added, 2 removed`, after a line for each file.
#[must_use]
pub fn stat_line(path: &Path, body: &Body) -> String {
    let path = Escaped::from(path);
    match body {
        Body::Lines { added, removed } => format!(" {path} | +{added} -{removed}"),
        Body::Binary { before, after } => format!(" {path} | binary, {before} to {after} bytes"),
        Body::Nothing => format!(" {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file made to hold whoever looks at it up for hours is shown by its size; a long one with an edit is shown.
    #[test]
    fn what_would_take_long_to_compare_is_not() {
        let text = |from: usize| -> Vec<u8> {
            (from..from + 100_000)
                .flat_map(|n| format!("{n}\n").into_bytes())
                .collect()
        };
        assert!(takes_long(&text(0), &text(1_000_000)));
        let edited = String::from_utf8(text(0))
            .unwrap_or_default()
            .replace("\n500\n", "\nfive\n");
        assert!(!takes_long(&text(0), edited.as_bytes()));
        assert!(!takes_long(b"", &text(0)));
    }

    #[test]
    fn a_hunk_is_shown_as_in_a_unified_diff() {
        let hunks = Hunks::of(b"a\nb\n", b"a\n\x1b]0;x").unwrap();
        let shown = hunk(&hunks, &(0..1), Colours(false));
        assert_eq!(
            shown,
            "@@ -1,2 +1,2 @@\n a\n-b\n+\\x1b]0;x\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn lines_keep_tabs_and_backslashes_and_nothing_else_that_acts() {
        assert_eq!(plain(b"a\tb\\n\x1b[2J\xff\n"), "a\tb\\n\\x1b[2J\\xff");
        assert_eq!(plain("x\u{202e}y".as_bytes()), "x\\u{202e}y");
    }
}
