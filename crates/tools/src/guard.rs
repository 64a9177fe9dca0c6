//! What a client sent, as JSON (RFC 8259) that can be read in one way only.
//!
//! The parser is serde_json's; what it would let pass and another parser would read otherwise is refused here:
//! a key that is there twice (RFC 8259 §4 leaves open which one counts), values deeper or more of them than a
//! call has, numbers that no other reader holds exactly. Half of a surrogate pair and bytes that are not UTF-8
//! the parser refuses itself.

use crate::refused::Refused;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Bytes of one message.
pub const MAX_BYTES: usize = 1024 * 1024;
/// How deep objects and lists may lie within each other.
pub const MAX_DEPTH: usize = 64;
/// Values in one message, those within others included.
pub const MAX_VALUES: usize = 65_536;

/// JSON that was let through. Its canonical text has its keys in order, so that whoever reads it next reads
/// the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Guarded(Value);

impl Guarded {
    /// What was sent.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.0
    }

    /// An object out of JSON that was let through, such as the arguments within a message.
    #[must_use]
    pub const fn part(object: Map<String, Value>) -> Guarded {
        Guarded(Value::Object(object))
    }

    /// What was sent, to be taken apart.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.0
    }
}

/// The canonical text.
impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads a message.
///
/// # Errors
/// It is too large, no JSON, or could be read in two ways.
pub fn guard(bytes: &[u8]) -> Result<Guarded, Refused> {
    guard_at_most(bytes, MAX_BYTES)
}

/// Likewise of a message that may be longer or has to be shorter.
pub(crate) fn guard_at_most(bytes: &[u8], most: usize) -> Result<Guarded, Refused> {
    if bytes.len() > most {
        return Err(Refused::call(
            format_args!("the call has {} bytes, more than {most}", bytes.len()),
            "send less, in several calls",
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Refused::call(
            format_args!("the call is not UTF-8 from byte {} on", e.valid_up_to()),
            "encode it as UTF-8",
        )
    })?;
    let mut left = MAX_VALUES;
    let mut parser = serde_json::Deserializer::from_str(text);
    let seed = Seed {
        depth: 0,
        left: &mut left,
    };
    let value = seed
        .deserialize(&mut parser)
        .and_then(|value| parser.end().map(|()| value));
    value
        .map(Guarded)
        .map_err(|e| Refused::call(reason(&e), "send one JSON value that reads in one way"))
}

/// The parser's words with the place; they repeat nothing of the text but characters.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = fumehood_policy::Escaped::from(text.as_str())
        .at_most(300)
        .to_string();
    format!("the call is refused as JSON: {text}")
}

struct Seed<'l> {
    depth: usize,
    left: &'l mut usize,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        if self.depth > MAX_DEPTH {
            return Err(D::Error::custom(format_args!(
                "values lie more than {MAX_DEPTH} deep"
            )));
        }
        *self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| D::Error::custom(format_args!("more than {MAX_VALUES} values")))?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        // What is written must be read again as the same: this parser's last digit is not always right, so another
        // reader's may differ.
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number that is none"))?;
        let again = serde_json::from_str::<f64>(&number.to_string()).ok();
        if again != Some(value) {
            return Err(E::custom("a fraction that not all readers hold alike"));
        }
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(value) = list.next_element_seed(Seed {
            depth: self.depth + 1,
            left: &mut *self.left,
        })? {
            out.push(value);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if out.contains_key(&key) {
                let shown = fumehood_policy::Escaped::from(key.as_str()).at_most(40);
                return Err(A::Error::custom(format_args!("the key `{shown}` is there twice")));
            }
            let value = map.next_value_seed(Seed {
                depth: self.depth + 1,
                left: &mut *self.left,
            })?;
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &[u8]) -> String {
        guard(text).unwrap_err().text().to_owned()
    }

    #[test]
    fn what_reads_in_two_ways_is_refused() {
        assert!(refused(br#"{"path":"ok","path":"/etc"}"#).contains("`path` is there twice"));
        // The same key in two spellings is one key.
        assert!(refused(br#"{"a":{"x":1,"\u0078":2}}"#).contains("`x` is there twice"));
        for half in [r#""\ud800""#, r#""\udc00x""#, r#""\ud800\u0041""#] {
            assert!(refused(half.as_bytes()).contains("escape"), "{half}");
        }
        assert!(refused(b"\"\xff\"").contains("not UTF-8"));
        assert!(refused(b"\"\xc0\xaf\"").contains("not UTF-8"));
        assert!(refused(b"1e999").contains("out of range"));
        // Found by the fuzzer: read, written and read again it was another number.
        assert!(refused(b"12E122").contains("not all readers"));
        assert!(guard(b"0.5").is_ok() && guard(b"1.25e10").is_ok());
        for text in [
            "",
            "{",
            "{}x",
            "{} {}",
            "NaN",
            "01",
            "'a'",
            "[1,]",
            "\u{feff}{}",
            "\"\u{1}\"",
        ] {
            assert!(guard(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn depth_size_and_number_of_values_are_bounded() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(guard(deep(MAX_DEPTH).as_bytes()).is_ok());
        assert!(refused(deep(MAX_DEPTH + 2).as_bytes()).contains("deep"));
        assert!(guard(deep(10_000).as_bytes()).is_err());
        assert!(guard(&b"[".repeat(MAX_BYTES)).is_err());
        assert!(refused(&vec![b' '; MAX_BYTES + 1]).contains("bytes, more than"));
        let many = format!("[{}1]", "1,".repeat(MAX_VALUES));
        assert!(refused(many.as_bytes()).contains("values"));
    }

    #[test]
    fn the_canonical_text_has_one_order() {
        let one = guard(br#"{ "b": 1, "a": "\u0041" }"#).unwrap();
        assert_eq!(one.to_string(), r#"{"a":"A","b":1}"#);
        assert_eq!(
            guard(b"9007199254740993").unwrap().to_string(),
            "9007199254740993"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_passes_reads_the_same_elsewhere(
            parts in proptest::collection::vec(
                r#"(\{|\}|\[|\]|:|,|"a"|"b"|"\\u0061"|1|-0|null| )"#, 0..16)
        ) {
            let text = parts.concat();
            let plain = serde_json::from_str::<Value>(&text);
            match guard(text.as_bytes()) {
                Ok(ours) => {
                    prop_assert_eq!(&ours.0, &plain.unwrap());
                    prop_assert_eq!(guard(ours.to_string().as_bytes()).unwrap(), ours);
                }
                Err(refused) => prop_assert!(plain.is_err() || refused.text().contains("twice"), "{}", text),
            }
        }

        #[test]
        fn any_bytes_are_refused_in_a_short_line(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Err(refused) = guard(&bytes) {
                prop_assert!(refused.text().len() <= crate::refused::LONGEST);
                prop_assert!(!refused.text().chars().any(fumehood_policy::escape::acts_or_hides));
            }
        }
    }
}
