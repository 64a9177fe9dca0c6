//! What one message asks of a server of tools, and what it is answered. Pure.

use super::web::{Headers, MISMATCH};
use crate::guard::guard;
use serde_json::{Map, Value, json};

/// Versions that open with `initialize`, the newest first.
pub const LEGACY: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The version that carries itself in each request.
pub const MODERN: &str = "2026-07-28";

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const SERVER: &str = "io.modelcontextprotocol/serverInfo";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// How long a list may be kept: it changes with the configuration only, at the next start.
const TTL_MS: u64 = 60_000;

/// JSON-RPC 2.0 §5.1, and the protocol's own.
mod code {
    pub(super) const PARSE: i32 = -32700;
    pub(super) const REQUEST: i32 = -32600;
    pub(super) const METHOD: i32 = -32601;
    pub(super) const PARAMS: i32 = -32602;
    pub(super) const VERSION: i32 = -32022;
}

/// Which name a request goes by: a text or a whole number.
#[derive(Clone, Debug, PartialEq)]
pub struct Id(Value);

impl Id {
    fn of(value: &Value) -> Option<Id> {
        let good = match value {
            Value::String(text) => text.len() <= 256,
            Value::Number(n) => !n.is_f64(),
            _ => false,
        };
        good.then(|| Id(value.clone()))
    }
}

/// What a line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this back.
    Reply(Value),
    /// Likewise; and what `initialize` opened has begun, where the transport knows of beginnings.
    Open(Value),
    /// Call this tool, then send [`Call::reply`].
    Call(Call),
    /// The client no longer waits for this request.
    Cancel(Id),
    /// Nothing is to be sent.
    Nothing,
}

/// A call that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which request it answers.
    pub id: Id,
    /// The tool's name, any text.
    pub name: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
    /// To be named in notifications of progress.
    pub progress: Option<Value>,
    /// Where it is no call of a tool: what else is asked of another's server.
    pub asked: Option<Asked>,
    modern: bool,
}

/// A request that is passed on.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its parameters, without `_meta`.
    pub params: Map<String, Value>,
}

/// What of other servers is passed on beside tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passes {
    /// `resources/…`
    pub resources: bool,
    /// `prompts/…`
    pub prompts: bool,
    /// `completion/complete`
    pub completion: bool,
}

impl Passes {
    fn has(self, method: &str, modern: bool) -> bool {
        match method {
            "resources/list" | "resources/templates/list" | "resources/read" => self.resources,
            "resources/subscribe" | "resources/unsubscribe" => self.resources && !modern,
            "prompts/list" | "prompts/get" => self.prompts,
            "completion/complete" => self.completion,
            _ => false,
        }
    }

    fn capabilities(self) -> Value {
        let mut all = json!({"tools": {}});
        let names = [
            ("resources", self.resources),
            ("prompts", self.prompts),
            ("completions", self.completion),
        ];
        if let Some(object) = all.as_object_mut() {
            object.extend(
                names
                    .iter()
                    .filter(|(_, has)| *has)
                    .map(|(n, _)| ((*n).to_owned(), json!({}))),
            );
        }
        all
    }
}

impl Call {
    /// Its answer: text for a model, fields for a program. `failed` says whether the tool did not do what it was
    /// called for.
    #[must_use]
    pub fn reply(&self, text: &str, fields: Option<Value>, failed: bool) -> Value {
        let mut result = json!({"content": [{"type": "text", "text": text}], "isError": failed});
        if let (Some(fields), Some(object)) = (fields, result.as_object_mut()) {
            object.insert("structuredContent".to_owned(), fields);
        }
        success(&self.id, result, self.modern)
    }

    /// There is no such tool.
    #[must_use]
    pub fn unknown(&self, why: &str) -> Value {
        error(Some(&self.id), code::PARAMS, why, None)
    }

    /// The answer, as another server gave it and the gateway bounded it.
    #[must_use]
    pub fn given(&self, mut result: Value) -> Value {
        let kept = self
            .asked
            .as_ref()
            .is_some_and(|a| a.method.ends_with("/list") || a.method == "resources/read");
        if let (true, true, Some(object)) = (kept, self.modern, result.as_object_mut()) {
            object.insert("ttlMs".to_owned(), 0.into());
            object.insert("cacheScope".to_owned(), "private".into());
        }
        success(&self.id, result, self.modern)
    }

    /// The error that another server answered. Of a resource that is not there the two eras have two codes.
    #[must_use]
    pub fn failed(&self, code: i64, words: &str) -> Value {
        let code = match (code, self.modern) {
            (-32002, true) => i64::from(code::PARAMS),
            (code, _) => code,
        };
        let code = i32::try_from(code).unwrap_or(-32603);
        let uri = self.asked.as_ref().and_then(|a| a.params.get("uri"));
        error(Some(&self.id), code, words, uri.map(|uri| json!({ "uri": uri })))
    }

    /// Word of how far it is, as another server says: numbers, and words that are cleaned.
    #[must_use]
    pub fn passed_on(&self, params: &Map<String, Value>) -> Option<Value> {
        let token = self.progress.clone()?;
        let mut out = json!({"progressToken": token});
        let object = out.as_object_mut()?;
        for name in ["progress", "total"] {
            if let Some(number @ Value::Number(_)) = params.get(name) {
                object.insert(name.to_owned(), number.clone());
            }
        }
        if let Some(words) = params.get("message").and_then(Value::as_str) {
            let words = fumehood_policy::Escaped::from(words).at_most(200).to_string();
            object.insert("message".to_owned(), words.into());
        }
        object
            .contains_key("progress")
            .then(|| json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": out}))
    }

    /// Word of why it has not begun.
    #[must_use]
    pub fn told(&self, words: &str) -> Option<Value> {
        let token = self.progress.clone()?;
        Some(json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": token, "progress": 0, "message": words}}))
    }

    /// Word of how far it is.
    #[must_use]
    pub fn progressed(&self, bytes: u64) -> Option<Value> {
        let token = self.progress.clone()?;
        Some(json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": token, "progress": bytes, "message": format!("{bytes} bytes of output")}}))
    }
}

/// What a server says of itself.
#[derive(Clone, Debug)]
pub struct Server {
    /// This program's version.
    pub version: &'static str,
    /// For the model.
    pub instructions: &'static str,
    /// Entries of `tools/list`, in their order.
    pub tools: Vec<Value>,
    /// What else there is, of other servers.
    pub passes: Passes,
}

impl Server {
    /// What one line asks for. Its bytes may be any.
    #[must_use]
    pub fn step(&self, line: &[u8]) -> Step {
        self.read(line, None)
    }

    /// What the body of an HTTP request asks for, whose head says the same.
    #[must_use]
    pub fn posted(&self, body: &[u8], headers: &Headers) -> Step {
        self.read(body, Some(headers))
    }

    fn read(&self, line: &[u8], headers: Option<&Headers>) -> Step {
        let message = match guard(line) {
            Ok(message) => message.into_value(),
            Err(refused) => return Step::Reply(error(None, code::PARSE, refused.text(), None)),
        };
        let Value::Object(message) = message else {
            return Step::Reply(error(
                None,
                code::REQUEST,
                "send one object a line; there are no batches",
                None,
            ));
        };
        let id = message.get("id").map(Id::of);
        let method = message.get("method").and_then(Value::as_str);
        let is_current = message.get("jsonrpc").and_then(Value::as_str) == Some("2.0");
        match (id, method) {
            // An answer: nothing was asked.
            (_, None) if message.contains_key("result") || message.contains_key("error") => Step::Nothing,
            (Some(None), _) => Step::Reply(error(
                None,
                code::REQUEST,
                "an id is a text or a whole number",
                None,
            )),
            (Some(Some(id)), Some(method)) if is_current => {
                self.request(&id, method, params(&message), headers)
            }
            (None, Some(method)) if is_current => notification(method, params(&message)),
            (id, _) => {
                let id = id.flatten();
                Step::Reply(error(
                    id.as_ref(),
                    code::REQUEST,
                    "this is no request of JSON-RPC 2.0",
                    None,
                ))
            }
        }
    }

    fn request(
        &self,
        id: &Id,
        method: &str,
        params: Option<&Map<String, Value>>,
        headers: Option<&Headers>,
    ) -> Step {
        let modern = match era(method, params, headers) {
            Ok(modern) => modern,
            Err((code, words, data)) => return Step::Reply(error(Some(id), code, &words, data)),
        };
        let result = match (method, modern) {
            ("initialize", false) => return Step::Open(success(id, self.initialize(params), modern)),
            ("ping", false) => json!({}),
            ("server/discover", true) => self.discover(),
            ("tools/list", _) => self.list(modern),
            ("tools/call", _) => return called(id, params, modern),
            (method, _) if self.passes.has(method, modern) => return passed(id, method, params, modern),
            _ => {
                let shown = fumehood_policy::Escaped::from(method).at_most(60);
                let words = format!("there is no method `{shown}` here");
                return Step::Reply(error(Some(id), code::METHOD, &words, None));
            }
        };
        Step::Reply(success(id, result, modern))
    }

    fn about(&self) -> Value {
        json!({"name": "fumehood", "version": self.version})
    }

    fn initialize(&self, params: Option<&Map<String, Value>>) -> Value {
        let wanted = params
            .and_then(|p| p.get("protocolVersion"))
            .and_then(Value::as_str);
        let version = LEGACY.iter().find(|v| Some(**v) == wanted).unwrap_or(&LEGACY[0]);
        json!({"protocolVersion": version, "capabilities": self.passes.capabilities(), "serverInfo": self.about(),
            "instructions": self.instructions})
    }

    fn discover(&self) -> Value {
        json!({"supportedVersions": versions(), "capabilities": self.passes.capabilities(), "serverInfo": self.about(),
            "_meta": {SERVER: self.about()},
            "instructions": self.instructions, "ttlMs": TTL_MS, "cacheScope": "private"})
    }

    fn list(&self, modern: bool) -> Value {
        match modern {
            true => json!({"tools": self.tools, "ttlMs": TTL_MS, "cacheScope": "private"}),
            false => json!({"tools": self.tools}),
        }
    }
}

fn versions() -> Vec<&'static str> {
    std::iter::once(MODERN).chain(LEGACY.iter().copied()).collect()
}

fn params(message: &Map<String, Value>) -> Option<&Map<String, Value>> {
    message.get("params").and_then(Value::as_object)
}

/// Whether a request is of the modern era, or the error that it gets. What the head of an HTTP request says must be
/// what its body says (2026-07-28, "Standard Request Headers"): whoever stands between has read the head only.
fn era(
    method: &str,
    params: Option<&Map<String, Value>>,
    headers: Option<&Headers>,
) -> Result<bool, (i32, String, Option<Value>)> {
    let meta = params.and_then(|p| p.get("_meta"));
    let version = meta.and_then(|m| m.get(VERSION));
    let in_head = headers.and_then(|h| h.version.as_deref());
    let Some(version) = version else {
        // A head without a version is one of before there was such a field.
        return match in_head {
            None => Ok(false),
            Some(older) if LEGACY.contains(&older) => Ok(false),
            Some(MODERN) => Err((code::PARAMS, format!("`_meta` lacks `{VERSION}`"), None)),
            Some(other) => Err(unsupported(&other.into())),
        };
    };
    if headers.is_some() && version.as_str() != in_head {
        return Err((
            MISMATCH,
            format!("MCP-Protocol-Version is not `{VERSION}` of the body"),
            None,
        ));
    }
    if version.as_str() != Some(MODERN) {
        return Err(unsupported(version));
    }
    if !meta
        .and_then(|m| m.get(CAPABILITIES))
        .is_some_and(Value::is_object)
    {
        return Err((code::PARAMS, format!("`_meta` lacks `{CAPABILITIES}`"), None));
    }
    let Some(headers) = headers else {
        return Ok(true);
    };
    let named = if method == "resources/read" { "uri" } else { "name" };
    let name = params.and_then(|p| p.get(named)).and_then(Value::as_str);
    match headers.differ(method, name) {
        Some(field) => Err((MISMATCH, format!("{field} is not what the body says"), None)),
        None => Ok(true),
    }
}

fn unsupported(version: &Value) -> (i32, String, Option<Value>) {
    let data = json!({"supported": versions(), "requested": version});
    (
        code::VERSION,
        "unsupported protocol version".to_owned(),
        Some(data),
    )
}

fn called(id: &Id, params: Option<&Map<String, Value>>, modern: bool) -> Step {
    let wrong = |words: &str| Step::Reply(error(Some(id), code::PARAMS, words, None));
    let Some(name) = params.and_then(|p| p.get("name")).and_then(Value::as_str) else {
        return wrong("`name` is missing: name the tool");
    };
    let arguments = match params.and_then(|p| p.get("arguments")) {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(object)) => object.clone(),
        Some(_) => return wrong("`arguments` is one object"),
    };
    let progress = params
        .and_then(|p| p.get("_meta"))
        .and_then(|m| m.get("progressToken"));
    Step::Call(Call {
        id: id.clone(),
        name: name.to_owned(),
        arguments,
        progress: progress.filter(|t| Id::of(t).is_some()).cloned(),
        asked: None,
        modern,
    })
}

fn passed(id: &Id, method: &str, params: Option<&Map<String, Value>>, modern: bool) -> Step {
    let mut params = params.cloned().unwrap_or_default();
    params.remove("_meta");
    Step::Call(Call {
        id: id.clone(),
        name: method.to_owned(),
        arguments: Map::new(),
        progress: None,
        asked: Some(Asked {
            method: method.to_owned(),
            params,
        }),
        modern,
    })
}

fn notification(method: &str, params: Option<&Map<String, Value>>) -> Step {
    let id = params.and_then(|p| p.get("requestId")).and_then(Id::of);
    match (method, id) {
        ("notifications/cancelled", Some(id)) => Step::Cancel(id),
        _ => Step::Nothing,
    }
}

fn success(id: &Id, mut result: Value, modern: bool) -> Value {
    if let (true, Some(object)) = (modern, result.as_object_mut()) {
        object.insert("resultType".to_owned(), "complete".into());
    }
    json!({"jsonrpc": "2.0", "id": id.0, "result": result})
}

fn error(id: Option<&Id>, code: i32, message: &str, data: Option<Value>) -> Value {
    let id = id.map_or(Value::Null, |id| id.0.clone());
    let mut error = json!({"code": code, "message": message});
    if let (Some(data), Some(object)) = (data, error.as_object_mut()) {
        object.insert("data".to_owned(), data);
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

/// A line that is longer than a message may be.
#[must_use]
pub fn too_long() -> Value {
    error(None, code::REQUEST, "the message is longer than 1 MiB", None)
}

/// More calls at a time than there may be.
#[must_use]
pub fn busy(call: &Call, most: usize) -> Value {
    call.reply(
        &format!("{most} calls are under way already; wait for one to end"),
        None,
        true,
    )
}

#[cfg(test)]
mod tests;
