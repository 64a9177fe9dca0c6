//! Whether the recording of a session's terminal is the one that its log knows.

use super::{Here, find};
use crate::run::recording;
use fumehood_audit::{Kind, Question, Record, Report, Value, ask, session_folder, settle};
use fumehood_effect::Digest;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;

/// What is to be said of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// None was made.
    None,
    /// It is the one that the log has the digest of.
    Matches,
    /// It goes on, or was cut off before the log had its digest.
    Open,
    /// It was removed.
    Gone,
    /// It is another one, or was changed.
    Changed,
    /// There is one, and the log knows of none.
    Strange,
}

impl Found {
    /// In words, where it is worth any.
    pub(super) fn says(self) -> Option<&'static str> {
        match self {
            Found::None => None,
            Found::Matches => Some("the recording of its terminal matches"),
            Found::Open => {
                Some("the recording of its terminal has no digest in the log: nothing vouches for it")
            }
            Found::Gone => Some("the recording of its terminal was removed"),
            Found::Changed => Some("WRONG: the recording of its terminal is not the one that was recorded"),
            Found::Strange => Some("WRONG: its log knows of no recording of its terminal, and there is one"),
        }
    }

    /// Whether it is as it should be.
    pub(super) fn is_good(self) -> bool {
        !matches!(self, Found::Changed | Found::Strange)
    }
}

/// What is to be said of the recording of a session whose log was verified.
pub(super) fn of_verified(here: &Here, id: &str, report: &Report) -> Found {
    let there = || recording(&here.places.state(), id).symlink_metadata().is_ok();
    // Most sessions have neither: their log is not read again.
    if report.has(Kind::Terminal) || there() {
        look(here, id)
    } else {
        Found::None
    }
}

/// Compares them. That the log itself is whole is not looked at here.
fn look(here: &Here, id: &str) -> Found {
    let file = File::open(recording(&here.places.state(), id));
    let records = records(here, id);
    let Ok(file) = file else {
        return if records.is_empty() {
            Found::None
        } else {
            Found::Gone
        };
    };
    let ended = records.iter().find_map(digest);
    match (ended, Digest::of_all(file)) {
        _ if records.is_empty() => Found::Strange,
        (None, _) => Found::Open,
        (Some(known), Ok(there)) if known == there => Found::Matches,
        _ => Found::Changed,
    }
}

fn records(here: &Here, id: &str) -> Vec<Record> {
    let mut found = Vec::new();
    let question = Question {
        kinds: vec![Kind::Terminal],
        ..Question::default()
    };
    let _unreadable = ask(&session_folder(&here.root, id), &question, |record| {
        found.push(record);
        ControlFlow::Continue(())
    });
    found
}

fn digest(record: &Record) -> Option<Digest> {
    match record.fields.get("digest") {
        Some(Value::Digest(digest)) => Some(*digest),
        _ => None,
    }
}

/// The session that is meant, and what is to be doubted of its recording.
pub(super) fn of_session(here: &Here, named: Option<&str>) -> Result<(String, Option<String>), String> {
    let id = find::session(here, named)?;
    settle(&session_folder(&here.root, &id));
    let found = look(here, &id);
    let doubt = match found {
        Found::None | Found::Matches | Found::Gone => None,
        doubtful => doubtful.says().map(|says| format!("{id}: {says}")),
    };
    Ok((id, doubt))
}

/// Forgets the recording.
pub(super) fn forget(state: &Path, id: &str) {
    let path = recording(state, id);
    let _none = std::fs::remove_file(&path);
    // What the session printed besides is kept until it is removed.
    let _stays = path.parent().map(std::fs::remove_dir);
}
