//! A card: what an approver is shown, and what the answer is bound to.

use super::approver::{Approver, Requirement};
use super::digests::of_fields;
use super::time::Time;
use super::verdict::Waiter;
use fumehood_effect::{Digest, Effect, Reason, Tier};
use std::collections::VecDeque;
use std::fmt;

/// The number of a hold in its session, from 1. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(pub u64);

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Four letters and digits that stand for the very content of a card. Nobody who does not see the card can look
/// for another content with the same code, because of its nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code([u8; 4]);

/// Letters and digits that are not taken for one another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The nonce of a card.
pub(super) fn nonce(salt: &[u8; 32], id: HoldId) -> Digest {
    of_fields("fumehood nonce 1", &[salt, &id.0.to_be_bytes()])
}

impl Code {
    fn of(card: Digest) -> Code {
        let digest = of_fields("fumehood code 1", &[card.as_bytes()]);
        let mut code = [b'a'; 4];
        for (letter, byte) in code.iter_mut().zip(digest.as_bytes()) {
            *letter = ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'a');
        }
        Code(code)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or("????"))
    }
}

/// One effect on a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The effect.
    pub effect: Effect,
    /// Its digest.
    pub digest: Digest,
    /// What the agent says about it.
    pub words: Option<String>,
    /// Whether its bytes are kept.
    pub kept: bool,
    /// Who waits for it, and until when, the oldest first.
    pub(super) waiting: VecDeque<(Waiter, Time)>,
}

impl Member {
    /// How many identical requests wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// One question to a human: one effect, or a burst of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its number.
    pub id: HoldId,
    /// A number that nobody outside this process can know: an answer to an earlier one fits no later card.
    pub(super) nonce: Digest,
    /// Why it is held.
    pub reason: Reason,
    /// Who may release it.
    pub requirement: Requirement,
    /// When it was first asked for.
    pub opened: Time,
    /// When it is given up.
    pub until: Time,
    /// The effects; never empty.
    pub members: Vec<Member>,
    /// Who has said yes to this very content, where several have to.
    pub(super) votes: Vec<Approver>,
}

impl Card {
    /// Stands for the content, to be typed.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::of(self.digest())
    }

    /// What an answer is bound to: the card itself, why, who may, and every effect.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let (id, count) = (self.id.0.to_be_bytes(), self.requirement.count.to_be_bytes());
        let who = self.requirement.words().unwrap_or_default();
        let mut fields: Vec<&[u8]> = vec![
            &id,
            self.nonce.as_bytes(),
            self.reason.why.as_bytes(),
            self.reason.rule.as_bytes(),
        ];
        fields.extend([who.as_bytes(), &count]);
        fields.extend(self.members.iter().map(|m| m.digest.as_bytes().as_slice()));
        of_fields("fumehood card 1", &fields)
    }

    /// The gravest of its effects.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.members
            .iter()
            .map(|m| m.effect.tier)
            .max()
            .unwrap_or(Tier::Critical)
    }

    /// How many people have said yes.
    #[must_use]
    pub fn votes(&self) -> usize {
        self.votes.len()
    }

    /// Whether nobody waits for it any more: a ticket.
    #[must_use]
    pub fn is_ticket(&self) -> bool {
        self.members.iter().all(|m| m.waiting.is_empty())
    }
}
