//! Grants: a narrow typed scope, for a count and a time, never "always".

use super::time::Time;
use fumehood_effect::{Effect, EffectKind, Fact, Tier};
use fumehood_policy::glob::Glob;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The longest a grant lasts, milliseconds.
pub(super) const MAX_SPAN: u64 = 8 * 3_600_000;
/// The most effects one grant lets through.
pub(super) const MAX_USES: u32 = 1000;

/// What a grant covers: one kind, one system, names of one pattern, and no more than so much of each count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    kind: EffectKind,
    system: String,
    names: Glob,
    tier: Tier,
    most: BTreeMap<String, u64>,
    uses: u32,
    span: u64,
}

/// Why a scope is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// What cannot be undone is looked at each time.
    #[error("a critical effect is looked at each time")]
    Critical,
    /// The pattern is no pattern, or means everything.
    #[error("the pattern of names must begin with a name, such as acme/api/*")]
    Names,
    /// Not 1 to 1000.
    #[error("a grant lets 1 to {MAX_USES} effects through")]
    Uses,
    /// Not within eight hours.
    #[error("a grant lasts from a second to eight hours")]
    Span,
}

impl Scope {
    /// The scope around an effect: its kind and system, names that match, its tier at most, and each number
    /// among its facts as the most of one effect.
    ///
    /// # Errors
    /// It would be too wide.
    pub fn around(effect: &Effect, names: &str, uses: u32, span: u64) -> Result<Scope, ScopeError> {
        if effect.tier == Tier::Critical {
            return Err(ScopeError::Critical);
        }
        let first = names.split('/').next().unwrap_or_default();
        if first.is_empty() || first.contains(['*', '?', '[', '{']) {
            return Err(ScopeError::Names);
        }
        let names = Glob::parse(names.as_bytes()).map_err(|_| ScopeError::Names)?;
        if !(1..=MAX_USES).contains(&uses) {
            return Err(ScopeError::Uses);
        }
        if !(1000..=MAX_SPAN).contains(&span) {
            return Err(ScopeError::Span);
        }
        let number = |(name, fact): (&String, &Fact)| match fact {
            Fact::Number(n) => Some((name.clone(), *n)),
            _ => None,
        };
        Ok(Scope {
            kind: effect.kind,
            system: effect.resource.system.clone(),
            names,
            tier: effect.tier,
            most: effect.facts.iter().filter_map(number).collect(),
            uses,
            span,
        })
    }

    /// Whether an effect is within it. A count that the scope does not know is not.
    #[must_use]
    pub fn admits(&self, effect: &Effect) -> bool {
        let within = |(name, fact): (&String, &Fact)| match fact {
            Fact::Number(n) => self.most.get(name).is_some_and(|most| n <= most),
            _ => true,
        };
        effect.kind == self.kind
            && effect.resource.system == self.system
            && effect.tier <= self.tier
            && effect.tier < Tier::Critical
            && self.covers(&effect.resource.name)
            && effect.facts.iter().all(within)
    }

    /// The same letters as the name, dot and dot-dot included: a name is no path that anything resolves.
    fn covers(&self, name: &str) -> bool {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        name.trim_start_matches('/').split('/').all(plain)
            && self.names.covers(Path::new(OsStr::from_bytes(
                name.trim_start_matches('/').as_bytes(),
            )))
    }

    /// How many effects.
    #[must_use]
    pub const fn uses(&self) -> u32 {
        self.uses
    }

    /// For how long, milliseconds.
    #[must_use]
    pub const fn span(&self) -> u64 {
        self.span
    }

    /// In words, as the approver is shown it: kind, system, names, how many, how long.
    #[must_use]
    pub fn words(&self) -> String {
        let names = super::show::escaped_ends(&String::from_utf8_lossy(self.names.as_bytes()), 120);
        let system = super::show::escaped_ends(&self.system, 120);
        let most: String = self
            .most
            .iter()
            .map(|(name, n)| format!(", {} at most {n} each", super::show::escaped_ends(name, 40)))
            .collect();
        format!(
            "{} on {system}, {names}{most}; {} more, for {} minutes",
            self.kind,
            self.uses,
            self.span.div_ceil(60_000)
        )
    }
}

/// A scope in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What.
    pub scope: Scope,
    /// How many are left.
    pub left: u32,
    /// Until when.
    pub until: Time,
}

impl Grant {
    /// Takes one, if the effect is covered now.
    pub(super) fn take(&mut self, effect: &Effect, now: Time) -> bool {
        let good = self.left > 0 && now < self.until && self.scope.admits(effect);
        if good {
            self.left -= 1;
        }
        good
    }
}
