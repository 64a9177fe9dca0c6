//! The environment inside: built from nothing, out of what was passed and set.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::{Inputs, Notice};
use crate::config::Config;
use crate::origin::{Origin, Sourced};
use crate::preset::Preset;
use crate::value::EnvPattern;

/// Which variables an [`EnvItem`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvMatch {
    /// From a file.
    Pattern(EnvPattern),
    /// From a flag: any bytes.
    Exact(OsString),
}

impl EnvMatch {
    fn matches(&self, name: &OsStr) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.matches(name.as_bytes()),
            Self::Exact(exact) => exact == name,
        }
    }
}

/// A variable that is passed or set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvItem {
    /// Taken over from outside, if it is there.
    Pass(EnvMatch),
    /// Set.
    Set(OsString, OsString),
}

/// What is passed and set, by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvPlan {
    /// In the order of authority, the least first.
    pub items: Vec<Sourced<EnvItem>>,
}

impl EnvPlan {
    /// The variables inside, given those outside. Whose word counts more wins; at the same
    /// authority what is set wins over what is passed.
    pub fn build(
        &self,
        outside: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> BTreeMap<OsString, OsString> {
        let outside: BTreeMap<OsString, OsString> = outside.into_iter().collect();
        let mut inside = BTreeMap::new();
        for item in &self.items {
            match &item.value {
                EnvItem::Set(name, value) => drop(inside.insert(name.clone(), value.clone())),
                EnvItem::Pass(names) => {
                    let passed = outside.iter().filter(|(name, _)| names.matches(name));
                    inside.extend(passed.map(|(name, value)| (name.clone(), value.clone())));
                }
            }
        }
        inside
    }

    fn add(&mut self, origin: Origin, value: EnvItem) {
        self.items.push(Sourced { value, origin });
    }

    fn settle(&mut self) {
        self.items
            .sort_by_key(|item| (item.origin.authority(), matches!(item.value, EnvItem::Set(..))));
    }
}

/// Gathers the plan.
pub(super) fn environment(
    inputs: &Inputs<'_>,
    presets: &[(&'static str, Preset)],
    notices: &mut Vec<Notice>,
) -> EnvPlan {
    let mut plan = EnvPlan::default();
    for (name, preset) in presets {
        of_preset(&mut plan, name, preset, !inputs.support.network);
    }
    for config in inputs.requesting() {
        of_config(&mut plan, config);
    }
    of_flags(&mut plan, inputs, notices);
    plan.settle();
    plan
}

fn of_preset(plan: &mut EnvPlan, name: &'static str, preset: &Preset, offline: bool) {
    let origin = || Origin::Preset(name);
    for pattern in &preset.pass {
        plan.add(origin(), EnvItem::Pass(EnvMatch::Pattern(pattern.clone())));
    }
    let offline = preset.offline.iter().filter(|_| offline);
    for (name, value) in preset.set.iter().chain(offline) {
        plan.add(origin(), EnvItem::Set(name.as_str().into(), value.into()));
    }
}

fn of_config(plan: &mut EnvPlan, config: &Config) {
    for pattern in &config.env.pass {
        plan.add(
            config.origin(pattern.pos),
            EnvItem::Pass(EnvMatch::Pattern(pattern.value.clone())),
        );
    }
    for (name, value) in &config.env.set {
        plan.add(
            config.origin(name.pos),
            EnvItem::Set(name.value.as_str().into(), value.into()),
        );
    }
}

fn of_flags(plan: &mut EnvPlan, inputs: &Inputs<'_>, notices: &mut Vec<Notice>) {
    let origin = || Origin::Flag("--env");
    for (name, value) in &inputs.flags.env {
        match value {
            Some(value) => plan.add(origin(), EnvItem::Set(name.clone(), value.clone())),
            None => plan.add(origin(), EnvItem::Pass(EnvMatch::Exact(name.clone()))),
        }
        if names_a_secret(name) {
            let name = crate::Escaped::from(name.as_os_str());
            let message = format!("{name} is named like a secret, and whatever runs inside can read it");
            notices.push(Notice {
                key: "env.pass",
                origin: origin(),
                message,
            });
        }
    }
}

/// Names by which keys are usually passed: allowed, since it was typed, and said.
fn names_a_secret(name: &OsStr) -> bool {
    const ENDS: &[&[u8]] = &[b"_KEY", b"_TOKEN", b"_SECRET", b"_PASSWORD", b"_AUTH_SOCK"];
    ENDS.iter().any(|end| name.as_bytes().ends_with(end))
}
