//! The terminal's side.

use super::ask::{About, Answer, Ask, PublishedPort};
use super::serve::{address, open_folder};
use super::words::{Head, Reply, Scoped, Talk};
use crate::channel::Channel;
use crate::hold::HoldId;
use fumehood_effect::{Digest, SessionId};
use fumehood_policy::escape::acts_or_hides;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// How long an answer may take, seconds.
const PATIENCE: i64 = 10;
/// As above, for who looks at all sessions: one of a stopped job does not answer.
const LOOK: i64 = 2;
/// The most pages of one card that are read.
const MAX_PAGES: u64 = 64;

/// A connection to a session's desk.
#[derive(Debug)]
pub struct Caller {
    channel: Channel,
    page: bool,
}

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// There is no such session, or it has ended.
    #[error("no session answers: {0}")]
    Nobody(#[source] Errno),
    /// The session said no.
    #[error("{0}")]
    Refused(String),
    /// It did not answer in time.
    #[error("the session does not answer: is it a stopped job?")]
    Silent,
    /// It answered something else.
    #[error("the session answers in another version")]
    Strange,
}

/// The sessions that have a desk in this folder, by name.
///
/// # Errors
/// The folder is not this account's alone. Where there is none, there are no sessions.
pub fn sessions(folder: &Path) -> Result<Vec<SessionId>, CallerError> {
    match open_folder(folder) {
        Ok(_) => {}
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(CallerError::Nobody(errno)),
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<SessionId> = entries
        .filter_map(|e| e.file_name().to_str().and_then(|n| n.parse().ok()))
        .collect();
    names.sort();
    Ok(names)
}

impl Caller {
    /// Connects to a session's desk.
    ///
    /// # Errors
    /// Nobody is there.
    pub fn connect(folder: &Path, session: &SessionId) -> Result<Caller, CallerError> {
        let connect = || {
            let folder = open_folder(folder)?;
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
            rustix::net::connect(&socket, &address(&folder, session.as_str())?)?;
            Ok(socket)
        };
        connect()
            .map(|fd| Caller {
                channel: Channel::from(fd),
                page: false,
            })
            .map_err(CallerError::Nobody)
    }

    /// From now on whoever answers looks at the local page.
    pub fn at_page(&mut self) {
        self.page = true;
    }

    fn say(&self, talk: &Talk) -> Result<Reply, CallerError> {
        self.say_bytes(&talk.encode(), None, PATIENCE)
    }

    pub(super) fn say_bytes(
        &self,
        packet: &[u8],
        fd: Option<BorrowedFd<'_>>,
        seconds: i64,
    ) -> Result<Reply, CallerError> {
        // A refusal may be here before anything was said; what was sent then is lost, and nobody minds.
        let _closed = self.channel.send(packet, fd);
        let patience = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let mut watched = [PollFd::from_borrowed_fd(self.channel.as_fd(), PollFlags::IN)];
        match poll(&mut watched, Some(&patience)) {
            Ok(1..) => self.receive().map(|(reply, _)| reply),
            Ok(0) => Err(CallerError::Silent),
            Err(errno) => Err(CallerError::Nobody(errno)),
        }
    }

    /// What is there to be received.
    fn receive(&self) -> Result<(Reply, Option<OwnedFd>), CallerError> {
        // Whoever refuses us at once closes with our words unread; its own are still there after that is told.
        let received = self.channel.receive().or_else(|errno| match errno {
            Errno::CONNRESET => self.channel.receive(),
            errno => Err(errno),
        });
        let packet = received.map_err(CallerError::Nobody)?;
        let packet = packet.ok_or(CallerError::Nobody(Errno::PIPE))?;
        match Reply::decode(&packet.bytes) {
            Some(Reply::Refused(why)) => Err(CallerError::Refused(plain(why))),
            Some(reply) => Ok((reply, packet.fd)),
            None => Err(CallerError::Strange),
        }
    }

    /// What the session is.
    ///
    /// # Errors
    /// As [`CallerError`] says.
    pub fn about(&self) -> Result<About, CallerError> {
        match self.say_bytes(&Talk::Session(Ask::About).encode(), None, LOOK)? {
            Reply::Session(Answer::About(about)) => Ok(*about),
            _ => Err(CallerError::Strange),
        }
    }

    /// Asks something that is answered later, or not at all: see [`Caller::answer`].
    ///
    /// # Errors
    /// The session is gone, or does not read.
    pub fn ask(&self, ask: Ask, fd: Option<BorrowedFd<'_>>) -> Result<(), CallerError> {
        let packet = Talk::Session(ask).encode();
        self.channel.send(&packet, fd).map_err(CallerError::Nobody)
    }

    /// The next answer, with the descriptor that came with it; does not wait. `None` where there is none yet.
    ///
    /// # Errors
    /// As [`CallerError`] says.
    pub fn answer(&self) -> Result<Option<(Answer, Option<OwnedFd>)>, CallerError> {
        match self.receive() {
            Ok((Reply::Session(answer), fd)) => Ok(Some((answer, fd))),
            Ok(_) => Err(CallerError::Strange),
            Err(CallerError::Nobody(Errno::AGAIN)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is held.
    ///
    /// # Errors
    /// As [`CallerError`] says.
    pub fn list(&self) -> Result<Vec<Head>, CallerError> {
        match self.say(&Talk::List)? {
            Reply::List(heads) => Ok(heads
                .into_iter()
                .map(|h| Head {
                    line: plain(h.line),
                    ..h
                })
                .collect()),
            _ => Err(CallerError::Strange),
        }
    }

    /// A card's text, whole, and the digest that an answer to just this text carries.
    ///
    /// # Errors
    /// As [`CallerError`] says; [`CallerError::Strange`] where it changed while it was read.
    pub fn card(&self, id: HoldId) -> Result<(Vec<String>, Digest), CallerError> {
        let (mut text, mut seen) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let from = text.len() as u64;
            let Reply::Card { card, total, lines } = self.say(&Talk::Card { id, from })? else {
                return Err(CallerError::Strange);
            };
            if *seen.get_or_insert(card) != card {
                return Err(CallerError::Refused(format!(
                    "hold {id} changed while it was read; look again"
                )));
            }
            let nothing = lines.is_empty();
            text.extend(lines.into_iter().map(plain));
            if text.len() as u64 >= total {
                return Ok((text, card));
            }
            if nothing {
                break;
            }
        }
        Err(CallerError::Strange)
    }

    /// Yes, to what has this digest.
    ///
    /// # Errors
    /// As [`CallerError`] says.
    pub fn allow(
        &self,
        id: HoldId,
        card: Digest,
        times: u32,
        scope: Option<Scoped>,
    ) -> Result<String, CallerError> {
        self.decide(Talk::Allow {
            id,
            card,
            times,
            scope,
        })
    }

    /// No, to what has this digest, with a sentence for the agent.
    ///
    /// # Errors
    /// As [`CallerError`] says.
    pub fn deny(&self, id: HoldId, card: Digest, words: Option<String>) -> Result<String, CallerError> {
        self.decide(Talk::Deny { id, card, words })
    }

    /// Stops the session.
    ///
    /// # Errors
    /// As [`CallerError`] says.
    pub fn freeze(&self) -> Result<String, CallerError> {
        self.decide(Talk::Freeze)
    }

    /// From now on a host may be reached, or may not; for so many milliseconds.
    ///
    /// # Errors
    /// As [`CallerError`] says.
    pub fn reach(&self, host: &str, allow: bool, span: Option<u64>) -> Result<String, CallerError> {
        let host = host.to_owned();
        self.done(&Talk::Session(Ask::Reach { host, allow, span }))
    }

    /// Which ports of the session are reachable outside.
    ///
    /// # Errors
    /// As [`CallerError`] says.
    pub fn ports(&self) -> Result<Vec<PublishedPort>, CallerError> {
        match self.say(&Talk::Session(Ask::Ports))? {
            Reply::Session(Answer::Ports(ports)) => Ok(ports),
            _ => Err(CallerError::Strange),
        }
    }

    /// Hands over a listener that leads to this port inside until the session ends.
    ///
    /// # Errors
    /// As [`CallerError`] says.
    pub fn publish(&self, listener: BorrowedFd<'_>, port: u16) -> Result<String, CallerError> {
        let packet = Talk::Session(Ask::Publish(port)).encode();
        done(self.say_bytes(&packet, Some(listener), PATIENCE)?)
    }

    fn decide(&self, talk: Talk) -> Result<String, CallerError> {
        self.done(&if self.page {
            Talk::AtPage(Box::new(talk))
        } else {
            talk
        })
    }

    fn done(&self, talk: &Talk) -> Result<String, CallerError> {
        done(self.say(talk)?)
    }
}

fn done(reply: Reply) -> Result<String, CallerError> {
    match reply {
        Reply::Done(text) => Ok(plain(text)),
        _ => Err(CallerError::Strange),
    }
}

impl AsFd for Caller {
    /// Readable when [`Caller::answer`] has something.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

/// The session escaped it already; it is not believed.
fn plain(text: String) -> String {
    text.chars()
        .map(|c| if acts_or_hides(c) { '\u{fffd}' } else { c })
        .collect()
}
