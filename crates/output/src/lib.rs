#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod cells;
pub mod clean;
mod line;
pub mod output;
mod repeat;
mod signal;
pub mod store;
pub mod summary;
pub mod window;

pub use clean::{Cleaner, Counts};
pub use output::{Finished, Output};
pub use store::{Handle, Page, Read, ReadError, Store};
pub use summary::{Format, Summary};
pub use window::{Shown, Window};
