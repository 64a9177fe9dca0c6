//! What the host had at a path after our own last step there. Where nothing is noted, the base of a
//! change is the host's file as it was when the session copied it up.

use crate::beneath::{Facts, Identity};
use crate::error::{At, Result};
use crate::record::{self, Line};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// By path: which version the host had, `None` if no file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bases(BTreeMap<PathBuf, Option<Identity>>);

impl Bases {
    /// Reads a session's; none were noted if there is no file.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub(crate) fn load(session: &Path) -> Result<Bases> {
        let path = session.join("bases");
        let bytes = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Bases::default()),
            other => other.at("read", &path)?,
        };
        let lines = record::read("bases", &bytes, &path)?;
        Ok(Bases(
            lines
                .iter()
                .filter_map(|l| Some((l.path_of("path")?, identity_of(l))))
                .collect(),
        ))
    }

    pub(crate) fn save(&self, session: &Path) -> Result<()> {
        let path = session.join("bases");
        let line = |(path, identity): (&PathBuf, &Option<Identity>)| {
            with_identity(Line::default().path("path", path), "", *identity)
        };
        let lines: Vec<Line> = self.0.iter().map(line).collect();
        record::replace(&path, &record::encode("bases", &lines)).at("write", &path)
    }

    pub(crate) fn note(&mut self, path: &Path, now: Option<Identity>) {
        self.0.insert(path.to_owned(), now);
    }

    /// Whether the host's file was changed by somebody else since the session took it as its base.
    /// `taken` is when that was, for paths that nothing is noted of.
    pub(crate) fn moved_on(&self, path: &Path, host: Option<&Facts>, taken: Option<(i64, u32)>) -> bool {
        match (self.0.get(path), host, taken) {
            (Some(base), host, _) => *base != host.map(|h| h.identity),
            (None, Some(host), Some(taken)) => host.identity.changed > taken,
            (None, None, _) => false,
            // A filesystem without birth times cannot tell: say so rather than overwrite.
            (None, Some(_), None) => true,
        }
    }
}

pub(crate) fn with_identity(line: Line, prefix: &str, identity: Option<Identity>) -> Line {
    match identity {
        None => line,
        Some(i) => line
            .number(&format!("{prefix}inode"), i.inode)
            .number(&format!("{prefix}changed"), i.changed.0)
            .number(&format!("{prefix}nanos"), i.changed.1),
    }
}

fn identity_of(line: &Line) -> Option<Identity> {
    identity_with(line, "")
}

pub(crate) fn identity_with(line: &Line, prefix: &str) -> Option<Identity> {
    Some(Identity {
        inode: line.parsed(&format!("{prefix}inode"))?,
        changed: (
            line.parsed(&format!("{prefix}changed"))?,
            line.parsed(&format!("{prefix}nanos"))?,
        ),
    })
}
