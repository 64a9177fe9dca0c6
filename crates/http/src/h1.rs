//! HTTP/1 (RFC 9112): one reading of a message, or none.

mod body;
mod lines;
mod proxied;
mod request;
mod response;

pub use body::{BodyError, Decoder, Event, chunk, last_chunk};
pub use proxied::{NotProxied, Proxied, read_proxied};
pub use request::{Parsed, Refused, read_request, write_request};
pub use response::{BadResponse, Received, read_response, write_interim, write_response};
