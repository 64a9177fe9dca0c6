//! Word from the process that applies changes: one fixed message a turn.

/// One turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The apply's number; 0: nothing was applied.
    pub number: u64,
    /// Paths that were changed.
    pub paths: u32,
    /// How much waits for a person.
    pub waits: u32,
}

impl Turn {
    /// Bytes of one message.
    pub const SIZE: usize = 16;

    /// As a message.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Turn::SIZE] {
        let mut bytes = [0; Turn::SIZE];
        bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.paths.to_le_bytes());
        bytes[12..].copy_from_slice(&self.waits.to_le_bytes());
        bytes
    }

    /// From a message.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Turn::SIZE]) -> Turn {
        let [a, b, c, d, e, f, g, h, p, q, r, s, w, x, y, z] = bytes;
        Turn {
            number: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            paths: u32::from_le_bytes([p, q, r, s]),
            waits: u32::from_le_bytes([w, x, y, z]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let turn = Turn {
            number: u64::MAX - 1,
            paths: 7,
            waits: u32::MAX,
        };
        assert_eq!(Turn::from_bytes(turn.to_bytes()), turn);
    }
}
