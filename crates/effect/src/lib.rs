//! The vocabulary of the reference monitor, without I/O.
//!
//! A force push by `git`, by a REST call and by a compiled client are one [`Effect`]: same kind, same
//! resource, same facts. Whatever decodes a wire produces effects, policy judges them, the log records
//! them, and an approval is bound to the [`Digest`] of their canonical bytes (docs/effect.md).

#![forbid(unsafe_code)]

mod canonical;
mod decision;
mod digest;
mod effect;
mod kind;
mod session;
mod tier;

pub use decision::{Decision, Reason};
pub use digest::{Digest, Hasher, NoDigest};
pub use effect::{Effect, Fact, Facts, Resource};
pub use kind::{EffectKind, NAMES, UnknownKind};
pub use session::{InvalidSession, SessionId};
pub use tier::Tier;
