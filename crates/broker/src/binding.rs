//! Where a credential may go.

use crate::denied::Denied;
use fumehood_destination::{Destination, RequestPath};
use fumehood_http::{RequestHead, Scheme};
use fumehood_policy::config::{self, UrlPattern};
use fumehood_policy::glob::GlobSet;
use fumehood_policy::value::{EnvName, HostName, HostPattern, HostPort, Place, Port, Word};

/// The port of a host that names none.
const HTTPS: u16 = 443;

/// Hosts, methods, paths and places.
#[derive(Debug)]
pub struct Binding {
    hosts: Vec<(HostPattern, u16)>,
    methods: Vec<&'static str>,
    paths: Option<GlobSet>,
    places: Vec<Place>,
    minted: bool,
}

/// Where a placeholder was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// In the value of a field; the second says whether it is the whole of a bearer token.
    Field(&'a str, bool),
    /// Within `Authorization: Basic`.
    Basic,
    /// The value of a query key.
    Query(&'a str),
    /// In a JSON body under this key.
    Json(&'a str),
    /// In a form body under this key.
    Form(&'a str),
    /// As a key id of AWS; the credential is its secret key.
    Aws,
    /// Anywhere else.
    Elsewhere,
}

impl Binding {
    /// As configured.
    #[must_use]
    pub fn new(secret: &config::Secret) -> Binding {
        let globs = |paths: &[UrlPattern]| GlobSet::new(paths.iter().map(|p| p.glob().clone()));
        Binding {
            methods: secret.methods.iter().map(|m| m.word()).collect(),
            paths: (!secret.paths.is_empty()).then(|| globs(&secret.paths)),
            places: secret.places.clone(),
            ..Binding::to(&secret.hosts)
        }
    }

    /// Any request to these hosts, in any header field.
    #[must_use]
    pub fn to(hosts: &[HostPort]) -> Binding {
        let host = |h: &HostPort| (h.host.clone(), h.port.map_or(HTTPS, Port::get));
        Binding {
            hosts: hosts.iter().map(host).collect(),
            methods: Vec::new(),
            paths: None,
            places: vec![Place::Header],
            minted: false,
        }
    }

    /// Of a login's token: only to these hosts and paths, in these places.
    pub(crate) fn login(hosts: &[HostPort], paths: &[UrlPattern], places: &[Place]) -> Binding {
        let globs = || GlobSet::new(paths.iter().map(|p| p.glob().clone()));
        Binding {
            paths: (!paths.is_empty()).then(globs),
            places: places.to_vec(),
            ..Binding::to(hosts)
        }
    }

    /// Of a token that came back in this field from a host which these are for.
    pub(crate) fn minted<'b>(from: impl Iterator<Item = &'b Binding>, field: &str) -> Binding {
        let mut hosts: Vec<(HostPattern, u16)> = Vec::new();
        for host in from.flat_map(|b| &b.hosts) {
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
        let named = |place: fn(String) -> Place| place(field.to_owned());
        Binding {
            hosts,
            methods: Vec::new(),
            paths: None,
            places: vec![
                Place::Header,
                named(Place::Query),
                named(Place::Json),
                named(Place::Form),
            ],
            minted: true,
        }
    }

    /// Whether it is of a token that came back.
    pub(crate) fn is_minted(&self) -> bool {
        self.minted
    }

    /// Whether requests there may carry it at all.
    #[must_use]
    pub fn covers(&self, destination: &Destination) -> bool {
        let same = |(host, port): &(HostPattern, u16)| {
            *port == destination.port.get() && host.matches(&destination.host)
        };
        self.hosts.iter().any(same)
    }

    /// The secret that holds the key id, if this one signs requests for AWS.
    pub(crate) fn aws_key_id(&self) -> Option<&EnvName> {
        self.places.iter().find_map(|place| match place {
            Place::Aws(name) => Some(name),
            _ => None,
        })
    }

    /// Whether it may stand in a body.
    pub(crate) fn has_body_place(&self) -> bool {
        self.places
            .iter()
            .any(|p| matches!(p, Place::Json(_) | Place::Form(_)))
    }

    /// Whether this request may carry it, there.
    pub(crate) fn check(&self, name: &str, head: &RequestHead, seen: Seen<'_>) -> Result<(), Denied> {
        let name = || name.to_owned();
        if !self.covers(&head.destination) {
            return Err(Denied::Host(name(), head.destination.to_string()));
        }
        if head.scheme != Scheme::Https && !is_loopback(&head.destination) {
            return Err(Denied::Clear(name()));
        }
        if !self.methods.is_empty() && !self.methods.contains(&head.method.as_str()) {
            return Err(Denied::Method(name(), head.method.clone()));
        }
        if self.paths.as_ref().is_some_and(|set| !matches(set, &head.target)) {
            return Err(Denied::Path(name()));
        }
        let fits = self.places.iter().any(|place| fits(place, seen));
        fits.then_some(())
            .ok_or_else(|| Denied::Place(name(), seen.words()))
    }
}

/// A service of this machine, named by policy: nobody listens in between.
fn is_loopback(destination: &Destination) -> bool {
    match &destination.host {
        HostName::Address(address) => address.is_loopback(),
        HostName::Name(name) => name == "localhost",
    }
}

fn matches(set: &GlobSet, target: &str) -> bool {
    let Ok(path) = RequestPath::parse(target.as_bytes()) else {
        return false;
    };
    if path.is_ambiguous() {
        return false;
    }
    let end = path
        .segments()
        .fold(set.root(), |cursor, segment| cursor.enter(segment));
    end.is_match()
}

fn fits(place: &Place, seen: Seen<'_>) -> bool {
    match (place, seen) {
        (Place::Header, Seen::Field(..) | Seen::Basic)
        | (Place::Basic, Seen::Basic)
        | (Place::Aws(_), Seen::Aws) => true,
        (Place::Field(name), Seen::Field(field, _)) => field.eq_ignore_ascii_case(name),
        (Place::Field(name), Seen::Basic) => name == "authorization",
        (Place::Bearer, Seen::Field(_, bearer)) => bearer,
        (Place::Query(key), Seen::Query(seen))
        | (Place::Json(key), Seen::Json(seen))
        | (Place::Form(key), Seen::Form(seen)) => key == seen,
        _ => false,
    }
}

impl Seen<'_> {
    fn words(self) -> String {
        let escaped = |text: &str| fumehood_policy::Escaped::from(text).at_most(80).to_string();
        match self {
            Seen::Field(name, _) => format!("header:{}", escaped(&name.to_ascii_lowercase())),
            Seen::Basic => "basic".to_owned(),
            Seen::Query(key) => format!("query:{}", escaped(key)),
            Seen::Json(key) => format!("json:{}", escaped(key)),
            Seen::Form(key) => format!("form:{}", escaped(key)),
            Seen::Aws => "an AWS signature".to_owned(),
            Seen::Elsewhere => "a place that no credential may stand in".to_owned(),
        }
    }
}
