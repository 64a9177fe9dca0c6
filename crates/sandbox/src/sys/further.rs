//! What the first process needs to start further programs.

use super::linux::check_int;
use crate::kernel::{Fd, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The lowest number for a descriptor that must not be one of the standard streams, the control socket or
/// the terminal.
const FREE: i32 = 5;

/// A copy of a descriptor above all that have a fixed number, closed on exec.
pub(crate) fn out_of_the_way(fd: &OwnedFd) -> Result<OwnedFd> {
    // SAFETY: integers only.
    let copy = check_int(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FREE) })?;
    // SAFETY: the kernel opened this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Takes what [`crate::kernel::Kernel::open_terminal`] opened as one's own.
pub(crate) fn own(fd: Fd) -> OwnedFd {
    debug_assert!(fd.0 >= 0, "a descriptor that was opened");
    // SAFETY: the kernel opened it for the caller, who names it nowhere else.
    unsafe { OwnedFd::from_raw_fd(fd.0) }
}

/// Gives a terminal its size. One that refuses keeps what it has.
pub(crate) fn set_size(terminal: &OwnedFd, rows: u16, columns: u16) {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCSWINSZ reads one structure, which lives until the call returns.
    unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
}

/// A session of its own, with a process group of its own: no terminal of another program controls it.
pub(crate) fn lead_session() {
    // SAFETY: takes nothing; a new child leads no group, so it is not refused.
    unsafe { libc::setsid() };
}
