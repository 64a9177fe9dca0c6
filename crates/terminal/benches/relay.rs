//! Measures the relay.
fn main() {}
