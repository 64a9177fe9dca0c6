#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod json;
mod request;
mod shape;
mod usage;

pub use json::Unreadable;
pub use request::{Finding, Scanner};
pub use shape::{Endpoint, Provider, endpoint, provider};
pub use usage::{Counter, Usage};
