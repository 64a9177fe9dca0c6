//! Where the program begins.
//!
//! Rust's runtime prepares for what this program does not need (a message when a stack overflows, for
//! which it reads its own memory map) in a tenth of the time that a whole sandbox takes to start.
//! What it does for safety is done here: the three standard descriptors are open, so that no file is
//! opened as one of them and printed into.

use std::io::Write;
use std::os::fd::IntoRawFd;

/// Makes `main`, a `fn() -> u8` that returns the exit status, the program's entry; beside a
/// `#![cfg_attr(not(test), no_main)]`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        /// The entry, by the name that the C library calls.
        #[unsafe(no_mangle)] // SAFETY: a program has one entry
        pub extern "C" fn main(_: i32, _: *const *const u8) -> i32 {
            $crate::enter($main)
        }
    };
}

/// What [`entry!`] calls: everything between the C library and `main`.
pub fn enter(main: fn() -> u8) -> i32 {
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
