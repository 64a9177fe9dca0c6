//! The supervisor's side: listens, looks at who comes, answers. Never waits.

use super::ask::Ask;
use super::peer::{Peer, Proc, Processes, examine};
use super::words::{Head, Reply, Scoped, Talk};
use crate::channel::Channel;
use crate::hold::{
    Answer, Answered, Approver, Choice, HoldId, Holds, Member, Proof, Scope, Time, Via, Wake, headline, lines,
};
use fumehood_effect::{Digest, SessionId};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The most clients at a time, and packets of one in a turn: who runs a program is connected while it runs.
const MAX_CLIENTS: usize = 96;
const MAX_PACKETS: usize = 16;
/// Bytes of a card's lines in one packet.
const MAX_LINES: usize = 60 * 1024;

/// The desk of one session. Its socket is removed with it.
#[derive(Debug)]
pub struct Desk {
    folder: OwnedFd,
    name: String,
    listener: OwnedFd,
    clients: Vec<(Client, Channel, Peer)>,
    next: u64,
    own: i32,
    account: u32,
    person: String,
    processes: &'static (dyn Processes + Sync),
}

/// Why there is no desk.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The folder of sockets.
    #[error("the folder for approvals: {0}")]
    Folder(#[source] Errno),
    /// The socket.
    #[error("the socket for approvals: {0}")]
    Socket(#[source] Errno),
}

/// A connection, as long as it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(u64);

/// What is asked of the session rather than of the desk.
#[derive(Debug)]
pub enum Heard {
    /// By whom, what, and the descriptor that came with it.
    Ask(Client, Box<Peer>, Ask, Option<OwnedFd>),
    /// A connection that asked is gone.
    Gone(Client),
}

/// What was said at the desk, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Yes.
    Allow(HoldId, Digest),
    /// No.
    Deny(HoldId, Digest),
    /// Stop.
    Freeze,
}

/// An answer that counted, by whom, and who is woken by it.
#[derive(Debug)]
pub struct Told {
    /// What.
    pub said: Said,
    /// By whom.
    pub peer: Peer,
    /// Where that person looked, by what the peer says: a terminal, or the local page.
    pub via: Via,
    /// Who is woken.
    pub wakes: Vec<Wake>,
}

impl Desk {
    /// Opens the desk of a session in this folder, which is made for this account alone. `person` is who an
    /// answer counts for: the account.
    ///
    /// # Errors
    /// There is none.
    pub fn open(folder: &Path, session: &SessionId, person: &str) -> Result<Desk, DeskError> {
        match rustix::fs::mkdir(folder, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(DeskError::Folder(errno)),
        }
        let folder = open_folder(folder).map_err(DeskError::Folder)?;
        let name = session.as_str().to_owned();
        // What a killed supervisor of the same session left.
        let _none = rustix::fs::unlinkat(&folder, &name, AtFlags::empty());
        let listener = listen(&folder, &name).map_err(DeskError::Socket)?;
        Ok(Desk {
            folder,
            name,
            listener,
            clients: Vec::new(),
            next: 0,
            own: rustix::process::getpid().as_raw_nonzero().get(),
            account: rustix::process::geteuid().as_raw(),
            person: person.to_owned(),
            processes: &Proc,
        })
    }

    /// What to wait for: any of these being readable.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd()).chain(self.clients.iter().map(|(_, c, _)| c.as_fd()))
    }

    /// Takes in who comes and what they say: answers that count, and what the session is asked.
    pub fn turn(&mut self, holds: &mut Holds, now: Time) -> (Vec<Told>, Vec<Heard>) {
        self.accept();
        let (mut told, mut heard) = (Vec::new(), Vec::new());
        for (client, channel, peer) in std::mem::take(&mut self.clients) {
            if self.hear((client, &channel), &peer, (holds, now), &mut told, &mut heard) {
                self.clients.push((client, channel, peer));
            } else {
                heard.push(Heard::Gone(client));
            }
        }
        (told, heard)
    }

    /// Answers what the session was asked. A client that is gone, or does not read, gets nothing.
    pub fn answer_to(&self, client: Client, reply: &Reply, fd: Option<BorrowedFd<'_>>) {
        if let Some((_, channel, _)) = self.clients.iter().find(|(c, ..)| *c == client) {
            let _gone = channel.send(&reply.encode(), fd);
        }
    }

    fn accept(&mut self) {
        while let Ok(fd) =
            rustix::net::accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
        {
            let found = rustix::net::sockopt::socket_peercred(&fd);
            let channel = Channel::from(fd);
            let peer = found.map(|c| {
                examine(
                    self.processes,
                    self.own,
                    self.account,
                    c.pid.as_raw_nonzero().get(),
                    c.uid.as_raw(),
                )
            });
            let refusal = match peer {
                Ok(Ok(peer)) if self.clients.len() < MAX_CLIENTS => {
                    self.next += 1;
                    self.clients.push((Client(self.next), channel, peer));
                    continue;
                }
                Ok(Ok(_)) => "too many ask this session at once; try again when some have ended".to_owned(),
                Ok(Err(why)) => why.to_string(),
                Err(errno) => errno.to_string(),
            };
            let _gone = channel.send(&Reply::Refused(refusal).encode(), None);
        }
    }

    /// Whether the connection goes on.
    fn hear(
        &self,
        (client, channel): (Client, &Channel),
        peer: &Peer,
        (holds, now): (&mut Holds, Time),
        told: &mut Vec<Told>,
        heard: &mut Vec<Heard>,
    ) -> bool {
        for _ in 0..MAX_PACKETS {
            let packet = match channel.receive() {
                Ok(Some(packet)) => packet,
                Err(Errno::AGAIN) => return true,
                Ok(None) | Err(_) => return false,
            };
            let Some(talk) = Talk::decode(&packet.bytes) else {
                let text = format!(
                    "not understood: this session speaks version {} of the desk",
                    super::VERSION
                );
                let _gone = channel.send(&Reply::Refused(text).encode(), None);
                return false;
            };
            let reply = match (talk, peer.at_a_terminal()) {
                (Talk::Session(ask), Err(why)) if ask.needs_a_terminal() => Reply::Refused(why.to_string()),
                (Talk::Session(ask), _) => {
                    heard.push(Heard::Ask(client, Box::new(peer.clone()), ask, packet.fd));
                    continue;
                }
                (_, Err(why)) => Reply::Refused(why.to_string()),
                (talk, Ok(())) => self.reply(talk, peer, holds, now, told),
            };
            if channel.send(&reply.encode(), None).is_err() {
                return false;
            }
        }
        true
    }

    fn reply(&self, talk: Talk, peer: &Peer, holds: &mut Holds, now: Time, told: &mut Vec<Told>) -> Reply {
        let (talk, via) = match talk {
            Talk::AtPage(talk) => (*talk, Via::Page),
            talk => (talk, Via::Terminal),
        };
        match talk {
            Talk::List => Reply::List(holds.cards().into_iter().map(head).collect()),
            Talk::Card { id, from } => card(holds, id, from, now),
            Talk::Allow {
                id,
                card,
                times,
                scope,
            } => {
                let choice = match scope {
                    None => Ok(Choice::Allow { times }),
                    Some(scope) => scoped(holds, id, &scope).map(Choice::AllowScope),
                };
                match choice {
                    Ok(choice) => self.answer((Said::Allow(id, card), via), choice, peer, holds, now, told),
                    Err(text) => Reply::Refused(text),
                }
            }
            Talk::Deny { id, card, words } => self.answer(
                (Said::Deny(id, card), via),
                Choice::Deny(words),
                peer,
                holds,
                now,
                told,
            ),
            // `hear` passes what is the session's on, and nobody is at a page twice.
            Talk::Session(_) | Talk::AtPage(_) => Reply::Refused(String::new()),
            Talk::Freeze => {
                let wakes = holds.freeze();
                told.push(Told {
                    said: Said::Freeze,
                    peer: peer.clone(),
                    via,
                    wakes,
                });
                Reply::Done("frozen: nothing more leaves this session".to_owned())
            }
        }
    }

    fn answer(
        &self,
        (said, via): (Said, Via),
        choice: Choice,
        peer: &Peer,
        holds: &mut Holds,
        now: Time,
        told: &mut Vec<Told>,
    ) -> Reply {
        let (Said::Allow(id, card) | Said::Deny(id, card)) = said else {
            return Reply::Refused(String::new());
        };
        let approver = Approver {
            person: self.person.clone(),
            groups: BTreeSet::new(),
            proof: Proof::Account,
            via,
        };
        match holds.answer(
            Answer {
                id,
                card,
                choice,
                approver,
            },
            now,
        ) {
            Ok(Answered::Done(wakes)) => {
                let woken = wakes.len();
                let done = if matches!(said, Said::Deny(..)) {
                    "denied"
                } else {
                    "allowed"
                };
                told.push(Told {
                    said,
                    peer: peer.clone(),
                    via,
                    wakes,
                });
                Reply::Done(if woken == 0 && done == "allowed" {
                    "allowed; nobody waits: the same passes when it is sent again within 15 minutes"
                        .to_owned()
                } else {
                    done.to_owned()
                })
            }
            Ok(Answered::More(n)) => {
                told.push(Told {
                    said,
                    peer: peer.clone(),
                    via,
                    wakes: Vec::new(),
                });
                Reply::Done(format!("counted; {n} more have to allow it"))
            }
            Err(why) => Reply::Refused(why.to_string()),
        }
    }
}

fn head(card: &crate::hold::Card) -> Head {
    Head {
        id: card.id,
        card: card.digest(),
        code: card.code().to_string(),
        tier: card.tier().to_string(),
        line: headline(card),
        waiting: card.members.iter().map(Member::waiting).sum::<usize>() as u64,
    }
}

/// A card's text from a line on, as much as fits a packet.
fn card(holds: &Holds, id: HoldId, from: u64, now: Time) -> Reply {
    let cards = holds.cards();
    let Some(card) = cards.into_iter().find(|c| c.id == id) else {
        return Reply::Refused(crate::hold::AnswerError::Unknown(id).to_string());
    };
    let all = lines(card, now);
    let mut room = MAX_LINES;
    let fits = |line: &String| {
        room = room.saturating_sub(line.len() + 8);
        room > 0
    };
    let total = all.len() as u64;
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let lines = all.into_iter().skip(from).take(256).take_while(fits).collect();
    Reply::Card {
        card: card.digest(),
        total,
        lines,
    }
}

fn scoped(holds: &Holds, id: HoldId, wanted: &Scoped) -> Result<Scope, String> {
    let cards = holds.cards();
    let card = cards.into_iter().find(|c| c.id == id);
    let member = card.and_then(|c| c.members.first());
    let member = member.ok_or_else(|| crate::hold::AnswerError::Unknown(id).to_string())?;
    Scope::around(&member.effect, &wanted.names, wanted.uses, wanted.span).map_err(|e| e.to_string())
}

/// The folder itself, which must be this account's and nobody else's to enter.
pub(super) fn open_folder(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::PATH;
    let folder = rustix::fs::open(path, flags, Mode::empty())?;
    let found = rustix::fs::fstat(&folder)?;
    let own = rustix::process::geteuid().as_raw();
    if found.st_uid == own && found.st_mode & 0o077 == 0 {
        Ok(folder)
    } else {
        Err(Errno::ACCESS)
    }
}

/// The address of a name in the folder: short, whatever the folder's path is (`sun_path` has 108 bytes).
pub(super) fn address(folder: &OwnedFd, name: &str) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

fn listen(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    rustix::net::bind(&socket, &address(folder, name)?)?;
    rustix::net::listen(&socket, 8)?;
    Ok(socket)
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _gone = rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty());
    }
}

#[cfg(test)]
mod tests;
