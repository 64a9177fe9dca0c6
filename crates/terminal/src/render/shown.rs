//! What the terminal shows in the rows of the program.

use crate::row::Row;
use crate::size::Size;

/// A copy of every row as painted last, where it is known.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) rows: Vec<ShownRow>,
    pub(super) cols: usize,
    /// Last row of the region when it is not narrowed for a moment.
    pub(super) full_bottom: usize,
}

#[derive(Debug, Default)]
pub(super) struct ShownRow {
    pub(super) row: Row,
    pub(super) known: bool,
}

impl Shown {
    /// Nothing is known of the terminal yet.
    pub(super) fn new(inner: Size) -> Self {
        let rows: Vec<ShownRow> = (0..inner.rows()).map(|_| ShownRow::default()).collect();
        Self {
            full_bottom: rows.len() - 1,
            rows,
            cols: usize::from(inner.cols()),
        }
    }

    pub(super) fn forget(&mut self) {
        for shown in &mut self.rows {
            shown.known = false;
        }
    }

    /// Follows the terminal in scrolling rows `0..=bottom` up; blank rows come in.
    pub(super) fn scroll(&mut self, bottom: usize, count: usize) {
        let region = &mut self.rows[..=bottom];
        let count = count.min(region.len());
        region.rotate_left(count);
        for shown in &mut region[bottom + 1 - count..] {
            shown.row.clear(0, crate::style::Style::PLAIN);
            shown.known = true;
        }
    }
}
