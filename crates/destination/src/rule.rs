//! Allow rules and what they say about a flow and a request.

use crate::address::{Class, class};
use crate::name::Destination;
use crate::path::RequestPath;
use crate::port::other_protocol;
use fumehood_policy::config::{Allow, UrlPattern};
use fumehood_policy::glob::GlobSet;
use fumehood_policy::value::{HostName, HostPattern, HostPort, Port, Word};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

/// The port of a rule that names none.
const HTTPS: Port = match Port::new(443) {
    Some(port) => port,
    None => unreachable!(),
};

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    text: String,
    hosts: HostPattern,
    port: Port,
    access: Access,
}

/// What a rule lets through.
#[derive(Clone, Debug)]
pub enum Access {
    /// Bytes, unread.
    Tunnel,
    /// Requests that are read.
    Http(Http),
}

/// Which requests.
#[derive(Clone, Debug)]
pub struct Http {
    methods: Vec<&'static str>,
    paths: Option<GlobSet>,
    query: Vec<(String, Vec<String>)>,
    headers: Vec<(String, Vec<String>)>,
    limits: Limits,
}

/// How large a request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request target.
    pub target: usize,
    /// Bytes of the body; none leaves it to the budget of the session.
    pub body: Option<u64>,
}

/// For rules that name no methods: what is only read does not need more, and what is sent along in a URL
/// or body of such a request is not much.
const READING: Limits = Limits {
    target: 4096,
    body: Some(8192),
};
const NAMED: Limits = Limits {
    target: 16384,
    body: None,
};
/// Methods that only read (RFC 9110 §9.2.1).
const READS: &[&str] = &["GET", "HEAD", "OPTIONS"];

/// Why a rule cannot be taken: it could never match, or two contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Loopback inside is the sandbox's own.
    #[error(
        "`{0}` can never match: inside, it is the sandbox's own loopback; for a port of this machine write host:PORT"
    )]
    Loopback(String),
    /// Nobody can be dialled there.
    #[error("`{0}` can never match: it is {kind}", kind = .1.words())]
    NoHost(String, Class),
    /// The same host and port, read and unread.
    #[error("`{0}` and `{1}` contradict each other: one passes bytes unread, the other reads requests")]
    Contradiction(String, String),
}

impl Rule {
    /// A rule from configuration.
    ///
    /// # Errors
    /// It can never match.
    pub fn new(allow: &Allow) -> Result<Rule, RuleError> {
        let text = allow.host.to_string();
        can_match(&allow.host.host, &text)?;
        let port = allow.host.port.unwrap_or(HTTPS);
        let access = if allow.tunnel || (allow.says_nothing() && other_protocol(port.get()).is_some()) {
            Access::Tunnel
        } else {
            Access::Http(Http::new(allow))
        };
        Ok(Rule {
            text,
            hosts: allow.host.host.clone(),
            port,
            access,
        })
    }

    /// What it lets through.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Whether it is written for just these hosts and this port.
    #[must_use]
    pub fn is_of(&self, of: &HostPort) -> bool {
        self.hosts == of.host && self.port == of.port.unwrap_or(HTTPS)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> Port {
        self.port
    }

    fn is_for(&self, destination: &Destination) -> bool {
        self.port == destination.port && self.hosts.matches(&destination.host)
    }

    /// More of the name said is more specific; an exact host more than any pattern.
    fn weight(&self) -> usize {
        match &self.hosts {
            HostPattern::Exact(_) => usize::MAX,
            HostPattern::Below(suffix) => suffix.len(),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn can_match(hosts: &HostPattern, text: &str) -> Result<(), RuleError> {
    let local = |name: &str| name == "localhost" || name.ends_with(".localhost");
    match hosts {
        HostPattern::Exact(HostName::Name(name)) | HostPattern::Below(name) if local(name) => {
            Err(RuleError::Loopback(text.to_owned()))
        }
        HostPattern::Exact(HostName::Address(address)) => match class(*address) {
            Class::Loopback => Err(RuleError::Loopback(text.to_owned())),
            kind @ (Class::Unspecified | Class::Multicast) => Err(RuleError::NoHost(text.to_owned(), kind)),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

impl Http {
    fn new(allow: &Allow) -> Http {
        let named: Vec<&str> = allow.methods.iter().map(|m| m.word()).collect();
        let globs = |paths: &[UrlPattern]| GlobSet::new(paths.iter().map(|p| p.glob().clone()));
        Http {
            limits: if named.is_empty() { READING } else { NAMED },
            methods: if named.is_empty() { READS.to_vec() } else { named },
            paths: (!allow.paths.is_empty()).then(|| globs(&allow.paths)),
            query: allow.query.clone(),
            headers: allow.headers.clone(),
        }
    }

    /// How large a request may be.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether it says which paths it is for.
    #[must_use]
    pub fn names_paths(&self) -> bool {
        self.paths.is_some()
    }

    fn judge(&self, request: &Request<'_>) -> Result<(), Denied> {
        if !self.methods.contains(&request.method) {
            return Err(Denied::Method);
        }
        if request.path.length() > self.limits.target {
            return Err(Denied::Target(self.limits.target));
        }
        if let (Some(body), Some(most)) = (request.body, self.limits.body)
            && body > most
        {
            return Err(Denied::Body(most));
        }
        if self
            .paths
            .as_ref()
            .is_some_and(|set| !path_matches(set, request.path))
        {
            return Err(Denied::Path);
        }
        let query = |key: &str| request.path.values(key.as_bytes()).map(<[u8]>::to_vec).collect();
        if let Some(key) = unmatched(&self.query, query) {
            return Err(Denied::Query(key));
        }
        let header = |name: &str| {
            let same = |h: &&(&str, &[u8])| h.0.eq_ignore_ascii_case(name);
            request
                .headers
                .iter()
                .filter(same)
                .map(|h| h.1.to_vec())
                .collect()
        };
        unmatched(&self.headers, header).map_or(Ok(()), |name| Err(Denied::Header(name)))
    }
}

/// The first key of a rule of which not every value is one of those named, or of which there is none:
/// a second value must not ride along with the first (A33).
fn unmatched(wanted: &[(String, Vec<String>)], found: impl Fn(&str) -> Vec<Vec<u8>>) -> Option<String> {
    let fits = |(key, values): &&(String, Vec<String>)| {
        let found = found(key);
        let named = |value: &Vec<u8>| values.iter().any(|v| v.as_bytes() == value.as_slice());
        !found.is_empty() && found.iter().all(named)
    };
    wanted.iter().find(|one| !fits(one)).map(|(key, _)| key.clone())
}

fn path_matches(set: &GlobSet, path: &RequestPath) -> bool {
    if path.is_ambiguous() {
        return false;
    }
    let mut cursor = set.root();
    for segment in path.segments() {
        cursor = cursor.enter(segment);
    }
    cursor.is_match()
}

/// The head of a request, as far as rules speak of it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, as written: methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'a str,
    /// The target.
    pub path: &'a RequestPath,
    /// Header fields, each line of its own.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body's length where the head says it. What is longer than said, or not said, is stopped at
    /// [`Limits::body`] while it streams.
    pub body: Option<u64>,
}

/// Why something is denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No rule names the host.
    #[error("no rule allows this host")]
    Host,
    /// A rule names the host, but another port.
    #[error("the rule for this host is for another port")]
    Port,
    /// The rule is for another method.
    #[error("the rule does not allow this method")]
    Method,
    /// The rule is for other paths.
    #[error("the rule does not allow this path")]
    Path,
    /// The rule wants this query key, each value one of those it names.
    #[error("the rule does not allow this value of the query key `{0}`")]
    Query(String),
    /// The rule wants this header field, each value one of those it names.
    #[error("the rule does not allow this value of the header field `{0}`")]
    Header(String),
    /// The target is longer than these bytes.
    #[error("the request target is longer than {0} bytes, which is the most for requests that only read")]
    Target(usize),
    /// The body is longer than these bytes.
    #[error("the body is longer than {0} bytes, which is the most for requests that only read")]
    Body(u64),
    /// The address is not one of the Internet and no rule names it.
    #[error("the name leads to {kind}, which no rule names", kind = .0.words())]
    Address(Class),
}

/// What the rules say, and by which rule: the one that allows, or the one that came nearest.
#[derive(Clone, Debug)]
pub struct Decision<'r> {
    /// The rule.
    pub rule: Option<&'r Rule>,
    /// Whether it allows.
    pub verdict: Result<(), Denied>,
}

/// All rules in force. No rule allows nothing.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Where those for one host are: of many rules few are looked at.
    exact: HashMap<HostName, Vec<usize>>,
    /// Where the others are.
    patterns: Vec<usize>,
}

impl Rules {
    /// These rules together.
    ///
    /// # Errors
    /// Two contradict each other.
    pub fn new(rules: Vec<Rule>) -> Result<Rules, RuleError> {
        let tunnel = |r: &Rule| matches!(r.access, Access::Tunnel);
        for (n, one) in rules.iter().enumerate() {
            let same = |two: &&Rule| two.hosts == one.hosts && two.port == one.port;
            if let Some(two) = rules[..n]
                .iter()
                .filter(same)
                .find(|two| tunnel(two) != tunnel(one))
            {
                return Err(RuleError::Contradiction(one.text.clone(), two.text.clone()));
            }
        }
        let mut exact: HashMap<HostName, Vec<usize>> = HashMap::new();
        let mut patterns = Vec::new();
        for (n, rule) in rules.iter().enumerate() {
            match &rule.hosts {
                HostPattern::Exact(host) => exact.entry(host.clone()).or_default().push(n),
                HostPattern::Below(_) => patterns.push(n),
            }
        }
        Ok(Rules {
            rules,
            exact,
            patterns,
        })
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a connection may be made at all, and how: by [`Rule::access`] of the rule. Where several
    /// rules are for one destination the most specific decides how.
    #[must_use]
    pub fn connect(&self, destination: &Destination) -> Decision<'_> {
        let chosen = self.of(destination).max_by_key(|r| r.weight());
        if chosen.is_some() {
            return Decision {
                rule: chosen,
                verdict: Ok(()),
            };
        }
        let near = self.rules.iter().find(|r| r.hosts.matches(&destination.host));
        Decision {
            rule: near,
            verdict: Err(if near.is_some() {
                Denied::Port
            } else {
                Denied::Host
            }),
        }
    }

    /// Whether a request may be sent: if one of the rules for its destination allows it.
    #[must_use]
    pub fn request(&self, destination: &Destination, request: &Request<'_>) -> Decision<'_> {
        let mut nearest = self.connect(destination);
        if nearest.verdict.is_err() {
            return nearest;
        }
        for rule in self.of(destination) {
            let Access::Http(http) = &rule.access else {
                continue;
            };
            let verdict = http.judge(request);
            let allowed = verdict.is_ok();
            nearest = Decision {
                rule: Some(rule),
                verdict,
            };
            if allowed {
                break;
            }
        }
        nearest
    }

    /// Whether an address that a name led to may be dialled on a port: it is one of the Internet, or a rule
    /// names it as an address.
    ///
    /// # Errors
    /// It may not.
    pub fn dial(&self, address: IpAddr, port: Port) -> Result<(), Denied> {
        let kind = class(address);
        let wanted = HostPattern::Exact(HostName::Address(address.to_canonical()));
        let named = self.rules.iter().any(|r| r.port == port && r.hosts == wanted);
        if kind == Class::Global || named {
            Ok(())
        } else {
            Err(Denied::Address(kind))
        }
    }

    /// Each of them, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The ports that rules name, as often as they do.
    pub fn ports(&self) -> impl Iterator<Item = Port> {
        self.rules.iter().map(|r| r.port)
    }

    /// The addresses that rules name for a port: those that [`Rules::dial`] lets through whatever their kind.
    #[must_use]
    pub fn addresses(&self, port: Port) -> Vec<IpAddr> {
        let address = |r: &Rule| match &r.hosts {
            HostPattern::Exact(HostName::Address(address)) if r.port == port => Some(*address),
            _ => None,
        };
        self.rules.iter().filter_map(address).collect()
    }

    /// Those for a destination, in the order in which they were given.
    fn of(&self, destination: &Destination) -> impl Iterator<Item = &Rule> {
        let exact = self.exact.get(&destination.host).into_iter().flatten();
        let mut places: Vec<usize> = exact.chain(&self.patterns).copied().collect();
        places.sort_unstable();
        let rules = places.into_iter().filter_map(|n| self.rules.get(n));
        rules.filter(move |r| r.is_for(destination))
    }
}

#[cfg(test)]
mod tests;
