//! Who answers, and who must.

use std::collections::BTreeSet;

/// How an answer came in. None of these can be reached from inside a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// `fumehood allow` in another terminal of the account.
    Terminal,
    /// The pop-up over the agent's own screen.
    PopUp,
    /// The local page.
    Page,
    /// The team service.
    Team,
}

/// What shows that a person was there. Ordered: a later one is stronger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// The account answered: any program of it could have.
    #[default]
    Account,
    /// A passkey was touched.
    Passkey,
}

/// Whoever answers, as the channel found out, never as they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approver {
    /// Their name: an account of this machine, or of the team service.
    pub person: String,
    /// Groups that the team service says they are in. None for a local answer.
    pub groups: BTreeSet<String>,
    /// What shows them.
    pub proof: Proof,
    /// How they answered.
    pub via: Channel,
}

/// Who may release a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Of this group.
    pub group: Option<String>,
    /// So many different people; at least one.
    pub count: u32,
    /// Not the one who started the session.
    pub not_requester: bool,
    /// Shown by this at least.
    pub proof: Proof,
    /// Milliseconds an approval is good for, where that is shorter than usual.
    pub approval: Option<u64>,
}

impl Default for Requirement {
    fn default() -> Self {
        Self {
            group: None,
            count: 1,
            not_requester: false,
            proof: Proof::Account,
            approval: None,
        }
    }
}

/// Why somebody may not release a hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// Not of the group.
    #[error("only the group {0} may release this, by the team service")]
    Group(String),
    /// They started the session.
    #[error(
        "the one who started the session may not release this; somebody else has to, by the team service"
    )]
    Requester,
    /// A stronger proof is asked for.
    #[error("this wants a passkey, by the team service")]
    Proof,
    /// The isolation level does not keep this channel out of reach.
    #[error("a critical effect is not released on this machine at isolation level landlock")]
    Local,
}

impl Requirement {
    /// Whether this approver counts.
    ///
    /// # Errors
    /// They do not, for this reason.
    pub fn admits(&self, approver: &Approver, requester: &str) -> Result<(), Unmet> {
        if let Some(group) = self.group.as_ref().filter(|g| !approver.groups.contains(*g)) {
            return Err(Unmet::Group(group.clone()));
        }
        if self.not_requester && approver.person == requester {
            return Err(Unmet::Requester);
        }
        if approver.proof < self.proof {
            return Err(Unmet::Proof);
        }
        Ok(())
    }

    /// In words, for the card: nothing where anyone of the account will do.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.count > 1 {
            parts.push(format!("{} people", self.count));
        }
        parts.extend(self.group.as_ref().map(|g| format!("of the group {g}")));
        if self.not_requester {
            parts.push("not whoever started the session".to_owned());
        }
        if self.proof == Proof::Passkey {
            parts.push("with a passkey".to_owned());
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}
