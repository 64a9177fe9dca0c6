//! Painting a question over the program's screen.

use super::painter::Painter;
use crate::cell::Cell;
use crate::glyph::{Glyph, classify};
use crate::popup::PopUp;
use crate::size::Size;
use crate::style::{Attribute, Style};

/// Paints it into the rows right above the status row.
pub(super) fn paint(popup: &PopUp, size: Size, painter: &mut Painter) {
    let (rows, cols) = (usize::from(size.inner().rows()), usize::from(size.cols()));
    let lines: Vec<String> = popup.shown().collect();
    let top = rows.saturating_sub(lines.len());
    for (n, line) in lines.iter().enumerate() {
        let strong = n == 0 || n + 1 == lines.len();
        paint_line(line, strong, (top + n, cols), painter);
    }
    painter.set_style(Style::PLAIN);
    painter.go_to(rows.saturating_sub(1), 0);
}

fn paint_line(text: &str, strong: bool, (row, cols): (usize, usize), painter: &mut Painter) {
    let mut style = Style::PLAIN;
    style.set(Attribute::Inverse, true);
    style.set(Attribute::Bold, strong);
    painter.go_to(row, 0);
    let mut room = cols;
    for c in std::iter::once(' ').chain(text.chars()) {
        let width = match classify(c) {
            Glyph::Narrow => 1,
            Glyph::Wide => 2,
            Glyph::Mark | Glyph::Dropped => continue,
        };
        if width > room {
            break;
        }
        painter.cell(&Cell::new(c, style), width == 2);
        room -= width;
    }
    painter.set_style(style);
    (0..room).for_each(|_| painter.ascii(b' '));
    painter.lose_place();
}
