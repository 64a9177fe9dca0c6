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
    /// What it has to say, a packet each: [`Word::packet`].
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

/// What the process says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// A file was changed on both sides.
    Both(BothSides),
    /// Not all edits reach the inside, and why.
    Less(String),
}

impl Word {
    /// The longest packet.
    const MOST: usize = 4_200;

    /// As one packet.
    #[must_use]
    pub fn packet(self) -> Vec<u8> {
        let (first, rest) = match self {
            Word::Both(BothSides { path, merges }) => (u8::from(merges), path.into_os_string().into_vec()),
            Word::Less(why) => (LESS, why.into_bytes()),
        };
        let mut packet = vec![first];
        packet.extend(rest);
        packet.truncate(Word::MOST);
        packet
    }

    fn of_packet(packet: &[u8]) -> Option<Word> {
        let (first, rest) = packet.split_first()?;
        Some(match *first {
            LESS => Word::Less(String::from_utf8_lossy(rest).into_owned()),
            merges => Word::Both(BothSides {
                path: std::ffi::OsString::from_vec(rest.to_vec()).into(),
                merges: merges != 0,
            }),
        })
    }
}

/// The first byte of [`Word::Less`].
const LESS: u8 = 2;

/// Where it stands.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    start: Option<StartEdits>,
    view: Option<OwnedFd>,
    due: Option<Instant>,
    running: Option<Running>,
    /// Whether it was said that not all edits reach the inside.
    less: bool,
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

    /// Starts it when it is time; where that fails, what is to be said.
    pub(crate) fn begin_when_due(&mut self) -> Option<Word> {
        self.due.take_if(|due| *due <= Instant::now())?;
        let (StartEdits(start), view) = self.start.take().zip(self.view.take())?;
        match start(view) {
            Ok(running) => {
                self.running = Some(running);
                None
            }
            Err(why) => self.less(why),
        }
    }

    /// Once: without it the session sees what an overlay shows by itself.
    fn less(&mut self, why: String) -> Option<Word> {
        (!std::mem::replace(&mut self.less, true)).then_some(Word::Less(why))
    }

    pub(crate) fn words(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(|r| r.words.as_fd())
    }

    /// One word of it; it is gone when there is none.
    pub(crate) fn heard(&mut self) -> Option<Word> {
        let mut packet = [0; Word::MOST];
        let got = self.running.as_ref().map(|r| read(&r.words, &mut packet[..]));
        match got {
            Some(Ok(n)) if n > 0 => match Word::of_packet(packet.get(..n)?)? {
                Word::Less(why) => self.less(why),
                word => Some(word),
            },
            Some(Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN)) | None => None,
            Some(_) => {
                self.stop();
                self.less("the process that brings them ended".to_owned())
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
        let path = PathBuf::from(std::ffi::OsString::from_vec(b"a/\xff\n".to_vec()));
        let both = |merges| {
            Word::Both(BothSides {
                path: path.clone(),
                merges,
            })
        };
        for word in [both(false), both(true), Word::Less("why".to_owned())] {
            assert_eq!(Word::of_packet(&word.clone().packet()), Some(word));
        }
        assert_eq!(Word::of_packet(&[]), None);
    }

    #[test]
    fn a_process_that_is_not_there_is_told_once() {
        let start = StartEdits(Box::new(|_| Err("no".to_owned())));
        let view = std::fs::File::open("/").unwrap().into();
        let mut edits = Edits::new(Some(start), Some(view));
        edits.due = Some(Instant::now());
        assert_eq!(edits.begin_when_due(), Some(Word::Less("no".to_owned())));
        assert_eq!(edits.begin_when_due(), None);
        assert_eq!(edits.less("again".to_owned()), None);
    }
}
