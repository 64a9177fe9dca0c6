//! Events of a run as JSON lines, for programs.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;

/// Where events go.
#[derive(Debug)]
pub(crate) struct Events(Option<File>);

impl Events {
    /// Opens the descriptor or file named, or nothing.
    pub(crate) fn open(to: Option<&OsStr>) -> Result<Events, String> {
        let Some(to) = to else { return Ok(Events(None)) };
        let number = to.to_str().and_then(|t| t.parse::<u32>().ok());
        let file = match number {
            Some(0..=2) => {
                return Err(format!("--events {}: 0, 1 and 2 belong to the command; name another", to.display()));
            }
            // The descriptor is opened anew by its name in /proc, so that nothing of it is shared
            // with the sandbox.
            Some(n) => File::options().append(true).open(format!("/proc/self/fd/{n}")),
            None => File::options().append(true).create(true).open(to),
        };
        file.map(|f| Events(Some(f))).map_err(|e| format!("--events {}: {e}", to.display()))
    }

    /// Writes one event; `fields` is the inside of a JSON object, without braces.
    pub(crate) fn write(&mut self, event: &str, fields: &str) {
        if let Some(file) = &mut self.0 {
            let between = if fields.is_empty() { "" } else { "," };
            let _reader_gone = writeln!(file, "{{\"event\":\"{event}\"{between}{fields}}}");
        }
    }
}
