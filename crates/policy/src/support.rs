//! What this version of fumehood can enforce. A restriction beyond it stops the run.

use crate::value::{Isolation, Version};

/// The abilities that decide whether a restriction of the configuration can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support {
    /// The release.
    pub version: Version,
    /// Whether effects are judged on the wire. While they are not, a rule that denies, holds or counts
    /// one is kept by the network being off.
    pub network: bool,
    /// Whether hosts that are named can be reached, though nobody judges what is done there.
    pub gateway: bool,
    /// Whether requests to these hosts are read. While they are not, a rule that narrows them allows nothing.
    pub requests: bool,
    /// Whether secrets are put into them. While they are not, a run that asks for one does not begin.
    pub secrets: bool,
    /// Whether changes can be kept back (overlay workspace): ask, never.
    pub staging: bool,
    /// Whether changes are judged file by file: hold, turn.
    pub judging: bool,
    /// Whether records are written.
    pub audit: bool,
    /// The isolation levels that exist.
    pub isolation: &'static [Isolation],
}

impl Support {
    /// This version.
    pub const CURRENT: Self = Self {
        version: Version(0, 1, 0),
        network: false,
        gateway: true,
        requests: true,
        secrets: true,
        staging: true,
        judging: false,
        audit: false,
        isolation: &[Isolation::Landlock, Isolation::Namespace],
    };

    /// Whether an effect of this kind could happen at all. Changes to the project can be applied, and
    /// nobody asks the rules about it yet; all other kinds leave through the network, a tool or a
    /// grant, and there is none of these yet.
    pub fn can_happen(&self, effect: &str) -> bool {
        self.network || effect == "workspace.apply"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_crate_s() {
        assert_eq!(env!("CARGO_PKG_VERSION").parse(), Ok(Support::CURRENT.version));
    }
}
