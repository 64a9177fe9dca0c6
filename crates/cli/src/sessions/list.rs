//! `fumehood ps` and `inspect`.

use super::rest::resting;
use super::{Failure, InspectArguments, Living, PsArguments, ended, find, living, print};
use crate::policy::places;
use crate::run::log_root;
use fumehood_monitor::desk::About;
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Lists the sessions that run.
pub(crate) fn ps(arguments: &PsArguments) -> u8 {
    ended(attempt_ps(arguments))
}

fn attempt_ps(arguments: &PsArguments) -> Result<u8, Failure> {
    let mut all = living()?;
    if let Some(label) = &arguments.label {
        let (key, value) = match label.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (label.as_str(), None),
        };
        let fits = |(k, v): &(String, String)| k == key && value.is_none_or(|value| v == value);
        all.retain(|living| living.about.labels.iter().any(fits));
    }
    let rest = if arguments.all { resting()? } else { Vec::new() };
    if arguments.json {
        let list = all.iter().map(|living| json(&living.about));
        let rest = rest.iter().map(|(id, project, title)| {
            Json::Object(vec![
                ("changes", Json::text(id)),
                ("name", title.name.as_deref().map_or(Json::Null, Json::text)),
                ("project", Json::text(Escaped::from(project.as_path()))),
                ("ended", Json::Bool(true)),
            ])
        });
        print(&Json::List(list.chain(rest).collect()).to_string());
        return Ok(0);
    }
    if all.is_empty() {
        print("no session runs");
    } else {
        print(&table(&all));
    }
    for (id, project, title) in rest {
        let name = title.name.as_deref().unwrap_or("-");
        let project = Escaped::from(project.as_path());
        print(&format!(
            "ended, changes wait: {id}  {}  {project}",
            Escaped::from(name)
        ));
    }
    Ok(0)
}

fn table(all: &[Living]) -> String {
    let head = [
        "SESSION", "NAME", "AGE", "APPLY", "HOLDS", "PROGRAMS", "PROJECT", "COMMAND",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for Living { about, .. } in all {
        let name = about.name.as_deref().unwrap_or("-");
        let apply = match about.apply.as_str() {
            "live" => "live (weaker)",
            other => other,
        };
        rows.push(vec![
            about.id.clone(),
            Escaped::from(name).at_most(24).to_string(),
            age(about.since),
            apply.to_owned(),
            about.holds.to_string(),
            about.programs.to_string(),
            path(&about.project),
            Escaped::from(words(&about.command).as_str())
                .at_most(60)
                .to_string(),
        ]);
    }
    let width = |n: usize| {
        rows.iter()
            .filter_map(|row| row.get(n))
            .map(|cell| cell.chars().count())
            .max()
    };
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(n, cell)| {
            let pad = width(n).unwrap_or(0).saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(pad))
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// How long ago, in the largest unit that says something.
fn age(since: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let then = std::time::Duration::from_millis(since);
    let seconds = now.saturating_sub(then).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Words that each end with a NUL byte, as one line.
fn words(command: &[u8]) -> String {
    let words = command.strip_suffix(b"\0").unwrap_or(command).split(|b| *b == 0);
    let words = words.map(|word| String::from_utf8_lossy(word).into_owned());
    words.collect::<Vec<_>>().join(" ")
}

fn path(bytes: &[u8]) -> String {
    Escaped::from(Path::new(OsStr::from_bytes(bytes))).to_string()
}

/// Says what a session is.
pub(crate) fn inspect(arguments: &InspectArguments) -> u8 {
    ended(attempt_inspect(arguments))
}

fn attempt_inspect(arguments: &InspectArguments) -> Result<u8, Failure> {
    let about = find(arguments.session.as_deref())?.about;
    if arguments.json {
        print(&json(&about).to_string());
        return Ok(0);
    }
    let labels = about
        .labels
        .iter()
        .map(|(k, v)| format!("{}={}", Escaped::from(k.as_str()), Escaped::from(v.as_str())));
    let log = fumehood_audit::session_folder(&log_root(&places()?.state()), &about.id);
    let rows = [
        ("session", about.id.clone()),
        (
            "name",
            about
                .name
                .as_deref()
                .map(|n| Escaped::from(n).to_string())
                .unwrap_or_default(),
        ),
        ("labels", labels.collect::<Vec<_>>().join(" ")),
        ("project", path(&about.project)),
        ("directory", path(&about.directory)),
        (
            "command",
            Escaped::from(words(&about.command).as_str()).to_string(),
        ),
        ("isolation", about.isolation.clone()),
        ("apply", about.apply.clone()),
        ("changes", about.workspace.clone().unwrap_or_default()),
        ("age", age(about.since)),
        ("holds", about.holds.to_string()),
        ("programs", about.programs.to_string()),
        ("supervisor", about.pid.to_string()),
        ("log", Escaped::from(log.as_path()).to_string()),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        print(&format!("{name:<11}{value}"));
    }
    Ok(0)
}

fn json(about: &About) -> Json {
    let optional = |text: &Option<String>| text.as_deref().map_or(Json::Null, Json::text);
    let labels = about
        .labels
        .iter()
        .map(|(k, v)| Json::Object(vec![("name", Json::text(k)), ("value", Json::text(v))]));
    let command = about
        .command
        .strip_suffix(b"\0")
        .unwrap_or(&about.command)
        .split(|b| *b == 0);
    let command = command.map(|word| Json::text(Escaped::from(OsStr::from_bytes(word))));
    Json::Object(vec![
        ("session", Json::text(&about.id)),
        ("name", optional(&about.name)),
        ("labels", Json::List(labels.collect())),
        ("project", Json::text(path(&about.project))),
        ("directory", Json::text(path(&about.directory))),
        ("command", Json::List(command.collect())),
        ("isolation", Json::text(&about.isolation)),
        ("apply", Json::text(&about.apply)),
        ("changes", optional(&about.workspace)),
        ("since", Json::Number(about.since)),
        ("until", about.until.map_or(Json::Null, Json::Number)),
        ("detached", Json::Bool(about.detached)),
        ("holds", Json::Number(about.holds)),
        ("programs", Json::Number(about.programs)),
        ("waiting", Json::Number(about.waiting)),
        ("pid", Json::Number(about.pid)),
    ])
}
