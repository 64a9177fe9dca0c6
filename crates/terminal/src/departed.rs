//! Rows that scrolled off the top of the normal screen, waiting for the terminal.

use crate::row::Row;

/// So many rows may wait before the parser has to stop for them to be sent.
const MOST_WAITING: usize = 64;

/// A ring of rows. Those not sent yet are owed to the terminal's scrollback;
/// those already sent stay until overwritten, so that a terminal which grows
/// taller can have them back.
#[derive(Debug)]
pub(crate) struct Departed {
    ring: Vec<Gone>,
    next: usize,
    waiting: usize,
    kept: usize,
}

/// A row that left, and the last row of the scroll region it left from.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    pub(crate) row: Row,
    pub(crate) bottom: usize,
}

impl Departed {
    /// One control function can push at most a screen of rows on top of the limit.
    pub(crate) fn new(screen_rows: usize) -> Self {
        let ring = (0..MOST_WAITING + screen_rows + 2)
            .map(|_| Gone::default())
            .collect();
        Self {
            ring,
            next: 0,
            waiting: 0,
            kept: 0,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting >= MOST_WAITING
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Takes the cells of `row`, which gets those of an old row to reuse.
    pub(crate) fn push(&mut self, row: &mut Row, bottom: usize) {
        let gone = &mut self.ring[self.next];
        std::mem::swap(&mut gone.row, row);
        gone.bottom = bottom;
        self.next = (self.next + 1) % self.ring.len();
        self.waiting = (self.waiting + 1).min(self.ring.len());
    }

    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Gone> {
        let oldest = self.next + self.ring.len() - self.waiting;
        (oldest..oldest + self.waiting).map(|i| &self.ring[i % self.ring.len()])
    }

    /// Makes the waiting rows fit a terminal that was resized meanwhile.
    pub(crate) fn fit(&mut self, size: crate::size::Size) {
        for gone in &mut self.ring {
            gone.bottom = gone.bottom.min(usize::from(size.rows()) - 1);
            gone.row.narrow(usize::from(size.cols()));
        }
    }

    /// All that waited has been sent.
    pub(crate) fn sent(&mut self) {
        self.kept = (self.kept + self.waiting).min(self.ring.len());
        self.waiting = 0;
    }

    /// Takes back the row that was sent last, if it is still here.
    pub(crate) fn take_back(&mut self) -> Option<Row> {
        if self.kept == 0 || self.waiting > 0 {
            return None;
        }
        self.kept -= 1;
        self.next = (self.next + self.ring.len() - 1) % self.ring.len();
        Some(std::mem::take(&mut self.ring[self.next].row))
    }

    /// A row that the terminal itself moved to its scrollback while it was resized.
    pub(crate) fn push_sent(&mut self, row: &mut Row) {
        self.push(row, 0);
        self.sent();
    }

    /// A ring for another number of rows with the newest of the kept ones.
    pub(crate) fn resized(mut self, screen_rows: usize) -> Self {
        let mut ring = Self::new(screen_rows);
        let room = ring.ring.len();
        let mut back: Vec<Row> = std::iter::from_fn(|| self.take_back()).take(room).collect();
        back.reverse();
        back.iter_mut().for_each(|row| ring.push_sent(row));
        ring
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::Style;

    fn row(byte: u8) -> Row {
        let mut row = Row::default();
        row.put_ascii(0, &[byte], Style::PLAIN);
        row
    }

    fn name(row: &Row) -> char {
        row.cell(0).glyph()
    }

    #[test]
    fn rows_come_out_in_order_and_back_in_reverse() {
        let mut departed = Departed::new(3);
        for round in 0..3 {
            for byte in b'a'..=b'z' {
                departed.push(&mut row(byte), 2);
            }
            assert_eq!(
                departed.waiting().map(|gone| name(&gone.row)).collect::<String>(),
                "abcdefghijklmnopqrstuvwxyz",
                "round {round}"
            );
            departed.sent();
        }
        let mut smaller = departed.resized(2);
        let back = [smaller.take_back(), smaller.take_back()];
        assert_eq!(back.map(|row| name(&row.unwrap())), ['z', 'y']);
    }
}
