#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod mac;
mod placeholder;
mod redact;
mod secret;

pub use placeholder::{Minter, Placeholder};
pub use redact::{Forbidden, Redactor};
pub use secret::{Secret, Unusable};
