//! Control sequences: which function each final byte stands for.

use super::Model;
use crate::parser::Sequence;

impl Model {
    pub(super) fn control_sequence(&mut self, sequence: &Sequence) {
        match (sequence.private, sequence.intermediate) {
            (0, 0) => self.standard_sequence(sequence),
            (b'?', 0) => self.private_sequence(sequence),
            (b'>' | b'<' | b'=', 0) => self.xterm_sequence(sequence),
            (private, b'$') if sequence.last == b'p' => {
                self.report_mode(private == b'?', sequence.params.get(0));
            }
            (0, b' ') if sequence.last == b'q' => self.set_cursor_shape(sequence.params.get(0)),
            (0, b'!') if sequence.last == b'p' => self.soft_reset(),
            _ => {}
        }
    }

    fn standard_sequence(&mut self, sequence: &Sequence) {
        let params = &sequence.params;
        let count = usize::from(params.count(0));
        match sequence.last {
            b'A' | b'k' => self.up(count),
            b'B' | b'e' => self.down(count),
            b'C' | b'a' => self.right(count),
            b'D' | b'j' => self.left(count),
            b'E' => {
                self.down(count);
                self.go_to_col(0);
            }
            b'F' => {
                self.up(count);
                self.go_to_col(0);
            }
            b'G' | b'`' => self.go_to_col(count - 1),
            b'H' | b'f' => self.go_to(count - 1, usize::from(params.count(1)) - 1),
            b'I' => self.tab_forward(count),
            b'Z' => self.tab_back(count),
            b'd' => self.go_to(count - 1, self.cursor.col),
            b's' => self.save_cursor(),
            b'u' => self.restore_cursor(),
            b'r' => self.set_margins(params.get(0), params.get(1)),
            _ => self.changing_sequence(sequence, count),
        }
    }

    fn changing_sequence(&mut self, sequence: &Sequence, count: usize) {
        let params = &sequence.params;
        match sequence.last {
            b'@' => self.insert_chars(count),
            b'J' => self.erase_display(params.get(0)),
            b'K' => self.erase_line(params.get(0)),
            b'L' => self.insert_lines(count),
            b'M' => self.delete_lines(count),
            b'P' => self.delete_chars(count),
            b'S' => self.scroll_up(count),
            // With five parameters T is xterm's highlight tracking, which is not for us.
            b'T' | b'^' if params.len() < 5 => {
                let style = self.cursor.style.erased();
                self.grid_mut().scroll_down(count, style);
            }
            b'X' => self.erase_chars(count),
            b'b' => self.repeat(params.count(0)),
            b'g' => match params.get(0) {
                0 => self.tabs.set(self.cursor.col, false),
                3 => self.tabs.clear(),
                _ => {}
            },
            b'h' | b'l' => self.set_ansi_modes(params, sequence.last == b'h'),
            b'm' => crate::sgr::apply(&mut self.cursor.style, params),
            _ => self.query(sequence),
        }
    }

    fn private_sequence(&mut self, sequence: &Sequence) {
        let params = &sequence.params;
        match sequence.last {
            b'h' | b'l' => self.set_private_modes(params, sequence.last == b'h'),
            // Selective erase: nothing is ever protected here, so it erases all.
            b'J' => self.erase_display(params.get(0)),
            b'K' => self.erase_line(params.get(0)),
            _ => self.private_query(sequence),
        }
    }

    fn xterm_sequence(&mut self, sequence: &Sequence) {
        let params = &sequence.params;
        match (sequence.private, sequence.last) {
            (b'>', b'u') => self.keyboard().push(params.get(0)),
            (b'<', b'u') => self.keyboard().pop(params.count(0)),
            (b'=', b'u') => self.keyboard().set(params.get(0), params.get(1)),
            (b'>', b'm') => self.set_other_keys(params),
            (b'>', b'n') if params.get(0) == 4 => self.modes.other_keys = 0,
            (private, last) => self.secondary_query(private, last, params.get(0)),
        }
        self.modes.kitty_keys = self.keyboard().flags();
    }
}
