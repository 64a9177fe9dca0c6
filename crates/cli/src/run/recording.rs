//! The recording of what a run's terminal shows, where the command line or a configuration asks for it.

use super::detached::outputs;
use crate::arguments::RunArguments;
use crate::say;
use fumehood_policy::value::Isolation;
use fumehood_session::{BOUND, END_OF_SESSION, Recording, RecordingOutcome, terminals};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file of a session's recording.
pub(crate) fn recording(state: &Path, id: &str) -> PathBuf {
    outputs(state).join(id).join("terminal.cast")
}

/// A recording to be; none where nobody asks for one, or there is no terminal.
pub(super) fn begin(
    arguments: &RunArguments,
    (wished, isolation): (bool, Isolation),
    (state, id): (&Path, &str),
) -> Result<Option<Recording>, String> {
    let there = if arguments.detach {
        arguments.tty
    } else {
        arguments.tool.is_none() && terminals().contains(&true)
    };
    match (arguments.record, wished, there) {
        (false, false, _) | (false, _, false) => return Ok(None),
        (true, _, false) => {
            say::line("--record: this run has no terminal, so nothing of one is recorded");
            return Ok(None);
        }
        _ => {}
    }
    if isolation == Isolation::Landlock {
        return Err(
            "isolation level landlock cannot record the terminal: its programs are ended together with who records; \
             leave out --record and `audit.record_terminal`, or use isolation namespace"
                .to_owned(),
        );
    }
    let path = recording(state, id);
    let failed = |e: std::io::Error| format!("a file for the recording of the terminal: {e}");
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(path.parent().unwrap_or(state))
        .map_err(failed)?;
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    Recording::new(file).map(Some).map_err(|e| e.to_string())
}

/// Of a run that did not take place nothing is left.
pub(super) fn sweep(state: &Path, id: &str) {
    let path = recording(state, id);
    if std::fs::metadata(&path).is_ok_and(|m| m.len() == 0) {
        let _gone = std::fs::remove_file(&path);
        // Where something else is in it, it stays.
        let _stays = path.parent().map(std::fs::remove_dir);
    }
}

/// Says what became of it, where that needs saying.
pub(super) fn end(outcome: &RecordingOutcome, id: &str, tell: bool) {
    match outcome.ended.as_str() {
        END_OF_SESSION if tell => say::line(&format!(
            "the terminal was recorded; `fumehood replay {id}` plays it"
        )),
        END_OF_SESSION => {}
        BOUND => say::line(&format!(
            "the recording of the terminal has the {} bytes that it may have; what came later is not in it",
            outcome.bytes
        )),
        why => say::line(&format!("the terminal was not recorded to its end: {why}")),
    }
}
