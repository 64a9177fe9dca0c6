//! The desk and its tickets: any bytes are one value, in one spelling, or none.

#![no_main]

use fumehood_monitor::desk::{Reply, Talk};
use fumehood_monitor::hold::Ticket;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    assert!(Talk::decode(bytes).is_none_or(|t| t.encode() == bytes));
    assert!(Reply::decode(bytes).is_none_or(|r| r.encode() == bytes));
    assert!(Ticket::decode(bytes).is_ok_and(|t| Ticket::encode(&t) == bytes) || Ticket::decode(bytes).is_err());
});
