//! The parser's findings, handed to what they mean.

use super::Model;
use crate::cursor::Charset;
use crate::parser::{Sequence, Sink};

impl Sink for Model {
    fn ascii(&mut self, run: &[u8]) -> usize {
        self.print_ascii(run)
    }

    fn character(&mut self, c: char) {
        self.print_char(c);
    }

    /// ENQ (answerback) and all that is not listed does nothing.
    fn control(&mut self, byte: u8) {
        match byte {
            0x07 => self.bell = true,
            0x08 => self.left(1),
            0x09 => self.tab_forward(1),
            0x0a..=0x0c => self.new_line(),
            0x0d => self.go_to_col(0),
            0x0e => self.cursor.shift = 1,
            0x0f => self.cursor.shift = 0,
            _ => {}
        }
    }

    fn escape(&mut self, sequence: &Sequence) {
        match (sequence.intermediate, sequence.last) {
            (0, last) => self.plain_escape(last),
            (set @ b'('..=b'+', last) => self.designate(usize::from(set - b'('), last),
            (b'#', b'8') => self.alignment_pattern(),
            _ => {}
        }
    }

    fn csi(&mut self, sequence: &Sequence) {
        self.control_sequence(sequence);
    }

    fn osc(&mut self, payload: &[u8], ended_by_bell: bool) {
        self.operating_system_command(payload, ended_by_bell);
    }

    fn dcs(&mut self, payload: &[u8]) {
        self.device_control_string(payload);
    }

    fn wants_break(&self) -> bool {
        self.departed.is_full() || self.frame_done
    }
}

impl Model {
    fn new_line(&mut self) {
        self.line_feed();
        if self.newline {
            self.go_to_col(0);
        }
    }

    fn plain_escape(&mut self, last: u8) {
        match last {
            b'7' => self.save_cursor(),
            b'8' => self.restore_cursor(),
            b'=' => self.modes.keypad = true,
            b'>' => self.modes.keypad = false,
            b'D' => self.line_feed(),
            b'E' => {
                self.line_feed();
                self.go_to_col(0);
            }
            b'H' => self.tabs.set(self.cursor.col, true),
            b'M' => self.reverse_line_feed(),
            b'c' => self.reset(),
            b'n' => self.cursor.shift = 2,
            b'o' => self.cursor.shift = 3,
            _ => {}
        }
    }

    /// Sets that are neither ASCII nor line drawing show as ASCII.
    fn designate(&mut self, slot: usize, set: u8) {
        self.cursor.charsets[slot] = if set == b'0' {
            Charset::Graphics
        } else {
            Charset::Ascii
        };
    }
}
