//! Reaching other processes, and outliving one's own.

use crate::errno::{Errno, check};
use crate::{Probe, Reached, c_word, int, word};
use std::ffi::{CString, OsString};
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

pub(crate) const PROBES: &[(&str, Probe)] = &[
    ("daemon", daemon),
    ("exec_from_memory", exec_from_memory),
    ("fowner", fowner),
    ("namespace_parent", namespace_parent),
    ("pidfd_signal", pidfd_signal),
    ("process_vm_readv", process_vm_readv),
    ("session", session),
    ("signal_everyone", signal_everyone),
    ("zombies", zombies),
];

/// `daemon MARK`: forks twice into a session of its own, ignores every polite signal, and stays for
/// half a minute under the name MARK. The first process leaves at once.
fn daemon(arguments: &[OsString]) -> Reached {
    if fork()? != 0 {
        return Ok("left behind".to_owned());
    }
    // SAFETY: takes nothing.
    check(unsafe { libc::setsid() })?;
    if fork()? != 0 {
        leave();
    }
    for signal in 1..32 {
        // SAFETY: to ignore a signal is no handler that could run; SIGKILL and SIGSTOP refuse.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // SAFETY: integers only. The caller's streams must not keep its reader waiting.
    unsafe { libc::close_range(0, 2, 0) };
    let name = c_word(arguments, 0);
    // SAFETY: the name ends in NUL and outlives the call.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    std::thread::sleep(Duration::from_secs(30));
    leave()
}

fn fork() -> Result<i32, Errno> {
    // SAFETY: this program has one thread, so the child may go on as the parent would.
    check(unsafe { libc::fork() }).map(|pid| pid as i32)
}

fn leave() -> ! {
    // SAFETY: ends this process; nothing of it is to be flushed.
    unsafe { libc::_exit(0) }
}

/// `zombies N`: N orphans that end at once; how many stay unreaped a moment later.
fn zombies(arguments: &[OsString]) -> Reached {
    for _ in 0..int(arguments, 0) {
        let parent = fork()?;
        if parent == 0 {
            if fork()? == 0 {
                std::thread::sleep(Duration::from_millis(20));
            }
            leave();
        }
        // SAFETY: a child of ours; no status is asked for.
        unsafe { libc::waitpid(parent, std::ptr::null_mut(), 0) };
    }
    std::thread::sleep(Duration::from_millis(500));
    let mut dead = 0;
    for entry in std::fs::read_dir("/proc")? {
        let status = std::fs::read_to_string(entry?.path().join("status")).unwrap_or_default();
        dead += i32::from(status.contains("State:\tZ"));
    }
    Ok(dead.to_string())
}

/// `pidfd_signal PID SIGNAL`
fn pidfd_signal(arguments: &[OsString]) -> Reached {
    // SAFETY: integers only.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, int(arguments, 0), 0) })?;
    // SAFETY: no information structure is given.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, int(arguments, 1), 0, 0) })?;
    Ok("signalled".to_owned())
}

/// `signal_everyone SIGNAL`: kill(-1), to all this process may signal; its parents inside included.
fn signal_everyone(arguments: &[OsString]) -> Reached {
    // SAFETY: integers only.
    check(unsafe { libc::kill(-1, int(arguments, 0)) })?;
    Ok("signalled".to_owned())
}

/// `fowner PID`: has the kernel send SIGIO, which ends a process, when a pipe becomes readable.
fn fowner(arguments: &[OsString]) -> Reached {
    let (reader, mut writer) = std::io::pipe()?;
    let fd = reader.as_raw_fd();
    // SAFETY: integers only, on an open descriptor.
    check(unsafe { libc::fcntl(fd, libc::F_SETOWN, int(arguments, 0)) })?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_ASYNC) })?;
    writer.write_all(b"x")?;
    Ok("armed".to_owned())
}

/// `process_vm_readv PID`: its first mapped page, at the address that its `maps` would tell; 0 does
/// where the call itself is refused.
fn process_vm_readv(arguments: &[OsString]) -> Reached {
    let pid = int(arguments, 0);
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let first = maps
        .split('-')
        .next()
        .and_then(|a| usize::from_str_radix(a, 16).ok())
        .unwrap_or(0);
    let mut bytes = [0u8; 16];
    let local = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let remote = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(first),
        iov_len: bytes.len(),
    };
    // SAFETY: the local vector describes `bytes`; the remote address is of another process.
    check(unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) } as i64)
        .map(|n| format!("read {n} bytes"))
}

/// `namespace_parent KIND`: climbs from a namespace of its own to the one around it.
fn namespace_parent(arguments: &[OsString]) -> Reached {
    const NS_GET_PARENT: libc::c_ulong = 0xb702;
    let kind = word(arguments, 0).to_string_lossy().into_owned();
    let own = std::fs::File::open(format!("/proc/self/ns/{kind}"))?;
    // SAFETY: an open descriptor; this request takes no argument.
    check(unsafe { libc::ioctl(own.as_raw_fd(), NS_GET_PARENT) })?;
    Ok("reached the parent".to_owned())
}

/// `session`: the session's number, and whether this process leads it.
fn session(_: &[OsString]) -> Reached {
    // SAFETY: integers only.
    let session = check(unsafe { libc::getsid(0) })?;
    Ok(session.to_string())
}

/// `exec_from_memory PROGRAM ARG…`: copies a program into memory and runs it from there, so that no
/// path names it.
fn exec_from_memory(arguments: &[OsString]) -> Reached {
    let name = CString::new("x").unwrap_or_default();
    // SAFETY: the name ends in NUL and outlives the call.
    let fd = check(unsafe { libc::memfd_create(name.as_ptr(), 0) })?;
    // SAFETY: made above, owned by nobody else.
    let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let mut memory = std::fs::File::from(fd);
    memory.write_all(&std::fs::read(word(arguments, 0))?)?;
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    let mut command = Command::new(std::ffi::OsStr::from_bytes(path.as_bytes()));
    Err(command.args(&arguments[1..]).exec().into())
}
