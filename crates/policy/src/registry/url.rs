use std::fmt;

use crate::value::{HostName, Port};

/// Scheme, host and port of a registry. No path and no credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether it is reached by TLS.
    pub tls: bool,
    /// The host.
    pub host: HostName,
    /// The port, if it is not the scheme's own.
    pub port: Option<Port>,
}

impl Origin {
    /// The origin of an `http` or `https` URL, with or without a prefix such as `sparse+`;
    /// nothing for anything else.
    pub(super) fn of_url(text: &str) -> Option<Self> {
        let text = text.trim().trim_matches(['"', '\'']);
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.rsplit('+').next()?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#', '\\']).next()?;
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !place.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (place, None),
        };
        let default = if tls { 443 } else { 80 };
        let port = port.filter(|port: &Port| port.get() != default);
        Some(Self {
            tls,
            host: host.parse().ok()?,
            port,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_of_urls() {
        let of = |text: &str| Origin::of_url(text).map(|o| o.to_string());
        assert_eq!(
            of("sparse+https://Packages.Example:443/x").as_deref(),
            Some("https://packages.example")
        );
        assert_eq!(
            of("http://u:p@h.example:8080?q").as_deref(),
            Some("http://h.example:8080")
        );
        assert_eq!(of("https://[::1]:8443/").as_deref(), Some("https://[::1]:8443"));
        assert_eq!(
            of("https://a.example\\@b.example/").as_deref(),
            Some("https://a.example")
        );
        for wrong in [
            "",
            "h.example",
            "ssh://git@h.example",
            "file:///x",
            "https://",
            "https://a b/",
            "https://h:0/",
            "https://${X}/",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
