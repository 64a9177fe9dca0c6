//! Hosts and ports as policy names them: lower case, no trailing dot, one spelling each.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use super::Invalid;

const HELP: &str = "write a name such as \"api.example.com\"";

/// A port, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(NonZeroU16);

impl Port {
    /// A port from its number; none for 0.
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl FromStr for Port {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number
            .map(Self)
            .ok_or_else(|| Invalid::not(text, "a port", "write a number from 1 to 65535"))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One host: a DNS name (RFC 1123 letters, digits, hyphens; RFC 1035 lengths) or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostName {
    /// Lower case, without the final dot.
    Name(String),
    /// IPv4 or IPv6.
    Address(IpAddr),
}

impl FromStr for HostName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // An IPv4 address written as an IPv6 one (RFC 4291 §2.5.5) is that IPv4 address.
        let v6 = |t: &str| t.parse::<Ipv6Addr>().map(|a| IpAddr::V6(a).to_canonical()).ok();
        let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let v4 = || text.parse::<Ipv4Addr>().map(IpAddr::V4).ok();
        match bracketed.map_or_else(|| v6(text).or_else(v4), v6) {
            Some(address) => Ok(Self::Address(address)),
            None => dns_name(text).map(Self::Name),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

fn dns_name(text: &str) -> Result<String, Invalid> {
    if !text.is_ascii() {
        return Err(Invalid::not(
            text,
            "a host",
            "write an international name in its xn-- form",
        ));
    }
    if text.contains("://") || text.contains('/') {
        return Err(Invalid::not(
            text,
            "a host",
            "name the host alone, without scheme and path",
        ));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |l: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&l.len()) && l.bytes().all(inner) && !l.starts_with('-') && !l.ends_with('-')
    };
    // A last label of digits is an address in some resolvers and a name in others (WHATWG URL §3.5).
    let numeric = name
        .rsplit('.')
        .next()
        .is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()) || l.starts_with("0x"));
    if name.len() > 253 || numeric || !name.split('.').all(label) {
        return Err(Invalid::not(text, "a host", HELP));
    }
    Ok(name)
}

/// Top-level names that nobody can register below (RFC 6761, RFC 6762, RFC 9476, ICANN's `internal`).
const LOCAL_USE: &[&str] = &[
    "alt",
    "example",
    "internal",
    "invalid",
    "local",
    "localhost",
    "test",
];

/// Refuses a name below which strangers register theirs (the public suffix list, its private part too):
/// `*.com`, `*.github.io`. A last label that the list does not know counts as public.
fn not_public(suffix: String) -> Result<String, Invalid> {
    let public = psl::suffix_str(&suffix).is_some_and(|s| s == suffix);
    if public && !LOCAL_USE.contains(&suffix.as_str()) {
        return Err(Invalid::not(
            &format!("*.{suffix}"),
            "a host pattern: anyone can register a name below it",
            "name the owner's own domain: `*.example.com`",
        ));
    }
    Ok(suffix)
}

/// One host, or all below a name: `api.example.com`, `*.example.com`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This one.
    Exact(HostName),
    /// Every name that ends in `.` and this, at any depth; not the name itself.
    Below(String),
}

impl HostPattern {
    /// Whether `host` is meant.
    pub fn matches(&self, host: &HostName) -> bool {
        match (self, host) {
            (Self::Exact(wanted), host) => wanted == host,
            (Self::Below(suffix), HostName::Name(name)) => name
                .strip_suffix(suffix.as_str())
                .is_some_and(|head| head.ends_with('.') && head.len() > 1),
            (Self::Below(_), HostName::Address(_)) => false,
        }
    }

    /// Whether there is a host that both mean.
    pub fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(host), pattern) | (pattern, Self::Exact(host)) => pattern.matches(host),
            (Self::Below(one), Self::Below(two)) => {
                let within = |inner: &str, outer: &str| {
                    inner
                        .strip_suffix(outer)
                        .is_some_and(|head| head.is_empty() || head.ends_with('.'))
                };
                within(one, two) || within(two, one)
            }
        }
    }
}

impl FromStr for HostPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.strip_prefix("*.") {
            Some(suffix) => not_public(dns_name(suffix)?).map(Self::Below),
            None if text.contains('*') => Err(Invalid::not(
                text,
                "a host pattern",
                "`*` stands for whole names at the front: `*.example.com`",
            )),
            None => text.parse().map(Self::Exact),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// A host pattern with an optional port: `api.example.com`, `*.example.com:8443`, `[::1]:80`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// Which hosts.
    pub host: HostPattern,
    /// Which port; none means the scheme's own.
    pub port: Option<Port>,
}

impl FromStr for HostPort {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let whole_is_v6 = text.parse::<std::net::Ipv6Addr>().is_ok();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !whole_is_v6 && !text.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        if text.contains("://") {
            return Err(Invalid::not(
                text,
                "a host",
                "name the host alone, without scheme and path",
            ));
        }
        Ok(Self {
            host: host.parse()?,
            port: port.map(str::parse).transpose()?,
        })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_spelling_for_each_host() {
        let shown = |text: &str| text.parse::<HostPort>().map(|h| h.to_string());
        assert_eq!(shown("API.Example.COM."), Ok("api.example.com".into()));
        assert_eq!(shown("*.example.com:8443"), Ok("*.example.com:8443".into()));
        assert_eq!(shown("::1"), Ok("[::1]".into()));
        assert_eq!(shown("[::1]:80"), Ok("[::1]:80".into()));
        assert_eq!(shown("[::ffff:192.0.2.1]:80"), Ok("192.0.2.1:80".into()));
        assert_eq!(shown("*.internal"), Ok("*.internal".into()));
        assert_eq!(shown("127.0.0.1:5432"), Ok("127.0.0.1:5432".into()));
        for wrong in [
            "",
            "*",
            "a*.example.com",
            "https://example.com",
            "example.com/x",
            "a..b",
            "-a.b",
            "ex ample",
            "bücher.example",
            "a:0",
            "a:65536",
            "a:+1",
            "a:",
            "1.2.3",
            "0x7f.1",
            "256.1.1.1",
            "a\n.b",
            "[127.0.0.1]",
            "*.com",
            "*.co.uk",
            "*.github.io",
            "*.unknown-top-level",
        ] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn below_means_a_whole_label() {
        let pattern: HostPattern = "*.example.com".parse().unwrap();
        let matches = |host: &str| pattern.matches(&host.parse().unwrap());
        assert!(matches("a.example.com") && matches("a.b.example.com"));
        assert!(
            !matches("example.com") && !matches("evilexample.com") && !matches("example.com.evil.example")
        );
    }

    proptest! {
        #[test]
        fn printing_is_the_canonical_spelling(text in "[a-zA-Z0-9.*:\\[\\]-]{0,30}") {
            if let Ok(host) = text.parse::<HostPort>() {
                prop_assert_eq!(host.to_string().parse(), Ok(host));
            }
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = text.parse::<HostPort>();
        }
    }
}
