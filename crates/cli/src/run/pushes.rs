//! Which pushes of a run fly: what configuration says, and what the project is at.

use fumehood_monitor::{Base, Ci, ObjectId, Pipelines, Pushes};
use fumehood_policy::profile::PushWishes;
use fumehood_policy::value;
use fumehood_session::worktree;
use fumehood_workspace::git::{Repository, Top, top};
use fumehood_workspace::identity;
use std::path::Path;

/// Branches that others work from or that are deployed, by custom. A forge protects these or not: nobody here knows.
const SHARED: &[&str] = &[
    "main",
    "master",
    "trunk",
    "mainline",
    "default",
    "develop",
    "development",
    "dev",
    "next",
    "stable",
    "staging",
    "stage",
    "test",
    "testing",
    "qa",
    "uat",
    "preview",
    "production",
    "prod",
    "live",
    "deploy",
    "deployment",
    "release",
    "gh-pages",
    "pages",
    "hotfix",
];

/// Adds up what is known. The project is looked at only where a push could fly at all.
pub(super) fn pushes(wishes: &PushWishes, project: &Path) -> Pushes {
    let ci: Vec<_> = wishes
        .ci
        .iter()
        .map(|(glob, ci)| (glob.clone(), of(*ci)))
        .collect();
    let could = ci.iter().any(|(_, ci)| *ci != Ci::WithSecrets);
    let at = could.then(|| at(project)).flatten();
    Pushes {
        own: wishes.own.clone(),
        started: at.as_ref().and_then(unshared),
        base: at.as_ref().and_then(base),
        ci,
    }
}

fn of(ci: value::Ci) -> Ci {
    match ci {
        value::Ci::None => Ci::None,
        value::Ci::WithoutSecrets => Ci::WithoutSecrets,
        value::Ci::WithSecrets => Ci::WithSecrets,
    }
}

fn at(project: &Path) -> Option<Top> {
    let (_, owner) = identity(project).ok()?;
    let linked = worktree(project).map(|w| Repository {
        own: w.own,
        common: w.git,
    });
    top(project, &linked.unwrap_or_else(|| Repository::of(project)), owner)
}

/// The branch the session starts on, unless others share it.
fn unshared(top: &Top) -> Option<String> {
    let branch = top.branch.as_ref()?;
    let first = branch.split(['/', '-', '.', '_']).next().unwrap_or_default();
    let shared = |name: &str| SHARED.iter().any(|known| known.eq_ignore_ascii_case(name));
    let version = first
        .strip_prefix('v')
        .unwrap_or(first)
        .starts_with(|c: char| c.is_ascii_digit());
    let release = shared(branch) || ["release", "releases", "stable", "hotfix"].contains(&first) || version;
    (!release && top.main.as_ref() != Some(branch)).then(|| branch.clone())
}

fn base(top: &Top) -> Option<Base> {
    let tree = ObjectId::from_hex(top.tree.as_bytes())?;
    Some(Base {
        commit: ObjectId::from_hex(top.commit.as_bytes())?,
        tree,
        pipelines: Pipelines::of_tree(tree.format(), &top.content)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(branch: &str, main: Option<&str>) -> Option<String> {
        unshared(&Top {
            branch: Some(branch.to_owned()),
            main: main.map(str::to_owned),
            commit: String::new(),
            tree: String::new(),
            content: Vec::new(),
        })
    }

    #[test]
    fn a_branch_that_others_share_is_not_the_sessions() {
        for shared in [
            "main",
            "Master",
            "develop",
            "release/1.2",
            "release-1",
            "v2",
            "1.x",
            "v1.2-fixes",
            "prod",
            "hotfix/x",
        ] {
            assert_eq!(started(shared, None), None, "{shared}");
        }
        assert_eq!(started("work", Some("work")), None);
        for own in ["fix/login", "feat-x", "vendor-update", "testing-library", "work"] {
            assert_eq!(started(own, Some("main")).as_deref(), Some(own));
        }
    }
}
