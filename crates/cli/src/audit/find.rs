//! `fumehood audit query` and `tail`.

use super::arguments::QueryArguments;
use super::{Here, event, print};
use fumehood_audit::{
    ACCOUNT, Clock, Kind, Question, Record, Value, ask, index_folder, is_running, session_folder, sessions,
    settle,
};
use fumehood_policy::Escaped;
use std::ops::ControlFlow;
use std::time::Duration;

/// The session named: its name, the beginning of one, or the name of a workspace; without, the newest
/// of this project.
pub(super) fn session(here: &Here, named: Option<&str>) -> Result<String, String> {
    let all = sessions(&here.root);
    if named == Some(ACCOUNT) {
        return Ok(ACCOUNT.to_owned());
    }
    let Some(named) = named else {
        let newest = all.iter().rev().find(|id| is_of_project(here, id));
        return newest
            .cloned()
            .ok_or_else(|| "nothing was recorded here yet; `fumehood run` does".to_owned());
    };
    if all.iter().any(|id| id == named) {
        return Ok(named.to_owned());
    }
    let begun: Vec<&String> = all.iter().filter(|id| id.starts_with(named)).collect();
    let of_workspace = || {
        let mut newest = all.iter().rev();
        newest.find(|id| start(here, id).is_some_and(|s| is(&s, "workspace", named)))
    };
    match begun.as_slice() {
        [one] if !named.is_empty() => Ok((*one).clone()),
        [] => of_workspace().cloned().ok_or_else(|| unknown(named)),
        _ => Err(format!(
            "{} sessions begin with {}; say more of the name",
            begun.len(),
            Escaped::from(named)
        )),
    }
}

fn unknown(named: &str) -> String {
    let named = Escaped::from(named);
    format!("no session is named {named}; `fumehood audit query --kind session.start` lists them")
}

/// A record as `SESSION:NUMBER`.
pub(super) fn event(here: &Here, named: &str) -> Result<(String, u64), String> {
    let parts = named.rsplit_once(':');
    let parts = parts.and_then(|(id, number)| Some((id, number.parse::<u64>().ok()?)));
    let (id, number) = parts.ok_or_else(|| format!("{}: not SESSION:NUMBER", Escaped::from(named)))?;
    let id = session(here, Some(id))?;
    if id != ACCOUNT {
        settle(&session_folder(&here.root, &id));
    }
    Ok((id, number))
}

/// A session's first record.
pub(super) fn start(here: &Here, id: &str) -> Option<Record> {
    let folder = session_folder(&here.root, id);
    settle(&folder);
    let mut found = None;
    let read = ask(&folder, &Question::default(), |record| {
        found = Some(record);
        ControlFlow::Break(())
    });
    found.filter(|_| read.is_ok())
}

pub(super) fn is_of_project(here: &Here, id: &str) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let project = here.project.as_os_str().as_bytes();
    start(here, id).is_some_and(
        |start| matches!(start.fields.get("project"), Some(Value::Bytes(bytes)) if bytes == project),
    )
}

fn is(record: &Record, name: &str, wanted: &str) -> bool {
    match record.fields.get(name) {
        Some(Value::Text(text)) => text == wanted,
        Some(Value::Bytes(bytes)) => bytes == wanted.as_bytes(),
        _ => false,
    }
}

pub(super) fn time(flag: &str, text: Option<&str>, otherwise: u64) -> Result<u64, String> {
    let Some(text) = text else { return Ok(otherwise) };
    Clock::parse(text).map(Clock::nanos).ok_or_else(|| {
        let text = Escaped::from(text);
        format!("{flag} {text}: not a time; write 2026-11-25 or 2026-11-25T10:04:05, in UTC")
    })
}

fn kind(name: &str) -> Result<Kind, String> {
    let known = Kind::ALL.iter().find(|kind| kind.name() == name);
    known.copied().ok_or_else(|| {
        let all: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("--kind {}: not one of {}", Escaped::from(name), all.join(", "))
    })
}

/// Finds records; no when there are none.
pub(super) fn query(here: &Here, arguments: &QueryArguments) -> Result<bool, String> {
    let question = Question {
        from: time("--since", arguments.since.as_deref(), 0)?,
        to: time("--until", arguments.until.as_deref(), u64::MAX)?,
        kinds: arguments
            .kinds
            .iter()
            .map(|name| kind(name))
            .collect::<Result<_, _>>()?,
        first: 0,
    };
    let ids = match &arguments.session {
        Some(named) => vec![session(here, Some(named))?],
        None => all(here),
    };
    let wanted = [
        ("host", &arguments.host),
        ("kind", &arguments.effect),
        ("decision", &arguments.decision),
    ];
    let takes = |record: &Record| {
        let mut wanted = wanted
            .iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)));
        wanted.all(|(name, value)| is(record, name, value))
    };
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    let mut found = false;
    for id in ids {
        if left == 0 {
            break;
        }
        each(here, &id, &question, |record| {
            if !takes(&record) || (arguments.session.is_none() && is_of_index(&id, &record)) {
                return Ok(ControlFlow::Continue(()));
            }
            found = true;
            left -= 1;
            let open = print(&shown(&id, &record, arguments.json))? && left > 0;
            Ok(if open {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
    }
    Ok(found)
}

fn shown(id: &str, record: &Record, json: bool) -> String {
    if json {
        format!("{}\n", event::json(id, record))
    } else {
        event::line(id, record)
    }
}

/// Where a log lies: a session's, or the index.
fn folder(here: &Here, id: &str) -> std::path::PathBuf {
    if id == ACCOUNT {
        index_folder(&here.root)
    } else {
        session_folder(&here.root, id)
    }
}

/// What the index says of sessions, which their own logs say better.
pub(super) fn is_of_index(id: &str, record: &Record) -> bool {
    let said = [
        Kind::SessionStart,
        Kind::SessionCheckpoint,
        Kind::SessionEnd,
        Kind::KeyNext,
    ];
    id == ACCOUNT && said.contains(&record.kind)
}

/// Gives a session's records that are asked for.
pub(super) fn each(
    here: &Here,
    id: &str,
    question: &Question,
    mut take: impl FnMut(Record) -> Result<ControlFlow<()>, String>,
) -> Result<(), String> {
    let folder = folder(here, id);
    if id != ACCOUNT {
        settle(&folder);
    }
    let mut failed = Ok(());
    let read = ask(&folder, question, |record| match take(record) {
        Ok(flow) => flow,
        Err(error) => {
            failed = Err(error);
            ControlFlow::Break(())
        }
    });
    failed?;
    match read {
        // Its writer never came to write, or its content was erased: `verify` says which.
        Err(_) if !folder.join("journal").exists() && !folder.join("tile/entries").exists() => Ok(()),
        read => read.map_err(|e| format!("{id}: {e}")),
    }
}

/// Every session, the oldest first, then the account's index.
pub(super) fn all(here: &Here) -> Vec<String> {
    let mut all = sessions(&here.root);
    all.push(ACCOUNT.to_owned());
    all
}

/// The last records of a session, a line each.
pub(super) fn recent(here: &Here, id: &str, most: usize) -> Result<Vec<String>, String> {
    let mut last = std::collections::VecDeque::new();
    each(here, id, &Question::default(), |record| {
        if last.len() == most {
            last.pop_front();
        }
        last.push_back(event::line(id, &record).trim_end().to_owned());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(last.into())
}

/// How many records `tail` begins with.
pub(super) const LAST: u64 = 20;

/// Prints the last records of a session, so many or all, and those that follow until it ends.
pub(super) fn tail(
    here: &Here,
    named: Option<&str>,
    follow: bool,
    json: bool,
    most: Option<u64>,
) -> Result<bool, String> {
    let id = session(here, named)?;
    let folder = folder(here, &id);
    let mut first = 0;
    if let Some(most) = most {
        each(here, &id, &Question::default(), |record| {
            first = (record.sequence + 1).saturating_sub(most);
            Ok(ControlFlow::Continue(()))
        })?;
    }
    let mut open = true;
    while open {
        // Asked before reading: what was written until then is read in this round.
        let over = !is_running(&folder);
        let question = Question {
            first,
            ..Question::default()
        };
        each(here, &id, &question, |record| {
            first = record.sequence + 1;
            open = print(&shown(&id, &record, json))?;
            Ok(if open {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        if over || !follow {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(true)
}
