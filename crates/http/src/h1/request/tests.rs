use super::*;
use proptest::prelude::*;

fn to() -> Destination {
    Destination::authority(b"a.example:443", None).unwrap()
}

fn read(text: &str) -> Result<Option<Parsed>, Refused> {
    read_request(text.as_bytes(), Scheme::Https, &to())
}

fn refused(lines: &[&str]) -> Option<Refused> {
    let mut text = lines.join("\r\n");
    text.push_str("\r\n\r\n");
    match read(&text) {
        Err(why) => Some(why),
        Ok(parsed) => {
            assert!(parsed.is_some(), "not whole: {text:?}");
            None
        }
    }
}

#[test]
fn a_request_is_read_and_written_without_what_ends_here() {
    let text = "POST /v1/x?y=1 HTTP/1.1\r\nHost: A.example:443\r\nX-Case: kept\r\nConnection: keep-alive, x-hop\r\n\
                X-Hop: 1\r\nContent-Length: 5\r\nAccept: */*\r\n\r\nhello";
    let parsed = read(text).unwrap().unwrap();
    assert_eq!(&text[parsed.length..], "hello");
    assert!(parsed.keep_alive);
    assert_eq!(parsed.head.body, Length::Known(5));
    let written = String::from_utf8(write_request(&parsed.head)).unwrap();
    let expected = "POST /v1/x?y=1 HTTP/1.1\r\nHost: a.example\r\nX-Case: kept\r\nAccept: */*\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(written, expected);
}

#[test]
fn nothing_is_decided_before_the_head_is_whole() {
    let text = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    for end in 0..text.len() {
        assert_eq!(read(&text[..end]), Ok(None), "{end}");
    }
}

/// A1, A3, A4, A13: whatever names a host must name this one.
#[test]
fn a1_a3_other_hosts_are_refused() {
    let host = "Host: a.example";
    assert_eq!(refused(&["GET / HTTP/1.1", host]), None);
    assert_eq!(refused(&["GET https://a.example/x?y HTTP/1.1", host]), None);
    assert_eq!(refused(&["GET https://A.EXAMPLE:443?y HTTP/1.1", host]), None);
    for target in [
        "http://evil.example/",
        "https://evil.example/",
        "http://a.example/",
        "https://a.example:8443/",
        "https://a.example@evil.example/",
        "https://evil.example:443\\a.example/",
        "https:///",
        "HTTPS://a.example.evil.example/",
    ] {
        let line = format!("GET {target} HTTP/1.1");
        assert_eq!(refused(&[&line, host]), Some(Refused::OtherHost), "{target}");
    }
    for host in [
        "evil.example",
        "a.example:8443",
        "a.example, evil.example",
        "a.example evil",
        "",
        "a.example@x",
    ] {
        let line = format!("Host: {host}");
        assert_eq!(
            refused(&["GET / HTTP/1.1", &line]),
            Some(Refused::OtherHost),
            "{host:?}"
        );
    }
    assert_eq!(refused(&["GET / HTTP/1.1", host, host]), Some(Refused::Host));
    assert_eq!(
        refused(&["GET / HTTP/1.1", host, "hOST: evil.example"]),
        Some(Refused::Host)
    );
    assert_eq!(refused(&["GET / HTTP/1.1"]), Some(Refused::Host));
}

/// A32: the corpus of request smuggling.
#[test]
fn a32_requests_with_two_readings_are_refused() {
    let post = ["POST / HTTP/1.1", "Host: a.example"];
    let with = |more: &[&str]| refused(&[&post[..], more].concat());
    assert_eq!(with(&["Transfer-Encoding: chunked"]), None);
    assert_eq!(with(&["Transfer-Encoding: Chunked "]), None);
    for more in [
        &["Content-Length: 5", "Transfer-Encoding: chunked"][..],
        &["Transfer-Encoding: chunked", "Content-Length: 5"],
        &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        &["Transfer-Encoding: identity"],
        &["Transfer-Encoding: gzip, chunked"],
        &["Transfer-Encoding: chunked, chunked"],
        &["Transfer-Encoding: xchunked"],
        &["Transfer-Encoding: \x0bchunked"],
        &["Transfer-Encoding: \"chunked\""],
        &["Transfer-Encoding:"],
    ] {
        let got = with(more);
        assert!(
            matches!(got, Some(Refused::Transfer | Refused::Field(BadField::Value))),
            "{more:?}: {got:?}"
        );
    }
    for more in [
        &["Content-Length: 5", "Content-Length: 5"][..],
        &["Content-Length: 5", "content-length: 6"],
        &["Content-Length: 5, 5"],
        &["Content-Length: +5"],
        &["Content-Length: -5"],
        &["Content-Length: 0x5"],
        &["Content-Length: 5 5"],
        &["Content-Length: "],
        &["Content-Length: 99999999999999999999"],
    ] {
        assert_eq!(with(more), Some(Refused::Length), "{more:?}");
    }
    for (more, why) in [
        ("Transfer-Encoding : chunked", BadField::Name),
        ("Content-Length\t: 5", BadField::Name),
        (" Transfer-Encoding: chunked", BadField::Folded),
        ("\tfolded", BadField::Folded),
        ("Transfer-Encoding", BadField::Colon),
        (": x", BadField::Name),
        ("X\0Y: z", BadField::Name),
        ("X: y\0", BadField::Value),
    ] {
        assert_eq!(with(&[more]), Some(Refused::Field(why)), "{more:?}");
    }
    for text in [
        "GET / HTTP/1.1\nHost: a.example\n\n",
        "GET / HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\r\n\r\n",
    ] {
        assert_eq!(read(text), Err(Refused::Bare), "{text:?}");
    }
    // HTTP/1.0 knows no chunks.
    assert_eq!(
        refused(&["POST / HTTP/1.0", "Host: a.example", "Transfer-Encoding: chunked"]),
        Some(Refused::Transfer)
    );
}

#[test]
fn request_lines_with_two_readings_are_refused() {
    for (line, why) in [
        ("GET  / HTTP/1.1", Refused::Line),
        ("GET /  HTTP/1.1", Refused::Line),
        ("GET\t/ HTTP/1.1", Refused::Line),
        (" GET / HTTP/1.1", Refused::Line),
        ("GET / HTTP/1.1 ", Refused::Line),
        ("GET /", Refused::Line),
        ("G(T / HTTP/1.1", Refused::Line),
        ("GET / HTTP/1.2", Refused::Version),
        ("GET / HTTP/2.0", Refused::Version),
        ("GET / http/1.1", Refused::Version),
        ("CONNECT a.example:443 HTTP/1.1", Refused::Connect),
        ("GET a.example HTTP/1.1", Refused::Target),
        ("GET x HTTP/1.1", Refused::Target),
        ("GET /\u{e4} HTTP/1.1", Refused::Target),
    ] {
        assert_eq!(refused(&[line, "Host: a.example"]), Some(why), "{line:?}");
    }
    assert_eq!(refused(&["OPTIONS * HTTP/1.1", "Host: a.example"]), None);
    // A head without a start line: an empty line comes first.
    assert_eq!(read("\r\nGET / HTTP/1.1\r\n\r\n"), Err(Refused::Line));
}

#[test]
fn upgrades_to_anything_but_a_web_socket_are_dropped() {
    let ask = |protocol: &str| {
        let text = format!(
            "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        );
        let head = read(&text).unwrap().unwrap().head;
        assert!(head.fields.is_empty());
        head.upgrade
    };
    assert!(ask("websocket") && ask("WebSocket"));
    assert!(!ask("h2c") && !ask("TLS/1.0") && !ask("websocket, h2c"));
}

#[test]
fn heads_are_bounded() {
    let long = format!("GET / HTTP/1.1\r\nHost: a.example\r\nX: {}", "a".repeat(MAX_HEAD));
    assert_eq!(read(&long), Err(Refused::Long));
    let many = "X: y\r\n".repeat(256);
    let text = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{many}\r\n");
    assert_eq!(read(&text), Err(Refused::Field(BadField::Many)));
}

proptest! {
    /// What passes here is read by another parser in the same way: same method, target and fields.
    #[test]
    fn another_parser_agrees(
        parts in proptest::collection::vec(
            "(GET |POST |/|a|b:c|:| |\t|\r\n|\r|\n|HTTP/1.1|Host: a.example|Content-Length: 3|\0|,|Connection: x)",
            0..20,
        ),
    ) {
        let text = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{}\r\n\r\n", parts.concat());
        if let Ok(Some(parsed)) = read(&text) {
            let mut room = [httparse::EMPTY_HEADER; 300];
            let mut other = httparse::Request::new(&mut room);
            let status = other.parse(text.as_bytes()).unwrap();
            prop_assert_eq!(status, httparse::Status::Complete(parsed.length));
            prop_assert_eq!(other.method, Some(parsed.head.method.as_str()));
            for field in &parsed.head.fields {
                prop_assert!(other.headers.iter().any(|h| field.is(h.name) && h.value == field.value));
            }
        }
    }

    /// What is written is read again as the same, as an HTTP/1.1 server would.
    #[test]
    fn what_is_written_has_one_reading(
        method in "[A-Z]{3,7}", path in "/[a-z0-9/%?&=.]{0,30}",
        values in proptest::collection::vec("[ -~]{0,20}", 0..6), length in 0..3usize,
    ) {
        prop_assume!(method != "CONNECT");
        let mut fields = Fields::default();
        for value in values {
            fields.push(crate::field::Field::new(b"X-A", value.as_bytes()).unwrap()).unwrap();
        }
        let body = [Length::Empty, Length::Known(7), Length::Unknown][length];
        let head = RequestHead {
            destination: to(), scheme: Scheme::Https, version: Version::Http1, method, target: path, fields, body,
            upgrade: false, expects_continue: false, takes_trailers: false,
        };
        let written = write_request(&head);
        let parsed = read_request(&written, Scheme::Https, &to()).unwrap().unwrap();
        prop_assert_eq!((parsed.head, parsed.length), (head, written.len()));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_request(&bytes, Scheme::Http, &to());
    }
}
