//! What runs that were killed left of folders named by their process.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::path::{Path, PathBuf};

/// The folders in `all` whose process is gone.
pub(crate) fn of_gone_runs(all: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(all).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let name = entry.file_name();
            let pid = name.to_str().and_then(|n| n.parse().ok()).and_then(Pid::from_raw);
            pid.is_some_and(|p| test_kill_process(p) == Err(Errno::SRCH))
        })
        .map(|entry| entry.path())
}
