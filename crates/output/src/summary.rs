//! What an output says in short: how many passed and failed, what failed first and where.
//!
//! Each format is read line by line in bounded memory. A summary never takes anything away: the text is shown and kept
//! beside it. What is not in the expected format gives none.

mod cargo;
mod diagnostics;
mod diff;
mod go_test;
mod json;
mod junit;
mod libtest;
mod pytest;
mod tap;

pub use fumehood_policy::config::Summary as Format;
use std::fmt;

/// Bytes of one line that is read; a longer one says nothing here.
const LONGEST_LINE: usize = 64 * 1024;
/// Failures that are told one by one.
const MOST_FAILURES: usize = 20;
/// Lines and bytes that are told of one failure.
const MOST_DETAIL: usize = 6;
const LONGEST_DETAIL: usize = 200;
/// Slow ones that are told.
const MOST_SLOW: usize = 5;
/// Other remarks.
const MOST_NOTES: usize = 20;

/// What failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The test, or the kind of diagnostic.
    pub name: String,
    /// `file:line:column`, as far as it is known.
    pub place: Option<String>,
    /// The first lines of what is said of it.
    pub detail: Vec<String>,
}

/// An output in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many of which.
    pub counts: Vec<(&'static str, u64)>,
    /// The first failures.
    pub failures: Vec<Failure>,
    /// How many more there were.
    pub more_failures: u64,
    /// The slowest, in milliseconds.
    pub slowest: Vec<(String, u64)>,
    /// What else there is to say: files of a diff, the shape of a document.
    pub notes: Vec<String>,
}

impl Summary {
    /// How many of these there were.
    #[must_use]
    pub fn count(&self, of: &str) -> u64 {
        self.counts
            .iter()
            .find(|(name, _)| *name == of)
            .map_or(0, |(_, n)| *n)
    }

    fn add(&mut self, of: &'static str, more: u64) {
        match self.counts.iter_mut().find(|(name, _)| *name == of) {
            Some((_, n)) => *n = n.saturating_add(more),
            None => self.counts.push((of, more)),
        }
    }

    fn fail(&mut self, failure: Failure) {
        if self.failures.len() < MOST_FAILURES {
            self.failures.push(failure);
        } else {
            self.more_failures += 1;
        }
    }

    fn note(&mut self, text: &str) {
        if self.notes.len() < MOST_NOTES {
            self.notes.push(short(text));
        }
    }

    /// One that took so long.
    fn took(&mut self, name: &str, seconds: f64) {
        let ms = (seconds * 1000.0).clamp(0.0, 1e12) as u64;
        let at = self.slowest.partition_point(|(_, other)| *other >= ms);
        if at < MOST_SLOW && ms > 0 {
            self.slowest.insert(at, (short(name), ms));
            self.slowest.truncate(MOST_SLOW);
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self
            .counts
            .iter()
            .map(|(name, n)| format!("{n} {name}"))
            .collect();
        writeln!(f, "{}", counts.join(", "))?;
        for failure in &self.failures {
            let place = failure
                .place
                .as_ref()
                .map_or_else(String::new, |p| format!(" at {p}"));
            writeln!(f, "- {}{place}", failure.name)?;
            failure
                .detail
                .iter()
                .try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        if self.more_failures > 0 {
            writeln!(f, "- and {} more", self.more_failures)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  {note}"))?;
        for (name, ms) in &self.slowest {
            writeln!(f, "  slow: {name}, {}.{:03} s", ms / 1000, ms % 1000)?;
        }
        Ok(())
    }
}

/// A reader of one format.
trait Reader: fmt::Debug + Send {
    /// The next line, without its line feed.
    fn line(&mut self, line: &str, to: &mut Summary);
    /// There are no more; whether it was the format at all.
    fn end(&mut self, to: &mut Summary) -> bool;
}

/// A summary on its way.
#[derive(Debug)]
pub(crate) struct Summariser {
    reader: Box<dyn Reader>,
    line: Vec<u8>,
    is_long: bool,
    summary: Summary,
}

impl Summariser {
    pub(crate) fn new(format: Format) -> Summariser {
        let reader: Box<dyn Reader> = match format {
            Format::Libtest => Box::<libtest::Libtest>::default(),
            Format::Junit => Box::<junit::Junit>::default(),
            Format::Pytest => Box::<pytest::Pytest>::default(),
            Format::GoTest => Box::<go_test::GoTest>::default(),
            Format::Tap => Box::<tap::Tap>::default(),
            Format::Cargo => Box::<cargo::Cargo>::default(),
            Format::Diagnostics => Box::<diagnostics::Diagnostics>::default(),
            Format::Diff => Box::<diff::Diff>::default(),
            Format::Json => Box::<json::Document>::default(),
        };
        Summariser {
            reader,
            line: Vec::new(),
            is_long: false,
            summary: Summary::default(),
        }
    }

    /// Some text more.
    pub(crate) fn push(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.gather(&rest[..end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
        self.gather(rest);
    }

    fn gather(&mut self, bytes: &[u8]) {
        if self.line.len() + bytes.len() > LONGEST_LINE {
            self.is_long = true;
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self) {
        if !self.is_long {
            self.reader
                .line(&String::from_utf8_lossy(&self.line), &mut self.summary);
        }
        self.line.clear();
        self.is_long = false;
    }

    /// The summary, if the output was in the format.
    pub(crate) fn finish(mut self) -> Option<Summary> {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.reader.end(&mut self.summary).then_some(self.summary)
    }
}

/// A text in one line of bounded length.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end();
    let at = crate::line::cut(line, LONGEST_DETAIL);
    match at < line.len() {
        true => format!("{}…", &line[..at]),
        false => line.to_owned(),
    }
}

/// The first lines of a text.
fn detail<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    lines
        .filter(|l| !l.trim().is_empty())
        .take(MOST_DETAIL)
        .map(short)
        .collect()
}

#[cfg(test)]
mod tests;
