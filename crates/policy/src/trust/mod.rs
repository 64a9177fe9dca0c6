//! Which project files the user has accepted: by exact content, for one path.
//!
//! The requests of a project's file count once its SHA-256 digest is in the store. For each
//! path the store keeps the content accepted last and no other: a file changed back to an
//! older, wider content asks again, and a change shows only what it adds. The store is the
//! user's own directory; nothing inside a sandbox can see it.

mod digest;
mod record;
mod store;

pub use digest::Digest;
pub use store::{Store, TrustError};

use crate::asks::{Ask, added, asks};
use crate::config::{Config, parse};
use crate::origin::Layer;

/// What accepting a file would mean, for the question to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// What it asks for beyond what was accepted before; everything if nothing was.
    pub new: Vec<Ask>,
    /// How many requests were accepted before and stay.
    pub unchanged: usize,
    /// Whether an earlier content of this path was accepted.
    pub known: bool,
}

/// Compares a file with the content that was accepted before for its path. An earlier content
/// that no longer parses counts as none: then everything is shown.
pub fn review(config: &Config, accepted: Option<&[u8]>) -> Review {
    let before = accepted.and_then(|bytes| parse(Layer::Project, &config.name, bytes).config);
    let all = asks(config).len();
    let new = before
        .as_ref()
        .map_or_else(|| asks(config), |before| added(config, before));
    Review {
        unchanged: all - new.len(),
        new,
        known: before.is_some(),
    }
}
