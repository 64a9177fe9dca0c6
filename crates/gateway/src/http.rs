//! Requests: read from the client, judged by the monitor, passed on by a lane.

mod ask;
mod counted;
mod exchange;
mod git;
mod inspect;
mod judge;
mod lanes;
mod model;
mod one;
mod rewind;
mod tls;
mod two;

pub(crate) use ask::Monitor;
pub(crate) use counted::Counted;
pub use inspect::{Ended, Inspector};
pub use judge::{Judge, Verdict};
pub(crate) use rewind::Rewind;
