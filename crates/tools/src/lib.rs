#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod argv;
pub mod call;
pub mod client;
mod guard;
pub mod hook;
mod kind;
pub mod lint;
pub mod manifest;
pub mod mcp;
pub mod probe;
pub mod provenance;
mod refused;
pub mod schema;
mod shipped;

pub use argv::compile;
pub use call::Arguments;
pub use guard::{Guarded, MAX_BYTES, MAX_DEPTH, MAX_VALUES, guard};
pub use manifest::{Deed, Effect, LoadError, Manifest, Reach, effect_of};
pub use refused::Refused;
pub use shipped::{http_get, shell, shipped, sql_query};
