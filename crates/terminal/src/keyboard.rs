//! The stack of kitty's keyboard protocol flags (sw.kovidgoyal.net/kitty/keyboard-protocol).

const DEEPEST: usize = 8;
/// All five progressive enhancements.
const ALL_FLAGS: u16 = 31;

/// Current flags and those pushed away; one stack a screen, as the protocol says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyboardStack {
    saved: [u8; DEEPEST],
    depth: usize,
    current: u8,
}

impl KeyboardStack {
    pub(crate) fn flags(&self) -> u8 {
        self.current
    }

    /// `CSI > flags u`. A full stack loses its oldest entry.
    pub(crate) fn push(&mut self, flags: u16) {
        if self.depth == DEEPEST {
            self.saved.rotate_left(1);
            self.depth -= 1;
        }
        self.saved[self.depth] = self.current;
        self.depth += 1;
        self.current = known(flags);
    }

    /// `CSI < count u`. Popping beyond the bottom resets the flags.
    pub(crate) fn pop(&mut self, count: u16) {
        for _ in 0..count.min(DEEPEST as u16 + 1) {
            self.depth = self.depth.saturating_sub(1);
            self.current = self.saved[self.depth];
            self.saved[self.depth] = 0;
        }
    }

    /// `CSI = flags ; how u`.
    pub(crate) fn set(&mut self, flags: u16, how: u16) {
        let flags = known(flags);
        match how {
            0 | 1 => self.current = flags,
            2 => self.current |= flags,
            3 => self.current &= !flags,
            _ => {}
        }
    }
}

fn known(flags: u16) -> u8 {
    (flags & ALL_FLAGS) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_pushed_popped_and_set() {
        let mut stack = KeyboardStack::default();
        stack.push(1);
        stack.push(0xffff);
        assert_eq!(stack.flags(), 31);
        stack.set(1, 3);
        assert_eq!(stack.flags(), 30);
        stack.pop(1);
        assert_eq!(stack.flags(), 1);
        stack.pop(60000);
        assert_eq!(stack.flags(), 0);
        (0..100).for_each(|_| stack.push(5));
        stack.pop(8);
        assert_eq!(stack.flags(), 5);
    }
}
