//! One line as it is shown: whole, or its beginning and end.

use unicode_width::UnicodeWidthChar;

/// Bytes of a line that are shown at its beginning, and at its end.
const BEGIN: usize = 1536;
const END: usize = 384;
/// Bytes of the longest line that is shown whole.
const LONGEST: usize = BEGIN + END + 80;

/// A line of any length, in bounded memory. Its text is UTF-8, without a line feed.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    begin: Vec<u8>,
    /// Of a longer line its last bytes, more than are shown.
    end: Vec<u8>,
    length: u64,
}

impl Gathered {
    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Some bytes more.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let room = LONGEST.saturating_sub(self.begin.len());
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        self.begin.extend_from_slice(now);
        if later.is_empty() {
            return;
        }
        if later.len() >= LONGEST {
            self.end.clear();
            self.end.extend_from_slice(&later[later.len() - LONGEST..]);
        } else {
            let over = (self.end.len() + later.len()).saturating_sub(LONGEST);
            self.end.drain(..over);
            self.end.extend_from_slice(later);
        }
    }

    /// The line is over; gives it as it is shown, and how many bytes it had.
    pub(crate) fn take(&mut self) -> (String, u64) {
        let length = std::mem::take(&mut self.length);
        let begin = std::mem::take(&mut self.begin);
        let end = std::mem::take(&mut self.end);
        (shown(&begin, &end, length), length)
    }
}

/// A line that is there as a whole.
pub(crate) fn whole(line: &[u8]) -> String {
    if line.len() <= LONGEST {
        return String::from_utf8_lossy(line).into_owned();
    }
    shown(&line[..LONGEST], &line[LONGEST..], line.len() as u64)
}

fn shown(begin: &[u8], end: &[u8], length: u64) -> String {
    if end.is_empty() {
        return String::from_utf8_lossy(begin).into_owned();
    }
    let first = String::from_utf8_lossy(valid(begin));
    let head = &first[..cut(&first, BEGIN)];
    let rest = [begin, end].concat();
    let from = rest.len() - END.min(rest.len());
    let rest = String::from_utf8_lossy(from_character(&rest[from..])).into_owned();
    let tail = &rest[next_cut(&rest)..];
    let left = length - (head.len() + tail.len()) as u64;
    format!("{head}⟦{left} bytes left out⟧{tail}")
}

/// Without the half of a character at its end.
fn valid(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(e) if e.error_len().is_none() => &bytes[..e.valid_up_to()],
        _ => bytes,
    }
}

/// Without the half of a character at its beginning.
fn from_character(bytes: &[u8]) -> &[u8] {
    let at = bytes.iter().position(|b| b & 0xc0 != 0x80).unwrap_or(bytes.len());
    &bytes[at..]
}

/// The last place at or before `most` where a text can be cut without taking a mark from its letter.
pub(crate) fn cut(text: &str, most: usize) -> usize {
    if text.len() <= most {
        return text.len();
    }
    let ends = text.char_indices().take_while(|(at, _)| *at <= most);
    ends.filter(|(at, c)| begins_a_cluster(text, *at, *c))
        .map(|(at, _)| at)
        .last()
        .unwrap_or(0)
}

/// The first place at which a text can be begun.
fn next_cut(text: &str) -> usize {
    let mut all = text.char_indices();
    let found = all.find(|(at, c)| *at > 0 && begins_a_cluster(text, *at, *c) || *at == 0 && !belongs(*c));
    found.map_or(text.len(), |(at, _)| at)
}

/// Whether what begins here is not part of what stands before (an approximation of UAX #29: joiners and selectors
/// are written out by then; marks, modifiers of emoji and pairs of regional indicators are left).
fn begins_a_cluster(text: &str, at: usize, c: char) -> bool {
    if belongs(c) {
        return false;
    }
    let is_flag = |c: char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
    if !is_flag(c) {
        return true;
    }
    let before = text[..at].chars().rev().take_while(|c| is_flag(*c)).count();
    before % 2 == 0
}

fn belongs(c: char) -> bool {
    let modifier = ('\u{1f3fb}'..='\u{1f3ff}').contains(&c);
    // Vowels and final consonants of Hangul that are written as letters of their own.
    let jamo = ('\u{1160}'..='\u{11ff}').contains(&c);
    modifier || jamo || (c.width() == Some(0) && c != '\t')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gathered(text: &str, pieces: usize) -> (String, u64) {
        let mut line = Gathered::default();
        text.as_bytes().chunks(pieces).for_each(|p| line.push(p));
        line.take()
    }

    #[test]
    fn a_long_line_has_its_beginning_and_end() {
        let text = format!("{}{}{}", "a".repeat(3000), "é".repeat(50_000), "z".repeat(1000));
        let (shown, length) = gathered(&text, 7);
        assert_eq!(length, text.len() as u64);
        assert_eq!(shown, whole(text.as_bytes()));
        assert!(shown.starts_with(&"a".repeat(BEGIN)) && shown.ends_with(&"z".repeat(END)));
        assert!(
            shown.contains(&format!("⟦{} bytes left out⟧", text.len() - BEGIN - END)),
            "{shown}"
        );
    }

    #[test]
    fn no_mark_is_taken_from_its_letter() {
        for (text, most, at) in [
            ("e\u{301}e\u{301}", 4, 3),
            ("e\u{301}", 1, 0),
            ("👍\u{1f3fd}x", 4, 0),
            ("🇩🇪🇫🇷", 12, 8),
            ("🇩🇪🇫🇷", 4, 0),
            ("日本", 5, 3),
            ("abc", 9, 3),
        ] {
            assert_eq!(cut(text, most), at, "{text}");
        }
    }

    proptest! {
        #[test]
        fn in_any_pieces_the_same_and_bounded(parts in proptest::collection::vec("[aé日e\u{301}]{1,900}", 0..12), piece in 1usize..4000) {
            let text = parts.concat();
            let (shown, length) = gathered(&text, piece);
            prop_assert_eq!(length, text.len() as u64);
            prop_assert!(shown.len() <= LONGEST + 4);
            prop_assert_eq!(&shown, &whole(text.as_bytes()));
            if text.len() <= LONGEST {
                prop_assert_eq!(shown, text);
            } else {
                let (head, rest) = shown.split_once('⟦').unwrap();
                let (left, tail) = rest.split_once(" bytes left out⟧").unwrap();
                prop_assert!(text.starts_with(head) && text.ends_with(tail));
                prop_assert_eq!(head.len() + tail.len() + left.parse::<usize>().unwrap(), text.len());
            }
        }
    }
}
