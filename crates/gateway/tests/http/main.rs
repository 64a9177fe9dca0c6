//! Requests through gateway and broker, with servers and clients of these tests' own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on panics"
)]

mod bench;
mod credentials;
mod model;
mod one;
mod refused;
mod two;
