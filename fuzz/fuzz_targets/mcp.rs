//! Any bytes as a message of a client, alone or as an HTTP request: at most one answer, in one line, a result or an
//! error; and nobody is let in who does not know the token.
#![no_main]

use fumehood_tools::mcp::web::{Answer, Door, Headers};
use fumehood_tools::mcp::{Server, Step};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let server = Server {
        version: "0",
        instructions: "i",
        tools: Vec::new(),
    };
    let name = "localhost:80".as_bytes();
    let name = fumehood_destination::Destination::authority(name, None).expect("a name");
    let door = Door::new(vec![name], "a token that is not among the seeds");
    assert!(!matches!(door.open(data), Ok(Some(_))));
    let headers = Headers {
        version: Some("2026-07-28".to_owned()),
        method: Some("tools/list".to_owned()),
        ..Headers::default()
    };
    for step in [server.step(data), server.posted(data, &headers)] {
        check(step);
    }
});

fn check(step: Step) {
    let check = |value: &serde_json::Value| {
        assert!(!value.to_string().contains('\n'));
        assert!(value.get("result").is_some() != value.get("error").is_some());
        assert_eq!(value["jsonrpc"], "2.0");
        assert!([200, 400, 404].contains(&Answer::reply(value, true).status));
    };
    match step {
        Step::Reply(value) | Step::Open(value) => check(&value),
        Step::Call(call) => {
            check(&call.reply("text", None, true));
            check(&call.unknown("none"));
        }
        Step::Cancel(_) | Step::Nothing => {}
    }
}
