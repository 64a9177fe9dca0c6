//! A request as the gateway has decoded it.

use crate::body;
use crate::condition::{Held, document};
use crate::graphql::{self, Operation};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::cell::OnceCell;

/// The bytes after the head.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Body {
    /// There are none.
    #[default]
    Absent,
    /// Not read yet: a classification that depends on them asks for them.
    Unread,
    /// More than the gateway reads before it decides.
    TooLong,
    /// All of them, transfer coding removed.
    Bytes(Vec<u8>),
}

/// One request. Names of headers are lower case.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Request {
    /// The method, as sent.
    pub method: String,
    /// The canonical host: lower case, no final dot, no port.
    pub host: String,
    /// The path as sent, percent-encoded, without the query.
    pub path: String,
    /// The query as sent, without `?`.
    pub query: String,
    /// Header fields in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

impl Request {
    /// The values of a header field.
    pub(crate) fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The method, and those that a server could take in its place.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &str> {
        const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];
        let others = OVERRIDES.iter().flat_map(|name| self.header(name));
        std::iter::once(self.method.as_str()).chain(others)
    }

    /// The path's segments: decoded within each, and decoded before they are cut. None where a
    /// segment walks up, since no reading of such a path is the only one. One, where both are the same.
    pub(crate) fn segments(&self) -> Option<Vec<Vec<String>>> {
        let within = self.path.split('/').map(decode).collect::<Vec<_>>();
        let whole = decode(&self.path);
        let across = whole.split('/').map(str::to_owned).collect::<Vec<_>>();
        let walks = |s: &String| s == "." || s == "..";
        if within.iter().chain(&across).any(walks) {
            return None;
        }
        let mut both = vec![within, across];
        both.iter_mut().for_each(|all| all.retain(|s| !s.is_empty()));
        both.dedup();
        Some(both)
    }

    /// Parameters of the query and, where there is one, of a form body.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        let mut all = body::form(self.query.as_bytes());
        if let Body::Bytes(bytes) = &self.body {
            match self.header("content-type").find_map(body::boundary) {
                Some(boundary) => all.extend(body::multipart(bytes, &boundary)),
                None => all.extend(body::form(bytes)),
            }
        }
        all
    }

    /// Whether the body's bytes are themselves coded.
    pub(crate) fn is_coded(&self) -> bool {
        self.header("content-encoding")
            .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
    }
}

/// A request of which each part is read once, when the first row asks for it.
pub(crate) struct Reading<'r> {
    pub(crate) request: &'r Request,
    parameters: OnceCell<Vec<(String, String)>>,
    document: OnceCell<Result<Value, Held>>,
    operations: OnceCell<Result<Vec<Operation>, Held>>,
}

impl<'r> Reading<'r> {
    pub(crate) fn of(request: &'r Request) -> Reading<'r> {
        Reading {
            request,
            parameters: OnceCell::new(),
            document: OnceCell::new(),
            operations: OnceCell::new(),
        }
    }

    /// As [`Request::parameters`].
    pub(crate) fn parameters(&self) -> &[(String, String)] {
        self.parameters.get_or_init(|| self.request.parameters())
    }

    /// As [`document`].
    pub(crate) fn document(&self) -> Result<&Value, Held> {
        let read = self.document.get_or_init(|| document(self.request));
        read.as_ref().map_err(|held| *held)
    }

    /// As [`graphql::of_request`].
    pub(crate) fn operations(&self) -> Result<&[Operation], Held> {
        let read = self.operations.get_or_init(|| graphql::of_request(self));
        read.as_deref().map_err(|held| *held)
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
