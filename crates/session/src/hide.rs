//! Finding what is to be hidden: one walk of names, only where a pattern can still match.

use fumehood_policy::glob::{Cursor, GlobSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Entries looked at before the walk gives up.
const MOST: usize = 4_000_000;

/// The walk came to no end.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "hide: more than {MOST} files below {0:?} would have to be looked at; name paths instead of a recursive pattern"
)]
pub struct TooMany(PathBuf);

/// All paths below `top` that the patterns match, links not followed; below a match nothing more
/// is looked for.
///
/// # Errors
/// There are too many files: what could not be looked at cannot be hidden.
pub fn find(top: &Path, patterns: &GlobSet) -> Result<Vec<PathBuf>, TooMany> {
    find_from(top, &patterns.root())
}

/// As [`find`], where the names above `top` were already matched.
///
/// # Errors
/// As [`find`].
pub fn find_from(top: &Path, cursor: &Cursor<'_>) -> Result<Vec<PathBuf>, TooMany> {
    let mut walk = Walk {
        found: Vec::new(),
        left: MOST,
    };
    if walk.folder(top, cursor) {
        Ok(walk.found)
    } else {
        Err(TooMany(top.to_owned()))
    }
}

struct Walk {
    found: Vec<PathBuf>,
    left: usize,
}

impl Walk {
    fn folder(&mut self, at: &Path, cursor: &Cursor<'_>) -> bool {
        if cursor.is_dead() {
            return true;
        }
        for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
            let Some(left) = self.left.checked_sub(1) else {
                return false;
            };
            self.left = left;
            let below = cursor.enter(entry.file_name().as_bytes());
            if below.is_match() {
                self.found.push(entry.path());
            } else if entry.file_type().is_ok_and(|t| t.is_dir()) && !self.folder(&entry.path(), &below) {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fumehood_policy::glob::Glob;

    #[test]
    fn matches_are_found_at_any_depth_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |p: &str| dir.path().join(p);
        std::fs::create_dir_all(at("a/b")).unwrap();
        for file in [".env", "a/.env.local", "a/b/x", "a/b/.env"] {
            std::fs::write(at(file), "").unwrap();
        }
        std::os::unix::fs::symlink("/etc", at("link")).unwrap();
        let set = GlobSet::new([
            Glob::parse(b"**/.env*").unwrap(),
            Glob::parse(b"link/passwd").unwrap(),
        ]);
        let mut found = find(dir.path(), &set).unwrap();
        found.sort();
        assert_eq!(found, [at(".env"), at("a/.env.local"), at("a/b/.env")]);
    }
}
