//! The few file operations a cgroup hierarchy is driven by, behind a trait: the back ends' logic is tested against a
//! made-up hierarchy, because a kernel that binds its controllers to version 1 cannot show them in version 2.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

pub(crate) trait Files: Debug + Send + Sync {
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    fn read(&self, path: &Path) -> io::Result<String>;
    /// Writes to a file that exists; control files are never created.
    fn write(&self, path: &Path, text: &str) -> io::Result<()>;
    fn may_write(&self, path: &Path) -> io::Result<()>;
    /// Names of the directories in a directory.
    fn dirs(&self, path: &Path) -> io::Result<Vec<OsString>>;
    fn open_dir(&self, path: &Path) -> io::Result<OwnedFd>;
    /// Sends SIGKILL to each process of one group; says how many it had.
    fn kill_all(&self, group: &Path) -> io::Result<usize>;
}

/// The machine's own.
#[derive(Debug)]
pub(crate) struct Host;

impl Files for Host {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path)
    }

    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        // One write(2): control files take a command whole or not at all.
        let done = OpenOptions::new()
            .write(true)
            .open(path)?
            .write(text.as_bytes())?;
        if done == text.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    fn may_write(&self, path: &Path) -> io::Result<()> {
        OpenOptions::new().write(true).open(path).map(drop)
    }

    fn dirs(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.push(entry.file_name());
            }
        }
        Ok(names)
    }

    fn open_dir(&self, path: &Path) -> io::Result<OwnedFd> {
        use rustix::fs::{CWD, Mode, OFlags, openat};
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(openat(CWD, path, flags, Mode::empty())?)
    }

    fn kill_all(&self, group: &Path) -> io::Result<usize> {
        let procs = group.join("cgroup.procs");
        let listed = pids(&self.read(&procs)?);
        // Some at a time: each holds a descriptor.
        for some in listed.chunks(128) {
            let held: Vec<(i32, OwnedFd)> = some.iter().filter_map(|pid| Some((*pid, hold(*pid)?))).collect();
            // A pid may have been reused between the list and the descriptor. Whoever is listed still, while the
            // descriptor is held, is the process it refers to.
            let still: HashSet<i32> = pids(&self.read(&procs)?).into_iter().collect();
            for (_, process) in held.iter().filter(|(pid, _)| still.contains(pid)) {
                // It may have ended by itself; whoever remains is counted by the next pass.
                let _ = pidfd_send_signal(process, Signal::KILL);
            }
        }
        Ok(listed.len())
    }
}

/// A process outside of our pid namespace is listed as 0.
fn pids(text: &str) -> Vec<i32> {
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn hold(pid: i32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}
