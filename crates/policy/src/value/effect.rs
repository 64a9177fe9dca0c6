//! The names of effects, as configuration says them: a rule on an effect that does not exist is an
//! error and not a rule that silently never holds.

use std::fmt;
use std::str::FromStr;

use super::Invalid;
use crate::suggest;

/// Every kind of effect, sorted.
pub const EFFECTS: &[&str] = fumehood_effect::NAMES;

/// One kind, or all below a name: `git.ref.force`, `cluster.*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EffectPattern {
    /// This kind.
    Kind(&'static str),
    /// Kinds that begin so, the dot included; empty for all.
    Below(String),
}

impl EffectPattern {
    /// Whether the kind is meant.
    pub fn matches(&self, kind: &str) -> bool {
        match self {
            Self::Kind(wanted) => *wanted == kind,
            Self::Below(prefix) => kind.starts_with(prefix.as_str()),
        }
    }
}

impl FromStr for EffectPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let unknown = || Invalid::not(text, "an effect", help(text));
        if let Some(prefix) = text.strip_suffix('*') {
            let whole = prefix.is_empty() || prefix.ends_with('.');
            let known = EFFECTS.iter().any(|kind| kind.starts_with(prefix));
            return if whole && known {
                Ok(Self::Below(prefix.to_owned()))
            } else {
                Err(unknown())
            };
        }
        EFFECTS
            .iter()
            .find(|kind| **kind == text)
            .map(|kind| Self::Kind(kind))
            .ok_or_else(unknown)
    }
}

/// The nearest kind, else the kinds of the same family, else the families.
fn help(text: &str) -> String {
    if let Some(near) = suggest::nearest(text, EFFECTS.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    let family = |kind: &'static str| kind.split('.').next().unwrap_or(kind);
    let wanted = text.split('.').next().unwrap_or_default();
    let mut words: Vec<&str> = EFFECTS
        .iter()
        .copied()
        .filter(|kind| family(kind) == wanted)
        .collect();
    if words.is_empty() {
        words = EFFECTS.iter().copied().map(family).collect();
        words.dedup();
    }
    format!("one of {}", words.join(", "))
}

impl fmt::Display for EffectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => f.write_str(kind),
            Self::Below(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_on_nothing_is_an_error() {
        let help = |text: &str| text.parse::<EffectPattern>().unwrap_err().help.into_owned();
        assert_eq!(help("git.ref.forced"), "did you mean `git.ref.force`?");
        assert_eq!(
            help("sql.everything"),
            "one of sql.ddl, sql.destroy, sql.read, sql.roles, sql.run, sql.server, sql.write"
        );
        assert!(help("banana").starts_with("one of cloud, cluster, deploy"));
        for wrong in ["banana.*", "git*", "git.r*", "", "git.", "*.delete"] {
            assert!(wrong.parse::<EffectPattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn patterns_match_families() {
        let pattern: EffectPattern = "git.ref.*".parse().unwrap();
        assert!(pattern.matches("git.ref.force") && !pattern.matches("git.read"));
        let all: EffectPattern = "*".parse().unwrap();
        assert!(EFFECTS.iter().all(|kind| all.matches(kind)));
    }
}
