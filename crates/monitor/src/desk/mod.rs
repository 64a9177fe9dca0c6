//! The desk: where another terminal of the account asks what is held, and answers (docs/approvals.md).

mod ask;
mod caller;
mod peer;
mod serve;
mod words;

pub use ask::{About, Answer, Ask, MAX_PORTS, Over, PublishedPort};
pub use caller::{Caller, CallerError, sessions};
pub use peer::{Peer, PeerError};
pub use serve::{Client, Desk, DeskError, Heard, Said, Told};
pub use words::{Head, Reply, Scoped, Talk, VERSION};
