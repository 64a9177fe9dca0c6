//! The desk: where another terminal of the account asks what is held, and answers (docs/approvals.md).

mod caller;
mod peer;
mod serve;
mod words;

pub use caller::{Caller, CallerError, sessions};
pub use peer::{Peer, PeerError};
pub use serve::{Desk, DeskError, Said, Told};
pub use words::{Head, Reply, Scoped, Talk, VERSION};
