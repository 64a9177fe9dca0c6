//! The table: rows and services, read from TOML.

use crate::condition::Condition;
use crate::pattern::{PathPattern, Word};
use serde::Deserialize;
use std::collections::BTreeMap;

/// How grave an effect is. Ordered: the last is the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Can be undone with effort, or is seen by few.
    Medium,
    /// Hard to undo, or seen by many.
    High,
    /// Cannot be undone.
    Critical,
}

/// One wire signature.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// A name, unique in the catalogue: `github.pull.merge`.
    pub id: String,
    /// What it does, for the one who approves: "merges a pull request".
    pub what: String,
    /// The effect's kind: `forge.pull.merge`.
    pub effect: String,
    /// How grave.
    pub tier: Tier,
    /// The service, whose hosts are in [`Catalogue::set_hosts`]; none is any host.
    #[serde(default)]
    pub service: Option<String>,
    #[serde(default)]
    pub(crate) methods: Vec<String>,
    pub(crate) paths: Vec<String>,
    #[serde(default)]
    pub(crate) when: Condition,
    #[serde(default)]
    pub(crate) unless: Condition,
    /// Requests that must match, in the notation of [`crate::parse_example`].
    pub hold: Vec<String>,
    /// Requests near to it that must match no row.
    pub fly: Vec<String>,
    #[serde(skip)]
    patterns: Vec<PathPattern>,
}

impl Row {
    pub(crate) fn matches_path(&self, path: &[String]) -> bool {
        self.patterns.iter().any(|p| p.matches(path))
    }
}

/// Where a service is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    hosts: Vec<String>,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(skip)]
    words: Vec<Word>,
    /// Of `prefixes`, and the empty one.
    #[serde(skip)]
    before: Vec<Vec<String>>,
}

impl Service {
    pub(crate) fn has(&self, host: &str) -> bool {
        self.words.iter().any(|w| w.matches(host))
    }

    /// What paths begin with, segment by segment.
    pub(crate) fn prefixes(&self) -> &[Vec<String>] {
        &self.before
    }

    fn compile(&mut self) {
        self.words = self.hosts.iter().map(|h| Word::new(h)).collect();
        let cut = |p: &String| {
            p.split('/')
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect()
        };
        self.before = std::iter::once(Vec::new())
            .chain(self.prefixes.iter().map(cut))
            .collect();
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    service: BTreeMap<String, Service>,
    #[serde(default)]
    row: Vec<Row>,
}

/// Why a catalogue is not one.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It is not TOML of the documented form; the text has line and column.
    #[error("{file}: {source}")]
    Form {
        /// The file's name.
        file: String,
        /// What is wrong.
        source: Box<toml::de::Error>,
    },
    /// Two rows of one name.
    #[error("{file}: the row `{id}` is there twice")]
    Twice {
        /// The file's name.
        file: String,
        /// The row.
        id: String,
    },
    /// A row names a service that no file has.
    #[error("{file}: the row `{id}` names a service that does not exist: `{service}`")]
    NoService {
        /// The file's name.
        file: String,
        /// The row.
        id: String,
        /// The service.
        service: String,
    },
    /// Hosts were given for a service that no file has.
    #[error("no row of the catalogue is about a service named `{0}`")]
    UnknownService(String),
}

/// The whole table.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    rows: Vec<Row>,
    services: BTreeMap<String, Service>,
}

/// The shipped files.
const SHIPPED: [(&str, &str); 5] = [
    ("forge.toml", include_str!("../../../catalogue/forge.toml")),
    ("packages.toml", include_str!("../../../catalogue/packages.toml")),
    ("cluster.toml", include_str!("../../../catalogue/cluster.toml")),
    ("cloud.toml", include_str!("../../../catalogue/cloud.toml")),
    ("services.toml", include_str!("../../../catalogue/services.toml")),
];

impl Catalogue {
    /// The shipped table.
    ///
    /// # Errors
    /// None in a build whose tests passed.
    pub fn shipped() -> Result<Catalogue, CatalogueError> {
        Catalogue::parse(&SHIPPED)
    }

    /// A table from files (name, text).
    ///
    /// # Errors
    /// A file is not of the documented form.
    pub fn parse(files: &[(&str, &str)]) -> Result<Catalogue, CatalogueError> {
        let mut all = Catalogue::default();
        let mut origin = Vec::new();
        for (name, text) in files {
            let mut file: File = toml::from_str(text).map_err(|source| CatalogueError::Form {
                file: (*name).to_owned(),
                source: Box::new(source),
            })?;
            file.service.values_mut().for_each(Service::compile);
            all.services.extend(file.service);
            for mut row in file.row {
                row.patterns = row.paths.iter().flat_map(|p| PathPattern::all(p)).collect();
                origin.push(*name);
                all.rows.push(row);
            }
        }
        all.check(&origin)?;
        Ok(all)
    }

    fn check(&self, origin: &[&str]) -> Result<(), CatalogueError> {
        let mut seen = std::collections::BTreeSet::new();
        for (row, file) in self.rows.iter().zip(origin) {
            let (file, id) = ((*file).to_owned(), row.id.clone());
            if !seen.insert(&row.id) {
                return Err(CatalogueError::Twice { file, id });
            }
            if let Some(service) = row.service.clone().filter(|s| !self.services.contains_key(s)) {
                return Err(CatalogueError::NoService { file, id, service });
            }
        }
        Ok(())
    }

    /// Adds hosts to a service: a company's own forge, a mirror.
    ///
    /// # Errors
    /// No row is about it.
    pub fn set_hosts(&mut self, service: &str, hosts: &[String]) -> Result<(), CatalogueError> {
        let known = self
            .services
            .get_mut(service)
            .ok_or_else(|| CatalogueError::UnknownService(service.to_owned()))?;
        known.hosts.extend_from_slice(hosts);
        known.compile();
        Ok(())
    }

    /// Names of all services, for `[services]`.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(String::as_str)
    }

    /// Every row, in the files' order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether a row about effects whose names begin so is about this very host.
    pub fn knows_there(&self, host: &str, effects: &str) -> bool {
        let of = |row: &&Row| row.effect.starts_with(effects);
        let mut services = self.rows.iter().filter(of).filter_map(|row| row.service.as_ref());
        services.any(|name| self.service(name).is_some_and(|s| s.has(host)))
    }

    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name)
    }

    /// Services that are at this host, by name.
    pub(crate) fn services_at(&self, host: &str) -> Vec<(&str, &Service)> {
        let named = self
            .services
            .iter()
            .map(|(name, service)| (name.as_str(), service));
        named.filter(|(_, service)| service.has(host)).collect()
    }
}
