//! Calls that need machine code or structures: other ABIs, clone3, shared memory by key.

use crate::errno::check;
use crate::{Probe, Reached, int};
use std::ffi::OsString;

pub(crate) const PROBES: &[(&str, Probe)] = &[
    ("child_namespaces", child_namespaces),
    ("landlock_version", landlock_version),
    ("shared_memory", shared_memory),
    ("user_ids", user_ids),
    #[cfg(target_arch = "x86_64")]
    ("compat", compat),
    #[cfg(target_arch = "x86_64")]
    ("x32", x32),
];

/// `compat NUMBER`: a call by the 32-bit gate, without arguments.
#[cfg(target_arch = "x86_64")]
fn compat(arguments: &[OsString]) -> Reached {
    let mut answer = i64::from(int(arguments, 0));
    // SAFETY: the kernel's 32-bit gate changes rax, and r8 to r11; the call takes no argument.
    // rbx holds the first one, and the compiler keeps it for itself, so it is left as it is.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") answer, lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _);
    }
    answered(i64::from(answer as i32))
}

/// `x32 NUMBER`: a call with the x32 bit in its number.
#[cfg(target_arch = "x86_64")]
fn x32(arguments: &[OsString]) -> Reached {
    const X32: i64 = 0x4000_0000;
    // SAFETY: the tests name calls that take no argument.
    check(unsafe { libc::syscall(X32 | i64::from(int(arguments, 0))) }).map(|n| n.to_string())
}

#[cfg(target_arch = "x86_64")]
fn answered(raw: i64) -> Reached {
    if (-4095..0).contains(&raw) {
        Err(crate::errno::Errno(-raw as i32))
    } else {
        Ok(raw.to_string())
    }
}

/// `child_namespaces FLAGS`: a child in new namespaces, by `clone`.
fn child_namespaces(arguments: &[OsString]) -> Reached {
    let flags = i64::from(int(arguments, 0)) | i64::from(libc::SIGCHLD);
    // SAFETY: without a stack and without CLONE_VM this is a fork; this program has one thread.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    if pid == 0 {
        // SAFETY: ends the child; nothing of it is to be flushed.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: a child of ours; no status is asked for.
    unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), 0) };
    Ok("made".to_owned())
}

/// `landlock_version`: 0 where there is none.
fn landlock_version(_: &[OsString]) -> Reached {
    // SAFETY: asking for the version takes no structure.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) };
    Ok(version.max(0).to_string())
}

/// `shared_memory KEY MAKE`: opens (`0`), makes (`1`) or removes (`2`) a segment by its key.
fn shared_memory(arguments: &[OsString]) -> Reached {
    let flags = if int(arguments, 1) == 1 {
        libc::IPC_CREAT | libc::IPC_EXCL | 0o666
    } else {
        0
    };
    // SAFETY: integers only.
    let id = check(unsafe { libc::shmget(int(arguments, 0), 4096, flags) })?;
    if int(arguments, 1) == 2 {
        // SAFETY: removing takes no structure.
        check(unsafe { libc::shmctl(id as i32, libc::IPC_RMID, std::ptr::null_mut()) })?;
    }
    Ok("reached".to_owned())
}

/// `user_ids`: real, effective and saved user.
fn user_ids(_: &[OsString]) -> Reached {
    let (mut real, mut effective, mut saved) = (0, 0, 0);
    // SAFETY: three places for three numbers.
    check(unsafe { libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved) })?;
    Ok(format!("{real} {effective} {saved}"))
}
