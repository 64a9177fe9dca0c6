use super::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use proptest::prelude::*;

const KEY: &str = "sk-ant-api03-t0p+S3cret/Value~with=odd\"chars";

fn forbidden(secrets: &[&str]) -> Arc<Forbidden> {
    let shown: Vec<String> = secrets.iter().map(|s| placeholder(s)).collect();
    let pairs = secrets.iter().zip(&shown);
    Arc::new(Forbidden::new(pairs.map(|(s, p)| (s.as_bytes(), p.as_bytes()))))
}

/// As long as the secret, with its public beginning.
fn placeholder(secret: &str) -> String {
    let begins = if secret.starts_with("sk-ant-api03-") {
        13
    } else {
        0
    };
    format!("{}{}", &secret[..begins], "Q".repeat(secret.len() - begins))
}

fn clean(secret: &str, text: &str) -> String {
    String::from_utf8(forbidden(&[secret]).clean(text.as_bytes()).into_owned()).unwrap()
}

/// Every encoding that an upstream might answer in.
fn encodings(secret: &str) -> Vec<(&'static str, String)> {
    const ALL: &AsciiSet = NON_ALPHANUMERIC;
    let bytes = secret.as_bytes();
    let each = |format: &dyn Fn(u8) -> String| bytes.iter().map(|b| format(*b)).collect::<String>();
    let json = serde_json::to_string(secret).unwrap();
    let twice = serde_json::to_string(&json).unwrap();
    let mut out = vec![
        ("raw", secret.to_owned()),
        ("percent", percent_encode(bytes, ALL).to_string()),
        ("every byte percent", each(&|b| format!("%{b:02X}"))),
        ("percent, lower case", each(&|b| format!("%{b:02x}"))),
        (
            "percent twice",
            percent_encode(percent_encode(bytes, ALL).to_string().as_bytes(), ALL).to_string(),
        ),
        ("json", json.clone()),
        ("json in json", twice.clone()),
        ("json thrice", serde_json::to_string(&twice).unwrap()),
        ("json \\u", each(&|b| format!("\\u{b:04x}"))),
        ("json \\U", each(&|b| format!("\\u{b:04X}"))),
        ("json with \\/", json.replace('/', "\\/")),
        ("\\x", each(&|b| format!("\\x{b:02x}"))),
        ("html", secret.replace('&', "&amp;").replace('"', "&quot;")),
        ("html numbers", each(&|b| format!("&#{b};"))),
        ("html hex", each(&|b| format!("&#x{b:x};"))),
        ("hex", each(&|b| format!("{b:02x}"))),
        ("HEX", each(&|b| format!("{b:02X}"))),
    ];
    for before in ["", "u", "us", "user:"] {
        for after in ["", "x", "xy"] {
            let text = [before, secret, after].concat();
            out.push(("base64", STANDARD.encode(&text)));
            out.push(("base64 bare", STANDARD_NO_PAD.encode(&text)));
            out.push(("base64url", URL_SAFE.encode(&text)));
            out.push(("base64url bare", URL_SAFE_NO_PAD.encode(&text)));
            out.push((
                "base64 in a URL",
                percent_encode(STANDARD.encode(&text).as_bytes(), ALL).to_string(),
            ));
            out.push(("base64 in JSON", STANDARD.encode(&text).replace('/', "\\/")));
        }
    }
    out
}

/// Whether more than the edges of an encoded secret are in a text.
fn survives(text: &[u8], encoded: &str) -> bool {
    let inner = &encoded[encoded.len() / 4..encoded.len() - encoded.len() / 4];
    text.windows(inner.len()).any(|w| w == inner.as_bytes())
}

/// A39: what comes back in any encoding is replaced, and nothing around it is touched.
#[test]
fn a39_reflections_in_every_encoding() {
    for (name, encoded) in encodings(KEY) {
        let text = format!("{{\"you sent\": [{encoded}], \"next\": 1}}");
        let cleaned = clean(KEY, &text);
        assert_eq!(cleaned.len(), text.len(), "{name}");
        assert!(
            cleaned.starts_with("{\"you sent\": [") && cleaned.ends_with("], \"next\": 1}"),
            "{name}: {cleaned}"
        );
        assert!(
            survives(text.as_bytes(), &encoded) && !survives(cleaned.as_bytes(), &encoded),
            "{name}: {cleaned}"
        );
    }
}

/// A program that is echoed its own credential finds the one it has.
#[test]
fn what_stands_instead_is_the_placeholder_in_the_same_encoding() {
    let shown = placeholder(KEY);
    let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    let percent = |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
    let json = |text: &str| text.bytes().map(|b| format!("\\u{b:04x}")).collect::<String>();
    assert_eq!(clean(KEY, KEY), shown);
    assert_eq!(clean(KEY, &hex(KEY)), hex(&shown));
    assert_eq!(clean(KEY, &percent(KEY)), percent(&shown));
    assert_eq!(clean(KEY, &json(KEY)), json(&shown));
    let basic = |key: &str| STANDARD.encode(format!("a:{key}"));
    let edge = basic(KEY).len() - 4; // which holds bits of the last byte and of padding
    assert_eq!(clean(KEY, &basic(KEY))[3..edge], basic(&shown)[3..edge]);
}

#[test]
fn other_text_passes_as_it_is() {
    let forbidden = forbidden(&[KEY]);
    for text in [
        "",
        "sk-ant-api03-",
        "data: {\"x\": \"100%\"}\n\n",
        "a\\nb & c",
        "%73%6b-ant",
        "\u{fffd}",
    ] {
        assert_eq!(*forbidden.clean(text.as_bytes()), *text.as_bytes());
    }
    let mut stream = Redactor::new(Arc::clone(&forbidden));
    assert!(matches!(stream.push(b"data: nothing\n\n"), Cow::Borrowed(_)));
}

/// An event that ends as events do is not kept waiting for the next.
#[test]
fn nothing_is_held_that_no_secret_begins_with() {
    let mut stream = Redactor::new(forbidden(&[KEY]));
    for event in [
        "data: {\"text\":\"100%25 of \\u0041\"}\n\n",
        "data: [DONE]\n\n",
        "{\"ping\":1}",
    ] {
        assert_eq!(stream.push(event.as_bytes()).len(), event.len());
    }
    assert_eq!(*stream.push(b"it begins: sk-an"), *b"it begins: ");
    assert_eq!(*stream.push(b"d so on"), *b"sk-and so on");
}

#[test]
fn with_no_secret_nothing_is_looked_at() {
    let mut stream = Redactor::new(forbidden(&[]));
    assert!(matches!(stream.push(b"100% of \\ it"), Cow::Borrowed(_)));
    assert!(stream.finish().is_empty());
}

/// One after another, into each other, and within an escape of another.
#[test]
fn secrets_that_overlap() {
    let forbidden = forbidden(&["abababababab", "babababababab", "12345678%41"]);
    for text in [
        "ababababababababababab",
        "xbababababababax",
        "12345678%2541",
        "12345678A12345678%41",
    ] {
        let whole = forbidden.clean(text.as_bytes()).into_owned();
        assert!(!whole.windows(12).any(|w| w == b"abababababab"), "{text}");
        assert_eq!(whole.len(), text.len());
    }
}

fn in_pieces(forbidden: &Arc<Forbidden>, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut stream = Redactor::new(Arc::clone(forbidden));
    let mut out = Vec::new();
    let mut rest = text;
    for cut in cuts {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        out.extend_from_slice(&stream.push(piece));
        rest = after;
    }
    out.extend_from_slice(&stream.push(rest));
    out.extend(stream.finish());
    out
}

/// A secret in one of its encodings, or other text, some of it nearly one.
fn part() -> impl Strategy<Value = String> {
    let encodings: Vec<String> = encodings(KEY).into_iter().map(|(_, e)| e).collect();
    let whole = prop::sample::select(encodings.clone());
    let cut = (prop::sample::select(encodings), any::<prop::sample::Index>())
        .prop_map(|(e, at)| e[..at.index(e.len())].to_owned());
    prop_oneof![
        whole,
        cut,
        "[ -~\\\\%&#;]{0,12}",
        Just("\\".to_owned()),
        Just("aaaaaaaaa".to_owned())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cutting_gives_the_same(parts in proptest::collection::vec(part(), 1..6),
        cuts in proptest::collection::vec(0usize..40, 0..30))
    {
        let forbidden = forbidden(&[KEY, "aaaaaaaa", "%41%42%43%44", "\\\\\\\\\\\\\\\\"]);
        let text = parts.concat().into_bytes();
        let whole = forbidden.clean(&text).into_owned();
        prop_assert_eq!(whole.len(), text.len());
        prop_assert_eq!(&in_pieces(&forbidden, &text, &cuts), &whole);
        prop_assert_eq!(&in_pieces(&forbidden, &text, &vec![1; text.len()]), &whole);
    }

    #[test]
    fn no_encoding_of_any_secret_survives(secret in "[!-$'-\\[\\]-~&&[^%]]{12,60}", before in "[a-z ]{0,7}", cuts in proptest::collection::vec(0usize..40, 0..20)) {
        let forbidden = forbidden(&[&secret]);
        for (name, encoded) in encodings(&secret) {
            let text = format!("{before} {encoded} end");
            let out = in_pieces(&forbidden, text.as_bytes(), &cuts);
            prop_assert!(!survives(&out, &encoded), "{}: {}", name, String::from_utf8_lossy(&out));
        }
    }

    /// Mixed notations, each character in another.
    #[test]
    fn each_character_written_in_its_own_way(ways in proptest::collection::vec(0usize..5, KEY.len())) {
        let written: String = KEY.bytes().zip(&ways).map(|(b, way)| match way {
            0 => format!("%{b:02X}"),
            1 => format!("\\u{b:04x}"),
            2 => format!("&#{b};"),
            3 if !b.is_ascii_alphanumeric() => format!("\\{}", char::from(b)),
            _ => char::from(b).to_string(),
        }).collect();
        let cleaned = forbidden(&[KEY]).clean(written.as_bytes()).into_owned();
        let read = unescape::unescaped(&cleaned);
        prop_assert!(!read.windows(8).any(|w| KEY.as_bytes()[13..].windows(8).any(|k| k == w)), "{}", String::from_utf8_lossy(&cleaned));
    }

    #[test]
    fn memory_is_bounded_by_the_longest_form(text in proptest::collection::vec(prop::sample::select(&b"a%4125\\u0"[..]), 0..3000)) {
        let mut stream = Redactor::new(forbidden(&["aaaaaaaaaaaaaaaa"]));
        for byte in &text {
            let _passed = stream.push(&[*byte]);
            prop_assert!(stream.held.len() < 16 * 2 * 6 * 3 * 2, "{}", stream.held.len());
            prop_assert!(stream.open.len() < 16 * 2 * LEVELS * 10);
        }
    }
}
