//! Events of a run as JSON lines, for programs.

use crate::say;
use fumehood_policy::json::Json;
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
                return Err(format!(
                    "--events {}: 0, 1 and 2 belong to the command; name another",
                    to.display()
                ));
            }
            // The descriptor is opened anew by its name in /proc, so that nothing of it is shared
            // with the sandbox.
            Some(n) => File::options().append(true).open(format!("/proc/self/fd/{n}")),
            None => File::options().append(true).create(true).open(to),
        };
        file.map(|f| Events(Some(f)))
            .map_err(|e| format!("--events {}: {e}", to.display()))
    }

    /// Has all that would be said written among the events.
    pub(crate) fn take_words(&self) -> std::io::Result<()> {
        if let Some(file) = &self.0 {
            say::instead(file.try_clone()?);
        }
        Ok(())
    }

    /// Whether somebody wants them.
    pub(crate) const fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Writes one event.
    pub(crate) fn write(&mut self, event: &'static str, fields: Vec<(&'static str, Json)>) {
        if let Some(file) = &mut self.0 {
            let mut object = vec![("event", Json::text(event))];
            object.extend(fields);
            let _reader_gone = writeln!(file, "{}", Json::Object(object));
        }
    }
}
