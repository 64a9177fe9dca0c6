#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;
mod name;
mod path;
mod port;
mod rule;

pub use address::{Class, class, embedded};
pub use name::{Destination, Refused};
pub use path::{RequestPath, TargetError};
pub use port::other_protocol;
pub use rule::{Access, Decision, Denied, Http, Limits, Request, Rule, RuleError, Rules};
