//! Lines that say that something went wrong: kept from what is left out.

use crate::repeat::Line;
use memchr::memmem::Finder;
use std::collections::VecDeque;

/// What such a line holds. Bytes, not expressions: every line of every output is asked.
const WORDS: &[&str] = &[
    "rror",
    "ERROR",
    "anic",
    "FAIL",
    "ailed",
    "ailure",
    "atal",
    "Traceback",
    "xception",
    "not ok ",
];
/// Of these words alone nothing went wrong.
const HARMLESS: &[&str] = &["0 errors", "0 failed", "no errors", "test result: ok"];

/// Lines of the first that are kept, and of the last.
const FIRST: usize = 14;
const LAST: usize = 6;
/// Bytes of one such line.
pub(crate) const LONGEST: usize = 240;

/// Finds them.
#[derive(Debug)]
pub(crate) struct Words(Vec<Finder<'static>>);

impl Default for Words {
    fn default() -> Self {
        Words(WORDS.iter().map(|w| Finder::new(*w)).collect())
    }
}

impl Words {
    pub(crate) fn are_in(&self, line: &str) -> bool {
        let found = self.0.iter().any(|word| word.find(line.as_bytes()).is_some());
        found && !HARMLESS.iter().any(|words| line.contains(words))
    }
}

/// The first and the last of them that were left out.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    first: Vec<Line>,
    last: VecDeque<Line>,
    more: u64,
}

impl Signals {
    pub(crate) fn push(&mut self, line: Line) {
        if self.first.len() < FIRST {
            self.first.push(line);
            return;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
            self.more += 1;
        }
        self.last.push_back(line);
    }

    /// In their order, and how many more there were between.
    pub(crate) fn all(&self) -> (impl Iterator<Item = &Line>, u64) {
        (self.first.iter().chain(&self.last), self.more)
    }
}
