//! What a server says that its tool is: bounded, cleaned for a model, and known by its digest.

use fumehood_policy::escape::acts_or_hides;
use fumehood_policy::value::UpstreamTool;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Tools of one server.
pub const MAX_TOOLS: usize = 256;
/// Bytes of one definition.
const LONGEST: usize = 64 * 1024;
/// Bytes of one text that a model is told.
const LONGEST_TEXT: usize = 2048;
/// What of a definition a client is told. Hints are the server's own words on itself and count for nothing.
const TOLD: &[&str] = &["title", "description", "inputSchema", "outputSchema"];

/// A tool of a server, as it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// What the server calls it.
    pub name: String,
    /// All that it said of it.
    pub whole: Value,
    /// SHA-256 of that, keys in order: every word counts, also those that no client is told.
    pub digest: [u8; 32],
}

impl Definition {
    /// Reads an entry of `tools/list`.
    ///
    /// # Errors
    /// It cannot be offered, in words.
    pub fn read(entry: &Value) -> Result<Definition, String> {
        let name = entry.get("name").and_then(Value::as_str).unwrap_or("");
        let name: UpstreamTool = name.parse().map_err(|e| format!("{e}"))?;
        let text = entry.to_string();
        if text.len() > LONGEST {
            return Err(format!(
                "{name}: its definition has {} bytes, at most {LONGEST}",
                text.len()
            ));
        }
        let schema = entry.get("inputSchema");
        if schema.and_then(|s| s.get("type")).and_then(Value::as_str) != Some("object") {
            return Err(format!("{name}: its inputSchema is none of an object"));
        }
        for part in ["inputSchema", "outputSchema"] {
            if let Some(schema) = entry.get(part) {
                keys_and_references(schema).map_err(|why| format!("{name}: {part}: {why}"))?;
            }
        }
        Ok(Definition {
            name: name.to_string(),
            digest: Sha256::digest(&text).into(),
            whole: entry.clone(),
        })
    }

    /// As an entry of our own `tools/list`, under this name: what acts or cannot be seen is written out, and long texts
    /// are cut.
    #[must_use]
    pub fn told(&self, name: &str) -> Value {
        let mut out = Map::new();
        out.insert("name".to_owned(), name.into());
        for key in TOLD {
            if let Some(value) = self.whole.get(*key) {
                out.insert((*key).to_owned(), cleaned(value));
            }
        }
        let hints =
            serde_json::json!({"readOnlyHint": false, "destructiveHint": true, "openWorldHint": true});
        out.insert("annotations".to_owned(), hints);
        Value::Object(out)
    }

    /// The schema of its arguments.
    #[must_use]
    pub fn schema(&self) -> Option<&Value> {
        self.whole.get("inputSchema")
    }
}

/// No reference leads out of a schema (hostile input 66), and no key hides anything.
fn keys_and_references(value: &Value) -> Result<(), String> {
    match value {
        Value::Object(object) => object.iter().try_for_each(|(key, value)| {
            if key.chars().any(acts_or_hides) || key.len() > 256 {
                return Err("a key that is long or cannot be seen".to_owned());
            }
            match (key.as_str(), value) {
                ("$ref" | "$dynamicRef", Value::String(to)) if !to.starts_with('#') => {
                    let shown = fumehood_policy::Escaped::from(to.as_str())
                        .at_most(60)
                        .to_string();
                    Err(format!("a reference to another document, {shown}"))
                }
                _ => keys_and_references(value),
            }
        }),
        Value::Array(list) => list.iter().try_for_each(keys_and_references),
        _ => Ok(()),
    }
}

/// Texts of another's, for a model.
pub(super) fn cleaned(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(text)),
        Value::Array(list) => list.iter().map(cleaned).collect(),
        Value::Object(object) => {
            let entries = object.iter().map(|(key, value)| (clean(key), cleaned(value)));
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}

/// One text: line breaks stay, what else acts or hides is written out, what is too long is cut and said so.
fn clean(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '⟦' | '⟧' => out.extend(c.escape_unicode()),
            c if acts_or_hides(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
        if out.len() > LONGEST_TEXT {
            out.push('…');
            break;
        }
    }
    out
}
