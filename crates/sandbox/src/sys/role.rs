//! What a helper process of our own gives up before it meets anything hostile.

use super::linux::{CAPABILITY_VERSION_3, CapabilityData, CapabilityHeader, check, check_int};
use crate::errno::Errno;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Becomes a helper process: its name in `ps`, no descriptor but these (and the standard ones, which lead
/// nowhere), not traceable, no core file, gone when the supervisor is.
///
/// # Errors
/// One of them was refused.
pub fn become_role(name: &CStr, keep: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    super::set_process_name(name);
    super::die_with_parent();
    silence_standard()?;
    give_up(keep)
}

/// No descriptor but these and the standard ones, not traceable, no core file. Values that own another
/// descriptor must not be dropped afterwards.
///
/// # Errors
/// One of them was refused.
pub fn give_up(keep: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    prctl(libc::PR_SET_DUMPABLE, 0)?;
    let no_core = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure lives until the call returns.
    check_int(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core) })?;
    close_others(keep)
}

/// Of the capabilities of this process those of `kept` (a bit each, by their numbers) stay. Where no new privileges are
/// granted none comes back.
pub(crate) fn keep_capabilities(kept: u64) -> Result<(), Errno> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let mut sets = [CapabilityData::default(); 2];
    // SAFETY: version 3 writes two data structures; both and the header live until the call returns.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) })?;
    for (set, kept) in sets.iter_mut().zip([kept as u32, (kept >> 32) as u32]) {
        set.effective &= kept;
        set.permitted &= kept;
        set.inheritable = 0; // and with it the ambient ones
    }
    // SAFETY: as above; they are read.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) }).map(drop)
}

/// Overwrites this process's copy of the caller's environment, where tokens lie.
pub fn forget_environment() {
    super::wipe_environment();
}

/// Nothing may be opened in their place: what is printed in a panic would go there.
fn silence_standard() -> Result<(), Errno> {
    // SAFETY: a constant NUL-terminated path.
    let null = check_int(unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) })?;
    for standard in 0..3 {
        // SAFETY: integers only.
        check_int(unsafe { libc::dup2(null, standard) })?;
    }
    Ok(()) // `null` is closed with the others, unless it is one of the three
}

fn prctl(option: i32, value: u64) -> Result<(), Errno> {
    // SAFETY: the options used here take integers only.
    check_int(unsafe { libc::prctl(option, value, 0u64, 0u64, 0u64) }).map(drop)
}

/// Closes the gaps between what is kept. Values of this process that own a closed descriptor must not be
/// dropped afterwards; the process ends without running destructors.
fn close_others(keep: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut numbers: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    numbers.sort_unstable();
    let mut from = 3u32;
    for number in numbers {
        if number > from {
            close_range(from, number - 1)?;
        }
        from = from.max(number + 1);
    }
    close_range(from, u32::MAX)
}

fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: the caller's contract: nobody uses the descriptors in between any more.
    check_int(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) } as i32).map(drop)
}
