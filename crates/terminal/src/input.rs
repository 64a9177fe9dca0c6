//! From the terminal to the program: everything but answers.
//!
//! Nothing from inside reaches the real terminal as a question, so an answer
//! in its input is one to somebody else (a program before us, our own
//! [`crate::Probe`], a terminal that talks unasked) and may hold text that the
//! user never typed. It is left out, the second wall behind the re-rendering.
//!
//! What is pasted goes through like typing. That a paste cannot end its own
//! bracket early (`ESC [ 201 ~` inside) is the terminal's duty, which strips
//! ESC from pasted text; the relay cannot tell a false end from the true one.

use answers::is_answer;
use mouse::Report;

mod answers;
mod mouse;

/// Longer than any key or answer in CSI form.
const LONGEST_CSI: usize = 64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// An ESC is held.
    Escape,
    /// `ESC [` and what follows is held.
    Csi,
    /// `ESC [ M` is held; three raw bytes belong to it.
    OldMouse,
    /// `ESC ]`, `ESC P` or `ESC _` is held: an answer, or Alt and a key.
    StringStart,
    /// In an answer; nothing is held.
    String,
    /// In an answer, after an ESC.
    StringEscape,
}

/// The state between two reads; what is held is at most [`LONGEST_CSI`] bytes.
#[derive(Debug)]
pub(crate) struct InputFilter {
    state: State,
    held: Vec<u8>,
    /// Rows of the program; the mouse below them is ours.
    rows: u16,
}

impl InputFilter {
    pub(crate) fn new(rows: u16) -> Self {
        Self {
            state: State::Ground,
            held: Vec::new(),
            rows,
        }
    }

    pub(crate) fn set_rows(&mut self, rows: u16) {
        self.rows = rows;
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.state != State::Ground
    }

    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            while !self.step(*byte, out) {}
        }
    }

    /// Nothing followed: what is held is not the start of anything.
    pub(crate) fn timeout(&mut self, out: &mut Vec<u8>) {
        self.release(out);
    }

    /// Lets go of what is held, as it is.
    fn release(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        self.state = State::Ground;
    }

    fn hold(&mut self, byte: u8, state: State) {
        self.held.push(byte);
        self.state = state;
    }

    /// Takes one byte; false if it is to be offered again in the new state.
    fn step(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        match self.state {
            State::Ground if byte == 0x1b => self.hold(byte, State::Escape),
            State::Ground => out.push(byte),
            State::Escape => return self.after_escape(byte, out),
            State::Csi => return self.in_csi(byte, out),
            State::OldMouse => self.in_old_mouse(byte, out),
            State::StringStart => return self.in_string_start(byte, out),
            State::String | State::StringEscape => return self.in_string(byte),
        }
        true
    }

    fn after_escape(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        match byte {
            b'[' => self.hold(byte, State::Csi),
            b']' | b'P' | b'_' => self.hold(byte, State::StringStart),
            // Alt and Escape, or Alt and a key that sends a sequence of its own.
            0x1b => {
                self.release(out);
                return false;
            }
            _ => {
                self.held.push(byte);
                self.release(out);
            }
        }
        true
    }

    fn in_csi(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        if !(0x20..0x7f).contains(&byte) || self.held.len() == LONGEST_CSI {
            self.release(out);
            return false;
        }
        self.held.push(byte);
        match byte {
            b'M' if self.held.len() == 3 => self.state = State::OldMouse,
            0x40..=0x7e => self.end_csi(out),
            _ => {}
        }
        true
    }

    fn end_csi(&mut self, out: &mut Vec<u8>) {
        if is_answer(&self.held) {
            self.held.clear();
        } else if let Some(report) = Report::digits(&self.held) {
            self.held.clear();
            report
                .on_rows(self.rows)
                .inspect(|report| report.write_digits(&mut self.held));
        }
        self.release(out);
    }

    /// Button, column, row: one byte each, offset by 32 (xterm ctlseqs, Normal tracking mode).
    fn in_old_mouse(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        if self.held.len() < 6 {
            return;
        }
        let lowest = u16::from(byte.saturating_sub(32));
        let is_release = self.held[3] & 3 == 3;
        match () {
            () if lowest <= self.rows => {}
            () if is_release => self.held[5] = (self.rows + 32).min(255) as u8,
            () => self.held.clear(),
        }
        self.release(out);
    }

    /// An answer goes on in a known way; anything else was Alt and a key.
    fn in_string_start(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        let goes_on = match self.held[1] {
            b']' => byte.is_ascii_digit() || matches!(byte, b'l' | b'L'),
            b'P' => byte.is_ascii_digit() || matches!(byte, b'>' | b'!' | b'$' | b'+'),
            _ => byte == b'G',
        };
        if goes_on {
            self.held.clear();
            self.state = State::String;
        } else {
            self.release(out);
        }
        goes_on
    }

    fn in_string(&mut self, byte: u8) -> bool {
        let after_escape = self.state == State::StringEscape;
        self.state = match byte {
            b'\\' if after_escape => State::Ground,
            // The string was not ended; what follows the ESC begins something new.
            _ if after_escape => {
                self.held.push(0x1b);
                self.state = State::Escape;
                return false;
            }
            0x1b => State::StringEscape,
            0x07 | 0x18 | 0x1a => State::Ground,
            _ => State::String,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(bytes: &[u8]) -> String {
        let mut whole = Vec::new();
        InputFilter::new(23).feed(bytes, &mut whole);
        let (mut split, mut filter) = (Vec::new(), InputFilter::new(23));
        bytes.iter().for_each(|byte| filter.feed(&[*byte], &mut split));
        assert_eq!(whole, split);
        String::from_utf8_lossy(&whole).replace('\x1b', "^")
    }

    #[test]
    fn keys_paste_and_focus_pass_unchanged() {
        for keys in [
            "plain text ä漢\r\t\x03\x7f",
            "\x1b[A\x1bOA\x1b[1;5C\x1b[15~\x1b[[A\x1b[Z",
            "\x1b[1;2R\x1b[1;2S\x1b[97;5u\x1b[27;2;13~\x1b[57441;2u",
            "\x1b[I\x1b[O",
            "\x1b[200~rm -rf /\n\x1b[201~",
            "\x1b\x1b[A\x1bx\x1b[<0;5;23M\x1b[<0;5;23m\x1b[M !!",
        ] {
            assert_eq!(passed(keys.as_bytes()), keys.replace('\x1b', "^"));
        }
    }

    #[test]
    fn answers_are_left_out() {
        for answer in [
            "\x1b[?62;22c",
            "\x1b[>0;277;0c",
            "\x1b[=1c",
            "\x1b[0n",
            "\x1b[24;80R",
            "\x1b[?1;1R",
            "\x1b[?2026;2$y",
            "\x1b[4;1$y",
            "\x1b[8;24;80t",
            "\x1b[?1u",
            "\x1b[>4;2m",
            "\x1b[?997;1n",
            "\x1b]11;rgb:0000/0000/0000\x1b\\",
            "\x1b]11;rgb:0/0/0\x07",
            "\x1b]52;c;cm0gLXJmIH4K\x07",
            "\x1b]ltitle rm -rf ~\n\x1b\\",
            "\x1bP1$r0m\x1b\\",
            "\x1bP>|XTerm(390)\x1b\\",
            "\x1bP!|00000000\x1b\\",
            "\x1b_Gi=1;OK\x1b\\",
        ] {
            assert_eq!(passed(format!("a{answer}b").as_bytes()), "ab", "{answer:?}");
        }
    }

    #[test]
    fn an_answer_that_is_not_ended_ends_with_the_next_key_sequence_or_the_timeout() {
        assert_eq!(passed(b"\x1b]11;rgb:\x1b[Ax"), "^[Ax");
        let mut filter = InputFilter::new(23);
        let mut out = Vec::new();
        filter.feed(b"\x1b]11;rgb", &mut out);
        assert!(filter.is_pending());
        filter.timeout(&mut out);
        filter.feed(b"ok", &mut out);
        assert_eq!(out, b"ok");
    }

    #[test]
    fn escape_and_alt_keys_pass_after_the_timeout_or_with_the_next_key() {
        for key in ["\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b_", "\x1b[2$"] {
            let mut filter = InputFilter::new(23);
            let mut out = Vec::new();
            filter.feed(key.as_bytes(), &mut out);
            assert!(filter.is_pending() && out.is_empty());
            filter.timeout(&mut out);
            assert_eq!(out, key.as_bytes());
        }
        assert_eq!(passed(b"\x1b]x\x1bPx\x1b_x\x1b\x1bx"), "^]x^Px^_x^^x");
    }

    #[test]
    fn the_mouse_on_the_status_row_is_not_reported() {
        assert_eq!(passed(b"\x1b[<0;5;24Mx"), "x");
        assert_eq!(passed(b"\x1b[<0;5;24m"), "^[<0;5;23m");
        assert_eq!(passed(b"\x1b[M !8x"), "x");
        assert_eq!(passed(b"\x1b[M#!8x"), "^[M#!7x");
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut filter = InputFilter::new(23);
        let mut out = Vec::new();
        filter.feed(b"\x1b[", &mut out);
        filter.feed(&[b'1'; 1000], &mut out);
        assert_eq!(out.len(), 1002);
    }
}
