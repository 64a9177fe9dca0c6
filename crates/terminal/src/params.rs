//! Numeric parameters of a control sequence, in a fixed amount of memory.

/// xterm reads 30 parameters; more than we keep makes the sequence one we ignore.
const MOST: usize = 32;

/// The parameters of one CSI sequence (ECMA-48 §5.4.2): numbers separated by
/// `;`, or by `:` where one belongs to the number before it (ISO 8613-6).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Params {
    values: [u16; MOST],
    /// Bit i: value i is joined to value i-1 by a colon.
    joined: u32,
    last: usize,
    touched: bool,
    overflow: bool,
}

impl Params {
    pub(crate) fn digit(&mut self, byte: u8) {
        self.touched = true;
        let value = &mut self.values[self.last];
        *value = value.saturating_mul(10).saturating_add(u16::from(byte - b'0'));
    }

    /// Starts the next number; `joined` when the separator was a colon.
    pub(crate) fn separator(&mut self, joined: bool) {
        self.touched = true;
        if self.last + 1 == MOST {
            self.overflow = true;
            return;
        }
        self.last += 1;
        self.joined |= u32::from(joined) << self.last;
    }

    /// Whether not even a separator was read yet.
    pub(crate) fn is_untouched(&self) -> bool {
        !self.touched
    }

    /// How many numbers there are; a single empty one counts.
    pub(crate) fn len(&self) -> usize {
        self.last + 1
    }

    pub(crate) fn overflowed(&self) -> bool {
        self.overflow
    }

    /// Number i, 0 where it is missing or empty.
    pub(crate) fn get(&self, i: usize) -> u16 {
        if i <= self.last { self.values[i] } else { 0 }
    }

    /// Number i for sequences in which 0 and nothing both mean 1.
    pub(crate) fn count(&self, i: usize) -> u16 {
        self.get(i).max(1)
    }

    /// The numbers in groups: one number and those joined to it by colons.
    pub(crate) fn groups(&self) -> Groups<'_> {
        Groups {
            params: self,
            next: 0,
        }
    }
}

/// Iterator of [`Params::groups`]; no group is empty.
#[derive(Debug)]
pub(crate) struct Groups<'a> {
    params: &'a Params,
    next: usize,
}

impl<'a> Iterator for Groups<'a> {
    type Item = &'a [u16];

    fn next(&mut self) -> Option<&'a [u16]> {
        let (params, start) = (self.params, self.next);
        if start > params.last {
            return None;
        }
        self.next += 1;
        while self.next <= params.last && params.joined >> self.next & 1 == 1 {
            self.next += 1;
        }
        Some(&params.values[start..self.next])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Params {
        let mut params = Params::default();
        for byte in text.bytes() {
            match byte {
                b';' | b':' => params.separator(byte == b':'),
                digit => params.digit(digit),
            }
        }
        params
    }

    #[test]
    fn colons_join_and_empty_is_zero() {
        let params = read("1;4:3;38:2::9;");
        let groups: Vec<_> = params.groups().collect();
        assert_eq!(groups, [&[1][..], &[4, 3], &[38, 2, 0, 9], &[0]]);
    }

    #[test]
    fn numbers_saturate_and_too_many_are_noticed() {
        assert_eq!(read("99999999").get(0), u16::MAX);
        assert!(!read(&";".repeat(31)).overflowed());
        assert!(read(&";".repeat(32)).overflowed());
    }
}
