//! Where the program begins.
//!
//! Rust's runtime prepares for what this program does not need (a message when a stack overflows, for
//! which it reads its own memory map) in a tenth of the time that a whole sandbox takes to start.
//! What it does for safety is done here: the three standard descriptors are open, so that no file is
//! opened as one of them and printed into.

use std::io::Write;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

/// Makes `main`, a `fn() -> u8` that returns the exit status, the program's entry; beside a
/// `#![cfg_attr(not(test), no_main)]`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        /// The entry, by the name that the C library calls.
        #[unsafe(no_mangle)] // SAFETY: a program has one entry
        pub extern "C" fn main(count: i32, words: *const *mut u8) -> i32 {
            $crate::enter($main, count, words)
        }
    };
}

/// The words this process was started with, as the C library has them.
static WORDS: AtomicPtr<*mut u8> = AtomicPtr::new(std::ptr::null_mut());
static COUNT: AtomicI32 = AtomicI32::new(0);

/// What [`entry!`] calls: everything between the C library and `main`.
pub fn enter(main: fn() -> u8, count: i32, words: *const *mut u8) -> i32 {
    COUNT.store(count, Ordering::Relaxed);
    WORDS.store(words.cast_mut(), Ordering::Relaxed);
    open_standard_descriptors();
    // SAFETY: SIG_IGN is a valid handler. A closed pipe is an error of the write that meets it.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let status = std::panic::catch_unwind(main).unwrap_or(101);
    let _closed = std::io::stdout().flush();
    super::exit_now(i32::from(status))
}

fn open_standard_descriptors() {
    let entry = |fd| libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    };
    let mut three = [entry(0), entry(1), entry(2)];
    // SAFETY: the array and its length belong together.
    unsafe { libc::poll(three.as_mut_ptr(), 3, 0) };
    for closed in three.iter().filter(|one| one.revents & libc::POLLNVAL != 0) {
        // The lowest free number, and those below it are open.
        let opened = std::fs::File::options().read(true).write(true).open("/dev/null");
        if opened.map(IntoRawFd::into_raw_fd).ok() != Some(closed.fd) {
            super::exit_now(125);
        }
    }
}

/// Overwrites this process's copy of the words it was started with, so that its `/proc/PID/cmdline`
/// says `fumehood` and nothing of what the caller typed.
pub(crate) fn wipe_words() {
    let words = WORDS.load(Ordering::Relaxed);
    let mut name = b"fumehood".iter();
    for n in 0..usize::try_from(COUNT.load(Ordering::Relaxed)).unwrap_or(0) {
        // SAFETY: the C library gives so many words.
        let word = unsafe { words.add(n) };
        // SAFETY: as above, and nobody else writes to the list.
        let mut at = unsafe { *word };
        // SAFETY: a NUL-terminated string in writable memory; volatile so that it is really done.
        while unsafe { at.read_volatile() } != 0 {
            // SAFETY: as above, before the terminator.
            unsafe { at.write_volatile(name.next().copied().unwrap_or(0)) };
            // SAFETY: at most one past the terminator.
            at = unsafe { at.add(1) };
        }
    }
}
