//! Connections to databases: the server's login with a password that nobody else has, and every statement run so that it
//! can do no more than was decided. What is not decided to be a reading is asked about.

mod ask;
mod link;
mod relay;
mod server;
mod session;

pub(crate) use ask::Asking;
pub use session::Passwords;
pub(crate) use session::Postgres;
