//! One cell of the screen.

use unicode_width::UnicodeWidthStr;

use crate::style::Style;

/// Combining characters kept on one cell; more are dropped, so that a pile of
/// them can neither grow memory nor cover the rows above.
const MOST_MARKS: usize = 2;

/// A character with its marks and style. The right half of a wide character is
/// a cell of its own, [`Cell::is_tail`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    glyph: char,
    marks: [char; MOST_MARKS],
    pub(crate) style: Style,
}

const NONE: char = '\0';
/// No printable cell ever holds it: it is a noncharacter and replaced on the way in.
const TAIL: char = '\u{10ffff}';

impl Cell {
    pub(crate) const BLANK: Self = Self::blank(Style::PLAIN);

    pub(crate) const fn blank(style: Style) -> Self {
        Self::new(' ', style)
    }

    pub(crate) const fn new(glyph: char, style: Style) -> Self {
        Self {
            glyph,
            marks: [NONE; MOST_MARKS],
            style,
        }
    }

    pub(crate) const fn tail(style: Style) -> Self {
        Self::new(TAIL, style)
    }

    pub(crate) fn is_tail(&self) -> bool {
        self.glyph == TAIL
    }

    pub(crate) fn glyph(&self) -> char {
        self.glyph
    }

    pub(crate) fn marks(&self) -> impl Iterator<Item = char> + '_ {
        self.marks.iter().copied().take_while(|mark| *mark != NONE)
    }

    pub(crate) fn has_marks(&self) -> bool {
        self.marks[0] != NONE
    }

    /// Columns that the character takes with its marks.
    pub(crate) fn width(&self) -> usize {
        let text: String = std::iter::once(self.glyph).chain(self.marks()).collect();
        text.width()
    }

    /// Adds a combining character if there is room.
    pub(crate) fn add_mark(&mut self, mark: char) {
        if let Some(free) = self.marks.iter_mut().find(|slot| **slot == NONE) {
            *free = mark;
        }
    }
}
