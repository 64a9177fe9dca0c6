//! What git really sends, captured between `git push` and `git receive-pack`, and what is made of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod hostile;
mod made;
mod random;
mod real;
