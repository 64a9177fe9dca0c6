//! A process that goes on when the command is over: it tells others what was recorded.

use fumehood_sandbox::{Errno, fork_role_with, give_up, set_process_name};
use rustix::event::{PollFd, PollFlags, poll};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

/// Starts one, without any descriptor of the caller, and does not wait for it. It begins when another process, by its
/// pidfd, has ended, however long that takes.
///
/// # Errors
/// It cannot be made.
pub fn detached(name: &CStr, after: Option<OwnedFd>, role: impl FnOnce() -> i32) -> Result<(), Errno> {
    let forked = fork_role_with(after.into_iter().collect(), |after| {
        set_process_name(name);
        let _leader_already = rustix::process::setsid();
        crate::terminal::let_go_of_all_streams();
        let open: Vec<_> = after.iter().map(AsFd::as_fd).collect();
        if give_up(&open).is_err() {
            return 125;
        }
        after.iter().for_each(await_end);
        role()
    });
    forked.map(drop)
}

/// It is no child of this one, so it cannot be waited for otherwise.
fn await_end(process: &OwnedFd) {
    let mut ended = [PollFd::new(process, PollFlags::IN)];
    while poll(&mut ended, None) == Err(rustix::io::Errno::INTR) {}
}
