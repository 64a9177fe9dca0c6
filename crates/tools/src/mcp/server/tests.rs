//! Of both eras, and what is no message.

use super::*;
use proptest::prelude::*;

fn server() -> Server {
    Server {
        version: "1",
        instructions: "i",
        tools: vec![json!({"name": "t", "inputSchema": {"type": "object"}})],
        passes: Passes::default(),
    }
}

fn reply(line: &str) -> Value {
    match server().step(line.as_bytes()) {
        Step::Reply(value) | Step::Open(value) => value,
        other => panic!("{other:?}"),
    }
}

fn meta(version: &str) -> String {
    format!(r#""_meta":{{"{VERSION}":"{version}","{CAPABILITIES}":{{}}}}"#)
}

#[test]
fn the_older_way() {
    let init = |version: &str| {
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}}}}}}"#
        );
        reply(&line)["result"]["protocolVersion"].clone()
    };
    for version in LEGACY {
        assert_eq!(init(version), *version);
    }
    assert_eq!(init("2026-07-28"), "2025-11-25");
    assert_eq!(init("1.0"), "2025-11-25");
    let list = reply(r#"{"jsonrpc":"2.0","id":"x","method":"tools/list"}"#);
    assert_eq!(
        (&list["id"], &list["result"]["tools"][0]["name"]),
        (&json!("x"), &json!("t"))
    );
    assert!(list["result"].get("resultType").is_none());
    assert_eq!(
        reply(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#)["result"],
        json!({})
    );
}

#[test]
fn the_modern_way() {
    let ask = |method: &str, version: &str| {
        reply(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{}}}}}"#,
            meta(version)
        ))
    };
    let found = ask("server/discover", MODERN);
    assert_eq!(found["result"]["supportedVersions"][0], MODERN);
    assert_eq!(found["result"]["resultType"], "complete");
    let list = ask("tools/list", MODERN);
    assert!(list["result"]["ttlMs"].is_u64() && list["result"]["resultType"] == "complete");
    let wrong = ask("tools/list", "1900-01-01");
    assert_eq!(
        (&wrong["error"]["code"], &wrong["error"]["data"]["requested"]),
        (&json!(-32022), &json!("1900-01-01"))
    );
    // What the new version took away is not there in it.
    for gone in ["ping", "initialize"] {
        assert_eq!(ask(gone, MODERN)["error"]["code"], -32601);
    }
    let bare = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{"{VERSION}":"{MODERN}"}}}}}}"#
    );
    assert_eq!(reply(&bare)["error"]["code"], -32602);
}

#[test]
fn calls_and_their_answers() {
    let line = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{"a":1},"_meta":{"progressToken":"p"}}}"#;
    let Step::Call(call) = server().step(line.as_bytes()) else {
        panic!()
    };
    assert_eq!((call.name.as_str(), &call.arguments["a"]), ("t", &json!(1)));
    assert_eq!(call.progressed(5).unwrap()["params"]["progressToken"], "p");
    let answer = call.reply("text", Some(json!({"status": 0})), false);
    assert_eq!(answer["id"], 7);
    assert_eq!(answer["result"]["structuredContent"]["status"], 0);
    assert_eq!(
        server().step(br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#),
        Step::Cancel(call.id)
    );
    for line in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ] {
        assert_eq!(server().step(line.as_bytes()), Step::Nothing);
    }
}

#[test]
fn what_is_no_message_is_told_so() {
    for (line, code) in [
        ("", -32700),
        ("{", -32700),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage"}"#,
            -32601,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, -32602),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":[]}}"#,
            -32602,
        ),
    ] {
        assert_eq!(reply(line)["error"]["code"], code, "{line}");
    }
}

proptest! {
    #[test]
    fn every_line_has_at_most_one_answer_in_one_line(line in prop_oneof![proptest::collection::vec(any::<u8>(), 0..200),
        r#"\{"jsonrpc":"2.0","id":[0-9]{1,3},"method":"[a-z/\\]{0,12}","params":[\[\]{}0-9a]{0,4}\}"#.prop_map(String::into_bytes)]) {
        if let Step::Reply(value) = server().step(&line) {
            prop_assert!(!value.to_string().contains('\n'));
            prop_assert!(value.get("result").is_some() != value.get("error").is_some());
        }
    }
}

/// Over HTTP the head says version, method and name too, and says the same.
#[test]
fn heads_of_requests() {
    let modern = |method: &str, name: Option<&str>| Headers {
        version: Some(MODERN.to_owned()),
        method: Some(method.to_owned()),
        name: name.map(str::to_owned),
        session: None,
    };
    let code = |body: &str, headers: &Headers| match server().posted(body.as_bytes(), headers) {
        Step::Reply(value) => value["error"]["code"].as_i64().unwrap_or(0),
        Step::Call(_) => 1,
        other => panic!("{other:?}"),
    };
    let body = |method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#)
    };
    let list = body("tools/list", &meta(MODERN));
    assert_eq!(code(&list, &modern("tools/list", None)), 0);
    assert_eq!(code(&list, &modern("tools/call", None)), -32020);
    assert_eq!(code(&list, &Headers::default()), -32020);
    assert_eq!(code(&body("tools/list", ""), &modern("tools/list", None)), -32602);
    assert_eq!(
        code(&body("tools/list", &meta("v9")), &modern("tools/list", None)),
        -32020
    );
    let other = Headers {
        version: Some("v9".to_owned()),
        ..modern("tools/list", None)
    };
    assert_eq!(code(&body("tools/list", &meta("v9")), &other), -32022);
    assert_eq!(code(&body("tools/list", ""), &other), -32022);
    assert_eq!(code(&body("tools/list", ""), &Headers::default()), 0);
    let call = body("tools/call", &format!(r#""name":"t",{}"#, meta(MODERN)));
    assert_eq!(code(&call, &modern("tools/call", Some("t"))), 1);
    assert_eq!(code(&call, &modern("tools/call", Some("u"))), -32020);
    assert_eq!(code(&call, &modern("tools/call", None)), -32020);
}

/// What another's server has is passed on where that is said, and is not there otherwise.
#[test]
fn what_is_passed_on() {
    let read = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a:b","_meta":{"x":1}}}"#;
    assert_eq!(reply(read)["error"]["code"], -32601);
    let passing = Server {
        passes: Passes {
            resources: true,
            ..Passes::default()
        },
        ..server()
    };
    let Step::Call(call) = passing.step(read.as_bytes()) else {
        panic!()
    };
    let asked = call.asked.clone().unwrap();
    assert_eq!((asked.method.as_str(), asked.params.len()), ("resources/read", 1));
    assert_eq!(
        call.failed(-32002, "gone")["error"],
        json!({"code": -32002, "message": "gone", "data": {"uri": "a:b"}})
    );
    let prompts = r#"{"jsonrpc":"2.0","id":1,"method":"prompts/list"}"#;
    assert!(matches!(passing.step(prompts.as_bytes()), Step::Reply(v) if v["error"]["code"] == -32601));
    let modern = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{"uri":"a:b",{}}}}}"#,
        meta(MODERN)
    );
    let Step::Call(call) = passing.step(modern.as_bytes()) else {
        panic!()
    };
    assert_eq!(call.failed(-32002, "gone")["error"]["code"], -32602);
    assert_eq!(call.given(json!({}))["result"]["cacheScope"], "private");
}
