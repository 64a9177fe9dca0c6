//! Typed heads: what is judged is what is sent.

use crate::encoding::{Malformed, Reader, Writer};
use crate::field::Fields;
use fumehood_destination::Destination;
use fumehood_policy::value::Port;

/// With or without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Without.
    Http,
    /// With.
    Https,
}

impl Scheme {
    /// `http`, `https`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port that a URL of this scheme need not name.
    #[must_use]
    pub const fn port(self) -> Option<Port> {
        match self {
            Scheme::Http => Port::new(80),
            Scheme::Https => Port::new(443),
        }
    }
}

/// Which HTTP the client spoke; the server is spoken to in the same, where it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Length {
    /// There is none.
    Empty,
    /// These bytes.
    Known(u64),
    /// Not said before its end.
    Unknown,
}

/// A request as it was read, was judged, and will be written: in this form it goes from the gateway to the
/// supervisor and from there to the broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestHead {
    /// Where it goes. Every name in the request was equal to it.
    pub destination: Destination,
    /// With or without TLS.
    pub scheme: Scheme,
    /// What the client spoke.
    pub version: Version,
    /// The method, a token, as written.
    pub method: String,
    /// Path and query in origin form, or `*` (RFC 9112 §3.2).
    pub target: String,
    /// The fields that travel, in order: no `Host`, no framing, nothing hop-by-hop.
    pub fields: Fields,
    /// The body.
    pub body: Length,
    /// The protocol that the client wants to go on in; `websocket` is the only one that is passed on.
    pub upgrade: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// Whether the client takes trailers (`TE: trailers`), without which gRPC servers refuse.
    pub takes_trailers: bool,
}

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;

impl RequestHead {
    /// The value of `Host` and `:authority`: the port only where the scheme has another.
    #[must_use]
    pub fn authority(&self) -> String {
        if Some(self.destination.port) == self.scheme.port() {
            self.destination.host.to_string()
        } else {
            self.destination.to_string()
        }
    }

    /// The head's one encoding: what is hashed for a release.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::new(REQUEST);
        to.bytes(self.destination.to_string().as_bytes());
        to.byte(u8::from(self.scheme == Scheme::Https));
        to.byte(u8::from(self.version == Version::Http2));
        to.bytes(self.method.as_bytes());
        to.bytes(self.target.as_bytes());
        to.length(self.body);
        let flags = [self.upgrade, self.expects_continue, self.takes_trailers];
        to.byte(
            flags
                .iter()
                .rev()
                .fold(0, |byte, flag| byte << 1 | u8::from(*flag)),
        );
        to.fields(&self.fields);
        to.end()
    }

    /// Reads what [`RequestHead::encode`] wrote.
    ///
    /// # Errors
    /// It is not a head, or not in its one encoding.
    pub fn decode(bytes: &[u8]) -> Result<RequestHead, Malformed> {
        let mut from = Reader::new(REQUEST, bytes)?;
        let destination = Destination::authority(from.bytes()?, None).map_err(|_| Malformed)?;
        let scheme = if from.bit()? { Scheme::Https } else { Scheme::Http };
        let version = if from.bit()? {
            Version::Http2
        } else {
            Version::Http1
        };
        let method = from.text()?;
        let target = from.text()?;
        let body = from.length()?;
        let flags = from.byte()?;
        let head = RequestHead {
            destination,
            scheme,
            version,
            method,
            target,
            body,
            upgrade: flags & 1 != 0,
            expects_continue: flags & 2 != 0,
            takes_trailers: flags & 4 != 0,
            fields: from.fields()?,
        };
        from.end()?;
        if !crate::field::is_token(head.method.as_bytes()) || !target_is_clean(&head.target) {
            return Err(Malformed);
        }
        // One encoding: what decodes to the same value is the same bytes, so a digest binds the meaning.
        (head.encode() == bytes).then_some(head).ok_or(Malformed)
    }
}

/// No byte that could end the request line.
pub(crate) fn target_is_clean(target: &str) -> bool {
    (target.starts_with('/') || target == "*") && target.bytes().all(|b| b.is_ascii_graphic())
}

/// A response's head.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResponseHead {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The fields that travel, in order: no framing, nothing hop-by-hop.
    pub fields: Fields,
    /// The body.
    pub body: Length,
}

impl ResponseHead {
    /// Whether another head follows for the same request (RFC 9110 §15.2).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    /// One encoding, as for requests.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::new(RESPONSE);
        to.byte((self.status >> 8) as u8);
        to.byte((self.status & 0xff) as u8);
        to.length(self.body);
        to.fields(&self.fields);
        to.end()
    }

    /// Reads what [`ResponseHead::encode`] wrote.
    ///
    /// # Errors
    /// It is not a head.
    pub fn decode(bytes: &[u8]) -> Result<ResponseHead, Malformed> {
        let mut from = Reader::new(RESPONSE, bytes)?;
        let status = u16::from_be_bytes([from.byte()?, from.byte()?]);
        let body = from.length()?;
        let fields = from.fields()?;
        from.end()?;
        let known = (100..=999).contains(&status);
        known
            .then_some(ResponseHead { status, fields, body })
            .ok_or(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Field;
    use proptest::prelude::*;

    fn head(method: String, target: String, values: Vec<Vec<u8>>, body: Length, flags: u8) -> RequestHead {
        let mut fields = Fields::default();
        for value in values {
            if let Ok(field) = Field::new(b"x-a", &value) {
                fields.push(field).unwrap();
            }
        }
        RequestHead {
            destination: Destination::authority(b"api.example.com:443", None).unwrap(),
            scheme: Scheme::Https,
            version: Version::Http2,
            method,
            target,
            fields,
            body,
            upgrade: flags & 1 != 0,
            expects_continue: flags & 2 != 0,
            takes_trailers: flags & 4 != 0,
        }
    }

    #[test]
    fn the_authority_names_a_port_only_where_it_must() {
        let mut one = head("GET".into(), "/".into(), vec![], Length::Empty, 0);
        assert_eq!(one.authority(), "api.example.com");
        one.scheme = Scheme::Http;
        assert_eq!(one.authority(), "api.example.com:443");
    }

    #[test]
    fn a_head_that_would_end_the_request_line_is_none() {
        for (method, target) in [
            ("GET", "/ HTTP/1.1\r\nX: y"),
            ("GET\r\n", "/"),
            ("GET", "x"),
            ("", "/"),
        ] {
            let one = head(method.into(), target.into(), vec![], Length::Empty, 0);
            assert_eq!(
                RequestHead::decode(&one.encode()),
                Err(Malformed),
                "{method:?} {target:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            method in "[A-Z]{1,9}", target in "/[!-~]{0,60}",
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..9),
            n in any::<u64>(), kind in 0..3u8, flags in 0..8u8,
        ) {
            let body = [Length::Empty, Length::Known(n), Length::Unknown][usize::from(kind)];
            let one = head(method, target, values, body, flags);
            prop_assert_eq!(RequestHead::decode(&one.encode()), Ok(one));
        }

        #[test]
        fn bytes_that_are_read_are_what_would_be_written(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(one) = RequestHead::decode(&bytes) { prop_assert_eq!(one.encode(), bytes); }
            else if let Ok(one) = ResponseHead::decode(&bytes) { prop_assert_eq!(one.encode(), bytes); }
        }
    }
}
