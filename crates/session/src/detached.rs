//! A process that goes on when the command is over: it tells others what was recorded.

use fumehood_sandbox::{Errno, fork_role_with, give_up, set_process_name};
use std::ffi::CStr;

/// Starts one, without any descriptor of the caller, and does not wait for it.
///
/// # Errors
/// It cannot be made.
pub fn detached(name: &CStr, role: impl FnOnce() -> i32) -> Result<(), Errno> {
    let forked = fork_role_with(Vec::new(), |_| {
        set_process_name(name);
        let _leader_already = rustix::process::setsid();
        crate::terminal::let_go_of_all_streams();
        if give_up(&[]).is_err() {
            return 125;
        }
        role()
    });
    forked.map(drop)
}
