//! Attacks on the terminal, and a terminal for the tests to attack.

use crate::errno::check;
use crate::{Probe, Reached, int, word};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

pub(crate) const PROBES: &[(&str, Probe)] = &[
    ("on_terminal", on_terminal),
    ("terminal_raw", terminal_raw),
    ("type_for_user", type_for_user),
    ("window", window),
];

/// `on_terminal PATH CMD ARG…`: runs a command in a session of its own on this terminal, as a
/// terminal emulator would. Used outside.
fn on_terminal(arguments: &[OsString]) -> Reached {
    // SAFETY: takes nothing.
    check(unsafe { libc::setsid() })?;
    let terminal = File::options().read(true).write(true).open(word(arguments, 0))?;
    // SAFETY: an open descriptor and an integer.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) })?;
    let mut command = Command::new(word(arguments, 1));
    command
        .args(&arguments[2..])
        .stdin(terminal.try_clone()?)
        .stdout(terminal.try_clone()?)
        .stderr(terminal);
    Err(command.exec().into())
}

/// `type_for_user REQUEST`: TIOCSTI under that request number, on standard input.
fn type_for_user(arguments: &[OsString]) -> Reached {
    let request = crate::number(arguments, 0);
    let key = b'x';
    // SAFETY: the argument points to the one byte the request reads. The number goes to the kernel
    // whole: its high bits are the attack.
    check(unsafe { libc::syscall(libc::SYS_ioctl, 0, request, &raw const key) })?;
    Ok("typed".to_owned())
}

/// `terminal_raw FD`: turns echo off there.
fn terminal_raw(arguments: &[OsString]) -> Reached {
    // SAFETY: borrowed for this function only; where it is not open, the calls say EBADF.
    let fd = unsafe { BorrowedFd::borrow_raw(int(arguments, 0)) };
    let mut modes = rustix::termios::tcgetattr(fd).map_err(std::io::Error::from)?;
    modes.make_raw();
    rustix::termios::tcsetattr(fd, rustix::termios::OptionalActions::Now, &modes)
        .map_err(std::io::Error::from)?;
    Ok("raw".to_owned())
}

/// `window FD`: rows and columns.
fn window(arguments: &[OsString]) -> Reached {
    // SAFETY: as above.
    let fd = unsafe { BorrowedFd::borrow_raw(int(arguments, 0)) };
    let size = rustix::termios::tcgetwinsize(fd).map_err(std::io::Error::from)?;
    Ok(format!("{} {}", size.ws_row, size.ws_col))
}
