//! Hosts and URLs.
//!
//! A URL is taken in one strict spelling only, which RFC 3986 and the WHATWG parser read alike: no user
//! information, no `\`, nothing but ASCII that is printed, the host a name or an address in its usual form.
//! Both must be among the hosts that the tool may reach; the boundary of the network asks again.

use super::at_most;
use crate::refused::Wrong;
use fumehood_destination::Destination;
use fumehood_policy::config::ToolNetwork;
use fumehood_policy::value::{HostName, Port};

/// Bytes of a URL.
const LONGEST: usize = 2048;

/// A host that the tool may reach.
pub(super) fn host(text: &str, network: &ToolNetwork) -> Result<(), Wrong> {
    let host = Destination::host(text.as_bytes())
        .map_err(|e| Wrong::of(text, &format!("is {e}"), "write a name such as api.example.com"))?;
    if text.ends_with('.') || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(Wrong::of(
            text,
            "has another usual spelling",
            "small letters, no dot at the end",
        ));
    }
    reachable(text, &host, None, network)
}

/// `https://host[:port][/path][?query]` of a host that the tool may reach.
pub(super) fn url(text: &str, network: &ToolNetwork) -> Result<(), Wrong> {
    at_most(text, LONGEST)?;
    let help = "write it as https://host/path?query, special characters as %XX";
    let wrong = |what: &str| Wrong::of(text, what, help);
    let (rest, port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, Port::new(443)),
        (_, Some(rest)) => (rest, Port::new(80)),
        _ => return Err(wrong("is no URL of http or https")),
    };
    if let Some(c) = text
        .chars()
        .find(|c| !c.is_ascii_graphic() || "\\\"<>^`{|}".contains(*c))
    {
        return Err(wrong(&format!("holds U+{:04X}", u32::from(c))));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err(wrong("names a user before its host"));
    }
    if path.contains('#') {
        return Err(wrong("has a fragment, which is never sent"));
    }
    let to = Destination::authority(authority.as_bytes(), port)
        .map_err(|e| wrong(&format!("has a host that is {e}")))?;
    if authority.ends_with('.') || authority.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(wrong("has a host with another usual spelling"));
    }
    reachable(text, &to.host, Some(to.port), network)
}

fn reachable(text: &str, host: &HostName, port: Option<Port>, network: &ToolNetwork) -> Result<(), Wrong> {
    let ToolNetwork::Hosts(hosts) = network else {
        return Err(Wrong::of(
            text,
            "cannot be reached: this tool has no network",
            "use another tool",
        ));
    };
    let usual = |p: Port| p.get() == 443 || p.get() == 80;
    let fits = |wanted: Option<Port>| match (wanted, port) {
        (Some(wanted), Some(port)) => wanted == port,
        (None, Some(port)) => usual(port),
        (_, None) => true,
    };
    if hosts
        .iter()
        .any(|h| h.value.host.matches(host) && fits(h.value.port))
    {
        return Ok(());
    }
    let all: Vec<String> = hosts.iter().map(|h| h.value.to_string()).collect();
    Err(Wrong::of(
        text,
        "is not what this tool may reach",
        format!("it reaches {}", all.join(", ")),
    ))
}
