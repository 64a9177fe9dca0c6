//! `{"mcpServers": {"fumehood": {…}}}`.

use super::{Left, NAME, server};
use serde_json::Value;

const SERVERS: &str = "mcpServers";

pub(super) fn entry(command: &str) -> String {
    let whole = serde_json::json!({SERVERS: {NAME: server(command)}});
    format!("{whole:#}\n")
}

pub(super) fn with_entry(there: Option<&str>, command: &str) -> Result<Option<String>, Left> {
    let Some(text) = there.filter(|t| !t.trim().is_empty()) else {
        return Ok(Some(entry(command)));
    };
    let before: Value = serde_json::from_str(text).map_err(|_| Left::Unread("JSON"))?;
    let Value::Object(top) = &before else {
        return Err(Left::Unread("a JSON object"));
    };
    let ours = server(command);
    let (place, put) = match top.get(SERVERS) {
        None => (
            0,
            format!(
                "\n  \"{SERVERS}\": {{\n    \"{NAME}\": {ours}\n  }}{}",
                comma(top.len())
            ),
        ),
        Some(Value::Object(servers)) => match servers.get(NAME) {
            Some(there) if *there == ours => return Ok(None),
            Some(_) => return Err(Left::Other),
            None => {
                let at = member(text, SERVERS).ok_or(Left::Shape)?;
                (at, format!("\n    \"{NAME}\": {ours}{}", comma(servers.len())))
            }
        },
        Some(_) => return Err(Left::Shape),
    };
    let at = text[place..].find('{').ok_or(Left::Shape)? + place + 1;
    let after = format!("{}{put}{}", &text[..at], &text[at..]);
    let mut wanted = before.clone();
    wanted[SERVERS][NAME] = ours;
    match serde_json::from_str::<Value>(&after) {
        Ok(read) if read == wanted => Ok(Some(after)),
        _ => Err(Left::Shape),
    }
}

/// Before members that follow.
fn comma(following: usize) -> &'static str {
    if following == 0 { "\n" } else { "," }
}

/// Where, in the text of an object, the value of one of its own members begins. The text is JSON already; what is found
/// wrongly comes out as another value, which is looked at.
fn member(text: &str, name: &str) -> Option<usize> {
    let (mut depth, mut last) = (0usize, None);
    let mut at = 0;
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = string_end(bytes, at)?;
                last = text.get(at + 1..end).filter(|_| depth == 1);
                at = end;
            }
            b':' if depth == 1 && last == Some(name) => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The closing mark of a text that begins here.
fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 1;
    while *bytes.get(at)? != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    Some(at)
}
