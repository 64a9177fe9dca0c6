//! From a profile to what the session is asked for.

use super::home::home;
use crate::arguments::RunArguments;
use crate::configuration::{Places, profile};
use fumehood_limits::Limits;
use fumehood_limits::units::Millicpus;
use fumehood_policy::hidden::{Visible, find as find_hidden};
use fumehood_policy::host::ProjectDirectory;
use fumehood_policy::profile::{CommandLine, Profile};
use fumehood_policy::{Escaped, protected, value};
use fumehood_sandbox::Level;
use fumehood_session::{Host, Project, Request, Shown, Slot, terminals, worktree};
use fumehood_workspace::git::{Repository, tracked};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What a run is to be.
pub(super) struct Wanted {
    pub(super) request: Request,
    pub(super) limits: Limits,
    /// Protected paths that cannot be held, in words.
    pub(super) unheld: Vec<String>,
    /// What keeps other sessions out of the agent's home while it lives.
    pub(super) slot: Option<Slot>,
    /// What is less than a user might expect, in words.
    pub(super) notes: Vec<String>,
}

/// From the profile, the command line and the host.
pub(super) fn request(
    arguments: &RunArguments,
    host: &Host,
    project: Project,
    directory: PathBuf,
    places: &Places,
    profile: &Profile,
    names: &[OsString],
) -> Result<Wanted, String> {
    let limits = limits(arguments, profile)?;
    let level = match profile.isolation.value {
        value::Isolation::Landlock => Level::Landlock,
        _ => Level::Namespace,
    };
    let (protected, unheld) = match level {
        Level::Namespace => protected_paths(project.path(), names),
        Level::Landlock => Default::default(),
    };
    let inside = profile.env.build(std::env::vars_os());
    let command = command(arguments, profile, level)?;
    let mut shown = shown(profile);
    shown.extend(own_program(profile, &project, level));
    let home = home(profile, &project, places, &host.user.home)?;
    let hidden = hidden(profile, &project, &host.user.home)?;
    let in_history = in_history(project.path(), &hidden);
    let request = Request {
        layers: None,
        git: None,
        directory,
        command,
        stamp: arguments.program_is,
        level,
        nested: arguments.nested || profile.nested.value,
        shown,
        caches: profile
            .caches
            .iter()
            .filter(|c| c.lower.is_none() || must_be_written(&c.target))
            .map(|c| c.target.clone())
            .collect(),
        layered: Vec::new(),
        hidden,
        protected,
        scratch: None,
        home: home.home,
        files: Vec::new(),
        written: Vec::new(),
        variables: inside.variables.into_iter().collect(),
        user: arguments.user,
        // What lies in memory is memory, also where no control group counts it as such.
        room: [limits.disk, limits.memory].into_iter().flatten().min(),
        terminal: if arguments.detach {
            [arguments.tty; 3]
        } else {
            terminals()
        },
        network: !profile.network.is_empty(),
        trust: None,
        project,
    };
    Ok(Wanted {
        request,
        limits,
        unheld,
        slot: home.slot,
        notes: inside
            .left_out
            .values()
            .map(ToString::to_string)
            .chain(home.said)
            .chain(in_history)
            .collect(),
    })
}

/// The command's words. An agent that is not to ask is told so, where what it does can be taken back.
fn command(arguments: &RunArguments, profile: &Profile, level: Level) -> Result<Vec<OsString>, String> {
    let mut words = arguments.command.clone();
    if !arguments.no_prompts {
        return Ok(words);
    }
    if level == Level::Landlock || profile.apply == value::Apply::Live {
        return Err(
            "--no-prompts: what is written to the project at once cannot be undone, so the agent's own \
                    questions stay; leave out --live, and --isolation landlock"
                .to_owned(),
        );
    }
    let agent = profile.homes.first().filter(|agent| !agent.unprompted.is_empty());
    let agent = agent.ok_or(
        "--no-prompts: the command is none of the agents whose presets say how (claude, codex, gemini)",
    )?;
    words.splice(1..1, agent.unprompted.iter().map(OsString::from));
    Ok(words)
}

/// This very program, for agents: their settings may name it as a hook, which answers inside too (docs/agents.md). There is
/// nothing in it that is not public.
fn own_program(profile: &Profile, project: &Project, level: Level) -> Option<Shown> {
    if profile.homes.is_empty() || level == Level::Landlock {
        return None;
    }
    let own = std::env::current_exe().ok()?;
    (own.is_file() && !own.starts_with(project.path())).then(|| Shown {
        from: own.clone(),
        at: own,
        writable: false,
    })
}

/// What presets, configuration and flags show. A cache with the host's content below is shown
/// read-only until there are layers.
fn shown(profile: &Profile) -> Vec<Shown> {
    let paths = profile.shown.iter().map(|s| Shown {
        from: s.source.clone(),
        at: s.target.clone(),
        writable: s.writable,
    });
    let caches = profile.caches.iter().filter(|c| !must_be_written(&c.target));
    let caches = caches.filter_map(|c| {
        Some(Shown {
            from: c.lower.clone()?,
            at: c.target.clone(),
            writable: false,
        })
    });
    paths.chain(caches).collect()
}

/// Caches whose tools fail where they cannot write (Go even takes its own standard library for
/// missing): empty and private until there are layers, instead of the host's read-only.
fn must_be_written(cache: &Path) -> bool {
    ["go-build", "golangci-lint"]
        .iter()
        .any(|name| cache.ends_with(name))
}

/// What is read-only in the project, and, in words, what should be and cannot.
fn protected_paths(project: &Path, names: &[OsString]) -> (Vec<PathBuf>, Vec<String>) {
    let found = protected::find(protected::rows(), names, &ProjectDirectory::new(project));
    let unheld = found
        .unheld
        .iter()
        .map(|u| format!("{}: {}", Escaped::from(u.path.as_path()), u.why));
    let unheld = unheld.collect();
    (
        found.read_only.into_iter().map(|item| item.path).collect(),
        unheld,
    )
}

/// Protected paths of the project that were not there at the start (`.git/commondir`, a new
/// `.vscode`): in live mode nothing kept them from being made.
pub(super) fn new_protected(project: &Path, before: &[PathBuf]) -> Vec<PathBuf> {
    let names = std::fs::read_dir(project)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name());
    let (after, _) = protected_paths(project, &names.take(8192).collect::<Vec<_>>());
    after
        .into_iter()
        .filter(|path| !before.iter().any(|b| path.starts_with(b)))
        .collect()
}

/// What exists and is to be hidden, in the project and in what is shown besides.
fn hidden(profile: &Profile, project: &Project, home: &Path) -> Result<Vec<PathBuf>, String> {
    let covered = profile.covered.iter().cloned();
    if profile.hide.is_empty() {
        return Ok(covered.collect());
    }
    let mut visible = vec![Visible {
        target: project.path(),
        source: project.path(),
    }];
    visible.extend(profile.shown.iter().map(|s| Visible {
        target: &s.target,
        source: &s.source,
    }));
    let machine = fumehood_policy::host::Host::new(Some(home.to_owned()));
    let hits = find_hidden(&profile.hide, project.path(), Some(home), &visible, &machine);
    let hits = hits.map_err(|e| e.to_string())?.into_iter().map(|hit| hit.target);
    Ok(hits.chain(covered).collect())
}

/// What exists in the project and is to be masked; each with whether it is a folder.
pub(super) fn masked(profile: &Profile, project: &Path, home: &Path) -> Result<Vec<(PathBuf, bool)>, String> {
    if profile.mask.is_empty() {
        return Ok(Vec::new());
    }
    let visible = [Visible {
        target: project,
        source: project,
    }];
    let machine = fumehood_policy::host::Host::new(Some(home.to_owned()));
    let hits = find_hidden(&profile.mask, project, Some(home), &visible, &machine);
    let hits = hits.map_err(|e| format!("workspace.mask: {e}"))?;
    Ok(hits.into_iter().map(|hit| (hit.target, hit.directory)).collect())
}

/// Which of these, or of what is below them, git has.
pub(super) fn in_git(project: &Path, paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let below: Vec<&Path> = paths
        .iter()
        .filter_map(|path| path.strip_prefix(project).ok())
        .collect();
    if below.is_empty() {
        return BTreeSet::new();
    }
    let repository = worktree(project).map_or_else(
        || Repository::of(project),
        |worktree| Repository {
            own: worktree.own,
            common: worktree.git,
        },
    );
    tracked(&repository, |path| {
        below.iter().any(|hidden| path.starts_with(hidden))
    })
}

/// In words, what is hidden and yet tracked by git, whose objects are shown.
fn in_history(project: &Path, hidden: &[PathBuf]) -> Option<String> {
    const MOST_SAID: usize = 3;
    let found = in_git(project, hidden);
    let first = found.first()?;
    let names: Vec<String> = found
        .iter()
        .take(MOST_SAID)
        .map(|path| Escaped::from(path.as_path()).to_string())
        .collect();
    let more = match found.len().saturating_sub(MOST_SAID) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "hidden as a file, but git has it, and `git show HEAD:{}` works inside: {}{more}",
        Escaped::from(first.as_path()),
        names.join(", ")
    ))
}

/// The same for the project that a verb was started in. A configuration that does not read is `policy check`'s to tell.
pub(crate) fn hidden_in_history(places: &Places) -> Option<String> {
    let flags = CommandLine {
        cwd: places.project.clone(),
        ..CommandLine::default()
    };
    let (profile, _) = profile(places, &flags, OsStr::new(""), &places.folders()).ok()?;
    let project = Project::open(&places.project, &places.home).ok()?;
    let hidden = hidden(&profile, &project, &places.home).ok()?;
    in_history(project.path(), &hidden)
}

fn limits(arguments: &RunArguments, profile: &Profile) -> Result<Limits, String> {
    let wanted = &profile.limits;
    let flag = arguments.open_files.as_deref().map(|text| {
        fumehood_limits::units::count(text)
            .map(u64::from)
            .map_err(|e| format!("--open-files: {e}"))
    });
    let configured = wanted.open_files.as_ref().map(|n| u64::from(n.value));
    let open_files = match (flag.transpose()?, configured) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    if wanted.pids.as_ref().is_some_and(|p| p.value < 2) {
        return Err("--pids: at least 2, the sandbox's first process and the command".to_owned());
    }
    Ok(Limits {
        memory: wanted.memory.as_ref().map(|m| m.value.bytes()),
        cpus: wanted
            .cpus
            .as_ref()
            .and_then(|c| Millicpus::new(c.value.millis())),
        pids: wanted.pids.as_ref().map(|p| p.value),
        disk: wanted.disk.as_ref().map(|d| d.value.bytes()),
        timeout: super::called::ends_after(arguments)?
            .into_iter()
            .chain(wanted.timeout.as_ref().map(|t| t.value.duration()))
            .min(),
        open_files,
    })
}
