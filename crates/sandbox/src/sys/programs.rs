//! The listener of a system call filter that tells of every program that is executed
//! (seccomp_unotify(2)).
//!
//! What is read here was asked for, not what happened: the call goes on afterwards, and a program
//! with several threads can change its arguments in between. Nothing is decided by it.

use super::linux::{check, check_int};
use crate::errno::Errno;
use crate::kernel::Result;
use std::os::fd::{AsRawFd, OwnedFd};

/// A program that is about to be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Who executes it, by the pid this process knows.
    pub pid: i32,
    /// The path, as it was given.
    pub path: Vec<u8>,
    /// The arguments; each ends with a NUL byte.
    pub arguments: Vec<u8>,
    /// Whether the arguments were longer, or could not be read to their end.
    pub cut: bool,
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A program is executed.
    Execution(Execution),
    /// Nothing, for as long as it was waited for.
    Nothing,
    /// No process is left that could execute anything.
    Over,
}

/// Hears of executions, and lets them go on.
#[derive(Debug)]
pub struct Programs(OwnedFd);

/// `_IOWR('!', 0, struct seccomp_notif)`, linux/seccomp.h.
const RECEIVE: u64 = 0xc050_2100;
/// `_IOWR('!', 1, struct seccomp_notif_resp)`.
const ANSWER: u64 = 0xc018_2101;
/// `_IOW('!', 4, __u64)`, with `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP` (Linux 6.6).
const SET_FLAGS: u64 = 0x4008_2104;
const SYNC_WAKE_UP: u64 = 1;

/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV` (Linux 5.19).
pub(super) const WAIT_KILLABLE: libc::c_ulong = 1 << 5;

/// The most arguments, and the most bytes of them, that are read.
const ARGUMENTS: usize = 512;
const BYTES: usize = 4096;
const PAGE: u64 = 4096;

impl Programs {
    /// Of this listener.
    #[must_use]
    pub fn new(listener: OwnedFd) -> Programs {
        // Whoever executes and whoever listens take turns: on one processor that is one switch.
        // SAFETY: an integer argument; older kernels answer EINVAL, and it is only slower.
        unsafe { libc::ioctl(listener.as_raw_fd(), SET_FLAGS as _, SYNC_WAKE_UP) };
        be_prompt();
        Programs(listener)
    }

    /// The next execution; waits for it, at most this many milliseconds if it is not negative.
    ///
    /// # Errors
    /// The kernel's.
    pub fn next(&self, patience: i32) -> std::result::Result<Heard, Errno> {
        loop {
            match self.wait(patience)? {
                0 => return Ok(Heard::Nothing),
                ready if ready & libc::POLLIN == 0 => return Ok(Heard::Over),
                _ => {}
            }
            // SAFETY: all-zero bytes are a valid structure of integers, and the kernel asks for them.
            let mut told: libc::seccomp_notif = unsafe { std::mem::zeroed() };
            // SAFETY: the structure lives until the call returns.
            match check_int(unsafe { libc::ioctl(self.0.as_raw_fd(), RECEIVE as _, &raw mut told) }) {
                Ok(_) => {}
                // It was killed meanwhile.
                Err(Errno::NOENT | Errno::INTR) => continue,
                Err(errno) => return Err(errno),
            }
            let execution = read(&told);
            self.let_go(told.id);
            return Ok(Heard::Execution(execution));
        }
    }

    /// What there is to hear (`POLLIN`), or that there will be nothing any more (`POLLHUP`).
    fn wait(&self, patience: i32) -> Result<libc::c_short> {
        let mut polled = libc::pollfd {
            fd: self.0.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        loop {
            // SAFETY: one structure, which lives until the call returns.
            match check_int(unsafe { libc::poll(&raw mut polled, 1, patience) }) {
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
                Ok(_) => return Ok(polled.revents),
            }
        }
    }

    /// The call goes on. Where its process was killed meanwhile there is nobody to go on.
    fn let_go(&self, id: u64) {
        let answer = libc::seccomp_notif_resp {
            id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: the structure lives until the call returns.
        unsafe { libc::ioctl(self.0.as_raw_fd(), ANSWER as _, &raw const answer) };
    }
}

/// Asks for short turns: of those who wait for a processor, who asks for little is served first
/// (Documentation/scheduler/sched-eevdf.rst, Linux 6.12). Older kernels know no such wish.
fn be_prompt() {
    /// `struct sched_attr` in its first version (linux/sched/types.h).
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    let size = std::mem::size_of::<Attributes>() as u32;
    // SAFETY: integers only; 20 less the answer is what getpriority(2) calls the nice value.
    let nice = 20 - unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) } as i32;
    let wish = Attributes {
        size,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        nice,
        priority: 0,
        runtime: 100_000, // nanoseconds, the least there is
        deadline: 0,
        period: 0,
    };
    // SAFETY: the structure has the size it says and lives until the call returns.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const wish, 0) };
}

fn read(told: &libc::seccomp_notif) -> Execution {
    let [first, second, third, ..] = told.data.args;
    let (path, list) = if i64::from(told.data.nr) == libc::SYS_execveat {
        (second, third)
    } else {
        (first, second)
    };
    let pid = told.pid as i32;
    let mut arguments = Vec::new();
    let whole = read_list(pid, list, &mut arguments);
    let mut text = Vec::new();
    let _unreadable = read_text(pid, path, &mut text);
    text.pop_if(|last| *last == 0);
    Execution {
        pid,
        path: text,
        arguments,
        cut: !whole,
    }
}

/// Reads the arguments, one after the other; no if there were more.
fn read_list(pid: i32, mut list: u64, out: &mut Vec<u8>) -> bool {
    let mut count = 0;
    while count < ARGUMENTS && list != 0 {
        // As many pointers as this page may hold.
        let mut pointers = [0u8; 256];
        let room = usize::try_from(PAGE - list % PAGE).unwrap_or(pointers.len());
        let length = room.min(pointers.len()).max(8);
        let read = pointers.get_mut(..length).and_then(|into| peek(pid, list, into));
        let read = pointers.get(..read.unwrap_or_default()).unwrap_or_default();
        let whole = read.chunks_exact(8).len();
        if whole == 0 {
            return false;
        }
        for pointer in read.chunks_exact(8) {
            match pointer.try_into().map(u64::from_ne_bytes) {
                Ok(0) => return true,
                Ok(text) if read_text(pid, text, out) => {}
                _ => return false,
            }
        }
        count += whole;
        list = match list.checked_add(8 * whole as u64) {
            Some(next) => next,
            None => return false,
        };
    }
    false
}

/// Reads one text with its NUL byte, page by page; no if it has no end within bounds.
fn read_text(pid: i32, mut at: u64, out: &mut Vec<u8>) -> bool {
    while out.len() < BYTES {
        let mut page = [0u8; 128];
        let room = usize::try_from(PAGE - at % PAGE).unwrap_or(page.len());
        let length = room.min(page.len()).min(BYTES - out.len());
        let Some(got) = page.get_mut(..length).and_then(|into| peek(pid, at, into)) else {
            return false;
        };
        let read = page.get(..got).unwrap_or_default();
        if let Some(end) = read.iter().position(|byte| *byte == 0) {
            out.extend(read.iter().take(end + 1));
            return true;
        }
        out.extend_from_slice(read);
        at = match at.checked_add(got as u64) {
            Some(next) if got > 0 => next,
            _ => return false,
        };
    }
    false
}

/// Reads another process's memory; how much was there.
fn peek(pid: i32, at: u64, into: &mut [u8]) -> Option<usize> {
    let local = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    let remote = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(usize::try_from(at).ok()?),
        iov_len: into.len(),
    };
    // SAFETY: the kernel writes at most `into.len()` bytes to `into`; the other address belongs to the
    // other process and is checked there.
    let got = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    check(got as i64).ok().and_then(|got| usize::try_from(got).ok())
}
