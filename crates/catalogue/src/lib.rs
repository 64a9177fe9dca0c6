//! Which requests are hard to undo, judged on the decoded request and never on a command line.
//!
//! An alias, a script, a compiled program and a tool of another protocol that merge a pull request
//! all send the same bytes. So the boundary keeps a table of **wire signatures**: host, method,
//! path, and where these do not decide, parameters, headers, fields of a JSON body, or fields of a
//! GraphQL mutation. The table is data (`catalogue/*.toml`, format in docs/catalogue.md), every row
//! with requests that must match and twins that must not, and this crate is the pure function
//! from a request to the rows it matches.
//!
//! # Invariants
//!
//! * Where a body decides and cannot be read (too long, compressed, two meanings, not what the row
//!   reads), the row is [`Classified::uninspectable`]: held, never passed unseen.
//! * What makes a request harmless (`unless`: a dry run, a draft) must hold for every value given;
//!   what makes it an effect, for any.
//! * Paths are read in every way a server could: with and without encoded slashes as separators.
//! * Bounded: nesting, documents, fields and fragments have limits, beyond which a body is unreadable.

#![forbid(unsafe_code)]

mod body;
mod classify;
mod condition;
mod example;
mod graphql;
mod pattern;
mod request;
mod row;

pub use classify::Classified;
pub use example::{ExampleError, parse_example};
pub use graphql::{GraphqlError, Operation, OperationKind, RootField, operations};
pub use request::{Body, Request};
pub use row::{Catalogue, CatalogueError, Row, Tier};
