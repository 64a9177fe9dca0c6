//! What of a text fits a budget: its beginning, its end, and of what lies between the lines that say that
//! something went wrong. Constant memory, exact counts, cut at lines.

use crate::line::{Gathered, cut, whole};
use crate::repeat::{Line, Repeats};
use crate::signal::{self, Signals, Words};
use std::collections::VecDeque;
use std::fmt::Write;

/// Bytes of a budget, at least.
pub const LEAST_BUDGET: usize = 1024;
/// And at most: clients cut longer results themselves, and worse.
pub const MOST_BUDGET: usize = 64 * 1024;
/// Where a tool says nothing.
pub const DEFAULT_BUDGET: usize = 24 * 1024;

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The text; at most the budget.
    pub text: String,
    /// Lines of the whole output.
    pub lines: u64,
    /// Bytes of the whole output, as text.
    pub bytes: u64,
    /// Lines of which nothing is shown; those that a remark about repetition stands for are not among them.
    pub left_out_lines: u64,
    /// Bytes of them, line feeds included.
    pub left_out_bytes: u64,
    /// Number of the first and the last line left out.
    pub left_out: Option<(u64, u64)>,
}

/// A text on its way into a budget.
#[derive(Debug)]
pub struct Window {
    budget: usize,
    line: Gathered,
    number: u64,
    bytes: u64,
    repeats: Repeats,
    words: Words,
    kept: Kept,
}

/// Lines that are kept.
#[derive(Debug, Default)]
struct Kept {
    budget: usize,
    head: Vec<Line>,
    head_bytes: usize,
    is_full: bool,
    tail: VecDeque<Line>,
    tail_bytes: usize,
    signals: Signals,
    left_out_lines: u64,
    left_out_bytes: u64,
}

impl Window {
    /// For so many bytes, between [`LEAST_BUDGET`] and [`MOST_BUDGET`].
    #[must_use]
    pub fn new(budget: usize) -> Window {
        let budget = budget.clamp(LEAST_BUDGET, MOST_BUDGET);
        Window {
            budget,
            line: Gathered::default(),
            number: 0,
            bytes: 0,
            repeats: Repeats::default(),
            words: Words::default(),
            kept: Kept {
                budget,
                ..Kept::default()
            },
        }
    }

    /// Some text more, as the cleaner gives it.
    pub fn push(&mut self, text: &[u8]) {
        self.bytes += text.len() as u64;
        let mut rest = text;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            if self.line.is_empty() {
                self.end_line(whole(&rest[..end]), end as u64 + 1);
            } else {
                self.line.push(&rest[..end]);
                let (line, length) = self.line.take();
                self.end_line(line, length + 1);
            }
            rest = &rest[end + 1..];
        }
        self.line.push(rest);
    }

    fn end_line(&mut self, text: String, bytes: u64) {
        self.number += 1;
        let signal = self.words.are_in(&text);
        let line = Line {
            number: self.number,
            count: 1,
            bytes,
            text,
            signal,
        };
        let kept = &mut self.kept;
        self.repeats.push(line, &mut |line| kept.push(line));
    }

    /// There is no more.
    #[must_use]
    pub fn finish(mut self) -> Shown {
        let ends_whole = self.line.is_empty();
        if !ends_whole {
            let (line, length) = self.line.take();
            self.end_line(line, length);
        }
        let mut kept = self.kept;
        self.repeats.finish(&mut |line| kept.push(line));
        let mut shown = Shown {
            lines: self.number,
            bytes: self.bytes,
            ..Shown::default()
        };
        kept.render(&mut shown);
        if !ends_whole && shown.text.ends_with('\n') {
            shown.text.pop();
        }
        debug_assert!(shown.text.len() <= self.budget);
        shown
    }
}

impl Kept {
    fn push(&mut self, mut line: Line) {
        // Of a budget no line takes more than a quarter.
        let most = self.budget / 4;
        if line.text.len() > most {
            let at = cut(&line.text, most - 40);
            let left = line.bytes.saturating_sub(at as u64 + 1);
            line.text.truncate(at);
            let _in_memory = write!(line.text, "⟦{left} bytes left out⟧");
        }
        let size = line.text.len() + 1;
        if !self.is_full && self.head_bytes + size <= self.budget * 3 / 10 {
            self.head_bytes += size;
            self.head.push(line);
            return;
        }
        self.is_full = true;
        self.tail_bytes += size;
        self.tail.push_back(line);
        while self.head_bytes + self.tail_bytes > self.budget {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let Some(line) = self.tail.pop_front() else { return };
        self.tail_bytes -= line.text.len() + 1;
        self.left_out_lines += line.count;
        self.left_out_bytes += line.bytes;
        if line.signal {
            self.signals.push(line);
        }
    }

    fn render(&mut self, shown: &mut Shown) {
        let mut middle = String::new();
        if self.left_out_lines > 0 {
            // What the remark says grows as the tail shrinks for it, by a few digits at most.
            loop {
                middle = self.middle();
                if self.head_bytes + middle.len() + self.tail_bytes <= self.budget || self.tail.is_empty() {
                    break;
                }
                self.drop_first();
            }
            let first = self.head.last().map_or(1, |l| l.number + l.count);
            shown.left_out = Some((first, first + self.left_out_lines - 1));
        }
        let mut text = String::with_capacity(self.head_bytes + middle.len() + self.tail_bytes);
        let write = |text: &mut String, line: &Line| {
            text.push_str(&line.text);
            text.push('\n');
        };
        self.head.iter().for_each(|line| write(&mut text, line));
        text.push_str(&middle);
        self.tail.iter().for_each(|line| write(&mut text, line));
        shown.text = text;
        shown.left_out_lines = self.left_out_lines;
        shown.left_out_bytes = self.left_out_bytes;
    }

    /// The remark on what is left out, with the lines of it that went wrong; those as far as a tenth of the budget
    /// goes.
    fn middle(&self) -> String {
        let first = self.head.last().map_or(1, |l| l.number + l.count);
        let last = first + self.left_out_lines - 1;
        let mut out = String::new();
        let (lines, bytes) = (self.left_out_lines, self.left_out_bytes);
        let _in_memory = writeln!(
            out,
            "⟦lines {first} to {last} left out: {lines} lines, {bytes} bytes⟧"
        );
        let room = out.len() + self.budget / 5;
        let (signals, mut more) = self.signals.all();
        let mut any = false;
        for line in signals {
            let text = &line.text[..cut(&line.text, signal::LONGEST)];
            if out.len() + text.len() + 40 > room {
                more += 1;
                continue;
            }
            any = true;
            let _in_memory = writeln!(out, "⟦line {}⟧ {text}", line.number);
        }
        if any && more > 0 {
            let _in_memory = writeln!(out, "⟦and {more} more lines of that kind⟧");
        }
        if any {
            out.push_str("⟦end of what is left out⟧\n");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(budget: usize, pieces: &[&[u8]]) -> Shown {
        let mut window = Window::new(budget);
        pieces.iter().for_each(|p| window.push(p));
        window.finish()
    }

    #[test]
    fn what_fits_is_shown_whole() {
        for text in ["", "a", "a\n", "a\n\nb", "x\ny\n"] {
            let shown = window(1024, &[text.as_bytes()]);
            assert_eq!(shown.text, text);
            assert_eq!((shown.left_out_lines, shown.left_out), (0, None));
            assert_eq!(shown.bytes, text.len() as u64);
        }
    }

    fn words(n: u64) -> String {
        let letter = |k: u64| char::from(b'a' + u8::try_from(k % 26).unwrap_or(0));
        (0..7)
            .map(|k| letter(n / 26u64.pow(k) + u64::from(k) * n))
            .collect()
    }

    #[test]
    fn of_more_the_beginning_the_end_and_what_went_wrong() {
        let mut text = String::new();
        for n in 1..=5000u64 {
            text.push_str(&words(n));
            if n == 2500 {
                text.push_str(" error[E0308]: mismatched types");
            }
            text.push('\n');
        }
        let shown = window(2048, &[text.as_bytes()]);
        assert!(
            shown.text.len() <= 2048 && shown.text.len() > 1800,
            "{}",
            shown.text.len()
        );
        assert!(shown.text.starts_with(&words(1)) && shown.text.ends_with(&format!("{}\n", words(5000))));
        assert!(
            shown.text.contains(&format!(
                "⟦line 2500⟧ {} error[E0308]: mismatched types",
                words(2500)
            )),
            "{}",
            shown.text
        );
        let (first, last) = shown.left_out.unwrap();
        assert_eq!(last - first + 1, shown.left_out_lines);
        assert_eq!(shown.lines, 5000);
    }

    #[test]
    fn many_errors_leave_room_for_the_end() {
        let text: String = (0..5000u64).map(|n| format!("{} failed\n", words(n))).collect();
        let shown = window(4096, &[text.as_bytes()]);
        assert!(shown.text.len() <= 4096 && shown.text.ends_with(&format!("{} failed\n", words(4999))));
        assert!(shown.text.contains("more lines of that kind⟧"), "{}", shown.text);
    }

    #[test]
    fn one_line_of_any_length_is_bounded() {
        let shown = window(1024, &[&vec![b'x'; 10 << 20]]);
        assert!(
            shown.text.len() <= 1024 && shown.text.contains("bytes left out"),
            "{}",
            shown.text
        );
        assert_eq!(shown.bytes, 10 << 20);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Lines shown, lines that remarks stand for, and lines left out are all lines; shown ones are the text's own.
        #[test]
        fn every_line_is_accounted_for(
            parts in proptest::collection::vec("([a-z]{0,90}\n|error: [a-z]{3,40}\n|[é日]{1,40}\n|x\n|[0-9]{1,3}%\n)", 0..200),
            end in "[a-z]{0,9}", budget in 1024usize..5000, cuts in proptest::collection::vec(1usize..400, 1..20))
        {
            let text = parts.concat() + &end;
            let whole = window(budget, &[text.as_bytes()]);
            let mut pieces = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts.iter().cycle().take(2000) {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(&window(budget, &pieces), &whole);
            prop_assert!(whole.text.len() <= budget);
            let total = text.lines().count() as u64;
            prop_assert_eq!(whole.lines, total);
            let lines: Vec<&str> = text.split('\n').collect();
            let mut at = 0u64;
            for line in whole.text.lines() {
                if let Some(remark) = line.strip_prefix('⟦') {
                    let number = |t: &str| t.split(' ').find_map(|w| w.parse::<u64>().ok()).unwrap();
                    if remark.contains("left out:") {
                        at += whole.left_out_lines;
                    } else if let Some(rest) = remark.strip_prefix("the line above, ") {
                        at += number(rest);
                    } else if let Some(rest) = remark.strip_prefix("the ") {
                        at += number(rest) * number(rest.split_once("above, ").unwrap().1);
                    } else if remark.contains("differ in numbers") {
                        at += number(remark);
                    } else if let Some(rest) = remark.strip_prefix("line ") {
                        let (n, text) = rest.split_once("⟧ ").unwrap();
                        prop_assert_eq!(lines[n.parse::<usize>().unwrap() - 1], text);
                    }
                    continue;
                }
                prop_assert_eq!(lines[usize::try_from(at).unwrap()], line);
                at += 1;
            }
            prop_assert_eq!(at, total);
        }
    }
}
