//! Decimal numbers without going through the formatting machinery.

/// Appends `n` in decimal digits.
pub(crate) fn write(n: u16, out: &mut Vec<u8>) {
    if n >= 10 {
        write(n / 10, out);
    }
    out.push(b'0' + (n % 10) as u8);
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_decimal() {
        let mut out = Vec::new();
        for n in [0, 9, 10, 65535] {
            super::write(n, &mut out);
            out.push(b' ');
        }
        assert_eq!(out, b"0 9 10 65535 ");
    }
}
