#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod cells;
pub mod clean;
mod line;
pub mod literal;
pub mod output;
pub mod page;
mod repeat;
mod signal;
pub mod store;
pub mod summary;
pub mod window;

pub use clean::{Cleaner, Counts};
pub use literal::Literal;
pub use output::{Finished, Output};
pub use page::{Line, Page, Read, ReadError, expression, page};
pub use store::{Handle, Store};
pub use summary::{Format, Summary};
pub use window::{Shown, Window};
