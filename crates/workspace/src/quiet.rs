//! Whether a session writes: one look at its layer, compared with the next. The kernel tells nobody of
//! writes through an overlay, so this walks; what it costs grows with what was changed, never with the project.

use crate::beneath::{self, Kind, Tree};
use crate::changes::{Rules, is_git};
use crate::session::Session;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// What a layer looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub(crate) hash: u64,
    /// Names in it.
    pub(crate) names: u64,
    /// Bytes of their paths: deep trees are slow.
    pub(crate) paths: u64,
    /// Bytes of its files.
    pub(crate) bytes: u64,
}

/// Looks at names, sizes and times of everything that could be applied, and at the session's refs. What cannot be
/// read counts as it is: unreadable.
#[must_use]
pub fn look(session: &Session) -> Look {
    let mut hash = DefaultHasher::new();
    let mut sum = [0; 3];
    if let Ok(tree) = Tree::open_layer(&session.upper()) {
        let rules = Rules::of(session);
        let mut waiting = vec![PathBuf::new()];
        while let Some(folder) = waiting.pop() {
            folder_into(&tree, &folder, &rules, &mut waiting, (&mut hash, &mut sum));
        }
    }
    for name in ["git/HEAD", "git/packed-refs", "git/logs/refs/stash", "git/index"] {
        let facts = std::fs::symlink_metadata(session.path().join(name)).ok();
        facts
            .map(|m| {
                use std::os::unix::fs::MetadataExt;
                (m.ino(), m.ctime(), m.ctime_nsec())
            })
            .hash(&mut hash);
    }
    Look {
        hash: hash.finish(),
        names: sum[0],
        paths: sum[1],
        bytes: sum[2],
    }
}

fn folder_into(
    tree: &Tree,
    folder: &Path,
    rules: &Rules<'_>,
    waiting: &mut Vec<PathBuf>,
    (hash, sum): (&mut DefaultHasher, &mut [u64; 3]),
) {
    let Ok(open) = tree.directory(folder) else { return };
    for name in beneath::names(&open).unwrap_or_default() {
        let path = folder.join(&name);
        if is_git(&name) || rules.is_scratch(&path) {
            continue;
        }
        let Ok(Some(facts)) = beneath::facts(&open, &name) else {
            continue;
        };
        path.hash(hash);
        let length = path.as_os_str().len() as u64;
        *sum = [sum[0] + 1, sum[1] + length, sum[2].saturating_add(facts.size)];
        (facts.mode, facts.size, facts.identity.inode, facts.modified).hash(hash);
        facts.identity.changed.hash(hash);
        if facts.kind == Kind::Directory {
            waiting.push(path);
        }
    }
}

/// Whether a merge, a rebase or the like is under way in the session's repository: files are in between then.
#[must_use]
pub fn is_in_between(session: &Session) -> bool {
    let names = [
        "MERGE_HEAD",
        "CHERRY_PICK_HEAD",
        "REVERT_HEAD",
        "rebase-merge",
        "rebase-apply",
        "index.lock",
    ];
    let there = |name: &str| session.path().join("git").join(name).symlink_metadata().is_ok();
    names.iter().any(|name| there(name))
}
