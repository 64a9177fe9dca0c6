#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bounds;
pub mod edit;
mod error;
pub mod list;
pub mod read;
pub mod search;
pub mod view;

pub use bounds::{Bound, Bounds};
pub use error::FileError;
pub use view::{Unseen, View};

#[cfg(test)]
mod tests;
