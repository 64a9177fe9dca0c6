//! Permits: what lets one effect through, once.

use super::bounds::Bounds;
use super::time::Time;
use fumehood_effect::{Digest, Reason};

/// Lets one effect through, once. It cannot be copied or made elsewhere; handing it in uses it up.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    pub(super) number: u64,
    pub(super) digest: Digest,
    pub(super) held: bool,
}

impl Permit {
    /// Of the effect it lets through.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether the effect was held: then its record must be durable before it is released.
    #[must_use]
    pub const fn held(&self) -> bool {
        self.held
    }
}

/// The place in the log of the record that an effect is about to be performed; durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded(pub u64);

/// What may be performed now: the broker checks it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// The effect's digest.
    pub digest: Digest,
    /// Not after.
    pub until: Time,
}

/// Why a permit releases nothing. It is used up all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// It was used, or made void.
    #[error("the approval was used already, or is void")]
    Spent,
    /// It is another effect's.
    #[error("the approval is of another effect")]
    Other,
    /// Too late.
    #[error("the approval has expired")]
    Expired,
    /// The session was frozen meanwhile.
    #[error("the session is frozen")]
    Frozen,
    /// Policy changed meanwhile.
    #[error("{why}", why = .0.why)]
    Denied(Box<Reason>),
    /// A held effect is recorded durably before it is performed.
    #[error("the record of a held effect is not durable")]
    NotRecorded,
    /// The world moved since the card was shown: it wants a new look.
    #[error(transparent)]
    Moved(#[from] super::bounds::Broken),
}

/// What is remembered of a permit that is not used yet.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) digest: Digest,
    pub(super) until: Time,
    /// Set where a person or a grant let it through.
    pub(super) bounds: Option<Bounds>,
}
