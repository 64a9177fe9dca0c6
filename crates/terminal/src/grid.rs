//! A screen of rows with its scroll region.

use crate::departed::Departed;
use crate::row::Row;
use crate::size::Size;
use crate::style::Style;

/// Rows, width and scroll region. Rows and columns count from zero.
#[derive(Debug)]
pub(crate) struct Grid {
    rows: Vec<Row>,
    cols: usize,
    pub(crate) top: usize,
    pub(crate) bottom: usize,
}

impl Grid {
    pub(crate) fn new(size: Size) -> Self {
        let rows: Vec<Row> = (0..size.rows()).map(|_| Row::default()).collect();
        let bottom = rows.len() - 1;
        Self {
            rows,
            cols: usize::from(size.cols()),
            top: 0,
            bottom,
        }
    }

    pub(crate) fn height(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    pub(crate) fn row(&self, row: usize) -> &Row {
        &self.rows[row]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut Row {
        &mut self.rows[row]
    }

    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        self.rows.iter_mut()
    }

    /// Sets the scroll region if it has at least two rows (DECSTBM).
    pub(crate) fn set_region(&mut self, top: usize, bottom: usize) -> bool {
        let bottom = bottom.min(self.height() - 1);
        if top < bottom {
            (self.top, self.bottom) = (top, bottom);
        }
        top < bottom
    }

    pub(crate) fn reset_region(&mut self) {
        (self.top, self.bottom) = (0, self.height() - 1);
    }

    /// Scrolls the region up; rows that leave over the top of the screen go to
    /// `departed`, where the terminal's own scrollback would have taken them.
    pub(crate) fn scroll_up(&mut self, count: usize, style: Style, departed: Option<&mut Departed>) {
        let count = count.min(self.bottom - self.top + 1);
        match departed {
            Some(departed) if self.top == 0 => self.depart(count, departed),
            _ => self.mark(self.top, self.bottom),
        }
        self.rows[self.top..=self.bottom].rotate_left(count);
        self.clear_rows(self.bottom + 1 - count, self.bottom + 1, style);
    }

    /// The terminal scrolls with us, so the rows that stay are still as shown;
    /// the row that comes in is blank on both sides, or marked by its colour.
    fn depart(&mut self, count: usize, departed: &mut Departed) {
        for row in &mut self.rows[..count] {
            departed.push(row, self.bottom);
        }
    }

    pub(crate) fn scroll_down(&mut self, count: usize, style: Style) {
        self.shift_down(self.top, count, style);
    }

    /// Inserts blank rows at `at`, inside the region (IL).
    pub(crate) fn shift_down(&mut self, at: usize, count: usize, style: Style) {
        let count = count.min(self.bottom + 1 - at);
        self.mark(at, self.bottom);
        self.rows[at..=self.bottom].rotate_right(count);
        self.clear_rows(at, at + count, style);
    }

    /// Deletes rows at `at`, inside the region (DL). They are not scrollback.
    pub(crate) fn shift_up(&mut self, at: usize, count: usize, style: Style) {
        let count = count.min(self.bottom + 1 - at);
        self.mark(at, self.bottom);
        self.rows[at..=self.bottom].rotate_left(count);
        self.clear_rows(self.bottom + 1 - count, self.bottom + 1, style);
    }

    /// Rows about to move where the terminal's do not. A foreign row that moves is lost.
    fn mark(&mut self, first: usize, last: usize) {
        for row in &mut self.rows[first..=last] {
            row.dirty = true;
            row.foreign = false;
        }
    }

    pub(crate) fn clear_rows(&mut self, from: usize, to: usize, style: Style) {
        let cols = self.cols;
        for row in &mut self.rows[from..to] {
            row.clear(cols, style);
        }
    }

    /// Removes the topmost row; used while resizing only.
    pub(crate) fn remove_top(&mut self) -> Row {
        self.rows.remove(0)
    }

    /// Puts a row in at `at`; used while resizing only.
    pub(crate) fn insert_at(&mut self, at: usize, row: Row) {
        self.rows.insert(at, row);
    }

    /// Brings a row back on top; used while resizing only.
    pub(crate) fn insert_top(&mut self, row: Row) {
        self.insert_at(0, row);
    }

    /// Fits the rows to a new size at the bottom and at the right; all become dirty and ours.
    pub(crate) fn fit(&mut self, size: Size) {
        self.cols = usize::from(size.cols());
        self.rows.resize_with(usize::from(size.rows()), Row::default);
        for row in &mut self.rows {
            row.narrow(self.cols);
            row.dirty = true;
            row.foreign = false;
        }
        self.reset_region();
    }
}
