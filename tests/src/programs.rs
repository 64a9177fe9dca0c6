//! Which programs are tested, and as whom.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

/// The `fumehood` under test.
#[must_use]
pub fn fumehood() -> PathBuf {
    named("FUMEHOOD_BIN", "fumehood")
}

/// The program that attacks, see `tests/src/bin/probe`.
#[must_use]
pub fn probe() -> PathBuf {
    named("PROBE_BIN", "probe")
}

/// What the variable says, else the program that cargo put beside the folder of this test.
fn named(variable: &str, name: &str) -> PathBuf {
    let beside = || {
        std::env::current_exe()
            .ok()?
            .parent()?
            .parent()
            .map(|folder| folder.join(name))
    };
    let path = std::env::var_os(variable)
        .map(PathBuf::from)
        .or_else(beside)
        .unwrap_or_default();
    assert!(
        path.is_file(),
        "{} is not there: run tests/run, which builds it",
        path.display()
    );
    path
}

/// Whether this test runs as root: what a sandbox started by root promises is then tested.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program of the host, outside any sandbox.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests are the caller of fumehood, and start controls and victims"
)]
pub fn host_program(name: impl AsRef<OsStr>) -> Command {
    Command::new(name)
}
