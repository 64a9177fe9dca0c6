//! `[network]` and `[secret.NAME]`.

use std::fmt;
use std::str::FromStr;

use regex_lite::Regex;

use super::Node;
use crate::origin::At;
use crate::value::{HostPort, Invalid, PathTemplate, Place, Port, SecretSource, Word};

/// `[network]`: what may be reached and what is published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Ports inside that a browser outside may open.
    pub publish: Vec<At<Port>>,
    /// Ports of the host's loopback that appear inside.
    pub host: Vec<At<Port>>,
    /// The same, for ports through which programs of the host are controlled.
    pub control: Vec<At<Port>>,
    /// Hosts that may be reached.
    pub allow: Vec<At<Allow>>,
}

impl Network {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            Some(Self {
                publish: f.get("publish", |n| n.list(Node::amount)).unwrap_or_default(),
                host: f.get("host", |n| n.list(Node::amount)).unwrap_or_default(),
                control: f.get("control", |n| n.list(Node::amount)).unwrap_or_default(),
                allow: f.get("allow", |n| n.list(Allow::decode)).unwrap_or_default(),
            })
        })
    }
}

/// One allowed host: `"host"`, `"host:port"`, or a table that narrows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// Which hosts and port.
    pub host: HostPort,
    /// Methods; empty means those that only read.
    pub methods: Vec<Method>,
    /// Paths; empty means every path.
    pub paths: Vec<UrlPattern>,
    /// Query keys that a request must have, each of its values one of these. Sorted.
    pub query: Vec<(String, Vec<String>)>,
    /// Header fields, likewise; names in lower case.
    pub headers: Vec<(String, Vec<String>)>,
    /// Whether bytes pass unread.
    pub tunnel: bool,
}

impl Allow {
    /// A host and nothing that narrows it: `--allow HOST`, and what presets name.
    pub fn host(host: HostPort) -> Self {
        Self {
            host,
            methods: Vec::new(),
            paths: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            tunnel: false,
        }
    }

    /// A model's endpoint, as the presets of agents name it.
    pub fn endpoint(host: HostPort) -> Self {
        Self {
            methods: vec![Method::Get, Method::Head, Method::Options, Method::Post],
            ..Self::host(host)
        }
    }

    /// Whether it names a host and nothing else.
    pub fn says_nothing(&self) -> bool {
        self.methods.is_empty()
            && self.paths.is_empty()
            && self.query.is_empty()
            && self.headers.is_empty()
            && !self.tunnel
    }

    fn decode(node: &Node<'_>) -> Option<Self> {
        if node.is_text() {
            return node.parse().map(Self::host);
        }
        node.table(|f| {
            let host = f.need("host", "name the host, such as \"api.example.com\"", Node::parse);
            let port = f.get("port", Node::amount);
            let methods = f.get("methods", |n| {
                n.one_or_more(|m| m.text().and_then(|t| m.check(Method::from_word(t))))
            });
            let paths = f.get("paths", |n| n.one_or_more(Node::parse));
            let query = f.get("query", wanted_values::<QueryKey>);
            let headers = f.get("headers", wanted_values::<FieldName>);
            let tunnel = f.get("tunnel", Node::flag).unwrap_or(false);
            let narrowed = methods.is_some() || paths.is_some() || query.is_some() || headers.is_some();
            if tunnel && narrowed {
                f.error(
                    "`tunnel` passes bytes unread, so `methods`, `paths`, `query` and `headers` can never match",
                    "keep one of them",
                );
            }
            let mut host: HostPort = host?.value;
            if host.port.is_some() && port.is_some() {
                f.error("the port is given twice", "keep `port`");
            }
            host.port = host.port.or(port);
            Some(Self {
                host,
                methods: values(methods.unwrap_or_default()),
                paths: values(paths.unwrap_or_default()),
                query: query.unwrap_or_default(),
                headers: headers.unwrap_or_default(),
                tunnel,
            })
        })
    }
}

/// `{ key = "value", other = ["one", "two"] }`.
fn wanted_values<K>(node: &Node<'_>) -> Option<Vec<(String, Vec<String>)>>
where
    K: FromStr<Err = Invalid> + Into<String>,
{
    let texts = |n: &Node<'_>| n.one_or_more(|t| t.text().map(str::to_owned));
    let found = node.entries::<K, _>(texts)?;
    let values = |list: Vec<At<String>>| list.into_iter().map(|v| v.value).collect();
    let mut found: Vec<_> = found
        .into_iter()
        .map(|(k, v)| (k.value.into(), values(v)))
        .collect();
    found.sort();
    Some(found)
}

/// A key of a query, decoded.
struct QueryKey(String);

impl FromStr for QueryKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let plain = !text.is_empty() && !text.chars().any(char::is_control);
        plain
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| Invalid::not(text, "a query key", "write it decoded, such as \"service\""))
    }
}

impl From<QueryKey> for String {
    fn from(key: QueryKey) -> Self {
        key.0
    }
}

/// The name of a header field: a token (RFC 9110 §5.6.2), in lower case.
struct FieldName(String);

impl FromStr for FieldName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let valid = !text.is_empty() && text.bytes().all(token);
        valid
            .then(|| Self(text.to_ascii_lowercase()))
            .ok_or_else(|| Invalid::not(text, "a header field", "such as \"x-api-version\""))
    }
}

impl From<FieldName> for String {
    fn from(name: FieldName) -> Self {
        name.0
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        if self.tunnel {
            return f.write_str(", bytes unread");
        }
        let methods: Vec<&str> = self.methods.iter().map(|m| m.word()).collect();
        let mut words = if methods.is_empty() {
            vec!["reading only".to_owned()]
        } else {
            vec![methods.join(" ")]
        };
        let paths: Vec<String> = self.paths.iter().map(ToString::to_string).collect();
        if !paths.is_empty() {
            let sep = if methods.is_empty() { ", " } else { " " };
            words = vec![format!("{}{sep}{}", words.concat(), paths.join(" "))];
        }
        let pairs = self.query.iter().chain(&self.headers);
        words.extend(pairs.map(|(k, v)| {
            let escaped = |t: &str| crate::Escaped::from(t).to_string();
            let values: Vec<String> = v.iter().map(|v| escaped(v)).collect();
            format!("{}={}", escaped(k), values.join("|"))
        }));
        words.iter().try_for_each(|word| write!(f, ", {word}"))
    }
}

macro_rules! methods {
    ($($name:ident = $word:literal),+ $(,)?) => {
        /// A request method of HTTP (RFC 9110 §9, RFC 5789).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are the standard's own")]
        pub enum Method { $($name),+ }

        impl Word for Method {
            const KIND: &'static str = "a request method";
            const ALL: &'static [(&'static str, Self)] = &[$(($word, Self::$name)),+];
        }
    };
}

methods!(
    Get = "GET",
    Head = "HEAD",
    Options = "OPTIONS",
    Post = "POST",
    Put = "PUT",
    Patch = "PATCH",
    Delete = "DELETE"
);

/// A pattern of URL paths: `/v1/**`. `*` stays inside one segment, `**` is any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPattern(crate::glob::Glob);

impl UrlPattern {
    /// The pattern below the leading `/`.
    pub fn glob(&self) -> &crate::glob::Glob {
        &self.0
    }
}

impl FromStr for UrlPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let rest = text.strip_prefix('/').filter(|_| !text.contains(['?', '#', '%']));
        let rest = rest.ok_or_else(|| {
            Invalid::not(
                text,
                "a pattern of URL paths",
                "begin with `/`, such as \"/v1/**\", decoded, without query",
            )
        })?;
        rest.parse().map(Self)
    }
}

impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

/// `[secret.NAME]`: a credential that is added outside, after a request has left the box.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Where its value lies.
    pub from: SecretSource,
    /// Requests to these hosts may carry it.
    pub hosts: Vec<HostPort>,
    /// Only with these methods; empty means any that the host's rule allows.
    pub methods: Vec<Method>,
    /// Only to these paths; empty means any that the host's rule allows.
    pub paths: Vec<UrlPattern>,
    /// Only in these places; never empty.
    pub places: Vec<Place>,
    /// A value that this does not match is refused.
    pub require: Option<Regex>,
    /// A file inside that programs read it from.
    pub file: Option<SecretFile>,
}

/// A file inside, read-only, with a placeholder in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// Where.
    pub path: PathTemplate,
    /// Its text; `{}` stands for the placeholder.
    pub text: String,
}

/// What stands for the placeholder in [`SecretFile::text`].
const HERE: &str = "{}";

impl SecretFile {
    /// The file's content.
    #[must_use]
    pub fn content(&self, placeholder: &str) -> String {
        self.text.replace(HERE, placeholder)
    }
}

impl Secret {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let from = f.need(
                "from",
                "store:NAME, env:NAME, file:PATH, keyring:SERVICE, op://… or cmd:COMMAND",
                Node::parse,
            );
            let hosts = f.need("for", "name the host that it is for", |n| {
                n.one_or_more(Node::parse)
            });
            let methods = f.get("methods", |n| {
                n.one_or_more(|m| m.text().and_then(|t| m.check(Method::from_word(t))))
            });
            let paths = f.get("paths", |n| n.one_or_more(Node::parse));
            let places = f.get("place", |n| n.one_or_more(Node::parse));
            let require = f.get("require", regex);
            let file = f.get("file", Node::parse);
            let text = f.get("text", |n| n.text().map(str::to_owned));
            if text.is_some() && file.is_none() {
                f.error(
                    "`text` is what a file holds, and `file` names none",
                    "add `file`, or remove `text`",
                );
            }
            if text.as_ref().is_some_and(|t| !t.contains(HERE)) {
                f.error(
                    "`text` has no place for the placeholder",
                    "write `{}` where it stands",
                );
            }
            Some(Self {
                from: from?.value,
                hosts: values(hosts?.value),
                methods: values(methods.unwrap_or_default()),
                paths: values(paths.unwrap_or_default()),
                places: places.map_or_else(|| vec![Place::Header], values),
                require,
                file: file.map(|path| SecretFile {
                    path,
                    text: text.unwrap_or_else(|| HERE.to_owned()),
                }),
            })
        })
    }
}

fn values<T>(list: Vec<At<T>>) -> Vec<T> {
    list.into_iter().map(|at| at.value).collect()
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let text = |s: &Self| s.require.as_ref().map(|r| r.as_str().to_owned());
        let rest = |s: &Self| {
            (
                s.hosts.clone(),
                s.methods.clone(),
                s.paths.clone(),
                s.places.clone(),
                s.file.clone(),
            )
        };
        self.from == other.from && rest(self) == rest(other) && text(self) == text(other)
    }
}

/// Long enough for every token format; the engine's memory is bounded by its own limit.
const MAX_REGEX: usize = 500;

fn regex(node: &Node<'_>) -> Option<Regex> {
    let text = node.text()?;
    let compiled = (text.len() <= MAX_REGEX).then(|| Regex::new(text).ok()).flatten();
    if compiled.is_none() {
        node.error(
            "not a regular expression that is understood here",
            "such as \"^sk_test_\"",
        );
    }
    compiled
}
