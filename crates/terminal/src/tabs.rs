//! Tab stops.

/// A stop or none for each column.
#[derive(Debug)]
pub(crate) struct Tabs(Vec<bool>);

impl Tabs {
    /// A stop at every eighth column.
    pub(crate) fn new(cols: u16) -> Self {
        Self((0..cols).map(|col| col % 8 == 0).collect())
    }

    pub(crate) fn set(&mut self, col: usize, on: bool) {
        if let Some(stop) = self.0.get_mut(col) {
            *stop = on;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.fill(false);
    }

    /// The next stop right of `col`, else the last column.
    pub(crate) fn after(&self, col: usize) -> usize {
        let last = self.0.len() - 1;
        (col + 1..last).find(|col| self.0[*col]).unwrap_or(last)
    }

    /// The next stop left of `col`, else the first column.
    pub(crate) fn before(&self, col: usize) -> usize {
        (1..col).rev().find(|col| self.0[*col]).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_are_every_eight_columns_until_changed() {
        let mut tabs = Tabs::new(20);
        assert_eq!([tabs.after(0), tabs.after(8), tabs.after(16)], [8, 16, 19]);
        assert_eq!([tabs.before(19), tabs.before(8), tabs.before(0)], [16, 0, 0]);
        tabs.set(3, true);
        assert_eq!(tabs.after(0), 3);
        tabs.clear();
        assert_eq!(tabs.after(0), 19);
    }
}
