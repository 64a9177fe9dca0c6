//! Requests: read from a client whose every byte may be meant to be read in two ways, written to a server.

use super::lines::{self, LineError};
use crate::field::{BadField, Fields, MAX_HEAD, is_token};
use crate::head::{Length, RequestHead, Scheme, Version, target_is_clean};
use fumehood_destination::Destination;

/// Why a request is refused. The connection ends with it: where the next request begins is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A line ends with something else than CR LF.
    #[error("a line of the request's head ends with a bare CR or LF")]
    Bare,
    /// Too long.
    #[error("the request's head is longer than {MAX_HEAD} bytes")]
    Long,
    /// A field.
    #[error("{0}")]
    Field(BadField),
    /// The first line is not method, target and version with one space between them.
    #[error("the request line is not `METHOD target HTTP/1.1`")]
    Line,
    /// Another version.
    #[error("the request's version is neither HTTP/1.1 nor HTTP/1.0")]
    Version,
    /// `CONNECT` within a connection that has a destination already.
    #[error("CONNECT is not taken here: this connection has a destination already")]
    Connect,
    /// The target is neither a path nor a URL.
    #[error("the request target is neither a path nor a URL of this host")]
    Target,
    /// No `Host`, or more than one.
    #[error("the request has no Host field, or more than one")]
    Host,
    /// The request names another host than the connection.
    #[error("the request names another host than the connection was made to")]
    OtherHost,
    /// Two lengths, or one that is no number.
    #[error("Content-Length is there twice, or is no number")]
    Length,
    /// A transfer coding besides `chunked`, or it and a length.
    #[error("Transfer-Encoding is not `chunked` alone, or stands beside Content-Length")]
    Transfer,
    /// `Expect` of something unknown.
    #[error("Expect is not `100-continue`")]
    Expect,
}

impl Refused {
    /// The status that says it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Refused::OtherHost => 421,
            Refused::Connect => 405,
            Refused::Long | Refused::Field(BadField::Many | BadField::Long) => 431,
            Refused::Version => 505,
            Refused::Expect => 417,
            _ => 400,
        }
    }
}

impl From<LineError> for Refused {
    fn from(error: LineError) -> Self {
        match error {
            LineError::Bare => Refused::Bare,
            LineError::Long => Refused::Long,
            LineError::Field(field) => Refused::Field(field),
        }
    }
}

/// A request's head, and what its bytes say of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The head.
    pub head: RequestHead,
    /// Bytes of the buffer that it took.
    pub length: usize,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
    /// Whether the client is of HTTP/1.0, which knows no chunks.
    pub is_old: bool,
}

/// Reads the request that a buffer begins with. None: it is not whole yet.
///
/// # Errors
/// It is no request, has more than one meaning, or goes elsewhere than the connection.
pub fn read_request(
    buffer: &[u8],
    scheme: Scheme,
    destination: &Destination,
) -> Result<Option<Parsed>, Refused> {
    let Some(length) = lines::length(buffer)? else {
        return Ok(None);
    };
    let (start, fields) = lines::split(&buffer[..length])?;
    let (method, target, is_old) = start_line(start)?;
    if method == "CONNECT" {
        return Err(Refused::Connect);
    }
    let target = origin_form(target, scheme, destination)?;
    host(&fields, scheme, destination, is_old)?;
    let connection = fields.members("connection");
    let says = |word: &str| connection.iter().any(|m| m == word);
    let keep_alive = !says("close") && (!is_old || says("keep-alive"));
    let mut head = RequestHead {
        destination: destination.clone(),
        scheme,
        version: Version::Http1,
        method,
        target,
        body: body_length(&fields, is_old)?,
        upgrade: says("upgrade") && fields.members("upgrade") == ["websocket"],
        expects_continue: expects(&fields, is_old)?,
        takes_trailers: fields.members("te").iter().any(|m| m == "trailers"),
        fields,
    };
    head.fields.remove_hop_by_hop();
    for written_by_us in ["host", "content-length", "expect"] {
        head.fields.remove(written_by_us);
    }
    Ok(Some(Parsed {
        head,
        length,
        keep_alive,
        is_old,
    }))
}

/// Method, target, and whether the version is 1.0.
pub(super) fn start_line(line: &[u8]) -> Result<(String, &str, bool), Refused> {
    let line = std::str::from_utf8(line).map_err(|_| Refused::Line)?;
    let mut parts = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refused::Line);
    };
    if !is_token(method.as_bytes()) {
        return Err(Refused::Line);
    }
    let is_old = match version {
        "HTTP/1.1" => false,
        "HTTP/1.0" => true,
        _ => return Err(Refused::Version),
    };
    Ok((method.to_owned(), target, is_old))
}

/// The target as path and query. A whole URL (RFC 9112 §3.2.2) overrides `Host` at the server, so it must
/// be of this very destination (A3).
fn origin_form(target: &str, scheme: Scheme, destination: &Destination) -> Result<String, Refused> {
    let path = match target.split_once("://") {
        Some((word, rest)) if word.bytes().all(|b| b.is_ascii_alphabetic()) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let named = Destination::authority(&rest.as_bytes()[..end], scheme.port());
            let same = word.eq_ignore_ascii_case(scheme.name()) && named.as_ref() == Ok(destination);
            if !same {
                return Err(Refused::OtherHost);
            }
            match &rest[end..] {
                path if path.starts_with('/') => path.to_owned(),
                query => format!("/{query}"),
            }
        }
        _ => target.to_owned(),
    };
    target_is_clean(&path).then_some(path).ok_or(Refused::Target)
}

/// Exactly one `Host` (RFC 9112 §3.2), and it is the destination (A1, A4).
fn host(fields: &Fields, scheme: Scheme, destination: &Destination, is_old: bool) -> Result<(), Refused> {
    let mut all = fields.values("host");
    match (all.next(), all.next()) {
        (None, None) if is_old => Ok(()),
        (Some(host), None) => {
            let named = Destination::authority(host, scheme.port()).map_err(|_| Refused::OtherHost)?;
            (named == *destination).then_some(()).ok_or(Refused::OtherHost)
        }
        _ => Err(Refused::Host),
    }
}

/// RFC 9112 §6, without any of its leniency (A32).
fn body_length(fields: &Fields, is_old: bool) -> Result<Length, Refused> {
    let mut codings = fields.values("transfer-encoding");
    let coding = codings.next();
    let mut lengths = fields.values("content-length");
    let length = lengths.next();
    if lengths.next().is_some() || codings.next().is_some() {
        return Err(if coding.is_some() {
            Refused::Transfer
        } else {
            Refused::Length
        });
    }
    match (coding, length) {
        (None, None) => Ok(Length::Empty),
        (None, Some(digits)) => Ok(Length::Known(number(digits).ok_or(Refused::Length)?)),
        (Some(word), None) if !is_old && word.eq_ignore_ascii_case(b"chunked") => Ok(Length::Unknown),
        (Some(_), _) => Err(Refused::Transfer),
    }
}

/// Decimal digits and nothing else; no more than any body could have.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    let plain = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| plain)?;
    text.parse().ok()
}

fn expects(fields: &Fields, is_old: bool) -> Result<bool, Refused> {
    match fields.members("expect").as_slice() {
        [] => Ok(false),
        [one] if one == "100-continue" => Ok(!is_old),
        _ => Err(Refused::Expect),
    }
}

/// The bytes of a request for an HTTP/1.1 server.
#[must_use]
pub fn write_request(head: &RequestHead) -> Vec<u8> {
    let mut to = Vec::with_capacity(256 + head.fields.size());
    to.extend(
        format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\n",
            head.method,
            head.target,
            head.authority()
        )
        .bytes(),
    );
    for field in &head.fields {
        line(&mut to, &field.name, &field.value);
    }
    match head.body {
        Length::Empty => {}
        Length::Known(bytes) => line(&mut to, "Content-Length", bytes.to_string().as_bytes()),
        Length::Unknown => line(&mut to, "Transfer-Encoding", b"chunked"),
    }
    if head.expects_continue {
        line(&mut to, "Expect", b"100-continue");
    }
    match (head.upgrade, head.takes_trailers) {
        (true, _) => to.extend(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        (_, true) => to.extend(b"Connection: TE\r\nTE: trailers\r\n"),
        _ => {}
    }
    to.extend(b"\r\n");
    to
}

pub(super) fn line(to: &mut Vec<u8>, name: &str, value: &[u8]) {
    to.extend(name.bytes());
    to.extend(b": ");
    to.extend(value);
    to.extend(b"\r\n");
}

#[cfg(test)]
mod tests;
