//! The one way to print text that we did not write.
//!
//! File names, configuration text, command output and remote answers may carry terminal
//! escapes, direction overrides, invisible characters or invalid UTF-8. [`Escaped`] prints
//! them so that every byte shows, on one line, and nothing acts on the terminal: control
//! characters as `\n`, `\x1b`; invisible and direction-changing characters as `\u{202e}`;
//! bytes that are not UTF-8 as `\xff`. A backslash is doubled, so two different inputs never
//! look the same (Trojan Source, CVE-2021-42574).

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::{self, Display, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Untrusted text, safe to print through `Display`.
///
/// ```
/// use fumehood_policy::Escaped;
/// assert_eq!(Escaped::from("a\x1b[2Jb").to_string(), r"a\x1b[2Jb");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escaped<'a> {
    bytes: Cow<'a, [u8]>,
    limit: usize,
}

impl<'a> Escaped<'a> {
    /// Any bytes.
    pub fn bytes(bytes: &'a [u8]) -> Self {
        Self {
            bytes: Cow::Borrowed(bytes),
            limit: usize::MAX,
        }
    }

    /// Prints at most `limit` characters of the source, then `…`.
    #[must_use]
    pub fn at_most(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

impl<'a> From<&'a str> for Escaped<'a> {
    fn from(text: &'a str) -> Self {
        Self::bytes(text.as_bytes())
    }
}

impl<'a> From<&'a OsStr> for Escaped<'a> {
    fn from(text: &'a OsStr) -> Self {
        Self::bytes(text.as_bytes())
    }
}

impl<'a> From<&'a Path> for Escaped<'a> {
    fn from(path: &'a Path) -> Self {
        Self::from(path.as_os_str())
    }
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.limit;
        for chunk in self.bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                if spend(&mut left, f)? {
                    return Ok(());
                }
                write_char(f, c)?;
            }
            for byte in chunk.invalid() {
                if spend(&mut left, f)? {
                    return Ok(());
                }
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Takes one from the budget; when it is used up, writes the mark and says stop.
fn spend(left: &mut usize, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
    if *left == 0 {
        f.write_char('…')?;
        return Ok(true);
    }
    *left -= 1;
    Ok(false)
}

fn write_char(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\\' => f.write_str("\\\\"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        c if c.is_control() && (c as u32) < 0x80 => write!(f, "\\x{:02x}", c as u32),
        c if acts_or_hides(c) => write!(f, "\\u{{{:x}}}", c as u32),
        c => f.write_char(c),
    }
}

/// Characters that change what is around them or cannot be seen: controls, formats (Cf),
/// separators other than the plain space, variation selectors, tags, private use,
/// surrogate-like and non-characters. Ranges of the Unicode general categories, widened to
/// whole blocks where a block has nothing to read in it.
pub fn acts_or_hides(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || HIDDEN
            .iter()
            .any(|&(low, high)| (low..=high).contains(&(c as u32)))
}

const HIDDEN: &[(u32, u32)] = &[
    (0x00ad, 0x00ad),       // soft hyphen
    (0x034f, 0x034f),       // combining grapheme joiner
    (0x0600, 0x0605),       // Arabic number signs (Cf)
    (0x061c, 0x061c),       // Arabic letter mark
    (0x06dd, 0x06dd),       // end of ayah (Cf)
    (0x070f, 0x070f),       // Syriac abbreviation mark (Cf)
    (0x0890, 0x0891),       // Arabic pound and piastre marks (Cf)
    (0x08e2, 0x08e2),       // disputed end of ayah (Cf)
    (0x115f, 0x1160),       // Hangul fillers
    (0x17b4, 0x17b5),       // Khmer inherent vowels
    (0x180b, 0x180f),       // Mongolian selectors
    (0x200b, 0x200f),       // zero width, direction marks
    (0x2028, 0x202f),       // line and paragraph separators, direction overrides
    (0x2060, 0x206f),       // invisible operators, isolates
    (0x2800, 0x2800),       // blank Braille
    (0x3164, 0x3164),       // Hangul filler
    (0xe000, 0xf8ff),       // private use
    (0xfe00, 0xfe0f),       // variation selectors
    (0xfeff, 0xfeff),       // byte order mark
    (0xffa0, 0xffa0),       // half-width filler
    (0xfff0, 0xffff),       // annotations, replacement, non-characters
    (0x110bd, 0x110bd),     // Kaithi number sign (Cf)
    (0x110cd, 0x110cd),     // likewise
    (0x13430, 0x1345f),     // hieroglyph format controls
    (0x1bca0, 0x1bca3),     // shorthand format controls
    (0x1d173, 0x1d17a),     // musical format controls
    (0xe0000, 0x0010_ffff), // tags, selectors, private use planes
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(bytes: &[u8]) -> String {
        Escaped::bytes(bytes).to_string()
    }

    #[test]
    fn attacks_on_the_terminal_are_text() {
        insta::assert_snapshot!(shown(b"\x1b]52;c;ZXZpbA==\x07"), @r"\x1b]52;c;ZXZpbA==\x07");
        insta::assert_snapshot!(shown("user\u{202e}cod.exe".as_bytes()), @r"user\u{202e}cod.exe");
        insta::assert_snapshot!(shown(b"caf\xe9 \xff"), @r"caf\xe9 \xff");
        insta::assert_snapshot!(shown("a\u{e0061}\u{feff}\u{a0}b\u{9b}".as_bytes()), @r"a\u{e0061}\u{feff}\u{a0}b\u{9b}");
        insta::assert_snapshot!(shown("naïve 日本 ✓".as_bytes()), @"naïve 日本 ✓");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(Escaped::from("abcdef").at_most(3).to_string(), "abc…");
        assert_eq!(Escaped::from("abc").at_most(3).to_string(), "abc");
    }

    proptest! {
        #[test]
        fn nothing_acts_or_hides(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!shown(&bytes).chars().any(acts_or_hides));
        }

        #[test]
        fn any_text_has_nothing_acting(text in any::<String>()) {
            prop_assert!(!shown(text.as_bytes()).chars().any(acts_or_hides));
        }

        #[test]
        fn different_input_looks_different(a in "[\\\\nx1bu{}\n\u{1b}]{0,8}", b in "[\\\\nx1bu{}\n\u{1b}]{0,8}") {
            prop_assert_eq!(a == b, shown(a.as_bytes()) == shown(b.as_bytes()));
        }
    }
}
