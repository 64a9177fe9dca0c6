//! The relay as its caller sees it, with independent judges on both sides.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a judge fails by panicking"
)]

mod filtered;
mod oracle;
mod programs;
mod properties;
mod queries;
mod questions;
mod rendering;
mod scrollback;
mod streams;
