#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod lane;
pub mod two;

pub use lane::{Incoming, Lane, LaneReader, LaneWriter, PIECE};
