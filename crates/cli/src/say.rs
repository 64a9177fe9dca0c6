//! The one place that writes to standard error.

use fumehood_policy::json::Json;
use std::fs::File;
use std::io::Write;
use std::sync::OnceLock;

/// Where everything is said instead, as events: of a tool's call standard error is the tool's alone.
static INSTEAD: OnceLock<File> = OnceLock::new();

/// From here on everything is said there.
pub(crate) fn instead(file: File) {
    let _first_stays = INSTEAD.set(file);
}

/// Writes a line; a closed standard error is nobody's problem.
pub(crate) fn line(text: &str) {
    if let Some(mut file) = INSTEAD.get() {
        let event = Json::Object(vec![("event", Json::text("note")), ("text", Json::text(text))]);
        let _reader_gone = writeln!(file, "{event}");
        return;
    }
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
