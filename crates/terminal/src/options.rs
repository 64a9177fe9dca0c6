//! What the caller knows about the user's terminal.

/// A colour of the terminal, eight bits a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// What the relay answers for the terminal, and how it begins.
///
/// The program never asks the real terminal; what it may learn is here. The
/// caller can find these out with [`crate::Probe`] before the program starts.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Row of the real cursor, counted from 0, when the relay starts at the
    /// beginning of an empty line. The program's output then goes on right
    /// below what the shell wrote. `None`: what is on the screen is scrolled
    /// into the scrollback and the program starts at the top.
    pub origin_row: Option<u16>,
    /// Answer to a query for the text colour (OSC 10) and the cursor's (OSC 12).
    pub foreground: Rgb,
    /// Answer to a query for the background colour (OSC 11).
    pub background: Rgb,
    /// Height and width of a cell in pixels, if known; answers `CSI 14 t` and `CSI 16 t`.
    pub cell_pixels: Option<(u16, u16)>,
    /// The terminal speaks kitty's keyboard protocol. If not, a program that
    /// asks gets no answer and uses the older encodings.
    pub kitty_keyboard: bool,
    /// Show the title that the program sets (OSC 0 and 2), cleaned, in the status row.
    pub show_title: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            origin_row: None,
            foreground: Rgb(0xe5, 0xe5, 0xe5),
            background: Rgb(0, 0, 0),
            cell_pixels: None,
            kitty_keyboard: false,
            show_title: false,
        }
    }
}
