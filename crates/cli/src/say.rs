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

/// Writes a line, in one piece: programs inside write to the same place at the same time. A closed standard
/// error is nobody's problem.
pub(crate) fn line(text: &str) {
    if let Some(mut file) = INSTEAD.get() {
        let event = Json::Object(vec![("event", Json::text("note")), ("text", Json::text(text))]);
        let _reader_gone = file.write_all(format!("{event}\n").as_bytes());
        return;
    }
    let _closed = std::io::stderr().write_all(format!("fumehood: {text}\n").as_bytes());
}

/// As [`line`], for failures.
pub(crate) fn error(text: &str) {
    line(text);
}

/// A question whose answer comes on the same line.
pub(crate) fn question(text: &str) {
    let mut to = std::io::stderr();
    let words = format!("fumehood: {text}");
    let _closed = to.write_all(words.as_bytes()).and_then(|()| to.flush());
}
