//! What a server's tool gave, taken apart: texts, which go through the window of outputs, and the rest, which is bounded
//! and cleaned as it stands.

use super::definition::cleaned;
use serde_json::{Map, Value};

/// Items of one result.
const MAX_ITEMS: usize = 64;
/// Bytes of pictures and sounds of one result, in base64: what a client takes.
const MAX_DATA: usize = 1024 * 1024;
/// Bytes of the fields of one result.
const MAX_FIELDS: usize = 64 * 1024;

/// An item of a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Text, as the server wrote it: it is still to be cleaned and bounded.
    Text(String),
    /// An embedded resource whose text is still to be cleaned and bounded: where it is from, and its type.
    Document(Map<String, Value>, String),
    /// A picture, a sound, a link: bounded and cleaned.
    Other(Value),
    /// What is said in the place of something that is not passed on.
    Remark(String),
}

/// The items of a result, and its fields where it has any.
#[must_use]
pub fn content(result: &Value) -> (Vec<Content>, Option<Value>) {
    let mut data = 0;
    let none = Vec::new();
    let items = result.get("content").and_then(Value::as_array).unwrap_or(&none);
    let mut out: Vec<Content> = items.iter().take(MAX_ITEMS).map(|i| item(i, &mut data)).collect();
    if items.len() > MAX_ITEMS {
        out.push(Content::Remark(format!(
            "{} items more are left out",
            items.len() - MAX_ITEMS
        )));
    }
    let fields = result.get("structuredContent").map(cleaned);
    let fields = fields.filter(|f| {
        let bytes = f.to_string().len();
        if bytes > MAX_FIELDS {
            out.push(Content::Remark(format!(
                "structured content of {bytes} bytes is left out"
            )));
        }
        bytes <= MAX_FIELDS
    });
    (out, fields)
}

fn item(item: &Value, data: &mut usize) -> Content {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    match text("type") {
        Some("text") => Content::Text(text("text").unwrap_or("").to_owned()),
        Some(kind @ ("image" | "audio")) => match bytes(item, "data", data) {
            Ok(bytes) => {
                Content::Other(serde_json::json!({"type": kind, "data": bytes, "mimeType": media(item)}))
            }
            Err(why) => Content::Remark(format!("{kind}: {why}")),
        },
        Some("resource") => resource(item.get("resource").unwrap_or(&Value::Null), data),
        Some("resource_link") => Content::Other(only(
            item,
            &["type", "uri", "name", "title", "description", "mimeType", "size"],
        )),
        _ => Content::Remark("an item of an unknown type is left out".to_owned()),
    }
}

fn resource(resource: &Value, data: &mut usize) -> Content {
    let Value::Object(about) = only(resource, &["uri", "mimeType"]) else {
        return Content::Remark("a resource that is none".to_owned());
    };
    if let Some(text) = resource.get("text").and_then(Value::as_str) {
        return Content::Document(about, text.to_owned());
    }
    match bytes(resource, "blob", data) {
        Ok(bytes) => {
            let mut about = about;
            about.insert("blob".to_owned(), bytes.into());
            Content::Other(serde_json::json!({"type": "resource", "resource": about}))
        }
        Err(why) => Content::Remark(format!("resource: {why}")),
    }
}

/// These keys, cleaned.
fn only(value: &Value, keys: &[&str]) -> Value {
    let entries = keys
        .iter()
        .filter_map(|k| Some(((*k).to_owned(), cleaned(value.get(*k)?))));
    Value::Object(entries.collect())
}

fn media(item: &Value) -> String {
    let media = item.get("mimeType").and_then(Value::as_str).unwrap_or("");
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/+.-".contains(&b);
    if media.len() <= 100 && !media.is_empty() && media.bytes().all(plain) {
        return media.to_owned();
    }
    "application/octet-stream".to_owned()
}

/// Base64 (RFC 4648 §4), and no more of it than a client takes.
fn bytes<'v>(item: &'v Value, key: &str, used: &mut usize) -> Result<&'v str, String> {
    let text = item.get(key).and_then(Value::as_str).ok_or("it has no data")?;
    *used += text.len();
    if *used > MAX_DATA {
        return Err(format!("{} bytes are too many, and left out", text.len()));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
    text.bytes()
        .all(plain)
        .then_some(text)
        .ok_or_else(|| "its data is no base64".to_owned())
}

/// Entries of a list, bytes of it: what a client takes at once.
const MAX_LIST: usize = 256 * 1024;

/// What a server answered to something else than a call, bounded and cleaned; `text` is given each document and what is
/// left of the others' budget is its affair.
///
/// # Errors
/// It is too much, in words.
pub fn passed<E>(
    method: &str,
    result: &Value,
    text: &mut impl FnMut(&str) -> Result<String, E>,
) -> Result<Result<Value, String>, E> {
    let mut data = 0;
    let list = |name: &str| {
        result
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let mut out = Map::new();
    match method {
        "resources/read" => {
            let mut contents = Vec::new();
            for one in list("contents").iter().take(MAX_ITEMS) {
                contents.push(
                    shown(resource(one, &mut data), text)?
                        .get("resource")
                        .cloned()
                        .unwrap_or_default(),
                );
            }
            out.insert("contents".to_owned(), contents.into());
        }
        "prompts/get" => {
            let mut messages = Vec::new();
            for one in list("messages").iter().take(MAX_ITEMS) {
                let role = if one.get("role").and_then(Value::as_str) == Some("assistant") {
                    "assistant"
                } else {
                    "user"
                };
                let content = shown(item(one.get("content").unwrap_or(&Value::Null), &mut data), text)?;
                messages.push(serde_json::json!({"role": role, "content": content}));
            }
            out.insert("messages".to_owned(), messages.into());
            out.extend(
                result
                    .get("description")
                    .map(|d| ("description".to_owned(), cleaned(d))),
            );
        }
        _ => {
            for name in [
                "resources",
                "resourceTemplates",
                "prompts",
                "completion",
                "nextCursor",
            ] {
                out.extend(result.get(name).map(|value| (name.to_owned(), cleaned(value))));
            }
        }
    }
    let out = Value::Object(out);
    let bytes = out.to_string().len();
    if bytes > MAX_LIST + MAX_DATA {
        return Ok(Err(format!("{method}: an answer of {bytes} bytes is too long")));
    }
    Ok(Ok(out))
}

fn shown<E>(content: Content, text: &mut impl FnMut(&str) -> Result<String, E>) -> Result<Value, E> {
    Ok(match content {
        Content::Text(words) => serde_json::json!({"type": "text", "text": text(&words)?}),
        Content::Document(mut about, words) => {
            about.insert("text".to_owned(), text(&words)?.into());
            serde_json::json!({"type": "resource", "resource": about})
        }
        Content::Other(value) => value,
        Content::Remark(words) => {
            let remark = format!("⟦{words}⟧");
            serde_json::json!({"type": "text", "text": remark, "resource": {"uri": "fumehood:remark", "text": remark}})
        }
    })
}
