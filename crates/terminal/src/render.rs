//! From the model to the user's terminal: the only writer of escape sequences.
//!
//! What is written here is all a terminal ever gets. Control functions used:
//! CUP, EL, ECH, ED (at the start), SGR, DECSTBM, DECSCUSR, `CSI > 4 ; n m`,
//! `CSI > n u`, `CSI = n ; 1 u`, `CSI < u`, DECKPAM, DECKPNM and DECSET/DECRST
//! of 1, 7, 25, 1000, 1002, 1003, 9, 1004, 1006, 1049, 2004, 2026; the controls
//! CR, LF, BEL. None of them makes a terminal answer.

mod mode_changes;
mod painter;
mod question;
mod rows;
mod shown;
mod status_row;

use std::time::Duration;

use crate::model::Model;
use crate::modes::Modes;
use crate::popup::PopUp;
use crate::size::Size;
use crate::status::Status;
use crate::style::Style;
use painter::Painter;
use shown::Shown;

/// At most one bell in this time; a program that rings on end is only noise.
const BELL_PAUSE: Duration = Duration::from_millis(250);
/// Above this many bytes a picture is worth announcing as one frame.
const FRAME_WORTH: usize = 256;

/// What the terminal shows, as far as we know, and how to bring it up to date.
#[derive(Debug)]
pub(crate) struct Renderer {
    size: Size,
    shown: Shown,
    painter: Painter,
    modes: Modes,
    on_alternate: bool,
    status: Status,
    /// As the program set it; cleaned when painted.
    title: String,
    status_shown: bool,
    next_bell: Duration,
    /// The other screen is shown for a question only.
    borrowed: bool,
}

impl Renderer {
    pub(crate) fn new(size: Size) -> Self {
        Self {
            size,
            shown: Shown::new(size.inner()),
            painter: Painter::default(),
            modes: Modes::default(),
            on_alternate: false,
            status: Status::default(),
            title: String::new(),
            status_shown: false,
            next_bell: Duration::ZERO,
            borrowed: false,
        }
    }

    /// Prepares the terminal. `origin`: its cursor's row, if known and to be kept.
    pub(crate) fn start(&mut self, origin: Option<u16>) {
        let painter = &mut self.painter;
        match origin {
            // Standing on the row that becomes ours: make room by one line.
            Some(row) if row >= self.size.inner().rows() => painter.raw(b"\r\n"),
            Some(_) => {}
            None => {
                // From the beginning of an empty line this scrolls away exactly what is above it.
                (1..self.size.rows()).for_each(|_| painter.raw(b"\r\n"));
                painter.raw(b"\x1b[H\x1b[J");
            }
        }
        painter.raw(b"\x1b[?7l");
        self.set_region();
        self.status_shown = false;
    }

    /// Keeps the terminal's scrolling away from the status row.
    pub(crate) fn set_region(&mut self) {
        let bottom = usize::from(self.size.inner().rows()) - 1;
        self.painter.set_region(bottom);
        self.shown.full_bottom = bottom;
    }

    pub(crate) fn resize(&mut self, size: Size) {
        self.size = size;
        self.shown = Shown::new(size.inner());
        self.painter.lose_place();
        self.status_shown = false;
    }

    /// Lets the terminal move its topmost rows into its scrollback without a word.
    pub(crate) fn scroll_away(&mut self, count: usize) {
        self.painter.scroll(self.shown.full_bottom, count);
    }

    pub(crate) fn set_status(&mut self, status: Status) {
        self.status_shown &= self.status == status;
        self.status = status;
    }

    pub(crate) fn set_title(&mut self, title: String) {
        self.status_shown &= self.title == title;
        self.title = title;
    }

    /// Forgets what is shown, so that all of it is painted again.
    pub(crate) fn forget(&mut self) {
        self.shown.forget();
        self.painter.lose_place();
        self.status_shown = false;
    }

    /// Brings what scrolled off the normal screen into the terminal's scrollback.
    pub(crate) fn send_departed(&mut self, model: &mut Model) {
        if !model.departed.is_empty() {
            self.show_screen(false);
            rows::send_departed(&mut self.shown, &mut self.painter, &model.departed);
            model.departed.sent();
        }
    }

    /// Paints what has changed: rows for the scrollback first, then the screen.
    pub(crate) fn render(&mut self, model: &mut Model) {
        self.send_departed(model);
        self.show_screen(model.on_alternate);
        rows::paint_screen(&mut self.shown, &mut self.painter, model.grid_mut());
        self.render_status(model);
        self.change_modes(&model.modes);
    }

    /// Switches the terminal between its two screens. Nothing is taken for granted after that.
    fn show_screen(&mut self, alternate: bool) {
        if self.on_alternate == alternate {
            return;
        }
        // The keyboard flags belong to the screen that is left; the style is
        // saved with the cursor on the way in and comes back on the way out.
        self.change_modes(&Modes {
            kitty_keys: 0,
            ..self.modes
        });
        self.painter.set_style(Style::PLAIN);
        let switch: &[u8] = if alternate { b"\x1b[?1049h" } else { b"\x1b[?1049l" };
        self.painter.raw(switch);
        self.painter.raw(b"\x1b[m");
        self.on_alternate = alternate;
        self.forget();
        self.set_region();
    }

    fn change_modes(&mut self, to: &Modes) {
        mode_changes::write(&self.modes, to, self.painter.buffer());
        self.modes = *to;
    }

    /// Paints the status row if it changed, and puts the cursor back.
    pub(crate) fn render_status(&mut self, model: &Model) {
        self.paint_status();
        self.painter.go_to(model.cursor.row, model.cursor.col);
    }

    fn paint_status(&mut self) {
        if !self.status_shown && self.size.has_status_row() {
            let row = usize::from(self.size.rows()) - 1;
            self.painter.go_to(row, 0);
            status_row::paint(&self.status, &self.title, self.size.cols(), &mut self.painter);
        }
        self.status_shown = true;
    }

    /// Makes room for a question: on a screen of its own where the program has none, since nobody knows what stands
    /// in rows that are not ours. The terminal reports nothing but keys meanwhile, and says what is pasted.
    pub(crate) fn open(&mut self) {
        self.change_modes(&Modes {
            bracketed_paste: true,
            ..Modes::default()
        });
        if !self.on_alternate {
            self.show_screen(true);
            self.borrowed = true;
        }
    }

    /// Paints a question over what is shown.
    pub(crate) fn paint_popup(&mut self, popup: &PopUp) {
        self.shown.forget();
        self.paint_status();
        question::paint(popup, self.size, &mut self.painter);
    }

    /// Gives the screen back that a question stood on.
    pub(crate) fn close(&mut self) {
        if std::mem::take(&mut self.borrowed) {
            self.show_screen(false);
        }
        self.forget();
    }

    /// Rings, unless it has rung a moment ago.
    pub(crate) fn ring(&mut self, now: Duration) {
        if now >= self.next_bell {
            self.painter.buffer().push(0x07);
            self.next_bell = now.saturating_add(BELL_PAUSE);
        }
    }

    /// Leaves the terminal as it was found, the cursor where the program left it.
    pub(crate) fn finish(&mut self, model: &Model) {
        self.show_screen(false);
        self.painter.set_style(Style::PLAIN);
        if self.size.has_status_row() {
            self.painter.go_to(usize::from(self.size.rows()) - 1, 0);
            self.painter.raw(b"\x1b[K");
        }
        self.change_modes(&Modes::default());
        self.painter.raw(b"\x1b[r\x1b[?7h");
        self.painter.lose_place();
        let cursor = model.cursor_of_normal_screen();
        self.painter.go_to(cursor.row, cursor.col);
    }

    /// All that was written since the last time, long pictures as one frame.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let body = self.painter.take();
        if body.len() <= FRAME_WORTH {
            return body;
        }
        let (hide, show): (&[u8], &[u8]) = if self.modes.cursor_visible {
            (b"\x1b[?25l", b"\x1b[?25h")
        } else {
            (b"", b"")
        };
        [b"\x1b[?2026h", hide, &body, show, b"\x1b[?2026l"].concat()
    }
}
