//! Which branches a session may push by itself, and what a push starts.

use super::Inputs;
use crate::glob::Glob;
use crate::value::Ci;

/// What configuration says of pushes.
#[derive(Clone, Debug, Default)]
pub struct PushWishes {
    /// Branches that are the session's own.
    pub own: Vec<Glob>,
    /// What a push to a repository starts, by patterns of `host/path`; the gravest that fits counts.
    pub ci: Vec<(Glob, Ci)>,
}

/// Adds up what is trusted. That a push starts something grave counts whoever says it.
pub(super) fn pushes(inputs: &Inputs<'_>) -> PushWishes {
    let mut wishes = PushWishes::default();
    for config in inputs.requesting() {
        wishes
            .own
            .extend(config.git.own.iter().map(|at| at.value.clone()));
        let ci = config.git.ci.iter().map(|(at, ci)| (at.value.clone(), *ci));
        wishes.ci.extend(ci);
    }
    if let Some(config) = inputs.project.filter(|p| !p.trusted).map(|p| p.config) {
        let grave = config.git.ci.iter().filter(|(_, ci)| *ci == Ci::WithSecrets);
        wishes.ci.extend(grave.map(|(at, ci)| (at.value.clone(), *ci)));
    }
    wishes
}
