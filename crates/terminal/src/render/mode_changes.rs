//! Bringing the terminal's modes from one state to another.

use crate::modes::{Modes, Mouse};
use crate::number;

pub(super) fn write(from: &Modes, to: &Modes, out: &mut Vec<u8>) {
    if from == to {
        return;
    }
    switch(from.cursor_keys, to.cursor_keys, 1, out);
    switch(from.cursor_visible, to.cursor_visible, 25, out);
    switch(from.focus, to.focus, 1004, out);
    switch(from.bracketed_paste, to.bracketed_paste, 2004, out);
    if from.keypad != to.keypad {
        out.extend_from_slice(if to.keypad { b"\x1b=" } else { b"\x1b>" });
    }
    if from.cursor_shape != to.cursor_shape {
        sequence(b"\x1b[", to.cursor_shape, b" q", out);
    }
    write_mouse(from, to, out);
    write_keyboard(from, to, out);
}

fn switch(from: bool, to: bool, mode: u16, out: &mut Vec<u8>) {
    if from != to {
        set(mode, to, out);
    }
}

/// DECSET or DECRST.
fn set(mode: u16, on: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\x1b[?");
    number::write(mode, out);
    out.push(if on { b'h' } else { b'l' });
}

/// The coordinates' form goes first, so that no report arrives in a form the program does not expect.
fn write_mouse(from: &Modes, to: &Modes, out: &mut Vec<u8>) {
    switch(from.mouse_sgr, to.mouse_sgr, 1006, out);
    if from.mouse == to.mouse {
        return;
    }
    if from.mouse != Mouse::Off {
        set(from.mouse as u16, false, out);
    }
    if to.mouse != Mouse::Off {
        set(to.mouse as u16, true, out);
    }
}

/// On the terminal's own stack of kitty flags there is one entry of ours or none.
fn write_keyboard(from: &Modes, to: &Modes, out: &mut Vec<u8>) {
    if from.other_keys != to.other_keys {
        sequence(b"\x1b[>4;", to.other_keys, b"m", out);
    }
    match (from.kitty_keys, to.kitty_keys) {
        (before, after) if before == after => {}
        (_, 0) => out.extend_from_slice(b"\x1b[<u"),
        (0, flags) => sequence(b"\x1b[>", flags, b"u", out),
        (_, flags) => sequence(b"\x1b[=", flags, b";1u", out),
    }
}

fn sequence(start: &[u8], n: u8, end: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(start);
    number::write(u16::from(n), out);
    out.extend_from_slice(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(from: Modes, to: Modes) -> String {
        let mut out = Vec::new();
        write(&from, &to, &mut out);
        String::from_utf8_lossy(&out).replace('\x1b', "ESC ")
    }

    #[test]
    fn every_mode_is_set_and_undone_in_our_own_words() {
        let all = Modes {
            cursor_keys: true,
            keypad: true,
            cursor_visible: false,
            cursor_shape: 5,
            mouse: Mouse::Drag,
            mouse_sgr: true,
            focus: true,
            bracketed_paste: true,
            other_keys: 2,
            kitty_keys: 7,
        };
        insta::assert_snapshot!(change(Modes::default(), all), @"ESC [?1hESC [?25lESC [?1004hESC [?2004hESC =ESC [5 qESC [?1006hESC [?1002hESC [>4;2mESC [>7u");
        insta::assert_snapshot!(change(all, Modes::default()), @"ESC [?1lESC [?25hESC [?1004lESC [?2004lESC >ESC [0 qESC [?1006lESC [?1002lESC [>4;0mESC [<u");
        insta::assert_snapshot!(change(all, Modes { kitty_keys: 1, ..all }), @"ESC [=1;1u");
    }
}
