//! Mouse reports in digits (DEC private mode 1006).

use crate::number;

/// `CSI < button ; column ; row M` or `m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    button: u16,
    col: u16,
    row: u16,
    released: bool,
}

impl Report {
    /// Reads a complete sequence; `None` if it is something else.
    pub(super) fn digits(sequence: &[u8]) -> Option<Self> {
        let (last, rest) = sequence.strip_prefix(b"\x1b[<")?.split_last()?;
        let mut numbers = std::str::from_utf8(rest).ok()?.split(';').map(str::parse);
        let mut number = || numbers.next()?.ok();
        let (button, col, row) = (number()?, number()?, number()?);
        matches!(last, b'M' | b'm').then_some(Self {
            button,
            col,
            row,
            released: *last == b'm',
        })
    }

    /// The report as the program may see it. A drag that ends on the status
    /// row must end for the program too, so a release is moved up.
    pub(super) fn on_rows(self, rows: u16) -> Option<Self> {
        match self {
            _ if self.row <= rows => Some(self),
            _ if self.released => Some(Self { row: rows, ..self }),
            _ => None,
        }
    }

    pub(super) fn write_digits(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x1b[<");
        number::write(self.button, out);
        out.push(b';');
        number::write(self.col, out);
        out.push(b';');
        number::write(self.row, out);
        out.push(if self.released { b'm' } else { b'M' });
    }
}
