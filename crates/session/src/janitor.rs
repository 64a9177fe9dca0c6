//! The janitor: a small process that outlives the supervisor by as long as it takes to clean up.
//!
//! Processes and mounts of a sandbox end with its first process, which ends with the supervisor:
//! the kernel sees to that. Control groups stay, so where there are any the janitor waits at the
//! end of a pipe that only the supervisor holds open (review-security F18).

use crate::view::c_string;
use fumehood_limits::{JanitorPaths, clean};
use fumehood_sandbox::{Errno, Reach, Role, confine, fork_role, give_up, set_process_name};
use rustix::io::{read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use std::cell::RefCell;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A janitor that waits.
#[derive(Debug)]
pub(crate) struct Janitor {
    alive: OwnedFd,
    confined: OwnedFd,
}

impl Janitor {
    pub(crate) fn start(paths: JanitorPaths) -> Result<Janitor, Errno> {
        let (ends, alive) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| Errno(e.raw_os_error()))?;
        let (confined, done) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| Errno(e.raw_os_error()))?;
        let alive = RefCell::new(Some(alive));
        fork_role(|| {
            // The pipe must have one writer, the supervisor; this is the copy in the janitor.
            drop(alive.take());
            wait(&ends, done.as_fd(), &paths)
        })?;
        let alive = alive.into_inner().ok_or(Errno(libc::EBADF))?;
        Ok(Janitor { alive, confined })
    }

    /// Waits until it has given up all that it does not need; whether it could.
    pub(crate) fn is_confined(&self) -> bool {
        read(&self.confined, &mut [0u8]) == Ok(1)
    }

    /// There is nothing to clean up any more.
    pub(crate) fn dismiss(self) {
        let _already_gone = write(&self.alive, b"q");
    }
}

fn wait(ends: &OwnedFd, done: BorrowedFd<'_>, paths: &JanitorPaths) -> i32 {
    set_process_name(c"fumehood-clean");
    // A terminal that hangs up, or Ctrl-C, is for the supervisor.
    let _leader_already = rustix::process::setsid();
    crate::terminal::let_go_of_all_streams();
    if give_up(&[ends.as_fd(), done]).is_err() || confine(Role::Janitor, &folders(paths)).is_err() {
        return 1;
    }
    let _supervisor_gone = write(done, b"c");
    let mut byte = [0u8];
    match read(ends, &mut byte) {
        Ok(1) => 0,
        _ => i32::from(clean(paths).is_err()),
    }
}

/// The groups, and the folders they are removed from.
fn folders(paths: &JanitorPaths) -> Vec<(CString, Reach)> {
    let around = paths.iter().filter_map(|path| path.parent());
    paths
        .iter()
        .map(|path| (c_string(path), Reach::Use))
        .chain(around.map(|path| (c_string(path), Reach::Empty)))
        .collect()
}
