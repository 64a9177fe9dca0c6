//! Any bytes as a configuration file of any layer: it parses or says where it is wrong, and every
//! message is one plain line.
#![no_main]

use fumehood_policy::config::parse;
use fumehood_policy::{Layer, asks};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for layer in [Layer::Machine, Layer::User, Layer::Project] {
        let parsed = parse(layer, "fumehood.toml", data);
        assert!(parsed.config.is_some() || parsed.findings.has_errors(), "refused without a word");
        for finding in &parsed.findings.0 {
            let text = finding.to_string();
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
        for ask in parsed.config.iter().flat_map(asks::asks) {
            assert!(!ask.to_string().chars().any(char::is_control), "{ask}");
        }
    }
});
