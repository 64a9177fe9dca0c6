//! What describes a further program: any bytes are one launch, in one spelling, or none.

#![no_main]

use fumehood_sandbox::Launch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    assert!(Launch::decode(bytes).is_none_or(|launch| launch.encode().is_some_and(|again| again == bytes)));
});
