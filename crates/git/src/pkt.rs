//! Packet lines (gitprotocol-common): four hexadecimal digits that count themselves and what follows.

/// The longest line, its four digits included (LARGE_PACKET_MAX).
const MAX: usize = 65_520;

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0000`: the end of a section.
    Flush,
    /// A line, without its length.
    Line(&'a [u8]),
}

/// Not packet lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PktError {
    /// Not four hexadecimal digits.
    #[error("a packet's length is not four hexadecimal digits")]
    Length,
    /// A length that a push has no use for: 1 to 4, or beyond the longest line.
    #[error("a packet of a length that no push has")]
    Size,
}

/// Packets from the beginning of some bytes.
#[derive(Clone, Debug)]
pub struct Pkts<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Pkts<'a> {
    /// Begins.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Pkts<'a> {
        Pkts { bytes, at: 0 }
    }

    /// How many bytes were read.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// The next packet; `None` where it is not here whole yet.
    ///
    /// # Errors
    /// It is none.
    pub fn read(&mut self) -> Result<Option<Packet<'a>>, PktError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some((digits, rest)) = rest.split_at_checked(4) else {
            return Ok(None);
        };
        let length = length(digits)?;
        if length == 0 {
            self.at += 4;
            return Ok(Some(Packet::Flush));
        }
        if !(5..=MAX).contains(&length) {
            return Err(PktError::Size);
        }
        let Some(line) = rest.get(..length - 4) else {
            return Ok(None);
        };
        self.at += length;
        Ok(Some(Packet::Line(line)))
    }
}

/// Git itself takes digits of either case, and nothing else.
fn length(digits: &[u8]) -> Result<usize, PktError> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(PktError::Length);
    }
    let text = std::str::from_utf8(digits).map_err(|_| PktError::Length)?;
    usize::from_str_radix(text, 16).map_err(|_| PktError::Length)
}

/// A line with its length; one that is too long is cut.
#[must_use]
pub(crate) fn line(content: &[u8]) -> Vec<u8> {
    let content = content.get(..MAX - 4).unwrap_or(content);
    let mut out = format!("{:04x}", content.len() + 4).into_bytes();
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> Result<Vec<Packet<'_>>, PktError> {
        let mut pkts = Pkts::new(bytes);
        let mut out = Vec::new();
        while let Some(packet) = pkts.read()? {
            out.push(packet);
        }
        Ok(out)
    }

    #[test]
    fn lengths_that_lie() {
        assert_eq!(all(b"0006a\n0000"), Ok(vec![Packet::Line(b"a\n"), Packet::Flush]));
        assert_eq!(all(b"00"), Ok(vec![]));
        assert_eq!(all(b"00ffa"), Ok(vec![]));
        assert_eq!(all(b"+006a\n"), Err(PktError::Length));
        assert_eq!(all(b" 006a\n"), Err(PktError::Length));
        for bad in [&b"0001"[..], b"0002", b"0003", b"0004", b"fff1"] {
            assert_eq!(all(bad), Err(PktError::Size), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(content in proptest::collection::vec(any::<u8>(), 1..3000)) {
            let written = line(&content);
            prop_assert_eq!(all(&written), Ok(vec![Packet::Line(&content)]));
        }

        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(prop::sample::select(&b"0123456789abcf\n+"[..]), 0..200)) {
            let mut pkts = Pkts::new(&bytes);
            while let Ok(Some(_)) = pkts.read() {
                prop_assert!(pkts.at() <= bytes.len());
            }
        }
    }
}
