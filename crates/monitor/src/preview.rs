//! What of a body may be told: its outline. Names of fields stay, what they hold is replaced by its length, since a log
//! is kept for long and read by many; the body's digest says which it was.

/// The longest outline, bytes.
const LONGEST: usize = 512;
/// The most characters of a name.
const NAME: usize = 40;

/// The outline of a body of JSON, or of a form: `{"title":"…12","draft":true,"labels":[#,#]}`, `title=…12&draft=…4`. None of
/// anything else, and of a form where a field is empty.
pub(crate) fn outline(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    match text.trim_start().chars().next()? {
        '{' | '[' => json(text),
        _ => form(text),
    }
}

/// Word by word, so that nothing is parsed that is not told. What is no JSON has no outline.
fn json(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if out.len() > LONGEST {
            out.push('\u{2026}');
            break;
        }
        let word = match first {
            '{' | '}' | '[' | ']' | ',' | ':' => {
                out.push(first);
                1
            }
            '"' => {
                let end = string_end(rest)?;
                let (inner, after) = (rest.get(1..end)?, rest.get(end + 1..)?);
                if after.trim_start().starts_with(':') {
                    out.push_str(&format!("\"{}\"", name(inner)));
                } else {
                    out.push_str(&format!("\"\u{2026}{}\"", inner.len()));
                }
                end + 1
            }
            '-' | '0'..='9' => {
                out.push('#');
                let number = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
                rest.find(|c: char| !number(c)).unwrap_or(rest.len())
            }
            _ => {
                let word = ["true", "false", "null"]
                    .into_iter()
                    .find(|w| rest.starts_with(w))?;
                out.push_str(word);
                word.len()
            }
        };
        rest = rest.get(word..)?.trim_start();
    }
    Some(out)
}

/// Where the quote is that ends a string.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    let ends = |(at, byte): (usize, u8)| {
        let end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        (end && at > 0).then_some(at)
    };
    let mut bytes = text.bytes().enumerate();
    bytes.next()?;
    bytes.find_map(ends)
}

/// What only looks like a form has none: of Base64 with its padding the whole would be a name.
fn form(text: &str) -> Option<String> {
    let mut out = String::new();
    for pair in text.split('&') {
        let (key, value) = pair.split_once('=')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.[]".contains(c);
        let begins = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins || !key.chars().all(plain) || key.len() > NAME || value.is_empty() || value.contains('=') {
            return None;
        }
        if !out.is_empty() {
            out.push('&');
        }
        if out.len() > LONGEST {
            out.push('\u{2026}');
            break;
        }
        out.push_str(&format!("{}=\u{2026}{}", name(key), value.len()));
    }
    Some(out)
}

fn name(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(NAME).collect();
    if short.len() < text.len() {
        short.push('\u{2026}');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_stay_and_what_they_hold_does_not() {
        let body = br#" {"title": "my \"secret\" plan", "n": -12.5e3, "ok": true, "no": null, "deep": [{"a": ["x"]}, 7]} "#;
        let told =
            "{\"title\":\"\u{2026}18\",\"n\":#,\"ok\":true,\"no\":null,\"deep\":[{\"a\":[\"\u{2026}1\"]},#]}";
        assert_eq!(outline(body).as_deref(), Some(told));
        let told = "user=\u{2026}5&pass[word]=\u{2026}6";
        assert_eq!(outline(b"user=alice&pass[word]=secret").as_deref(), Some(told));
        for other in [
            &b""[..],
            b"hello",
            b"\xff",
            b"0032want deadbeef",
            b"{secret}",
            b"c2VjcmV0cw=",
            b"c2VjcmV0cw==",
            b"a b=c",
            b"{\"a",
        ] {
            assert_eq!(outline(other), None, "{other:?}");
        }
    }

    #[test]
    fn an_outline_is_short() {
        let long = format!("[{}]", "\"x\",".repeat(10_000));
        assert!(outline(long.as_bytes()).unwrap().len() < LONGEST + 20);
        let name = format!("{{\"{}\": 1}}", "n".repeat(9_999));
        assert!(outline(name.as_bytes()).unwrap().len() < NAME + 20);
    }

    proptest! {
        /// Whatever is inside: what a field holds is not in the outline, and no control character is.
        #[test]
        fn no_value_is_told(value in "[a-z]{6,20}", any in "\\PC*") {
            let escaped = any.replace('\\', "\\\\").replace('"', "\\\"");
            let body = format!("{{\"k\": \"{value}{escaped}\", \"l\": [\"{value}\"]}}");
            let told = outline(body.as_bytes()).unwrap();
            prop_assert!(!told.contains(&value) && !told.chars().any(char::is_control), "{}", told);
            let form = format!("k={value}&l={value}");
            prop_assert!(!outline(form.as_bytes()).unwrap().contains(&value));
        }

        #[test]
        fn any_bytes_have_one_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,100}") {
            let (_any, _text) = (outline(&bytes), outline(text.as_bytes()));
            let _json = outline(format!("{{{text}").as_bytes());
        }
    }
}
