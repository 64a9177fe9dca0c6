//! Streams of HTTP/2 (RFC 9113): heads to and from the typed ones, bodies with flow control. Used on both
//! sides, so that both have the same reading.

use bytes::Bytes;
use fumehood_destination::Destination;
use fumehood_http::h1::Refused;
use fumehood_http::{BadField, Field, Fields, Length, MAX_HEAD, RequestHead, ResponseHead, Scheme, Version};
use h2::{Reason, RecvStream, SendStream};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use std::future::poll_fn;

/// What a connection takes of the far end at most. The windows bound what is held for a stream that nobody
/// reads; the numbers of streams and resets bound what a flood of them costs (CVE-2023-44487).
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Streams at a time.
    pub streams: u32,
    /// Bytes on their way in one stream.
    pub window: u32,
    /// Bytes on their way in all of them.
    pub connection_window: u32,
}

/// For clients and servers alike.
pub const BOUNDS: Bounds = Bounds {
    streams: 128,
    window: 256 * 1024,
    connection_window: 1 << 20,
};

/// The largest frame taken.
pub const FRAME: u32 = 64 * 1024;

/// Why a stream broke off.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The far end reset it, or the connection is gone.
    #[error("{0}")]
    Reset(#[from] h2::Error),
    /// What is to be sent cannot be said in HTTP/2.
    #[error("{0}")]
    Field(BadField),
}

/// Reads a request's head.
///
/// # Errors
/// It has more than one meaning, or goes elsewhere than the connection.
pub fn read_request(
    request: &Request<RecvStream>,
    scheme: Scheme,
    destination: &Destination,
) -> Result<RequestHead, Refused> {
    let uri = request.uri();
    let mut fields = fields(request.headers()).map_err(Refused::Field)?;
    if request.method() == Method::CONNECT {
        return Err(Refused::Connect);
    }
    names(uri, &fields, scheme, destination)?;
    let target = uri.path_and_query().map_or("/", |t| t.as_str()).to_owned();
    let clean = (target.starts_with('/') || target == "*") && target.bytes().all(|b| b.is_ascii_graphic());
    if !clean {
        return Err(Refused::Target);
    }
    let takes_trailers = fields.members("te").iter().any(|m| m == "trailers");
    let body = length(&fields, request.body().is_end_stream())?;
    fields.remove_hop_by_hop();
    for written_by_us in ["host", "content-length", "expect"] {
        fields.remove(written_by_us);
    }
    join_cookies(&mut fields);
    Ok(RequestHead {
        destination: destination.clone(),
        scheme,
        version: Version::Http2,
        method: request.method().as_str().to_owned(),
        target,
        fields,
        body,
        upgrade: false,
        expects_continue: false,
        takes_trailers,
    })
}

/// `:scheme`, `:authority` and `Host`, as far as they are there, are of the destination (A1, A36).
fn names(uri: &Uri, fields: &Fields, scheme: Scheme, destination: &Destination) -> Result<(), Refused> {
    if uri
        .scheme_str()
        .is_some_and(|s| !s.eq_ignore_ascii_case(scheme.name()))
    {
        return Err(Refused::OtherHost);
    }
    let authority = uri.authority().map(|a| a.as_str().as_bytes());
    let hosts: Vec<&[u8]> = fields.values("host").collect();
    if hosts.len() > 1 || (authority.is_none() && hosts.is_empty()) {
        return Err(Refused::Host);
    }
    for name in authority.into_iter().chain(hosts) {
        if Destination::authority(name, scheme.port()).as_ref() != Ok(destination) {
            return Err(Refused::OtherHost);
        }
    }
    Ok(())
}

/// In HTTP/2 the end of a stream is its body's end; `content-length` says beforehand what it will be, and
/// must be a single number.
fn length(fields: &Fields, has_ended: bool) -> Result<Length, Refused> {
    let all: Vec<&[u8]> = fields.values("content-length").collect();
    let number = |digits: &[u8]| {
        let plain = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
    };
    match (all.as_slice(), has_ended) {
        ([] | [b"0"], true) => Ok(Length::Empty),
        ([], false) => Ok(Length::Unknown),
        ([one], false) => number(one).map(Length::Known).ok_or(Refused::Length),
        _ => Err(Refused::Length),
    }
}

/// A cookie per field is a matter of compression; elsewhere they are one (RFC 9113 §8.2.3).
fn join_cookies(fields: &mut Fields) {
    let all: Vec<&[u8]> = fields.values("cookie").collect();
    if all.len() > 1 {
        let value = all.join(&b"; "[..]);
        fields.set(Field {
            name: "cookie".to_owned(),
            value,
        });
    }
}

fn fields(map: &HeaderMap) -> Result<Fields, BadField> {
    let mut fields = Fields::default();
    for (name, value) in map {
        fields.push(Field::new(name.as_str().as_bytes(), value.as_bytes())?)?;
    }
    if fields.size() > MAX_HEAD {
        Err(BadField::Long)
    } else {
        Ok(fields)
    }
}

fn map(fields: &Fields) -> Result<HeaderMap, BadField> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BadField::Name)?;
        let value = HeaderValue::from_bytes(&field.value).map_err(|_| BadField::Value)?;
        map.append(name, value);
    }
    Ok(map)
}

/// A request for a server of HTTP/2.
///
/// # Errors
/// It cannot be said so.
pub fn write_request(head: &RequestHead) -> Result<Request<()>, BadField> {
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method.as_bytes()).map_err(|_| BadField::Name)?;
    let path = if head.target == "*" { "/*" } else { &head.target };
    *request.uri_mut() = Uri::builder()
        .scheme(head.scheme.name())
        .authority(head.authority())
        .path_and_query(path)
        .build()
        .map_err(|_| BadField::Value)?;
    let mut headers = map(&head.fields)?;
    if let Length::Known(bytes) = head.body {
        headers.insert(http::header::CONTENT_LENGTH, bytes.into());
    }
    if head.takes_trailers {
        headers.insert(http::header::TE, HeaderValue::from_static("trailers"));
    }
    *request.headers_mut() = headers;
    Ok(request)
}

/// Reads a response's head, to a request by `method`.
///
/// # Errors
/// It has more than one meaning.
pub fn read_response<B>(
    response: &Response<B>,
    method: &str,
    has_ended: bool,
) -> Result<ResponseHead, BadField> {
    let mut fields = fields(response.headers())?;
    let known = fields.values("content-length").next().and_then(|digits| {
        let text = std::str::from_utf8(digits)
            .ok()
            .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
        text.parse().ok()
    });
    let body = match known {
        Some(bytes) if method == "HEAD" || !has_ended => Length::Known(bytes),
        _ if has_ended => Length::Empty,
        _ => Length::Unknown,
    };
    fields.remove_hop_by_hop();
    for gone in ["content-length", "alt-svc"] {
        fields.remove(gone);
    }
    Ok(ResponseHead {
        status: response.status().as_u16(),
        fields,
        body,
    })
}

/// A response for a client of HTTP/2.
///
/// # Errors
/// It cannot be said so.
pub fn write_response(head: &ResponseHead) -> Result<Response<()>, BadField> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status).map_err(|_| BadField::Value)?;
    let mut headers = map(&head.fields)?;
    if let Length::Known(bytes) = head.body
        && head.status >= 200
        && head.status != 204
    {
        headers.insert(http::header::CONTENT_LENGTH, bytes.into());
    }
    *response.headers_mut() = headers;
    Ok(response)
}

/// The trailer fields that may be.
#[must_use]
pub fn read_trailers(map: &HeaderMap) -> Fields {
    let mut fields = fields(map).unwrap_or_default();
    fields.remove_forbidden_in_trailers();
    fields
}

/// The next bytes of a body. The window is opened again only when the caller says that they have gone on:
/// [`passed_on`].
///
/// # Errors
/// The stream broke off.
pub async fn next(stream: &mut RecvStream) -> Result<Option<Bytes>, StreamError> {
    match stream.data().await {
        None => Ok(None),
        Some(data) => Ok(Some(data?)),
    }
}

/// Lets the far end send as many bytes more.
pub fn passed_on(stream: &mut RecvStream, bytes: usize) {
    // It fails only for a stream that is gone, which the next read says.
    let _gone = stream.flow_control().release_capacity(bytes);
}

/// Sends bytes of a body as the far end takes them.
///
/// # Errors
/// The stream was reset.
pub async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), StreamError> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let room = room.ok_or_else(|| StreamError::Reset(Reason::CANCEL.into()))??;
        let piece = data.split_to(room.min(data.len()));
        stream.send_data(piece, false)?;
    }
    Ok(())
}

/// Ends a body, with its trailer fields.
///
/// # Errors
/// The stream was reset.
pub fn end(stream: &mut SendStream<Bytes>, trailers: Option<&Fields>) -> Result<(), StreamError> {
    match trailers.filter(|t| !t.is_empty()) {
        None => Ok(stream.send_data(Bytes::new(), true)?),
        Some(fields) => Ok(stream.send_trailers(map(fields).map_err(StreamError::Field)?)?),
    }
}
