//! The environment this process was started with, as bytes in its memory.

use super::fork::threads;
use crate::errno::Errno;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

unsafe extern "C" {
    static environ: *const *mut libc::c_char;
}

/// Overwrites a text up to its end.
///
/// # Safety
/// It is NUL-terminated, in writable memory, and nobody else uses it.
unsafe fn wipe(mut at: *mut libc::c_char) {
    // SAFETY: the caller's contract; volatile so that it is really done.
    while unsafe { at.read() } != 0 {
        // SAFETY: as above, before the terminator.
        unsafe { at.write_volatile(0) };
        // SAFETY: at most one past the terminator.
        at = unsafe { at.add(1) };
    }
}

/// Overwrites the value of a variable in this process's memory and in `/proc/PID/environ`, and takes the
/// variable out of the environment: what forks from it later does not have it either. Copies that were made of
/// it before are not found.
///
/// # Errors
/// This process has more than one thread, another of which could be reading the environment.
pub fn forget_variable(name: &OsStr) -> Result<(), Errno> {
    if threads() != Some(1) {
        return Err(Errno(libc::EBUSY));
    }
    let Ok(name) = CString::new(name.as_bytes()) else {
        return Ok(()); // no variable has this name
    };
    for_each(|entry| {
        // SAFETY: entries are NUL-terminated.
        let text = unsafe { std::ffi::CStr::from_ptr(entry) }.to_bytes();
        let value = text
            .strip_prefix(name.as_bytes())
            .filter(|rest| rest.first() == Some(&b'='));
        if let Some(value) = value {
            let at = text.len() - value.len() + 1;
            // SAFETY: within the entry.
            let value = unsafe { entry.add(at) };
            // SAFETY: it lies on the stack that the kernel filled, or where `setenv` put it: writable either way.
            // No reference to it is held: the standard library copies.
            unsafe { wipe(value) };
        }
    });
    // SAFETY: a NUL-terminated name; this process has one thread, so nobody else uses the environment.
    unsafe { libc::unsetenv(name.as_ptr()) };
    Ok(())
}

/// Overwrites this process's copy of the environment it was started with. The first process of a
/// sandbox is a fork of the supervisor, and whatever reads its memory or `/proc/1/environ` finds
/// nothing there: bubblewrap's pid 1 keeps the host's (research/escapes.md §3.1).
pub(crate) fn wipe_environment() {
    for_each(|entry| {
        // SAFETY: NUL-terminated, in writable memory, and nobody else uses it: this process has one thread.
        unsafe { wipe(entry) };
    });
}

/// Every text of the environment, each `NAME=value`. Only for a process with one thread.
fn for_each(mut visit: impl FnMut(*mut libc::c_char)) {
    // SAFETY: the C library's list of texts; nobody changes it meanwhile.
    let mut entry = unsafe { environ };
    while !entry.is_null() {
        // SAFETY: entries up to the null one are valid.
        let text = unsafe { *entry };
        if text.is_null() {
            return;
        }
        visit(text);
        // SAFETY: the list ends with a null entry, which has not been reached.
        entry = unsafe { entry.add(1) };
    }
}
