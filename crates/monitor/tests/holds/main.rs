//! Holds: what is refused, what is released, and that nothing is released without an answer to that very thing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod histories;
mod made;
mod releases;
mod shown;
mod tickets;
mod waits;
