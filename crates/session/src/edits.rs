//! The process that brings the host's edits inside, as its supervisor sees it. What it does is `fumehood_workspace::edits`;
//! it is started once a run has lasted a moment, since a short one has nobody who would look.

use rustix::io::read;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A run that lasts so long has such a process.
const AFTER: Duration = Duration::from_millis(200);

/// The process, running.
#[derive(Debug)]
pub struct Running {
    /// It ends when this is closed.
    pub alive: OwnedFd,
    /// To wait for it.
    pub process: OwnedFd,
    /// A packet of a byte and a path for each file that both sides changed: [`BothSides::packet`].
    pub words: OwnedFd,
}

/// Starts it, with the top of what the session sees.
pub struct StartEdits(pub Box<dyn FnOnce(OwnedFd) -> Result<Running, String>>);

impl fmt::Debug for StartEdits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StartEdits")
    }
}

/// A file that both sides changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BothSides {
    /// Relative to the project.
    pub path: PathBuf,
    /// Whether an apply merges it.
    pub merges: bool,
}

impl BothSides {
    /// The longest packet.
    const MOST: usize = 4_200;

    /// As one packet.
    #[must_use]
    pub fn packet(self) -> Vec<u8> {
        let mut packet = vec![u8::from(self.merges)];
        packet.extend(self.path.into_os_string().into_vec());
        packet.truncate(BothSides::MOST);
        packet
    }

    fn of_packet(packet: &[u8]) -> Option<BothSides> {
        let (merges, path) = packet.split_first()?;
        Some(BothSides {
            path: std::ffi::OsString::from_vec(path.to_vec()).into(),
            merges: *merges != 0,
        })
    }
}

/// Where it stands.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    start: Option<StartEdits>,
    view: Option<OwnedFd>,
    due: Option<Instant>,
    running: Option<Running>,
}

impl Edits {
    pub(crate) fn new(start: Option<StartEdits>, view: Option<OwnedFd>) -> Edits {
        let mut edits = Edits {
            start,
            ..Edits::default()
        };
        view.into_iter().for_each(|top| edits.take(top));
        edits
    }

    /// The top of what the session sees.
    pub(crate) fn take(&mut self, top: OwnedFd) {
        if self.start.is_some() {
            self.view = Some(top);
            self.due = Some(Instant::now() + AFTER);
        }
    }

    pub(crate) fn pause(&self) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn begin_when_due(&mut self) {
        if self.due.take_if(|due| *due <= Instant::now()).is_none() {
            return;
        }
        if let (Some(StartEdits(start)), Some(view)) = (self.start.take(), self.view.take()) {
            // Without it the session sees what an overlay shows by itself.
            self.running = start(view).ok();
        }
    }

    pub(crate) fn words(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(|r| r.words.as_fd())
    }

    /// One word of it; it is gone when there is none.
    pub(crate) fn heard(&mut self) -> Option<BothSides> {
        let mut packet = [0; BothSides::MOST];
        let got = self.running.as_ref().map(|r| read(&r.words, &mut packet[..]));
        match got {
            Some(Ok(n)) if n > 0 => BothSides::of_packet(packet.get(..n)?),
            Some(Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN)) | None => None,
            Some(_) => {
                self.stop();
                None
            }
        }
    }

    fn stop(&mut self) {
        if let Some(Running {
            alive,
            process,
            words,
        }) = self.running.take()
        {
            drop((alive, words));
            fumehood_sandbox::wait_for(process.as_fd());
        }
    }

    /// Ends it, and waits for that.
    pub(crate) fn finish(mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_as_it_was_written() {
        for merges in [false, true] {
            let path = PathBuf::from(std::ffi::OsString::from_vec(b"a/\xff\n".to_vec()));
            let both = BothSides { path, merges };
            assert_eq!(BothSides::of_packet(&both.clone().packet()), Some(both));
        }
        assert_eq!(BothSides::of_packet(&[]), None);
    }
}
