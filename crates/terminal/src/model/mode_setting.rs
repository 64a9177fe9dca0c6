//! Setting and resetting modes, and saying how they stand.

use super::Model;
use crate::modes::Mouse;
use crate::params::Params;

/// How a mode stands, in the numbers of DECRPM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Unknown = 0,
    Set = 1,
    Reset = 2,
    NeverSet = 4,
}

impl From<bool> for Standing {
    fn from(on: bool) -> Self {
        if on { Self::Set } else { Self::Reset }
    }
}

impl Model {
    /// SM and RM.
    pub(super) fn set_ansi_modes(&mut self, params: &Params, on: bool) {
        for group in params.groups() {
            match group[0] {
                4 => self.insert = on,
                20 => self.newline = on,
                _ => {}
            }
        }
    }

    /// DECSET and DECRST.
    pub(super) fn set_private_modes(&mut self, params: &Params, on: bool) {
        for group in params.groups() {
            self.set_private_mode(group[0], on);
        }
    }

    fn set_private_mode(&mut self, mode: u16, on: bool) {
        match mode {
            1 => self.modes.cursor_keys = on,
            6 => {
                self.cursor.origin = on;
                self.go_to(0, 0);
            }
            7 => self.autowrap = on,
            25 => self.modes.cursor_visible = on,
            66 => self.modes.keypad = on,
            1004 => self.modes.focus = on,
            1006 => self.modes.mouse_sgr = on,
            2004 => self.modes.bracketed_paste = on,
            2026 => self.set_frame(on),
            47 | 1047 | 1048 | 1049 => self.set_alternate_mode(mode, on),
            _ => self.set_mouse_mode(mode, on),
        }
    }

    fn set_mouse_mode(&mut self, mode: u16, on: bool) {
        let mouse = match mode {
            9 => Mouse::Press,
            1000 => Mouse::Click,
            1002 => Mouse::Drag,
            1003 => Mouse::Motion,
            _ => return,
        };
        self.modes.mouse = if on { mouse } else { Mouse::Off };
    }

    /// Synchronized output: the end of a frame is a moment to show it.
    fn set_frame(&mut self, on: bool) {
        self.frame_done |= self.frame_open && !on;
        self.frame_open = on;
    }

    /// The four ways of xterm to the alternate screen.
    fn set_alternate_mode(&mut self, mode: u16, on: bool) {
        if matches!(mode, 1048 | 1049) && on {
            self.save_main_cursor();
        }
        if mode != 1048 {
            self.show_alternate(on, mode != 47);
        }
        if matches!(mode, 1048 | 1049) && !on {
            self.restore_cursor();
        }
    }

    /// Entering twice must not overwrite what was saved when coming from the normal screen.
    fn save_main_cursor(&mut self) {
        if !self.on_alternate {
            self.save_cursor();
        }
    }

    fn show_alternate(&mut self, on: bool, clearing: bool) {
        if self.on_alternate == on {
            return;
        }
        if clearing {
            let height = self.height();
            self.alternate.clear_rows(0, height, crate::style::Style::PLAIN);
        }
        self.on_alternate = on;
        self.modes.kitty_keys = self.keyboard().flags();
    }

    /// DECSCUSR; 0 and 1 are the same block, but 0 is the user's own choice.
    pub(super) fn set_cursor_shape(&mut self, shape: u16) {
        if shape <= 6 {
            self.modes.cursor_shape = shape as u8;
        }
    }

    /// XTMODKEYS; of its resources only modifyOtherKeys (4).
    pub(super) fn set_other_keys(&mut self, params: &Params) {
        if params.get(0) == 4 {
            self.modes.other_keys = params.get(1).min(2) as u8;
        } else if params.is_untouched() {
            self.modes.other_keys = 0;
        }
    }

    pub(super) fn ansi_standing(&self, mode: u16) -> Standing {
        match mode {
            4 => self.insert.into(),
            20 => self.newline.into(),
            _ => Standing::Unknown,
        }
    }

    pub(super) fn private_standing(&self, mode: u16) -> Standing {
        match mode {
            1 => self.modes.cursor_keys.into(),
            6 => self.cursor.origin.into(),
            7 => self.autowrap.into(),
            25 => self.modes.cursor_visible.into(),
            47 | 1047 | 1049 => self.on_alternate.into(),
            66 => self.modes.keypad.into(),
            9 | 1000 | 1002 | 1003 => (self.modes.mouse as u16 == mode).into(),
            1004 => self.modes.focus.into(),
            1006 => self.modes.mouse_sgr.into(),
            2004 => self.modes.bracketed_paste.into(),
            2026 => self.frame_open.into(),
            3 | 5 | 40 | 45 | 69 | 1005 | 1015 | 1016 => Standing::NeverSet,
            _ => Standing::Unknown,
        }
    }
}
