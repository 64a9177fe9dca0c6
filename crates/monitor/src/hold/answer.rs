//! A person's answer to a card.

use super::approver::{Approver, Unmet};
use super::card::{Card, HoldId, Member};
use super::grant::Scope;
use super::queue::Holds;
use super::time::Time;
use super::verdict::{Refusal, Wake, Why};
use fumehood_effect::{Digest, Tier};

/// What a person chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Each effect of the card, this many times: 1, or as many as were shown to wait.
    Allow {
        /// How often.
        times: u32,
    },
    /// As `Allow` once, and what is within the scope from now on.
    AllowScope(Scope),
    /// No, with a sentence to the agent perhaps.
    Deny(Option<String>),
}

/// An answer: to the card with this number and this very content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which card.
    pub id: HoldId,
    /// Its content as shown.
    pub card: Digest,
    /// What was chosen.
    pub choice: Choice,
    /// By whom.
    pub approver: Approver,
}

/// What an answer did.
#[derive(Debug)]
pub enum Answered {
    /// It decided: these are woken.
    Done(Vec<Wake>),
    /// It counts, and so many more people have to say yes.
    More(u32),
}

/// Why an answer did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No such hold: answered, given up, or never there.
    #[error("there is no hold {0}: it was answered, or was given up")]
    Unknown(HoldId),
    /// The card is not what was shown.
    #[error("hold {0} is not what it was when you saw it; look at it again")]
    Changed(HoldId),
    /// This person may not.
    #[error(transparent)]
    Unmet(#[from] Unmet),
    /// The same person said yes already.
    #[error("you have said yes already; somebody else has to as well")]
    Twice,
    /// More often than was shown to wait.
    #[error("not more often than requests wait")]
    Times,
    /// The scope leaves out what the card shows, or somebody else has to say yes too.
    #[error("that grant does not cover what is held here, or this hold wants more than one person")]
    Scope,
    /// The session is frozen.
    #[error("the session is frozen")]
    Frozen,
}

impl Holds {
    /// Takes an answer in.
    ///
    /// # Errors
    /// It did nothing, for this reason.
    pub fn answer(&mut self, answer: Answer, now: Time) -> Result<Answered, AnswerError> {
        let now = self.clock(now);
        if self.is_frozen() {
            return Err(AnswerError::Frozen);
        }
        let shown = self.open_card(answer.id, now)?;
        if shown.digest() != answer.card {
            return Err(AnswerError::Changed(answer.id));
        }
        match answer.choice {
            Choice::Deny(words) => Ok(Answered::Done(self.deny(answer.id, words.as_deref(), now))),
            Choice::Allow { times } => self.allow(answer.id, &answer.approver, times, None, now),
            Choice::AllowScope(scope) => self.allow(answer.id, &answer.approver, 1, Some(scope), now),
        }
    }

    fn open_card(&self, id: HoldId, now: Time) -> Result<&Card, AnswerError> {
        let open = |card: &&Card| now < card.until;
        self.cards.get(&id).filter(open).ok_or(AnswerError::Unknown(id))
    }

    fn deny(&mut self, id: HoldId, words: Option<&str>, now: Time) -> Vec<Wake> {
        let Some(card) = self.cards.remove(&id) else {
            return Vec::new();
        };
        let words = words.map(|w| super::show::escaped_ends(w, 500));
        let until = now.after(self.settings.denial);
        let mut wakes = Vec::new();
        for member in card.members {
            self.denied.insert(member.digest, (until, words.clone()));
            wakes.extend(refused(
                &member,
                &Refusal {
                    why: Why::Person(words.clone()),
                    ticket: None,
                },
            ));
        }
        wakes
    }

    fn allow(
        &mut self,
        id: HoldId,
        approver: &Approver,
        times: u32,
        scope: Option<Scope>,
        now: Time,
    ) -> Result<Answered, AnswerError> {
        let card = self.open_card(id, now)?;
        let most = card.members.iter().map(Member::waiting).max().unwrap_or(0).max(1);
        if times == 0 || times as usize > most {
            return Err(AnswerError::Times);
        }
        let covers =
            |s: &Scope| card.requirement.count <= 1 && card.members.iter().all(|m| s.admits(&m.effect));
        if !scope.as_ref().is_none_or(covers) {
            return Err(AnswerError::Scope);
        }
        card.requirement.admits(approver, &self.requester)?;
        if card.tier() == Tier::Critical && !self.settings.local_critical && approver.via != super::Via::Team
        {
            return Err(Unmet::Local.into());
        }
        if card.votes.iter().any(|v| v.person == approver.person) {
            return Err(AnswerError::Twice);
        }
        let needed = card.requirement.count.max(1);
        if let Some(card) = self.cards.get_mut(&id) {
            card.votes.push(approver.clone());
            let given = u32::try_from(card.votes.len()).unwrap_or(u32::MAX);
            if given < needed {
                return Ok(Answered::More(needed - given));
            }
        }
        self.grant(scope, now);
        Ok(Answered::Done(self.release_card(id, times, now)))
    }

    /// Each member gets `times` permits: its waiters, the oldest first; then what was kept; then the next
    /// who asks for the same. Waiters beyond that stay held, on a card of a new number.
    fn release_card(&mut self, id: HoldId, times: u32, now: Time) -> Vec<Wake> {
        let Some(card) = self.cards.remove(&id) else {
            return Vec::new();
        };
        let span = card.requirement.approval.unwrap_or(self.settings.approval);
        let until = now.after(span.min(self.settings.approval));
        let (mut wakes, mut left) = (Vec::new(), Vec::new());
        for mut member in card.members.clone() {
            let mut uses = times.min(u32::try_from(member.waiting()).unwrap_or(u32::MAX).max(1));
            while uses > 0 {
                let Some((waiter, _)) = member.waiting.pop_front() else {
                    break;
                };
                wakes.push(Wake::Go(waiter, self.issue_held(&member, until)));
                uses -= 1;
            }
            if uses > 0 && member.kept {
                wakes.push(Wake::Perform(self.issue_held(&member, until)));
            } else if uses > 0 {
                self.approved.insert(member.digest, until);
            }
            if !member.waiting.is_empty() {
                left.push(member);
            }
        }
        if !left.is_empty() {
            self.reopen(card, left);
        }
        wakes
    }
}

/// Every waiter of a member is told the same; what was kept for it is no longer needed.
pub(super) fn refused(member: &Member, refusal: &Refusal) -> Vec<Wake> {
    let tell = |(waiter, _): &(u64, Time)| Wake::Refuse(*waiter, refusal.clone());
    let mut wakes: Vec<Wake> = member.waiting.iter().map(tell).collect();
    if member.kept {
        wakes.push(Wake::Forget(member.digest));
    }
    wakes
}
