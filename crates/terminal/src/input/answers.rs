//! Telling an answer in CSI form from a key.

/// Whether a complete `ESC [ … final` is a terminal's answer.
pub(super) fn is_answer(sequence: &[u8]) -> bool {
    let (Some(first), Some(last)) = (sequence.get(2), sequence.last()) else {
        return false;
    };
    match (first, last) {
        // DA, DECRPM, DECXCPR, kitty's flags, modifyOtherKeys, colour scheme.
        // No key sends a private marker other than the mouse's `<`.
        (b'?' | b'>' | b'=', _) => true,
        // DA, DSR, window sizes, DECREPTPARM, DECRPM for ANSI modes.
        (_, b'c' | b'n' | b't' | b'x' | b'y') => true,
        (_, b'R') => !is_f3(&sequence[2..sequence.len() - 1]),
        _ => false,
    }
}

/// xterm sends F3 with modifiers as `CSI 1 ; m R`, the form of a cursor report
/// from row 1; modifiers are 2 to 16. Alone it is `CSI R` in some terminals.
fn is_f3(params: &[u8]) -> bool {
    let modifier = params
        .strip_prefix(b"1;")
        .and_then(|text| std::str::from_utf8(text).ok());
    params.is_empty() || modifier.is_some_and(|text| (2..=16).any(|m: u8| text == m.to_string()))
}
