//! The file of a login: its tokens, and what of it is shown inside. Pure.

use super::Part;
use crate::secret::Secret;
use fumehood_policy::preset::Login;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// The tokens of a file.
pub(crate) struct Tokens {
    pub(crate) found: Vec<(Part, Secret)>,
    /// What is shown besides.
    shown: Map<String, Value>,
}

/// What of a file holds no token.
pub(crate) struct Shown(Map<String, Value>);

impl Tokens {
    /// Reads a file; none where it holds no login.
    pub(crate) fn read(login: &Login, text: &[u8]) -> Option<Tokens> {
        let file: Value = serde_json::from_slice(text).ok()?;
        let token = |at: &str| {
            let text = Zeroizing::new(get(&file, at)?.as_str()?.as_bytes().to_vec());
            Secret::new(text).ok()
        };
        let mut found = vec![
            (Part::Access, token(&login.access)?),
            (Part::Refresh, token(&login.refresh)?),
        ];
        let identity = login.identity.as_deref().and_then(token);
        found.extend(identity.map(|secret| (Part::Identity, secret)));
        let mut shown = Map::new();
        let plain = login.expires.iter().chain(&login.renewed).chain(&login.keep);
        for at in plain {
            if let Some(value) = get(&file, at).filter(|v| is_plain(v)) {
                set(&mut shown, at, value.clone());
            }
        }
        Some(Tokens { found, shown })
    }

    /// What of the file is shown besides them.
    pub(crate) fn shown(&self) -> Shown {
        Shown(self.shown.clone())
    }
}

impl Shown {
    /// What a program inside finds in the file's place: it, and what stands for each token.
    pub(crate) fn inside<'p>(self, login: &Login, tokens: impl Iterator<Item = (Part, &'p str)>) -> Vec<u8> {
        let Shown(mut file) = self;
        for (part, shown) in tokens {
            if let Some(at) = place(login, part) {
                set(&mut file, at, Value::from(shown));
            }
        }
        Value::Object(file).to_string().into_bytes()
    }
}

/// Where a token lies in the file.
pub(super) fn place(login: &Login, part: Part) -> Option<&str> {
    match part {
        Part::Access => Some(&login.access),
        Part::Refresh => Some(&login.refresh),
        Part::Identity => login.identity.as_deref(),
    }
}

fn get<'v>(file: &'v Value, at: &str) -> Option<&'v Value> {
    at.split('.').try_fold(file, |value, key| value.get(key))
}

/// Puts a value where `at` says; what stands in the way of a folder gives way.
pub(super) fn set(file: &mut Map<String, Value>, at: &str, value: Value) {
    match at.split_once('.') {
        None => {
            file.insert(at.to_owned(), value);
        }
        Some((key, rest)) => {
            let below = file.entry(key).or_insert_with(|| Value::Object(Map::new()));
            if !below.is_object() {
                *below = Value::Object(Map::new());
            }
            if let Some(below) = below.as_object_mut() {
                set(below, rest, value);
            }
        }
    }
}

/// Numbers, words, and lists of words: nothing with a structure in which a token could hide.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => text.len() <= 200,
        Value::Array(list) => list.iter().all(|v| v.as_str().is_some_and(|t| t.len() <= 100)),
        Value::Object(_) => false,
    }
}
