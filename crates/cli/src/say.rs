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
