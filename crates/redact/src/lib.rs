#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod encoding;
mod matcher;
mod stream;
mod unescape;

pub use stream::{Finder, Forbidden, Redactor};

/// A text of fewer bytes cannot be told apart from ordinary text.
pub const SHORTEST: usize = 8;
/// How often escapes are undone: JSON within JSON within a URL.
const LEVELS: usize = 3;
