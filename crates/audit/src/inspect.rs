//! The whole of an account's logs: the index, and every session that it knows of or that lies there.

use crate::account::{identity, index_folder, session_folder};
use crate::ask::{Question, ask};
use crate::erase::verify_erased;
use crate::key::PublicKey;
use crate::layout::{CHECKPOINTS, JOURNAL};
use crate::read::{self, ReadError};
use crate::record::{Kind, Record, Value};
use crate::verify::{Remembered, Report, VerifyError, verify};
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Why an account's logs cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// There is no index.
    #[error("nothing was recorded yet")]
    Nothing,
    /// The index does not verify.
    #[error("the account's index: {0}")]
    Index(#[from] VerifyError),
    /// A log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What the index says of a session.
#[derive(Clone, Debug)]
pub struct Known {
    /// The first key of its log.
    pub key: PublicKey,
    /// Heads of it that the index has, in order.
    pub heads: Vec<Remembered>,
    /// Whether the index has its end.
    pub ended: bool,
    /// Whether what it recorded was erased.
    pub erased: bool,
}

/// What became of a session's log.
#[derive(Debug)]
pub enum State {
    /// It verifies, up to its end.
    Whole(Report),
    /// It verifies, and is still written.
    Running(Report),
    /// It verifies, but its writer died before it could end it.
    Broken(Report),
    /// Its content was erased, which the index says.
    Erased,
    /// The index knows it, and it is not there.
    Missing,
    /// Its writer died before it signed anything.
    Unsigned,
    /// It is there, and the index does not know it.
    Unknown,
    /// It does not verify.
    Wrong(VerifyError),
}

impl State {
    /// Whether there is nothing to be worried about.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        matches!(
            self,
            Self::Whole(_) | Self::Running(_) | Self::Broken(_) | Self::Erased | Self::Unsigned
        )
    }
}

/// The records of the index, not verified.
pub(crate) fn index_records(root: &Path) -> Result<Vec<Record>, InspectError> {
    let mut records = Vec::new();
    ask(&index_folder(root), &Question::default(), |record| {
        records.push(record);
        ControlFlow::Continue(())
    })?;
    Ok(records)
}

/// Verifies the index, against heads that someone else remembers, and reads what it knows.
///
/// # Errors
/// It does not verify, or there is none.
pub fn inspect_index(
    root: &Path,
    remembered: &[Remembered],
) -> Result<(Report, BTreeMap<String, Known>), InspectError> {
    let (origin, first) = identity(root).ok_or(InspectError::Nothing)?;
    let report = verify(&index_folder(root), &origin, first, remembered)?;
    let mut sessions = BTreeMap::new();
    for record in index_records(root)? {
        if record.sequence < report.signed {
            note(&mut sessions, &record);
        }
    }
    Ok((report, sessions))
}

fn note(sessions: &mut BTreeMap<String, Known>, record: &Record) {
    let Some(Value::Text(id)) = record.fields.get("session") else {
        return;
    };
    match (record.kind, record.fields.get("key")) {
        (Kind::SessionStart, Some(Value::Bytes(key))) => {
            if let Ok(key) = <[u8; 32]>::try_from(key.as_slice()) {
                sessions.entry(id.clone()).or_insert(Known {
                    key: PublicKey::from_bytes(key),
                    heads: Vec::new(),
                    ended: false,
                    erased: false,
                });
            }
        }
        (Kind::SessionCheckpoint | Kind::SessionEnd | Kind::SessionErase, _) => {
            let (Some(Value::Number(size)), Some(Value::Digest(root))) =
                (record.fields.get("size"), record.fields.get("root"))
            else {
                return;
            };
            if let Some(known) = sessions.get_mut(id) {
                known.heads.push(Remembered {
                    size: *size,
                    root: *root.as_bytes(),
                });
                known.ended |= record.kind == Kind::SessionEnd;
                known.erased |= record.kind == Kind::SessionErase;
            }
        }
        _ => {}
    }
}

/// Verifies the log of a session against what the index knows of it.
#[must_use]
pub fn inspect_session(root: &Path, id: &str, known: Option<&Known>) -> State {
    let folder = session_folder(root, id);
    let (Some(known), Some((account, _))) = (known, identity(root)) else {
        let heads = std::fs::metadata(folder.join(CHECKPOINTS));
        return match heads {
            Ok(heads) if heads.len() > 0 => State::Unknown,
            _ => State::Unsigned,
        };
    };
    if known.erased {
        return match verify_erased(&folder, &known.heads) {
            Ok(()) => State::Erased,
            Err(error) => State::Wrong(error),
        };
    }
    if !folder.join(JOURNAL).exists() && !read::ended(&folder) {
        return State::Missing;
    }
    let running = is_running(&folder);
    match verify(&folder, &format!("{account}/{id}"), known.key, &known.heads) {
        // What is laid out to its end is whole, also in the instant before its writer goes.
        Ok(report) if report.ended => State::Whole(report),
        Ok(report) if running => State::Running(report),
        Ok(report) if is_over(known, &report) => State::Whole(report),
        Ok(report) => State::Broken(report),
        Err(error) => State::Wrong(error),
    }
}

/// A short log stays a journal when it has ended: the index has its end, and nothing came after.
fn is_over(known: &Known, report: &Report) -> bool {
    let last = known.heads.last().is_some_and(|head| head.size == report.signed);
    known.ended && last && report.unsigned == 0 && report.torn == 0
}

/// The last head of the log in a folder, a signed note; empty where there is none. That it is good is for `verify` to say.
#[must_use]
pub fn last_note(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join(CHECKPOINTS)).unwrap_or_default();
    // A note has five lines; what a writer that died left half written is none.
    let lines: Vec<&str> = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .collect();
    lines
        .chunks_exact(5)
        .next_back()
        .map(<[&str]>::concat)
        .unwrap_or_default()
}

/// The names of sessions whose logs lie there, the oldest first.
#[must_use]
pub fn sessions(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join("sessions")).into_iter().flatten();
    let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

/// Whether a writer holds the log in this folder.
#[must_use]
pub fn is_running(folder: &Path) -> bool {
    let path = folder.join(JOURNAL);
    while let Ok(file) = std::fs::File::open(&path) {
        if flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK) {
            return true;
        }
        // Nobody's, unless another took its place meanwhile.
        let number = |file: std::fs::Metadata| (file.dev(), file.ino());
        let (ours, named) = (file.metadata().map(number), std::fs::metadata(&path).map(number));
        if named.is_err() || ours.ok() == named.ok() {
            return false;
        }
    }
    false
}

/// How long one waits for a log that is about to be ended: a machine that is busy, a long log that is laid out.
const PATIENCE: Duration = Duration::from_secs(30);
/// And for one that is about to be begun: of a writer that was killed before nothing else is left than a folder.
const YOUNG: Duration = Duration::from_secs(5);

/// Waits while the log in a folder is being begun, or is being ended: its run is over, and its writer
/// still lays it out.
pub fn settle(folder: &Path) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && is_settling(folder) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_settling(folder: &Path) -> bool {
    if read::ended(folder) {
        return false;
    }
    if !folder.join(JOURNAL).exists() {
        let young = std::fs::metadata(folder).and_then(|m| m.modified());
        return young.is_ok_and(|t| t.elapsed().is_ok_and(|age| age < YOUNG));
    }
    let ends = Question {
        kinds: vec![Kind::SessionStart, Kind::SessionEnd],
        ..Question::default()
    };
    let (mut over, mut supervisor) = (false, None);
    let read = ask(folder, &ends, |record| {
        over |= record.kind == Kind::SessionEnd;
        if let Some(Value::Number(pid)) = record.fields.get("pid").filter(|_| record.sequence == 0) {
            supervisor = Some(*pid);
        }
        ControlFlow::Continue(())
    });
    // Where the supervisor is gone, its last words are on their way.
    let gone = || supervisor.is_none_or(|pid| !Path::new(&format!("/proc/{pid}")).exists());
    is_running(folder) && (over || read.is_err() || gone())
}
