//! The side of those who record: a socket to the writer's process.

use crate::entry::{Entry, Recorder, RecorderError, Ticket};
use crate::index::bits;
use crate::record::Kind;
use crate::wire::{Answer, Asked, MAX_PACKET, begun, push};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    recv, send, sendmsg, socketpair,
};
use rustix::rand::{GetRandomFlags, getrandom};
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long one waits for a writer that does not answer: a disk that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Records by way of the log's writer. When the last one is gone, the writer ends the log.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    /// Tickets count up from a number of this client's own.
    tickets: AtomicU64,
    /// One answer is waited for at a time.
    answers: Mutex<()>,
}

impl Client {
    /// A client, and the writer's end of its socket: see [`crate::serve`].
    ///
    /// # Errors
    /// The system gave no sockets or no random numbers.
    pub fn pair() -> Result<(Self, OwnedFd), RecorderError> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(system("make a socket to the log's writer"))?;
        for way in [Timeout::Send, Timeout::Recv] {
            set_socket_timeout(&ours, way, Some(PATIENCE)).map_err(system("set up the log's socket"))?;
        }
        Ok((Self::from_socket(ours)?, theirs))
    }

    /// The client that [`Client::into_socket`] took apart, in another process.
    ///
    /// # Errors
    /// The system gave no random numbers.
    pub fn from_socket(socket: OwnedFd) -> Result<Self, RecorderError> {
        let mut first = [0u8; 8];
        getrandom(&mut first, GetRandomFlags::empty()).map_err(system("number records"))?;
        Ok(Self {
            socket,
            // The upper half names the client, the lower half counts.
            tickets: AtomicU64::new(u64::from_be_bytes(first) & 0x7fff_ffff_0000_0000),
            answers: Mutex::new(()),
        })
    }

    /// Its socket, for a process that gets descriptors and nothing else.
    #[must_use]
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Another client of the same writer, for another process, which may record these kinds and no others: whoever takes
    /// it over writes no answers of people, and no keys.
    ///
    /// # Errors
    /// The writer is gone, or the system gave no sockets.
    pub fn split(&self, kinds: &[Kind]) -> Result<Self, RecorderError> {
        let (client, theirs) = Self::pair()?;
        let packet = Asked::Sender(bits(kinds)).encode()?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [theirs.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let sent = sendmsg(
            &self.socket,
            &[IoSlice::new(&packet)],
            &mut control,
            SendFlags::NOSIGNAL,
        );
        sent.map_err(|errno| self.gone(errno))?;
        Ok(client)
    }

    /// The log's head as it is now, signed; the records below it need not be on the disk yet.
    ///
    /// # Errors
    /// The writer is gone or could not write.
    pub fn head(&self) -> Result<Summary, RecorderError> {
        let _one = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        self.send(&Asked::Head)?;
        loop {
            match self.answer()? {
                Answer::Head(text) => return Summary::parse(&text).ok_or(RecorderError::Lost),
                Answer::Failed(why) => return Err(RecorderError::Failed(why)),
                Answer::Durable { .. } => {}
            }
        }
    }

    /// Readable, while nothing is asked, when the writer is gone or failed. [`Client::why`] says which.
    #[must_use]
    pub fn lost(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Why nothing is recorded any more, if that is so.
    #[must_use]
    pub fn why(&self) -> Option<RecorderError> {
        let _one = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        match self.received(RecvFlags::DONTWAIT) {
            Ok(Answer::Failed(why)) => Some(RecorderError::Failed(why)),
            Ok(_) | Err(RecorderError::Silent) => None,
            Err(error) => Some(error),
        }
    }

    /// Several records that go to the writer together: it is woken once.
    #[must_use]
    pub fn batch(&self) -> Batch<'_> {
        Batch {
            client: self,
            packet: begun(),
        }
    }

    fn ask(&self, entry: Entry, durable: bool) -> Result<Ticket, RecorderError> {
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        let record = entry.into_record(ticket);
        self.send(&Asked::Record { record, durable })?;
        Ok(ticket)
    }

    fn send(&self, asked: &Asked) -> Result<(), RecorderError> {
        self.send_packet(&asked.encode()?)
    }

    fn send_packet(&self, packet: &[u8]) -> Result<(), RecorderError> {
        loop {
            match send(&self.socket, packet, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.gone(errno)),
            }
        }
    }

    fn answer(&self) -> Result<Answer, RecorderError> {
        self.received(RecvFlags::empty())
    }

    fn received(&self, flags: RecvFlags) -> Result<Answer, RecorderError> {
        let mut packet = vec![0u8; MAX_PACKET];
        loop {
            match recv(&self.socket, packet.as_mut_slice(), flags) {
                Ok((0, _)) | Err(Errno::CONNRESET) => return Err(RecorderError::Lost),
                Ok((got, _)) => {
                    let packet = packet.get(..got).unwrap_or_default();
                    return Answer::decode(packet).ok_or(RecorderError::Lost);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(RecorderError::Silent),
                Err(errno) => return Err(system("hear the log's writer")(errno)),
            }
        }
    }

    /// A socket that cannot be written to: its far end may have said why.
    fn gone(&self, errno: Errno) -> RecorderError {
        match errno {
            Errno::PIPE | Errno::CONNRESET => match self.received(RecvFlags::DONTWAIT) {
                Ok(Answer::Failed(why)) => RecorderError::Failed(why),
                _ => RecorderError::Lost,
            },
            Errno::AGAIN => RecorderError::Silent,
            errno => system("tell the log's writer")(errno),
        }
    }
}

/// Records that wait to be sent together.
#[derive(Debug)]
pub struct Batch<'a> {
    client: &'a Client,
    packet: Vec<u8>,
}

impl Batch<'_> {
    /// Adds one. Those before it are sent where there is no room for it beside them.
    ///
    /// # Errors
    /// It cannot be a record, or the writer is gone.
    pub fn add(&mut self, entry: Entry) -> Result<Ticket, RecorderError> {
        let ticket = Ticket(self.client.tickets.fetch_add(1, Ordering::Relaxed));
        let record = entry.into_record(ticket).encode()?;
        if !push(&mut self.packet, &record) {
            self.flush()?;
            push(&mut self.packet, &record);
        }
        Ok(ticket)
    }

    /// Sends them.
    ///
    /// # Errors
    /// The writer is gone.
    pub fn send(mut self) -> Result<(), RecorderError> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), RecorderError> {
        let packet = std::mem::replace(&mut self.packet, begun());
        if packet.len() > 1 {
            self.client.send_packet(&packet)?;
        }
        Ok(())
    }
}

/// A log so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its head, a signed note.
    pub note: String,
    /// How many records of which kind were recorded by clients.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Summary {
    fn parse(text: &str) -> Option<Self> {
        // A note has five lines, the fourth of them empty.
        let end = text.match_indices('\n').nth(4)?.0 + 1;
        let (note, rest) = text.split_at_checked(end)?;
        let count = |line: &str| {
            let (name, count) = line.split_once(' ')?;
            let kind = Kind::ALL.iter().find(|kind| kind.name() == name)?;
            Some((kind.name(), count.parse().ok()?))
        };
        Some(Self {
            note: note.to_owned(),
            counts: rest.lines().filter_map(count).collect(),
        })
    }

    /// How many of this kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts.get(kind.name()).copied().unwrap_or(0)
    }
}

impl Recorder for Client {
    fn record(&self, entry: Entry) -> Result<Ticket, RecorderError> {
        self.ask(entry, false)
    }

    fn record_durably(&self, entry: Entry) -> Result<Ticket, RecorderError> {
        let _one = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = self.ask(entry, true)?;
        loop {
            match self.answer()? {
                Answer::Durable { ticket } if ticket == asked.0 => return Ok(asked),
                Answer::Failed(why) => return Err(RecorderError::Failed(why)),
                // Of one that was not waited for to the end.
                Answer::Durable { .. } | Answer::Head(_) => {}
            }
        }
    }
}

fn system(doing: &'static str) -> impl FnOnce(Errno) -> RecorderError {
    move |errno| RecorderError::System { doing, errno }
}
