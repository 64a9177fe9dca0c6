//! The size of a terminal, always usable.

/// Rows and columns of a terminal, each at least one and bounded.
///
/// A tty that was never given a size reports zero by zero; [`Size::new`] turns
/// that into the customary 24 by 80 rather than into a screen without cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    rows: u16,
    cols: u16,
}

/// More than any screen has; keeps the memory of the model bounded.
const MOST: u16 = 1000;
/// Below this many rows the program gets all of them and there is no status row.
const LEAST_ROWS_WITH_STATUS: u16 = 4;

impl Size {
    /// A size from what `TIOCGWINSZ` said: zero means unknown, huge values are cut to 1000.
    #[must_use]
    pub fn new(rows: u16, cols: u16) -> Self {
        let usable = |n: u16, unknown: u16| if n == 0 { unknown } else { n.min(MOST) };
        Self {
            rows: usable(rows, 24),
            cols: usable(cols, 80),
        }
    }

    /// Number of rows, at least 1.
    #[must_use]
    pub fn rows(self) -> u16 {
        self.rows
    }

    /// Number of columns, at least 1.
    #[must_use]
    pub fn cols(self) -> u16 {
        self.cols
    }

    /// Whether a terminal of this size has room for the status row.
    #[must_use]
    pub fn has_status_row(self) -> bool {
        self.rows >= LEAST_ROWS_WITH_STATUS
    }

    /// What the program inside gets: one row less where there is a status row.
    #[must_use]
    pub fn inner(self) -> Self {
        let taken = u16::from(self.has_status_row());
        Self {
            rows: self.rows - taken,
            cols: self.cols,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unset_size_becomes_24_by_80() {
        assert_eq!(Size::new(0, 0), Size { rows: 24, cols: 80 });
    }

    #[test]
    fn the_last_row_is_ours_from_four_rows_on() {
        assert_eq!(Size::new(4, 10).inner().rows(), 3);
        assert_eq!(Size::new(3, 10).inner().rows(), 3);
    }
}
