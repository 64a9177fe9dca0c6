//! Making processes.

use super::linux::check;
use crate::errno::Errno;
use crate::kernel::Result;
use std::ffi::{CStr, c_long};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `struct clone_args` up to Linux 5.7 (`CLONE_ARGS_SIZE_VER2`).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a fork returned.
pub(crate) enum Cloned {
    Parent { pid: i32, pidfd: OwnedFd },
    Child,
}

/// One `clone3` into all namespaces, or, without them, a plain fork with a pidfd: by `clone`, because
/// container engines' filters answer `clone3` with ENOSYS.
pub(crate) fn clone_sandbox(namespaces: bool, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned> {
    if !namespaces && cgroup.is_none() {
        return fork_with_pidfd();
    }
    let mut pidfd: i32 = -1;
    let mut args = CloneArgs {
        flags: libc::CLONE_PIDFD as u64 | if namespaces { NAMESPACES } else { 0 },
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(group) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = group.as_raw_fd() as u64;
    }
    let size = std::mem::size_of::<CloneArgs>();
    // SAFETY: without CLONE_VM this is a fork: the child runs on a copy of this memory. The process
    // is single-threaded, so no lock is held by a thread that the child lacks. The structures live
    // until the call returns.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: the kernel opened this descriptor for us alone.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned::Parent {
        pid: pid as i32,
        pidfd,
    })
}

fn fork_with_pidfd() -> Result<Cloned> {
    let mut pidfd: i32 = -1;
    let flags = c_long::from(libc::CLONE_PIDFD | libc::SIGCHLD);
    let none: c_long = 0;
    // SAFETY: a fork, as above; with CLONE_PIDFD the third argument, on every architecture, is where
    // the descriptor goes, and it lives until the call returns.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone, flags, none, &raw mut pidfd, none, none) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: the kernel opened this descriptor for us alone.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned::Parent {
        pid: pid as i32,
        pidfd,
    })
}

/// Room for the calls between a new process and its program.
const COMMAND_STACK: usize = 64 * 1024;
/// A stack of its own, aligned as the ABI wants.
#[repr(align(16))]
struct Stack([std::mem::MaybeUninit<u8>; COMMAND_STACK]);

/// Starts a process that runs `command`, which executes another program or returns a status to end
/// with. It shares this process's memory meanwhile, which waits until then (`CLONE_VFORK`): copying
/// page tables for so short a life would be a good part of what starting a sandbox costs.
pub(crate) fn start_command(command: &mut dyn FnMut() -> i32) -> Result<i32> {
    type Role<'a> = &'a mut dyn FnMut() -> i32;
    extern "C" fn run(role: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the pointer below, to a role that lives until the parent goes on.
        let role = unsafe { &mut *role.cast::<Role<'_>>() };
        // Not a return: the C library would run nothing of ours after it either way.
        exit_now(role())
    }
    let mut stack = Stack([std::mem::MaybeUninit::uninit(); COMMAND_STACK]);
    let top = stack.0.as_mut_ptr_range().end;
    let mut role: Role<'_> = command;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the parent does not run before the child has left this memory (CLONE_VFORK), so the
    // stack, the role and the C library's state have one user at a time. Descriptors, signal handlers
    // and the working directory are copies, since the flags that would share them are not set.
    check(c_long::from(unsafe {
        libc::clone(run, top.cast(), flags, (&raw mut role).cast())
    }))
    .map(|p| p as i32)
}

/// Ends this process at once, running no destructor and no exit handler.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(status) }
}

/// A child of this process that changed state.
pub(crate) enum Waited {
    Exited {
        pid: i32,
        code: i32,
    },
    Killed {
        pid: i32,
        signal: i32,
    },
    Stopped {
        pid: i32,
        signal: i32,
    },
    /// Children there are, but none has anything to say.
    Nothing,
    /// No children at all.
    NoChildren,
}

/// Reaps one child without waiting.
pub(crate) fn wait_any() -> Waited {
    let mut status = 0;
    // SAFETY: status lives until the call returns.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
    match pid {
        0 => Waited::Nothing,
        p if p < 0 => Waited::NoChildren,
        pid if libc::WIFEXITED(status) => Waited::Exited {
            pid,
            code: libc::WEXITSTATUS(status),
        },
        pid if libc::WIFSIGNALED(status) => Waited::Killed {
            pid,
            signal: libc::WTERMSIG(status),
        },
        pid => Waited::Stopped {
            pid,
            signal: libc::WSTOPSIG(status),
        },
    }
}

/// Forks a helper process of our own (terminal relay, janitor) that runs `role` and ends with its
/// status. Returns the helper's pidfd.
///
/// # Errors
/// `fork` failed, or this process has more than one thread: a helper forked then could wait for
/// ever for a lock that a lost thread held.
pub fn fork_role(role: impl FnOnce() -> i32) -> std::result::Result<OwnedFd, Errno> {
    fork_process(role).map(|(_, pidfd)| pidfd)
}

fn fork_process(role: impl FnOnce() -> i32) -> std::result::Result<(i32, OwnedFd), Errno> {
    if threads() != Some(1) {
        return Err(Errno(libc::EBUSY));
    }
    match clone_sandbox(false, None)? {
        Cloned::Parent { pid, pidfd } => Ok((pid, pidfd)),
        Cloned::Child => {
            let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(role)).unwrap_or(125);
            exit_now(status)
        }
    }
}

/// As [`fork_role`], for a helper that is to hold none of this process's descriptors but the standard
/// streams and `kept`, which it gets: the supervisor's control socket in another process would hide its
/// death. Returns the helper's pid, too.
///
/// # Errors
/// As [`fork_role`].
pub fn fork_role_with(
    kept: Vec<OwnedFd>,
    role: impl FnOnce(Vec<OwnedFd>) -> i32,
) -> std::result::Result<(i32, OwnedFd), Errno> {
    fork_process(|| match close_all_but(&kept) {
        Ok(()) => role(kept),
        Err(_) => 125,
    })
}

/// Closes every descriptor above 2 but these. Only in a process that ends without running the
/// destructors of what it was forked from.
fn close_all_but(kept: &[OwnedFd]) -> Result<()> {
    let mut numbers: Vec<i32> = kept.iter().map(|fd| fd.as_raw_fd()).collect();
    numbers.sort_unstable();
    let mut first = 3;
    for kept in numbers.into_iter().chain([i32::MAX]) {
        if first < kept {
            // SAFETY: integers only; whoever owns these numbers runs in the other process.
            check(unsafe { libc::syscall(libc::SYS_close_range, first, kept - 1, 0) })?;
        }
        first = first.max(kept.saturating_add(1));
    }
    Ok(())
}

/// Waits until a process made by [`fork_role`] has ended, and reaps it.
pub fn wait_for(role: BorrowedFd<'_>) {
    super::wait_pidfd(role);
}

/// Waits as [`wait_for`] does; the status the process ended with, `None` where a signal ended it.
pub fn exit_status_of(role: impl std::os::fd::AsFd) -> Option<i32> {
    super::wait_pidfd_status(role.as_fd())
}

/// How many threads this process has; the link count of its task folder less the two it has empty.
pub(super) fn threads() -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/task")
        .ok()
        .map(|m| m.nlink().saturating_sub(2))
}

/// Names this process in `ps`, at most 15 bytes.
pub fn set_process_name(name: &CStr) {
    // SAFETY: a NUL-terminated string of which the kernel copies at most 16 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}
