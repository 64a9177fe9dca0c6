//! The request of git-receive-pack (gitprotocol-pack, "Reference Update Request"), read as the server reads it.

use crate::name::RefName;
use crate::oid::ObjectId;
use crate::pkt::{Packet, PktError, Pkts};
use std::collections::BTreeSet;

/// The longest list of commands and options, bytes. A mirror of 10,000 refs fits.
const MAX_HEAD: usize = 2 << 20;

/// One ref that is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What the client says it is; the server compares.
    pub old: ObjectId,
    /// What it shall be.
    pub new: ObjectId,
    /// Which.
    pub name: RefName,
}

/// What a push asks for, up to its pack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Push {
    /// The commands. None is a probe that changes nothing.
    pub commands: Vec<Command>,
    /// Capabilities, of any line.
    pub capabilities: BTreeSet<Vec<u8>>,
    /// Push options, in order.
    pub options: Vec<Vec<u8>>,
    /// Commits at which the client's history is cut off.
    pub shallow: Vec<ObjectId>,
    /// Whether it carries a push certificate.
    pub signed: bool,
    /// Where the pack begins, if there is one.
    pub pack_at: usize,
}

/// Where reading is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Whole.
    Whole(Box<Push>),
    /// More bytes are needed.
    More,
}

/// Not a push, or one that two readers could read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The packets.
    #[error(transparent)]
    Pkt(#[from] PktError),
    /// A line that is no command.
    #[error("a line is not `old new ref`")]
    Command,
    /// Ids of two kinds.
    #[error("object ids of two kinds in one push")]
    Mixed,
    /// A certificate that is not read.
    #[error("a push certificate of another form")]
    Certificate,
    /// Longer than is read.
    #[error("the list of refs is longer than is read")]
    Long,
    /// A ref named twice.
    #[error("a ref is named twice")]
    Twice,
    /// It ends in the middle.
    #[error("the push ends before its commands do")]
    Cut,
}

impl Push {
    /// Reads the request from its first bytes; `whole` says that no more follow.
    ///
    /// # Errors
    /// It is no push that can be judged.
    pub fn read(bytes: &[u8], whole: bool) -> Result<Reading, PushError> {
        let mut pkts = Pkts::new(bytes);
        let mut push = Push::default();
        let more = |whole| {
            if whole {
                Err(PushError::Cut)
            } else {
                Ok(Reading::More)
            }
        };
        let all =
            push.commands(&mut pkts)? && (!push.has(b"push-options") || push.push_options(&mut pkts)?);
        if pkts.at() > MAX_HEAD || (!all && bytes.len() > MAX_HEAD) {
            return Err(PushError::Long);
        }
        if !all {
            return more(whole);
        }
        push.check()?;
        push.pack_at = pkts.at();
        Ok(Reading::Whole(Box::new(push)))
    }

    /// Whether the client has this capability, as the server looks for it: a word, perhaps with a value.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        self.capabilities.iter().any(|c| {
            c.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'=')
        })
    }

    /// Whether a pack must follow: something is created or moved.
    #[must_use]
    pub fn needs_pack(&self) -> bool {
        self.commands.iter().any(|c| !c.new.is_none())
    }

    fn commands(&mut self, pkts: &mut Pkts<'_>) -> Result<bool, PushError> {
        while let Some(packet) = pkts.read()? {
            let Packet::Line(line) = packet else {
                return Ok(true);
            };
            let (text, capabilities) = match line.iter().position(|b| *b == 0) {
                Some(at) => (&line[..at], Some(&line[at + 1..])),
                None => (chomped(line), None),
            };
            if let Some(id) = text.strip_prefix(b"shallow ") {
                self.shallow
                    .push(ObjectId::from_hex(id).ok_or(PushError::Command)?);
            } else if text == b"push-cert" {
                self.take(capabilities.unwrap_or_default());
                if !self.certificate(pkts)? {
                    return Ok(false);
                }
            } else {
                self.take(capabilities.unwrap_or_default());
                self.commands.push(command(text)?);
            }
        }
        Ok(false)
    }

    fn take(&mut self, capabilities: &[u8]) {
        let words = chomped(capabilities)
            .split(|b| *b == b' ')
            .filter(|w| !w.is_empty());
        self.capabilities.extend(words.map(<[u8]>::to_vec));
    }

    fn push_options(&mut self, pkts: &mut Pkts<'_>) -> Result<bool, PushError> {
        while let Some(packet) = pkts.read()? {
            match packet {
                Packet::Flush => return Ok(true),
                Packet::Line(line) => self.options.push(chomped(line).to_vec()),
            }
        }
        Ok(false)
    }

    /// A certificate's lines up to `push-cert-end`. The commands stand between its blank line and its one
    /// signature; options in its head are the same as those after the flush, which the server compares.
    fn certificate(&mut self, pkts: &mut Pkts<'_>) -> Result<bool, PushError> {
        if self.signed {
            return Err(PushError::Certificate);
        }
        self.signed = true;
        let (mut body, mut signature) = (false, false);
        while let Some(packet) = pkts.read()? {
            let Packet::Line(line) = packet else {
                return Err(PushError::Certificate);
            };
            let text = chomped(line);
            match () {
                () if text == b"push-cert-end" && signature => return Ok(true),
                () if text == b"push-cert-end" => return Err(PushError::Certificate),
                // A line that a reader of the whole certificate would split differently.
                () if text.contains(&b'\n') || text.contains(&0) => return Err(PushError::Certificate),
                () if text.starts_with(b"-----BEGIN ") && (signature || !body) => {
                    return Err(PushError::Certificate);
                }
                () if text.starts_with(b"-----BEGIN ") => signature = true,
                () if signature => {}
                () if text.is_empty() && body => return Err(PushError::Certificate),
                () if text.is_empty() => body = true,
                () if body => self.commands.push(command(text)?),
                () => {}
            }
        }
        Ok(false)
    }

    fn check(&self) -> Result<(), PushError> {
        let mut formats = self
            .commands
            .iter()
            .flat_map(|c| [c.old.format(), c.new.format()]);
        if let Some(first) = formats.next()
            && formats.any(|f| f != first)
        {
            return Err(PushError::Mixed);
        }
        let mut seen = BTreeSet::new();
        if self.commands.iter().all(|c| seen.insert(&c.name)) {
            Ok(())
        } else {
            Err(PushError::Twice)
        }
    }
}

/// `old new name`.
fn command(text: &[u8]) -> Result<Command, PushError> {
    let mut parts = text.splitn(3, |b| *b == b' ');
    let mut id = || {
        parts
            .next()
            .and_then(ObjectId::from_hex)
            .ok_or(PushError::Command)
    };
    let (old, new) = (id()?, id()?);
    let name = parts.next().filter(|n| !n.is_empty()).ok_or(PushError::Command)?;
    Ok(Command {
        old,
        new,
        name: RefName::new(name),
    })
}

/// Without one line end, as the server takes it off.
fn chomped(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}
