//! The pen on the user's terminal: where it stands and how it writes.

use crate::cell::Cell;
use crate::glyph::is_risky;
use crate::number;
use crate::sgr;
use crate::style::Style;

/// Writes to a buffer and remembers what the terminal's cursor and style are.
#[derive(Debug, Default)]
pub(crate) struct Painter {
    out: Vec<u8>,
    row: Option<usize>,
    /// Only meaningful with a row; `None` where terminals may differ.
    col: Option<usize>,
    style: Style,
    /// Last row of the terminal's scroll region, which always starts at the top.
    bottom: usize,
}

impl Painter {
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Bytes that move the cursor somewhere unknown, or may have.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.lose_place();
    }

    pub(super) fn lose_place(&mut self) {
        (self.row, self.col) = (None, None);
    }

    /// DECSTBM from the top to `bottom`; it sends the cursor home (VT510 manual).
    pub(super) fn set_region(&mut self, bottom: usize) {
        self.out.extend_from_slice(b"\x1b[1;");
        self.number(bottom + 1);
        self.out.push(b'r');
        self.bottom = bottom;
        (self.row, self.col) = (Some(0), Some(0));
    }

    pub(super) fn bottom(&self) -> usize {
        self.bottom
    }

    fn number(&mut self, n: usize) {
        number::write(n as u16, &mut self.out);
    }

    pub(super) fn go_to(&mut self, row: usize, col: usize) {
        if self.is_at(row, col) {
            return;
        }
        let next_line = self.row.is_some_and(|at| at + 1 == row && at < self.bottom);
        if col == 0 && next_line {
            self.out.extend_from_slice(b"\r\n");
        } else if col == 0 && self.row == Some(row) {
            self.out.push(b'\r');
        } else {
            self.cup(row, col);
        }
        (self.row, self.col) = (Some(row), Some(col));
    }

    pub(super) fn is_at(&self, row: usize, col: usize) -> bool {
        (self.row, self.col) == (Some(row), Some(col))
    }

    fn cup(&mut self, row: usize, col: usize) {
        self.out.extend_from_slice(b"\x1b[");
        self.number(row + 1);
        self.out.push(b';');
        self.number(col + 1);
        self.out.push(b'H');
    }

    pub(super) fn set_style(&mut self, style: Style) {
        if self.style != style {
            sgr::write_change(self.style, style, &mut self.out);
            self.style = style;
        }
    }

    /// Writes one cell where the pen stands. `wide`: its tail follows in the row.
    pub(super) fn cell(&mut self, cell: &Cell, wide: bool) {
        self.set_style(cell.style);
        let glyph = cell.glyph();
        if glyph.is_ascii() && !cell.has_marks() {
            self.out.push(glyph as u8);
            self.col = self.col.map(|col| col + 1);
        } else {
            self.other_cell(cell, glyph, wide);
        }
    }

    /// Writes the cells up to the first that is not plain ASCII in the style of the first.
    pub(super) fn ascii_run(&mut self, cells: &[Cell]) -> usize {
        let style = cells[0].style;
        let plain = |cell: &&Cell| cell.glyph().is_ascii() && !cell.has_marks() && cell.style == style;
        let count = cells.iter().take_while(plain).count();
        if count > 0 {
            self.set_style(style);
            self.out
                .extend(cells[..count].iter().map(|cell| cell.glyph() as u8));
            self.col = self.col.map(|col| col + count);
        }
        count
    }

    fn other_cell(&mut self, cell: &Cell, glyph: char, wide: bool) {
        let risky = cell.has_marks() || is_risky(glyph);
        if risky && wide {
            // A terminal that takes it for narrow must not keep what was in the second cell.
            self.out.extend_from_slice(b"\x1b[2X");
        }
        self.character(glyph);
        cell.marks().for_each(|mark| self.character(mark));
        self.col = self.col.map(|col| col + 1 + usize::from(wide)).filter(|_| !risky);
    }

    fn character(&mut self, c: char) {
        self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// ASCII text, already cleaned and clipped.
    pub(super) fn ascii(&mut self, byte: u8) {
        self.out.push(byte);
        self.col = self.col.map(|col| col + 1);
    }

    /// Erases to the end of the row, in no colour.
    pub(super) fn erase_to_end(&mut self) {
        self.set_style(Style::PLAIN);
        self.out.extend_from_slice(b"\x1b[K");
    }

    /// Scrolls the region whose last row is `bottom`. New rows take the
    /// background that is set (`bce`), so none is.
    pub(super) fn scroll(&mut self, bottom: usize, count: usize) {
        self.set_style(Style::PLAIN);
        if count > 0 && self.row != Some(bottom) {
            self.go_to(bottom, 0);
        }
        if count > 0 && self.col != Some(0) {
            self.out.push(b'\r');
            self.col = Some(0);
        }
        self.out.extend(std::iter::repeat_n(b'\n', count));
    }
}
