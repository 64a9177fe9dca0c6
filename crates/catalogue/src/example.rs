//! The notation of examples: a request as one would write it down.

use crate::request::{Body, Request};

/// Why a text is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExampleError {
    /// The first line.
    #[error("the first line is not `METHOD https://host/path`: {0}")]
    FirstLine(String),
    /// A header line.
    #[error("not `Name: value`: {0}")]
    Header(String),
}

/// Reads `METHOD https://host/path?query`, then header lines, then an empty line and the body.
///
/// # Errors
/// It is not of this form.
pub fn parse_example(text: &str) -> Result<Request, ExampleError> {
    let text = text.trim();
    let (head, body) = text
        .split_once("\n\n")
        .map_or((text, None), |(head, body)| (head, Some(body)));
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default();
    let mut request = first_line(first).ok_or_else(|| ExampleError::FirstLine(first.to_owned()))?;
    for line in lines {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| ExampleError::Header(line.to_owned()))?;
        request
            .headers
            .push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    request.body = body.map_or(Body::Absent, |b| Body::Bytes(b.as_bytes().to_vec()));
    Ok(request)
}

fn first_line(line: &str) -> Option<Request> {
    let (method, url) = line.split_once(' ')?;
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let (host, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let host = host.split_once(':').map_or(host, |(name, _)| name);
    (!host.is_empty()).then(|| Request {
        method: method.to_owned(),
        host: host.to_ascii_lowercase(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: Vec::new(),
        body: Body::Absent,
    })
}
