//! A file's bytes as text that acts on nothing and hides nothing: for files, not for what a program prints.
//!
//! Nothing is left out and nothing overwritten, so that whoever reads it reads all of it: an escape sequence, a lone
//! carriage return, a direction override are written out (`\x1b`, `\x0d`, `\u{202e}`), bytes that are not UTF-8 as `\xff`. A
//! backslash stays one, since source code has many: `\x1b` can also be what the file holds. Line ends of DOS become line
//! feeds, and are counted.

use fumehood_policy::escape::acts_or_hides;
use std::io::{self, BufRead, Read, Write};

/// Bytes that are read at a time.
const PIECE: usize = 32 * 1024;

/// A reader of the text of what another reader gives. Constant memory.
#[derive(Debug)]
pub struct Literal<R> {
    from: R,
    buffer: Vec<u8>,
    /// Read and not looked at: half a character, or a carriage return.
    raw: Vec<u8>,
    text: Vec<u8>,
    used: usize,
    ended: bool,
    written_out: u64,
    dos: u64,
}

impl<R: Read> Literal<R> {
    /// Of this reader.
    pub fn new(from: R) -> Literal<R> {
        Literal {
            from,
            buffer: vec![0; PIECE],
            raw: Vec::new(),
            text: Vec::new(),
            used: 0,
            ended: false,
            written_out: 0,
            dos: 0,
        }
    }

    /// Characters and bytes that were written out so far.
    #[must_use]
    pub const fn written_out(&self) -> u64 {
        self.written_out
    }

    /// Line ends of DOS so far.
    #[must_use]
    pub const fn dos(&self) -> u64 {
        self.dos
    }

    /// What it reads from.
    #[must_use]
    pub const fn source(&self) -> &R {
        &self.from
    }

    /// Some text, unless there is none any more.
    fn fill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.used = 0;
        while self.text.is_empty() && !self.ended {
            let got = match self.from.read(&mut self.buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            self.raw.extend_from_slice(&self.buffer[..got]);
            self.ended = got == 0;
            let raw = std::mem::take(&mut self.raw);
            let whole = if self.ended { raw.len() } else { whole(&raw) };
            self.write(&raw[..whole]);
            self.raw.extend_from_slice(&raw[whole..]);
        }
        Ok(())
    }

    fn write(&mut self, raw: &[u8]) {
        for chunk in raw.utf8_chunks() {
            let mut rest = chunk.valid();
            // What is plain, which is nearly everything, goes as it stands.
            while let Some((at, c)) = rest.char_indices().find(|(_, c)| !is_plain(*c)) {
                self.text.extend_from_slice(&rest.as_bytes()[..at]);
                rest = &rest[at + c.len_utf8()..];
                if c == '\r' && rest.starts_with('\n') {
                    self.dos += 1;
                    continue;
                }
                self.written_out += 1;
                let code = u32::from(c);
                let _in_memory = match code {
                    0..0x80 => write!(self.text, "\\x{code:02x}"),
                    _ => write!(self.text, "\\u{{{code:x}}}"),
                };
            }
            self.text.extend_from_slice(rest.as_bytes());
            for byte in chunk.invalid() {
                self.written_out += 1;
                let _in_memory = write!(self.text, "\\x{byte:02x}");
            }
        }
    }
}

fn is_plain(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' => true,
        '⟦' | '⟧' => false,
        c => !acts_or_hides(c),
    }
}

/// How much of it can be judged: what more bytes can make something else of is left.
fn whole(raw: &[u8]) -> usize {
    if raw.last() == Some(&b'\r') {
        return raw.len() - 1;
    }
    // A character has four bytes at most, so what is left of one are three.
    let from = raw.len().saturating_sub(3);
    match raw[from..].iter().rposition(|b| b & 0xc0 != 0x80) {
        Some(at) => match std::str::from_utf8(&raw[from + at..]) {
            Err(e) if e.error_len().is_none() => from + at + e.valid_up_to(),
            _ => raw.len(),
        },
        None => raw.len(),
    }
}

impl<R: Read> Read for Literal<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut text = self.fill_buf()?;
        let n = text.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: Read> BufRead for Literal<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.text.len() {
            self.fill()?;
        }
        Ok(&self.text[self.used..])
    }

    fn consume(&mut self, n: usize) {
        self.used += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives at most so many bytes at a time.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(buffer.len());
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn shown(bytes: &[u8], piece: usize) -> (String, u64, u64) {
        let mut literal = Literal::new(Pieces(bytes, piece));
        let mut text = String::new();
        literal.read_to_string(&mut text).unwrap();
        (text, literal.written_out(), literal.dos())
    }

    #[test]
    fn all_of_it_is_there_and_nothing_acts() {
        let bytes = "a\x1b[31m\tb\r\nseen\rover\r\n⟦forged⟧ \u{202e}é\u{e0041}\n".as_bytes();
        let (text, written, dos) = shown(bytes, 1);
        insta::assert_snapshot!(text, @r"
        a\x1b[31m	b
        seen\x0dover
        \u{27e6}forged\u{27e7} \u{202e}é\u{e0041}
        ");
        assert_eq!((written, dos), (6, 2));
        assert_eq!(shown(b"caf\xe9 \xc3", 1).0, r"caf\xe9 \xc3");
        assert_eq!(shown(b"end\r", 2).0, r"end\x0d");
        assert_eq!(shown(b"", 1).0, "");
    }

    proptest! {
        #[test]
        fn in_any_pieces_the_same(bytes in proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(0xe2), Just(0x9f), Just(0xa6), Just(0xf3), Just(0xa0), any::<u8>()], 0..300),
            piece in 1usize..9)
        {
            let whole = shown(&bytes, usize::MAX);
            prop_assert_eq!(&shown(&bytes, piece), &whole);
            prop_assert!(!whole.0.chars().any(|c| acts_or_hides(c) && c != '\n' && c != '\t' || c == '⟦' || c == '⟧'));
            let lines = |text: &[u8]| text.iter().filter(|b| **b == b'\n').count();
            prop_assert_eq!(lines(whole.0.as_bytes()), lines(&bytes));
        }

        #[test]
        fn plain_text_is_as_it_was(text in "[a-zé日\\\\ \t\n]{0,200}", piece in 1usize..9) {
            prop_assert_eq!(shown(text.as_bytes(), piece), (text, 0, 0));
        }
    }
}
