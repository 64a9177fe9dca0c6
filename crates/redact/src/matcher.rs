//! Finds any of many texts in a stream of bytes (Wu and Manber, "A fast algorithm for multi-pattern
//! searching", 1994): a table says, for the last three bytes of a window, how far the window may move.

use crate::encoding::Form;

/// Bytes that index the table.
const BLOCK: usize = 3;
const BITS: u32 = 16;
/// A longer window would let the table hold more than a byte, and hardly skip more.
const WIDEST: usize = 64;

/// The table of a set of forms.
pub(crate) struct Matcher {
    forms: Vec<Form>,
    /// How far the window may move, by the hash of its last block.
    shift: Box<[u8]>,
    /// Hash of the window's last block, form: sorted.
    ends: Vec<(u16, u32)>,
    /// Hashes of the first block of a form.
    begins: Box<[bool]>,
    window: usize,
    longest: usize,
}

impl Matcher {
    /// Forms are at least [`BLOCK`] bytes long; those of secrets are.
    pub(crate) fn new(forms: Vec<Form>) -> Matcher {
        let lengths = || forms.iter().map(|f| f.real.len());
        let window = lengths().min().unwrap_or(WIDEST).clamp(BLOCK, WIDEST);
        let longest = lengths().max().unwrap_or_default();
        let mut shift = vec![reach(window - BLOCK + 1); 1 << BITS].into_boxed_slice();
        let mut begins = vec![false; 1 << BITS].into_boxed_slice();
        let mut ends = Vec::new();
        for (n, form) in (0u32..).zip(&forms) {
            let blocks = form.real[..window].windows(BLOCK).map(hash);
            for (at, hash) in blocks.enumerate() {
                let to_end = reach(window - BLOCK - at);
                let entry = &mut shift[usize::from(hash)];
                *entry = to_end.min(*entry);
            }
            begins[usize::from(hash(&form.real[..BLOCK]))] = true;
            ends.push((hash(&form.real[window - BLOCK..window]), n));
        }
        ends.sort_unstable();
        Matcher {
            forms,
            shift,
            ends,
            begins,
            window,
            longest,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    pub(crate) fn form(&self, n: u32) -> &Form {
        &self.forms[n as usize]
    }

    /// Every place where a form stands: (where it begins, which), in the order of beginnings.
    pub(crate) fn find(&self, text: &[u8], mut found: impl FnMut(usize, u32)) {
        let mut end = self.window;
        while end <= text.len() {
            let hash = hash(&text[end - BLOCK..end]);
            match self.shift[usize::from(hash)] {
                0 => {
                    self.candidates(&text[end - self.window..], hash, |n| found(end - self.window, n));
                    end += 1;
                }
                far => end += usize::from(far),
            }
        }
    }

    fn candidates(&self, text: &[u8], hash: u16, mut found: impl FnMut(u32)) {
        let first = self.ends.partition_point(|(h, _)| *h < hash);
        let same = self.ends[first..].iter().take_while(|(h, _)| *h == hash);
        for (_, n) in same.filter(|(_, n)| text.starts_with(&self.form(*n).real)) {
            found(*n);
        }
    }

    /// Where the earliest form could begin that the end of the text cuts off; the text's length if none.
    pub(crate) fn cut(&self, text: &[u8]) -> usize {
        let from = text.len().saturating_sub(self.longest.saturating_sub(1));
        (from..text.len())
            .find(|at| self.could_begin(&text[*at..]))
            .unwrap_or(text.len())
    }

    fn could_begin(&self, rest: &[u8]) -> bool {
        let begins = rest.len() < BLOCK || self.begins[usize::from(hash(&rest[..BLOCK]))];
        let longer = |form: &Form| form.real.len() > rest.len() && form.real.starts_with(rest);
        begins && self.forms.iter().any(longer)
    }
}

/// A distance within a window, which is at most [`WIDEST`].
fn reach(distance: usize) -> u8 {
    u8::try_from(distance).unwrap_or(u8::MAX)
}

/// The upper bits of a product with an odd constant (Knuth, volume 3, §6.4).
fn hash(block: &[u8]) -> u16 {
    let [a, b, c] = [block[0], block[1], block[2]].map(u32::from);
    let mixed = (a | b << 8 | c << 16).wrapping_mul(0x9e37_79b1);
    let [.., low, high] = mixed.to_le_bytes();
    u16::from_le_bytes([low, high])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    fn matcher(texts: &[Vec<u8>]) -> Matcher {
        let form = |text: &Vec<u8>| Form {
            real: Zeroizing::new(text.clone()),
            shown: vec![b'*'; text.len()],
        };
        Matcher::new(texts.iter().map(form).collect())
    }

    #[test]
    fn with_nothing_to_find_nothing_is_found() {
        let none = matcher(&[]);
        none.find(b"any text", |_, _| panic!("found"));
        assert_eq!(none.cut(b"any text"), 8);
    }

    proptest! {
        /// As a search for each at each place; of an alphabet of two letters, so that there is much to find.
        #[test]
        fn it_finds_what_a_plain_search_finds(
            texts in proptest::collection::vec("[ab]{3,9}".prop_map(String::into_bytes), 0..9),
            text in "[ab]{0,200}")
        {
            let text = text.as_bytes();
            let mut found = Vec::new();
            matcher(&texts).find(text, |at, n| found.push((at, n as usize)));
            let everywhere = (0..text.len()).flat_map(|at| (0..texts.len()).map(move |n| (at, n)));
            let mut expected: Vec<_> = everywhere.filter(|(at, n)| text[*at..].starts_with(&texts[*n])).collect();
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn what_is_cut_off_begins_where_it_says(
            texts in proptest::collection::vec("[ab]{3,9}".prop_map(String::into_bytes), 0..9),
            text in "[ab]{0,30}")
        {
            let text = text.as_bytes();
            let begins = |at: &usize| texts.iter().any(|t| t.len() > text.len() - at && t.starts_with(&text[*at..]));
            let expected = (0..text.len()).find(begins).unwrap_or(text.len());
            prop_assert_eq!(matcher(&texts).cut(text), expected);
        }
    }
}
