//! The upstream leg of requests: what was released is written anew, sent to an address that was judged, over
//! TLS that was verified, and what comes back goes up the lane.

mod connection;
mod custody;
mod most;
mod one;
mod pool;
mod release;
mod serve;
mod tls;
mod two;
mod up;

pub(crate) use connection::Stream;
pub use custody::{Custody, Guards, Incoming, NoCustody, Outgoing};
pub use most::Allotment;
pub use release::{BodyDigest, Release};
pub use serve::{Became, Dial, Upstream};
pub(crate) use tls::Tls;
pub use tls::TlsError;
