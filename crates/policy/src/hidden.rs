//! Which existing paths the patterns of `hide` mean.
//!
//! A pattern without wildcards is one look. The others cost one walk of names over what is
//! visible, without opening a file, and only where something below can still match. Promised
//! is what exists at start; what appears later is for whoever watches.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::glob::{Cursor, Glob, GlobSet};
use crate::origin::Sourced;
use crate::value::{HidePattern, Invalid};

/// Names and kinds of directories' entries. Links are not followed.
pub trait Tree {
    /// The entries of a directory, each with whether it is one; nothing if it cannot be read:
    /// the sandbox's user cannot read it either.
    fn list(&self, directory: &Path) -> Vec<(OsString, bool)>;
    /// Whether a path is a directory; none if it does not exist.
    fn is_directory(&self, path: &Path) -> Option<bool>;
}

/// A tree that is visible inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible<'a> {
    /// Where inside, absolute.
    pub target: &'a Path,
    /// What of the host.
    pub source: &'a Path,
}

/// A path to hide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Where inside.
    pub target: PathBuf,
    /// Whether it is a directory.
    pub directory: bool,
}

/// Why hiding cannot be promised: the run must not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HideError {
    /// More names than are walked.
    #[error("`hide` would have to look at more than {0} names; name directories instead of `**`")]
    TooMany(usize),
    /// More paths than can be mounted over.
    #[error("`hide` means {0} paths; name the directory above them, without `/**`")]
    TooManyHits(usize),
    /// A pattern and where it begins do not go together.
    #[error("{0}")]
    Pattern(#[from] Invalid),
}

/// Names looked at in one walk: some seconds' worth.
const MAX_NAMES: usize = 5_000_000;

/// Each is a mount; the kernel allows 100,000 in all (`fs.mount-max`) and each costs start-up.
const MAX_HITS: usize = 4096;

/// Every existing path in the visible trees that a pattern means, topmost first, none below
/// another.
pub fn find(
    patterns: &[Sourced<HidePattern>],
    project: &Path,
    home: Option<&Path>,
    visible: &[Visible<'_>],
    tree: &impl Tree,
) -> Result<Vec<Hit>, HideError> {
    // All of them first: one that means nothing here is an error, not a gap.
    let absolute: Result<Vec<Glob>, Invalid> =
        patterns.iter().map(|p| p.value.absolute(project, home)).collect();
    let absolute = absolute?;
    let mut hits = Vec::new();
    let (plain, wild): (Vec<_>, Vec<_>) = patterns
        .iter()
        .zip(absolute)
        .partition(|(p, _)| p.value.glob.literal().is_some());
    for (pattern, _) in plain {
        hits.extend(
            visible
                .iter()
                .filter_map(|root| literal(pattern, project, home, *root, tree)),
        );
    }
    let set = GlobSet::new(wild.into_iter().map(|(_, glob)| glob));
    let mut left = MAX_NAMES;
    for root in visible {
        walk(&set, *root, tree, &mut left, &mut hits)?;
    }
    hits.sort();
    hits.dedup_by(|below, above| below.target.starts_with(&above.target));
    if hits.len() > MAX_HITS {
        return Err(HideError::TooManyHits(hits.len()));
    }
    Ok(hits)
}

fn literal(
    pattern: &Sourced<HidePattern>,
    project: &Path,
    home: Option<&Path>,
    root: Visible<'_>,
    tree: &impl Tree,
) -> Option<Hit> {
    let base = match pattern.value.root {
        crate::value::Root::Project => project,
        crate::value::Root::Home => home?,
        crate::value::Root::Filesystem => Path::new("/"),
    };
    let target = base.join(pattern.value.glob.literal()?);
    if root.target.starts_with(&target) {
        let directory = tree.is_directory(root.source)?;
        return Some(Hit {
            target: root.target.to_owned(),
            directory,
        });
    }
    let below = target.strip_prefix(root.target).ok()?;
    let directory = tree.is_directory(&root.source.join(below))?;
    Some(Hit { target, directory })
}

fn walk(
    set: &GlobSet,
    root: Visible<'_>,
    tree: &impl Tree,
    left: &mut usize,
    hits: &mut Vec<Hit>,
) -> Result<(), HideError> {
    let mut cursor = set.root();
    for component in root.target.components() {
        let Component::Normal(name) = component else {
            continue;
        };
        cursor = cursor.enter(name.as_encoded_bytes());
        if cursor.is_match() {
            let directory = tree.is_directory(root.source).unwrap_or(true);
            hits.push(Hit {
                target: root.target.to_owned(),
                directory,
            });
            return Ok(());
        }
    }
    let mut open: Vec<(PathBuf, Cursor<'_>)> = vec![(PathBuf::new(), cursor)];
    while let Some((below, cursor)) = open.pop() {
        if cursor.is_dead() {
            continue;
        }
        for (name, directory) in tree.list(&root.source.join(&below)) {
            *left = left.checked_sub(1).ok_or(HideError::TooMany(MAX_NAMES))?;
            let entered = cursor.enter(name.as_encoded_bytes());
            let path = below.join(&name);
            if entered.is_match() {
                hits.push(Hit {
                    target: root.target.join(&path),
                    directory,
                });
            } else if directory {
                open.push((path, entered));
            }
        }
    }
    Ok(())
}
