//! The one spelling of where a flow goes.

use fumehood_policy::value::{HostName, Port};
use std::fmt;
use std::net::SocketAddr;

/// Where a flow goes: a host and a port, in the one spelling that rules are matched against.
///
/// Each name that a flow carries (its DNS question, CONNECT, SOCKS, request target, `Host`, SNI) is parsed
/// into this type, and they must all be equal. A value that exists is canonical: lower case, without a final
/// dot, ASCII letters, digits and hyphens; IPv4 addresses in dotted form, whatever they were mapped into.
/// International names are held in their `xn--` form and never decoded, so there is nothing that two
/// decoders could disagree about (RUSTSEC-2024-0421).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    /// The host.
    pub host: HostName,
    /// The port.
    pub port: Port,
}

/// Why bytes are no destination. Says nothing of the bytes: they are hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a host name, nor an address in its usual form.
    #[error("not a host name, nor an address in its usual form")]
    Host,
    /// Not a port from 1 to 65535.
    #[error("not a port from 1 to 65535")]
    Port,
    /// Longer than any host and port.
    #[error("longer than any host and port")]
    Long,
}

/// The longest authority: a name of 253 bytes and its dot, `:`, five digits.
const MAX_AUTHORITY: usize = 260;

impl Destination {
    /// A host as a protocol's field holds it, without port (SOCKS, SNI, a DNS question).
    ///
    /// # Errors
    /// It is not a host.
    pub fn host(bytes: &[u8]) -> Result<HostName, Refused> {
        if bytes.len() > MAX_AUTHORITY {
            return Err(Refused::Long);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Refused::Host)?;
        text.parse().map_err(|_| Refused::Host)
    }

    /// `host:port`, `host` where the scheme has a port of its own, `[address]:port` (RFC 3986 §3.2.2
    /// without user information, which no request target has).
    ///
    /// # Errors
    /// It is not a host and port.
    pub fn authority(bytes: &[u8], default: Option<Port>) -> Result<Destination, Refused> {
        let split = bytes.iter().rposition(|b| *b == b':');
        let closed = bytes.last() == Some(&b']');
        let (host, port) = match split {
            Some(at) if !closed => (&bytes[..at], Some(&bytes[at + 1..])),
            _ => (bytes, None),
        };
        // Without brackets the colon of an IPv6 address and that of a port cannot be told apart.
        if host.contains(&b':') && host.first() != Some(&b'[') {
            return Err(Refused::Host);
        }
        let port = match port {
            Some(digits) => std::str::from_utf8(digits)
                .ok()
                .filter(|d| d.len() <= 5)
                .and_then(|d| d.parse().ok())
                .ok_or(Refused::Port)?,
            None => default.ok_or(Refused::Port)?,
        };
        Ok(Destination {
            host: Self::host(host)?,
            port,
        })
    }
}

impl From<(HostName, Port)> for Destination {
    fn from((host, port): (HostName, Port)) -> Self {
        Destination { host, port }
    }
}

impl TryFrom<SocketAddr> for Destination {
    type Error = Refused;

    fn try_from(address: SocketAddr) -> Result<Self, Refused> {
        Ok(Destination {
            host: HostName::Address(address.ip().to_canonical()),
            port: Port::new(address.port()).ok_or(Refused::Port)?,
        })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Result<String, Refused> {
        Destination::authority(text.as_bytes(), Port::new(443)).map(|d| d.to_string())
    }

    /// A8, A9, A10, A12, A13: forty spellings, each one canonical or refused.
    #[test]
    fn a8_to_a13_spellings() {
        let canonical = [
            ("example.com", "example.com:443"),
            ("EXAMPLE.com", "example.com:443"),
            ("example.com.", "example.com:443"),
            ("Example.Com.:8443", "example.com:8443"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example:443"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example:443"),
            ("192.0.2.7", "192.0.2.7:443"),
            ("[2001:db8::7]", "[2001:db8::7]:443"),
            ("[2001:DB8:0:0:0:0:0:7]:80", "[2001:db8::7]:80"),
            ("[::ffff:192.0.2.7]:80", "192.0.2.7:80"),
            ("[::ffff:c000:207]", "192.0.2.7:443"),
            ("[64:ff9b::192.0.2.7]", "[64:ff9b::c000:207]:443"),
            ("example.com:0443", "example.com:443"),
        ];
        for (text, expected) in canonical {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
        let refused = [
            "",
            ".",
            "..",
            ".example.com",
            "example..com",
            "example.com..",
            "3221225991",
            "0xc0000207",
            "0300.0.02.07",
            "192.0.519",
            "192.0.2.07",
            "0xc0.0.2.7",
            "192.0.2.7.",
            "192.0.2.256",
            "[192.0.2.7]",
            "2001:db8::7",
            "[fe80::1%eth0]",
            "[::ffff:192.0.2.7%x.example.com]",
            "[::1",
            "::1]",
            "[]",
            "evil.example\0.example.com",
            "example.com\n",
            "example.com ",
            " example.com",
            "example.com:443.evil.example",
            "example.com@evil.example",
            "user:pw@example.com",
            "example.com\\evil.example",
            "example.com/evil",
            "example.com#evil",
            "example.com?evil",
            "example%2ecom",
            "ex\u{e4}mple.com",
            "\u{ff45}xample.com",
            "example\u{3002}com",
            "example.com:",
            "example.com:0",
            "example.com:65536",
            "example.com:+443",
            "example.com:4 43",
            "example.com:000443",
            "-example.com",
            "*.example.com",
        ];
        for text in refused {
            assert!(shown(text).is_err(), "{text:?} was taken as {:?}", shown(text));
        }
    }

    /// A9: whatever byte stands in a name, only letters, digits, hyphen, underscore and dot pass.
    #[test]
    fn a9_every_byte_in_a_name() {
        for byte in 0..=255u8 {
            let name = [b"evil", &[byte][..], b".example.com"].concat();
            let passes = byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let parsed = Destination::host(&name);
            // A hyphen may stand inside a label only, as "evil-" does not.
            assert_eq!(
                parsed.is_ok(),
                passes && byte != b'-' && byte != b'.',
                "byte {byte}: {parsed:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again_as_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(one) = Destination::authority(&bytes, Port::new(443)) {
                prop_assert_eq!(Destination::authority(one.to_string().as_bytes(), None), Ok(one));
            }
        }

        #[test]
        fn likely_names_too(text in "\\[?[a-zA-Z0-9.:%_-]{0,40}\\]?(:[0-9]{1,6})?") {
            if let Ok(one) = Destination::authority(text.as_bytes(), Port::new(443)) {
                prop_assert_eq!(Destination::authority(one.to_string().as_bytes(), None), Ok(one));
            }
        }
    }
}
