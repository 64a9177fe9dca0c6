//! Painting rows: only what differs, and the ones for the scrollback in order.

use super::painter::Painter;
use super::shown::Shown;
use crate::cell::Cell;
use crate::departed::{Departed, Gone};
use crate::grid::Grid;
use crate::row::Row;

/// Equal cells up to this many are written again rather than jumped over: a jump costs as much.
const WORTH_A_JUMP: usize = 8;

/// Brings the rows that left the program's screen into the terminal's
/// scrollback, each exactly once: the terminal scrolls them out over its top.
///
/// xterm, VTE, kitty, Alacritty, foot, iTerm2 and tmux save a line that leaves
/// a scroll region whose top is the first row, also when the region ends above
/// the last row.
pub(super) fn send_departed(shown: &mut Shown, painter: &mut Painter, departed: &Departed) {
    let mut gone = departed.waiting().peekable();
    let mut batch: Vec<&Gone> = Vec::new();
    while let Some(row) = gone.next() {
        batch.push(row);
        if gone.peek().is_none_or(|next| next.bottom != row.bottom) {
            send_batch(shown, painter, &batch, row.bottom);
            batch.clear();
        }
    }
    set_region(painter, shown.full_bottom);
}

fn set_region(painter: &mut Painter, bottom: usize) {
    if painter.bottom() != bottom {
        painter.set_region(bottom);
    }
}

/// Rows that left the same region. The first of them are, or get, where the
/// terminal shows them; the rest comes in at the bottom like ordinary output;
/// then all of it is scrolled out.
fn send_batch(shown: &mut Shown, painter: &mut Painter, batch: &[&Gone], bottom: usize) {
    set_region(painter, bottom);
    let (in_place, appended) = batch.split_at(batch.len().min(bottom + 1));
    for (at, gone) in in_place.iter().enumerate() {
        paint_row(shown, painter, at, &gone.row);
    }
    for gone in appended {
        painter.scroll(bottom, 1);
        paint_from(painter, bottom, gone.row.trimmed(), 0);
    }
    painter.scroll(bottom, in_place.len());
    shown.scroll(bottom, batch.len());
}

/// Paints every row of the grid that differs from what is shown.
pub(super) fn paint_screen(shown: &mut Shown, painter: &mut Painter, grid: &mut Grid) {
    for at in 0..grid.height() {
        let row = grid.row_mut(at);
        if paint_row(shown, painter, at, row) {
            let known = &mut shown.rows[at];
            known.row.copy_from(row);
            known.known = true;
            row.dirty = false;
        }
    }
}

/// Paints one row where it differs; false if there was nothing to look at.
fn paint_row(shown: &Shown, painter: &mut Painter, at: usize, row: &Row) -> bool {
    let before = &shown.rows[at];
    if row.foreign || (before.known && !row.dirty) {
        return false;
    }
    if before.known {
        paint_difference(painter, at, row.trimmed(), before.row.trimmed());
    } else {
        paint_whole(painter, at, row.trimmed(), shown.cols);
    }
    true
}

fn paint_whole(painter: &mut Painter, at: usize, cells: &[Cell], cols: usize) {
    paint_from(painter, at, cells, 0);
    if cells.len() < cols {
        painter.go_to(at, cells.len());
        painter.erase_to_end();
    }
}

fn paint_difference(painter: &mut Painter, at: usize, new: &[Cell], old: &[Cell]) {
    let mut col = 0;
    while col < new.len().min(old.len()) {
        let same = equal_run(&new[col..], &old[col..]);
        let ends_row = col + same == new.len();
        if same > 0 && (same >= WORTH_A_JUMP || ends_row || !painter.is_at(at, col)) {
            col += same;
        } else {
            col += paint_cell(painter, at, new, col);
        }
    }
    paint_from(painter, at, new, col);
    if old.len() > new.len() {
        painter.go_to(at, new.len());
        painter.erase_to_end();
    }
}

fn equal_run(new: &[Cell], old: &[Cell]) -> usize {
    new.iter().zip(old).take_while(|(new, old)| new == old).count()
}

fn paint_from(painter: &mut Painter, at: usize, cells: &[Cell], from: usize) {
    let mut col = from;
    while col < cells.len() {
        painter.go_to(at, col);
        col += match painter.ascii_run(&cells[col..]) {
            0 => paint_cell(painter, at, cells, col),
            count => count,
        };
    }
}

/// Paints the cell at `col`, a wide character as a whole; returns how many columns that took.
fn paint_cell(painter: &mut Painter, at: usize, cells: &[Cell], col: usize) -> usize {
    // The tail alone differs only together with its lead; where styles were
    // changed under it, the lead has just been painted.
    if cells[col].is_tail() {
        return 1;
    }
    let wide = cells.get(col + 1).is_some_and(Cell::is_tail);
    painter.go_to(at, col);
    painter.cell(&cells[col], wide);
    1 + usize::from(wide)
}
