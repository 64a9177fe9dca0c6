//! A request's body → what it would have the provider do.

use crate::json::{Listen, Reader, Scalar, Unreadable};
use crate::shape::{Act, FETCH, Kinds, Provider, Shape};
use fumehood_destination::Destination;
use fumehood_policy::value::Port;
use std::collections::VecDeque;

/// The most that is told of one body; more is more of the same.
const MOST: usize = 32;

/// Something that the provider would do, or that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It acts: what it does, at which key, and where to if that is said.
    Acts {
        /// What it does, in words: "fetches a URL".
        what: &'static str,
        /// The keys above, joined by `/`.
        at: String,
        /// Where to.
        host: Option<Destination>,
    },
    /// A kind that the tables do not know.
    Unknown {
        /// The keys above, joined by `/`.
        at: String,
        /// The kind, as far as it is a plain word.
        kind: String,
    },
}

/// Reads one body.
#[derive(Debug)]
pub struct Scanner {
    reader: Reader,
    hearing: Hearing,
}

impl Scanner {
    /// A body of this provider's.
    #[must_use]
    pub fn new(provider: Provider) -> Scanner {
        let hearing = Hearing {
            shape: provider.shape(),
            found: VecDeque::new(),
            model: None,
        };
        Scanner {
            reader: Reader::default(),
            hearing,
        }
    }

    /// Reads some bytes more. What is found in them must be judged before they are sent: without its last
    /// byte a body is none.
    ///
    /// # Errors
    /// It is not JSON in one reading.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Finding>, Unreadable> {
        self.reader.feed(bytes, &mut self.hearing)?;
        Ok(self.hearing.found.drain(..).collect())
    }

    /// There are no more.
    ///
    /// # Errors
    /// It has not ended.
    pub fn end(&mut self) -> Result<Vec<Finding>, Unreadable> {
        self.reader.end(&mut self.hearing)?;
        Ok(self.hearing.found.drain(..).collect())
    }

    /// The model that is asked, where the body says it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.hearing.model.as_deref()
    }
}

#[derive(Debug)]
struct Hearing {
    shape: &'static Shape,
    found: VecDeque<Finding>,
    model: Option<String>,
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shape")
    }
}

/// Without `_` and case.
fn plain(key: &str) -> String {
    key.chars()
        .filter(|c| *c != '_')
        .collect::<String>()
        .to_ascii_lowercase()
}

fn joined(path: &[String]) -> String {
    path.join("/")
}

impl Shape {
    /// The keys above in plain spelling, without those that wrap all.
    fn path(&self, path: &[String]) -> Vec<String> {
        let mut keys: Vec<String> = path.iter().map(|k| plain(k)).collect();
        if !self.wrapper.is_empty() && keys.first().is_some_and(|first| first == self.wrapper) {
            keys.remove(0);
        }
        keys
    }
}

/// Whether a path is a place, or below it.
fn is_at(place: &str, path: &[String], below: bool) -> bool {
    let wanted: Vec<String> = place.split('/').map(plain).collect();
    if wanted.first().is_some_and(|w| w == "**") {
        return path.ends_with(&wanted[1..]);
    }
    if below {
        path.starts_with(&wanted)
    } else {
        path == wanted
    }
}

fn word_fits(wanted: &str, word: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(beginning) => word.starts_with(beginning),
        None => wanted == word,
    }
}

impl Kinds {
    /// None: harmless. A word that is not in the table is unknown.
    fn judge(&self, word: &str) -> Option<Result<Act, ()>> {
        if let Some((_, act)) = self.acts.iter().find(|(w, _)| word_fits(w, word)) {
            return Some(Ok(act));
        }
        (!self.harmless.iter().any(|w| word_fits(w, word))).then_some(Err(()))
    }
}

impl Hearing {
    fn find(&mut self, finding: Finding) {
        if self.found.len() < MOST {
            self.found.push_back(finding);
        }
    }

    fn judged(&mut self, kinds: &Kinds, at: String, word: &str, shown: &str) {
        match kinds.judge(word) {
            None => {}
            Some(Ok(what)) => self.find(Finding::Acts { what, at, host: None }),
            Some(Err(())) => {
                let kind: String = shown.chars().filter(char::is_ascii_graphic).take(64).collect();
                self.find(Finding::Unknown { at, kind });
            }
        }
    }

    fn is_opaque(&self, path: &[String]) -> bool {
        self.shape.opaque.iter().any(|place| is_at(place, path, true))
    }
}

impl Listen for Hearing {
    fn key(&mut self, path: &[String], key: &str) {
        let above = self.shape.path(path);
        let word = plain(key);
        let mut here = above.clone();
        here.push(word.clone());
        if self.is_opaque(&here) {
            return;
        }
        let at = joined(&[path, &[key.to_owned()]].concat());
        for kinds in self.shape.keyed.iter().filter(|k| is_at(k.at, &above, false)) {
            self.judged(kinds, at.clone(), &word, key);
        }
        let whole = here.join("/");
        let is_this = |name: &str| {
            if name.contains('/') {
                name == whole
            } else {
                name == word
            }
        };
        let act = self.shape.acts.iter().find(|(name, _)| is_this(name));
        if let Some((_, what)) = act {
            self.find(Finding::Acts { what, at, host: None });
        }
    }

    fn scalar(&mut self, path: &[String], scalar: &Scalar<'_>) {
        let Scalar::Text(text, whole) = scalar else { return };
        let here = self.shape.path(path);
        if self.model.is_none() && here == ["model"] && *whole {
            self.model = Some((*text).chars().take(64).collect());
        }
        if self.is_opaque(&here) {
            return;
        }
        for kinds in self.shape.kinds.iter().filter(|k| is_at(k.at, &here, false)) {
            self.judged(kinds, joined(path), text, text);
        }
        let is_one_of = |keys: &[&str]| here.last().is_some_and(|key| keys.contains(&key.as_str()));
        let is_url = is_one_of(self.shape.urls) && !text.starts_with("data:");
        if is_url || (!is_one_of(self.shape.texts) && is_fetched(text)) {
            self.find(Finding::Acts {
                what: FETCH,
                at: joined(path),
                host: host(text),
            });
        }
    }
}

/// A reference with a scheme, other than one that carries its content within. Spaces and control characters
/// in front are what URL parsers read past (WHATWG URL §4.4).
fn is_fetched(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c <= ' ');
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let named = !scheme.is_empty()
        && scheme.len() <= 20
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.\t\n\r".contains(&b));
    named
        && (rest.starts_with("//") || rest.starts_with("\\") || rest.starts_with("/\\"))
        && !scheme.eq_ignore_ascii_case("data")
}

/// The destination that a plain URL names; of any other spelling, none.
fn host(text: &str) -> Option<Destination> {
    let (scheme, rest) = text.split_once("://")?;
    let port = match scheme {
        "https" => Port::new(443),
        "http" => Port::new(80),
        _ => return None,
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    Destination::authority(&rest.as_bytes()[..end], port).ok()
}

#[cfg(test)]
mod tests;
