//! The modes of the user's terminal that a program may influence: the allow-list.

/// Which mouse events the terminal reports. The numbers are DEC private modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Mouse {
    #[default]
    Off = 0,
    Press = 9,
    Click = 1000,
    Drag = 1002,
    Motion = 1003,
}

/// Everything here is harmless to the terminal, is set by us in our own words,
/// and is undone when the relay ends. A mode that is not here never reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modes {
    /// DECCKM (1): arrow keys in application form.
    pub(crate) cursor_keys: bool,
    /// DECKPAM: keypad in application form.
    pub(crate) keypad: bool,
    /// DECTCEM (25).
    pub(crate) cursor_visible: bool,
    /// DECSCUSR, 0 to 6.
    pub(crate) cursor_shape: u8,
    pub(crate) mouse: Mouse,
    /// 1006: mouse reports in digits.
    pub(crate) mouse_sgr: bool,
    /// 1004: focus reports.
    pub(crate) focus: bool,
    /// 2004.
    pub(crate) bracketed_paste: bool,
    /// xterm's modifyOtherKeys, 0 to 2.
    pub(crate) other_keys: u8,
    /// Flags of kitty's keyboard protocol, 0 to 31.
    pub(crate) kitty_keys: u8,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            cursor_keys: false,
            keypad: false,
            cursor_visible: true,
            cursor_shape: 0,
            mouse: Mouse::Off,
            mouse_sgr: false,
            focus: false,
            bracketed_paste: false,
            other_keys: 0,
            kitty_keys: 0,
        }
    }
}
