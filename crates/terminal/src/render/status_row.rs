//! Painting the status row.

use super::painter::Painter;
use crate::cell::Cell;
use crate::glyph::{Glyph, classify};
use crate::status::Status;
use crate::style::{Attribute, Style};

/// Paints the row from its first column; it is always filled to the last one.
pub(super) fn paint(status: &Status, title: &str, cols: u16, painter: &mut Painter) {
    let mut row = Writer {
        painter,
        room: usize::from(cols),
        cut: false,
    };
    let (plain, strong) = (plain(), strong());
    row.text(" fumehood ", strong);
    row.text(&status.session, plain);
    if status.holds > 0 {
        row.text("  ", plain);
        row.text(&format!(" HOLD {} ", status.holds), strong);
    }
    if status.changes > 0 {
        let plural = if status.changes == 1 { "" } else { "s" };
        row.text(&format!("  {} change{plural}", status.changes), plain);
    }
    if !status.message.is_empty() {
        row.text("  ", plain);
        row.text(&status.message, plain);
    }
    // Last and in quotes: these are the words of the program.
    if !title.is_empty() {
        row.text("  \"", plain);
        row.text(title, plain);
        row.text("\"", plain);
    }
    row.fill(plain);
}

fn plain() -> Style {
    let mut style = Style::PLAIN;
    style.set(Attribute::Inverse, true);
    style
}

fn strong() -> Style {
    let mut style = plain();
    style.set(Attribute::Bold, true);
    style
}

struct Writer<'a> {
    painter: &'a mut Painter,
    room: usize,
    /// Something did not fit: nothing more is written but the filling.
    cut: bool,
}

impl Writer<'_> {
    /// Writes what is plainly visible, as far as there is room. A bidirectional
    /// control, a tag, a combining mark has no business in this row.
    fn text(&mut self, text: &str, style: Style) {
        for c in text.chars() {
            let width = match classify(c) {
                Glyph::Narrow => 1,
                Glyph::Wide => 2,
                Glyph::Mark | Glyph::Dropped => continue,
            };
            self.cut |= width > self.room;
            if self.cut {
                return;
            }
            self.painter.cell(&Cell::new(c, style), width == 2);
            self.room -= width;
        }
    }

    fn fill(&mut self, style: Style) {
        self.painter.set_style(style);
        (0..self.room).for_each(|_| self.painter.ascii(b' '));
        self.painter.set_style(Style::PLAIN);
    }
}
