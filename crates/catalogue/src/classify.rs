//! From a request to the rows it matches.

use crate::condition::{Held, Quantity};
use crate::request::Request;
use crate::row::{Catalogue, Row};

/// What a request is.
#[derive(Clone, Debug, Default)]
pub struct Classified<'a> {
    /// Rows that match, the gravest first. Empty: no row of the catalogue.
    pub effects: Vec<&'a Row>,
    /// Rows whose condition could not be seen: to be held as if they matched.
    pub uninspectable: Vec<&'a Row>,
    /// Whether the body has to be read before this is the answer.
    pub needs_body: bool,
    /// Whether the path walks up (`..`): it has no one meaning and must be refused.
    pub ambiguous_path: bool,
}

impl Classified<'_> {
    /// Whether nothing in the catalogue speaks against it.
    pub fn flies(&self) -> bool {
        self.effects.is_empty() && self.uninspectable.is_empty() && !self.needs_body && !self.ambiguous_path
    }
}

impl Catalogue {
    /// Classifies a request. Pure; linear in the rows, none of which takes more than the body's length.
    pub fn classify(&self, request: &Request) -> Classified<'_> {
        let mut found = Classified::default();
        let Some(paths) = request.segments() else {
            found.ambiguous_path = true;
            return found;
        };
        for row in self.rows() {
            match self.judge(row, request, &paths) {
                Held::Yes => found.effects.push(row),
                Held::Unreadable => found.uninspectable.push(row),
                Held::NeedsBody => found.needs_body = true,
                Held::No => {}
            }
        }
        found.effects.sort_by_key(|row| std::cmp::Reverse(row.tier));
        found
    }

    fn judge(&self, row: &Row, request: &Request, paths: &[Vec<String>; 2]) -> Held {
        let method = row.methods.is_empty()
            || request
                .methods()
                .any(|m| row.methods.iter().any(|r| r.eq_ignore_ascii_case(m)));
        if !method || !self.place(row, &request.host, paths) {
            return Held::No;
        }
        let held = row.when.holds(request, Quantity::Any);
        if held == Held::No || row.unless.is_empty() {
            return held;
        }
        match (held, row.unless.holds(request, Quantity::Every)) {
            (_, Held::Yes) => Held::No,
            (held, Held::NeedsBody) if held != Held::Unreadable => Held::NeedsBody,
            (held, _) => held,
        }
    }

    fn place(&self, row: &Row, host: &str, paths: &[Vec<String>; 2]) -> bool {
        let Some(service) = &row.service else {
            return paths.iter().any(|path| row.matches_path(path));
        };
        let Some(service) = self.service(service).filter(|s| s.has(host)) else {
            return false;
        };
        let mut rests = service.prefixes().flat_map(|prefix| {
            paths
                .iter()
                .filter_map(move |path| path.strip_prefix(prefix.as_slice()))
        });
        rests.any(|path| row.matches_path(path))
    }
}
