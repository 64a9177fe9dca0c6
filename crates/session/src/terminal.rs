//! The user's terminal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Why the terminal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// A call on it failed.
    #[error("{what}: {why}")]
    Call {
        /// What was tried.
        what: &'static str,
        /// The system's words.
        why: String,
    },
}

/// Which of the descriptors 0, 1, 2 are terminals.
#[must_use]
pub fn terminals() -> [bool; 3] {
    use rustix::stdio::{stderr, stdin, stdout};
    use rustix::termios::isatty;
    [isatty(stdin()), isatty(stdout()), isatty(stderr())]
}

/// The supervisor keeps no copy of streams that belong to the command, except standard error, which
/// it needs for its last words: a reader sees the end when the command has closed it.
pub(crate) fn let_go_of_streams() {
    if let Ok(null) = null() {
        let _keeps = rustix::stdio::dup2_stdin(&null);
        let _keeps = rustix::stdio::dup2_stdout(&null);
    }
}

/// As above, with standard error.
pub(crate) fn let_go_of_all_streams() {
    let_go_of_streams();
    if let Ok(null) = null() {
        let _keeps = rustix::stdio::dup2_stderr(&null);
    }
}

fn null() -> std::io::Result<std::fs::File> {
    std::fs::File::options().read(true).write(true).open("/dev/null")
}

#[derive(Debug)]
pub(crate) struct Terminal(OwnedFd);

impl Terminal {
    pub(crate) fn start(master: OwnedFd) -> Result<Terminal, TerminalError> {
        Ok(Terminal(master))
    }
    pub(crate) fn suspend(&self) {}
    pub(crate) fn resume(&self) {}
    pub(crate) fn ended(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
    pub(crate) fn finish(self) {}
}
