//! Signals as a descriptor, so that one loop waits for everything.

use super::linux::{check, check_int};
use crate::errno::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Signals that are blocked in this process and read from a descriptor.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks these signals and opens a descriptor that reports them (`signalfd`).
    ///
    /// # Errors
    /// The kernel's.
    pub fn block(signals: &[i32]) -> Result<Signals, Errno> {
        let set = set_of(signals);
        // SAFETY: the set lives until the call returns; the old mask is not asked for.
        check_int(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) })?;
        // SAFETY: as above.
        let fd =
            check_int(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })?;
        // SAFETY: the kernel opened this descriptor for us alone.
        Ok(Signals(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next signal that came, if any.
    #[must_use]
    pub fn next(&self) -> Option<i32> {
        // SAFETY: all-zero bytes are a valid signalfd_siginfo.
        let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
        let size = std::mem::size_of_val(&info);
        // SAFETY: the structure and its size belong together.
        let got = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut info).cast(), size) };
        (got == size as isize).then_some(info.ssi_signo as i32)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: all-zero bytes are storage for a set, which is emptied next.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours.
    unsafe { libc::sigemptyset(&raw mut set) };
    for signal in signals {
        // SAFETY: as above; a bad number is an ignored EINVAL.
        unsafe { libc::sigaddset(&raw mut set, *signal) };
    }
    set
}

/// Stops this process as the terminal would have; returns when it is continued.
pub fn raise_stop() {
    // SAFETY: integers only.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// Gives the command the dispositions that programs expect at start: nothing blocked, and SIGPIPE
/// at its default, which Rust's runtime had changed. What the caller had ignored stays ignored, as
/// `nohup` wants.
pub(crate) fn reset_for_child() {
    let none = set_of(&[]);
    // SAFETY: SIG_DFL is a valid handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    // SAFETY: the set lives until the call returns.
    let _never_fails = check(i64::from(unsafe {
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut())
    }));
}

/// Whether another process group than the caller's has this terminal; not, where it has none. A group that is not of
/// the caller's pid namespace is 0, its own too (getpgrp(2)): a container's first program has such a one.
#[must_use]
pub fn in_background(terminal: BorrowedFd<'_>) -> bool {
    // SAFETY: takes nothing.
    let own = unsafe { libc::getpgrp() };
    // SAFETY: takes a descriptor that is open.
    let front = unsafe { libc::tcgetpgrp(terminal.as_raw_fd()) };
    front >= 0 && front != own
}
