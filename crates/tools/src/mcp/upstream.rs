//! The other side: what a server behind the gateway is sent, and what it says. Every byte of it is hostile. Pure.

mod definition;
mod pins;
mod result;

pub use definition::{Definition, MAX_TOOLS};
pub use pins::{Pins, PinsError, Standing};
pub use result::{Content, content, passed};

use super::server::LEGACY;
use crate::guard::guard_at_most;
use serde_json::{Map, Value, json};

/// Bytes of one message of a server: a picture is one.
pub const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// What a line of a server says.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The answer to the request of this number.
    Answer(u64, Result<Value, Failure>),
    /// It asks something: under this id, by this method.
    Request(Value, String, Option<Map<String, Value>>),
    /// It tells something.
    Notification(String, Option<Map<String, Value>>),
}

/// An error in place of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// JSON-RPC's code.
    pub code: i64,
    /// In words, as the server wrote them.
    pub message: String,
}

/// Reads a line.
///
/// # Errors
/// It is no message, in words: whoever sends such is not spoken to any more.
pub fn hear(line: &[u8]) -> Result<Heard, String> {
    let message = guard_at_most(line, MAX_MESSAGE).map_err(|e| e.to_string())?;
    let Value::Object(mut message) = message.into_value() else {
        return Err("a message is one object".to_owned());
    };
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err("a message of another protocol than JSON-RPC 2.0".to_owned());
    }
    let params = match message.remove("params") {
        Some(Value::Object(params)) => Some(params),
        _ => None,
    };
    match (message.remove("method"), message.remove("id")) {
        (Some(Value::String(method)), None) => Ok(Heard::Notification(method, params)),
        (Some(Value::String(method)), Some(id @ (Value::String(_) | Value::Number(_)))) => {
            Ok(Heard::Request(id, method, params))
        }
        (None, Some(id)) => {
            let number = id.as_u64().ok_or("an answer to nobody: its id is none of ours")?;
            answer(message).map(|answer| Heard::Answer(number, answer))
        }
        _ => Err("neither a request nor an answer".to_owned()),
    }
}

fn answer(mut message: Map<String, Value>) -> Result<Result<Value, Failure>, String> {
    match (message.remove("result"), message.remove("error")) {
        (Some(result), None) => Ok(Ok(result)),
        (None, Some(error)) => Ok(Err(Failure {
            code: error.get("code").and_then(Value::as_i64).unwrap_or(-32603),
            message: error
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or("no words")
                .to_owned(),
        })),
        _ => Err("an answer has a result or an error, and not both".to_owned()),
    }
}

/// A request.
#[must_use]
pub fn request(number: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
}

/// A notification.
#[must_use]
pub fn notification(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// The answer to what a server asked.
#[must_use]
pub fn reply(id: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// That nothing is done for it.
#[must_use]
pub fn refusal(id: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "this client does not offer that"}})
}

/// What the first request says of us: a client that can do nothing for a server.
#[must_use]
pub fn initialize(version: &str) -> Value {
    json!({"protocolVersion": LEGACY.first(), "capabilities": {},
        "clientInfo": {"name": "fumehood", "version": version}})
}

/// The version that a server chose.
///
/// # Errors
/// It is none that is spoken here.
pub fn initialized(result: &Value) -> Result<&'static str, String> {
    let version = result
        .get("protocolVersion")
        .and_then(Value::as_str)
        .unwrap_or("");
    let known = LEGACY.iter().find(|v| **v == version);
    known.copied().ok_or_else(|| {
        let shown = fumehood_policy::Escaped::from(version).at_most(40).to_string();
        format!("it speaks version `{shown}` of the protocol, which is not spoken here")
    })
}

/// The arguments of a call, for a server: keys in order, nothing twice (hostile input 45).
#[must_use]
pub fn call(tool: &str, arguments: &Map<String, Value>, progress: u64) -> Value {
    json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": progress}})
}

#[cfg(test)]
mod tests;
