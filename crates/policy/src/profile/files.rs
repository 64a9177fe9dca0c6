//! Which paths are shown, kept and hidden.

use std::path::{Path, PathBuf};

use super::{AgentHome, Inputs, Notice, Refusal};
use crate::config::Config;
use crate::expand::{
    Cache, Environment, PathError, Shown, cache, place, settle, show, show_preset_path, show_template,
};
use crate::glob::Glob;
use crate::origin::{Layer, Origin, Sourced};
use crate::preset::{HomePlace, Preset};
use crate::screened::look;
use crate::value::{HidePattern, Root};

type Presets = [(&'static str, Preset)];

/// What is visible beside the project and the system.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Shown paths.
    pub(super) shown: Vec<Shown>,
    /// Files below them that are covered.
    pub(super) covered: Vec<PathBuf>,
}

/// Everything that is visible beside the project and the system.
pub(super) fn shown(
    inputs: &Inputs<'_>,
    presets: &Presets,
    env: &impl Environment,
    refusals: &mut Vec<Refusal>,
    notices: &mut Vec<Notice>,
) -> Files {
    let mut files = of_presets(inputs, presets, env, notices);
    for config in inputs.requesting() {
        files.shown.extend(of_config(inputs, config, env, notices));
    }
    files.shown.extend(of_flags(inputs, env, refusals));
    files.shown = settle(files.shown);
    files
}

/// A preset's paths where they exist; what lies in the project is visible anyway.
fn of_presets(
    inputs: &Inputs<'_>,
    presets: &Presets,
    env: &impl Environment,
    notices: &mut Vec<Notice>,
) -> Files {
    let mut files = Files::default();
    for (name, preset) in presets {
        let agent = preset.agent.as_ref();
        let plain = preset.read.iter().chain(agent.into_iter().flat_map(|a| &a.show));
        files
            .shown
            .extend(plain.filter_map(|path| show_preset_path(path, name, env)));
        let agents = agent.into_iter().flat_map(|a| &a.screened);
        for path in preset.screened.iter().chain(agents) {
            if let Some(path) = show_preset_path(path, name, env) {
                screened(&mut files, path, env, notices);
            }
        }
    }
    files
        .shown
        .retain(|path| !path.target.starts_with(inputs.project_dir));
    files
}

/// Shows what was looked through, without what looks like a credential.
fn screened(files: &mut Files, path: Shown, env: &impl Environment, notices: &mut Vec<Notice>) {
    let found = look(&path, env);
    notices.extend(found.words.into_iter().map(|message| Notice {
        key: "presets",
        origin: path.origin.clone(),
        message,
    }));
    files.covered.extend(found.covered);
    if !found.out {
        files.shown.push(path);
    }
}

/// A path of a file that does not exist on this machine is said and left out: the same file
/// serves several machines.
fn of_config(
    inputs: &Inputs<'_>,
    config: &Config,
    env: &impl Environment,
    notices: &mut Vec<Notice>,
) -> Vec<Shown> {
    let base = (config.layer == Layer::Project).then_some(inputs.project_dir);
    let ro = config.filesystem.ro.iter().map(|at| ("filesystem.ro", at, false));
    let rw = config.filesystem.rw.iter().map(|at| ("filesystem.rw", at, true));
    let mut shown = Vec::new();
    for (key, at, writable) in ro.chain(rw) {
        let origin = config.origin(at.pos);
        match show_template(&at.value, base, writable, origin.clone(), env) {
            Ok(path) => shown.push(path),
            Err(error) => notices.push(Notice {
                key,
                origin,
                message: format!("not shown: {error}"),
            }),
        }
    }
    shown
}

fn of_flags(inputs: &Inputs<'_>, env: &impl Environment, refusals: &mut Vec<Refusal>) -> Vec<Shown> {
    let ro = inputs
        .flags
        .ro
        .iter()
        .map(|path| (path, false, "--ro", "filesystem.ro"));
    let rw = inputs
        .flags
        .rw
        .iter()
        .map(|path| (path, true, "--rw", "filesystem.rw"));
    let mut shown = Vec::new();
    for (path, writable, flag, key) in ro.chain(rw) {
        match show(path, Some(&inputs.flags.cwd), writable, Origin::Flag(flag), env) {
            Ok(path) => shown.push(path),
            Err(error) => refusals.push(refusal(key, flag, &error)),
        }
    }
    shown
}

fn refusal(key: &'static str, flag: &'static str, error: &PathError) -> Refusal {
    Refusal {
        key,
        origin: Origin::Flag(flag),
        reason: error.to_string(),
        help: error.help().to_owned(),
    }
}

/// Every layer's patterns: hiding is a restriction, so it needs no trust.
pub(super) fn hidden(inputs: &Inputs<'_>) -> Vec<Sourced<HidePattern>> {
    let files = inputs
        .layers()
        .flat_map(|c| c.filesystem.hide.iter().map(|at| c.sourced(at)));
    let flags = inputs.flags.hide.iter().map(|value| Sourced {
        value: value.clone(),
        origin: Origin::Flag("--hide"),
    });
    files.chain(flags).collect()
}

/// Every layer's patterns: as [`hidden`].
pub(super) fn masked(inputs: &Inputs<'_>) -> Vec<Sourced<HidePattern>> {
    let below_the_project = |pattern: Sourced<Glob>| Sourced {
        value: HidePattern {
            root: Root::Project,
            glob: pattern.value,
        },
        origin: pattern.origin,
    };
    inputs
        .layers()
        .flat_map(|c| c.workspace.mask.iter().map(|at| below_the_project(c.sourced(at))))
        .collect()
}

/// The caches of all presets, each place once.
pub(super) fn caches(presets: &Presets, project: &Path, env: &impl Environment) -> Vec<Cache> {
    let mut caches: Vec<Cache> = Vec::new();
    for (name, preset) in presets {
        let private = preset.private.iter().map(|path| (path, false));
        let layered = preset.layered.iter().map(|path| (path, true));
        let found = private
            .chain(layered)
            .filter_map(|(path, layered)| cache(path, layered, name, project, env));
        for cache in found {
            if !caches.iter().any(|c| c.target == cache.target) {
                caches.push(cache);
            }
        }
    }
    caches
}

pub(super) fn homes(presets: &Presets, env: &impl Environment) -> Vec<AgentHome> {
    let one = |at: &HomePlace| Some(place(&at.base, env)?.join(&at.below));
    let places = |paths: &[HomePlace]| paths.iter().filter_map(one).collect();
    let agents = presets
        .iter()
        .filter_map(|(name, preset)| Some((*name, preset.agent.as_ref().filter(|a| a.home)?)));
    agents
        .map(|(agent, of)| AgentHome {
            agent,
            state: places(&of.state),
            guarded: places(&of.guarded),
            settings: of
                .settings
                .iter()
                .filter_map(|rules| Some((place(&rules.file, env)?, rules.clone())))
                .collect(),
            keys: of.keys.clone(),
            unprompted: of.unprompted.clone(),
        })
        .collect()
}
