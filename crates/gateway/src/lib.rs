#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod dns;
mod flow;
pub mod greeting;
mod http;
mod names;
mod postgres;
mod process;
mod proxy;
pub mod socks;
mod tunnel;

pub use http::{Ended, Inspector, Judge, Verdict};
pub use names::{Names, Synthetic};
pub use process::{Sockets, run};
