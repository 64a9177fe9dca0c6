//! What a session was called: a record beside the others, only where it was given a name, labels or a process
//! of its own.

use crate::error::{At, Error, Result};
use crate::record::{self, Line};
use std::io::ErrorKind;
use std::path::Path;

/// What a session was called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Title {
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// Its name in the log, under which what it printed is kept.
    pub log: String,
}

/// Keeps it in the session's folder, instead of what is there.
///
/// # Errors
/// It cannot be written.
pub fn entitle(session: &Path, title: &Title) -> Result<()> {
    let mut first = Line::default().with("log", &title.log);
    if let Some(name) = &title.name {
        first = first.with("name", name);
    }
    let labels = title.labels.iter();
    let labels = labels.map(|(key, value)| Line::default().with("label", key).with("value", value));
    let lines: Vec<Line> = std::iter::once(first).chain(labels).collect();
    let path = session.join("title");
    let aside = session.join("title.new");
    std::fs::write(&aside, record::encode("title", &lines)).at("write", &aside)?;
    std::fs::rename(&aside, &path).at("rename", &path)
}

/// What a session was called; nothing where it was called nothing, or where that does not read.
#[must_use]
pub fn title(session: &Path) -> Option<Title> {
    let path = session.join("title");
    let bytes = std::fs::read(&path).ok()?;
    let lines = record::read("title", &bytes, &path).ok()?;
    let first = lines.first()?;
    let label = |line: &Line| Some((line.text("label")?.to_owned(), line.text("value")?.to_owned()));
    Some(Title {
        name: first.text("name").map(str::to_owned),
        labels: lines.iter().filter_map(label).collect(),
        log: first.text("log")?.to_owned(),
    })
}

/// The ids of all sessions that lie in a place, in the order of their beginning.
///
/// # Errors
/// They cannot be listed.
pub fn all_sessions(place: &Path) -> Result<Vec<String>> {
    let folder = place.join("sessions");
    let entries = match std::fs::read_dir(&folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.at("list", &folder)?,
    };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let record = std::fs::metadata(entry.path().join("session")).ok()?;
            Some((record.modified().ok()?, entry.file_name().into_string().ok()?))
        })
        .collect();
    found.sort();
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

/// The session of this id, or the newest of this name.
///
/// # Errors
/// There is none.
pub fn called(place: &Path, named: &str) -> Result<String> {
    let all = all_sessions(place)?;
    let is_it = |id: &&String| {
        let title = title(&place.join("sessions").join(id.as_str()));
        title.is_some_and(|t| t.name.as_deref() == Some(named) || t.log == named)
    };
    let by_id = all.iter().find(|id| *id == named);
    let found = by_id.or_else(|| all.iter().rev().find(is_it));
    found
        .cloned()
        .ok_or_else(|| Error::NoSession(fumehood_policy::Escaped::from(named).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_was_called_is_read_back_and_finds_it() {
        let place = tempfile::tempdir().unwrap();
        for id in ["a-1", "b-2"] {
            let folder = place.path().join("sessions").join(id);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("session"), "").unwrap();
        }
        let folder = place.path().join("sessions/b-2");
        assert_eq!(title(&folder), None);
        let given = Title {
            name: Some("night".into()),
            labels: vec![("k".into(), "v w\n".into()), ("k".into(), String::new())],
            log: "20260101-x".into(),
        };
        entitle(&folder, &given).unwrap();
        assert_eq!(title(&folder), Some(given));
        for named in ["night", "b-2", "20260101-x"] {
            assert_eq!(called(place.path(), named).unwrap(), "b-2");
        }
        assert!(matches!(called(place.path(), "no"), Err(Error::NoSession(_))));
        std::fs::write(folder.join("title"), "damaged").unwrap();
        assert_eq!(title(&folder), None);
    }
}
