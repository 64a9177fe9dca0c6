#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod mac;
mod placeholder;
mod secret;

pub use placeholder::{Minter, Placeholder};
pub use secret::{Secret, Unusable};
