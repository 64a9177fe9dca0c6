//! The home of a run: an agent's is kept, and cleaned before the next session sees it.

use crate::configuration::Places;
use fumehood_policy::Escaped;
use fumehood_policy::preset::KeptSettings;
use fumehood_policy::profile::{AgentHome, Profile};
use fumehood_policy::read::{self, Owner};
use fumehood_policy::trust::Digest;
use fumehood_session::{Home, KeptHome, Project, Settings, Slot};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The home, and what keeps others out of it for as long as the run lasts.
pub(super) struct HomeOfRun {
    pub(super) home: Home,
    pub(super) slot: Option<Slot>,
    /// What is not as the last session left it.
    pub(super) said: Vec<String>,
}

/// Kept for each project and agent where a preset says so.
pub(super) fn home(
    profile: &Profile,
    project: &Project,
    places: &Places,
    home: &Path,
) -> Result<HomeOfRun, String> {
    let Some(agent) = profile.homes.first() else {
        return Ok(HomeOfRun {
            home: Home::Throwaway,
            slot: None,
            said: Vec::new(),
        });
    };
    let folder = homes(&places.state()).join(format!("{}{}", prefix(project.path()), agent.agent));
    let relative = |paths: &[PathBuf]| -> Vec<PathBuf> {
        let below = paths.iter().filter_map(|p| p.strip_prefix(home).ok());
        below.map(Path::to_owned).collect()
    };
    let state = relative(&agent.state);
    let slot = Slot::take(&folder, &state).map_err(|e| e.to_string())?;
    let kept = KeptHome::open(slot.path()).map_err(|e| e.to_string())?;
    let mut gone = kept
        .clean(&state, &relative(&agent.guarded))
        .map_err(|e| e.to_string())?
        .iter()
        .map(|path| Escaped::from(path.as_path()).to_string())
        .collect::<Vec<_>>();
    for rules in settings(agent, project, home) {
        let file = Escaped::from(rules.file.as_path()).to_string();
        let dropped = kept.settle(&rules).map_err(|e| e.to_string())?;
        let key = |key: &String| format!("{file}: {}", Escaped::from(key.as_str()).at_most(60));
        gone.extend(dropped.iter().map(key));
    }
    Ok(HomeOfRun {
        home: Home::Kept(slot.path().to_owned()),
        said: said_of_home(agent, &slot, &gone),
        slot: Some(slot),
    })
}

/// Where the homes of all agents are kept.
fn homes(state: &Path) -> PathBuf {
    state.join("homes")
}

/// What the names of a project's homes begin with.
fn prefix(project: &Path) -> String {
    let digest = Digest::of(project.as_os_str().as_bytes()).to_string();
    format!("{}-", &digest[..16.min(digest.len())])
}

/// Forgets the homes that agents have in a project: that of one, or all. Answers whose.
pub(crate) fn forget_homes(state: &Path, project: &Path, agent: Option<&str>) -> Result<Vec<String>, String> {
    let folder = homes(state);
    let prefix = prefix(project);
    let mut forgotten = Vec::new();
    for name in Slot::all(&folder).map_err(|e| e.to_string())? {
        let of = name.to_str().and_then(|name| name.strip_prefix(&prefix));
        let Some(of) = of.filter(|of| agent.is_none_or(|agent| agent == *of)) else {
            continue;
        };
        if Slot::forget(&folder.join(&name)).map_err(|e| format!("{of}: {e}"))? {
            forgotten.push(of.to_owned());
        }
    }
    forgotten.sort();
    Ok(forgotten)
}

/// The rules for the agent's settings files, with the user's own beside them.
fn settings(agent: &AgentHome, project: &Project, home: &Path) -> Vec<Settings> {
    let rules = |(file, rules): &(PathBuf, KeptSettings)| {
        Some(Settings {
            file: file.strip_prefix(home).ok()?.to_owned(),
            keep: rules.keep.clone(),
            forget: rules.forget.clone(),
            own: read::config(file, Owner::User(fumehood_session::user_id()))
                .ok()?
                .map(|text| text.bytes),
            seed: rules.seed.clone(),
            project: project.path().to_string_lossy().into_owned(),
        })
    };
    agent.settings.iter().filter_map(rules).collect()
}

const MOST_SAID: usize = 4;

fn said_of_home(agent: &AgentHome, slot: &Slot, gone: &[String]) -> Vec<String> {
    let mut said = Vec::new();
    if slot.copy {
        said.push(format!(
            "another session of {} runs in this project: this one has a copy of its home, joined when both are over",
            agent.agent
        ));
    }
    if !gone.is_empty() {
        let more = gone.len().saturating_sub(MOST_SAID);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let shown = gone
            .get(..MOST_SAID.min(gone.len()))
            .unwrap_or_default()
            .join(", ");
        said.push(format!("not carried over from an earlier session: {shown}{more}"));
    }
    said
}
