//! Where an argument's value comes from: whether the user said it. Pure.
//!
//! A model that was told by a page to send a letter calls the same tool as one that was told by its user; what differs are
//! values (research: of 609 hijacked runs of AgentDojo all but a few need a recipient, an address or a number that no
//! user named). So the values of parameters by which something leaves are looked for in the user's own words: there as they
//! stand, as whole words, or a person is asked. It does not ask what the words mean: who is named is not yet who is to be
//! written to.

use serde_json::{Map, Value};

/// Below so many characters a text is in any text by chance.
const SHORTEST: usize = 4;

/// What a user said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(String);

impl Words {
    /// Of the task, as the user wrote it.
    #[must_use]
    pub fn of(text: &str) -> Words {
        Words(normal(text))
    }

    /// Whether a value is there as it stands. What says nothing (null, a flag, an empty text or list) needs not be said.
    #[must_use]
    pub fn say(&self, value: &Value) -> bool {
        match value {
            Value::Null | Value::Bool(_) => true,
            Value::Number(number) => self.number(&number.to_string()),
            Value::String(text) => self.text(text),
            Value::Array(list) => list.iter().all(|v| self.say(v)),
            Value::Object(object) => object.values().all(|v| self.say(v)),
        }
    }

    fn text(&self, text: &str) -> bool {
        let text = normal(text);
        if text.is_empty() {
            return true;
        }
        let is_number = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if is_number {
            return self.number(&text);
        }
        text.chars().count() >= SHORTEST && self.whole(&text)
    }

    /// As written by anybody: `50`, `50.0` and `50.00` are one number.
    fn number(&self, text: &str) -> bool {
        let short = match text.split_once('.') {
            Some((whole, part)) => match part.trim_end_matches('0') {
                "" => whole.to_owned(),
                part => format!("{whole}.{part}"),
            },
            None => text.to_owned(),
        };
        let more: &[&str] = if short.contains('.') {
            &["", "0"]
        } else {
            &["", ".0", ".00"]
        };
        more.iter().any(|zeros| self.whole(&format!("{short}{zeros}")))
    }

    /// Not within a longer word or number.
    fn whole(&self, text: &str) -> bool {
        let inner = |c: char| c.is_alphanumeric() || c == '_';
        self.0.match_indices(text).any(|(at, _)| {
            let (before, after) = (&self.0[..at], &self.0[at + text.len()..]);
            let mut next = after.chars();
            let ends = match next.next() {
                // `50` is not in `50.25`, and `a@b.com` not in `a@b.com.evil`.
                Some('.' | '@' | '-') => !next.next().is_some_and(inner),
                Some(c) => !inner(c),
                None => true,
            };
            let begins = before
                .chars()
                .next_back()
                .is_none_or(|c| !inner(c) && !matches!(c, '.' | '@' | '-'));
            begins && ends
        })
    }
}

/// Small letters, one space between words.
fn normal(text: &str) -> String {
    text.to_lowercase()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The arguments for these parameters that nobody said, as `name=value`. `*` stands for all.
#[must_use]
pub fn unsaid<'a>(
    arguments: &Map<String, Value>,
    sinks: impl Iterator<Item = &'a str>,
    words: &Words,
) -> Vec<String> {
    let sinks: Vec<&str> = sinks.collect();
    let is_sink = |name: &str| sinks.iter().any(|s| *s == "*" || *s == name);
    let found = arguments
        .iter()
        .filter(|(name, value)| is_sink(name) && !words.say(value));
    found.map(|(name, value)| format!("{name}={value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_the_user_wrote_is_said_and_nothing_like_it() {
        let words = Words::of(
            "Send 50.00 to Anna Smith <anna@acme.example>,\nand 7 dollars to bob-2. See https://acme.example/a.",
        );
        for said in [
            json!("anna@acme.example"),
            json!("Anna  smith"),
            json!("https://acme.example/a"),
            json!(50),
            json!(50.0),
            json!("50"),
            json!(7),
            json!(null),
            json!(true),
            json!([]),
            json!(""),
            json!(["anna@acme.example", "bob-2"]),
        ] {
            assert!(words.say(&said), "{said}");
        }
        for unsaid in [
            json!("anna@acme.exampl"),
            json!("nna@acme.example"),
            json!("anna@acme.example.evil"),
            json!("mark@evil.example"),
            json!("to"),
            json!("bob"),
            json!(5),
            json!(500),
            json!(2),
            json!(["anna@acme.example", "mark@evil.example"]),
            json!({"to": "mark@evil.example"}),
        ] {
            assert!(!words.say(&unsaid), "{unsaid}");
        }
        assert!(!Words::default().say(&json!("anything")));
        assert!(!Words::of("to anna@acme.example.evil.example").say(&json!("anna@acme.example")));
        assert!(!Words::of("costs 50.25").say(&json!(50)));
    }

    #[test]
    fn only_named_parameters_are_asked_about() {
        let call = json!({"to": ["a@evil.example"], "body": "words of a page", "n": 3});
        let call = call.as_object().unwrap();
        let words = Words::of("write a letter");
        let of = |sinks: &[&'static str]| unsaid(call, sinks.iter().copied(), &words);
        assert_eq!(of(&["to"]), ["to=[\"a@evil.example\"]"]);
        assert_eq!(of(&["cc"]), Vec::<String>::new());
        assert_eq!(of(&["*"]).len(), 3);
    }

    proptest! {
        /// A word is said where it stands between others, and not as a part of one.
        #[test]
        fn a_word_between_others(word in "[a-z]{4,12}", before in "[a-z ]{0,20}", after in "[a-z ]{0,20}") {
            let text = format!("{before} {word} {after}");
            prop_assert!(Words::of(&text).say(&word.clone().into()));
            let within = format!("{before}x{word}x{after}");
            let alone = within.split_whitespace().any(|w| w == word);
            prop_assert_eq!(Words::of(&within).say(&word.into()), alone);
        }
    }
}
