//! What waits, as bytes that outlive the process: version 1, one encoding of each value, bounded.

use super::approver::{Proof, Requirement};
use super::queue::Holds;
use super::time::Time;
use crate::wire::{Reader, Writer};
use fumehood_effect::{Digest, Effect, Fact, Facts, Reason, Resource, SessionId, Tier};

/// One card without its waiters, votes and number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Why it is held.
    pub reason: Reason,
    /// Who may release it.
    pub requirement: Requirement,
    /// When it is given up.
    pub until: Time,
    /// The effects.
    pub effects: Vec<Effect>,
}

/// The file holds no tickets that we wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not tickets of a version that this program knows")]
pub struct TicketError;

const VERSION: u8 = 1;
/// The most tickets, effects of one, facts of one.
const MAX: u64 = 1024;

impl Holds {
    /// What waits now, to be kept.
    #[must_use]
    pub fn tickets(&self) -> Vec<Ticket> {
        let ticket = |card: &super::Card| Ticket {
            reason: card.reason.clone(),
            requirement: card.requirement.clone(),
            until: card.until,
            effects: card.members.iter().map(|m| m.effect.clone()).collect(),
        };
        self.cards.values().map(ticket).collect()
    }
}

impl Ticket {
    /// The bytes of a list of tickets.
    #[must_use]
    pub fn encode(tickets: &[Ticket]) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.number(tickets.len() as u64);
        for ticket in tickets {
            write(ticket, &mut out);
        }
        out.finish()
    }

    /// The tickets, if that is what the bytes are.
    ///
    /// # Errors
    /// It is not.
    pub fn decode(bytes: &[u8]) -> Result<Vec<Ticket>, TicketError> {
        let (&version, rest) = bytes.split_first().ok_or(TicketError)?;
        if version != VERSION {
            return Err(TicketError);
        }
        let mut read = Reader::new(rest);
        let tickets = list(&mut read, ticket);
        tickets.and_then(|t| read.end(t)).ok_or(TicketError)
    }
}

fn write(ticket: &Ticket, out: &mut Writer) {
    let who = &ticket.requirement;
    for text in [&ticket.reason.why, &ticket.reason.rule, &ticket.reason.remedy] {
        out.bytes(text.as_bytes());
    }
    option(out, who.group.as_ref(), |out, group| {
        out.bytes(group.as_bytes());
    });
    out.number(who.count.into()).byte(u8::from(who.not_requester));
    out.byte(u8::from(who.proof == Proof::Passkey));
    option(out, who.approval.as_ref(), |out, ms| {
        out.number(*ms);
    });
    out.number(ticket.until.0).number(ticket.effects.len() as u64);
    for effect in &ticket.effects {
        write_effect(effect, out);
    }
}

/// An effect's fields, in the order of its canonical bytes.
pub(crate) fn write_effect(effect: &Effect, out: &mut Writer) {
    for text in [effect.kind.name(), &effect.resource.system, &effect.resource.name] {
        out.bytes(text.as_bytes());
    }
    out.bytes(effect.tier.name().as_bytes())
        .bytes(effect.session.as_str().as_bytes());
    out.bytes(effect.content.as_bytes())
        .number(effect.facts.len() as u64);
    for (name, fact) in &effect.facts {
        out.bytes(name.as_bytes());
        match fact {
            Fact::Text(text) => out.byte(b't').bytes(text.as_bytes()),
            Fact::Number(n) => out.byte(b'n').number(*n),
            Fact::Flag(yes) => out.byte(b'f').byte(u8::from(*yes)),
            Fact::Digest(digest) => out.byte(b'd').bytes(digest.as_bytes()),
        };
    }
}

fn option<T>(out: &mut Writer, value: Option<&T>, write: impl Fn(&mut Writer, &T)) {
    out.byte(u8::from(value.is_some()));
    if let Some(value) = value {
        write(out, value);
    }
}

fn list<T>(read: &mut Reader<'_>, one: impl Fn(&mut Reader<'_>) -> Option<T>) -> Option<Vec<T>> {
    let count = read.number().filter(|n| *n <= MAX)?;
    (0..count).map(|_| one(read)).collect()
}

fn ticket(read: &mut Reader<'_>) -> Option<Ticket> {
    let reason = Reason {
        why: text(read)?,
        rule: text(read)?,
        remedy: text(read)?,
    };
    let group = if flag(read)? { Some(text(read)?) } else { None };
    let count = u32::try_from(read.number()?).ok()?;
    let not_requester = flag(read)?;
    let proof = if flag(read)? {
        Proof::Passkey
    } else {
        Proof::Account
    };
    let approval = if flag(read)? { Some(read.number()?) } else { None };
    Some(Ticket {
        reason,
        requirement: Requirement {
            group,
            count,
            not_requester,
            proof,
            approval,
        },
        until: Time(read.number()?),
        effects: list(read, effect)?,
    })
}

fn text(read: &mut Reader<'_>) -> Option<String> {
    read.text().map(str::to_owned)
}

fn flag(read: &mut Reader<'_>) -> Option<bool> {
    match read.byte()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// An effect as [`write_effect`] writes it; any other spelling is none.
pub(crate) fn effect(read: &mut Reader<'_>) -> Option<Effect> {
    let kind = read.text()?.parse().ok()?;
    let resource = Resource {
        system: text(read)?,
        name: text(read)?,
    };
    let tier = tier(read.text()?)?;
    let session: SessionId = read.text()?.parse().ok()?;
    let content = digest(read)?;
    let facts = list(read, |read| Some((text(read)?, fact(read)?)))?;
    let sorted = facts.is_sorted_by(|a, b| a.0 < b.0);
    let facts: Facts = facts.into_iter().collect();
    sorted.then_some(Effect {
        kind,
        resource,
        facts,
        tier,
        content,
        session,
    })
}

fn tier(name: &str) -> Option<Tier> {
    [Tier::Low, Tier::Medium, Tier::High, Tier::Critical]
        .into_iter()
        .find(|t| t.name() == name)
}

fn digest(read: &mut Reader<'_>) -> Option<Digest> {
    Some(Digest::from_bytes(read.bytes()?.try_into().ok()?))
}

fn fact(read: &mut Reader<'_>) -> Option<Fact> {
    Some(match read.byte()? {
        b't' => Fact::Text(text(read)?),
        b'n' => Fact::Number(read.number()?),
        b'f' => Fact::Flag(flag(read)?),
        b'd' => Fact::Digest(digest(read)?),
        _ => return None,
    })
}
