//! One row of cells and what changes it.

use crate::cell::Cell;
use crate::style::Style;

/// A row. Cells beyond the stored ones are blank, so clearing costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Row {
    cells: Vec<Cell>,
    /// The line goes on in the next row.
    pub(crate) wrapped: bool,
    /// May differ from what the terminal shows at the same place.
    pub(crate) dirty: bool,
    /// Holds what the user's shell wrote before us: not ours to paint.
    pub(crate) foreign: bool,
}

/// What a combining character did to the one it joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marked {
    Same,
    /// It takes two cells now.
    Widened,
}

impl Row {
    pub(crate) fn foreign() -> Self {
        Self {
            foreign: true,
            ..Self::default()
        }
    }

    pub(crate) fn cell(&self, col: usize) -> Cell {
        self.cells.get(col).copied().unwrap_or(Cell::BLANK)
    }

    /// The stored cells without the blank end.
    pub(crate) fn trimmed(&self) -> &[Cell] {
        let end = self.cells.iter().rposition(|cell| *cell != Cell::BLANK);
        &self.cells[..end.map_or(0, |last| last + 1)]
    }

    /// Every change goes through here: the row becomes ours and has to be painted.
    fn touch(&mut self) -> &mut Vec<Cell> {
        self.dirty = true;
        self.foreign = false;
        &mut self.cells
    }

    /// The cells, at least `len` of them.
    fn reach(&mut self, len: usize) -> &mut Vec<Cell> {
        let cells = self.touch();
        if cells.len() < len {
            cells.resize(len, Cell::BLANK);
        }
        cells
    }

    /// Makes the row blank in the given background.
    pub(crate) fn clear(&mut self, cols: usize, style: Style) {
        self.wrapped = false;
        let cells = self.touch();
        cells.clear();
        if style != Style::PLAIN {
            cells.resize(cols, Cell::blank(style));
        }
    }

    /// Copies the cells of another row, reusing the memory of this one.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.cells.clone_from(&other.cells);
        self.wrapped = other.wrapped;
        self.foreign = other.foreign;
    }

    pub(crate) fn put_ascii(&mut self, col: usize, run: &[u8], style: Style) {
        let end = col + run.len();
        self.split_wide(col);
        self.split_wide(end);
        let cells = self.touch();
        if cells.len() < col {
            cells.resize(col, Cell::BLANK);
        }
        let over = run.len().min(cells.len() - col);
        for (cell, byte) in cells[col..col + over].iter_mut().zip(run) {
            *cell = Cell::new(char::from(*byte), style);
        }
        cells.extend(run[over..].iter().map(|byte| Cell::new(char::from(*byte), style)));
    }

    pub(crate) fn put(&mut self, col: usize, c: char, wide: bool, style: Style) {
        let end = col + 1 + usize::from(wide);
        self.split_wide(col);
        self.split_wide(end);
        let cells = self.reach(end);
        cells[col] = Cell::new(c, style);
        if wide {
            cells[col + 1] = Cell::tail(style);
        }
    }

    /// Adds a combining character to the character at `col`, or left of it if that is a tail.
    ///
    /// U+FE0F makes an emoji of a narrow symbol and so makes it wide, as programs
    /// count it and newer terminals show it. A mark that would change the width
    /// where that cannot be done is dropped.
    pub(crate) fn add_mark(&mut self, col: usize, mark: char, cols: usize) -> Marked {
        let lead = if self.cell(col).is_tail() {
            col.saturating_sub(1)
        } else {
            col
        };
        let mut cell = self.cell(lead);
        let is_wide = self.cell(lead + 1).is_tail();
        cell.add_mark(mark);
        if (cell.width() == 2) == is_wide {
            self.reach(lead + 1)[lead] = cell;
            return Marked::Same;
        }
        if is_wide || lead + 2 > cols {
            return Marked::Same;
        }
        self.put(lead, cell.glyph(), true, cell.style);
        self.cells[lead] = cell;
        Marked::Widened
    }

    /// A wide character whose halves are about to be parted at `col` becomes two blanks.
    fn split_wide(&mut self, col: usize) {
        if col > 0 && self.cells.get(col).is_some_and(Cell::is_tail) {
            for cell in &mut self.touch()[col - 1..=col] {
                *cell = Cell::blank(cell.style);
            }
        }
    }

    /// Erases columns `from..to`.
    pub(crate) fn erase(&mut self, from: usize, to: usize, cols: usize, style: Style) {
        self.split_wide(from);
        self.split_wide(to);
        if to >= cols && style == Style::PLAIN {
            self.touch().truncate(from);
            return;
        }
        let to = to.min(cols);
        if from < to {
            self.reach(to)[from..to].fill(Cell::blank(style));
        }
    }

    /// Inserts blanks at `col`; what is pushed beyond the last column is lost.
    pub(crate) fn insert(&mut self, col: usize, count: usize, cols: usize, style: Style) {
        self.split_wide(col);
        let count = count.min(cols - col);
        let cells = self.reach(cols);
        cells[col..].rotate_right(count);
        cells[col..col + count].fill(Cell::blank(style));
        self.drop_half_at_end();
    }

    /// Deletes cells at `col`; blanks come in from the right.
    pub(crate) fn delete(&mut self, col: usize, count: usize, cols: usize, style: Style) {
        let count = count.min(cols - col);
        self.split_wide(col);
        self.split_wide(col + count);
        let cells = self.reach(cols);
        cells[col..].rotate_left(count);
        cells[cols - count..].fill(Cell::blank(style));
    }

    /// Cuts the row to a new width.
    pub(crate) fn narrow(&mut self, cols: usize) {
        self.split_wide(cols);
        self.cells.truncate(cols);
        self.cells.shrink_to_fit();
    }

    /// A wide character cut in half by the right edge: only its lead is left.
    fn drop_half_at_end(&mut self) {
        if let Some(last) = self.cells.last_mut()
            && last.width() == 2
        {
            *last = Cell::blank(last.style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Row {
        let mut row = Row::default();
        let mut col = 0;
        for c in text.chars() {
            let wide = !c.is_ascii();
            row.put(col, c, wide, Style::PLAIN);
            col += 1 + usize::from(wide);
        }
        row
    }

    fn text(row: &Row) -> String {
        row.cells
            .iter()
            .filter(|cell| !cell.is_tail())
            .map(Cell::glyph)
            .collect()
    }

    #[test]
    fn half_a_wide_character_never_stays() {
        let mut over_tail = row("a漢b");
        over_tail.put_ascii(2, b"x", Style::PLAIN);
        assert_eq!(text(&over_tail), "a xb");
        let mut over_lead = row("a漢b");
        over_lead.put_ascii(1, b"x", Style::PLAIN);
        assert_eq!(text(&over_lead), "ax b");
        let mut erased = row("a漢b漢");
        erased.erase(2, 5, 8, Style::PLAIN);
        assert_eq!(text(&erased), "a     ");
    }

    #[test]
    fn insert_and_delete_keep_the_width() {
        let mut inserted = row("abc漢");
        inserted.insert(1, 1, 5, Style::PLAIN);
        assert_eq!(text(&inserted), "a bc ");
        let mut deleted = row("a漢bc");
        deleted.delete(1, 1, 5, Style::PLAIN);
        assert_eq!(text(&deleted), "a bc ");
    }

    #[test]
    fn a_symbol_made_wide_is_not_cut_in_half_either() {
        let mut keycap = row("ab0");
        assert_eq!(keycap.add_mark(2, '\u{fe0f}', 4), Marked::Widened);
        keycap.insert(0, 1, 4, Style::PLAIN);
        assert_eq!(text(&keycap), " ab ");
        let mut at_edge = row("abc0");
        assert_eq!(at_edge.add_mark(3, '\u{fe0f}', 4), Marked::Same);
        assert!(!at_edge.cell(3).has_marks());
    }

    #[test]
    fn a_cleared_row_stores_nothing() {
        let mut cleared = row("abc");
        cleared.clear(80, Style::PLAIN);
        assert!(cleared.trimmed().is_empty());
    }
}
