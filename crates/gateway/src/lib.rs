#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod http;

pub use http::{Ended, Inspector, Judge, MAX_JUDGED_BODY, Verdict};
