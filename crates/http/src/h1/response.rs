//! Responses: read from a server that is as hostile as the client, written to the client.

use super::lines::{self, LineError};
use super::request::{line, number};
use crate::field::{BadField, Fields, MAX_HEAD};
use crate::head::{Length, ResponseHead};

/// Why a response is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadResponse {
    /// A line ends with something else than CR LF.
    #[error("a line of the response's head ends with a bare CR or LF")]
    Bare,
    /// Too long.
    #[error("the response's head is longer than {MAX_HEAD} bytes")]
    Long,
    /// A field.
    #[error("{0}")]
    Field(BadField),
    /// The first line is none of HTTP/1.
    #[error("the server's answer does not begin with `HTTP/1.1` and a status")]
    Line,
    /// Two readings of the length.
    #[error("the response has two lengths, or one that is no number")]
    Length,
    /// A transfer coding besides `chunked`, or it and a length.
    #[error("the response's Transfer-Encoding is not `chunked` alone, or stands beside Content-Length")]
    Transfer,
}

impl From<LineError> for BadResponse {
    fn from(error: LineError) -> Self {
        match error {
            LineError::Bare => BadResponse::Bare,
            LineError::Long => BadResponse::Long,
            LineError::Field(field) => BadResponse::Field(field),
        }
    }
}

/// A response's head, and what its bytes say of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The head.
    pub head: ResponseHead,
    /// Bytes of the buffer that it took.
    pub length: usize,
    /// Whether the connection may be used again after the body.
    pub keep_alive: bool,
    /// Whether the body comes in chunks; else one of unknown length ends with the connection.
    pub is_chunked: bool,
}

/// Fields that a response must not bring into the sandbox: another way to the same server, past this one
/// (RFC 7838; A24).
const DROPPED: &[&str] = &["alt-svc"];

/// Reads the response that a buffer begins with. None: it is not whole yet. A response to `HEAD` has no body.
///
/// # Errors
/// It is no response, or has more than one meaning.
pub fn read_response(buffer: &[u8], method: &str) -> Result<Option<Received>, BadResponse> {
    // What is no HTTP is known at once, not after as many bytes as a head may have.
    if !b"HTTP/1.".iter().zip(buffer).all(|(a, b)| a == b) {
        return Err(BadResponse::Line);
    }
    let Some(length) = lines::length(buffer)? else {
        return Ok(None);
    };
    let (start, mut fields) = lines::split(&buffer[..length])?;
    let (status, is_old) = start_line(start)?;
    let connection = fields.members("connection");
    let says = |word: &str| connection.iter().any(|m| m == word);
    let (body, is_chunked) = body_length(&fields, status, method)?;
    let ends_with_connection = body == Length::Unknown && !is_chunked;
    let keep_alive = !ends_with_connection && !says("close") && (!is_old || says("keep-alive"));
    fields.remove_hop_by_hop();
    fields.remove("content-length");
    for name in DROPPED {
        fields.remove(name);
    }
    let head = ResponseHead { status, fields, body };
    Ok(Some(Received {
        head,
        length,
        keep_alive,
        is_chunked,
    }))
}

fn start_line(line: &[u8]) -> Result<(u16, bool), BadResponse> {
    let (version, rest) = line.split_at_checked(9).ok_or(BadResponse::Line)?;
    let is_old = match version {
        b"HTTP/1.1 " => false,
        b"HTTP/1.0 " => true,
        _ => return Err(BadResponse::Line),
    };
    let (code, phrase) = rest.split_at_checked(3).ok_or(BadResponse::Line)?;
    let status = number(code).and_then(|n| u16::try_from(n).ok());
    let status = status.filter(|s| *s >= 100 && (phrase.is_empty() || phrase[0] == b' '));
    status.map(|s| (s, is_old)).ok_or(BadResponse::Line)
}

/// RFC 9112 §6.3. A server that says its length twice, but the same, is taken at its word.
fn body_length(fields: &Fields, status: u16, method: &str) -> Result<(Length, bool), BadResponse> {
    let mut codings = fields.values("transfer-encoding");
    let coding = codings.next();
    let lengths = fields.members("content-length");
    let same = lengths.windows(2).all(|two| two[0] == two[1]);
    if !same || codings.next().is_some() {
        return Err(BadResponse::Length);
    }
    let known = match lengths.first() {
        Some(digits) => Some(number(digits.as_bytes()).ok_or(BadResponse::Length)?),
        None => None,
    };
    let empty = status < 200 || status == 204 || status == 304 || method == "HEAD";
    match (coding, known) {
        // The length of what a GET would have brought: a fact about the resource, kept (RFC 9110 §8.6).
        (None, Some(bytes)) if empty && method == "HEAD" => Ok((Length::Known(bytes), false)),
        _ if empty => Ok((Length::Empty, false)),
        (None, Some(bytes)) => Ok((Length::Known(bytes), false)),
        (None, None) => Ok((Length::Unknown, false)),
        (Some(word), None) if word.eq_ignore_ascii_case(b"chunked") => Ok((Length::Unknown, true)),
        (Some(_), _) => Err(BadResponse::Transfer),
    }
}

/// The bytes of an interim response.
#[must_use]
pub fn write_interim(head: &ResponseHead) -> Vec<u8> {
    let mut to = start(head.status);
    for field in &head.fields {
        line(&mut to, &field.name, &field.value);
    }
    to.extend(b"\r\n");
    to
}

/// The bytes of a response's head, for a client that asked by `method`. To one of HTTP/1.0 a body of unknown
/// length ends with the connection.
#[must_use]
pub fn write_response(head: &ResponseHead, method: &str, is_old: bool, keep_alive: bool) -> Vec<u8> {
    let mut to = start(head.status);
    for field in &head.fields {
        line(&mut to, &field.name, &field.value);
    }
    let no_length = head.status < 200 || head.status == 204;
    match head.body {
        _ if no_length => {}
        Length::Known(bytes) => line(&mut to, "Content-Length", bytes.to_string().as_bytes()),
        Length::Empty if method != "HEAD" && head.status != 304 => line(&mut to, "Content-Length", b"0"),
        Length::Unknown if !is_old && method != "HEAD" => line(&mut to, "Transfer-Encoding", b"chunked"),
        Length::Empty | Length::Unknown => {}
    }
    if head.status == 101 {
        to.extend(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    } else if !keep_alive {
        line(&mut to, "Connection", b"close");
    } else if is_old {
        line(&mut to, "Connection", b"keep-alive");
    }
    to.extend(b"\r\n");
    to
}

fn start(status: u16) -> Vec<u8> {
    format!("HTTP/1.1 {status} {}\r\n", phrase(status)).into_bytes()
}

/// The phrase of a status. The server's own is not passed on: nobody may act on it (RFC 9112 §4).
fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Received, BadResponse> {
        read_response(text.as_bytes(), "GET").map(|r| r.expect("whole"))
    }

    #[test]
    fn a_response_is_read_and_written_without_what_ends_here() {
        let text = "HTTP/1.1 200 Fine\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nAlt-Svc: h3=\":443\"\r\n\
                    Keep-Alive: timeout=5\r\n\r\n";
        let got = read(text).unwrap();
        assert!(got.keep_alive && got.is_chunked);
        let written = write_response(&got.head, "GET", false, true);
        let expected = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
        let old = write_response(&got.head, "GET", true, false);
        let expected = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(old).unwrap(), expected);
    }

    #[test]
    fn lengths() {
        let of = |status: &str, lines: &str, method: &str| {
            let text = format!("HTTP/1.1 {status}\r\n{lines}\r\n");
            read_response(text.as_bytes(), method)
                .map(|r| r.unwrap())
                .map(|r| (r.head.body, r.keep_alive))
        };
        assert_eq!(
            of("200 OK", "Content-Length: 7\r\n", "GET"),
            Ok((Length::Known(7), true))
        );
        assert_eq!(
            of("200 OK", "Content-Length: 7, 7\r\n", "GET"),
            Ok((Length::Known(7), true))
        );
        assert_eq!(of("200 OK", "", "GET"), Ok((Length::Unknown, false)));
        assert_eq!(of("204", "", "GET"), Ok((Length::Empty, true)));
        assert_eq!(
            of("304 x", "Content-Length: 7\r\n", "GET"),
            Ok((Length::Empty, true))
        );
        assert_eq!(
            of("200 OK", "Content-Length: 7\r\n", "HEAD"),
            Ok((Length::Known(7), true))
        );
        assert_eq!(
            of("200 OK", "Content-Length: 7\r\nContent-Length: 8\r\n", "GET"),
            Err(BadResponse::Length)
        );
        let both = "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n";
        assert_eq!(of("200 OK", both, "GET"), Err(BadResponse::Transfer));
        assert_eq!(
            of("200 OK", "Transfer-Encoding: gzip\r\n", "GET"),
            Err(BadResponse::Transfer)
        );
    }

    #[test]
    fn what_is_no_response_is_known_at_once() {
        for text in ["SSH-2.0-OpenSSH\r\n", "220 smtp ESMTP\r\n", "HTTP/2", "<html>"] {
            assert_eq!(
                read_response(text.as_bytes(), "GET"),
                Err(BadResponse::Line),
                "{text}"
            );
        }
        for text in [
            "HTTP/1.1 99 x\r\n\r\n",
            "HTTP/1.1 2000\r\n\r\n",
            "HTTP/1.1  200\r\n\r\n",
            "HTTP/1.1 +20\r\n\r\n",
        ] {
            assert_eq!(read(text), Err(BadResponse::Line), "{text}");
        }
        assert_eq!(read("HTTP/1.1 200 OK\nX: y\n\n"), Err(BadResponse::Bare));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_response(&bytes, "GET");
            let _ = read_response(&[b"HTTP/1.1 200 OK\r\n", &bytes[..]].concat(), "GET");
        }
    }
}
