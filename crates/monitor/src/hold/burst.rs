//! Many effects of one class in a short time: each may be fine, the burst is looked at (research/governance.md §4.7).

use super::time::Time;
use fumehood_effect::{EffectKind, Tier};
use std::collections::{BTreeMap, VecDeque};

/// When a series is a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurstRule {
    /// So many of one class fly; the next is held.
    pub count: usize,
    /// In so many milliseconds.
    pub within: u64,
}

/// Kinds of medium tier that ordinary work repeats at speed and that are judged one by one already.
const STEADY: &[EffectKind] = &[
    EffectKind::HttpStream,
    EffectKind::HttpTunnel,
    EffectKind::SecretUse,
    EffectKind::SqlWrite,
];

/// The classes remembered at most; beyond it the oldest quiet ones are forgotten.
const MAX_CLASSES: usize = 256;

/// What flew lately, by class: a kind and the system it acts on.
#[derive(Debug, Default)]
pub(super) struct Recent(BTreeMap<(EffectKind, String), VecDeque<Time>>);

impl Recent {
    /// Whether one more of this class would make a burst; it is counted where it would not.
    pub(super) fn strikes(
        &mut self,
        rule: BurstRule,
        kind: EffectKind,
        tier: Tier,
        system: &str,
        now: Time,
    ) -> bool {
        if tier < Tier::Medium || STEADY.contains(&kind) {
            return false;
        }
        self.forget(rule, now);
        let times = self.0.entry((kind, system.to_owned())).or_default();
        if times.len() >= rule.count {
            return true;
        }
        times.push_back(now);
        false
    }

    fn forget(&mut self, rule: BurstRule, now: Time) {
        for times in self.0.values_mut() {
            times.retain(|t| t.after(rule.within) > now);
        }
        self.0.retain(|_, times| !times.is_empty());
        while self.0.len() >= MAX_CLASSES {
            self.0.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fly_and_the_sixth_is_looked_at_until_it_is_quiet() {
        let rule = BurstRule {
            count: 5,
            within: 10_000,
        };
        let mut recent = Recent::default();
        let mut strikes =
            |kind: EffectKind, system, ms| recent.strikes(rule, kind, kind.tier(), system, Time(ms));
        for ms in 0..5 {
            assert!(!strikes(EffectKind::HttpMutate, "a", ms));
        }
        assert!(strikes(EffectKind::HttpMutate, "a", 6));
        assert!(
            !strikes(EffectKind::HttpMutate, "b", 6),
            "another system is another class"
        );
        assert!(!strikes(EffectKind::HttpRead, "a", 6), "reading is no burst");
        assert!(!strikes(EffectKind::HttpMutate, "a", 10_001));
    }
}
