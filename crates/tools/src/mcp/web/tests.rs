//! Who is let in, and who is not.

use super::*;
use proptest::prelude::*;

fn door() -> Door {
    let names = ["127.0.0.1:4000", "localhost:4000"];
    let names = names.map(|n| Destination::authority(n.as_bytes(), None).unwrap());
    Door::new(names.to_vec(), "right")
}

fn with(lines: &[&str]) -> Result<Option<Request>, Answer> {
    door().open(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes())
}

const GOOD: [&str; 5] = [
    "POST /mcp HTTP/1.1",
    "Host: 127.0.0.1:4000",
    "Authorization: Bearer right",
    "Content-Type: application/json",
    "Content-Length: 2",
];

#[test]
fn who_has_name_and_token_comes_in() {
    let request = with(&GOOD).unwrap().unwrap();
    assert_eq!((request.kind, request.body), (Kind::Post, Length::Known(2)));
    assert!(request.streams && request.keep_alive);
    for more in [
        "Origin: http://localhost:4000",
        "Accept: text/event-stream, application/json",
        "Mcp-Session-Id: abc",
    ] {
        assert!(with(&[&GOOD[..], &[more]].concat()).is_ok(), "{more}");
    }
    assert_eq!(door().open(b"POST /mcp HTTP/1.1\r\nHost: 127.0"), Ok(None));
}

/// Each changes one line of a good request, or adds one.
#[test]
fn others_do_not() {
    let cases: &[(usize, &str, u16)] = &[
        (0, "GET /mcp HTTP/1.1", 405),
        (0, "OPTIONS /mcp HTTP/1.1", 405),
        (0, "POST /other HTTP/1.1", 404),
        (0, "POST http://evil.example/mcp HTTP/1.1", 421),
        (1, "Host: evil.example", 421),
        (1, "Host: evil.example:4000", 421),
        (1, "Host: 127.0.0.1:4001", 421),
        (1, "Host: localhost.evil.example:4000", 421),
        (1, "Host: user@localhost:4000", 421),
        (1, "X: 1", 400),
        (2, "Authorization: Bearer wrong", 401),
        (2, "Authorization: Bearer rightt", 401),
        (2, "Authorization: Bearer ", 401),
        (2, "Authorization: Basic right", 401),
        (2, "X: 1", 401),
        (3, "Content-Type: text/plain", 415),
        (3, "X: 1", 415),
        (4, "Content-Length: 1048577", 413),
        (4, "Content-Length: 1, 1", 400),
        (5, "Host: localhost:4000", 400),
        (5, "Origin: http://evil.example", 403),
        (5, "Origin: http://localhost:4001", 403),
        (5, "Origin: https://localhost:4000", 403),
        (5, "Origin: null", 403),
        (5, "Authorization: Bearer right", 401),
        (5, "Accept: text/html", 406),
        (5, "Content-Encoding: gzip", 415),
        (5, "Content-Length: 3", 400),
        (5, "Transfer-Encoding: chunked", 400),
        (5, "Mcp-Session-Id: a\u{e9}", 400),
    ];
    for (at, line, status) in cases {
        let mut lines = GOOD.to_vec();
        match lines.get_mut(*at) {
            Some(there) => *there = line,
            None => lines.push(line),
        }
        let answer = with(&lines).unwrap_err();
        assert_eq!(answer.status, *status, "{line}");
    }
    let twice = [
        &GOOD[..],
        &["Origin: http://localhost:4000", "Origin: http://evil.example"],
    ]
    .concat();
    assert_eq!(with(&twice).unwrap_err().status, 400);
}

#[test]
fn heads_and_bodies_say_the_same() {
    let headers = |method: Option<&str>, name: Option<&str>| Headers {
        method: method.map(str::to_owned),
        name: name.map(str::to_owned),
        ..Headers::default()
    };
    assert_eq!(headers(Some("tools/list"), None).differ("tools/list", None), None);
    let call = headers(Some("tools/call"), Some("t"));
    assert_eq!(call.differ("tools/call", Some("t")), None);
    assert_eq!(call.differ("tools/call", Some("u")), Some("Mcp-Name"));
    assert_eq!(call.differ("tools/Call", Some("t")), Some("Mcp-Method"));
    assert_eq!(headers(None, None).differ("tools/list", None), Some("Mcp-Method"));
    assert_eq!(
        headers(Some("tools/call"), None).differ("tools/call", Some("t")),
        Some("Mcp-Name")
    );
}

#[test]
fn statuses_of_the_two_eras() {
    let error = |code: i64| json!({"error": {"code": code}});
    for (code, modern, older) in [
        (-32601, 404, 200),
        (-32602, 400, 200),
        (-32700, 400, 400),
        (-32022, 400, 400),
    ] {
        assert_eq!(Answer::reply(&error(code), true).status, modern);
        assert_eq!(Answer::reply(&error(code), false).status, older);
    }
    assert_eq!(Answer::reply(&json!({"result": {}}), true).status, 200);
    let text = String::from_utf8(Answer::message(200, &json!({})).bytes(false)).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("Connection: close\r\n\r\n{}"),
        "{text}"
    );
    assert_eq!(
        event(&json!({"a": 1})),
        b"1e\r\nevent: message\ndata: {\"a\":1}\n\n\r\n"
    );
}

proptest! {
    /// Whatever comes, nobody is let in without the token.
    #[test]
    fn bytes_are_no_key(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..200) {
        prop_assert!(!matches!(door().open(&bytes), Ok(Some(_))));
        let mut head = format!("{}\r\n", GOOD.join("\r\n").replace("right", "wrong")).into_bytes();
        head.splice(cut.min(head.len()).., bytes);
        head.extend(b"\r\n\r\n");
        prop_assert!(!matches!(door().open(&head), Ok(Some(_))));
    }
}
