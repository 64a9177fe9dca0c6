//! Undoing escapes, so that a text is found however its characters are written.
//!
//! One reading for all notations together: percent-encoding (RFC 3986 §2.1), backslashes of JSON (RFC 8259
//! §7) and of programming languages, character references of HTML. A text with none of them reads as itself.

use memchr::memchr3;

/// A text with its escapes undone, and where each of its bytes stood before.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) bytes: Vec<u8>,
    /// For each byte where its notation began, and one more: where the last one ended.
    pub(crate) starts: Vec<u32>,
    /// How far it goes: an escape that the text cuts off is not read yet.
    pub(crate) read: usize,
}

/// What stands at the beginning of a text.
enum Token {
    /// These bytes (at most four), written in that many.
    Escape([u8; 4], usize, usize),
    /// A byte that means itself.
    Plain,
    /// More is needed to tell.
    Cut,
}

/// Whether a text could read otherwise than it is written.
pub(crate) fn has_escapes(text: &[u8]) -> bool {
    memchr3(b'%', b'\\', b'&', text).is_some()
}

/// The whole text, for itself.
pub(crate) fn unescaped(text: &[u8]) -> Vec<u8> {
    read(text, true).bytes
}

/// Undoes the escapes of a text; `last` says that nothing follows.
pub(crate) fn read(text: &[u8], last: bool) -> Reading {
    let mut out = Reading {
        bytes: Vec::with_capacity(text.len()),
        starts: Vec::with_capacity(text.len() + 1),
        read: 0,
    };
    while out.read < text.len() {
        let rest = &text[out.read..];
        let run = memchr3(b'%', b'\\', b'&', rest).unwrap_or(rest.len());
        out.take(&rest[..run]);
        match token(&rest[run..]) {
            Token::Cut if last => out.take(&rest[run..=run]),
            Token::Cut => break,
            Token::Plain => out.take(&rest[run..(run + 1).min(rest.len())]),
            Token::Escape(bytes, count, length) => {
                out.bytes.extend_from_slice(&bytes[..count]);
                out.starts.extend(std::iter::repeat_n(offset(out.read), count));
                out.read += length;
            }
        }
    }
    out.starts.push(offset(out.read));
    out
}

impl Reading {
    fn take(&mut self, plain: &[u8]) {
        self.bytes.extend_from_slice(plain);
        self.starts
            .extend(offset(self.read)..offset(self.read + plain.len()));
        self.read += plain.len();
    }
}

/// Texts are read in pieces far below 4 GiB.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn token(text: &[u8]) -> Token {
    match text {
        [] => Token::Plain,
        [b'%', rest @ ..] => digits(rest, 2, 1),
        [b'\\', b'u', rest @ ..] => digits(rest, 4, 2),
        [b'\\', b'x', rest @ ..] => digits(rest, 2, 2),
        [b'\\'] => Token::Cut,
        [b'\\', c, ..] if !c.is_ascii_alphanumeric() => one(*c, 2),
        [b'\\', c, ..] => control(*c).map_or(Token::Plain, |c| one(c, 2)),
        [b'&', rest @ ..] => reference(rest),
        _ => Token::Plain,
    }
}

fn one(byte: u8, length: usize) -> Token {
    Token::Escape([byte, 0, 0, 0], 1, length)
}

fn control(letter: u8) -> Option<u8> {
    const LETTERS: &[(u8, u8)] = &[(b'b', 8), (b't', 9), (b'n', 10), (b'f', 12), (b'r', 13)];
    LETTERS.iter().find(|(l, _)| *l == letter).map(|(_, c)| *c)
}

/// So many hexadecimal digits after what led to them.
fn digits(rest: &[u8], count: usize, before: usize) -> Token {
    let have = &rest[..count.min(rest.len())];
    if !have.iter().all(u8::is_ascii_hexdigit) {
        return Token::Plain;
    }
    if have.len() < count {
        return Token::Cut;
    }
    let value = number(have, 16);
    if count == 2 {
        return one(value.to_le_bytes()[0], before + count);
    }
    character(value, before + count)
}

fn number(digits: &[u8], radix: u32) -> u32 {
    let digit = |d: &u8| char::from(*d).to_digit(radix).unwrap_or_default();
    digits
        .iter()
        .fold(0u32, |n, d| n.saturating_mul(radix).saturating_add(digit(d)))
}

fn character(value: u32, length: usize) -> Token {
    let mut bytes = [0; 4];
    match char::from_u32(value) {
        Some(c) => {
            let count = c.encode_utf8(&mut bytes).len();
            Token::Escape(bytes, count, length)
        }
        // Half of a surrogate pair: no secret is written in such.
        None => Token::Plain,
    }
}

const NAMES: &[(&[u8], u8)] = &[
    (b"amp;", b'&'),
    (b"lt;", b'<'),
    (b"gt;", b'>'),
    (b"quot;", b'"'),
    (b"apos;", b'\''),
];
/// Digits of a reference by number.
const MOST_DIGITS: usize = 7;

/// A character reference after its `&` (HTML §13.5).
fn reference(rest: &[u8]) -> Token {
    if let Some((name, byte)) = NAMES.iter().find(|(name, _)| rest.starts_with(name)) {
        return one(*byte, 1 + name.len());
    }
    if NAMES.iter().any(|(name, _)| name.starts_with(rest)) {
        return Token::Cut;
    }
    let (digits, radix, before) = match rest {
        [b'#'] => return Token::Cut,
        [b'#', b'x' | b'X', digits @ ..] => (digits, 16, 3),
        [b'#', digits @ ..] => (digits, 10, 2),
        _ => return Token::Plain,
    };
    let is_digit = |d: &u8| char::from(*d).is_digit(radix);
    let count = digits
        .iter()
        .take(MOST_DIGITS)
        .take_while(|d| is_digit(d))
        .count();
    match digits.get(count) {
        None => Token::Cut,
        Some(b';') if count > 0 => character(number(&digits[..count], radix), before + count + 1),
        Some(_) => Token::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_notation() {
        for text in [
            "abc/\"é",
            "%61%62c%2F%22%c3%A9",
            r#"\u0061bc\/\"\u00e9"#,
            r#"a\x62c\/\"é"#,
            "&#97;&#x62;c&#0047;&quot;&#xE9;",
            "a%62\\u0063/&quot;é",
        ] {
            assert_eq!(
                String::from_utf8(unescaped(text.as_bytes())).unwrap(),
                "abc/\"é",
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_escape_means_itself() {
        for text in [
            "100%",
            "%zz",
            r"\q",
            r"\u12",
            r"\ud800",
            "&nbsp;",
            "&#;",
            "&",
            "&#x;",
            "a&b",
            "&#99999999;",
        ] {
            assert_eq!(unescaped(text.as_bytes()), text.as_bytes(), "{text}");
        }
        assert_eq!(unescaped(br"\\u0041"), br"\u0041");
    }

    proptest! {
        /// In two pieces it reads as in one.
        #[test]
        fn it_can_be_cut_anywhere(text in r"[%\\&#;uxampqot0-9a-f ]{0,40}", at in 0usize..41) {
            let text = text.as_bytes();
            let first = read(&text[..at.min(text.len())], false);
            let rest = read(&text[first.read..], true);
            prop_assert_eq!([first.bytes, rest.bytes].concat(), unescaped(text));
        }

        #[test]
        fn starts_rise_and_end_where_it_was_read(text in proptest::collection::vec(any::<u8>(), 0..80)) {
            let reading = read(&text, true);
            prop_assert_eq!(reading.starts.len(), reading.bytes.len() + 1);
            prop_assert!(reading.starts.is_sorted());
            prop_assert_eq!(reading.read, text.len());
        }
    }
}
