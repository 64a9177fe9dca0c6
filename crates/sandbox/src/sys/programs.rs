//! The listener of a system call filter that tells of every program that is executed
//! (seccomp_unotify(2)).
//!
//! What is read here was asked for, not what happened: the call goes on afterwards, and a program
//! with several threads can change its arguments in between. Nothing is decided by it.

use super::linux::{check, check_int};
use super::process::Process;
use crate::errno::Errno;
use crate::kernel::Result;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// A program that is about to be executed.
#[derive(Debug)]
pub struct Execution {
    /// Who executes it, by the pid this process knows.
    pub pid: i32,
    /// The same, when its pid may be another's; none where a thread executes it, or no descriptor was left.
    pub process: Option<Process>,
    /// Its parent, where the kernel tells it.
    pub parent: Option<i32>,
    /// The path, as it was given.
    pub path: Vec<u8>,
    /// The arguments; each ends with a NUL byte.
    pub arguments: Vec<u8>,
    /// The directory it is executed in, if that may be read.
    pub directory: Option<PathBuf>,
    /// Whether the arguments were longer, or could not be read to their end.
    pub cut: bool,
}

/// What a listener hears.
#[derive(Debug)]
pub enum Heard {
    /// A program is executed.
    Execution(Box<Execution>),
    /// One of the processes that were also waited for is over, and its parent has looked.
    Ended,
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

    /// The next execution; waits for it, at most this many milliseconds if it is not negative, or for the end of one of
    /// these processes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn next(&self, patience: i32, running: &[BorrowedFd<'_>]) -> std::result::Result<Heard, Errno> {
        loop {
            match self.wait(patience, running)? {
                (0, true) => return Ok(Heard::Ended),
                (0, false) => return Ok(Heard::Nothing),
                (ready, _) if ready & libc::POLLIN == 0 => return Ok(Heard::Over),
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
            return Ok(Heard::Execution(Box::new(execution)));
        }
    }

    /// What there is to hear (`POLLIN`), or that there will be nothing any more (`POLLHUP`), and whether a process ended.
    fn wait(&self, patience: i32, running: &[BorrowedFd<'_>]) -> Result<(libc::c_short, bool)> {
        let of = |fd, events| libc::pollfd {
            fd,
            events,
            revents: 0,
        };
        let mut listener = [of(self.0.as_raw_fd(), libc::POLLIN)];
        let mut several = Vec::new();
        let polled = if running.is_empty() {
            &mut listener[..]
        } else {
            several.extend(listener);
            // That it was waited for is told unasked, as a line that was hung up (fs/pidfs.c).
            several.extend(running.iter().map(|process| of(process.as_raw_fd(), 0)));
            &mut several[..]
        };
        loop {
            let count = polled.len() as libc::nfds_t;
            // SAFETY: so many structures, which live until the call returns.
            match check_int(unsafe { libc::poll(polled.as_mut_ptr(), count, patience) }) {
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
                Ok(_) => break,
            }
        }
        let mut ready = polled.iter().map(|one| one.revents);
        let heard = ready.next().unwrap_or_default();
        Ok((heard, ready.any(|revents| revents != 0)))
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
    let mut text = Vec::new();
    // The path, and as many pointers as a page may hold.
    let mut begun = peek_all(pid, &[path, list]);
    let (begun, pointers) = (begun.next().unwrap_or_default(), begun.next().unwrap_or_default());
    if !take_text(&begun, &mut text) {
        let _unreadable = read_text(pid, path, &mut text);
    }
    text.pop_if(|last| *last == 0);
    let whole = read_list(pid, list, pointers, &mut arguments);
    // While it waits for its answer its number is its own.
    let process = Process::open(pid);
    Execution {
        pid,
        parent: process.as_ref().and_then(Process::parent),
        process,
        path: text,
        arguments,
        directory: std::fs::read_link(format!("/proc/{pid}/cwd")).ok(),
        cut: !whole,
    }
}

/// Reads the arguments, one after the other, the first of their pointers if they were read already; no if there were more.
fn read_list(pid: i32, mut list: u64, begun: Vec<u8>, out: &mut Vec<u8>) -> bool {
    let mut count = 0;
    let mut begun = Some(begun);
    while count < ARGUMENTS && list != 0 {
        let mut pointers = [0u8; 256];
        let there = begun.take().filter(|begun| begun.len() >= 8);
        let read = match &there {
            Some(begun) => begun.as_slice(),
            None => {
                let room = usize::try_from(PAGE - list % PAGE).unwrap_or(pointers.len());
                let length = room.min(pointers.len()).max(8);
                let read = pointers.get_mut(..length).and_then(|into| peek(pid, list, into));
                pointers.get(..read.unwrap_or_default()).unwrap_or_default()
            }
        };
        let whole = read.chunks_exact(8).len();
        if whole == 0 {
            return false;
        }
        let pointers = read.chunks_exact(8);
        let pointers: Vec<u64> = pointers
            .filter_map(|pointer| pointer.try_into().map(u64::from_ne_bytes).ok())
            .collect();
        let texts = pointers.split(|pointer| *pointer == 0).next().unwrap_or_default();
        let begun = peek_all(pid, texts);
        for (text, begun) in texts.iter().zip(begun) {
            if !take_text(&begun, out) && !read_text(pid, *text, out) {
                return false;
            }
        }
        if texts.len() < pointers.len() {
            return true;
        }
        count += whole;
        list = match list.checked_add(8 * whole as u64) {
            Some(next) => next,
            None => return false,
        };
    }
    false
}

/// Takes a text that is there with its NUL byte; no, and nothing is taken, where it has no end within bounds.
fn take_text(begun: &[u8], out: &mut Vec<u8>) -> bool {
    let end = begun.iter().position(|byte| *byte == 0);
    let text = end.and_then(|end| begun.get(..=end));
    let fits = text.filter(|text| out.len() + text.len() <= BYTES);
    out.extend_from_slice(fits.unwrap_or_default());
    fits.is_some()
}

/// How much of a text is read at first.
const BEGUN: usize = 128;
/// The most texts that are read at once: as many as pointers are.
const AT_ONCE: usize = 32;

/// Reads the beginnings of several texts with one call; of those after one that cannot be read, nothing.
fn peek_all(pid: i32, texts: &[u64]) -> impl Iterator<Item = Vec<u8>> + use<> {
    let mut bytes = [0u8; BEGUN * AT_ONCE];
    let texts = texts.get(..AT_ONCE).unwrap_or(texts);
    let lengths: Vec<usize> = texts
        .iter()
        .map(|at| usize::try_from(PAGE - at % PAGE).map_or(BEGUN, |room| room.min(BEGUN)))
        .collect();
    let remote: Vec<libc::iovec> = texts
        .iter()
        .zip(&lengths)
        .map(|(at, length)| libc::iovec {
            iov_base: std::ptr::without_provenance_mut(usize::try_from(*at).unwrap_or_default()),
            iov_len: *length,
        })
        .collect();
    let local = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: lengths.iter().sum(),
    };
    // SAFETY: the kernel writes at most `iov_len` bytes to `bytes`, which is longer: at most `AT_ONCE` times `BEGUN`; the
    // other addresses belong to the other process and are checked there.
    let got = unsafe {
        libc::process_vm_readv(
            pid,
            &raw const local,
            1,
            remote.as_ptr(),
            remote.len() as libc::c_ulong,
            0,
        )
    };
    let mut left = check(got as i64)
        .ok()
        .and_then(|got| usize::try_from(got).ok())
        .unwrap_or_default();
    let mut at = 0;
    lengths.into_iter().map(move |length| {
        let here = length.min(left);
        let text = bytes.get(at..at + here).unwrap_or_default().to_vec();
        at += length;
        left -= here;
        text
    })
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
