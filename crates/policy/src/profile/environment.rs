//! The environment inside: built from nothing, out of what was passed and set.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::{Inputs, Notice};
use crate::config::Config;
use crate::origin::{Origin, Sourced};
use crate::preset::{Preset, WordPattern};
use crate::screen::screen;
use crate::value::{EnvName, EnvPattern};

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
    /// Taken over word by word: those that a preset lists.
    Words(EnvName, Vec<WordPattern>),
    /// Set.
    Set(OsString, OsString),
}

/// The environment that a plan comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// The variables inside.
    pub variables: BTreeMap<OsString, OsString>,
    /// What a preset would have passed and was left out, by variable, for people. Never the text
    /// itself.
    pub left_out: BTreeMap<OsString, Notice>,
}

impl Inside {
    fn put(&mut self, name: &OsStr, value: OsString) {
        self.left_out.remove(name);
        self.variables.insert(name.to_owned(), value);
    }

    /// What a preset passes, nobody has looked at: a value like a credential stays outside.
    fn put_screened(&mut self, name: &OsStr, value: OsString, preset: &Origin) {
        match screen(value.as_bytes()) {
            None => self.put(name, value),
            Some(suspect) => self.leave_out(name, preset, &format!("it looks like {}", suspect.looks_like)),
        }
    }

    fn put_words(&mut self, name: &OsStr, value: &OsStr, allowed: &[WordPattern], preset: &Origin) {
        let words = value.as_bytes().split(u8::is_ascii_whitespace);
        let (kept, gone): (Vec<&[u8]>, Vec<&[u8]>) = words
            .filter(|word| !word.is_empty())
            .partition(|word| allowed.iter().any(|pattern| pattern.matches(word)));
        if !kept.is_empty() {
            self.put_screened(name, OsString::from_vec(kept.join(&b' ')), preset);
        }
        if !gone.is_empty() {
            let why = format!(
                "{} of its {} words may name code or a password",
                gone.len(),
                gone.len() + kept.len()
            );
            self.leave_out(name, preset, &why);
        }
    }

    fn leave_out(&mut self, name: &OsStr, preset: &Origin, why: &str) {
        let name = name.to_owned();
        let shown = crate::Escaped::from(name.as_os_str());
        let message = format!("{shown} is not passed as it is: {why}; --env {shown} passes it");
        self.left_out.insert(
            name,
            Notice {
                key: "env.pass",
                origin: preset.clone(),
                message,
            },
        );
    }
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
    pub fn build(&self, outside: impl IntoIterator<Item = (OsString, OsString)>) -> Inside {
        let outside: BTreeMap<OsString, OsString> = outside.into_iter().collect();
        let mut inside = Inside::default();
        for item in &self.items {
            match &item.value {
                EnvItem::Set(name, value) => inside.put(name, value.clone()),
                EnvItem::Pass(names) => {
                    for (name, value) in outside.iter().filter(|(name, _)| names.matches(name)) {
                        match &item.origin {
                            Origin::Preset(_) => inside.put_screened(name, value.clone(), &item.origin),
                            _ => inside.put(name, value.clone()),
                        }
                    }
                }
                EnvItem::Words(name, allowed) => {
                    let name = OsStr::new(name.as_str());
                    if let Some(value) = outside.get(name) {
                        inside.put_words(name, value, allowed, &item.origin);
                    }
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
    offline: bool,
    notices: &mut Vec<Notice>,
) -> EnvPlan {
    let mut plan = EnvPlan::default();
    for (name, preset) in presets {
        of_preset(&mut plan, name, preset, offline);
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
    for (name, allowed) in &preset.words {
        plan.add(origin(), EnvItem::Words(name.clone(), allowed.clone()));
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
