//! What a sandbox may see and use: configuration files, trust, presets, and the profile they
//! add up to.
#![forbid(unsafe_code)]

pub mod escape;
pub mod finding;
pub mod glob;
mod suggest;
pub mod value;

pub use escape::Escaped;
pub use finding::{Finding, Findings, Pos, Severity};
