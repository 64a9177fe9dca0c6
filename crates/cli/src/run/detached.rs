//! A run that goes on without the terminal it was started at (`-d`): in a process that leads a session of its
//! own, with its output in a file.

use super::{Failure, attempt};
use crate::arguments::RunArguments;
use crate::{FAILED, say};
use fumehood_sandbox::{exit_status_of, fork_role};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::cell::RefCell;
use std::fs::{DirBuilder, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where what sessions printed lies, a folder each.
pub(crate) fn outputs(state: &Path) -> PathBuf {
    state.join("output")
}

/// The file of one.
pub(crate) fn output(state: &Path, id: &str) -> PathBuf {
    outputs(state).join(id).join("output")
}

/// Starts it, waits until it runs, and says how it is called.
pub(super) fn start(arguments: &RunArguments) -> u8 {
    match begin(arguments) {
        Ok(code) => code,
        Err(text) => {
            say::error(&text);
            FAILED
        }
    }
}

fn begin(arguments: &RunArguments) -> Result<u8, String> {
    // Here, because the process below is a child of fumehood's, which no session answers.
    super::called::check(arguments)?;
    let (told, tells) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| format!("a pipe: {e}"))?;
    let (told, tells) = (RefCell::new(Some(told)), RefCell::new(Some(tells)));
    let process = fork_role(|| {
        drop(told.take()); // the parent's
        let _leader_already = rustix::process::setsid();
        let Some(tells) = tells.take() else { return 125 };
        // A second owner, for what is said if it does not begin.
        let said = rustix::io::fcntl_dupfd_cloexec(&tells, 3);
        match (attempt(arguments, Some(tells)), said) {
            (Ok(code), _) => i32::from(code),
            (Err(Failure { text, code }), said) => {
                // Once it runs, the streams are its own and nobody reads the pipe.
                let told = said.map(|said| File::from(said).write_all(format!("e{text}\n").as_bytes()));
                if !matches!(told, Ok(Ok(()))) {
                    say::error(&text);
                }
                i32::from(code)
            }
        }
    })
    .map_err(|e| format!("start a process of its own: {e}"))?;
    drop(tells.take());
    // One line: others may hold the other end as long as they live.
    let mut word = Vec::new();
    let told = told.take().map(|told| BufReader::new(File::from(told)));
    let _nothing = told.map(|mut told| told.read_until(b'\n', &mut word));
    let text = String::from_utf8_lossy(word.get(1..).unwrap_or_default());
    let text = text.trim_end().to_owned();
    match word.first() {
        Some(b'k') => {
            let _closed = writeln!(std::io::stdout(), "{text}");
            Ok(0)
        }
        Some(_) => {
            say::error(&text);
            Ok(status(&process))
        }
        // It said itself what was wrong.
        None => Ok(status(&process)),
    }
}

fn status(process: &OwnedFd) -> u8 {
    let code = exit_status_of(process);
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED)
}

/// Takes the terminal's streams away: input is empty, output goes to the session's file, which is given back.
pub(super) fn let_go(state: &Path, id: &str) -> Result<OwnedFd, String> {
    let path = output(state, id);
    let failed = |e: std::io::Error| format!("a file for its output: {e}");
    let folder = path.parent().unwrap_or(state);
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let file = File::options()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(failed)?;
    dup2_stdin(&null)
        .and_then(|()| dup2_stdout(&file))
        .and_then(|()| dup2_stderr(&file))
        .map_err(|e| failed(e.into()))?;
    Ok(file.into())
}
