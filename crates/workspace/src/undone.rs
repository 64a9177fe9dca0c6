//! What the user took back: it is not applied again by itself until the session changes it once more.

use crate::bases::{identity_with, with_identity};
use crate::beneath::Identity;
use crate::changes::Changes;
use crate::error::{At, Result};
use crate::git::Travel;
use crate::record::{self, Line};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// By path: which version the session had; `None`: it had deleted it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    paths: BTreeMap<PathBuf, Option<Identity>>,
    refs: Vec<(String, String)>,
}

impl Undone {
    /// Reads a session's; nothing was taken back if there is no file.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn load(session: &Path) -> Result<Undone> {
        let path = session.join("undone");
        let bytes = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Undone::default()),
            other => other.at("read", &path)?,
        };
        let mut undone = Undone::default();
        for line in record::read("undone", &bytes, &path)? {
            if let Some(path) = line.path_of("path") {
                undone.paths.insert(path, identity_with(&line, ""));
            }
            if let (Some(name), Some(id)) = (line.text("ref"), line.text("id")) {
                undone.refs.push((name.to_owned(), id.to_owned()));
            }
        }
        Ok(undone)
    }

    pub(crate) fn note(&mut self, path: &Path, session_had: Option<Identity>) {
        self.paths.insert(path.to_owned(), session_had);
    }

    pub(crate) fn note_ref(&mut self, name: String, id: String) {
        self.refs.push((name, id));
    }

    pub(crate) fn save(&self, session: &Path) -> Result<()> {
        let path = session.join("undone");
        let paths = self
            .paths
            .iter()
            .map(|(path, identity)| with_identity(Line::default().path("path", path), "", *identity));
        let refs = self
            .refs
            .iter()
            .map(|(name, id)| Line::default().with("ref", name).with("id", id));
        let lines: Vec<Line> = paths.chain(refs).collect();
        record::replace(&path, &record::encode("undone", &lines)).at("write", &path)
    }

    /// Leaves out what was taken back and not changed since; how much that was.
    pub fn leave_out(&self, changes: &mut Changes, travel: Option<&mut Travel>) -> usize {
        let before = changes.list.len();
        changes
            .list
            .retain(|c| self.paths.get(&c.path) != Some(&c.layer.map(|l| l.identity)) || c.is_directory());
        let mut left_out = before - changes.list.len();
        if let Some(travel) = travel {
            let known = |name: &str, id: &str| self.refs.iter().any(|(n, i)| n == name && i == id);
            let count = travel.moves.len() + travel.stash.len();
            travel
                .moves
                .retain(|m| !known(m.name.as_str(), m.to.as_ref().map_or("", |id| id.as_str())));
            travel.stash.retain(|id| !known("refs/stash", id.as_str()));
            let gone = count - travel.moves.len() - travel.stash.len();
            if gone > 0 {
                travel.head = None;
            }
            left_out += gone;
        }
        left_out
    }
}
