//! What at the top of a tree defines pipelines: a push whose tree has it otherwise than the base runs what its author
//! wrote, with what the repository's pipelines hold.

use crate::oid::{Format, ObjectId};
use crate::pack::Objects;
use fumehood_policy::Escaped;
use std::collections::BTreeMap;

/// Names at the top of a repository, lower case, under which services look for pipelines, builds and deployments. A
/// folder counts whole: what lies beside the definitions is included by them.
const NAMES: &[&str] = &[
    ".appveyor.yaml",
    ".appveyor.yml",
    ".azure-pipelines",
    ".buildkite",
    ".builds",
    ".build.yml",
    ".circleci",
    ".cirrus.star",
    ".cirrus.yml",
    ".codefresh",
    ".drone.jsonnet",
    ".drone.star",
    ".drone.yml",
    ".forgejo",
    ".gitea",
    ".github",
    ".gitlab",
    ".gitlab-ci.yml",
    ".harness",
    ".onedev-buildspec.yml",
    ".semaphore",
    ".teamcity",
    ".tekton",
    ".travis.yml",
    ".woodpecker",
    ".woodpecker.yaml",
    ".woodpecker.yml",
    "amplify.yml",
    "app.json",
    "appveyor.yaml",
    "appveyor.yml",
    "azure-pipelines.yaml",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    "buildspec.yaml",
    "buildspec.yml",
    "cloudbuild.yaml",
    "cloudbuild.yml",
    "fly.toml",
    "jenkinsfile",
    "netlify.toml",
    "render.yaml",
    "vercel.json",
    "wercker.yml",
];

/// The definitions at the top of one tree: mode and object by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pipelines(BTreeMap<Vec<u8>, (Vec<u8>, ObjectId)>);

impl Pipelines {
    /// Of a tree's content. `None` where it is no tree.
    #[must_use]
    pub fn of_tree(format: Format, content: &[u8]) -> Option<Pipelines> {
        let mut found = BTreeMap::new();
        let mut rest = content;
        while !rest.is_empty() {
            let space = rest.iter().take(8).position(|b| *b == b' ')?;
            let (mode, after) = (rest.get(..space)?, rest.get(space + 1..)?);
            let end = after.iter().position(|b| *b == 0)?;
            let name = after.get(..end).filter(|name| !name.is_empty())?;
            let id = after.get(end + 1..end + 1 + format.length())?;
            if !mode.iter().all(u8::is_ascii_digit) {
                return None;
            }
            if defines(name) {
                let id = ObjectId::from_bytes(id)?;
                // Twice under one name: servers differ in which they take.
                if found.insert(name.to_vec(), (mode.to_vec(), id)).is_some() {
                    return None;
                }
            }
            rest = after.get(end + 1 + format.length()..)?;
        }
        Some(Pipelines(found))
    }

    /// The first name that is not there, or otherwise there, in the base. What is gone defines nothing.
    fn other_than<'a>(&'a self, base: &Pipelines) -> Option<&'a [u8]> {
        let other = |(name, entry): &(&Vec<u8>, &(Vec<u8>, ObjectId))| base.0.get(*name) != Some(*entry);
        self.0.iter().find(other).map(|(name, _)| name.as_slice())
    }
}

fn defines(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    NAMES.iter().any(|known| known.as_bytes() == lower)
}

/// What the session started from: a commit that its user has, and what defines pipelines there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The commit.
    pub commit: ObjectId,
    /// Its files.
    pub tree: ObjectId,
    /// The definitions among them.
    pub pipelines: Pipelines,
}

/// Whether a commit defines the pipelines that the base does, or fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Defined {
    /// It does.
    Same,
    /// This is new or changed.
    Other(String),
    /// The pack does not show it.
    Unknown,
}

/// Looks at the files of a commit that is pushed.
pub(crate) fn defined(objects: &Objects, tip: ObjectId, base: Option<&Base>) -> Defined {
    if base.is_some_and(|base| base.commit == tip) {
        return Defined::Same;
    }
    let Some(commit) = objects.commits.get(&tip) else {
        return Defined::Unknown;
    };
    if base.is_some_and(|base| base.tree == commit.tree) {
        return Defined::Same;
    }
    let format = tip.format();
    // The empty tree need not be sent.
    let empty = ObjectId::of_tree(format, b"") == commit.tree;
    let content = match objects.trees.get(&commit.tree) {
        Some(content) => content.as_slice(),
        None if empty => b"",
        None => return Defined::Unknown,
    };
    let none = Pipelines::default();
    match Pipelines::of_tree(format, content) {
        None => Defined::Unknown,
        Some(found) => match found.other_than(base.map_or(&none, |base| &base.pipelines)) {
            Some(name) => Defined::Other(Escaped::bytes(name).to_string()),
            None => Defined::Same,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(mode: &str, name: &str, byte: u8) -> Vec<u8> {
        [format!("{mode} {name}\0").as_bytes(), &[byte; 20]].concat()
    }

    fn read(content: &[u8]) -> Option<Pipelines> {
        Pipelines::of_tree(Format::Sha1, content)
    }

    #[test]
    fn names_are_lower_case_and_sorted() {
        let lower = |n: &&&str| n.chars().all(|c| !c.is_ascii_uppercase());
        assert_eq!(NAMES.iter().filter(lower).count(), NAMES.len());
    }

    /// New, changed, another case, another mode: other. Gone, or something else changed: the same.
    #[test]
    fn what_defines_pipelines_is_compared() {
        let base = read(&[entry("40000", ".github", 1), entry("100644", "a", 2)].concat()).unwrap();
        let other = |content: &[u8]| read(content).unwrap().other_than(&base).map(<[u8]>::to_vec);
        assert_eq!(other(&entry("40000", ".github", 1)), None);
        assert_eq!(other(&entry("100644", "a", 9)), None);
        assert_eq!(other(b""), None);
        assert_eq!(other(&entry("40000", ".github", 3)), Some(b".github".to_vec()));
        assert_eq!(other(&entry("120000", ".github", 1)), Some(b".github".to_vec()));
        assert_eq!(other(&entry("40000", ".GitHub", 1)), Some(b".GitHub".to_vec()));
        assert_eq!(
            other(&entry("100644", ".gitlab-ci.yml", 1)),
            Some(b".gitlab-ci.yml".to_vec())
        );
    }

    #[test]
    fn what_is_no_tree_is_none() {
        let good = entry("40000", ".github", 1);
        assert_eq!(read(&[good.clone(), good.clone()].concat()), None);
        assert_eq!(read(&good[..good.len() - 1]), None);
        assert_eq!(read(b"40000"), None);
        assert_eq!(read(&entry("4x000", "a", 1)), None);
        assert_eq!(read(&entry("40000", "", 1)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _tree = read(&content);
        }
    }
}
