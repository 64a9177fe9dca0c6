//! The processes of a sandbox: the descendants of its first one, by `/proc/PID/task/TID/children`
//! (proc_pid_task_tid_children(5)). A list taken while processes come and go may miss one; the next does not.

use crate::error::Error;
use std::fs;
use std::path::PathBuf;

/// A walk over the processes, some at a time.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    next: Vec<i32>,
}

impl Tree {
    pub(crate) fn from(init: i32) -> Self {
        Self { next: vec![init] }
    }

    /// Makes sure that the list can be read at all, so that nothing is held to be nobody.
    pub(crate) fn check(init: i32) -> Result<(), Error> {
        let path = PathBuf::from(format!("/proc/{init}/task/{init}/children"));
        fs::read(&path)
            .map(drop)
            .map_err(|source| Error::Read { path, source })
    }
}

impl Iterator for Tree {
    type Item = i32;

    fn next(&mut self) -> Option<i32> {
        let pid = self.next.pop()?;
        for thread in fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            self.next.extend(
                children
                    .split_ascii_whitespace()
                    .filter_map(|pid| pid.parse::<i32>().ok()),
            );
        }
        Some(pid)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "processes to be looked at")]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn grandchildren_are_found() {
        let script = "sleep 9 & (sleep 9 & read x); kill $!; wait";
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = i32::try_from(shell.id()).unwrap();
        let count = || Tree::from(pid).count();
        while count() < 4 {
            std::thread::yield_now();
        }
        let all: Vec<i32> = Tree::from(pid).collect();
        for pid in all.iter().skip(1) {
            let _ = rustix::process::kill_process(
                rustix::process::Pid::from_raw(*pid).unwrap(),
                rustix::process::Signal::KILL,
            );
        }
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert_eq!(all[0], pid);
        assert_eq!(count(), 1, "the walk starts at the pid it is given, there or not");
    }
}
