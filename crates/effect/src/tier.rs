//! How grave an effect is.

use std::fmt;

/// How hard an effect is to undo. Ordered: the last is the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Changes nothing that anybody would want undone.
    Low,
    /// Can be undone with effort, or is seen by few.
    Medium,
    /// Hard to undo, or seen by many.
    High,
    /// Cannot be undone.
    Critical,
}

impl Tier {
    /// `low`, `medium`, `high`, `critical`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
