//! A request for new tokens, as a program inside makes it, and as it is sent. Pure.

use serde_json::{Map, Value};

/// The words of a renewal (RFC 6749 §6, §2.3.1); a client's own id and secret are in every copy of its program.
const WORDS: &[&str] = &[
    "grant_type",
    "refresh_token",
    "client_id",
    "client_secret",
    "scope",
];
/// The longest body.
const LONGEST: usize = 64 * 1024;

/// The same request, written anew: a renewal of what a placeholder of ours stands for, with the current one in its place,
/// and nothing else. `None` where it is anything else, or can be read in two ways.
pub(crate) fn rewrite(
    body: &[u8],
    is_json: bool,
    is_ours: impl FnOnce(&str) -> bool,
    current: &str,
) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok().filter(|t| t.len() <= LONGEST)?;
    let mut pairs = if is_json { json(text)? } else { form(text)? };
    let one = |name: &str| {
        let mut all = pairs.iter().filter(|(key, _)| key == name);
        all.next()
            .filter(|_| all.next().is_none())
            .map(|(_, value)| value.as_str())
    };
    let known = pairs
        .iter()
        .all(|(key, _)| WORDS.contains(&key.as_str()) && one(key).is_some());
    let renews = one("grant_type") == Some("refresh_token") && one("refresh_token").is_some_and(is_ours);
    if !(known && renews) {
        return None;
    }
    for (_, value) in pairs.iter_mut().filter(|(key, _)| key == "refresh_token") {
        current.clone_into(value);
    }
    Some(written(&pairs, is_json))
}

fn json(text: &str) -> Option<Vec<(String, String)>> {
    // A map keeps one of two equal keys, and a server might take the other: they are counted in what was written.
    let map: Map<String, Value> = serde_json::from_str(text).ok()?;
    let pairs: Option<Vec<_>> = map
        .into_iter()
        .map(|(key, value)| Some((key, value.as_str()?.to_owned())))
        .collect();
    let pairs = pairs?;
    let colons = serde_json::Deserializer::from_str(text)
        .into_iter::<Counted>()
        .next()?
        .ok()?;
    (colons.0 == pairs.len()).then_some(pairs)
}

/// How many members an object has, equal ones too.
struct Counted(usize);

impl<'de> serde::Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Counted, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Counted;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Counted, A::Error> {
                let mut count = 0;
                while map.next_entry::<String, serde::de::IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Counted(count))
            }
        }
        from.deserialize_map(Members)
    }
}

fn form(text: &str) -> Option<Vec<(String, String)>> {
    let decoded = |part: &str| {
        let spaced = part.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8().ok();
        decoded.map(|text| text.into_owned())
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some((decoded(key)?, decoded(value)?))
        })
        .collect()
}

fn written(pairs: &[(String, String)], is_json: bool) -> Vec<u8> {
    if is_json {
        let object: Map<String, Value> = pairs
            .iter()
            .map(|(k, v)| (k.clone(), Value::from(v.as_str())))
            .collect();
        return Value::Object(object).to_string().into_bytes();
    }
    let escaped = |text: &str| percent_encoding::utf8_percent_encode(text, crate::vault::ESCAPED).to_string();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(k, v)| format!("{}={}", escaped(k), escaped(v)))
        .collect();
    pairs.join("&").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str, is_json: bool) -> Option<String> {
        rewrite(body.as_bytes(), is_json, |t| t == "ours", "now").map(|b| String::from_utf8(b).unwrap())
    }

    #[test]
    fn a_renewal_is_written_anew() {
        let body =
            r#"{ "grant_type": "refresh_token", "refresh_token": "ours", "client_id": "c", "scope": "a b" }"#;
        let anew = r#"{"client_id":"c","grant_type":"refresh_token","refresh_token":"now","scope":"a b"}"#;
        assert_eq!(of(body, true).as_deref(), Some(anew));
        let form = "client_id=a%2Fb&grant_type=refresh_token&refresh_token=ours&client_secret=x+y";
        let anew = "client_id=a%2Fb&grant_type=refresh_token&refresh_token=now&client_secret=x%20y";
        assert_eq!(of(form, false).as_deref(), Some(anew));
    }

    /// Whoever is inside does not choose whose tokens the user's file will hold (login fixation).
    #[test]
    fn f15_nothing_but_a_renewal_of_ours_passes() {
        for body in [
            r#"{"grant_type":"authorization_code","code":"theirs","refresh_token":"ours"}"#,
            r#"{"grant_type":"refresh_token","refresh_token":"theirs"}"#,
            r#"{"grant_type":"refresh_token","grant_type":"authorization_code","refresh_token":"ours"}"#,
            r#"{"grant_type":"refresh_token","refresh_token":"theirs","refresh_token":"ours"}"#,
            r#"{"grant_type":"refresh_token","refresh_token":"ours","refr\u0065sh_token":"theirs"}"#,
            r#"{"grant_type":"refresh_token","refresh_token":"ours","code":"theirs"}"#,
            r#"{"grant_type":"refresh_token","refresh_token":["ours"]}"#,
            r#"{"grant_type":"refresh_token"}"#,
            r#"{"grant_type":"refresh_token","refresh_token":"ours"} {"grant_type":"x"}"#,
            r#"["refresh_token"]"#,
            "",
        ] {
            assert_eq!(of(body, true), None, "{body}");
        }
        for body in [
            "grant_type=authorization_code&code=theirs&refresh_token=ours",
            "grant_type=refresh_token&refresh_token=theirs&refresh_token=ours",
            "grant_type=refresh_token&refresh_token=ours&refresh%5Ftoken=theirs",
            "grant_type=refresh_token&refresh_token=ours&code=theirs",
            "grant_type=refresh_token&refresh_token=ours;code=theirs",
            "grant_type=refresh_token&refresh_token",
            "",
        ] {
            assert_eq!(of(body, false), None, "{body}");
        }
    }
}
