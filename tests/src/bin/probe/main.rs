//! One attack, or one raw system call, by name. Prints one line: `ok …` and what it reached, or the
//! name of the error that stopped it. The tests run it inside a sandbox, and outside as a control:
//! a probe that cannot reach its target from outside would prove nothing inside.

#![expect(clippy::print_stdout, reason = "the one line is what this program is for")]
#![expect(
    clippy::disallowed_methods,
    reason = "a probe executes others in its own place"
)]

mod calls;
mod errno;
mod files;
mod hunger;
mod kernel;
mod processes;
mod sockets;
mod terminal;

use errno::Errno;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

/// What a probe reached, in words.
type Reached = Result<String, Errno>;
type Probe = fn(&[OsString]) -> Reached;

const THEMES: [&[(&str, Probe)]; 7] = [
    calls::PROBES,
    files::PROBES,
    hunger::PROBES,
    kernel::PROBES,
    processes::PROBES,
    sockets::PROBES,
    terminal::PROBES,
];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        return usage("no probe named");
    };
    let found = THEMES
        .iter()
        .flat_map(|theme| theme.iter())
        .find(|(known, _)| OsStr::new(known) == name);
    let Some((_, probe)) = found else {
        return usage(&format!("no probe {name:?}"));
    };
    match probe(rest) {
        Ok(reached) => println!("{}", format!("ok {reached}").trim_end()),
        Err(errno) => println!("{errno}"),
    }
    ExitCode::SUCCESS
}

/// A wrong call is a mistake in a test, and must not look like a refusal.
fn usage(what: &str) -> ExitCode {
    println!("usage: {what}");
    ExitCode::from(64)
}

/// The `n`th argument; its absence is a mistake in a test.
fn word(arguments: &[OsString], n: usize) -> &OsStr {
    arguments.get(n).map_or(OsStr::new(""), OsString::as_os_str)
}

/// The `n`th argument as a number: decimal or `0x…`, negative ones too.
fn number(arguments: &[OsString], n: usize) -> i64 {
    calls::parse_number(word(arguments, n))
        .unwrap_or_else(|| panic!("argument {n} is no number: {arguments:?}"))
}

/// As [`number`], for what fits into an `int`: pids, descriptors, counts, ports.
fn int(arguments: &[OsString], n: usize) -> i32 {
    i32::try_from(number(arguments, n)).unwrap_or_else(|_| panic!("argument {n} is too large: {arguments:?}"))
}

/// The `n`th argument for the C library.
fn c_word(arguments: &[OsString], n: usize) -> CString {
    CString::new(word(arguments, n).as_bytes()).unwrap_or_default()
}
