//! User namespaces and their id mappings; signals by pidfd.

use super::fork::Cloned;
use super::linux::check;
use crate::errno::Errno;
use crate::kernel::Result;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One user and one group, inside and outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdMapping {
    pub(crate) inside: (u32, u32),
    pub(crate) outside: (u32, u32),
}

impl IdMapping {
    /// The lines for `uid_map` and `gid_map` (user_namespaces(7)).
    pub(crate) fn lines(self) -> (String, String) {
        let line = |inside, outside| format!("{inside} {outside} 1\n");
        (
            line(self.inside.0, self.outside.0),
            line(self.inside.1, self.outside.1),
        )
    }

    /// Writes the mapping of another process's user namespace; takes privilege over ours.
    pub(crate) fn write_for(self, pid: i32) -> std::io::Result<()> {
        let (uid, gid) = self.lines();
        std::fs::write(format!("/proc/{pid}/uid_map"), uid)?;
        std::fs::write(format!("/proc/{pid}/gid_map"), gid)
    }
}

/// A user namespace that exists only to map the owners of a mount (`MOUNT_ATTR_IDMAP`): held by a
/// child that does nothing, until the descriptor is open.
pub(crate) fn namespace_with_mapping(mapping: IdMapping) -> std::io::Result<OwnedFd> {
    let (hold, held) = super::packet_pair()?;
    match clone_user_namespace()? {
        Cloned::Child => {
            drop(hold);
            // Waits for the parent's end to close.
            let _ended = super::receive(crate::kernel::Fd(held.as_raw_fd()), 0);
            super::exit_now(0)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(held);
            let opened = mapping
                .write_for(pid)
                .and_then(|()| std::fs::File::open(format!("/proc/{pid}/ns/user")))
                .map(OwnedFd::from);
            drop(hold);
            wait_pidfd(pidfd.as_fd());
            opened
        }
    }
}

fn clone_user_namespace() -> Result<Cloned> {
    // A fork, then a namespace of its own: no time is lost, the child does nothing else.
    match clone_sandbox_with_user()? {
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: integers only; the child is ours and not yet reaped.
            let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
            // SAFETY: the kernel opened this descriptor for us alone.
            let pidfd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
            Ok(Cloned::Parent { pid, pidfd })
        }
    }
}

fn clone_sandbox_with_user() -> Result<i32> {
    let flags = (libc::CLONE_NEWUSER | libc::SIGCHLD) as i64;
    let none = 0i64;
    // SAFETY: a fork of a single-threaded process, as in `fork::clone_sandbox`.
    check(unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) }).map(|p| p as i32)
}

/// Waits until a child has ended, and reaps it. Interrupted waits are begun again.
pub(crate) fn wait_pidfd(pidfd: BorrowedFd<'_>) {
    let _signalled = wait_pidfd_status(pidfd);
}

/// As above; the status it ended with, `None` where a signal ended it.
pub(crate) fn wait_pidfd_status(pidfd: BorrowedFd<'_>) -> Option<i32> {
    // SAFETY: all-zero bytes are a valid siginfo.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        let number = pidfd.as_raw_fd() as u32;
        // SAFETY: the structure lives until the call returns.
        let done = unsafe { libc::waitid(libc::P_PIDFD, number, &raw mut info, libc::WEXITED) };
        if done == 0 {
            break;
        }
        if Errno::last() != Errno::INTR {
            return None;
        }
    }
    // SAFETY: waitid succeeded, so this is what it tells of a child.
    let status = unsafe { info.si_status() };
    (info.si_code == libc::CLD_EXITED).then_some(status)
}

/// Sends a signal to the process behind a pidfd.
///
/// # Errors
/// `ESRCH` where the process is gone.
pub(crate) fn pidfd_signal(pidfd: BorrowedFd<'_>, signal: i32) -> std::result::Result<(), Errno> {
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo means an ordinary kill.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info, 0) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_one_line_a_kind() {
        let m = IdMapping {
            inside: (1000, 100),
            outside: (5, 6),
        };
        assert_eq!(m.lines(), ("1000 5 1\n".to_owned(), "100 6 1\n".to_owned()));
    }
}
