//! A recording of what a session's terminal shows, where it is asked for: who reads that terminal hands on what is
//! printed, and a recorder takes secrets out and writes the file. What is typed is not handed on: passwords are.
//!
//! The recorder is a thread of the broker where the run has secrets, since nobody else has them, and a process of
//! its own where it has none. The supervisor reads nothing from it but its last words.

mod recorder;

pub(crate) use recorder::serve;

use crate::terminal::TerminalError;
use fumehood_audit::{Entry, Kind, Ticket};
use fumehood_effect::Digest;
use fumehood_sandbox::{Role, Signals, confine, fork_role_with, give_up, set_process_name};
use recorder::no_secrets;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A packet's first byte: what the program printed.
const OUTPUT: u8 = b'o';
/// Rows and columns of its screen, two bytes each, the lower first.
const SIZE: u8 = b'r';
/// What whoever hands on has to say.
const MARKER: u8 = b'm';
/// Nothing more comes.
const END: u8 = b'e';
/// The longest packet.
const MAX_PACKET: usize = 16 << 10;

/// How long the recorder may take for what is left.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// The most bytes of a recording.
pub(crate) const MOST: u64 = 16 << 20;

/// A recording to be, or one that goes on.
#[derive(Debug)]
pub struct Recording {
    file: File,
    tap: Tap,
    /// For who records; taken when that is known.
    socket: Option<OwnedFd>,
    process: Option<OwnedFd>,
}

/// How a recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was written; none where nobody knows.
    pub digest: Option<Digest>,
    /// Bytes of it.
    pub bytes: u64,
    /// How many secrets were taken out.
    pub replaced: u64,
    /// `end`, `bound`, or why it broke off.
    pub ended: String,
}

impl Recording {
    /// Into this file, which is new.
    ///
    /// # Errors
    /// No socket is to be had.
    pub fn new(file: File) -> Result<Recording, TerminalError> {
        let pair = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        );
        let (ours, theirs) = pair.map_err(TerminalError::Socket)?;
        Ok(Recording {
            file,
            tap: Tap(ours),
            socket: Some(theirs),
            process: None,
        })
    }

    /// What the one who records needs: where it hears, and the file.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub(crate) fn theirs(&mut self) -> Result<Option<(OwnedFd, File)>, rustix::io::Errno> {
        let Some(socket) = self.socket.take() else {
            return Ok(None);
        };
        let file = rustix::io::fcntl_dupfd_cloexec(&self.file, 3)?;
        Ok(Some((socket, File::from(file))))
    }

    /// Starts a process that records, where nobody does yet.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn ensure_started(&mut self) -> Result<(), TerminalError> {
        let theirs = self.theirs().map_err(TerminalError::Socket)?;
        if let Some((socket, file)) = theirs {
            let forked = fork_role_with(vec![socket, file.into()], run);
            let (_, process) = forked.map_err(TerminalError::Start)?;
            self.process = Some(process);
        }
        Ok(())
    }

    /// For who reads the terminal.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub(crate) fn tap(&self) -> Result<Tap, TerminalError> {
        let copy = rustix::io::fcntl_dupfd_cloexec(&self.tap.0, 3);
        copy.map(Tap).map_err(TerminalError::Socket)
    }

    /// Waits until all is on the disk.
    pub(crate) fn finish(self) -> Outcome {
        let _recorder_gone = self.tap.send(END, &[]);
        let mut answer = [PollFd::from_borrowed_fd(self.tap.0.as_fd(), PollFlags::IN)];
        let mut word = [0_u8; Outcome::SIZE];
        let polled = rustix::io::retry_on_intr(|| poll(&mut answer, Some(&PATIENCE)));
        let told = polled.is_ok_and(|n| n > 0);
        let read = if told {
            rustix::io::read(&self.tap.0, &mut word).unwrap_or_default()
        } else {
            0
        };
        if let Some(process) = &self.process {
            if !told {
                let kill = rustix::process::Signal::KILL;
                let _gone = rustix::process::pidfd_send_signal(process, kill);
            }
            fumehood_sandbox::wait_for(process.as_fd());
        }
        let outcome = word.get(..read).and_then(Outcome::decode).unwrap_or(Outcome {
            digest: None,
            bytes: 0,
            replaced: 0,
            ended: "the recorder was lost".to_owned(),
        });
        match self.file.sync_all() {
            Err(error) if outcome.ended == END_OF_SESSION => Outcome {
                ended: format!("bring it to the disk: {error}"),
                ..outcome
            },
            _ => outcome,
        }
    }
}

/// How a recording ends that is whole.
pub const END_OF_SESSION: &str = "end";
/// How one ends that had no more room.
pub const BOUND: &str = "bound";

impl Outcome {
    const SIZE: usize = 512;

    fn encode(&self) -> Vec<u8> {
        let mut out = self.digest.map_or([0; 32], |digest| *digest.as_bytes()).to_vec();
        out.extend(self.bytes.to_le_bytes());
        out.extend(self.replaced.to_le_bytes());
        out.extend(self.ended.bytes());
        out.truncate(Outcome::SIZE);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Outcome> {
        let (digest, rest) = bytes.split_first_chunk::<32>()?;
        let (bytes, rest) = rest.split_first_chunk::<8>()?;
        let (replaced, ended) = rest.split_first_chunk::<8>()?;
        Some(Outcome {
            digest: Some(Digest::from_bytes(*digest)),
            bytes: u64::from_le_bytes(*bytes),
            replaced: u64::from_le_bytes(*replaced),
            ended: String::from_utf8_lossy(ended).into_owned(),
        })
    }
}

/// What is recorded in the log when it begins.
pub(crate) fn begun() -> Entry {
    Entry::new(Kind::Terminal)
        .text("what", "begin")
        .text("format", "asciicast 2")
        .number("bound", MOST)
}

impl Outcome {
    /// What is recorded of its end: by the digest the file is known.
    pub(crate) fn entry(&self, begun: Ticket) -> Entry {
        let entry = Entry::new(Kind::Terminal)
            .text("what", "end")
            .text("ended", &self.ended)
            .caused_by(begun);
        match self.digest {
            None => entry,
            Some(digest) => entry
                .digest("digest", digest)
                .number("bytes", self.bytes)
                .number("replaced", self.replaced),
        }
    }
}

/// Where who reads a terminal hands on what is printed. It waits for the recorder, as a terminal waits for a slow
/// reader; of one that is gone nothing more is recorded, and the end says so.
#[derive(Debug)]
pub(crate) struct Tap(OwnedFd);

impl Tap {
    /// What the program printed.
    pub(crate) fn output(&self, bytes: &[u8]) {
        for piece in bytes.chunks(MAX_PACKET - 1) {
            let _recorder_gone = self.send(OUTPUT, piece);
        }
    }

    /// The size of its screen.
    pub(crate) fn size(&self, rows: u16, columns: u16) {
        let [a, b] = rows.to_le_bytes();
        let [c, d] = columns.to_le_bytes();
        let _recorder_gone = self.send(SIZE, &[a, b, c, d]);
    }

    /// Something that is to be known of the recording.
    pub(crate) fn mark(&self, words: &str) {
        let _recorder_gone = self.send(MARKER, words.as_bytes());
    }

    fn send(&self, tag: u8, bytes: &[u8]) -> rustix::io::Result<usize> {
        let packet = [&[tag], bytes].concat();
        // By `write`, the one call that a confined relay has; SIGPIPE is ignored.
        rustix::io::retry_on_intr(|| rustix::io::write(&self.0, &packet))
    }
}

impl From<OwnedFd> for Tap {
    fn from(fd: OwnedFd) -> Tap {
        Tap(fd)
    }
}

impl From<Tap> for OwnedFd {
    fn from(tap: Tap) -> OwnedFd {
        tap.0
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The recorder of a run without secrets.
fn run(kept: Vec<OwnedFd>) -> i32 {
    set_process_name(c"fumehood-cast");
    // A terminal that hangs up, or Ctrl-C, is for the supervisor.
    let _leader_already = rustix::process::setsid();
    let ending = [libc::SIGTERM, libc::SIGHUP, libc::SIGINT];
    crate::terminal::let_go_of_all_streams();
    let Ok([socket, file]) = <[OwnedFd; 2]>::try_from(kept) else {
        return 125;
    };
    let own = [socket.as_fd(), file.as_fd()];
    if Signals::block(&ending).is_err() || give_up(&own).is_err() || confine(Role::Relay, &[]).is_err() {
        return 1;
    }
    let file = std::mem::ManuallyDrop::new(File::from(file));
    serve(&socket, &*file, no_secrets);
    // The process ends; a build with checks looks at each descriptor it drops, which is no call of this role.
    std::mem::forget(socket);
    0
}
