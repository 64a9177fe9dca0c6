//! Which lines of two texts differ, and what becomes of the first if only some of it is taken. Pure.

use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::ops::Range;

/// Lines shown around what differs.
const CONTEXT: usize = 3;
/// Texts with more lines are taken whole or not at all: comparing them costs up to the square of this.
const MOST: usize = 20_000;

/// Lines of the first text, and what stands for them in the second. Either may be empty, not both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) old: Range<usize>,
    pub(crate) new: Range<usize>,
}

/// One line of a hunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'t> {
    /// In both.
    Same(&'t [u8]),
    /// In the first only.
    Old(&'t [u8]),
    /// In the second only.
    New(&'t [u8]),
}

/// Two texts, compared line by line.
#[derive(Debug)]
pub struct Hunks<'t> {
    old: Vec<&'t [u8]>,
    new: Vec<&'t [u8]>,
    pieces: Vec<Piece>,
}

/// A text's lines, with what ends them.
pub(crate) fn lines(text: &[u8]) -> Option<Vec<&[u8]>> {
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').take(MOST + 1).collect();
    (lines.len() <= MOST).then_some(lines)
}

/// What differs, in order; between two pieces lies at least one line that is the same.
pub(crate) fn pieces(old: &[&[u8]], new: &[&[u8]]) -> Vec<Piece> {
    let mut found: Vec<Piece> = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, old, new) {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let (old, new) = (op.old_range(), op.new_range());
        match found.last_mut() {
            Some(last) if last.old.end == old.start && last.new.end == new.start => {
                (last.old.end, last.new.end) = (old.end, new.end);
            }
            _ => found.push(Piece { old, new }),
        }
    }
    found
}

impl<'t> Hunks<'t> {
    /// Compares; nothing if one of them has too many lines.
    #[must_use]
    pub fn of(old: &'t [u8], new: &'t [u8]) -> Option<Hunks<'t>> {
        let (old, new) = (lines(old)?, lines(new)?);
        let pieces = pieces(&old, &new);
        Some(Hunks { old, new, pieces })
    }

    /// How many pieces there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether the texts are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Pieces that lie so near to each other that they are shown together.
    #[must_use]
    pub fn groups(&self) -> Vec<Range<usize>> {
        let mut groups: Vec<Range<usize>> = Vec::new();
        let mut until = 0;
        for (n, piece) in self.pieces.iter().enumerate() {
            match groups.last_mut() {
                Some(last) if piece.old.start.saturating_sub(until) <= 2 * CONTEXT => last.end = n + 1,
                _ => groups.push(n..n + 1),
            }
            until = piece.old.end;
        }
        groups
    }

    /// Where some pieces lie, as in a unified diff, and their lines with a few around them.
    #[must_use]
    pub fn shown(&self, group: &Range<usize>) -> (String, Vec<Line<'t>>) {
        let all = self.pieces.get(group.clone()).unwrap_or_default();
        let (Some(first), Some(last)) = (all.first(), all.last()) else {
            return (String::new(), Vec::new());
        };
        let before = first.old.start.min(first.new.start).min(CONTEXT);
        let mut out: Vec<Line<'t>> = Vec::new();
        let mut at = first.old.start - before;
        let begin = (at, first.new.start - before);
        for piece in all {
            out.extend(
                slice(&self.old, at..piece.old.start)
                    .iter()
                    .map(|l| Line::Same(l)),
            );
            out.extend(slice(&self.old, piece.old.clone()).iter().map(|l| Line::Old(l)));
            out.extend(slice(&self.new, piece.new.clone()).iter().map(|l| Line::New(l)));
            at = piece.old.end;
        }
        let end = (at + CONTEXT).min(self.old.len());
        out.extend(slice(&self.old, at..end).iter().map(|l| Line::Same(l)));
        let old = end - begin.0;
        let new = last.new.end + (end - at) - begin.1;
        // As everybody has it: what is empty begins at the line before.
        let start = |at: usize, len: usize| if len == 0 { at } else { at + 1 };
        let head = format!(
            "@@ -{},{old} +{},{new} @@",
            start(begin.0, old),
            start(begin.1, new)
        );
        (head, out)
    }

    /// The first text with the pieces of the second for which `taken` says so.
    #[must_use]
    pub fn with(&self, taken: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut out = Vec::new();
        let mut at = 0;
        for (n, piece) in self.pieces.iter().enumerate() {
            out.extend(slice(&self.old, at..piece.old.start).concat());
            out.extend(if taken(n) {
                slice(&self.new, piece.new.clone()).concat()
            } else {
                slice(&self.old, piece.old.clone()).concat()
            });
            at = piece.old.end;
        }
        out.extend(slice(&self.old, at..self.old.len()).concat());
        out
    }
}

fn slice<'l, 't>(lines: &'l [&'t [u8]], range: Range<usize>) -> &'l [&'t [u8]] {
    lines.get(range).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few different lines, so that texts resemble each other; the last one perhaps without its end.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        (prop::collection::vec(0u8..5, 0..30), any::<bool>()).prop_map(|(lines, whole)| {
            let mut text: Vec<u8> = lines.iter().flat_map(|l| [b'a' + l, b'\n']).collect();
            if !whole {
                text.pop();
            }
            text
        })
    }

    proptest! {
        #[test]
        fn nothing_taken_is_the_first_and_all_taken_the_second(old in text(), new in text()) {
            let hunks = Hunks::of(&old, &new).unwrap();
            prop_assert_eq!(hunks.with(|_| false), old.clone());
            prop_assert_eq!(hunks.with(|_| true), new.clone());
            prop_assert_eq!(hunks.is_empty(), old == new);
            let groups: Vec<usize> = hunks.groups().into_iter().flatten().collect();
            prop_assert_eq!(groups, (0..hunks.len()).collect::<Vec<_>>());
        }

        /// Taking the rest afterwards comes to the same.
        #[test]
        fn what_is_left_can_be_taken_later(old in text(), new in text(), bits in any::<u32>()) {
            let hunks = Hunks::of(&old, &new).unwrap();
            let half = hunks.with(|n| bits >> (n % 32) & 1 == 1);
            let rest = Hunks::of(&half, &new).unwrap();
            prop_assert_eq!(rest.with(|_| true), new.clone());
        }

        /// The old lines of what is shown stand where the head says, the new ones likewise.
        #[test]
        fn heads_say_where_lines_are(old in text(), new in text()) {
            let hunks = Hunks::of(&old, &new).unwrap();
            for group in hunks.groups() {
                let (head, shown) = hunks.shown(&group);
                let numbers: Vec<usize> = head
                    .split(|c: char| !c.is_ascii_digit())
                    .filter_map(|w| w.parse().ok())
                    .collect();
                let side = |first: bool| -> Vec<&[u8]> {
                    shown.iter().filter_map(|line| match line {
                        Line::Same(l) => Some(*l),
                        Line::Old(l) if first => Some(*l),
                        Line::New(l) if !first => Some(*l),
                        _ => None,
                    }).collect()
                };
                for (text, first, at, len) in [(&old, true, numbers[0], numbers[1]), (&new, false, numbers[2], numbers[3])] {
                    let all = lines(text).unwrap();
                    let from = if len == 0 { at } else { at - 1 };
                    prop_assert_eq!(&all[from..from + len], &side(first)[..]);
                }
            }
        }
    }

    #[test]
    fn a_text_of_too_many_lines_is_not_compared() {
        let long = "x\n".repeat(MOST + 1).into_bytes();
        assert!(Hunks::of(&long, b"").is_none() && Hunks::of(b"", &long).is_none());
        assert!(Hunks::of(&long[2..], b"").is_some());
    }
}
