//! Characters onto the screen.

use super::Model;
use crate::cursor::{Charset, graphic};
use crate::glyph::{Glyph, classify};
use crate::row::Marked;

impl Model {
    /// Prints a run of ASCII; may stop early so that rows that scrolled away can be sent.
    pub(super) fn print_ascii(&mut self, run: &[u8]) -> usize {
        self.last_char = run.last().map(|byte| char::from(*byte));
        if self.insert || self.cursor.charset() == Charset::Graphics {
            self.print_slowly(run[0]);
            return 1;
        }
        let mut done = 0;
        while done < run.len() && !(done > 0 && self.departed.is_full()) {
            done += self.print_part(&run[done..]);
        }
        done
    }

    fn print_slowly(&mut self, byte: u8) {
        let c = match self.cursor.charset() {
            Charset::Graphics => graphic(byte),
            Charset::Ascii => char::from(byte),
        };
        self.last_char = Some(char::from(byte));
        self.print_glyph(c, false);
    }

    /// As much as fits into the current row.
    fn print_part(&mut self, run: &[u8]) -> usize {
        self.wrap_if_due();
        let (cols, cursor) = (self.cols(), self.cursor);
        let count = run.len().min(cols - cursor.col);
        self.grid_mut()
            .row_mut(cursor.row)
            .put_ascii(cursor.col, &run[..count], cursor.style);
        self.advance(count);
        count
    }

    /// Moves the cursor behind what was printed; at the edge it stays and waits.
    fn advance(&mut self, width: usize) {
        self.cursor.col += width;
        if self.cursor.col >= self.cols() {
            self.cursor.col = self.cols() - 1;
            self.cursor.wrap = true;
        }
    }

    fn wrap_if_due(&mut self) {
        if !self.cursor.wrap {
            return;
        }
        self.cursor.wrap = false;
        if self.autowrap {
            let row = self.cursor.row;
            self.grid_mut().row_mut(row).wrapped = true;
            self.cursor.col = 0;
            self.line_feed();
        }
    }

    /// Prints one character that is not ASCII.
    pub(super) fn print_char(&mut self, c: char) {
        match classify(c) {
            // glibc counts a soft hyphen as a column and xterm shows it; others do neither.
            Glyph::Dropped if c == '\u{ad}' => self.print_glyph('-', false),
            Glyph::Dropped => return,
            Glyph::Mark => return self.print_mark(c),
            Glyph::Narrow => self.print_glyph(c, false),
            Glyph::Wide => self.print_glyph(c, true),
        }
        self.last_char = Some(c);
    }

    fn print_glyph(&mut self, c: char, wide: bool) {
        let (cols, width) = (self.cols(), 1 + usize::from(wide));
        if width > cols {
            return;
        }
        self.wrap_if_due();
        if self.cursor.col + width > cols {
            self.cursor.wrap = true;
            self.wrap_if_due();
            self.cursor.col = self.cursor.col.min(cols - width);
        }
        let (cursor, insert) = (self.cursor, self.insert);
        let row = self.grid_mut().row_mut(cursor.row);
        if insert {
            row.insert(cursor.col, width, cols, cursor.style.erased());
        }
        row.put(cursor.col, c, wide, cursor.style);
        self.advance(width);
    }

    /// A combining mark joins the character before the cursor, or at it while a wrap is due.
    fn print_mark(&mut self, mark: char) {
        let (cursor, cols) = (self.cursor, self.cols());
        let Some(col) = (if cursor.wrap {
            Some(cursor.col)
        } else {
            cursor.col.checked_sub(1)
        }) else {
            return;
        };
        let row = self.grid_mut().row_mut(cursor.row);
        match row.add_mark(col, mark, cols) {
            Marked::Widened if !cursor.wrap => self.advance(1),
            Marked::Widened | Marked::Same => {}
        }
    }

    /// REP. No program needs more than a row of it, so no more is done.
    pub(super) fn repeat(&mut self, count: u16) {
        let Some(c) = self.last_char else { return };
        for _ in 0..usize::from(count).min(self.cols()) {
            match u8::try_from(c) {
                Ok(byte) if c.is_ascii() => _ = self.print_ascii(&[byte]),
                _ => self.print_char(c),
            }
        }
    }
}
