//! Holds: what waits for a human, who may answer, and what an answer lets through. Pure: time is passed in.

mod answer;
mod approver;
mod bounds;
mod burst;
mod card;
mod digests;
mod grant;
mod permit;
mod queue;
mod release;
mod show;
mod ticket;
mod time;
mod verdict;

pub use answer::{Answer, AnswerError, Answered, Choice};
pub use approver::{Approver, Channel as Via, Proof, Requirement, Unmet};
pub use bounds::{Bounds, Broken};
pub use burst::BurstRule;
pub use card::{Card, Code, HoldId, Member};
pub use grant::{Grant, Scope, ScopeError};
pub use permit::{Permit, Recorded, Release, ReleaseError};
pub use queue::{Holds, Mode, Settings};
pub use show::{ends, escaped_ends, headline, lines};
pub use ticket::{Ticket, TicketError};
pub use time::Time;
pub use verdict::{Ask, Refusal, Verdict, Waiter, Wake, Why};
