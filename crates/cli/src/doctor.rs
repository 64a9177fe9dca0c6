//! `fumehood doctor`: which walls work on this machine, found by building them.

use crate::apparmor;
use crate::arguments::DoctorArguments;
use crate::run::{self, with_remedy};
use crate::say;
use fumehood_policy::config::Allow;
use fumehood_policy::json::Json;
use fumehood_policy::origin::{Origin, Sourced};
use fumehood_policy::profile::NetworkWishes;
use fumehood_sandbox::{Level, Way};
use fumehood_session::{End, Facts, Host, Network, Project, Request, Run, prepare};
use std::io::Write;

/// One row: what, whether it works, and what that means.
struct Row {
    name: &'static str,
    works: bool,
    detail: String,
}

/// Prints the table; fails when the default level does not work.
pub(crate) fn doctor(arguments: &DoctorArguments) -> u8 {
    if arguments.fix {
        return apparmor::fix();
    }
    let host = match Host::look() {
        Ok(host) => host,
        Err(error) => {
            say::error(&error.to_string());
            return crate::FAILED;
        }
    };
    let rows = rows(&host);
    let text = if arguments.json { json(&rows) } else { table(&rows) };
    let _closed = std::io::stdout().write_all(text.as_bytes());
    if rows.first().is_some_and(|r| r.works) {
        0
    } else {
        1
    }
}

fn rows(host: &Host) -> Vec<Row> {
    let mut rows = vec![
        level("isolation namespace", host, Level::Namespace, false),
        level("isolation landlock", host, Level::Landlock, false),
        level("nested sandboxes", host, Level::Namespace, true),
        landlock(host.landlock),
        boundary(host),
    ];
    rows.extend(fumehood_limits::probe().into_iter().map(|finding| Row {
        name: limit_name(finding.limit),
        works: finding.backend.is_ok(),
        detail: finding.backend.map_or_else(|why| why, |b| format!("held by {b}")),
    }));
    rows.push(ceilings());
    rows.push(account(host));
    rows.extend(hidden());
    rows
}

/// Whether git shows what this project's configuration hides; nothing where there is no such thing to say.
fn hidden() -> Option<Row> {
    Some(Row {
        name: "hidden files",
        works: false,
        detail: run::hidden_in_history(&crate::policy::places().ok()?)?,
    })
}

/// Builds a sandbox of this level and runs `true` in it.
fn level(name: &'static str, host: &Host, level: Level, nested: bool) -> Row {
    match trial(host, level, nested, Network::default()) {
        Ok(_) => Row {
            name,
            works: true,
            detail: meaning(level, nested).to_owned(),
        },
        Err(why) => Row {
            name,
            works: false,
            detail: why,
        },
    }
}

fn meaning(level: Level, nested: bool) -> &'static str {
    match (level, nested) {
        (Level::Namespace, false) => "the default",
        (Level::Namespace, true) => "with --nested; weaker: new namespaces and mounts stay possible inside",
        (Level::Landlock, _) => {
            "by name only; weaker: names of files and processes stay visible, no sockets, no --hide"
        }
    }
}

/// Builds a sandbox with a boundary, for a name that nobody has.
fn boundary(host: &Host) -> Row {
    let network = nobody().and_then(|wishes| run::network(&wishes));
    let tried = network.and_then(|network| trial(host, Level::Namespace, false, network));
    let (works, detail) = match tried {
        Ok(way) => (way.is_some(), run::weaker(way).to_owned()),
        Err(why) => (false, why),
    };
    Row {
        name: "network by name",
        works,
        detail,
    }
}

fn nobody() -> Result<NetworkWishes, String> {
    let host = "nobody.invalid".parse().map_err(|e| format!("{e}"))?;
    let allow = Sourced {
        value: Allow::host(host),
        origin: Origin::Default,
    };
    Ok(NetworkWishes {
        allow: vec![allow],
        ..NetworkWishes::default()
    })
}

fn trial(host: &Host, level: Level, nested: bool, network: Network) -> Result<Option<Way>, String> {
    let place = std::env::temp_dir().join(format!("fumehood-doctor-{}", std::process::id()));
    std::fs::create_dir(&place).map_err(|e| format!("{}: {e}", place.display()))?;
    let tried = trial_in(host, level, nested, network, &place);
    let _empty = std::fs::remove_dir(&place);
    tried
}

fn trial_in(
    host: &Host,
    level: Level,
    nested: bool,
    network: Network,
    place: &std::path::Path,
) -> Result<Option<Way>, String> {
    let project = Project::open(place, &host.user.home).map_err(|e| e.to_string())?;
    let request = Request {
        level,
        nested,
        network: !network.is_empty(),
        ..Request::bare(project, vec!["/bin/true".into()])
    };
    let spec = prepare(host, &request).map_err(|e| e.to_string())?;
    let run = Run {
        spec,
        limits: fumehood_limits::Limits::default(),
        ceilings: fumehood_limits::Ceilings::default(),
        network,
        tell: None,
        gives_streams: false,
        title: String::new(),
        written: Vec::new(),
        turns: None,
        edits: None,
        session: None,
        must_record: false,
        asking: None,
        about: Default::default(),
        detached: None,
        recording: None,
    };
    let outcome = fumehood_session::run(run).map_err(with_remedy)?;
    match outcome.end {
        End::Exited(0) => Ok(outcome.network.and_then(|(_, way)| way)),
        other => Err(format!("the trial command ended with {other:?}")),
    }
}

/// What the second wall holds on this kernel (Documentation/userspace-api/landlock.rst).
fn landlock(abi: u32) -> Row {
    let holds = match abi {
        0 => "not in this kernel: one wall fewer, all others stand",
        1 => "version 1: not used for files, it would forbid renames between directories",
        2 | 3 => "files",
        4 => "files (and ports, not needed)",
        5 => "files and device controls",
        _ => "files, device controls, signals and abstract sockets",
    };
    Row {
        name: "Landlock",
        works: abi >= 2,
        detail: format!("version {abi}: {holds}"),
    }
}

fn limit_name(limit: fumehood_limits::Limit) -> &'static str {
    match limit {
        fumehood_limits::Limit::Memory => "limit memory",
        fumehood_limits::Limit::Cpus => "limit cpus",
        fumehood_limits::Limit::Pids => "limit pids",
        fumehood_limits::Limit::Disk => "limit disk",
        fumehood_limits::Limit::Timeout => "limit timeout",
        fumehood_limits::Limit::OpenFiles => "limit open-files",
    }
}

/// What a run may use where no limit is set.
fn ceilings() -> Row {
    let filled = crate::run::ceilings(Level::Namespace).fill(&fumehood_limits::Limits::default());
    let show = |limit| filled.show(limit).unwrap_or_else(|| "no ceiling".to_owned());
    Row {
        name: "without limits",
        works: true,
        detail: format!(
            "{} processes and threads, {} of memory; --pids and --memory set others",
            show(fumehood_limits::Limit::Pids),
            show(fumehood_limits::Limit::Memory)
        ),
    }
}

fn account(host: &Host) -> Row {
    let facts = Facts::look();
    let detail = match (host.private, facts.apparmor_restricts) {
        (Some(ids), _) => format!(
            "root: sandboxes get a private user id ({} now), never root's",
            ids.uid
        ),
        (None, true) => "an ordinary user; AppArmor restricts user namespaces here".to_owned(),
        (None, false) => "an ordinary user".to_owned(),
    };
    Row {
        name: "account",
        works: true,
        detail,
    }
}

fn table(rows: &[Row]) -> String {
    let line = |r: &Row| {
        format!(
            "{:<20} {:<4} {}\n",
            r.name,
            if r.works { "yes" } else { "no" },
            r.detail
        )
    };
    rows.iter().map(line).collect()
}

fn json(rows: &[Row]) -> String {
    let one = |r: &Row| {
        Json::Object(vec![
            ("name", Json::text(r.name)),
            ("works", Json::Bool(r.works)),
            ("detail", Json::text(&r.detail)),
        ])
    };
    format!("{}\n", Json::List(rows.iter().map(one).collect()))
}
