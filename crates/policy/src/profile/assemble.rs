use super::{
    Inputs, Profile, Refused, environment, files, limits, network, pushes, requests, restrictions, secrets,
    walls,
};
use crate::choose::{Chosen, choose, chooses};
use crate::expand::Environment;
use crate::glob::Glob;
use crate::origin::{Origin, Sourced};
use crate::preset::Preset;

use super::Refusal;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Adds everything up, or says why the run must not start. Reads nothing but through `env`.
pub fn assemble(inputs: &Inputs<'_>, env: &impl Environment) -> Result<Profile, Refused> {
    let (mut refusals, mut notices) = (Vec::new(), Vec::new());
    let chosen = choose(inputs.command, inputs.folders, &inputs.asked_presets());
    let presets = load(&chosen, &mut refusals);
    restrictions::check(inputs, &mut refusals, &mut notices);
    let files = files::shown(inputs, &presets, env, &mut refusals, &mut notices);
    let isolation = walls::isolation(inputs, &mut refusals);
    let network = network::network(
        inputs,
        &presets,
        env,
        isolation.value,
        &mut refusals,
        &mut notices,
    );
    let secrets = secrets::secrets(inputs, &presets, &network, &mut refusals, &mut notices);
    let profile = Profile {
        shown: files.shown,
        covered: files.covered,
        caches: files::caches(&presets, inputs.project_dir, env),
        hide: files::hidden(inputs),
        mask: files::masked(inputs),
        env: environment::environment(inputs, &presets, network.is_empty(), &mut notices),
        limits: limits::limits(inputs, &mut notices),
        isolation,
        nested: walls::nested(inputs),
        apply: walls::apply(inputs, &mut refusals),
        scratch: scratch(inputs, &presets),
        homes: files::homes(&presets, env),
        logins: secrets::logins(inputs, &presets, &network, &mut notices),
        network,
        pushes: pushes::pushes(inputs),
        secrets,
        waiting: requests::waiting(inputs),
        presets: chosen,
        notices: Vec::new(),
    };
    requests::unavailable(inputs, &mut notices);
    if refusals.is_empty() {
        Ok(Profile { notices, ..profile })
    } else {
        Err(Refused(refusals))
    }
}

/// Parses the chosen presets only. They are part of the program and tested; should one be
/// broken all the same, the run stops.
fn load(chosen: &[Chosen], refusals: &mut Vec<Refusal>) -> Vec<(&'static str, Preset)> {
    let mut presets = Vec::new();
    for chosen in chosen {
        match chosen.entry.load() {
            Ok(preset) => presets.push((chosen.entry.name, preset)),
            Err(findings) => refusals.push(Refusal {
                key: "presets",
                origin: Origin::Preset(chosen.entry.name),
                reason: findings.to_string(),
                help: "report this as a bug".to_owned(),
            }),
        }
    }
    presets
}

/// Build outputs need no trust: what is scratch never lands on the host.
fn scratch(inputs: &Inputs<'_>, presets: &[(&'static str, Preset)]) -> Vec<Sourced<Glob>> {
    let files = inputs
        .layers()
        .flat_map(|c| c.workspace.scratch.iter().map(|at| c.sourced(at)));
    let of_presets = presets.iter().flat_map(|(name, preset)| {
        let globs = preset.scratch.iter().flat_map(|glob| {
            let deeper = inputs.folders.iter().filter(|folder| chooses(name, folder));
            let there = deeper.filter_map(|folder| below(&folder.at, glob));
            std::iter::once(glob.clone()).chain(there)
        });
        globs.map(|value| Sourced {
            value,
            origin: Origin::Preset(name),
        })
    });
    files.chain(of_presets).collect()
}

/// The same pattern for a package that lies deeper in the project, whose folder chose the preset: its outputs lie
/// there. None for the root itself, for patterns that mean any depth, and where a name would be a pattern.
fn below(folder: &Path, glob: &Glob) -> Option<Glob> {
    let pattern = glob.as_bytes();
    let prefix = folder.as_os_str().as_bytes();
    let plain = !prefix.is_empty() && !prefix.iter().any(|b| b"*?[]{}!\\".contains(b));
    if !plain || pattern.starts_with(b"**/") || pattern.starts_with(b"/") {
        return None;
    }
    Glob::parse(&[prefix, b"/", pattern].concat()).ok()
}
