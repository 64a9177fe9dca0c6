//! What a server gave, as a client gets it: each text through the window of outputs, labelled, the rest bounded already.

use super::Given;
use fumehood_effect::Digest;
use fumehood_output::clean::REMARK;
use fumehood_output::window::DEFAULT_BUDGET;
use fumehood_output::{Output, Store};
use fumehood_policy::value::ByteSize;
use fumehood_redact::Forbidden;
use fumehood_tools::mcp::upstream::{Content, content, passed};
use serde_json::{Value, json};
use std::sync::Arc;

/// The least that a text is given of what is left.
const LEAST: usize = 512;

/// Whose words a result is, where a program reads.
const SOURCE: &str = "fumehood/source";

pub(super) fn shown(
    upstream: &str,
    result: &Value,
    budget: Option<ByteSize>,
    store: &Store,
) -> std::io::Result<Given> {
    let (items, fields) = content(result);
    let mut left = budget
        .and_then(|b| usize::try_from(b.bytes()).ok())
        .unwrap_or(DEFAULT_BUDGET);
    let mut bytes = 0;
    let mut out = Vec::new();
    for item in items {
        match item {
            Content::Text(text) => {
                bytes += text.len() as u64;
                let (text, remark) = windowed(&text, &mut left, store)?;
                out.push(json!({"type": "text", "text": text}));
                out.extend(remark.map(|r| json!({"type": "text", "text": r})));
            }
            Content::Document(mut about, text) => {
                bytes += text.len() as u64;
                let (text, remark) = windowed(&text, &mut left, store)?;
                about.insert("text".to_owned(), text.into());
                out.push(json!({"type": "resource", "resource": about}));
                out.extend(remark.map(|r| json!({"type": "text", "text": r})));
            }
            Content::Other(value) => out.push(value),
            Content::Remark(words) => {
                out.push(json!({"type": "text", "text": format!("⟦{upstream}: {words}⟧")}))
            }
        }
    }
    let failed = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
    let mut given = json!({"content": out, "isError": failed, "_meta": {SOURCE: format!("mcp:{upstream}")}});
    if let (Some(fields), Some(object)) = (fields, given.as_object_mut()) {
        object.insert("structuredContent".to_owned(), fields);
    }
    let digest = Digest::of(given.to_string().as_bytes());
    Ok(Given {
        result: given,
        failed,
        bytes,
        digest,
    })
}

/// Likewise what it answered to something else than a call.
pub(super) fn passed_on(
    method: &str,
    result: &Value,
    budget: Option<ByteSize>,
    store: &Store,
) -> std::io::Result<Result<Value, String>> {
    let mut left = budget
        .and_then(|b| usize::try_from(b.bytes()).ok())
        .unwrap_or(DEFAULT_BUDGET);
    passed(method, result, &mut |text| {
        let (text, remark) = windowed(text, &mut left, store)?;
        Ok(remark.map_or(text.clone(), |remark| format!("{text}\n{remark}")))
    })
}

/// A text in what is left of the budget; and where something of it is left out, how to read it.
fn windowed(text: &str, left: &mut usize, store: &Store) -> std::io::Result<(String, Option<String>)> {
    let nothing = Arc::new(Forbidden::new(std::iter::empty()));
    let budget = (*left).max(LEAST);
    let mut output = Output::new(budget, nothing, None).kept_in(store)?;
    output.push(text.as_bytes());
    let finished = output.finish(Some(store))?;
    let shown = finished.shown;
    *left = left.saturating_sub(shown.text.len());
    // A remark in the text stands for what can be read.
    let less = shown.left_out.is_some() || shown.text.contains(REMARK.0);
    let first = shown.left_out.map_or(1, |(first, _)| first);
    let remark = finished.handle.filter(|_| less).map(|handle| {
        let handle = handle.as_str();
        format!("⟦what is left out: read_output with handle {handle}, from_line {first}⟧")
    });
    let mut out = shown.text;
    // The window ends each line; a text that had no end keeps none.
    if !text.ends_with('\n') && out.ends_with('\n') {
        out.pop();
    }
    Ok((out, remark))
}
