//! What of a program's output a recording keeps: text, and the control functions that draw. What could act on a
//! terminal that plays it (its clipboard, its title, its answers, its modes of the keyboard) is left out, so that a
//! recording is safe in any player, and has no place to hide a text in.

use crate::glyph;
use crate::parser::{Parser, Sequence, Sink};

/// Final bytes of control sequences that move, erase, scroll or colour (ECMA-48 §8.3, xterm ctlseqs).
const DRAWS: &[u8] = b"@ABCDEFGHIJKLMPSTXZ`abdefgmrsu";
/// Private modes that say where and how is drawn: origin, wrapping, the other screen, whole frames, the cursor.
const MODES: [u16; 8] = [6, 7, 25, 47, 1047, 1048, 1049, 2026];
/// Insert mode.
const INSERT: [u16; 1] = [4];

/// A piece of what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Printed characters, whole ones, as UTF-8.
    Text(Vec<u8>),
    /// A control function.
    Control(Vec<u8>),
}

/// The state between two pieces of output.
#[derive(Debug, Default)]
pub struct Subset {
    parser: Parser,
    kept: Kept,
}

impl Subset {
    /// What is kept of a piece of the program's output.
    pub fn output(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.parser.advance(&mut self.kept, bytes);
        std::mem::take(&mut self.kept.0)
    }
}

#[derive(Debug, Default)]
struct Kept(Vec<Piece>);

impl Kept {
    fn text(&mut self, bytes: &[u8]) {
        match self.0.last_mut() {
            Some(Piece::Text(text)) => text.extend_from_slice(bytes),
            _ => self.0.push(Piece::Text(bytes.to_vec())),
        }
    }

    fn control(&mut self, bytes: Vec<u8>) {
        self.0.push(Piece::Control(bytes));
    }

    fn modes(&mut self, sequence: &Sequence, known: &[u16]) {
        let all = (0..sequence.params.len()).map(|i| sequence.params.get(i));
        let kept: Vec<String> = all.filter(|n| known.contains(n)).map(|n| n.to_string()).collect();
        if !kept.is_empty() {
            self.control(written(sequence, &kept.join(";")));
        }
    }
}

fn written(sequence: &Sequence, params: &str) -> Vec<u8> {
    let mut out = b"\x1b[".to_vec();
    out.extend((sequence.private != 0).then_some(sequence.private));
    out.extend(params.as_bytes());
    out.push(sequence.last);
    out
}

impl Sink for Kept {
    fn ascii(&mut self, run: &[u8]) -> usize {
        self.text(run);
        run.len()
    }

    fn character(&mut self, c: char) {
        if !glyph::is_dropped(c) {
            self.text(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    fn control(&mut self, byte: u8) {
        // Backspace, tab, new line, carriage return, and the two that choose a character set.
        if matches!(byte, 8..=10 | 13..=15) {
            self.control(vec![byte]);
        }
    }

    fn escape(&mut self, sequence: &Sequence) {
        match (sequence.intermediate, sequence.last) {
            // Saves and restores the cursor, index, next line, reverse index, tabulation.
            (0, last @ (b'7' | b'8' | b'D' | b'E' | b'H' | b'M')) => self.control(vec![0x1b, last]),
            // Line drawing and ASCII as character sets.
            (set @ (b'(' | b')'), last @ (b'0' | b'B')) => self.control(vec![0x1b, set, last]),
            _ => {}
        }
    }

    fn csi(&mut self, sequence: &Sequence) {
        match (sequence.private, sequence.intermediate, sequence.last) {
            (b'?', 0, b'h' | b'l') => self.modes(sequence, &MODES),
            (0, 0, b'h' | b'l') => self.modes(sequence, &INSERT),
            (0, 0, last) if DRAWS.contains(&last) => {
                let joined = |group: &[u16]| group.iter().map(u16::to_string).collect::<Vec<_>>().join(":");
                let groups: Vec<String> = sequence.params.groups().map(joined).collect();
                self.control(written(sequence, &groups.join(";")));
            }
            _ => {}
        }
    }

    fn osc(&mut self, _payload: &[u8], _ended_by_bell: bool) {}

    fn dcs(&mut self, _payload: &[u8]) {}

    fn wants_break(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(bytes: &[u8]) -> String {
        let pieces = Subset::default().output(bytes);
        let bytes = pieces.into_iter().flat_map(|piece| match piece {
            Piece::Text(bytes) | Piece::Control(bytes) => bytes,
        });
        String::from_utf8(bytes.collect()).unwrap()
    }

    #[test]
    fn what_draws_is_kept() {
        let drawn =
            "a\x1b[31mred\x1b[0m\x1b[2J\x1b[10;10Hb\x1b[?1049h\x1b7\x1b8\x1bM\x1b(0qq\x1b(B\r\n\t\x08\u{fc}";
        assert_eq!(kept(drawn.as_bytes()), drawn);
    }

    #[test]
    fn what_acts_on_a_terminal_is_not() {
        let hostile = "a\x1b]52;c;Zm9v\x07\x1b]0;title\x1b\\\x1bP$qm\x1b\\\x1b[5n\x1b[c\x1b[?1000;25h\x1b[20h\x1b[21t\x1bc\x1b[>4;2m\x1b[4i\x07\u{9b}5n\u{202e}b";
        assert_eq!(kept(hostile.as_bytes()), "a\x1b[?25h5nb");
    }

    proptest! {
        /// Nothing is an escape sequence but those of the list, however it is cut into pieces.
        #[test]
        fn only_what_is_listed_ever_comes_out(pieces in proptest::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let mut subset = Subset::default();
            let cut: Vec<Piece> = pieces.iter().flat_map(|p| subset.output(p)).collect();
            let whole = Subset::default().output(&pieces.concat());
            let bytes = |pieces: &[Piece]| pieces.iter().flat_map(|piece| match piece {
                Piece::Text(bytes) | Piece::Control(bytes) => bytes.clone(),
            }).collect::<Vec<u8>>();
            prop_assert_eq!(bytes(&cut), bytes(&whole));
            for piece in cut {
                match piece {
                    Piece::Text(text) => {
                        let text = String::from_utf8(text).unwrap();
                        prop_assert!(!text.is_empty() && !text.contains(char::is_control));
                    }
                    Piece::Control(bytes) => {
                        // What is kept of it is kept of it again: the list is closed.
                        let again = Subset::default().output(&bytes);
                        prop_assert_eq!(again, vec![Piece::Control(bytes)]);
                    }
                }
            }
        }
    }
}
