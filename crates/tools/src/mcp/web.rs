//! The protocol over HTTP, before a byte of it is read: who may come in, and under which name. Pure.
//!
//! A server on loopback is reached by every page that a browser of this machine shows (2025-11-25, "Transports", security
//! warning): a page's name can be made to mean 127.0.0.1. So the name in `Host` must be the server's own, an
//! `Origin` may be no other either, and all of it takes a token that no page and no other account has.

use fumehood_destination::Destination;
use fumehood_http::h1::{self, Refused};
use fumehood_http::{Field, Fields, Length, RequestHead, ResponseHead, Scheme};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::server::{LEGACY, MODERN};
use crate::guard::MAX_BYTES;

/// `HeaderMismatch` (2026-07-28, "Standard Request Headers").
pub(super) const MISMATCH: i32 = -32020;
/// Where requests go.
pub const PATH: &str = "/mcp";

/// What the head of a request says of the message in its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// `MCP-Protocol-Version`.
    pub version: Option<String>,
    /// `Mcp-Method`.
    pub method: Option<String>,
    /// `Mcp-Name`.
    pub name: Option<String>,
    /// `Mcp-Session-Id`.
    pub session: Option<String>,
}

impl Headers {
    fn of(fields: &Fields) -> Result<Headers, Answer> {
        Ok(Headers {
            version: one(fields, "mcp-protocol-version")?,
            method: one(fields, "mcp-method")?,
            name: one(fields, "mcp-name")?,
            session: one(fields, "mcp-session-id")?,
        })
    }

    /// Whether the client is of the era without sessions.
    #[must_use]
    pub fn is_modern(&self) -> bool {
        self.version
            .as_deref()
            .is_some_and(|v| v == MODERN || !LEGACY.contains(&v))
    }

    /// The field that says something else than the body.
    pub(super) fn differ(&self, method: &str, name: Option<&str>) -> Option<&'static str> {
        if self.method.as_deref() != Some(method) {
            return Some("Mcp-Method");
        }
        let named = matches!(method, "tools/call" | "prompts/get" | "resources/read");
        (named && self.name.as_deref() != name).then_some("Mcp-Name")
    }
}

/// At most one field of a name, of visible ASCII.
fn one(fields: &Fields, name: &str) -> Result<Option<String>, Answer> {
    let mut all = fields.values(name);
    let (first, second) = (all.next(), all.next());
    if second.is_some() {
        return Err(Answer::refused(400, &format!("{name} is there twice")));
    }
    let text = first.map(|v| String::from_utf8(v.to_vec()));
    match text {
        None => Ok(None),
        Some(Ok(text)) if text.bytes().all(|b| (b' '..=b'~').contains(&b)) => Ok(Some(text)),
        Some(_) => Err(Answer::refused(400, &format!("{name} is not visible ASCII"))),
    }
}

/// What a request is, as far as its head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message.
    Post,
    /// The end of a session.
    Delete,
}

/// A request that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it is.
    pub kind: Kind,
    /// What it says of its message.
    pub headers: Headers,
    /// How long its body is, at most [`MAX_BYTES`] where that is known.
    pub body: Length,
    /// Bytes of the buffer that the head took.
    pub length: usize,
    /// Whether another request may follow.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
    /// Whether it takes a stream of events.
    pub streams: bool,
}

/// Who may come in.
#[derive(Debug)]
pub struct Door {
    names: Vec<Destination>,
    token: [u8; 32],
}

impl Door {
    /// For a server that is known by these names, to those who hold the token.
    #[must_use]
    pub fn new(names: Vec<Destination>, token: &str) -> Door {
        Door {
            names,
            token: Sha256::digest(token).into(),
        }
    }

    /// Reads the head that a buffer begins with. None: it is not whole yet.
    ///
    /// # Errors
    /// What to answer; after it the connection ends.
    pub fn open(&self, buffer: &[u8]) -> Result<Option<Request>, Answer> {
        let Some(parsed) = self.parse(buffer)? else {
            return Ok(None);
        };
        let head = parsed.head;
        if let Some(origin) = one(&head.fields, "origin")? {
            self.origin(&origin)?;
        }
        if !self.knows(&head.fields) {
            let answer = Answer::refused(401, "the token is missing or another");
            return Err(answer.with("WWW-Authenticate", "Bearer realm=\"fumehood\""));
        }
        if head.target != PATH {
            return Err(Answer::refused(404, "messages go to /mcp"));
        }
        let kind = kind(&head)?;
        if let Length::Known(bytes) = head.body
            && bytes > MAX_BYTES as u64
        {
            return Err(Answer::refused(413, "the message is longer than 1 MiB"));
        }
        let accepts = |what: &str| accepts(&head.fields, what);
        if kind == Kind::Post && !accepts("application/json") {
            return Err(Answer::refused(
                406,
                "accept application/json and text/event-stream",
            ));
        }
        Ok(Some(Request {
            kind,
            headers: Headers::of(&head.fields)?,
            body: head.body,
            length: parsed.length,
            keep_alive: parsed.keep_alive && !parsed.is_old,
            expects_continue: head.expects_continue,
            streams: accepts("text/event-stream") && !parsed.is_old,
        }))
    }

    /// `Host` is one of the server's names (RFC 9112 §3.2); all of them are tried, since each is read into one spelling.
    fn parse(&self, buffer: &[u8]) -> Result<Option<h1::Parsed>, Answer> {
        let mut why = Refused::OtherHost;
        for name in &self.names {
            match h1::read_request(buffer, Scheme::Http, name) {
                Ok(parsed) => return Ok(parsed),
                Err(Refused::OtherHost) => {}
                Err(other) => why = other,
            }
        }
        Err(Answer::refused(why.status(), &why.to_string()))
    }

    /// A page's origin is the server's own, which serves no pages, or it is sent by something that is no page.
    fn origin(&self, origin: &str) -> Result<(), Answer> {
        let named = origin
            .strip_prefix("http://")
            .and_then(|rest| Destination::authority(rest.as_bytes(), Scheme::Http.port()).ok());
        match named {
            Some(named) if self.names.contains(&named) => Ok(()),
            _ => Err(Answer::refused(403, "requests of other origins are not served")),
        }
    }

    /// Digests are compared, so how long it takes says nothing of the token.
    fn knows(&self, fields: &Fields) -> bool {
        let mut all = fields.values("authorization");
        let (Some(value), None) = (all.next(), all.next()) else {
            return false;
        };
        let (Some(scheme), Some(token)) = (value.get(..7), value.get(7..)) else {
            return false;
        };
        let same: [u8; 32] = Sha256::digest(token).into();
        let differ = same.iter().zip(self.token).fold(0, |all, (a, b)| all | (a ^ b));
        scheme.eq_ignore_ascii_case(b"bearer ") && differ == 0
    }
}

fn kind(head: &RequestHead) -> Result<Kind, Answer> {
    match head.method.as_str() {
        "POST" => {
            let media = one(&head.fields, "content-type")?.unwrap_or_default();
            let media = media.split(';').next().unwrap_or_default().trim();
            if !media.eq_ignore_ascii_case("application/json") {
                return Err(Answer::refused(415, "a message is application/json"));
            }
            if head.fields.values("content-encoding").next().is_some() {
                return Err(Answer::refused(415, "a message is not compressed"));
            }
            Ok(Kind::Post)
        }
        "DELETE" => Ok(Kind::Delete),
        // There is nothing that this server says without being asked.
        _ => Err(Answer::refused(405, "messages are sent with POST").with("Allow", "POST, DELETE")),
    }
}

/// RFC 9110 §12.5.1, without weights: who refuses both by `q=0` gets one of them all the same.
fn accepts(fields: &Fields, what: &str) -> bool {
    let all = fields.members("accept");
    let family = what.split('/').next().unwrap_or_default();
    let media = |member: &String| member.split(';').next().unwrap_or_default().trim().to_owned();
    all.is_empty()
        || all
            .iter()
            .map(media)
            .any(|m| m == what || m == "*/*" || m.strip_suffix("/*") == Some(family))
}

/// What a request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// A message.
    #[must_use]
    pub fn message(status: u16, message: &Value) -> Answer {
        Answer {
            status,
            fields: vec![("Content-Type", "application/json".to_owned())],
            body: message.to_string().into_bytes(),
        }
    }

    /// Nothing but a status.
    #[must_use]
    pub const fn empty(status: u16) -> Answer {
        Answer {
            status,
            fields: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A refusal, said as an error that names no request.
    #[must_use]
    pub fn refused(status: u16, why: &str) -> Answer {
        let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": why}});
        Answer::message(status, &error)
    }

    /// What the reply to a request is sent as: in the older era an error is an answer like any other.
    #[must_use]
    pub fn reply(message: &Value, modern: bool) -> Answer {
        let code = message.get("error").and_then(|e| e.get("code"));
        let status = match (code.and_then(Value::as_i64), modern) {
            (None, _) => 200,
            (Some(-32601), true) => 404,
            (Some(_), true) | (Some(-32700 | -32600 | -32022 | -32020), false) => 400,
            (Some(_), false) => 200,
        };
        Answer::message(status, message)
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Answer {
        self.fields.push((name, value.to_owned()));
        self
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self, keep_alive: bool) -> Vec<u8> {
        let mut out = head(
            self.status,
            &self.fields,
            Length::Known(self.body.len() as u64),
            keep_alive,
        );
        out.extend_from_slice(&self.body);
        out
    }
}

/// The head of a stream of events, whose end is the connection's.
#[must_use]
pub fn stream_head() -> Vec<u8> {
    let fields = [
        ("Content-Type", "text/event-stream".to_owned()),
        ("X-Accel-Buffering", "no".to_owned()),
    ];
    head(200, &fields, Length::Unknown, false)
}

/// One message of a stream, as a chunk.
#[must_use]
pub fn event(message: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    h1::chunk(
        format!("event: message\ndata: {message}\n\n").as_bytes(),
        &mut out,
    );
    out
}

/// What says nothing but that the stream lives.
#[must_use]
pub fn alive() -> Vec<u8> {
    let mut out = Vec::new();
    h1::chunk(b":\n\n", &mut out);
    out
}

/// The end of a stream.
#[must_use]
pub fn stream_end() -> Vec<u8> {
    let mut out = Vec::new();
    h1::last_chunk(&Fields::default(), &mut out);
    out
}

fn head(status: u16, fields: &[(&'static str, String)], body: Length, keep_alive: bool) -> Vec<u8> {
    let mut all = Fields::default();
    let always = [("Cache-Control", "no-store".to_owned())];
    for (name, value) in fields.iter().chain(&always) {
        // They are our own words; one that were none is left out.
        if let Ok(field) = Field::new(name.as_bytes(), value.as_bytes()) {
            let _few = all.push(field);
        }
    }
    let head = ResponseHead {
        status,
        fields: all,
        body,
    };
    h1::write_response(&head, "POST", false, keep_alive)
}

#[cfg(test)]
mod tests;
