//! Linked worktrees: `.git` is a file there, and the repository lies elsewhere.
//!
//! The file is part of the checkout, so it may be hostile: what it names is believed only when the
//! named folder, which the checkout cannot write, points back at this very file
//! (gitrepository-layout(5), "worktrees/<id>/gitdir").

use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The repository of a linked worktree.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repository {
    /// Its git folder, to be writable: objects, refs and logs are shared.
    pub(crate) git: PathBuf,
    /// What is read-only there, if present.
    pub(crate) protected: Vec<PathBuf>,
}

const PROTECTED: [&str; 3] = ["hooks", "config", "info/attributes"];

/// The repository that `project` is a linked worktree of, if it is one that knows it.
pub(crate) fn repository(project: &Path) -> Option<Repository> {
    let pointer = project.join(".git");
    if !std::fs::symlink_metadata(&pointer).ok()?.is_file() {
        return None;
    }
    let named = path_in(&pointer, b"gitdir: ")?;
    let own = std::fs::canonicalize(project.join(named)).ok()?;
    let back = path_in(&own.join("gitdir"), b"")?;
    let same = std::fs::canonicalize(own.join(back)).ok()? == std::fs::canonicalize(&pointer).ok()?;
    let worktrees = own.parent()?;
    let git = worktrees.parent()?;
    if !same || worktrees.file_name()? != "worktrees" || git.starts_with(project) {
        return None;
    }
    let protected = PROTECTED
        .iter()
        .map(PathBuf::from)
        .filter(|p| git.join(p).exists())
        .collect();
    Some(Repository {
        git: git.to_owned(),
        protected,
    })
}

/// The path that a small file holds after `prefix`, up to the end of its line.
fn path_in(file: &Path, prefix: &[u8]) -> Option<PathBuf> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .ok()?
        .take(8192)
        .read_to_end(&mut bytes)
        .ok()?;
    let path = bytes.strip_prefix(prefix)?.split(|b| *b == b'\n').next()?;
    (!path.is_empty()).then(|| PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_worktree_is_believed_only_if_the_repository_knows_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let (git, tree) = (root.join("main/.git"), root.join("tree"));
        fs::create_dir_all(git.join("worktrees/tree")).unwrap();
        fs::create_dir_all(git.join("hooks")).unwrap();
        fs::create_dir_all(&tree).unwrap();
        fs::write(
            tree.join(".git"),
            format!("gitdir: {}\n", git.join("worktrees/tree").display()),
        )
        .unwrap();
        fs::write(git.join("worktrees/tree/gitdir"), "/elsewhere/.git\n").unwrap();
        assert_eq!(repository(&tree), None);
        fs::write(
            git.join("worktrees/tree/gitdir"),
            format!("{}\n", tree.join(".git").display()),
        )
        .unwrap();
        assert_eq!(
            repository(&tree),
            Some(Repository {
                git,
                protected: vec!["hooks".into()]
            })
        );
    }

    #[test]
    fn a_hostile_pointer_shows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".git"), "gitdir: /etc\n").unwrap();
        assert_eq!(repository(dir.path()), None);
        fs::write(dir.path().join(".git"), vec![b'x'; 100_000]).unwrap();
        assert_eq!(repository(dir.path()), None);
    }
}
