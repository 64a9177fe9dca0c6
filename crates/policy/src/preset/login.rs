//! A login of an agent: a JSON file of the user's, with tokens that are renewed while it works (OAuth, RFC 6749).

use super::model::words;
use crate::config::{Allow, Fields, Method, Node, UrlPattern};
use crate::value::{HostPort, PathTemplate};

/// Where its tokens lie, where they go, and who mints new ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// The file.
    pub file: PathTemplate,
    /// Where in it the access token is: keys joined by `.`.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// A token that says who it is, and is sent nowhere.
    pub identity: Option<String>,
    /// When the access token ends: milliseconds since 1970.
    pub expires: Option<String>,
    /// When it was minted: RFC 3339.
    pub renewed: Option<String>,
    /// What of the file is shown inside besides: it must hold no token.
    pub keep: Vec<String>,
    /// Hosts of the token endpoint.
    pub issuers: Vec<HostPort>,
    /// Its path.
    pub path: UrlPattern,
    /// Hosts that the access token is for.
    pub hosts: Vec<HostPort>,
    /// Paths of theirs; empty for all.
    pub paths: Vec<UrlPattern>,
}

impl Login {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let file = f.need("file", "the file of the login", Node::parse);
            let access = key(f, "access");
            let refresh = key(f, "refresh");
            let (identity, expires, renewed) = (
                optional(f, "identity"),
                optional(f, "expires"),
                optional(f, "renewed"),
            );
            let keep = words(f, "keep");
            let issuers = f.need("issuers", "the hosts that mint its tokens", Node::texts);
            let path = f.need("path", "the token endpoint", Node::parse);
            let hosts = f.need("hosts", "the hosts that the access token is for", Node::texts);
            let paths = f.get("paths", Node::texts).unwrap_or_default();
            let list = |all: Vec<crate::origin::At<HostPort>>| all.into_iter().map(|at| at.value).collect();
            Some(Self {
                file: file?.value,
                access: access?,
                refresh: refresh?,
                identity,
                expires,
                renewed,
                keep,
                issuers: list(issuers?.value),
                path: path?.value,
                hosts: list(hosts?.value),
                paths: paths.into_iter().map(|at| at.value).collect(),
            })
        })
    }

    /// What must be allowed for the login to work: its hosts, and of the issuers the token endpoint.
    #[must_use]
    pub fn allows(&self) -> Vec<Allow> {
        let to = |host: &HostPort| Allow {
            paths: self.paths.clone(),
            ..Allow::endpoint(host.clone())
        };
        let mint = |host: &HostPort| Allow {
            methods: vec![Method::Post],
            paths: vec![self.path.clone()],
            ..Allow::host(host.clone())
        };
        let hosts = self.hosts.iter().map(to);
        hosts.chain(self.issuers.iter().map(mint)).collect()
    }
}

fn key(f: &mut Fields<'_>, name: &'static str) -> Option<String> {
    let text = f.need(name, "keys joined by `.`", |n| n.text().map(str::to_owned));
    text.map(|at| at.value)
}

fn optional(f: &mut Fields<'_>, name: &'static str) -> Option<String> {
    f.get(name, |n| n.text().map(str::to_owned))
}
