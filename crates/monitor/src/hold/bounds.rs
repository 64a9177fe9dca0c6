//! The facts that were shown, as bounds on what is done (review-security F24).

use fumehood_effect::{Fact, Facts};
use std::collections::BTreeMap;

/// What an approval lets each fact be when it is performed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Bound {
    /// This and nothing else.
    Exactly(Fact),
    /// This many at most.
    AtMost(u64),
}

/// The bounds of one effect, from the facts its card showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds(BTreeMap<String, Bound>);

/// A fact that is not what was shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no longer what was shown")]
pub struct Broken(pub String);

/// Facts that count what is touched: fewer is fine, more is not.
const COUNTS: &[&str] = &[
    "amount",
    "bytes",
    "commits",
    "commits.lost",
    "objects",
    "recipients",
    "rows",
];

impl Bounds {
    /// The bounds that showing these facts sets.
    #[must_use]
    pub fn of(facts: &Facts) -> Bounds {
        let bound = |name: &String, fact: &Fact| match fact {
            Fact::Number(n) if COUNTS.contains(&name.as_str()) => Bound::AtMost(*n),
            fact => Bound::Exactly(fact.clone()),
        };
        Bounds(facts.iter().map(|(n, f)| (n.clone(), bound(n, f))).collect())
    }

    /// Whether what was observed right before performing keeps within them. A fact that was not shown
    /// breaks them as one that differs does.
    ///
    /// # Errors
    /// The first fact that does not.
    pub fn hold(&self, observed: &Facts) -> Result<(), Broken> {
        let within = |name: &str, fact: &Fact| match (self.0.get(name), fact) {
            (Some(Bound::Exactly(shown)), fact) => shown == fact,
            (Some(Bound::AtMost(most)), Fact::Number(n)) => n <= most,
            _ => false,
        };
        match observed.iter().find(|(name, fact)| !within(name, fact)) {
            Some((name, _)) => Err(Broken(name.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(list: &[(&str, Fact)]) -> Facts {
        list.iter().map(|(n, f)| ((*n).to_owned(), f.clone())).collect()
    }

    #[test]
    fn counts_may_shrink_and_all_else_stays() {
        let old = Fact::Text("1111".to_owned());
        let bounds = Bounds::of(&facts(&[("rows", Fact::Number(12)), ("old", old.clone())]));
        assert_eq!(bounds.hold(&facts(&[])), Ok(()));
        assert_eq!(
            bounds.hold(&facts(&[("rows", Fact::Number(11)), ("old", old)])),
            Ok(())
        );
        for (name, fact) in [
            ("rows", Fact::Number(13)),
            ("rows", Fact::Text("12".to_owned())),
            ("old", Fact::Text("2222".to_owned())),
            ("triggers", Fact::Number(0)),
        ] {
            assert_eq!(bounds.hold(&facts(&[(name, fact)])), Err(Broken(name.to_owned())));
        }
    }
}
