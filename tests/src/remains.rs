//! What a run might leave on the host: processes, control groups.

use crate::patience;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Pids whose command line or name holds `mark`, which a test makes unique.
#[must_use]
pub fn processes_named(mark: &str) -> Vec<u32> {
    let pids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid| holds(*pid, mark)).collect()
}

fn holds(pid: u32, mark: &str) -> bool {
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let zombie = String::from_utf8_lossy(&read("stat")).contains(") Z ");
    !zombie
        && [read("cmdline"), read("comm")]
            .iter()
            .any(|text| text.windows(mark.len()).any(|w| w == mark.as_bytes()))
}

/// Control groups, in all hierarchies, that a supervisor of this pid made.
#[must_use]
pub fn groups_of(pid: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    search(Path::new("/sys/fs/cgroup"), &format!("-{pid}-"), 8, &mut found);
    found
}

fn search(folder: &Path, part: &str, deeper: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries
        .filter_map(Result::ok)
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("fumehood") && name.contains(part) {
            found.push(entry.path());
        }
        if deeper > 0 {
            search(&entry.path(), part, deeper - 1, found);
        }
    }
}

/// Asks again until there is nothing left; what still is when patience ends.
pub fn settle<T>(left: impl FnMut() -> Vec<T>) -> Vec<T> {
    settle_within(patience(), left)
}

/// As [`settle`], where something may well be left.
pub fn settle_within<T>(patience: Duration, mut left: impl FnMut() -> Vec<T>) -> Vec<T> {
    let begun = Instant::now();
    loop {
        let now = left();
        if now.is_empty() || begun.elapsed() > patience {
            return now;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until it is so.
pub fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < patience(), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The children of a process: the name each has in `ps`, and its pid.
#[must_use]
pub fn children(pid: u32) -> Vec<(String, i32)> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|child| {
            let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
            Some((name.trim().to_owned(), child.parse().ok()?))
        })
        .collect()
}

/// A child, or a child's child, of a process, by the name it has in `ps`.
#[must_use]
pub fn descendant(pid: u32, name: &str) -> Option<i32> {
    children(pid).into_iter().find_map(|(comm, child)| {
        if comm == name {
            return Some(child);
        }
        descendant(u32::try_from(child).ok()?, name)
    })
}
