//! The ground on which fumehood is tested end to end: a world with a project, a home full of secrets
//! and listeners that wait to be reached, and a way to run things in a sandbox inside it.
//!
//! # Invariants
//!
//! * A test that claims something was blocked need not remember to look at the far side: when its
//!   [`World`] ends, every planted file is compared with what it was, every listener is asked whether
//!   anyone came, and the victim process must be as it was. See [`World`].
//! * Every run has a deadline, and its output must end when it ends: a survivor that holds a stream
//!   open fails the test.
//! * Only processes that a test itself started are ended, by pid.
//!
//! `FUMEHOOD_BIN` and `PROBE_BIN` name the programs; without them, those beside the test are taken.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on panics"
)]
#![expect(
    clippy::missing_panics_doc,
    reason = "every function here panics when its test has failed"
)]
#![forbid(unsafe_code)]

mod calls;
mod far_side;
mod hosts;
mod mcp_client;
mod output;
mod patience;
mod programs;
mod remains;
mod sandboxed;
mod secrets;
mod sessions;
mod terminal;
mod world;

pub use calls::{await_call, await_end_of_calls, calls_alive, offer_tools, tool_call};
pub use far_side::FarSide;
pub use hosts::{Hosts, Ran};
pub use mcp_client::McpClient;
pub use output::Output;
pub use patience::{patience, slower};
pub use programs::{fumehood, host_program, is_root, probe};
pub use remains::{await_that, children, descendant, groups_of, processes_named, settle, settle_within};
pub use sandboxed::{Running, Sandboxed};
pub use secrets::SECRETS;
pub use sessions::{Idle, text_of, verb_words};
pub use terminal::OuterTerminal;
pub use world::World;
