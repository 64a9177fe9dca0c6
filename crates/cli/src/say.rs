//! The one place that writes to standard error.

use std::io::Write;

/// Writes a line; a closed standard error is nobody's problem.
pub(crate) fn line(text: &str) {
    let _closed = writeln!(std::io::stderr(), "fumehood: {text}");
}

/// As [`line`], for failures.
pub(crate) fn error(text: &str) {
    line(text);
}

/// A question whose answer comes on the same line.
pub(crate) fn question(text: &str) {
    let mut to = std::io::stderr();
    let _closed = write!(to, "fumehood: {text}").and_then(|()| to.flush());
}
