//! JSON strings (RFC 8259 §7), written by hand: the only JSON this program prints is flat.

/// A quoted JSON string; what JSON forbids is escaped, and so is what acts on a terminal.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            _ => out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_not_plain_is_escaped() {
        assert_eq!(string("a\"b\\c\n\u{1b}é\u{1f600}"), r#""a\"b\\c\u000a\u001b\u00e9\ud83d\ude00""#);
    }
}
