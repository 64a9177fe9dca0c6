//! Operating system commands and device control strings: the few we listen to.
//!
//! Not among them, and so without any effect: the clipboard (OSC 52), links
//! (8; their text stays), notifications (9, 777), iTerm2's (1337), changes of
//! colours, graphics (sixel, ReGIS), user-defined keys, macros.

use super::Model;

/// Longest title kept, in bytes.
const LONGEST_TITLE: usize = 256;

impl Model {
    pub(super) fn operating_system_command(&mut self, payload: &[u8], ended_by_bell: bool) {
        let (number, rest) = split_at_semicolon(payload);
        let end = if ended_by_bell { "\x07" } else { "\x1b\\" };
        match number {
            b"0" | b"2" => self.set_title(rest),
            b"4" => self.report_palette(rest, end),
            b"10" | b"11" | b"12" => self.report_dynamic_colors(number, rest, end),
            _ => {}
        }
    }

    fn set_title(&mut self, title: &[u8]) {
        if self.options.show_title {
            let kept = &title[..title.len().min(LONGEST_TITLE)];
            self.title = Some(String::from_utf8_lossy(kept).into_owned());
        }
    }

    /// DECRQSS for what vim and tmux ask; XTGETTCAP knows no capability.
    pub(super) fn device_control_string(&mut self, payload: &[u8]) {
        match payload {
            b"$qm" => {
                let mut style = Vec::new();
                crate::sgr::write_report(self.cursor.style, &mut style);
                let style = String::from_utf8_lossy(&style);
                self.answers.add(format_args!("\x1bP1$r{style}m\x1b\\"));
            }
            b"$q q" => {
                let shape = self.modes.cursor_shape;
                self.answers.add(format_args!("\x1bP1$r{shape} q\x1b\\"));
            }
            b"$qr" => {
                let (top, bottom) = (self.grid().top + 1, self.grid().bottom + 1);
                self.answers.add(format_args!("\x1bP1$r{top};{bottom}r\x1b\\"));
            }
            _ if payload.starts_with(b"$q") => self.answers.add(format_args!("\x1bP0$r\x1b\\")),
            _ if payload.starts_with(b"+q") => self.answers.add(format_args!("\x1bP0+r\x1b\\")),
            _ => {}
        }
    }
}

/// The part before the first semicolon, and what follows it.
pub(super) fn split_at_semicolon(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == b';') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}
