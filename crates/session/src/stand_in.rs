//! Who keeps the limits while the supervisor is stopped.
//!
//! A program that stops itself is a stopped job, and so is its supervisor: the shell has to get its
//! terminal back. Deadline and watchdog must not stop with it, or `kill -STOP $$` would switch them
//! off; so a copy of the supervisor goes on watching. When a limit strikes it ends the command and wakes
//! the supervisor, which says so.

use fumehood_limits::{Limit, Watchdog};
use fumehood_sandbox::{Errno, Sandbox, become_role, exit_status_of, fork_role};
use rustix::process::{Signal, getppid, kill_process, pidfd_send_signal};
use std::os::fd::OwnedFd;
use std::time::Instant;

/// A stand-in, watching.
#[derive(Debug)]
pub(crate) struct StandIn(OwnedFd);

impl StandIn {
    pub(crate) fn start(sandbox: &Sandbox, watchdog: &mut Watchdog) -> Result<StandIn, Errno> {
        fork_role(|| watch(sandbox, watchdog)).map(StandIn)
    }

    /// The supervisor goes on; says which limit struck meanwhile.
    pub(crate) fn dismiss(self) -> Option<Limit> {
        let _over = pidfd_send_signal(&self.0, Signal::KILL);
        let status = usize::try_from(exit_status_of(&self.0)?).ok()?;
        Limit::ALL.get(status.checked_sub(1)?).copied()
    }
}

/// Ends with the place of the limit that struck, counted from 1.
fn watch(sandbox: &Sandbox, watchdog: &mut Watchdog) -> i32 {
    // Ends with the supervisor, as the sandbox does.
    if become_role(c"fumehood-watch", &sandbox.descriptors()).is_err() {
        end(sandbox);
        return 0;
    }
    loop {
        if let Some(struck) = watchdog.tick(Instant::now()) {
            end(sandbox);
            let place = Limit::ALL.iter().position(|limit| *limit == struck.limit);
            return place.and_then(|n| i32::try_from(n + 1).ok()).unwrap_or(0);
        }
        std::thread::sleep(watchdog.pause(Instant::now()));
    }
}

fn end(sandbox: &Sandbox) {
    sandbox.kill();
    if let Some(supervisor) = getppid() {
        let _gone = kill_process(supervisor, Signal::CONT);
    }
}
