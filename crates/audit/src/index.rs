//! The index: for each bundle of 256 records where it ends in the journal, which times it spans and
//! which kinds are in it, so that a question about a time or a kind reads the bundles it needs.
//!
//! Derived from the records, and no part of what is signed: `verify` computes it again.

use crate::layout::WIDTH;
use crate::record::Kind;

/// Bytes of an entry.
pub(crate) const ENTRY: usize = 32;

/// What the index says of one bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where it ends in the journal, bytes: the next one begins there.
    pub(crate) end: u64,
    /// The earliest time in it.
    pub(crate) from: u64,
    /// The latest time in it.
    pub(crate) to: u64,
    /// A bit for each kind, in the order of [`Kind::ALL`].
    pub(crate) kinds: u64,
}

impl Span {
    /// Of no records.
    pub(crate) const EMPTY: Self = Self {
        end: 0,
        from: u64::MAX,
        to: 0,
        kinds: 0,
    };

    pub(crate) fn encode(&self) -> [u8; ENTRY] {
        let mut out = [0; ENTRY];
        let numbers = [self.end, self.from, self.to, self.kinds];
        for (at, number) in out.chunks_exact_mut(8).zip(numbers) {
            at.copy_from_slice(&number.to_be_bytes());
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8; ENTRY]) -> Self {
        let mut numbers = bytes
            .chunks_exact(8)
            .map(|eight| eight.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte)));
        let mut next = || numbers.next().unwrap_or_default();
        Self {
            end: next(),
            from: next(),
            to: next(),
            kinds: next(),
        }
    }
}

/// The bit of a kind.
pub(crate) const fn bit(kind: Kind) -> u64 {
    1 << kind as u8
}

/// The bits of several kinds.
pub(crate) fn bits(kinds: &[Kind]) -> u64 {
    kinds.iter().fold(0, |bits, kind| bits | bit(*kind))
}

/// The index of a log that grows.
#[derive(Debug)]
pub(crate) struct Index {
    count: usize,
    span: Span,
    complete: Vec<u8>,
    /// Where the last complete bundle ends.
    boundary: u64,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            count: 0,
            span: Span::EMPTY,
            complete: Vec::new(),
            boundary: 0,
        }
    }
}

impl Index {
    /// Of a log of complete bundles that end there.
    pub(crate) fn after(end: u64) -> Self {
        let span = Span { end, ..Span::EMPTY };
        Self {
            span,
            boundary: end,
            ..Self::default()
        }
    }

    /// Where the journal ends.
    pub(crate) const fn end(&self) -> u64 {
        self.span.end
    }

    /// Where the last complete bundle ends.
    pub(crate) const fn boundary(&self) -> u64 {
        self.boundary
    }

    /// A record of this many bytes was added.
    pub(crate) fn push(&mut self, length: usize, time: u64, kind: Kind) {
        self.span.end += 2 + length as u64;
        self.span.from = self.span.from.min(time);
        self.span.to = self.span.to.max(time);
        self.span.kinds |= bit(kind);
        self.count += 1;
        if self.count == WIDTH {
            self.complete.extend_from_slice(&self.span.encode());
            self.span = Span {
                end: self.span.end,
                ..Span::EMPTY
            };
            self.count = 0;
            self.boundary = self.span.end;
        }
    }

    /// Entries of bundles that became complete since this was asked last.
    pub(crate) fn complete(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.complete)
    }

    /// The entry of the last bundle, if it is not complete.
    pub(crate) fn rest(&self) -> Vec<u8> {
        if self.count == 0 {
            return Vec::new();
        }
        self.span.encode().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written_and_every_kind_has_a_bit() {
        let span = Span {
            end: 1,
            from: u64::MAX,
            to: 3 << 40,
            kinds: bit(Kind::KeyNext),
        };
        assert_eq!(Span::decode(&span.encode()), span);
        assert!(Kind::ALL.len() <= 64);
    }

    #[test]
    fn a_bundle_says_where_it_ends_and_what_it_spans() {
        let mut index = Index::default();
        for time in 0..300 {
            index.push(10, 1_000 - time, Kind::Flow);
        }
        let complete: [u8; ENTRY] = index.complete().try_into().unwrap();
        let span = Span::decode(&complete);
        assert_eq!((span.end, span.from, span.to), (256 * 12, 745, 1_000));
        let rest: [u8; ENTRY] = index.rest().try_into().unwrap();
        assert_eq!(Span::decode(&rest).end, 300 * 12);
    }
}
