//! A process that is nobody's child here, by a descriptor of its own (pidfd): its parent, and how it ended.
//!
//! Since Linux 6.13 the descriptor tells the parent, since 6.15 the status of a process that its parent has waited for
//! (`PIDFD_GET_INFO`, include/uapi/linux/pidfd.h). Older kernels tell neither.

use super::linux::{check, check_int};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A process. Its number may be another's when it is over; this never is.
#[derive(Debug)]
pub struct Process(OwnedFd);

/// What became of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// It runs, or is over and its parent did not look yet.
    Running,
    /// It ended by itself, with this status.
    Exited(u8),
    /// This signal ended it.
    Killed(u8),
    /// It is over, and the kernel does not say how.
    Gone,
}

/// `struct pidfd_info`, its first version.
#[repr(C)]
struct Info {
    mask: u64,
    control_group: u64,
    pid: u32,
    thread_group: u32,
    parent: u32,
    ids: [u32; 8],
    status: i32,
}

const PID: u64 = 1;
const EXIT: u64 = 1 << 3;
/// `_IOWR(0xFF, 11, struct pidfd_info)`
const GET_INFO: u64 = 0xc040_ff0b;

impl Process {
    /// The process of this number; none where it is over, is a thread, or no descriptor is left.
    pub(super) fn open(pid: i32) -> Option<Process> {
        // SAFETY: integers only.
        let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) }).ok()?;
        // SAFETY: the kernel opened this descriptor for us alone.
        Some(Process(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).ok()?) }))
    }

    /// Its parent; none where the kernel does not say.
    pub(super) fn parent(&self) -> Option<i32> {
        let info = self.info()?;
        i32::try_from(info.parent).ok().filter(|_| info.mask & PID != 0)
    }

    /// What became of it.
    #[must_use]
    pub fn became(&self) -> Became {
        match self.info() {
            Some(info) if info.mask & EXIT != 0 => of_status(info.status),
            Some(_) => Became::Running,
            None => Became::Gone,
        }
    }

    fn info(&self) -> Option<Info> {
        let mut info = Info {
            mask: PID | EXIT,
            control_group: 0,
            pid: 0,
            thread_group: 0,
            parent: 0,
            ids: [0; 8],
            status: 0,
        };
        // SAFETY: the structure has the size that the number of the request says, and lives until the call returns.
        check_int(unsafe { libc::ioctl(self.0.as_raw_fd(), GET_INFO as _, &raw mut info) }).ok()?;
        Some(info)
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// As wait(2) gives it: a signal in the lower seven bits, else the status above them.
fn of_status(status: i32) -> Became {
    let [low, high, ..] = status.to_le_bytes();
    match low & 0x7f {
        0 => Became::Exited(high),
        signal => Became::Killed(signal),
    }
}

#[cfg(test)]
mod tests {
    use super::{Became, Process, of_status};

    #[test]
    fn a_status_is_read_as_wait_gives_it() {
        assert_eq!(of_status(0), Became::Exited(0));
        assert_eq!(of_status(7 << 8), Became::Exited(7));
        assert_eq!(of_status(9), Became::Killed(9));
        assert_eq!(of_status(11 | 0x80), Became::Killed(11), "with a core file");
    }

    /// A kernel that tells it, or one that tells nothing: never something else.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a child to look at")]
    fn a_process_is_running_until_it_was_waited_for() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "read x; exit 7"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let process = Process::open(pid).unwrap();
        let told = process.parent();
        let mine = i32::try_from(std::process::id()).unwrap();
        assert!(told.is_none_or(|parent| parent == mine), "{told:?}");
        let running = if told.is_some() {
            Became::Running
        } else {
            Became::Gone
        };
        assert_eq!(process.became(), running);
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(7));
        let ended = process.became();
        assert!([Became::Exited(7), Became::Gone].contains(&ended), "{ended:?}");
        assert!(Process::open(0).is_none());
    }
}
