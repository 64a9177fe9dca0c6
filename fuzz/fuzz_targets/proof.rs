//! Proofs: any text ends, has one spelling, and proves nothing under a key that signed nothing.

#![no_main]

use fumehood_audit::{Proof, PublicKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(proof) = Proof::parse(text) {
        assert_eq!(proof.to_string(), text);
        assert!(proof.verify("log", &PublicKey::from_bytes([9; 32])).is_err());
    }
});
