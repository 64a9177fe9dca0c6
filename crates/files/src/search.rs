//! Lines of files that match.

use crate::bounds::{ALL, Bound, Bounds, FILE, TEXT};
use crate::error::{FileError, name};
use crate::list::{Walk, Wanted};
use crate::read::is_binary;
use crate::view::View;
use fumehood_output::{Line, Literal, expression};
use memchr::memmem::Finder;
use regex_lite::Regex;
use rustix::fs::FileType;
use std::fmt::Write;
use std::io::Read;
use std::path::Path;

/// Bytes of a line that is shown whole; of a longer one what is around the match.
const WHOLE: usize = 400;
/// Bytes before and after a match in a longer one.
const AROUND: usize = 150;
/// Bytes of a line that a pattern is looked for in: what its engine does for each is bounded, and not little. A plain text is
/// looked for in the first MiB.
const MATCHED: usize = 16 * 1024;
/// Bytes looked at between two looks at the time.
const OFTEN: u64 = 16 * 1024;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// `path:line:text`, a match a line.
    pub text: String,
    /// Lines that match.
    pub matches: u64,
    /// Files that hold them.
    pub in_files: u64,
    /// Files looked at.
    pub files: u64,
    /// Binary files, which were not.
    pub binary: u64,
    /// Files and folders that could not be opened.
    pub closed: u64,
    /// Files of which only the beginning was looked at, or that have such lines.
    pub in_part: u64,
    /// What ended it early.
    pub bound: Option<Bound>,
}

/// What is looked for.
enum Needle {
    /// A text without anything that means more than itself.
    Plain(Box<Finder<'static>>),
    Pattern(Regex),
}

impl Needle {
    fn new(pattern: &str) -> Result<Needle, FileError> {
        let regex = expression(pattern)?;
        let special = |c: char| "\\.+*?()|[]{}^$".contains(c);
        Ok(match pattern.contains(special) {
            true => Needle::Pattern(regex),
            false => Needle::Plain(Box::new(Finder::new(pattern).into_owned())),
        })
    }

    /// How much of a line it is looked for in.
    const fn most(&self) -> usize {
        match self {
            Needle::Plain(_) => usize::MAX,
            Needle::Pattern(_) => MATCHED,
        }
    }

    /// Where in the line.
    fn find(&self, line: &str) -> Option<(usize, usize)> {
        match self {
            Needle::Plain(finder) => {
                let at = finder.find(line.as_bytes())?;
                Some((at, at + finder.needle().len()))
            }
            Needle::Pattern(regex) => regex.find(line).map(|m| (m.start(), m.end())),
        }
    }
}

/// Looks for an expression in a file, or in all files below a folder.
///
/// # Errors
/// The path is not there, or the expression is none.
pub fn search(
    view: &View,
    path: &Path,
    pattern: &str,
    wanted: &Wanted,
    bounds: &Bounds<'_>,
) -> Result<Found, FileError> {
    let mut searching = Searching {
        view,
        needle: Needle::new(pattern)?,
        bounds,
        left: ALL,
        out: Found::default(),
    };
    if view.place(path)?.kind() != FileType::Directory {
        // What cannot be read is told, since it was named.
        view.file(path)?;
        searching.out.bound = searching.file(path);
        return Ok(searching.out);
    }
    let end = Walk::new(view, path, wanted, bounds).each(|below, kind, _| {
        let is_wanted = wanted.only.as_ref().is_none_or(|only| only.covers(below));
        match kind == FileType::RegularFile && is_wanted {
            true => searching.file(below),
            false => None,
        }
    })?;
    let mut out = searching.out;
    out.closed += end.closed;
    out.bound = end.bound;
    Ok(out)
}

struct Searching<'a> {
    view: &'a View,
    needle: Needle,
    bounds: &'a Bounds<'a>,
    /// Bytes that may still be looked at.
    left: u64,
    out: Found,
}

impl Searching<'_> {
    /// One file; what ends the search.
    fn file(&mut self, path: &Path) -> Option<Bound> {
        match self.lines(path) {
            Ok(bound) => bound,
            Err(_) => {
                self.out.closed += 1;
                None
            }
        }
    }

    fn lines(&mut self, path: &Path) -> std::io::Result<Option<Bound>> {
        let opened = self.view.file(path);
        let (mut file, facts) = opened.map_err(|e| std::io::Error::other(e.to_string()))?;
        if is_binary(&mut file, u64::try_from(facts.st_size).unwrap_or(0))? {
            self.out.binary += 1;
            return Ok(None);
        }
        self.out.files += 1;
        let most = FILE.min(self.left);
        let mut text = Literal::new(file.take(most));
        let mut line = Line::default();
        let (mut number, before, mut in_part) = (0u64, self.out.matches, false);
        let mut since = 0;
        while line.read(&mut text, true, true)? {
            number += 1;
            let (_, length) = line.take();
            let searched = line.searched();
            let searched = &searched[..searched.len().min(self.needle.most())];
            in_part |= length > searched.len() as u64;
            if let Some(bound) = self.line(path, number, searched) {
                return Ok(Some(bound));
            }
            // A short line costs something, too.
            since += 64 + searched.len() as u64;
            if since >= OFTEN {
                since = 0;
                if let Some(bound) = self.bounds.reached() {
                    return Ok(Some(bound));
                }
            }
        }
        let looked = most - text.source().limit();
        self.left -= looked;
        self.out.in_files += u64::from(self.out.matches > before);
        self.out.in_part += u64::from(in_part || looked == FILE);
        Ok((self.left == 0).then_some(Bound::Bytes))
    }

    fn line(&mut self, path: &Path, number: u64, line: &[u8]) -> Option<Bound> {
        let line = String::from_utf8_lossy(line);
        let (from, to) = self.needle.find(&line)?;
        self.out.matches += 1;
        let shown = around(&line, from, to);
        let _in_memory = writeln!(self.out.text, "{}:{number}:{shown}", name(path));
        (self.out.text.len() > TEXT).then_some(Bound::Text)
    }
}

/// The line, or what of it is around the match.
fn around(line: &str, from: usize, to: usize) -> String {
    if line.len() <= WHOLE {
        return line.to_owned();
    }
    let at = |wanted: usize| {
        (0..=wanted.min(line.len()))
            .rev()
            .find(|at| line.is_char_boundary(*at))
            .unwrap_or(0)
    };
    let begin = at(from.saturating_sub(AROUND));
    let end = at(to.min(from + WHOLE) + AROUND);
    let mark = |left: usize| match left {
        0 => String::new(),
        n => format!("⟦{n} bytes⟧"),
    };
    format!("{}{}{}", mark(begin), &line[begin..end], mark(line.len() - end))
}
