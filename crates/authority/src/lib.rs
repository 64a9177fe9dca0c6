#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod java;
mod places;
mod roots;
mod session;

pub use places::{FILES, Form, Material, VARIABLES, variables};
pub use roots::{BUNDLES, Roots, RootsError, pem};
pub use session::{Authority, AuthorityError, Leaves, Sealed};
