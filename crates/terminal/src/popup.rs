//! A question over the program's own screen, and the keys that answer it (review-security F22).
//!
//! What is typed when it opens was meant for the program; what a terminal sends by itself, and what is pasted, was
//! typed by nobody. So no key counts at first, only single plain keys count, and none that hands are used to.

use crate::glyph::{Glyph, classify};
use crate::size::Size;
use std::time::Duration;

/// For so long after it opened, or after a wrong code, no key counts.
const DEAF: Duration = Duration::from_millis(700);
/// Letters of a code.
const CODE: usize = 4;

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Yes, to what was shown.
    Allow,
    /// No.
    Deny,
    /// Not now: it goes on waiting.
    Later,
}

/// A question. Nothing of it comes from inside but what its lines show, which are escaped.
#[derive(Clone, Debug)]
pub struct PopUp {
    lines: Vec<String>,
    /// The lines as they are on the screen, and whether all of them are.
    laid: Vec<String>,
    fits: bool,
    /// What has to be typed to allow it; none where one key does.
    code: Option<[u8; CODE]>,
    typed: Vec<u8>,
    deaf_until: Duration,
    input: Input,
}

impl PopUp {
    /// Opens it now. A code of another length, or with letters that are keys here, is asked for and never met: it is
    /// answered elsewhere.
    #[must_use]
    pub fn new(lines: Vec<String>, code: Option<&str>, now: Duration) -> PopUp {
        let code = code.map(|code| <[u8; CODE]>::try_from(code.as_bytes()).unwrap_or_default());
        PopUp {
            lines,
            laid: Vec::new(),
            fits: true,
            code,
            typed: Vec::new(),
            deaf_until: now.saturating_add(DEAF),
            input: Input::default(),
        }
    }

    /// What was read from the keyboard at once.
    pub fn keys(&mut self, bytes: &[u8], now: Duration) -> Option<Choice> {
        let plain = self.input.key(bytes)?;
        if now < self.deaf_until {
            return None;
        }
        match (plain, self.code) {
            (b'0', _) => Some(Choice::Deny),
            (b'l', _) => Some(Choice::Later),
            _ if !self.fits => None,
            (b'a', None) => Some(Choice::Allow),
            (_, None) => None,
            (key, Some(code)) => self.letter(key, code, now),
        }
    }

    fn letter(&mut self, key: u8, code: [u8; CODE], now: Duration) -> Option<Choice> {
        match key {
            0x08 | 0x7f => drop(self.typed.pop()),
            _ if key.is_ascii_lowercase() || key.is_ascii_digit() => self.typed.push(key),
            _ => return None,
        }
        if self.typed.len() < CODE {
            return None;
        }
        if self.typed == code {
            return Some(Choice::Allow);
        }
        self.typed.clear();
        self.deaf_until = now.saturating_add(DEAF);
        None
    }

    fn prompt(&self) -> String {
        let more = "0 denies it, l leaves it for later";
        match self.code {
            _ if !self.fits => {
                format!("not all of it has room here, so it is allowed in another terminal; {more}")
            }
            None => format!("a allows it, {more}"),
            Some(_) => {
                let typed = String::from_utf8_lossy(&self.typed);
                format!("the code of this card allows it: {typed:_<CODE$}   {more}")
            }
        }
    }

    /// Lays it out for a screen. What does not fit whole was not seen, and so cannot be allowed here.
    pub(crate) fn fit(&mut self, size: Size) {
        let room = usize::from(size.inner().rows()).saturating_sub(2);
        let mut laid: Vec<String> = Vec::new();
        for line in &self.lines {
            laid.extend(wrapped(line, usize::from(size.cols()).saturating_sub(1)));
        }
        self.fits = laid.len() <= room;
        laid.truncate(room);
        self.laid = laid;
    }

    /// Its lines, the last of which says what answers.
    pub(crate) fn shown(&self) -> impl Iterator<Item = String> {
        self.laid.iter().cloned().chain([self.prompt()])
    }
}

/// A line in pieces of so many columns.
fn wrapped(line: &str, cols: usize) -> Vec<String> {
    let (mut pieces, mut piece, mut room) = (Vec::new(), String::new(), cols);
    for c in line.chars() {
        let width = match classify(c) {
            Glyph::Narrow => 1,
            Glyph::Wide => 2,
            Glyph::Mark | Glyph::Dropped => continue,
        };
        if width > room {
            pieces.push(std::mem::take(&mut piece));
            room = cols.max(width);
        }
        piece.push(c);
        room -= width;
    }
    pieces.push(piece);
    pieces
}

/// Tells a key that was pressed from everything else that a terminal sends.
#[derive(Clone, Copy, Debug, Default)]
struct Input {
    state: State,
    /// The number of the control sequence that is read.
    number: u32,
    pasting: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    Csi,
    /// `CSI M` and three bytes.
    OldMouse(u8),
    /// A string, and whether its last byte was ESC.
    String(bool),
}

impl Input {
    /// The key, where exactly one byte came that belongs to nothing else.
    fn key(&mut self, bytes: &[u8]) -> Option<u8> {
        let mut plain = None;
        for byte in bytes {
            plain = self.step(*byte).then_some(*byte);
        }
        plain.filter(|_| bytes.len() == 1)
    }

    /// Whether the byte stands for itself.
    fn step(&mut self, byte: u8) -> bool {
        self.state = match (self.state, byte) {
            (State::Ground, 0x1b) | (State::Escape, 0x1b) => State::Escape,
            (State::Ground, _) => return !self.pasting,
            (State::Escape, b'[') => {
                self.number = 0;
                State::Csi
            }
            (State::Escape, b']' | b'P' | b'_' | b'^' | b'X') => State::String(false),
            // SS3, and Alt with a key.
            (State::Escape, b'O') => State::Escape,
            (State::Escape, _) => State::Ground,
            (State::Csi, b'0'..=b'9') => {
                self.number = self
                    .number
                    .saturating_mul(10)
                    .saturating_add(u32::from(byte - b'0'));
                State::Csi
            }
            (State::Csi, b'M') if self.number == 0 => State::OldMouse(3),
            (State::Csi, 0x40..=0x7e) => {
                if byte == b'~' && self.number == 200 {
                    self.pasting = true;
                }
                if byte == b'~' && self.number == 201 {
                    self.pasting = false;
                }
                State::Ground
            }
            (State::Csi, 0x1b) => State::Escape,
            (State::Csi, _) => State::Csi,
            (State::OldMouse(left), _) if left > 1 => State::OldMouse(left - 1),
            (State::OldMouse(_), _) => State::Ground,
            (State::String(_), 0x07) | (State::String(true), b'\\') => State::Ground,
            (State::String(_), _) => State::String(byte == 0x1b),
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LATE: Duration = Duration::from_secs(5);

    fn popup(code: Option<&str>) -> PopUp {
        PopUp::new(vec!["hold 1".to_owned()], code, Duration::ZERO)
    }

    fn typed(popup: &mut PopUp, keys: &str, now: Duration) -> Option<Choice> {
        keys.bytes().filter_map(|b| popup.keys(&[b], now)).next()
    }

    #[test]
    fn one_plain_key_answers_after_a_while() {
        for (key, choice) in [("a", Choice::Allow), ("0", Choice::Deny), ("l", Choice::Later)] {
            assert_eq!(typed(&mut popup(None), key, Duration::from_millis(699)), None);
            assert_eq!(typed(&mut popup(None), key, DEAF), Some(choice));
        }
        for other in ["\r", "\n", "y", "Y", "A", " ", "\t", "\x01", "\x1b", "d", "1"] {
            assert_eq!(typed(&mut popup(None), other, LATE), None, "{other:?}");
        }
    }

    #[test]
    fn a_grave_one_wants_its_code() {
        let code = Some("k7wq");
        assert_eq!(typed(&mut popup(code), "a", LATE), None);
        assert_eq!(typed(&mut popup(code), "k7wq", LATE), Some(Choice::Allow));
        assert_eq!(typed(&mut popup(code), "k7x\x7fwq", LATE), Some(Choice::Allow));
        assert_eq!(typed(&mut popup(code), "0", LATE), Some(Choice::Deny));
        let mut wrong = popup(code);
        assert_eq!(typed(&mut wrong, "k7wr", LATE), None);
        assert_eq!(typed(&mut wrong, "k7wq", LATE), None, "deaf after a wrong one");
        assert_eq!(typed(&mut wrong, "k7wq", LATE + DEAF), Some(Choice::Allow));
        assert_eq!(
            typed(&mut popup(Some("long code")), "long", LATE),
            Some(Choice::Later)
        );
        assert_eq!(typed(&mut popup(Some("")), "\0\0\0\0", LATE), None);
    }

    /// What could not be shown whole is not allowed, and can be denied.
    #[test]
    fn what_has_no_room_is_not_allowed_here() {
        let mut long = PopUp::new(vec!["word ".repeat(40)], None, Duration::ZERO);
        long.fit(Size::new(8, 20));
        assert_eq!(typed(&mut long, "a", LATE), None);
        assert!(
            long.shown()
                .last()
                .is_some_and(|l| l.starts_with("not all of it"))
        );
        assert_eq!(typed(&mut long, "0", LATE), Some(Choice::Deny));
        long.fit(Size::new(24, 20));
        assert_eq!(
            long.shown().take(11).collect::<String>().trim(),
            "word ".repeat(40).trim()
        );
        assert_eq!(typed(&mut long, "a", LATE), Some(Choice::Allow));
    }

    /// Typed ahead, pasted, modified, answered by a terminal: none of it is a key.
    #[test]
    fn what_no_finger_did_is_no_key() {
        for bytes in [
            "aa",
            "a\r",
            "\x1ba",
            "\x1b[a",
            "\x1b[97u",
            "\x1b[200~a",
            "\x1b]11;rgb:aaaa\x07",
            "\x1bP1$ra\x1b\\",
            "\x1b[M a",
        ] {
            assert_eq!(popup(None).keys(bytes.as_bytes(), LATE), None, "{bytes:?}");
        }
        let mut pasted = popup(None);
        for piece in ["\x1b[20", "0~", "a", "a"] {
            assert_eq!(pasted.keys(piece.as_bytes(), LATE), None);
        }
        assert_eq!(pasted.keys(b"\x1b[201~", LATE), None);
        assert_eq!(pasted.keys(b"a", LATE), Some(Choice::Allow));
        let mut cut = popup(None);
        assert_eq!(cut.keys(b"\x1b]0;", LATE), None);
        assert_eq!(cut.keys(b"a", LATE), None);
        assert_eq!(cut.keys(b"\x07", LATE), None);
        assert_eq!(cut.keys(b"a", LATE), Some(Choice::Allow));
    }

    proptest! {
        /// No answer of a terminal, cut anywhere, is a choice.
        #[test]
        fn no_answer_of_a_terminal_is_a_choice(words in "[a-z0-9;:/]{0,20}", kind in 0..4usize, cuts in proptest::collection::vec(1..6usize, 1..20)) {
            let answer = match kind {
                0 => format!("\x1b]l{words}\x07"),
                1 => format!("\x1b]l{words}\x1b\\"),
                2 => format!("\x1bP{words}\x1b\\"),
                _ => format!("\x1b[{}R", words.replace(|c: char| c.is_ascii_alphabetic(), "1")),
            };
            let mut popup = popup(None);
            let mut rest = answer.as_bytes();
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let at = cuts.next().unwrap_or(1).min(rest.len());
                prop_assert_eq!(popup.keys(&rest[..at], LATE), None);
                rest = &rest[at..];
            }
        }
    }
}
