//! Applying a delta (gitformat-pack, "Deltified representation").

/// The object that a delta makes of its base; `None` where it is malformed, or longer than `most` bytes.
pub(crate) fn apply(base: &[u8], delta: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut delta = Delta(delta);
    if delta.size()? != base.len() {
        return None;
    }
    let length = delta.size().filter(|n| *n <= most)?;
    let mut out = Vec::with_capacity(length);
    while let Some(op) = delta.byte() {
        let piece = match op {
            0 => return None,
            1..=0x7f => delta.take(usize::from(op))?,
            _ => {
                let from = delta.packed(op, 4)?;
                let count = delta.packed(op >> 4, 3)?;
                let count = if count == 0 { 0x1_0000 } else { count };
                base.get(from..from.checked_add(count)?)?
            }
        };
        if out.len() + piece.len() > length {
            return None;
        }
        out.extend_from_slice(piece);
    }
    (out.len() == length).then_some(out)
}

struct Delta<'a>(&'a [u8]);

impl<'a> Delta<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Seven bits a byte, the least significant first.
    fn size(&mut self) -> Option<usize> {
        let mut size = 0_usize;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            size |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(size);
            }
        }
        None
    }

    /// Bytes that the low bits say are there, the least significant first.
    fn packed(&mut self, bits: u8, count: u32) -> Option<usize> {
        let mut value = 0;
        for n in 0..count {
            if bits >> n & 1 == 1 {
                value |= usize::from(self.byte()?) << (8 * n);
            }
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_delta_copies_and_inserts() {
        // 5 bytes of base, 7 of result: copy 0..3, insert "XY", copy 3..5.
        let delta = [5, 7, 0x90, 3, 2, b'X', b'Y', 0x91, 3, 2];
        assert_eq!(apply(b"abcde", &delta, 100), Some(b"abcXYde".to_vec()));
        assert_eq!(apply(b"abcde", &delta, 6), None);
        assert_eq!(apply(b"abcd", &delta, 100), None);
        assert_eq!(apply(b"abcde", &[5, 7, 0], 100), None);
        assert_eq!(apply(b"abcde", &[5, 9, 0x90, 9], 100), None);
    }

    proptest! {
        #[test]
        fn any_delta_ends(base in proptest::collection::vec(any::<u8>(), 0..20), delta in proptest::collection::vec(any::<u8>(), 0..60)) {
            let made = apply(&base, &delta, 1000);
            prop_assert!(made.is_none_or(|m| m.len() <= 1000));
        }
    }
}
