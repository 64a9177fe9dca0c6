//! Erasing, inserting and deleting.

use super::Model;

impl Model {
    /// ED. 3, which would erase the user's scrollback, does nothing.
    pub(super) fn erase_display(&mut self, what: u16) {
        let (row, height, style) = (self.cursor.row, self.height(), self.cursor.style.erased());
        match what {
            0 => {
                self.erase_line(0);
                self.grid_mut().clear_rows(row + 1, height, style);
            }
            1 => {
                self.grid_mut().clear_rows(0, row, style);
                self.erase_line(1);
            }
            2 => self.grid_mut().clear_rows(0, height, style),
            _ => {}
        }
    }

    /// EL.
    pub(super) fn erase_line(&mut self, what: u16) {
        let (col, cols) = (self.cursor.col, self.cols());
        match what {
            0 => self.erase_cells(col, cols),
            1 => self.erase_cells(0, col + 1),
            2 => self.erase_cells(0, cols),
            _ => {}
        }
        self.cursor.wrap &= what == 1;
    }

    /// ECH.
    pub(super) fn erase_chars(&mut self, count: usize) {
        let col = self.cursor.col;
        self.erase_cells(col, (col + count).min(self.cols()));
        self.cursor.wrap = false;
    }

    fn erase_cells(&mut self, from: usize, to: usize) {
        let (cursor, cols) = (self.cursor, self.cols());
        self.grid_mut()
            .row_mut(cursor.row)
            .erase(from, to, cols, cursor.style.erased());
    }

    /// ICH.
    pub(super) fn insert_chars(&mut self, count: usize) {
        let (cursor, cols) = (self.cursor, self.cols());
        let row = self.grid_mut().row_mut(cursor.row);
        row.insert(cursor.col, count, cols, cursor.style.erased());
        self.cursor.wrap = false;
    }

    /// DCH.
    pub(super) fn delete_chars(&mut self, count: usize) {
        let (cursor, cols) = (self.cursor, self.cols());
        let row = self.grid_mut().row_mut(cursor.row);
        row.delete(cursor.col, count, cols, cursor.style.erased());
        self.cursor.wrap = false;
    }

    /// IL; only between the margins.
    pub(super) fn insert_lines(&mut self, count: usize) {
        let (row, style) = (self.cursor.row, self.cursor.style.erased());
        if self.is_between_margins() {
            self.grid_mut().shift_down(row, count, style);
            self.go_to_col(0);
        }
    }

    /// DL; only between the margins.
    pub(super) fn delete_lines(&mut self, count: usize) {
        let (row, style) = (self.cursor.row, self.cursor.style.erased());
        if self.is_between_margins() {
            self.grid_mut().shift_up(row, count, style);
            self.go_to_col(0);
        }
    }

    fn is_between_margins(&self) -> bool {
        (self.grid().top..=self.grid().bottom).contains(&self.cursor.row)
    }

    /// DECALN: a screen full of E, the margins reset.
    pub(super) fn alignment_pattern(&mut self) {
        self.grid_mut().reset_region();
        self.go_to(0, 0);
        let line = vec![b'E'; self.cols()];
        for row in self.grid_mut().rows_mut() {
            row.put_ascii(0, &line, crate::style::Style::PLAIN);
        }
    }
}
