//! The Model Context Protocol, as a server of tools: a message in, what to answer out. Pure.
//!
//! Both eras are served by the same code, request by request (specification 2026-07-28, "Versioning"): a request that
//! carries its version in `_meta` is modern and stateless; `initialize` opens the older way of 2024-11-05 to
//! 2025-11-25. Roots, sampling and logging are used in neither.
//!
//! There is a published library of the protocol. It was not taken: as a server over HTTP it brings about 160 packages,
//! and checks neither depth nor repeated keys of what it parses, nor arguments against their types, which have to
//! be here anyway; what is left are two transports of a few hundred lines, held by the protocol's own conformance suite.

mod server;
pub mod upstream;
pub mod web;

pub use server::{Asked, Call, Id, LEGACY, MODERN, Passes, Server, Step, busy, too_long};
