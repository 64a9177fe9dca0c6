//! One JSON document: its shape.

use super::{Reader, Summary};
use serde_json::Value;

/// Bytes of a document that is read.
const LONGEST: usize = 1024 * 1024;
/// Keys that are named.
const MOST_KEYS: usize = 12;

#[derive(Debug, Default)]
pub(super) struct Document {
    text: String,
    is_long: bool,
}

impl Reader for Document {
    fn line(&mut self, line: &str, _: &mut Summary) {
        if self.text.len() + line.len() > LONGEST {
            self.is_long = true;
        } else {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    fn end(&mut self, to: &mut Summary) -> bool {
        if self.is_long {
            return false;
        }
        let Ok(value) = serde_json::from_str::<Value>(&self.text) else {
            return false;
        };
        match &value {
            Value::Array(list) => {
                to.add("elements", list.len() as u64);
                if let Some(first) = list.first() {
                    to.note(&format!("the first is {}", shape(first)));
                }
            }
            Value::Object(object) => {
                to.add("keys", object.len() as u64);
                for (key, value) in object.iter().take(MOST_KEYS) {
                    to.note(&format!("{key}: {}", shape(value)));
                }
            }
            other => to.note(&shape(other)),
        }
        true
    }
}

fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(text) if text.len() <= 40 => format!("{text:?}"),
        Value::String(text) => format!("a text of {} bytes", text.len()),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(object) => {
            let keys: Vec<&str> = object.keys().take(MOST_KEYS).map(String::as_str).collect();
            format!("an object with {}", keys.join(", "))
        }
    }
}
