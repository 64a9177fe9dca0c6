//! What was decided about an effect.

/// Why, by what, and what to do about it. Words for a person; none of them comes from inside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reason {
    /// What is wrong, or what is asked.
    pub why: String,
    /// The rule that decided, with its file and line where it has one.
    pub rule: String,
    /// How to ask, or what to change.
    pub remedy: String,
}

/// The reference monitor's answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It flies.
    Allow {
        /// The rule that allowed it.
        rule: String,
    },
    /// It waits until a human has seen it.
    Hold(Reason),
    /// It does not happen.
    Deny(Reason),
}

impl Decision {
    /// `allow`, `hold`, `deny`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Allow { .. } => "allow",
            Self::Hold(_) => "hold",
            Self::Deny(_) => "deny",
        }
    }

    /// The rule that decided.
    #[must_use]
    pub fn rule(&self) -> &str {
        match self {
            Self::Allow { rule } => rule,
            Self::Hold(reason) | Self::Deny(reason) => &reason.rule,
        }
    }
}
