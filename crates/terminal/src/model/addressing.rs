//! Moving the cursor.

use super::Model;
use crate::cursor::Cursor;

impl Model {
    /// CUP, HVP and their one-dimensional kin; zero-based, relative in origin mode.
    pub(super) fn go_to(&mut self, row: usize, col: usize) {
        let (first, last) = self.row_limits();
        self.cursor.row = (first + row).min(last);
        self.go_to_col(col);
    }

    pub(super) fn go_to_col(&mut self, col: usize) {
        self.cursor.col = col.min(self.cols() - 1);
        self.cursor.wrap = false;
    }

    /// Rows that absolute addressing can reach.
    fn row_limits(&self) -> (usize, usize) {
        if self.cursor.origin {
            (self.grid().top, self.grid().bottom)
        } else {
            (0, self.height() - 1)
        }
    }

    /// Row as a program counts it, from zero.
    pub(super) fn reported_row(&self) -> usize {
        let (first, _) = self.row_limits();
        self.cursor.row.saturating_sub(first)
    }

    /// CUU stops at the top margin if it starts below it.
    pub(super) fn up(&mut self, count: usize) {
        let top = self.grid().top;
        let limit = if self.cursor.row >= top { top } else { 0 };
        self.cursor.row = self.cursor.row.saturating_sub(count).max(limit);
        self.cursor.wrap = false;
    }

    /// CUD stops at the bottom margin if it starts above it.
    pub(super) fn down(&mut self, count: usize) {
        let bottom = self.grid().bottom;
        let limit = if self.cursor.row <= bottom {
            bottom
        } else {
            self.height() - 1
        };
        self.cursor.row = (self.cursor.row + count).min(limit);
        self.cursor.wrap = false;
    }

    pub(super) fn left(&mut self, count: usize) {
        self.go_to_col(self.cursor.col.saturating_sub(count));
    }

    pub(super) fn right(&mut self, count: usize) {
        self.go_to_col(self.cursor.col + count);
    }

    pub(super) fn tab_forward(&mut self, count: usize) {
        for _ in 0..count.min(self.cols()) {
            self.go_to_col(self.tabs.after(self.cursor.col));
        }
    }

    pub(super) fn tab_back(&mut self, count: usize) {
        for _ in 0..count.min(self.cols()) {
            self.go_to_col(self.tabs.before(self.cursor.col));
        }
    }

    /// IND, and LF without LNM.
    pub(super) fn line_feed(&mut self) {
        if self.cursor.row == self.grid().bottom {
            self.scroll_up(1);
        } else if self.cursor.row + 1 < self.height() {
            self.cursor.row += 1;
        }
        self.cursor.wrap = false;
    }

    /// RI.
    pub(super) fn reverse_line_feed(&mut self) {
        let style = self.cursor.style.erased();
        if self.cursor.row == self.grid().top {
            self.grid_mut().scroll_down(1, style);
        } else {
            self.cursor.row = self.cursor.row.saturating_sub(1);
        }
        self.cursor.wrap = false;
    }

    /// DECSTBM; the cursor goes home.
    pub(super) fn set_margins(&mut self, top: u16, bottom: u16) {
        let bottom = if bottom == 0 { u16::MAX } else { bottom };
        if self
            .grid_mut()
            .set_region(usize::from(top.max(1)) - 1, usize::from(bottom) - 1)
        {
            self.go_to(0, 0);
        }
    }

    /// DECSC.
    pub(super) fn save_cursor(&mut self) {
        self.saved[usize::from(self.on_alternate)] = self.cursor;
    }

    /// DECRC; home if nothing was saved.
    pub(super) fn restore_cursor(&mut self) {
        let Cursor { row, col, .. } = self.saved[usize::from(self.on_alternate)];
        self.cursor = self.saved[usize::from(self.on_alternate)];
        self.cursor.row = row.min(self.height() - 1);
        self.cursor.col = col.min(self.cols() - 1);
    }
}
