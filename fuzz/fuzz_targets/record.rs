//! Frames and records of a log: any bytes end, and what is read is written the same again.

#![no_main]

use fumehood_audit::{Record, Records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for (frame, record) in Records::new(bytes).flatten() {
        assert_eq!(record.encode().as_deref(), Ok(frame));
    }
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(record.encode().as_deref(), Ok(bytes));
    }
});
