//! What is asked, and what comes back.

use super::approver::Requirement;
use super::card::HoldId;
use super::permit::Permit;
use fumehood_effect::{Decision, Effect, Reason};
use std::fmt;

/// Whoever waits for a verdict: the caller's own number, used once.
pub type Waiter = u64;

/// An effect that wants to happen.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What.
    pub effect: Effect,
    /// What policy says of it.
    pub decision: Decision,
    /// Who may release it, where it is held.
    pub requirement: Requirement,
    /// Who waits; where nobody does a hold is a ticket at once.
    pub waiter: Option<Waiter>,
    /// Whether its bytes are kept, so that it can be performed when the requester is gone.
    pub kept: bool,
    /// What the agent says about it: shown last, and as the agent's.
    pub words: Option<String>,
}

/// What comes of asking.
#[derive(Debug)]
pub enum Verdict {
    /// It may be performed, once, with this.
    Go(Permit),
    /// It waits: a [`Wake`] follows for its waiter.
    Wait(HoldId),
    /// It is not performed.
    Refuse(Refusal),
}

/// Somebody's wait is over.
#[derive(Debug)]
pub enum Wake {
    /// The waiter may perform its effect with this.
    Go(Waiter, Permit),
    /// The waiter is told no.
    Refuse(Waiter, Refusal),
    /// Nobody waits any more: the bytes that were kept may be performed with this.
    Perform(Permit),
    /// The bytes that were kept for this effect are no longer needed.
    Forget(fumehood_effect::Digest),
}

/// Why an effect is not performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Policy denies it.
    Policy(Reason),
    /// A person said no, perhaps with a sentence.
    Person(Option<String>),
    /// Nobody answered yet, or nobody is there to answer: the ticket goes on waiting.
    Waiting(Reason),
    /// The session is frozen.
    Frozen,
    /// Too much waits already.
    TooMany,
    /// It is another session's.
    Foreign,
}

/// A refusal, for the protocol's own error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub why: Why,
    /// The hold that goes on waiting, if one does.
    pub ticket: Option<HoldId>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Policy(reason) => write!(f, "denied: {} ({}); {}", reason.why, reason.rule, reason.remedy),
            Why::Person(None) => write!(f, "denied by a person"),
            Why::Person(Some(words)) => write!(f, "denied by a person: {words}"),
            Why::Waiting(reason) => {
                write!(f, "held, not done: {} ({})", reason.why, reason.rule)?;
                match self.ticket {
                    Some(id) => write!(
                        f,
                        "; ask for `fumehood allow {id}`, then send the very same again"
                    ),
                    None => Ok(()),
                }
            }
            Why::Frozen => write!(f, "denied: a person froze this session; nothing more leaves it"),
            Why::TooMany => {
                write!(
                    f,
                    "denied: too many effects wait for a person; go on when those are answered"
                )
            }
            Why::Foreign => write!(f, "denied: it belongs to another session"),
        }
    }
}
