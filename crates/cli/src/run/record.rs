//! What is recorded of a run by itself: how it began and how it ended.

use crate::configuration::Places;
use crate::say;
use crate::workspace::plural;
use fumehood_audit::{Clock, Entry, Kind, Session, Summary};
use fumehood_effect::{Digest, SessionId};
use fumehood_limits::Limit;
use fumehood_monitor::Report;
use fumehood_policy::Escaped;
use fumehood_policy::profile::Profile;
use fumehood_sandbox::Level;
use fumehood_session::{Log, Request};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The longest command line that is recorded whole, bytes.
const COMMAND: usize = 32 << 10;

/// The session of this run, with its first record.
pub(super) fn session(
    request: &Request,
    profile: &Profile,
    places: &Places,
    policy: Digest,
    workspace: Option<&str>,
    landlock: u32,
    (id, secrets): (SessionId, &[String]),
) -> Result<Session, String> {
    let presets: Vec<&str> = profile.presets.iter().map(|p| p.entry.name).collect();
    let command = joined(&request.command);
    let level = match request.level {
        Level::Namespace => "namespace",
        Level::Landlock => "landlock",
    };
    let mut start = Entry::new(Kind::SessionStart)
        .bytes("command", command.get(..COMMAND).unwrap_or(&command))
        .digest("command.digest", Digest::of(&command))
        .bytes("directory", request.directory.as_os_str().as_bytes())
        .bytes("project", request.project.path().as_os_str().as_bytes())
        .text("isolation", level)
        .flag("nested", request.nested)
        .number("landlock", landlock.into())
        .text("presets", presets.join(" "))
        .text("apply", profile.apply)
        .digest("policy", policy)
        .number("uid", u64::from(fumehood_session::user_id()))
        .number("pid", u64::from(std::process::id()))
        .text("version", env!("CARGO_PKG_VERSION"));
    if !secrets.is_empty() {
        start = start.text("secrets", secrets.join(" "));
    }
    if let Some(workspace) = workspace {
        start = start.text("workspace", workspace);
    }
    Ok(Session {
        root: root(&places.state()),
        begun: Clock::now(),
        id,
        start,
    })
}

/// The folder of all logs of this account.
pub(crate) fn root(state: &Path) -> PathBuf {
    state.join("audit")
}

/// Arguments as in `/proc/PID/cmdline`: each ends with a NUL byte.
pub(super) fn joined(command: &[OsString]) -> Vec<u8> {
    let words = command.iter().flat_map(|w| [w.as_bytes(), b"\0"]);
    words.flatten().copied().collect()
}

/// Covers the logs, and the desks where holds are answered, where a folder that is shown holds them. What
/// lies inside them is never shown.
pub(super) fn hide(request: &mut Request, places: &Places) -> Result<(), String> {
    let state = places.state();
    cover(request, root(&state), "the log")?;
    cover(request, crate::holds::folder(&state), "the desk for approvals")?;
    cover(request, super::outputs(&state), "what sessions printed")
}

fn cover(request: &mut Request, root: PathBuf, what: &str) -> Result<(), String> {
    let root = std::fs::canonicalize(&root).unwrap_or(root);
    let project = request.project.path().to_owned();
    let shown = request.shown.iter().map(|s| (s.from.clone(), s.at.clone()));
    let shown: Vec<(PathBuf, PathBuf)> = shown.chain([(project.clone(), project)]).collect();
    if let Some((from, _)) = shown.iter().find(|(from, _)| from.starts_with(&root)) {
        let from = Escaped::from(from.as_path());
        return Err(format!(
            "{from} belongs to {what}, which is never shown inside; leave it out"
        ));
    }
    let within = |(from, at): &(PathBuf, PathBuf)| Some(at.join(root.strip_prefix(from).ok()?));
    let covered: Vec<PathBuf> = shown.iter().filter_map(within).collect();
    if covered.is_empty() {
        return Ok(());
    }
    if request.level == Level::Landlock {
        return Err(format!(
            "{what} lies in {}, which would be shown, and isolation level landlock cannot cover it; set XDG_STATE_HOME to \
             another place",
            Escaped::from(root.as_path())
        ));
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&root)
        .map_err(|e| format!("make the folder of {what}: {e}"))?;
    request.hidden.extend(covered);
    Ok(())
}

/// The card at the end of a run: only for a person, and only where there is more to say than that
/// programs ran.
pub(super) fn receipt(log: &mut Log, network: Option<&Report>) {
    const TOLD: [(Kind, &str); 6] = [
        (Kind::ProgramExec, "program"),
        (Kind::Flow, "connection"),
        (Kind::Effect, "effect"),
        (Kind::Hold, "hold"),
        (Kind::Approval, "approval"),
        (Kind::LimitStruck, "limit struck"),
    ];
    let id = log.id().to_owned();
    let Some(summary) = log.head() else { return };
    let worth = TOLD.iter().skip(1).any(|(kind, _)| summary.count(*kind) > 0)
        || summary.count(Kind::WorkspaceStage) > 0
        || summary.count(Kind::WorkspaceApply) > 0;
    if !worth {
        return;
    }
    let counted = TOLD.iter().filter_map(|(kind, word)| match summary.count(*kind) {
        0 => None,
        count => Some(plural(usize::try_from(count).unwrap_or(usize::MAX), word)),
    });
    say::line(&format!(
        "receipt of {id}: {}",
        counted.collect::<Vec<_>>().join(", ")
    ));
    if let Some(report) = network {
        hosts(report);
    }
    if let Some(report) = network.filter(|report| !report.credentials.is_empty()) {
        let used = report.credentials.iter().take(HOSTS);
        let used = used.map(|(name, times)| {
            let times = plural(usize::try_from(*times).unwrap_or(usize::MAX), "request");
            format!("{name} ({times})")
        });
        say::line(&format!(
            "  credentials used: {}",
            used.collect::<Vec<_>>().join(", ")
        ));
    }
    if let Some(words) = files(&summary) {
        say::line(&format!("  files: {words}"));
    }
    let mut head = summary.note.lines().skip(1);
    let (size, root) = (head.next().unwrap_or_default(), head.next().unwrap_or_default());
    say::line(&format!(
        "  {size} records, signed head {}; `fumehood audit receipt {id}` has all of it, `show` tells them, `verify` checks them",
        root.get(..16).unwrap_or(root)
    ));
}

/// What became of changed files, and how to take it back.
fn files(summary: &Summary) -> Option<String> {
    let landed = (summary.count(Kind::WorkspaceApply) > 0)
        .then_some("what was applied is taken back by `fumehood undo`");
    let waits =
        (summary.count(Kind::WorkspaceStage) > 0).then_some("what waits is forgotten by `fumehood discard`");
    let words: Vec<&str> = landed.into_iter().chain(waits).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// How many hosts the receipt names.
const HOSTS: usize = 8;

/// The hosts that were reached, with their bytes, and how many were refused.
fn hosts(report: &Report) {
    let reached = report
        .tunnels
        .iter()
        .take(HOSTS)
        .map(|t| format!("{} ({} bytes out, {} in)", t.destination, t.sent, t.received));
    let mut parts: Vec<String> = reached.collect();
    let more = report.tunnels.len().saturating_sub(HOSTS);
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    let refused = report.blocked.iter().filter(|b| !b.failed).count() as u64 + report.more;
    if refused > 0 {
        parts.push(format!(
            "{} refused",
            plural(usize::try_from(refused).unwrap_or(usize::MAX), "destination")
        ));
    }
    if !parts.is_empty() {
        say::line(&format!("  hosts: {}", parts.join(", ")));
    }
}

/// Records the end, and says so if the run was not recorded.
pub(super) fn end(log: &mut Log, code: u8, origin: &str, limit: Option<Limit>) {
    let mut entry = Entry::new(Kind::SessionEnd)
        .number("status", code.into())
        .text("origin", origin);
    if let Some(limit) = limit {
        entry = entry.text("limit", limit);
    }
    log.record(entry);
    if let Some(why) = log.failure() {
        say::line(&format!("this run was not recorded to its end: {why}"));
    }
}
