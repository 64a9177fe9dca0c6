//! What a client asks of a proxy (RFC 9110 §9.3.6, RFC 9112 §3.2.2): a connection to somewhere, or a request whose URL
//! says where.

use super::lines;
use super::request::{Refused, start_line};
use crate::head::Scheme;
use fumehood_destination::Destination;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxied {
    /// A connection, by `CONNECT`.
    Connection {
        /// Where to.
        to: Destination,
        /// Bytes of the buffer that the head took; what follows is for the other side.
        length: usize,
        /// Whether the client is of HTTP/1.0.
        is_old: bool,
    },
    /// The request that the buffer begins with, which is to be read again for this destination.
    Request {
        /// Where to.
        to: Destination,
    },
}

/// Why nothing is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProxied {
    /// It is no request, or has more than one meaning.
    #[error(transparent)]
    Request(#[from] Refused),
    /// The target of `CONNECT` is no host and port.
    #[error("CONNECT names no host and port in their usual form")]
    Authority,
    /// A body of a `CONNECT`, which has none.
    #[error("CONNECT has no body")]
    Body,
    /// The target is a path: the client takes the proxy for a server.
    #[error("this is a proxy, and the request names no host: its target is a path")]
    Path,
    /// Another scheme than `http`.
    #[error("of URLs only those of http are passed on; for others ask by CONNECT")]
    Scheme,
}

impl NotProxied {
    /// The status that says it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            NotProxied::Request(why) => why.status(),
            _ => 400,
        }
    }
}

impl From<lines::LineError> for NotProxied {
    fn from(error: lines::LineError) -> Self {
        NotProxied::Request(error.into())
    }
}

/// Reads what a buffer begins with. None: the head is not whole yet.
///
/// Of a request only the destination is read here: that its names agree, and all else, is what
/// [`read_request`](super::read_request) sees to.
///
/// # Errors
/// It asks for nothing that a proxy does, or for two things.
pub fn read_proxied(buffer: &[u8]) -> Result<Option<Proxied>, NotProxied> {
    let Some(length) = lines::length(buffer)? else {
        return Ok(None);
    };
    let (start, fields) = lines::split(&buffer[..length])?;
    let (method, target, is_old) = start_line(start)?;
    if method != "CONNECT" {
        return request(target).map(Some);
    }
    let to = Destination::authority(target.as_bytes(), None).map_err(|_| NotProxied::Authority)?;
    let mut hosts = fields.values("host");
    // Some clients leave the port out; the host is the same.
    let same = |host: &[u8]| Destination::authority(host, Some(to.port)).as_ref() == Ok(&to);
    match (hosts.next(), hosts.next()) {
        (None, _) => {}
        (Some(host), None) if same(host) => {}
        (Some(_), None) => return Err(Refused::OtherHost.into()),
        (Some(_), Some(_)) => return Err(Refused::Host.into()),
    }
    let empty = fields.values("content-length").all(|length| length == b"0");
    if !empty || fields.values("transfer-encoding").next().is_some() {
        return Err(NotProxied::Body);
    }
    Ok(Some(Proxied::Connection { to, length, is_old }))
}

/// Where a request's URL leads.
fn request(target: &str) -> Result<Proxied, NotProxied> {
    let Some((scheme, rest)) = target.split_once("://") else {
        return Err(NotProxied::Path);
    };
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(if scheme.starts_with('/') {
            NotProxied::Path
        } else {
            NotProxied::Scheme
        });
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let to = Destination::authority(&rest.as_bytes()[..end], Scheme::Http.port());
    to.map(|to| Proxied::Request { to })
        .map_err(|_| Refused::Target.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::read_request;
    use proptest::prelude::*;

    fn to(text: &str) -> Destination {
        Destination::authority(text.as_bytes(), None).unwrap()
    }

    fn read(text: &str) -> Result<Option<Proxied>, NotProxied> {
        read_proxied(text.as_bytes())
    }

    #[test]
    fn what_follows_a_connect_is_the_other_sides() {
        for (line, is_old) in [("HTTP/1.1", false), ("HTTP/1.0", true)] {
            let head = format!("CONNECT Example.com:443 {line}\r\nHost: example.com:443\r\n\r\n");
            let asked = Proxied::Connection {
                to: to("example.com:443"),
                length: head.len(),
                is_old,
            };
            assert_eq!(read(&format!("{head}\x16\x03")), Ok(Some(asked)));
            assert_eq!(read(&head[..head.len() - 1]), Ok(None));
        }
    }

    /// A1, A8, A13: the name is one, in its usual form, and the same in every place.
    #[test]
    fn a1_a8_a13_connect_names_one_host_and_port() {
        let connect =
            |target: &str, fields: &str| read(&format!("CONNECT {target} HTTP/1.1\r\n{fields}\r\n"));
        for fields in [
            "",
            "Host: a.example\r\n",
            "Host: A.example.:443\r\n",
            "Content-Length: 0\r\n",
            "Proxy-Connection: keep-alive\r\n",
        ] {
            assert!(
                matches!(connect("a.example:443", fields), Ok(Some(_))),
                "{fields}"
            );
        }
        for (fields, why) in [
            ("Host: evil.example\r\n", Refused::OtherHost.into()),
            ("Host: a.example:80\r\n", Refused::OtherHost.into()),
            ("Host: a.example\r\nHost: a.example\r\n", Refused::Host.into()),
            ("Content-Length: 3\r\n", NotProxied::Body),
            ("Transfer-Encoding: chunked\r\n", NotProxied::Body),
            (
                "Host : a.example\r\n",
                Refused::Field(crate::BadField::Name).into(),
            ),
        ] {
            assert_eq!(connect("a.example:443", fields), Err(why), "{fields}");
        }
        for target in [
            "a.example",
            "a.example:",
            "a.example:0",
            "a.example:443/",
            "user@a.example:443",
            "http://a.example:443",
            "a.example\0.b.example:443",
            "0x7f.1:80",
            "2130706433:80",
            "::1:80",
            "[fe80::1%lo]:80",
            "*",
            "/",
        ] {
            assert_eq!(connect(target, ""), Err(NotProxied::Authority), "{target}");
        }
    }

    /// A3, A13: the URL says where, and it is read again with all its names.
    #[test]
    fn a3_a13_a_url_says_where() {
        let get = |target: &str| read(&format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        for (target, host) in [
            ("http://a.example/x?y", "a.example:80"),
            ("HTTP://A.example", "a.example:80"),
            ("http://a.example?y=http://b.example/", "a.example:80"),
            ("http://a.example:8080/", "a.example:8080"),
            ("http://[::ffff:192.0.2.7]/", "192.0.2.7:80"),
        ] {
            assert_eq!(
                get(target),
                Ok(Some(Proxied::Request { to: to(host) })),
                "{target}"
            );
        }
        for (target, why) in [
            ("/", NotProxied::Path),
            ("*", NotProxied::Path),
            ("/x?u=http://a.example/", NotProxied::Path),
            ("https://a.example/", NotProxied::Scheme),
            ("ftp://a.example/", NotProxied::Scheme),
            ("http://u:p@a.example/", Refused::Target.into()),
            ("http://a.example\\@b.example/", Refused::Target.into()),
            ("http://a.example#@b.example/", Refused::Target.into()),
            ("http:///x", Refused::Target.into()),
        ] {
            assert_eq!(get(target), Err(why), "{target}");
        }
    }

    proptest! {
        /// A destination is that of the request read for it, or there is none.
        #[test]
        fn what_a_url_names_is_what_the_request_is_read_for(
            target in "(http|https|HTTP)?(://)?[a-z.:@\\[\\]\\\\/?#%0-9-]{0,30}", host in "[a-z.:0-9]{0,12}") {
            let bytes = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
            if let Ok(Some(Proxied::Request { to })) = read_proxied(&bytes) {
                let other = Destination { host: "other.example".parse().unwrap(), ..to.clone() };
                prop_assert!(read_request(&bytes, Scheme::Http, &other).is_err());
                if let Ok(Some(parsed)) = read_request(&bytes, Scheme::Http, &to) {
                    prop_assert_eq!(parsed.head.destination, to);
                }
            }
        }

        #[test]
        fn any_bytes_end_and_a_part_says_nothing_else(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            let bytes = [b"CONNECT a.example:1 HTTP/1.1\r\n", &bytes[..]].concat();
            let whole = read_proxied(&bytes);
            let part = read_proxied(&bytes[..cut.min(bytes.len())]);
            if let Ok(Some(_)) = &part {
                prop_assert_eq!(part, whole);
            }
        }
    }
}
