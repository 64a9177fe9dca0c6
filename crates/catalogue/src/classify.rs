//! From a request to the rows it matches.

use crate::condition::{Held, Quantity};
use crate::request::{Reading, Request};
use crate::row::{Catalogue, Row, Service};

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
        let asked = Asked {
            services: self.services_at(&request.host),
            methods: request.methods().collect(),
            paths,
            reading: Reading::of(request),
        };
        for row in self.rows() {
            match asked.judge(row) {
                Held::Yes => found.effects.push(row),
                Held::Unreadable => found.uninspectable.push(row),
                Held::NeedsBody => found.needs_body = true,
                Held::No => {}
            }
        }
        found.effects.sort_by_key(|row| std::cmp::Reverse(row.tier));
        found
    }
}

/// A request, with what every row asks of it found once.
struct Asked<'a> {
    services: Vec<(&'a str, &'a Service)>,
    methods: Vec<&'a str>,
    paths: Vec<Vec<String>>,
    reading: Reading<'a>,
}

impl Asked<'_> {
    fn judge(&self, row: &Row) -> Held {
        let named = |m: &&str| row.methods.iter().any(|r| r.eq_ignore_ascii_case(m));
        let method = row.methods.is_empty() || self.methods.iter().any(named);
        if !method || !self.place(row) {
            return Held::No;
        }
        let held = row.when.holds(&self.reading, Quantity::Any);
        if held == Held::No || row.unless.is_empty() {
            return held;
        }
        match (held, row.unless.holds(&self.reading, Quantity::Every)) {
            (_, Held::Yes) => Held::No,
            (held, Held::NeedsBody) if held != Held::Unreadable => Held::NeedsBody,
            (held, _) => held,
        }
    }

    fn place(&self, row: &Row) -> bool {
        let Some(service) = &row.service else {
            return self.paths.iter().any(|path| row.matches_path(path));
        };
        let Some((_, service)) = self.services.iter().find(|(name, _)| name == service) else {
            return false;
        };
        let mut rests = service.prefixes().iter().flat_map(|prefix| {
            self.paths
                .iter()
                .filter_map(move |path| path.strip_prefix(prefix.as_slice()))
        });
        rests.any(|path| row.matches_path(path))
    }
}
