//! A line that is written over: what a carriage return or a backspace does to it.

/// Cells, each a character, and where the next one goes. Wide characters count as one: this is for progress bars,
/// not a screen.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    cells: Vec<char>,
    at: usize,
}

impl Cells {
    /// A line as it stands, written up to its end.
    pub(crate) fn new(text: &str) -> Cells {
        let cells: Vec<char> = text.chars().collect();
        let at = cells.len();
        Cells { cells, at }
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(crate) fn home(&mut self) {
        self.at = 0;
    }

    pub(crate) fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    pub(crate) fn put(&mut self, c: char) {
        match self.cells.get_mut(self.at) {
            Some(cell) => *cell = c,
            None => {
                // Something before was erased.
                self.cells.resize(self.at, ' ');
                self.cells.push(c);
            }
        }
        self.at += 1;
    }

    /// From the cell in hand to the end.
    pub(crate) fn erase_after(&mut self) {
        self.cells.truncate(self.at);
    }

    /// Up to the cell in hand, and it too.
    pub(crate) fn erase_before(&mut self) {
        let end = (self.at + 1).min(self.cells.len());
        self.cells[..end].fill(' ');
    }

    /// What is to be seen of it.
    pub(crate) fn text(&self) -> String {
        self.cells.iter().collect()
    }
}
