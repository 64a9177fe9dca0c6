//! `cargo --message-format=json` (The Cargo Book, "External tools").

use super::{Failure, Reader, Summary, detail, short};
use serde_json::Value;

#[derive(Debug, Default)]
pub(super) struct Cargo {
    messages: u64,
}

impl Reader for Cargo {
    fn line(&mut self, line: &str, to: &mut Summary) {
        let Ok(Value::Object(entry)) = serde_json::from_str::<Value>(line) else {
            return;
        };
        let Some(reason) = entry.get("reason").and_then(Value::as_str) else {
            return;
        };
        self.messages += 1;
        if reason == "build-finished" && entry.get("success") == Some(&Value::Bool(false)) {
            to.note("the build failed");
        }
        let Some(message) = entry.get("message").filter(|_| reason == "compiler-message") else {
            return;
        };
        let text = |value: &Value, key: &str| {
            value
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let level = text(message, "level");
        // rustc ends with a message that only counts the others.
        let is_total = message
            .get("spans")
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty)
            && text(message, "message").starts_with("aborting due to");
        match level.as_str() {
            _ if is_total => {}
            "error" | "error: internal compiler error" => {
                to.add("errors", 1);
                let code = message.get("code").map(|c| text(c, "code")).unwrap_or_default();
                let words = text(message, "message");
                to.fail(Failure {
                    name: short(&if code.is_empty() {
                        words
                    } else {
                        format!("{code}: {words}")
                    }),
                    place: place(message),
                    detail: labels(message),
                });
            }
            "warning" => to.add("warnings", 1),
            _ => {}
        }
    }

    fn end(&mut self, to: &mut Summary) -> bool {
        to.add("errors", 0);
        self.messages > 0
    }
}

fn spans(message: &Value) -> impl Iterator<Item = &Value> {
    let spans = message
        .get("spans")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    spans.filter(|s| s.get("is_primary") == Some(&Value::Bool(true)))
}

fn place(message: &Value) -> Option<String> {
    let span = spans(message).next()?;
    let file = span.get("file_name")?.as_str()?;
    let number = |key: &str| span.get(key).and_then(Value::as_u64);
    Some(short(&format!(
        "{file}:{}:{}",
        number("line_start")?,
        number("column_start")?
    )))
}

fn labels(message: &Value) -> Vec<String> {
    let said = spans(message).filter_map(|s| s.get("label")?.as_str());
    let notes = message
        .get("children")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let notes = notes.filter_map(|c| c.get("message")?.as_str());
    detail(said.chain(notes))
}
