//! Repeated lines, told once: the same line, lines that differ in their numbers only, and blocks of up to eight lines.

use std::collections::VecDeque;

/// Lines of one block.
const LONGEST_BLOCK: usize = 8;
/// Lines that differ in numbers only, from which on their middle is left out.
const FEWEST_ALIKE: usize = 4;

/// A line on its way to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its number in the output, from 1.
    pub(crate) number: u64,
    /// How many lines of the output it stands for.
    pub(crate) count: u64,
    /// How many bytes of the output, line feeds included.
    pub(crate) bytes: u64,
    /// Its text, or the remark that stands for others.
    pub(crate) text: String,
    /// Whether it says that something went wrong.
    pub(crate) signal: bool,
}

/// What the next lines may repeat.
#[derive(Debug)]
enum Run {
    None,
    /// A block of the last so many lines; how far into it, what came of it now, what is left out already.
    Block {
        period: usize,
        held: Vec<Line>,
        times: u64,
        first: u64,
        bytes: u64,
    },
    /// Lines like the last one but for their numbers; the newest are held.
    Alike {
        held: Vec<Line>,
        left_out: u64,
        first: u64,
        bytes: u64,
    },
}

/// Takes lines and gives those to be shown.
#[derive(Debug)]
pub(crate) struct Repeats {
    /// Texts of the last lines shown, and whether the last of them went wrong.
    last: VecDeque<String>,
    signal: bool,
    run: Run,
}

impl Default for Repeats {
    fn default() -> Self {
        Repeats {
            last: VecDeque::with_capacity(LONGEST_BLOCK + 1),
            signal: false,
            run: Run::None,
        }
    }
}

impl Repeats {
    /// The next line.
    pub(crate) fn push(&mut self, line: Line, to: &mut impl FnMut(Line)) {
        let run = std::mem::replace(&mut self.run, Run::None);
        self.run = match run {
            Run::None => self.begin(line, to),
            Run::Block {
                period,
                mut held,
                mut times,
                first,
                mut bytes,
            } => {
                let expected = &self.last[self.last.len() - period + held.len()];
                if *expected != line.text {
                    self.end(
                        Run::Block {
                            period,
                            held,
                            times,
                            first,
                            bytes,
                        },
                        to,
                    );
                    return self.push(line, to);
                }
                held.push(line);
                if held.len() == period {
                    times += 1;
                    bytes += held.drain(..).map(|l| l.bytes).sum::<u64>();
                }
                Run::Block {
                    period,
                    held,
                    times,
                    first,
                    bytes,
                }
            }
            Run::Alike {
                mut held,
                mut left_out,
                first,
                mut bytes,
            } => {
                let goes_on = |last: &Line| last.text != line.text && alike(&last.text, &line.text);
                if line.signal || !held.last().is_some_and(goes_on) {
                    self.end(
                        Run::Alike {
                            held,
                            left_out,
                            first,
                            bytes,
                        },
                        to,
                    );
                    return self.push(line, to);
                }
                if left_out > 0 || held.len() + 1 == FEWEST_ALIKE {
                    left_out += held.len() as u64;
                    bytes += held.drain(..).map(|l| l.bytes).sum::<u64>();
                }
                held.push(line);
                Run::Alike {
                    held,
                    left_out,
                    first,
                    bytes,
                }
            }
        };
    }

    /// There are no more.
    pub(crate) fn finish(mut self, to: &mut impl FnMut(Line)) {
        let run = std::mem::replace(&mut self.run, Run::None);
        self.end(run, to);
    }

    fn begin(&mut self, line: Line, to: &mut impl FnMut(Line)) -> Run {
        let repeats = (1..=self.last.len()).find(|back| self.last[self.last.len() - back] == line.text);
        // One empty line after another text is no block.
        if let Some(period) = repeats.filter(|p| *p == 1 || !line.text.trim().is_empty()) {
            let first = line.number;
            let once = period == 1;
            return Run::Block {
                period,
                times: u64::from(once),
                bytes: if once { line.bytes } else { 0 },
                held: if once { Vec::new() } else { vec![line] },
                first,
            };
        }
        let is_alike = |last: &String| alike(last, &line.text);
        if !line.signal && !self.signal && self.last.back().is_some_and(is_alike) {
            return Run::Alike {
                first: line.number,
                held: vec![line],
                left_out: 0,
                bytes: 0,
            };
        }
        self.show(line, to);
        Run::None
    }

    fn end(&mut self, run: Run, to: &mut impl FnMut(Line)) {
        match run {
            Run::None => {}
            Run::Block {
                period,
                held,
                times,
                first,
                bytes,
            } => {
                let text = match (times, period) {
                    (0, _) => None,
                    (times, 1) => Some(format!("⟦the line above, {times} more times⟧")),
                    (times, period) => Some(format!("⟦the {period} lines above, {times} more times⟧")),
                };
                if let Some(text) = text {
                    let count = times * period as u64;
                    self.remark(first, count, bytes, text, to);
                }
                held.into_iter().for_each(|line| self.show(line, to));
            }
            Run::Alike {
                held,
                left_out,
                first,
                bytes,
            } => {
                if left_out > 0 {
                    let text = format!("⟦{left_out} lines that differ in numbers only⟧");
                    self.remark(first, left_out, bytes, text, to);
                }
                held.into_iter().for_each(|line| self.show(line, to));
            }
        }
    }

    fn remark(&mut self, number: u64, count: u64, bytes: u64, text: String, to: &mut impl FnMut(Line)) {
        self.last.clear(); // what follows a remark repeats nothing before it
        to(Line {
            number,
            count,
            bytes,
            text,
            signal: false,
        });
    }

    fn show(&mut self, line: Line, to: &mut impl FnMut(Line)) {
        let mut text = match self.last.len() {
            LONGEST_BLOCK => self.last.pop_front().unwrap_or_default(),
            _ => String::new(),
        };
        text.clear();
        text.push_str(&line.text);
        self.last.push_back(text);
        self.signal = line.signal;
        to(line);
    }
}

/// Whether two lines are the same but for the digits in them, and have some.
fn alike(one: &str, two: &str) -> bool {
    let mut one = masked(one.as_bytes());
    let mut two = masked(two.as_bytes());
    let mut digits = false;
    loop {
        match (one.next(), two.next()) {
            (None, None) => return digits,
            (Some(a), Some(b)) if a == b => digits |= a == b'0',
            _ => return false,
        }
    }
}

/// A text in which each number is `0`.
fn masked(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    (0..text.len()).filter_map(move |at| match digit(at) {
        true if at > 0 && digit(at - 1) => None,
        true => Some(b'0'),
        false => Some(text[at]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(lines: &[&str]) -> Vec<Line> {
        let mut out = Vec::new();
        let mut repeats = Repeats::default();
        for (number, text) in (1..).zip(lines) {
            let line = Line {
                number,
                count: 1,
                bytes: text.len() as u64 + 1,
                text: (*text).to_owned(),
                signal: text.contains("error"),
            };
            repeats.push(line, &mut |l| out.push(l));
        }
        repeats.finish(&mut |l| out.push(l));
        out
    }

    fn texts(lines: &[&str]) -> String {
        shown(lines)
            .iter()
            .map(|l| l.text.clone())
            .collect::<Vec<_>>()
            .join("|")
    }

    #[test]
    fn what_repeats_is_told_once() {
        assert_eq!(texts(&["a", "a", "a", "b"]), "a|⟦the line above, 2 more times⟧|b");
        assert_eq!(
            texts(&["a", "b", "a", "b", "a", "b", "a", "c"]),
            "a|b|⟦the 2 lines above, 2 more times⟧|a|c"
        );
        assert_eq!(
            texts(&["1%", "2%", "3%", "4%", "100%", "x"]),
            "1%|⟦3 lines that differ in numbers only⟧|100%|x"
        );
        assert_eq!(texts(&["1%", "2%", "3%", "x"]), "1%|2%|3%|x");
        assert_eq!(texts(&["a", "", "b", "", "c"]), "a||b||c");
        assert_eq!(texts(&["a", "b", "a", "c"]), "a|b|a|c");
    }

    /// Two errors at different lines are two errors.
    #[test]
    fn errors_that_differ_in_numbers_are_all_shown() {
        let lines = [
            "error at 1",
            "error at 2",
            "error at 3",
            "error at 4",
            "error at 5",
        ];
        assert_eq!(texts(&lines), lines.join("|"));
    }

    proptest! {
        #[test]
        fn every_line_is_counted_once(lines in proptest::collection::vec("(a|b|c|1|22|x3|error 1|error 2|)", 0..80)) {
            let refs: Vec<&str> = lines.iter().map(String::as_str).collect();
            let out = shown(&refs);
            prop_assert_eq!(out.iter().map(|l| l.count).sum::<u64>(), lines.len() as u64);
            let bytes: usize = lines.iter().map(|l| l.len() + 1).sum();
            prop_assert_eq!(out.iter().map(|l| l.bytes).sum::<u64>(), bytes as u64);
            let mut next = 1;
            for line in &out {
                prop_assert_eq!(line.number, next);
                if line.count == 1 && !line.text.starts_with('⟦') {
                    prop_assert_eq!(&line.text, &lines[line.number as usize - 1]);
                }
                next += line.count;
            }
        }
    }
}
