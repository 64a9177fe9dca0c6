use super::*;
use proptest::prelude::*;

const AT: &str = "127.23.45.67:4100";

fn door() -> Door {
    Door::new(AT, "the-code", "the-cookie".to_owned(), "the-form".to_owned()).unwrap()
}

/// A head with these lines.
fn head(start: &str, fields: &[&str]) -> Vec<u8> {
    let lines: String = fields.iter().map(|f| format!("{f}\r\n")).collect();
    format!("{start} HTTP/1.1\r\n{lines}\r\n").into_bytes()
}

fn want(start: &str, fields: &[&str]) -> Result<Want, u16> {
    match door().open(&head(start, fields)) {
        Ok(Some(request)) => Ok(request.want),
        Ok(None) => panic!("not whole"),
        Err(answer) => Err(answer.status),
    }
}

const HOST: &str = "Host: 127.23.45.67:4100";
const COOKIE: &str = "Cookie: fumehood=the-cookie";
const ORIGIN: &str = "Origin: http://127.23.45.67:4100";
const MEDIA: &str = "Content-Type: application/x-www-form-urlencoded";

#[test]
fn a_browser_that_came_in_is_served() {
    assert_eq!(want("GET /", &[HOST, COOKIE]), Ok(Want::Page));
    assert_eq!(
        want("GET /version", &[HOST, "Cookie: a=b; fumehood=the-cookie"]),
        Ok(Want::Version)
    );
    assert_eq!(
        want("GET /page.js", &[HOST, COOKIE, "Sec-Fetch-Site: same-origin"]),
        Ok(Want::Script)
    );
    let form = [HOST, COOKIE, ORIGIN, MEDIA, "Content-Length: 3"];
    assert_eq!(want("POST /answer", &form), Ok(Want::Answer));
    assert_eq!(
        want("GET /enter?code=x", &[HOST, "Sec-Fetch-Site: none"]),
        Ok(Want::Enter("x".to_owned()))
    );
}

#[test]
fn others_are_refused() {
    for (start, fields, status) in [
        // Without the cookie, with another, with two.
        ("GET /", &[HOST][..], 401),
        ("GET /", &[HOST, "Cookie: fumehood=the-cooki"], 401),
        ("GET /", &[HOST, "Cookie: fumehood="], 401),
        ("GET /", &[HOST, "Cookie: fumehood=x; fumehood=the-cookie"], 401),
        ("GET /", &[HOST, COOKIE, COOKIE], 401),
        ("GET /?x", &[HOST, COOKIE], 404),
        // A name that was made to mean this address; the address of another port.
        ("GET /", &["Host: evil.example", COOKIE], 421),
        ("GET /", &["Host: localhost:4100", COOKIE], 421),
        ("GET /", &["Host: 127.0.0.1:4100", COOKIE], 421),
        ("GET /", &["Host: 127.23.45.67", COOKIE], 421),
        ("GET /", &[HOST, HOST, COOKIE], 400),
        ("GET /", &[COOKIE], 400),
        ("GET http://evil.example/", &[HOST, COOKIE], 421),
        ("GET /enter?code=the-code", &["Host: evil.example"], 421),
        // Begun by another page.
        ("GET /", &[HOST, COOKIE, "Sec-Fetch-Site: cross-site"], 403),
        ("GET /", &[HOST, COOKIE, "Sec-Fetch-Site: same-site"], 403),
        ("GET /", &[HOST, COOKIE, "Origin: http://127.23.45.67:3000"], 403),
        (
            "GET /enter?code=the-code",
            &[HOST, "Sec-Fetch-Site: cross-site"],
            403,
        ),
        ("POST /answer", &[HOST, COOKIE, MEDIA, "Content-Length: 3"], 403),
        (
            "POST /answer",
            &[HOST, COOKIE, MEDIA, "Origin: null", "Content-Length: 3"],
            403,
        ),
        (
            "POST /answer",
            &[
                HOST,
                COOKIE,
                MEDIA,
                "Origin: http://evil.example",
                "Content-Length: 3",
            ],
            403,
        ),
        (
            "POST /answer",
            &[HOST, COOKIE, MEDIA, ORIGIN, ORIGIN, "Content-Length: 3"],
            400,
        ),
        ("POST /answer", &[HOST, ORIGIN, MEDIA, "Content-Length: 3"], 401),
        // No form, too long a one, a form where none is.
        (
            "POST /answer",
            &[
                HOST,
                COOKIE,
                ORIGIN,
                "Content-Type: text/plain",
                "Content-Length: 3",
            ],
            415,
        ),
        (
            "POST /answer",
            &[HOST, COOKIE, ORIGIN, MEDIA, "Content-Length: 99999"],
            413,
        ),
        ("GET /", &[HOST, COOKIE, "Content-Length: 3"], 413),
        ("GET /answer", &[HOST, COOKIE], 405),
        ("DELETE /", &[HOST, COOKIE], 405),
        ("GET /../etc/passwd", &[HOST, COOKIE], 404),
    ] {
        assert_eq!(want(start, fields), Err(status), "{start} {fields:?}");
    }
}

#[test]
fn a_code_is_good_once() {
    let mut door = door();
    let other = door.enter("the-cod");
    assert_eq!(other.status, 403);
    let text = String::from_utf8(door.enter("the-code").bytes(true))
        .unwrap()
        .to_ascii_lowercase();
    assert!(
        text.contains("set-cookie: fumehood=the-cookie; path=/; httponly; samesite=strict\r\n"),
        "{text}"
    );
    assert!(
        text.starts_with("http/1.1 303 ") && text.contains("location: /\r\n"),
        "{text}"
    );
    let again = String::from_utf8(door.enter("the-code").bytes(true)).unwrap();
    assert!(
        again.starts_with("HTTP/1.1 403 ") && !again.contains("the-cookie"),
        "{again}"
    );
    assert!(door.made("the-form") && !door.made("the-for") && !door.made(""));
}

#[test]
fn every_answer_says_what_a_browser_may_do_with_it() {
    let text = String::from_utf8(Answer::refused(403, "no").bytes(false))
        .unwrap()
        .to_ascii_lowercase();
    for field in [
        "content-security-policy: default-src 'none'; ",
        "frame-ancestors 'none'",
        "x-frame-options: deny",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
    ] {
        assert!(text.contains(field), "{field}: {text}");
    }
}

proptest! {
    /// No head of which the cookie is another is let in.
    #[test]
    fn nobody_comes_in_by_chance(value in "[a-zA-Z0-9-]{0,20}", path in "(/|/answer|/version|/page.js|/[a-z]{0,8})", method in "(GET|POST)") {
        prop_assume!(value != "the-cookie");
        let cookie = format!("Cookie: fumehood={value}");
        let asked = want(&format!("{method} {path}"), &[HOST, &cookie, ORIGIN, MEDIA]);
        prop_assert!(matches!(asked, Err(_) | Ok(Want::Enter(_))), "{asked:?}");
    }

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _either = door().open(&bytes);
    }
}
