//! An agent's own settings in a kept home: a JSON file in which it keeps what it counts and what it
//! obeys side by side. The next session gets the keys that its preset lists, and nothing else that
//! a session wrote. Pure: from bytes to bytes.

use serde_json::{Map, Value};

/// What of a JSON file in the home goes on to the next session. A key is named by its path, parts
/// joined by `.`; `*` in a part stands for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The file, relative to the home.
    pub file: std::path::PathBuf,
    /// Keys that are carried over.
    pub keep: Vec<String>,
    /// Keys that are dropped without a word; all others are named when they are dropped.
    pub forget: Vec<String>,
    /// The user's own file outside, if there is one.
    pub own: Option<Vec<u8>>,
    /// Keys of it that count inside too: switches, numbers and plain words only.
    pub seed: Vec<String>,
    /// The only name that a seed's `*` stands for: the project.
    pub project: String,
}

/// The file for the next session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Composed {
    /// Its text; none where nothing is left.
    pub(super) text: Option<Vec<u8>>,
    /// Keys that were dropped and held something.
    pub(super) dropped: Vec<String>,
}

/// What is kept of a session's file, with the user's own seeds over it. What is no JSON object is
/// dropped whole.
pub(super) fn compose(kept: Option<&[u8]>, rules: &Settings) -> Composed {
    let (mut object, mut dropped) = (Map::new(), Vec::new());
    match kept.map(parse) {
        Some(Some(all)) => object = only(&all, &mut Vec::new(), rules, &mut dropped),
        Some(None) => dropped.push("all of it: not JSON".to_owned()),
        None => {}
    }
    if let Some(own) = rules.own.as_deref().and_then(parse) {
        seed(&own, &mut object, &mut Vec::new(), rules);
    }
    let text = (!object.is_empty()).then(|| Value::Object(object).to_string().into_bytes());
    Composed { text, dropped }
}

fn parse(bytes: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

fn only<'a>(
    object: &'a Map<String, Value>,
    at: &mut Vec<&'a str>,
    rules: &Settings,
    dropped: &mut Vec<String>,
) -> Map<String, Value> {
    let mut kept = Map::new();
    for (key, value) in object {
        at.push(key);
        if names(&rules.keep, at) {
            kept.insert(key.clone(), value.clone());
        } else if let (Value::Object(below), true) = (value, leads_on(&rules.keep, at)) {
            let below = only(below, at, rules, dropped);
            if !below.is_empty() {
                kept.insert(key.clone(), Value::Object(below));
            }
        } else if holds_something(value) && !names(&rules.forget, at) {
            dropped.push(at.join("."));
        }
        at.pop();
    }
    kept
}

fn seed<'a>(
    own: &'a Map<String, Value>,
    object: &mut Map<String, Value>,
    at: &mut Vec<&'a str>,
    rules: &Settings,
) {
    for (key, value) in own {
        at.push(key);
        let ours = at.get(1).is_none_or(|name| *name == rules.project);
        if ours && names(&rules.seed, at) && is_plain(value) {
            object.insert(key.clone(), value.clone());
        } else if let (Value::Object(own), true) = (value, ours && leads_on(&rules.seed, at)) {
            let mut below = match object.remove(key) {
                Some(Value::Object(below)) => below,
                _ => Map::new(),
            };
            seed(own, &mut below, at, rules);
            if !below.is_empty() {
                object.insert(key.clone(), Value::Object(below));
            }
        }
        at.pop();
    }
}

/// A switch, a number, or a word too short and plain to be a key of anything.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => {
            text.len() <= 24
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        }
        _ => false,
    }
}

fn holds_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => object.values().any(holds_something),
        _ => true,
    }
}

fn names(rules: &[String], at: &[&str]) -> bool {
    let whole = |rule: &String| rule.split('.').count() == at.len() && agrees(rule, at);
    rules.iter().any(whole)
}

/// Whether some rule names a key below this one.
fn leads_on(rules: &[String], at: &[&str]) -> bool {
    let above = |rule: &String| rule.split('.').count() > at.len() && agrees(rule, at);
    rules.iter().any(above)
}

fn agrees(rule: &str, at: &[&str]) -> bool {
    rule.split('.').zip(at).all(|(part, key)| fits(part, key))
}

/// One `*` at most, anywhere in the part.
pub(super) fn fits(part: &str, key: &str) -> bool {
    match part.split_once('*') {
        None => part == key,
        Some((head, tail)) => {
            key.len() >= head.len() + tail.len() && key.starts_with(head) && key.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules() -> Settings {
        let list = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Settings {
            keep: list(&["starts", "*Complete", "projects.*.last", "tips"]),
            forget: list(&["cached*", "projects.*.trusted"]),
            seed: list(&["theme", "projects.*.trusted"]),
            project: "/home/ann/p.x".to_owned(),
            ..Settings::default()
        }
    }

    fn composed(kept: &str, own: &str) -> (String, String) {
        let own = (!own.is_empty()).then(|| own.as_bytes().to_vec());
        let found = compose(Some(kept.as_bytes()), &Settings { own, ..rules() });
        let text = found
            .text
            .map(|t| String::from_utf8(t).unwrap())
            .unwrap_or_default();
        (text, found.dropped.join(", "))
    }

    #[test]
    fn only_what_is_listed_goes_on() {
        let (text, dropped) = composed(
            r#"{ "starts": 3, "xComplete": true, "tips": { "a": 1 }, "cachedFlags": { "evil": true }, "empty": {}, "off": false,
                "mcpServers": { "x": { "command": "evil" } },
                "projects": { "/home/ann/p.x": { "last": "s", "trusted": true, "mcpServers": { "y": 1 }, "allowedTools": [] } } }"#,
            "",
        );
        insta::assert_snapshot!(text, @r#"{"projects":{"/home/ann/p.x":{"last":"s"}},"starts":3,"tips":{"a":1},"xComplete":true}"#);
        assert_eq!(dropped, "mcpServers, projects./home/ann/p.x.mcpServers");
        assert_eq!(
            composed("[1]", ""),
            (String::new(), "all of it: not JSON".to_owned())
        );
        assert_eq!(composed("{}", ""), (String::new(), String::new()));
    }

    #[test]
    fn the_users_own_word_counts_for_this_project_and_brings_no_key() {
        let (text, _) = composed(
            r#"{ "theme": "evil", "projects": { "/home/ann/p.x": { "last": "s" } } }"#,
            r#"{ "theme": "light", "oauth": { "token": "x" }, "starts": 9,
                "projects": { "/home/ann/p.x": { "trusted": true }, "/other": { "trusted": true } } }"#,
        );
        insta::assert_snapshot!(text, @r#"{"projects":{"/home/ann/p.x":{"last":"s","trusted":true}},"theme":"light"}"#);
        let (text, _) = composed("{}", r#"{ "theme": "sk-ant-0123456789012345678901234567890" }"#);
        assert_eq!(text, "");
    }

    proptest! {
        #[test]
        fn any_bytes_compose(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            compose(Some(&bytes), &rules());
        }

        /// Whatever a session writes, no key leads on but by a rule.
        #[test]
        fn nothing_else_goes_on(keys in proptest::collection::vec("[a-z.*]{1,8}", 1..8)) {
            let mut value = Value::from(1);
            for key in &keys {
                value = Value::Object(Map::from_iter([(key.clone(), value)]));
            }
            let mut whole = Map::new();
            whole.insert("zzz".to_owned(), value);
            let found = compose(Some(Value::Object(whole).to_string().as_bytes()), &rules());
            prop_assert_eq!(found.text, None);
        }
    }
}
