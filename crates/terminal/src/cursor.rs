//! Where the next character goes, and as what.

use crate::style::Style;

/// One of the four sets a program can designate; anything else is taken as ASCII.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Charset {
    #[default]
    Ascii,
    /// DEC special graphics: lines and corners.
    Graphics,
}

/// All that DECSC saves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    pub(crate) row: usize,
    pub(crate) col: usize,
    /// The last column was written: the next character wraps first.
    pub(crate) wrap: bool,
    pub(crate) style: Style,
    /// Rows count from the top of the scroll region (DECOM).
    pub(crate) origin: bool,
    pub(crate) charsets: [Charset; 4],
    /// Which of the four is in use.
    pub(crate) shift: usize,
}

impl Cursor {
    pub(crate) fn charset(&self) -> Charset {
        self.charsets[self.shift]
    }
}

/// DEC special graphics 0x60–0x7e (VT220 Programmer Reference, table 2-4).
const GRAPHICS: [char; 31] = [
    '◆', '▒', '␉', '␌', '␍', '␊', '°', '±', '␤', '␋', '┘', '┐', '┌', '└', '┼', '⎺', '⎻', '─', '⎼', '⎽', '├',
    '┤', '┴', '┬', '│', '≤', '≥', 'π', '≠', '£', '·',
];

/// What an ASCII byte shows in DEC special graphics.
pub(crate) fn graphic(byte: u8) -> char {
    let index = usize::from(byte).wrapping_sub(0x60);
    GRAPHICS
        .get(index)
        .copied()
        .unwrap_or(if byte == b'_' { ' ' } else { char::from(byte) })
}
