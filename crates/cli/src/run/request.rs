//! From a profile to what the session is asked for.

use crate::arguments::RunArguments;
use crate::configuration::Places;
use fumehood_limits::Limits;
use fumehood_limits::units::Millicpus;
use fumehood_policy::glob::GlobSet;
use fumehood_policy::host::ProjectDirectory;
use fumehood_policy::profile::{AgentHome, Profile};
use fumehood_policy::trust::Digest;
use fumehood_policy::{protected, value};
use fumehood_sandbox::Level;
use fumehood_session::{Home, Host, KeptHome, Project, Request, Shown, hide, terminals};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The request and the limits.
pub(super) fn request(
    arguments: &RunArguments,
    host: &Host,
    project: Project,
    directory: PathBuf,
    places: &Places,
    profile: &Profile,
    names: &[OsString],
) -> Result<(Request, Limits), String> {
    let limits = limits(arguments, profile)?;
    let level = match profile.isolation.value {
        value::Isolation::Landlock => Level::Landlock,
        _ => Level::Namespace,
    };
    let protected = match level {
        Level::Namespace => protected_paths(project.path(), names),
        Level::Landlock => Vec::new(),
    };
    let request = Request {
        directory,
        command: arguments.command.clone(),
        level,
        nested: arguments.nested || profile.nested.value,
        shown: shown(profile),
        caches: profile
            .caches
            .iter()
            .filter(|c| c.lower.is_none())
            .map(|c| c.target.clone())
            .collect(),
        hidden: hidden(profile, &project, &host.user.home)?,
        protected,
        scratch: None,
        home: home(profile, &project, places, &host.user.home)?,
        variables: profile.env.build(std::env::vars_os()).into_iter().collect(),
        user: arguments.user,
        room: limits.disk,
        terminal: terminals(),
        project,
    };
    Ok((request, limits))
}

/// What presets, configuration and flags show. A cache with the host's content below is shown
/// read-only until there are layers.
fn shown(profile: &Profile) -> Vec<Shown> {
    let paths = profile.shown.iter().map(|s| Shown {
        from: s.source.clone(),
        at: s.target.clone(),
        writable: s.writable,
    });
    let caches = profile.caches.iter().filter_map(|c| {
        Some(Shown {
            from: c.lower.clone()?,
            at: c.target.clone(),
            writable: false,
        })
    });
    paths.chain(caches).collect()
}

fn protected_paths(project: &Path, names: &[OsString]) -> Vec<PathBuf> {
    let rows = protected::rows();
    let found = protected::find(&rows, names, &ProjectDirectory::new(project));
    found.read_only.into_iter().map(|item| item.path).collect()
}

fn hidden(profile: &Profile, project: &Project, home: &Path) -> Result<Vec<PathBuf>, String> {
    let of = |root| {
        let patterns = profile.hide.iter().filter(move |p| p.value.root == root);
        GlobSet::new(patterns.map(|p| p.value.glob.clone()))
    };
    let mut found = hide::find(project.path(), &of(value::Root::Project)).map_err(|e| e.to_string())?;
    // Patterns from the home or the root name what is visible inside only if it lies in the project.
    for (top, set) in [
        (home, of(value::Root::Home)),
        (Path::new("/"), of(value::Root::Filesystem)),
    ] {
        if let Ok(relative) = project.path().strip_prefix(top) {
            let mut cursor = set.root();
            for name in relative.iter() {
                cursor = cursor.enter(name.as_bytes());
            }
            found.extend(hide::find_from(project.path(), &cursor).map_err(|e| e.to_string())?);
        }
    }
    Ok(found)
}

/// The home: kept for each project and agent where a preset says so.
fn home(profile: &Profile, project: &Project, places: &Places, home: &Path) -> Result<Home, String> {
    let Some(agent) = profile.homes.first() else {
        return Ok(Home::Throwaway);
    };
    let name = Digest::of(project.path().as_os_str().as_bytes()).to_string();
    let folder =
        places
            .state()
            .join("homes")
            .join(format!("{}-{}", &name[..16.min(name.len())], agent.agent));
    clean(&folder, agent, home)?;
    Ok(Home::Kept(folder))
}

fn clean(folder: &Path, agent: &AgentHome, home: &Path) -> Result<(), String> {
    let relative = |paths: &[PathBuf]| -> Vec<PathBuf> {
        paths
            .iter()
            .filter_map(|p| p.strip_prefix(home).ok().map(Path::to_owned))
            .collect()
    };
    let kept = KeptHome::open(folder).map_err(|e| e.to_string())?;
    kept.clean(&relative(&agent.state), &relative(&agent.guarded))
        .map_err(|e| e.to_string())
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
    Ok(Limits {
        memory: wanted.memory.as_ref().map(|m| m.value.bytes()),
        cpus: wanted
            .cpus
            .as_ref()
            .and_then(|c| Millicpus::new(c.value.millis())),
        pids: wanted.pids.as_ref().map(|p| p.value),
        disk: wanted.disk.as_ref().map(|d| d.value.bytes()),
        timeout: wanted.timeout.as_ref().map(|t| t.value.duration()),
        open_files,
    })
}
