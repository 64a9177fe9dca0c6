//! The screen of the program inside: what its bytes mean, and nothing else.
//!
//! The model is the only thing hostile bytes can change. What a real terminal
//! of that size would show is in its grids; what it would answer is in
//! `answers`; everything else the bytes ask for does not exist here.

mod addressing;
mod answers;
mod colors;
mod control;
mod erasing;
mod mode_setting;
mod printing;
mod queries;
mod sequences;
mod strings;

use crate::cursor::Cursor;
use crate::departed::Departed;
use crate::grid::Grid;
use crate::keyboard::KeyboardStack;
use crate::modes::Modes;
use crate::options::Options;
use crate::size::Size;
use crate::tabs::Tabs;

pub(crate) use answers::Answers;

/// Screen state, in the terms of ECMA-48 and xterm's ctlseqs.
#[derive(Debug)]
pub(crate) struct Model {
    options: Options,
    size: Size,
    main: Grid,
    alternate: Grid,
    pub(crate) on_alternate: bool,
    pub(crate) cursor: Cursor,
    /// DECSC of the normal and of the alternate screen.
    saved: [Cursor; 2],
    pub(crate) modes: Modes,
    keyboards: [KeyboardStack; 2],
    tabs: Tabs,
    /// DECAWM.
    autowrap: bool,
    /// IRM.
    insert: bool,
    /// LNM.
    newline: bool,
    last_char: Option<char>,
    pub(crate) departed: Departed,
    pub(crate) answers: Answers,
    /// Synchronized output (2026) is on: a frame is being drawn.
    pub(crate) frame_open: bool,
    /// A frame was completed; the parser pauses for it to be shown.
    pub(crate) frame_done: bool,
    pub(crate) bell: bool,
    /// Only kept when the options ask for it; as raw as the program sent it.
    pub(crate) title: Option<String>,
}

impl Model {
    /// A screen of `size` whose cursor starts at `origin_row`; the rows above are foreign.
    pub(crate) fn new(size: Size, options: Options, origin_row: u16) -> Self {
        let mut main = Grid::new(size);
        let origin = usize::from(origin_row).min(main.height() - 1);
        for row in main.rows_mut().take(origin) {
            *row = crate::row::Row::foreign();
        }
        let cursor = Cursor {
            row: origin,
            ..Cursor::default()
        };
        Self {
            options,
            size,
            departed: Departed::new(main.height()),
            main,
            alternate: Grid::new(size),
            on_alternate: false,
            cursor,
            saved: [Cursor::default(); 2],
            modes: Modes::default(),
            keyboards: [KeyboardStack::default(); 2],
            tabs: Tabs::new(size.cols()),
            autowrap: true,
            insert: false,
            newline: false,
            last_char: None,
            answers: Answers::default(),
            frame_open: false,
            frame_done: false,
            bell: false,
            title: None,
        }
    }

    pub(crate) fn grid(&self) -> &Grid {
        if self.on_alternate {
            &self.alternate
        } else {
            &self.main
        }
    }

    pub(crate) fn grid_mut(&mut self) -> &mut Grid {
        if self.on_alternate {
            &mut self.alternate
        } else {
            &mut self.main
        }
    }

    /// Where the cursor of the normal screen is or will be again.
    pub(crate) fn cursor_of_normal_screen(&self) -> Cursor {
        if self.on_alternate {
            self.saved[0]
        } else {
            self.cursor
        }
    }

    fn cols(&self) -> usize {
        self.main.cols()
    }

    fn height(&self) -> usize {
        self.main.height()
    }

    fn keyboard(&mut self) -> &mut KeyboardStack {
        &mut self.keyboards[usize::from(self.on_alternate)]
    }

    /// Scrolls the current screen's region up by `count` rows.
    fn scroll_up(&mut self, count: usize) {
        let style = self.cursor.style.erased();
        if self.on_alternate {
            self.alternate.scroll_up(count, style, None);
        } else {
            self.main.scroll_up(count, style, Some(&mut self.departed));
        }
    }

    /// RIS: everything as at the start, except what has already scrolled away.
    fn reset(&mut self) {
        self.on_alternate = false;
        let (rows, cols) = (self.height(), self.cols());
        self.alternate.clear_rows(0, rows, crate::style::Style::PLAIN);
        self.main.clear_rows(0, rows, crate::style::Style::PLAIN);
        self.main.reset_region();
        self.alternate.reset_region();
        self.saved = [Cursor::default(); 2];
        self.keyboards = [KeyboardStack::default(); 2];
        self.tabs = Tabs::new(cols as u16);
        self.soft_reset();
        self.cursor = Cursor::default();
        self.modes = Modes::default();
        self.title = None;
    }

    /// DECSTR (VT510 manual): modes and margins, but neither screen nor cursor.
    fn soft_reset(&mut self) {
        let (row, col) = (self.cursor.row, self.cursor.col);
        self.cursor = Cursor {
            row,
            col,
            ..Cursor::default()
        };
        self.saved[usize::from(self.on_alternate)] = Cursor::default();
        self.grid_mut().reset_region();
        (self.autowrap, self.insert, self.newline) = (true, false, false);
        self.modes.cursor_visible = true;
        self.modes.cursor_keys = false;
        self.modes.keypad = false;
        self.frame_open = false;
    }

    /// Fits the screen to a new size as terminals without reflow do: a shorter
    /// one loses rows at the top if the cursor would fall off, a taller one
    /// gets back rows that had scrolled away. Returns how many rows the cursor
    /// forced out at the top.
    pub(crate) fn resize(&mut self, size: Size) -> usize {
        let lost = self.shorten(usize::from(size.rows()));
        self.lengthen(usize::from(size.rows()));
        self.main.fit(size);
        self.alternate.fit(size);
        let departed = std::mem::replace(&mut self.departed, Departed::new(0));
        self.departed = departed.resized(usize::from(size.rows()));
        self.tabs = Tabs::new(size.cols());
        self.size = size;
        for cursor in self.saved.iter_mut().chain([&mut self.cursor]) {
            cursor.row = cursor.row.min(usize::from(size.rows()) - 1);
            cursor.col = cursor.col.min(usize::from(size.cols()) - 1);
            cursor.wrap = false;
        }
        lost
    }

    /// The cursor of the normal screen, also while the alternate one is shown.
    fn main_cursor_row(&mut self) -> &mut usize {
        if self.on_alternate {
            &mut self.saved[0].row
        } else {
            &mut self.cursor.row
        }
    }

    fn shorten(&mut self, rows: usize) -> usize {
        let excess = (*self.main_cursor_row() + 1).saturating_sub(rows);
        for _ in 0..excess {
            let mut row = self.main.remove_top();
            self.departed.push_sent(&mut row);
        }
        *self.main_cursor_row() -= excess;
        excess
    }

    fn lengthen(&mut self, rows: usize) {
        while self.main.height() < rows {
            let Some(row) = self.departed.take_back() else {
                return;
            };
            self.main.insert_top(row);
            *self.main_cursor_row() += 1;
        }
    }

    /// Drops the foreign rows; the caller lets the terminal scroll as far. Returns how many.
    pub(crate) fn drop_foreign(&mut self) -> usize {
        let count = (0..self.height())
            .take_while(|row| self.main.row(*row).foreign)
            .count();
        for _ in 0..count {
            let mut row = self.main.remove_top();
            row.clear(0, crate::style::Style::PLAIN);
            let end = self.main.height();
            self.main.insert_at(end, row);
        }
        let row = self.main_cursor_row();
        *row = row.saturating_sub(count);
        count
    }
}
