//! Bodies: JSON without two meanings, forms, and the names of multipart fields.

use percent_encoding::percent_decode_str;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Fields of a form that are looked at. More: the last ones are not, and none hides behind that,
/// because a request with so many is unreadable (see `condition`).
pub(crate) const MOST_FIELDS: usize = 4096;

/// A JSON text (RFC 8259) that every reader understands alike: no key twice, nothing after it.
/// Nesting is bounded by `serde_json` at 128.
pub(crate) fn json(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice::<Strict>(bytes).ok().map(|s| s.0)
}

/// A value whose objects name each key once: of two, servers take the first or the last.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(value)) = seq.next_element()? {
            all.push(value);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((key, Strict(value))) = map.next_entry::<String, Strict>()? {
            if all.insert(key, value).is_some() {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(Value::Object(all))
    }
}

/// The fields of `application/x-www-form-urlencoded` (WHATWG URL, section 5.1). Any bytes are one.
pub(crate) fn form(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    text.split('&')
        .filter(|field| !field.is_empty())
        .take(MOST_FIELDS)
        .map(|field| field.split_once('=').unwrap_or((field, "")))
        .map(|(name, value)| (plus(name), plus(value)))
        .collect()
}

fn plus(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(spaced.trim()).decode_utf8_lossy().into_owned()
}

/// The boundary of a `multipart/form-data` media type (RFC 7578, section 4.1).
pub(crate) fn boundary(media_type: &str) -> Option<String> {
    let (kind, parameters) = media_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters
        .split(';')
        .filter_map(|p| p.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim_matches('"').to_owned())
        .filter(|value| !value.is_empty())
}

/// The fields of a multipart body: names, and the text up to 256 bytes, which is all a row compares.
pub(crate) fn multipart(bytes: &[u8], boundary: &str) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    text.split(&format!("--{boundary}"))
        .take(MOST_FIELDS)
        .filter_map(part)
        .collect()
}

fn part(text: &str) -> Option<(String, String)> {
    let text = text.strip_prefix("\r\n").or_else(|| text.strip_prefix('\n'))?;
    let (head, value) = text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n"))?;
    let disposition = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let name = disposition
        .split(';')
        .filter_map(|p| p.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("name"))
        .map(|(_, value)| value.trim().trim_matches('"').to_owned())?;
    Some((name, value.trim_end().chars().take(256).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_with_two_meanings_has_none() {
        assert!(json(br#"{"force":false,"force":true}"#).is_none());
        assert!(json(br#"{"a":{"b":1,"b":2}}"#).is_none());
        assert!(json(br#"{"force":true} {}"#).is_none());
        assert!(json(br#"{"f\u006frce":true,"force":false}"#).is_none());
        assert_eq!(json(br#"{"f\u006frce":true}"#).unwrap()["force"], true);
        assert!(json("[".repeat(100_000).as_bytes()).is_none());
    }

    #[test]
    fn forms_and_parts() {
        assert_eq!(
            form(b"Action=Terminate%49nstances&a+b"),
            [
                ("Action".to_owned(), "TerminateInstances".to_owned()),
                ("a b".to_owned(), String::new())
            ]
        );
        let b = boundary("multipart/form-data; boundary=\"xx\"").unwrap();
        let body =
            b"--xx\r\nContent-Disposition: form-data; name=\":action\"\r\n\r\nfile_upload\r\n--xx--\r\n";
        assert_eq!(
            multipart(body, &b),
            [(":action".to_owned(), "file_upload".to_owned())]
        );
    }
}
