//! What goes back to the program because it asked.

use std::fmt::Write;

/// Answers beyond this are dropped until those before were taken: a terminal
/// whose program asks without reading must not grow.
const MOST_WAITING: usize = 4096;

/// Answers in our own words; the only text of the program in them are numbers.
#[derive(Debug, Default)]
pub(crate) struct Answers(String);

impl Answers {
    /// Adds one answer as a whole, or not at all.
    pub(crate) fn add(&mut self, answer: std::fmt::Arguments<'_>) {
        let before = self.0.len();
        let written = self.0.write_fmt(answer);
        if written.is_err() || self.0.len() > MOST_WAITING {
            self.0.truncate(before);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0).into_bytes()
    }
}
