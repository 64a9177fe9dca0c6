//! `fumehood audit show`: a session as a story.

use super::{Here, event, find, print};
use fumehood_audit::{ACCOUNT, Clock, Kind, Question, Record, is_running, session_folder};
use std::ops::ControlFlow;

/// The most lines of a story; the rest is counted.
const LINES: usize = 10_000;

/// Tells what happened.
pub(super) fn show(here: &Here, named: Option<&str>, json: bool) -> Result<bool, String> {
    let id = find::session(here, named)?;
    let mut records = Vec::new();
    let mut more = 0;
    find::each(here, &id, &Question::default(), |record| {
        if records.len() < LINES {
            records.push(record);
        } else {
            more += 1;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if json {
        let all: Vec<String> = records.iter().map(|record| event::json(&id, record)).collect();
        return print(&format!("[{}]\n", all.join(",\n")));
    }
    let mut out = heading(&id, records.first());
    for record in records.iter().skip(1) {
        out.push_str(&told(record, records.first()));
    }
    if more > 0 {
        out.push_str(&format!(
            "… and {more} more: fumehood audit query --session {id}\n"
        ));
    }
    out.push_str(&afterwards(here, records.first())?);
    if !records.iter().any(|record| record.kind == Kind::SessionEnd) {
        let running = is_running(&session_folder(&here.root, &id));
        out.push_str(if running {
            "still running\n"
        } else {
            "no end was recorded: the writer was killed\n"
        });
    }
    print(&out)
}

/// What was done later with the changes that the session kept back, as the account's index has it.
pub(super) fn later(here: &Here, start: Option<&Record>) -> Result<Vec<Record>, String> {
    let Some(start) = start else {
        return Ok(Vec::new());
    };
    let Some(workspace) = start.fields.get("workspace") else {
        return Ok(Vec::new());
    };
    let question = Question {
        from: start.time,
        kinds: vec![Kind::WorkspaceApply, Kind::WorkspaceUndo, Kind::WorkspaceDiscard],
        ..Question::default()
    };
    let mut later = Vec::new();
    let mut applied = Vec::new();
    find::each(here, ACCOUNT, &question, |record| {
        let ours = record.fields.get("workspace") == Some(workspace);
        let number = record.fields.get("apply").cloned();
        // An undo names the apply that it took back.
        let undoes = record.kind == Kind::WorkspaceUndo && applied.contains(&number);
        if ours || undoes {
            applied.push(number);
            later.push(record);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(later)
}

fn afterwards(here: &Here, start: Option<&Record>) -> Result<String, String> {
    let later = later(here, start)?;
    let lines = later.iter().map(|record| {
        let time = Clock::of_nanos(record.time);
        let (name, sentence) = (event::name(ACCOUNT, record), event::sentence(record));
        format!("{time}  {name}  {sentence}\n")
    });
    let mut out: String = lines.collect();
    if !out.is_empty() {
        out.insert_str(0, "afterwards, in the account's index:\n");
    }
    Ok(out)
}

fn heading(id: &str, start: Option<&Record>) -> String {
    let Some(start) = start else {
        return format!("session {id}: nothing of it is there; see `fumehood audit verify {id}`\n");
    };
    let get = |name: &str| event::text(start, name).unwrap_or_default();
    let mut out = format!("session {id}\n");
    let short = |digest: String| digest.chars().take(16).collect::<String>();
    let rows = [
        ("command", get("command")),
        ("in", get("directory")),
        ("began", Clock::of_nanos(start.time).to_string()),
        (
            "walls",
            format!("isolation {}, plan {}", get("isolation"), short(get("plan"))),
        ),
        ("limits", get("enforced")),
        (
            "policy",
            format!("{}, presets: {}", short(get("policy")), get("presets")),
        ),
        ("changes", get("apply")),
        ("by", format!("uid {}, fumehood {}", get("uid"), get("version"))),
    ];
    for (name, value) in rows {
        out.push_str(&format!("  {name:<8} {value}\n"));
    }
    out
}

/// One line: when, since the beginning, and what.
fn told(record: &Record, start: Option<&Record>) -> String {
    let since = record.time.saturating_sub(start.map_or(record.time, |s| s.time));
    let (seconds, millis) = (since / 1_000_000_000, since / 1_000_000 % 1_000);
    let cause = match record.cause {
        Some(cause) => format!("  (from {cause})"),
        None => String::new(),
    };
    format!(
        "{seconds:>6}.{millis:03}s  {:>5}  {:<16}  {}{cause}\n",
        record.sequence,
        record.kind.name(),
        event::sentence(record)
    )
}
