//! Questions to the terminal, answered from the model.
//!
//! A real terminal's answer arrives as if the user had typed it, partly in the
//! asker's words; that is why no question ever reaches the real one (F22).

use super::Model;
use crate::parser::Sequence;

impl Model {
    /// Questions in `CSI … final`.
    pub(super) fn query(&mut self, sequence: &Sequence) {
        let what = sequence.params.get(0);
        match sequence.last {
            b'c' if what == 0 => self.answers.add(format_args!("\x1b[?62;22c")),
            b'n' => self.report_status(what),
            b't' => self.report_size(what),
            _ => {}
        }
    }

    /// DSR.
    fn report_status(&mut self, what: u16) {
        let (row, col) = (self.reported_row() + 1, self.cursor.col + 1);
        match what {
            5 => self.answers.add(format_args!("\x1b[0n")),
            6 => self.answers.add(format_args!("\x1b[{row};{col}R")),
            _ => {}
        }
    }

    /// XTWINOPS: the sizes and nothing else, least of all the title (20, 21).
    fn report_size(&mut self, what: u16) {
        let (rows, cols) = (self.size.rows(), self.size.cols());
        match (what, self.options.cell_pixels) {
            (11, _) => self.answers.add(format_args!("\x1b[1t")),
            (14, Some((height, width))) => {
                let (height, width) = (
                    u32::from(height) * u32::from(rows),
                    u32::from(width) * u32::from(cols),
                );
                self.answers.add(format_args!("\x1b[4;{height};{width}t"));
            }
            (16, Some((height, width))) => {
                self.answers.add(format_args!("\x1b[6;{height};{width}t"));
            }
            (18, _) => self.answers.add(format_args!("\x1b[8;{rows};{cols}t")),
            (19, _) => self.answers.add(format_args!("\x1b[9;{rows};{cols}t")),
            _ => {}
        }
    }

    /// Questions in `CSI ? … final`.
    pub(super) fn private_query(&mut self, sequence: &Sequence) {
        let (row, col) = (self.reported_row() + 1, self.cursor.col + 1);
        match (sequence.last, sequence.params.get(0)) {
            (b'n', 6) => self.answers.add(format_args!("\x1b[?{row};{col}R")),
            (b'n', 996) => self.report_scheme(),
            (b'm', 4) => self
                .answers
                .add(format_args!("\x1b[>4;{}m", self.modes.other_keys)),
            (b'u', _) if self.options.kitty_keyboard => {
                let flags = self.keyboard().flags();
                self.answers.add(format_args!("\x1b[?{flags}u"));
            }
            _ => {}
        }
    }

    /// Dark (1) or light (2), as contour's colour scheme report has it.
    fn report_scheme(&mut self) {
        let scheme = if self.options.background.is_light() { 2 } else { 1 };
        self.answers.add(format_args!("\x1b[?997;{scheme}n"));
    }

    /// DA2, DA3 and XTVERSION.
    pub(super) fn secondary_query(&mut self, private: u8, last: u8, what: u16) {
        match (private, last, what) {
            // An xterm of patch level 277, the first that vim trusts with SGR mouse reports.
            (b'>', b'c', 0) => self.answers.add(format_args!("\x1b[>0;277;0c")),
            (b'=', b'c', 0) => self.answers.add(format_args!("\x1bP!|00000000\x1b\\")),
            (b'>', b'q', 0) => {
                let version = env!("CARGO_PKG_VERSION");
                self.answers.add(format_args!("\x1bP>|fumehood({version})\x1b\\"));
            }
            _ => {}
        }
    }

    /// DECRQM.
    pub(super) fn report_mode(&mut self, private: bool, mode: u16) {
        let (mark, standing) = if private {
            ("?", self.private_standing(mode))
        } else {
            ("", self.ansi_standing(mode))
        };
        self.answers
            .add(format_args!("\x1b[{mark}{mode};{}$y", standing as u8));
    }
}
