#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod mac;
mod placeholder;
mod redact;
mod secret;
mod source;
mod store;

pub use placeholder::{Minter, Placeholder};
pub use redact::{Forbidden, Redactor};
pub use secret::{Secret, Unusable};
pub use source::{FetchError, FileError, Machine, Outside, RunError, fetch};
pub use store::{Store, StoreError, Stored};
