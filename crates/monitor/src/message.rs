//! What the processes around the monitor say to each other. One packet is one message; a descriptor that
//! belongs to one travels in the same packet.

mod broker;
mod database;
mod from_gateway;
mod to_gateway;

pub use broker::{BodyOf, FromBroker, MAX_NAMES, MAX_WHY, Released, ToBroker};
pub use database::{MAX_SQL, OpenDatabase, STATEMENTS, Said, Statement};
pub use from_gateway::FromGateway;
pub use to_gateway::ToGateway;

use std::net::IpAddr;

/// A connection that a program inside opened, or a request of one: numbered by the gateway, used once.
pub type FlowId = u64;

/// How many addresses a release may name.
pub const MAX_ADDRESSES: usize = 64;

/// Why the gateway ended a flow by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The name in the TLS greeting is not the name that was dialled.
    #[error("the TLS greeting names another host than was dialled")]
    OtherName,
    /// A TLS greeting without a name.
    #[error("the TLS greeting names no host")]
    NoName,
    /// The name is encrypted.
    #[error("the TLS greeting hides the host's name (ECH)")]
    Hidden,
    /// It says it is a TLS greeting and cannot be read as one.
    #[error("the TLS greeting cannot be read")]
    Unreadable,
    /// Not complete in time.
    #[error("the TLS greeting was not complete in time")]
    Slow,
    /// The program has roots of its own, or pins a certificate.
    #[error(
        "the program does not trust this session's certificates: show it the file that SSL_CERT_FILE names inside, or \
         let the host pass unread by `tunnel = true` in its rule"
    )]
    Untrusted,
    /// No certificate could be made.
    #[error("no certificate can be made for this host")]
    NoCertificate,
    /// Another protocol.
    #[error(
        "what the program sent cannot be read as HTTP; `tunnel = true` in its rule lets the host pass unread"
    )]
    NotHttp,
    /// Nothing to be read: the server would have to speak first.
    #[error(
        "the program sent nothing and waited for the server; `tunnel = true` in its rule lets the host pass unread"
    )]
    Silent,
    /// What may leave was used up.
    #[error(
        "more wanted to leave than `bytes_out` lets through at a time; a new connection has what is left"
    )]
    Budget,
}

const BROKEN: [Broken; 10] = [
    Broken::OtherName,
    Broken::NoName,
    Broken::Hidden,
    Broken::Unreadable,
    Broken::Slow,
    Broken::Untrusted,
    Broken::NoCertificate,
    Broken::NotHttp,
    Broken::Silent,
    Broken::Budget,
];

/// Why nothing was dialled, or nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("the name has no address")]
    NoName,
    /// An address is of a kind that no rule names: none was dialled.
    #[error("the name leads to {kind}, which no rule names", kind = fumehood_destination::class(*.0).words())]
    Address(IpAddr),
    /// Nobody answered in time, or the answer was no.
    #[error("{}", words(*.0))]
    Connect(i32),
}

/// The system's words, in lower case and without its number.
fn words(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno)
        .to_string()
        .to_lowercase();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// A message and its bytes. There is one encoding of each value.
pub trait Wire: Sized {
    /// The bytes.
    fn encode(&self) -> Vec<u8>;
    /// The value, unless the bytes are something else.
    fn decode(packet: &[u8]) -> Option<Self>;
}

#[cfg(test)]
mod tests;
