//! This machine, as the user's secrets lie on it.

use super::{FileError, Outside, RunError};
use crate::secret::LONGEST;
use crate::store::{Store, StoreError};
use fumehood_policy::value::{PathTemplate, Variables};
use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The user's environment, files and programs.
#[derive(Debug)]
pub struct Machine {
    /// The user's home.
    pub home: Option<PathBuf>,
    /// `$XDG_STATE_HOME/fumehood`.
    pub state: PathBuf,
    /// How long a program may take, a question to its user included.
    pub patience: Duration,
}

impl Variables for Machine {
    fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    fn var(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}

impl Outside for Machine {
    fn variable(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        std::env::var_os(name).map(|value| Zeroizing::new(value.into_vec()))
    }

    fn path(&self, template: &PathTemplate) -> Option<PathBuf> {
        template.resolve(self)
    }

    fn file(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let io = |e: rustix::io::Errno| FileError::Io(e.into());
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(io)?;
        let stat = rustix::fs::fstat(&file).map_err(io)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(FileError::Kind);
        }
        let me = rustix::process::geteuid().as_raw();
        if stat.st_uid != me && stat.st_uid != 0 {
            return Err(FileError::Foreign(stat.st_uid));
        }
        if stat.st_mode & 0o077 != 0 {
            return Err(FileError::Open(stat.st_mode & 0o777));
        }
        read_some(File::from(file)).map_err(FileError::Io)
    }

    fn output(&self, argv: &[String]) -> Result<Zeroizing<Vec<u8>>, RunError> {
        let program = fumehood_policy::Escaped::from(argv[0].as_str()).to_string();
        let mut child = start(argv).map_err(|why| RunError::Start {
            program: program.clone(),
            why,
        })?;
        let printed = self.printed(&mut child);
        match (printed, child.try_wait()) {
            (Ok(printed), Ok(Some(status))) if status.success() => Ok(printed),
            (Ok(_), Ok(Some(status))) => Err(RunError::Status {
                program,
                status: status.to_string(),
            }),
            (outcome, _) => {
                let _ended = child.kill().and_then(|()| child.wait());
                let what = outcome.err().unwrap_or("did not end in time");
                Err(RunError::Stopped { program, what })
            }
        }
    }

    fn store(&self) -> Result<Option<Store>, StoreError> {
        Store::open(&self.state)
    }
}

/// More than a secret may have, so that a longer one is seen to be longer; a login's file has others' tokens beside.
/// Never grown: growing would leave a copy behind.
fn read_some(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(16 * LONGEST));
    from.take(16 * LONGEST as u64 - 1).read_to_end(&mut out)?;
    Ok(out)
}

/// Questions go to the user's terminal, on standard error and by whatever way the program has.
#[expect(
    clippy::disallowed_methods,
    reason = "a password manager runs outside, before anything inside does"
)]
fn start(argv: &[String]) -> io::Result<Child> {
    Command::new(&argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
}

impl Machine {
    /// All that the child prints, after which it has ended or is to be stopped.
    fn printed(&self, child: &mut Child) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let end = Instant::now() + self.patience;
        let mut stdout = child.stdout.take().ok_or("has no output")?;
        let mut out = Zeroizing::new(Vec::with_capacity(LONGEST + 3));
        let mut room = Zeroizing::new([0u8; 4096]);
        while ready(&stdout, end)? {
            match stdout.read(&mut *room) {
                Ok(0) => break,
                Ok(n) if out.len() + n > LONGEST + 2 => return Err("printed more than any secret has"),
                Ok(n) => out.extend_from_slice(&room[..n]),
                Err(_) => return Err("could not be read from"),
            }
        }
        ended(child, end)?;
        Ok(out)
    }
}

/// Waits for output, or the end of time.
fn ready(stdout: &impl AsFd, end: Instant) -> Result<bool, &'static str> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let left = end.saturating_duration_since(Instant::now());
    let left = Timespec::try_from(left).map_err(|_| "was given too long")?;
    let mut fds = [PollFd::new(stdout, PollFlags::IN)];
    match poll(&mut fds, Some(&left)) {
        Ok(0) => Err("did not end in time"),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(true),
        Err(_) => Err("could not be waited for"),
    }
}

/// A program that closed its output ends soon; one that does not is stopped.
fn ended(child: &mut Child, end: Instant) -> Result<(), &'static str> {
    while let Ok(None) = child.try_wait() {
        if Instant::now() >= end {
            return Err("did not end in time");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
