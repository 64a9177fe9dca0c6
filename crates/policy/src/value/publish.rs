//! A port of the sandbox and where it is open outside.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use super::{Invalid, Port};

/// `[ADDRESS:]PORT[:PORT]`: the address and port outside, the port inside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Publish {
    /// The address outside: loopback unless another one is named.
    pub address: IpAddr,
    /// The port outside.
    pub outside: Port,
    /// The port inside.
    pub inside: Port,
}

impl Publish {
    /// The same port on loopback.
    pub fn same(port: Port) -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            outside: port,
            inside: port,
        }
    }
}

impl FromStr for Publish {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || {
            Invalid::not(
                text,
                "a port to publish",
                "write [ADDRESS:]PORT[:PORT], such as 3000 or 8080:3000",
            )
        };
        let (address, ports) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, ports) = rest.split_once("]:").ok_or_else(bad)?;
                (Some(address), ports)
            }
            None => match text.split_once(':') {
                Some((head, ports)) if head.contains('.') => (Some(head), ports),
                _ => (None, text),
            },
        };
        let address = address.map(|a| a.parse().map_err(|_| bad())).transpose()?;
        let (outside, inside) = ports.split_once(':').unwrap_or((ports, ports));
        Ok(Self {
            address: address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            outside: outside.parse().map_err(|_| bad())?,
            inside: inside.parse().map_err(|_| bad())?,
        })
    }
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outside = std::net::SocketAddr::new(self.address, self.outside.get());
        write!(f, "{outside}:{}", self.inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publications() {
        let shown = |text: &str| text.parse::<Publish>().map(|p| p.to_string()).ok();
        for (text, expected) in [
            ("3000", "127.0.0.1:3000:3000"),
            ("8080:3000", "127.0.0.1:8080:3000"),
            ("0.0.0.0:3000", "0.0.0.0:3000:3000"),
            ("127.0.0.2:80:3000", "127.0.0.2:80:3000"),
            ("[::1]:3000", "[::1]:3000:3000"),
            ("[::1]:80:3000", "[::1]:80:3000"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "0",
            "x",
            "3000:",
            ":3000",
            "1:2:3",
            "host.example:80",
            "::1:80",
            "[::1]",
            "127.0.0.1",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
