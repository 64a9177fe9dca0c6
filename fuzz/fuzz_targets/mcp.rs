//! Any bytes as a message of a client: at most one answer, in one line, a result or an error.
#![no_main]

use fumehood_tools::mcp::{Server, Step};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let server = Server {
        version: "0",
        instructions: "i",
        tools: Vec::new(),
    };
    let check = |value: &serde_json::Value| {
        assert!(!value.to_string().contains('\n'));
        assert!(value.get("result").is_some() != value.get("error").is_some());
        assert_eq!(value["jsonrpc"], "2.0");
    };
    match server.step(data) {
        Step::Reply(value) => check(&value),
        Step::Call(call) => {
            check(&call.reply("text", None, true));
            check(&call.unknown("none"));
        }
        Step::Cancel(_) | Step::Nothing => {}
    }
});
