#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod asks;
pub mod check;
pub mod choose;
pub mod command;
pub mod config;
pub mod escape;
pub mod expand;
pub mod finding;
pub mod glob;
pub mod hidden;
pub mod host;
pub mod init;
pub mod json;
pub mod locate;
pub mod origin;
pub mod preset;
pub mod profile;
pub mod protected;
pub mod read;
pub mod registry;
pub mod screen;
mod screened;
mod suggest;
pub mod support;
pub mod trust;
pub mod value;

pub use escape::Escaped;
pub use finding::{Finding, Findings, Pos, Severity};
pub use origin::{At, Layer, Origin, Sourced};
