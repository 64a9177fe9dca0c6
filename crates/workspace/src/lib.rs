//! The workspace: what a session changed is kept back in an overlay's upper layer ([`Session`]), read as
//! a change set ([`changes::read`]), shown ([`diff`]), brought to the project and taken back again
//! ([`apply`]).
//!
//! # Invariants
//!
//! * Nothing of the layer is believed: names, links, sizes and attributes are what hostile programs
//!   made them, and may change while they are read.
//! * Nothing outside the project is reached: every step starts at an open directory of it and follows no
//!   link.
//! * The user's files are replaced by renaming, and what stood there is kept until `undo` or `forget`.
//! * A repository's own files are never applied as files.

#![forbid(unsafe_code)]

pub mod apply;
mod attributes;
mod bases;
mod beneath;
pub mod changes;
pub mod checkpoint;
mod copy;
pub mod diff;
pub mod edits;
mod error;
pub mod finding;
pub mod git;
pub mod hunk;
mod journal;
mod kept;
mod lock;
mod manifest;
mod masked;
mod merge;
mod place;
mod power;
mod put;
pub mod quiet;
mod record;
pub mod rescue;
mod session;
mod settle;
mod title;
mod undone;

pub use beneath::Kind;
pub use error::{Error, Result};
pub use kept::keep;
pub use manifest::{Deed, Manifest};
pub use merge::merge;
pub use place::{Place, find as find_place, is_overlay, mounts_below};
pub use session::{About, Owner, Session, Use, identity, project_key, settled, waits};
pub use title::{Title, all_sessions, called, entitle, title};
pub use undone::Undone;
