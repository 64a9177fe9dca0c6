use crate::finding::Pos;

/// Beyond this, columns count bytes: a line this long is no one's to read, and counting its
/// characters for each of its values would take quadratic time.
const LONG_LINE: usize = 64 * 1024;

/// Turns byte offsets into lines and columns.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let breaks = text
            .bytes()
            .enumerate()
            .filter(|(_, b)| *b == b'\n')
            .map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(breaks).collect(),
        }
    }

    pub(super) fn pos(&self, offset: usize) -> Pos {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let before = &self.text.as_bytes()[start..offset];
        let column = if before.len() > LONG_LINE {
            before.len()
        } else {
            // Every byte that does not continue a UTF-8 character begins one.
            before.iter().filter(|b| **b & 0xc0 != 0x80).count()
        };
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Pos {
            line: number(line),
            column: number(column + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_count_characters() {
        let lines = Lines::new("é = 1\n  b");
        assert_eq!(lines.pos(0), Pos { line: 1, column: 1 });
        assert_eq!(lines.pos("é ".len()), Pos { line: 1, column: 3 });
        assert_eq!(lines.pos("é = 1\n  ".len()), Pos { line: 2, column: 3 });
        assert_eq!(Lines::new("").pos(99), Pos::START);
    }

    proptest! {
        #[test]
        fn any_offset_has_a_place(text in "[a\né]{0,20}", offset in 0usize..50) {
            let pos = Lines::new(&text).pos(offset);
            prop_assert!(pos.line >= 1 && pos.column >= 1);
        }
    }
}
