//! `fumehood policy`: check here, why and test below.

mod described;

use crate::FAILED;
use crate::configuration::{Places, assembled};
use crate::say;
pub(crate) use described::{replay, test, why};
use fumehood_policy::check::{FileReport, outlook, outlook_json};
use fumehood_policy::config::Parsed;
use fumehood_policy::json::Json;
use fumehood_policy::locate::Loaded;
use fumehood_policy::profile::CommandLine;
use fumehood_policy::read::{self, Owner};
use fumehood_policy::{Layer, Severity};
use fumehood_session::{Host, project_of};
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

/// Checks one file, or all that apply here; 1 where something is wrong.
pub(crate) fn check(file: Option<&Path>, json: bool) -> u8 {
    let checked = match file {
        Some(path) => one(path, json),
        None => here(json),
    };
    match checked {
        Ok((text, good)) => {
            let _closed = writeln!(std::io::stdout(), "{text}");
            u8::from(!good)
        }
        Err(text) => {
            say::error(&text);
            FAILED
        }
    }
}

fn one(path: &Path, json: bool) -> Result<(String, bool), String> {
    let text = read::config(path, Owner::Anyone).map_err(|e| e.to_string())?;
    let text = text.ok_or_else(|| format!("{}: no such file", fumehood_policy::Escaped::from(path)))?;
    let layer = match path.file_name().and_then(OsStr::to_str) {
        Some("policy.toml") => Layer::Machine,
        Some("config.toml") => Layer::User,
        _ => Layer::Project,
    };
    let loaded = Loaded {
        path: path.to_owned(),
        bytes: text.bytes,
        layer,
    };
    let (name, parsed) = (loaded.name(), loaded.parsed());
    let report = report(&name, &parsed, None);
    let shown = if json {
        report.json().to_string()
    } else {
        report.human()
    };
    Ok((shown, parsed.config.is_some()))
}

fn report<'a>(file: &'a str, parsed: &'a Parsed, trusted: Option<bool>) -> FileReport<'a> {
    FileReport {
        file,
        findings: &parsed.findings,
        config: parsed.config.as_ref(),
        trusted,
    }
}

fn here(json: bool) -> Result<(String, bool), String> {
    let places = places()?;
    let files = places.files()?;
    let parsed: Vec<(String, Parsed)> = files.iter().map(|f| (f.name(), f.parsed())).collect();
    let mut reports = Vec::new();
    for (file, (name, parsed)) in files.iter().zip(&parsed) {
        let trusted = if file.layer == Layer::Project {
            Some(places.trusts(file)?)
        } else {
            None
        };
        reports.push(report(name, parsed, trusted));
    }
    let good = parsed
        .iter()
        .all(|(_, p)| !p.findings.0.iter().any(|f| f.severity == Severity::Error));
    let mut lines: Vec<String> = reports.iter().map(FileReport::human).collect();
    let mut objects: Vec<Json> = reports.iter().map(FileReport::json).collect();
    let mut allowed = true;
    if good {
        let configs: Vec<_> = parsed.iter().filter_map(|(_, p)| p.config.clone()).collect();
        let flags = CommandLine {
            cwd: places.project.clone(),
            ..CommandLine::default()
        };
        let result = assembled(
            &places,
            &flags,
            OsStr::new(""),
            &places.folders(),
            &files,
            &configs,
        )?;
        allowed = result.is_ok();
        lines.push(outlook(&result));
        objects.push(outlook_json(&result));
    }
    let text = if json {
        Json::List(objects).to_string()
    } else {
        lines.join("\n")
    };
    Ok((text, good && allowed))
}

/// The places for the directory this was started in.
pub(crate) fn places() -> Result<Places, String> {
    let host = Host::look().map_err(|e| e.to_string())?;
    let directory = std::env::current_dir().map_err(|e| format!("the current directory: {e}"))?;
    let project = project_of(&directory, &host.user.home);
    Ok(Places {
        home: host.user.home,
        project,
        start: directory,
        instead: None,
    })
}
