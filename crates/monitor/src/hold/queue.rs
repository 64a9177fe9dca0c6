//! The queue: what is asked, what waits, what was approved, what is let through.

use super::answer::refused;
use super::bounds::Bounds;
use super::burst::{BurstRule, Recent};
use super::card::{Card, HoldId, Member, nonce};
use super::grant::{Grant, Scope};
use super::permit::{Issued, Permit};
use super::time::Time;
use super::verdict::{Ask, Refusal, Verdict, Wake, Why};
use fumehood_effect::{Decision, Digest, Effect, Reason, SessionId};
use std::collections::{BTreeMap, VecDeque};

/// What a hold does to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The request waits for an answer.
    Wait,
    /// Nobody is there to answer: a refusal with a ticket, at once.
    Deny,
}

/// Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What a hold does.
    pub mode: Mode,
    /// How long a request waits before it is refused with a ticket.
    pub wait: u64,
    /// How long a ticket waits.
    pub ticket: u64,
    /// How long an approval, or a permit, is good for.
    pub approval: u64,
    /// How long an effect that a person denied is denied without asking again.
    pub denial: u64,
    /// For how long after it opened a card takes in more effects of its class.
    pub gather: u64,
    /// When effects that fly are a burst.
    pub burst: BurstRule,
    /// The cards of an hour at most; beyond it the session pauses.
    pub hourly: usize,
    /// Whether a critical effect may be released on this machine: not where the isolation level leaves the
    /// channel within reach.
    pub local_critical: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Wait,
            wait: 120_000,
            ticket: 24 * 3_600_000,
            approval: 15 * 60_000,
            denial: 5 * 60_000,
            gather: 10_000,
            burst: BurstRule {
                count: 5,
                within: 10_000,
            },
            hourly: 40,
            local_critical: true,
        }
    }
}

/// The most cards, effects of a card, and requests waiting for one effect.
const MAX_CARDS: usize = 64;
const MAX_MEMBERS: usize = 256;
const MAX_WAITING: usize = 64;
/// The most approvals, denials, grants and permits that are remembered.
const MAX_REMEMBERED: usize = 4096;
const HOUR: u64 = 3_600_000;

/// All holds of one session.
#[derive(Debug)]
pub struct Holds {
    session: SessionId,
    pub(super) requester: String,
    pub(super) settings: Settings,
    salt: [u8; 32],
    latest: Time,
    frozen: bool,
    next_hold: u64,
    next_permit: u64,
    pub(super) cards: BTreeMap<HoldId, Card>,
    /// Approved, nobody waiting: the next who asks for the same gets it.
    pub(super) approved: BTreeMap<Digest, Time>,
    pub(super) denied: BTreeMap<Digest, (Time, Option<String>)>,
    pub(super) issued: BTreeMap<u64, Issued>,
    grants: Vec<Grant>,
    recent: Recent,
    opened: VecDeque<Time>,
}

impl Holds {
    /// An empty queue for a session that this person started. The salt is random, and stays outside.
    #[must_use]
    pub fn new(session: SessionId, requester: &str, salt: [u8; 32], settings: Settings) -> Holds {
        Holds {
            session,
            requester: requester.to_owned(),
            settings,
            salt,
            latest: Time(0),
            frozen: false,
            next_hold: 1,
            next_permit: 1,
            cards: BTreeMap::new(),
            approved: BTreeMap::new(),
            denied: BTreeMap::new(),
            issued: BTreeMap::new(),
            grants: Vec::new(),
            recent: Recent::default(),
            opened: VecDeque::new(),
        }
    }

    /// An effect wants to happen.
    pub fn ask(&mut self, ask: Ask, now: Time) -> Verdict {
        let now = self.clock(now);
        let refuse = |why| Verdict::Refuse(Refusal { why, ticket: None });
        if ask.effect.session != self.session {
            return refuse(Why::Foreign);
        }
        if self.frozen {
            return refuse(Why::Frozen);
        }
        match ask.decision.clone() {
            Decision::Deny(reason) => refuse(Why::Policy(reason)),
            Decision::Hold(reason) => self.held(ask, reason, now),
            Decision::Allow { rule } => self.allowed(ask, &rule, now),
        }
    }

    fn allowed(&mut self, ask: Ask, rule: &str, now: Time) -> Verdict {
        let effect = &ask.effect;
        let (kind, system) = (effect.kind, effect.resource.system.clone());
        if self
            .recent
            .strikes(self.settings.burst, kind, effect.tier, &system, now)
        {
            let reason = Reason {
                why: format!("more than {} like it in a short time", self.settings.burst.count),
                rule: format!("burst, over {rule}"),
                remedy: "allow this one, or a scope for those that follow".to_owned(),
            };
            return self.held(ask, reason, now);
        }
        let until = now.after(self.settings.approval);
        Verdict::Go(self.issue(ask.effect.digest(), until, None))
    }

    fn held(&mut self, ask: Ask, reason: Reason, now: Time) -> Verdict {
        let digest = ask.effect.digest();
        if let Some(until) = self.approved.remove(&digest).filter(|until| now < *until) {
            let bounds = Bounds::of(&ask.effect.facts);
            return Verdict::Go(self.issue(digest, until, Some(bounds)));
        }
        if ask.requirement.count <= 1 && self.grants.iter_mut().any(|g| g.take(&ask.effect, now)) {
            let bounds = Bounds::of(&ask.effect.facts);
            return Verdict::Go(self.issue(digest, now.after(self.settings.approval), Some(bounds)));
        }
        if let Some((_, words)) = self.denied.get(&digest).filter(|(until, _)| now < *until) {
            let why = Why::Person(words.clone());
            return Verdict::Refuse(Refusal { why, ticket: None });
        }
        let waits = ask.waiter.is_some() && self.settings.mode == Mode::Wait;
        match self.enqueue(ask, reason.clone(), digest, now) {
            None => Verdict::Refuse(Refusal {
                why: Why::TooMany,
                ticket: None,
            }),
            Some(id) if waits => Verdict::Wait(id),
            Some(id) => Verdict::Refuse(Refusal {
                why: Why::Waiting(reason),
                ticket: Some(id),
            }),
        }
    }

    /// Puts an effect on a card: that of the same effect, one of its class that still gathers, or a new one.
    fn enqueue(&mut self, ask: Ask, reason: Reason, digest: Digest, now: Time) -> Option<HoldId> {
        let waits = self.settings.mode == Mode::Wait;
        let waiting: VecDeque<_> = ask
            .waiter
            .filter(|_| waits)
            .map(|w| (w, now.after(self.settings.wait)))
            .into_iter()
            .collect();
        let open = |card: &&mut Card| now < card.until;
        for card in self.cards.values_mut().filter(open) {
            if let Some(member) = card.members.iter_mut().find(|m| m.digest == digest) {
                if member.waiting.len() >= MAX_WAITING {
                    return None;
                }
                member.waiting.extend(waiting);
                member.kept |= ask.kept;
                return Some(card.id);
            }
        }
        let requirement = ask.requirement;
        let member = Member {
            effect: ask.effect,
            digest,
            words: ask.words,
            kept: ask.kept,
            waiting,
        };
        let class = |e: &Effect| (e.kind, e.resource.system.clone());
        let gathers = |card: &&mut Card| {
            now < card.until
                && now < card.opened.after(self.settings.gather)
                && card.members.len() < MAX_MEMBERS
                && (card.requirement == requirement && card.reason == reason)
                && card
                    .members
                    .first()
                    .is_some_and(|m| class(&m.effect) == class(&member.effect))
        };
        if let Some(card) = self.cards.values_mut().find(gathers) {
            // Whoever said yes has not seen this one.
            card.votes.clear();
            card.members.push(member);
            return Some(card.id);
        }
        if self.cards.len() >= MAX_CARDS || !self.within_the_hour(now) {
            return None;
        }
        let until = now.after(self.settings.ticket);
        let id = self.number();
        let members = vec![member];
        self.cards.insert(
            id,
            Card {
                id,
                nonce: nonce(&self.salt, id),
                reason,
                requirement,
                opened: now,
                until,
                members,
                votes: Vec::new(),
            },
        );
        Some(id)
    }

    fn within_the_hour(&mut self, now: Time) -> bool {
        self.opened.retain(|t| t.after(HOUR) > now);
        let room = self.opened.len() < self.settings.hourly;
        if room {
            self.opened.push_back(now);
        }
        room
    }

    fn number(&mut self) -> HoldId {
        let id = HoldId(self.next_hold);
        self.next_hold += 1;
        id
    }

    /// What is left of a card that was answered, as a new question.
    pub(super) fn reopen(&mut self, card: Card, members: Vec<Member>) {
        let id = self.number();
        self.cards.insert(
            id,
            Card {
                id,
                nonce: nonce(&self.salt, id),
                members,
                votes: Vec::new(),
                ..card
            },
        );
    }

    /// A permit for a member that a person let through.
    pub(super) fn issue_held(&mut self, member: &Member, until: Time) -> Permit {
        self.issue(member.digest, until, Some(Bounds::of(&member.effect.facts)))
    }

    fn issue(&mut self, digest: Digest, until: Time, bounds: Option<Bounds>) -> Permit {
        let number = self.next_permit;
        self.next_permit += 1;
        while self.issued.len() >= MAX_REMEMBERED {
            self.issued.pop_first();
        }
        let held = bounds.is_some();
        self.issued.insert(
            number,
            Issued {
                digest,
                until,
                bounds,
            },
        );
        Permit { number, digest, held }
    }

    pub(super) fn grant(&mut self, scope: Option<Scope>, now: Time) {
        self.grants.retain(|g| g.left > 0 && now < g.until);
        if self.grants.len() < MAX_REMEMBERED {
            self.grants.extend(scope.map(|scope| Grant {
                left: scope.uses(),
                until: now.after(scope.span()),
                scope,
            }));
        }
    }

    /// The time, never less than before; where it is, nothing that was approved earlier counts any more.
    pub(super) fn clock(&mut self, now: Time) -> Time {
        if now < self.latest {
            self.approved.clear();
            self.grants.clear();
            self.issued.clear();
            self.cards.values_mut().for_each(|card| card.votes.clear());
        }
        self.latest = self.latest.max(now);
        self.latest
    }

    /// What has come to its end by now. Call it when [`Holds::next`] says, or more often.
    pub fn tick(&mut self, now: Time) -> Vec<Wake> {
        let now = self.clock(now);
        let mut wakes = Vec::new();
        self.approved.retain(|_, until| now < *until);
        self.denied.retain(|_, (until, _)| now < *until);
        self.issued.retain(|_, issued| now < issued.until);
        let over = |card: &Card| now >= card.until;
        let ended: Vec<HoldId> = self.cards.values().filter(|c| over(c)).map(|c| c.id).collect();
        for card in ended.into_iter().filter_map(|id| self.cards.remove(&id)) {
            let refusal = Refusal {
                why: Why::Waiting(card.reason),
                ticket: None,
            };
            wakes.extend(card.members.iter().flat_map(|m| refused(m, &refusal)));
        }
        for card in self.cards.values_mut() {
            let refusal = Refusal {
                why: Why::Waiting(card.reason.clone()),
                ticket: Some(card.id),
            };
            for member in &mut card.members {
                let (late, rest) = member
                    .waiting
                    .iter()
                    .partition::<VecDeque<_>, _>(|(_, until)| now >= *until);
                member.waiting = rest;
                wakes.extend(
                    late.into_iter()
                        .map(|(waiter, _)| Wake::Refuse(waiter, refusal.clone())),
                );
            }
        }
        wakes
    }

    /// When [`Holds::tick`] has something to do.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        let cards = self.cards.values();
        let waits = cards
            .clone()
            .flat_map(|c| c.members.iter().flat_map(|m| m.waiting.iter().map(|w| w.1)));
        waits.chain(cards.map(|c| c.until)).min()
    }

    /// A requester is gone. Its hold goes on as a ticket.
    pub fn gone(&mut self, waiter: u64) {
        for member in self.cards.values_mut().flat_map(|c| c.members.iter_mut()) {
            member.waiting.retain(|(w, _)| *w != waiter);
        }
    }

    /// Stops everything: what waits is refused, and nothing approved or granted counts any more.
    pub fn freeze(&mut self) -> Vec<Wake> {
        self.frozen = true;
        self.approved.clear();
        self.grants.clear();
        self.issued.clear();
        let refusal = Refusal {
            why: Why::Frozen,
            ticket: None,
        };
        let cards = std::mem::take(&mut self.cards);
        cards
            .values()
            .flat_map(|c| c.members.iter().flat_map(|m| refused(m, &refusal)))
            .collect()
    }

    /// Whether the session is frozen.
    #[must_use]
    pub const fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> &SessionId {
        &self.session
    }

    /// The open cards, the gravest first, then the oldest: a flood of small ones buries none.
    #[must_use]
    pub fn cards(&self) -> Vec<&Card> {
        let mut cards: Vec<&Card> = self.cards.values().filter(|c| self.latest < c.until).collect();
        cards.sort_by_key(|c| (std::cmp::Reverse(c.tier()), c.id));
        cards
    }

    /// The grants in force.
    #[must_use]
    pub fn grants(&self) -> Vec<&Grant> {
        self.grants
            .iter()
            .filter(|g| g.left > 0 && self.latest < g.until)
            .collect()
    }

    /// Puts back what waited when the session was last left: as tickets with new numbers, approved by nobody.
    pub fn restore(&mut self, tickets: Vec<super::Ticket>, now: Time) {
        let now = self.clock(now);
        for ticket in tickets {
            let same = ticket.effects.iter().all(|e| e.session == self.session);
            if !same || ticket.effects.is_empty() || now >= ticket.until || self.cards.len() >= MAX_CARDS {
                continue;
            }
            let member = |effect: Effect| Member {
                digest: effect.digest(),
                effect,
                words: None,
                kept: false,
                waiting: VecDeque::new(),
            };
            let members = ticket.effects.into_iter().take(MAX_MEMBERS).map(member).collect();
            let (id, until) = (self.number(), ticket.until.min(now.after(self.settings.ticket)));
            let opened = Time(now.0.saturating_sub(self.settings.gather));
            let (reason, requirement) = (ticket.reason, ticket.requirement);
            let card = Card {
                id,
                nonce: nonce(&self.salt, id),
                reason,
                requirement,
                opened,
                until,
                members,
                votes: Vec::new(),
            };
            self.cards.insert(id, card);
        }
    }
}
