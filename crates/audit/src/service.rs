//! The writer's process: it alone holds the log's key. Records come as packets on sockets; what waits
//! for one is told when it is on the disk. When the last sender is gone, it ends the log.

use crate::entry::Ticket;
use crate::index::{bit, bits};
use crate::note::Checkpoint;
use crate::record::{Kind, Record};
use crate::wire::{Answer, Asked, MAX_PACKET};
use crate::writer::{WriteError, Writer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, recvmsg, send,
};
use std::collections::{HashMap, VecDeque};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How often heads are signed and keys replaced.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A head is signed at the latest this long after a record.
    pub head_after: Duration,
    /// And at the latest after this many.
    pub head_every: u64,
    /// A key signs at most for this long, while there are records.
    pub key_for: Duration,
    /// A journal whose complete bundles have this many bytes is laid out, and another one begun.
    pub journal: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            head_after: Duration::from_secs(1),
            head_every: 1_000,
            key_for: Duration::from_secs(60),
            journal: 4 << 20,
        }
    }
}

/// The most that is taken from one sender before the others have their turn and the disk is written.
const BURST: usize = 1_024;
/// How many of the last records can be named as causes.
const CAUSES: usize = 1 << 16;
/// By how much a packet may be older than one that came before, nanoseconds.
const OVERTAKEN: u64 = 1_000_000_000;
/// The most senders.
const SENDERS: usize = 64;

/// What the writer alone records, or what is of the account's index: a key that anybody could name would be anybody's.
const OWN: [Kind; 5] = [
    Kind::SessionStart,
    Kind::KeyNext,
    Kind::SessionCheckpoint,
    Kind::SessionErase,
    Kind::Witness,
];

/// One who records.
#[derive(Debug)]
struct Sender {
    socket: OwnedFd,
    /// What it may record, a bit for each kind.
    kinds: u64,
}

/// The writer of one log and those who record.
#[derive(Debug)]
pub struct Service {
    writer: Writer,
    pace: Pace,
    senders: Vec<Sender>,
    causes: Causes,
    /// Who waits for the disk, and for which ticket.
    waiting: Vec<(usize, u64)>,
    counts: HashMap<Kind, u64>,
    /// Who asked for the head.
    heads: Vec<usize>,
    /// Something was recorded that is to be under a head at once.
    urgent: bool,
    since_head: Option<Instant>,
    key_since: Instant,
    packet: Vec<u8>,
    last_time: u64,
}

impl Service {
    /// A service for one sender, whose end [`crate::Client::pair`] gave.
    #[must_use]
    pub fn new(writer: Writer, sender: OwnedFd, pace: Pace) -> Self {
        Self {
            writer,
            pace,
            senders: vec![Sender {
                socket: sender,
                kinds: !bits(&OWN),
            }],
            causes: Causes::default(),
            waiting: Vec::new(),
            counts: HashMap::new(),
            heads: Vec::new(),
            urgent: false,
            since_head: None,
            key_since: Instant::now(),
            packet: vec![0; MAX_PACKET],
            last_time: 0,
        }
    }

    /// Writes until nobody can record any more, then ends the log. `before_first` is called before the first
    /// head is signed, unless the log ends before; `at_head` is told every head that was signed and written,
    /// and its note; `at_end` the last one, when its records are on the disk and before it is signed.
    ///
    /// # Errors
    /// The log cannot be written. Everybody was told why.
    pub fn run(
        mut self,
        before_first: impl FnOnce() -> Result<(), WriteError>,
        mut at_head: impl FnMut(&Checkpoint, &str),
        at_end: impl FnOnce(&Checkpoint) -> Result<(), WriteError>,
    ) -> Result<Checkpoint, WriteError> {
        let ended = self
            .serve(&mut Some(before_first), &mut at_head)
            .and_then(|()| self.writer.sync())
            .and_then(|head| at_end(&head))
            .and_then(|()| self.writer.end());
        if let Err(error) = &ended {
            self.senders
                .iter()
                .for_each(|sender| refuse(&sender.socket, error));
        }
        ended
    }

    fn serve(
        &mut self,
        before_first: &mut Option<impl FnOnce() -> Result<(), WriteError>>,
        at_head: &mut impl FnMut(&Checkpoint, &str),
    ) -> Result<(), WriteError> {
        while !self.senders.is_empty() {
            let ready = self.wait();
            let (before, mut gone) = (self.senders.len(), Vec::new());
            let mut heard = Vec::new();
            // Those who were named meanwhile have their turn at once.
            let mut at = 0;
            while at < self.senders.len() {
                if (at >= before || ready.contains(&at)) && !self.take(at, &mut heard) {
                    gone.push(at);
                }
                at += 1;
            }
            // Sockets are read one after the other; what they say happened in the order of its times.
            heard.sort_by_key(|(_, record, _)| record.time);
            for (sender, record, durable) in heard {
                self.record(sender, record, durable)?;
            }
            self.tell_heads();
            if self.is_due() {
                before_first.take().map_or(Ok(()), |call| call())?;
                self.commit(at_head)?;
            } else {
                self.writer.flush()?;
            }
            self.writer.rotate(self.pace.journal)?;
            for sender in gone.into_iter().rev() {
                self.senders.remove(sender);
            }
        }
        Ok(())
    }

    fn tell_heads(&mut self) {
        for sender in std::mem::take(&mut self.heads) {
            if let Some(sender) = self.senders.get(sender) {
                let counts = self
                    .counts
                    .iter()
                    .map(|(kind, count)| format!("{} {count}\n", kind.name()));
                let head = format!("{}\n{}", self.writer.head(), counts.collect::<String>());
                tell(&sender.socket, &Answer::Head(head).encode());
            }
        }
    }

    /// Waits for a sender, or until a head is due. Gives the senders that have something.
    fn wait(&self) -> Vec<usize> {
        let pause = self
            .since_head
            .map(|since| self.pace.head_after.saturating_sub(since.elapsed()));
        let timeout = pause.and_then(|pause| Timespec::try_from(pause).ok());
        let mut polled: Vec<PollFd<'_>> = self
            .senders
            .iter()
            .map(|s| PollFd::new(&s.socket, PollFlags::IN))
            .collect();
        let _interrupted = poll(&mut polled, timeout.as_ref());
        let ready = |(_, fd): &(usize, &PollFd<'_>)| !fd.revents().is_empty();
        polled
            .iter()
            .enumerate()
            .filter(ready)
            .map(|(at, _)| at)
            .collect()
    }

    fn is_due(&self) -> bool {
        let late = |since: Instant| since.elapsed() >= self.pace.head_after;
        self.urgent
            || self.since_head.is_some_and(late)
            || self.writer.size() - self.writer.durable() >= self.pace.head_every
    }

    fn commit(&mut self, at_head: &mut impl FnMut(&Checkpoint, &str)) -> Result<(), WriteError> {
        if self.key_since.elapsed() >= self.pace.key_for {
            self.writer.evolve()?;
            self.key_since = Instant::now();
        }
        let head = self.writer.commit()?;
        self.since_head = None;
        self.urgent = false;
        for (sender, ticket) in std::mem::take(&mut self.waiting) {
            if let Some(sender) = self.senders.get(sender) {
                tell(&sender.socket, &Answer::Durable { ticket }.encode());
            }
        }
        at_head(&head, self.writer.note());
        Ok(())
    }

    /// Takes what a sender has; no when it is gone, or said what cannot be.
    fn take(&mut self, sender: usize, heard: &mut Vec<(usize, Record, bool)>) -> bool {
        for _ in 0..BURST {
            let Some(from) = self.senders.get(sender) else {
                return false;
            };
            let kinds = from.kinds;
            let may = |record: &Record| bit(record.kind) & kinds != 0;
            let (got, socket) = match receive(&from.socket, &mut self.packet) {
                Ok(received) => received,
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            };
            let packet = self.packet.get(..got).unwrap_or_default();
            match (Asked::decode(packet), socket) {
                (Some(Asked::Record { record, durable }), None) if may(&record) => {
                    heard.push((sender, record, durable));
                }
                (Some(Asked::Records(records)), None) if records.iter().all(may) => {
                    heard.extend(records.into_iter().map(|record| (sender, record, false)));
                }
                // Asked after what this one recorded; that is written first.
                (Some(Asked::Head), None) => {
                    self.heads.push(sender);
                    return true;
                }
                (Some(Asked::Sender(wanted)), Some(socket)) if self.senders.len() < SENDERS => {
                    // Nobody gives what it has not.
                    let kinds = wanted & kinds;
                    self.senders.push(Sender { socket, kinds });
                }
                _ => return false,
            }
        }
        true
    }

    fn record(&mut self, sender: usize, record: Record, durable: bool) -> Result<(), WriteError> {
        let ticket = record.sequence;
        // A cause comes before what it led to.
        let cause = record.cause.and_then(|cause| self.causes.find(cause));
        let cause = cause.filter(|cause| *cause < self.writer.size());
        // When it happened, by whoever saw it. Packets of several senders overtake each other a little:
        // that is no clock that was set back.
        let behind = self.last_time.saturating_sub(record.time);
        let time = if behind < OVERTAKEN {
            record.time + behind
        } else {
            record.time
        };
        self.last_time = time;
        let sequence = self.writer.append_at(time, record.kind, cause, record.fields)?;
        self.causes.keep(ticket, sequence);
        *self.counts.entry(record.kind).or_default() += 1;
        self.since_head.get_or_insert_with(Instant::now);
        self.urgent |= durable || matches!(record.kind, Kind::Hold | Kind::Approval);
        if durable {
            self.waiting.push((sender, ticket));
        }
        Ok(())
    }
}

/// One packet, and the socket that came with it.
fn receive(from: &OwnedFd, packet: &mut [u8]) -> Result<(usize, Option<OwnedFd>), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let got = loop {
        match recvmsg(from, &mut [IoSliceMut::new(packet)], &mut control, flags) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    if got.bytes == 0 || got.flags.contains(ReturnFlags::TRUNC) {
        return Err(Errno::PIPE);
    }
    let socket = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok((got.bytes, socket))
}

/// Tells one who would record that nothing will be, and why: for a writer that cannot begin.
pub fn decline(sender: &OwnedFd, why: &str) {
    tell(sender, &Answer::Failed(why.to_owned()).encode());
}

/// Tells a sender that nothing will be written, and why.
pub(crate) fn refuse(sender: &OwnedFd, error: &WriteError) {
    tell(sender, &Answer::Failed(error.to_string()).encode());
}

/// Answers; one who does not listen, or not any more, goes without.
fn tell(sender: &OwnedFd, answer: &[u8]) {
    let _gone = send(sender.as_fd(), answer, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

/// Sequence numbers of the last records, by the tickets that senders gave them.
#[derive(Debug, Default)]
struct Causes {
    by_ticket: HashMap<u64, u64>,
    order: VecDeque<u64>,
}

impl Causes {
    fn keep(&mut self, ticket: u64, sequence: u64) {
        if self.by_ticket.insert(ticket, sequence).is_none() {
            self.order.push_back(ticket);
        }
        if self.order.len() > CAUSES
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_ticket.remove(&oldest);
        }
    }

    fn find(&self, ticket: u64) -> Option<u64> {
        if ticket == Ticket::START.0 {
            return Some(0);
        }
        self.by_ticket.get(&ticket).copied()
    }
}
