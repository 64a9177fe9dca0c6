//! UTF-8 decoding of a stream that may be cut anywhere and hold anything.

/// What one more byte made of the bytes before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// The character is not complete yet.
    More,
    /// A character; the byte belongs to it.
    Char(char),
    /// Not UTF-8. `reuse`: the byte is not part of the bad sequence and is to be read again.
    Bad { reuse: bool },
}

/// At most three bytes of a character still to be completed.
#[derive(Debug, Default)]
pub(crate) struct Utf8 {
    bytes: [u8; 4],
    len: usize,
}

impl Utf8 {
    pub(crate) fn is_pending(&self) -> bool {
        self.len > 0
    }

    pub(crate) fn push(&mut self, byte: u8) -> Decoded {
        self.bytes[self.len] = byte;
        self.len += 1;
        match std::str::from_utf8(&self.bytes[..self.len]) {
            Ok(text) => {
                self.len = 0;
                text.chars()
                    .next()
                    .map_or(Decoded::Bad { reuse: false }, Decoded::Char)
            }
            Err(error) if error.error_len().is_none() => Decoded::More,
            Err(_) => {
                let reuse = self.len > 1;
                self.len = 0;
                Decoded::Bad { reuse }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_character_is_completed_and_a_broken_one_gives_its_byte_back() {
        let mut utf8 = Utf8::default();
        assert_eq!(utf8.push(0xe2), Decoded::More);
        assert_eq!(utf8.push(0x94), Decoded::More);
        assert_eq!(utf8.push(0x80), Decoded::Char('─'));
        assert_eq!(utf8.push(0xe2), Decoded::More);
        assert_eq!(utf8.push(0x1b), Decoded::Bad { reuse: true });
        assert_eq!(utf8.push(0xff), Decoded::Bad { reuse: false });
    }
}
