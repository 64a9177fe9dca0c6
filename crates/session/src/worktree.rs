//! Linked worktrees: `.git` is a file there, and the repository lies elsewhere.
//!
//! The file is part of the checkout, so it may be hostile: what it names is believed only when the
//! named folder, which the checkout cannot write, points back at this very file
//! (gitrepository-layout(5), "worktrees/<id>/gitdir").

use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The repository of a linked worktree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worktree {
    /// Its git folder: objects, refs and logs are shared.
    pub git: PathBuf,
    /// The worktree's own folder in it: HEAD and index.
    pub own: PathBuf,
    /// What is read-only there, if present.
    pub(crate) protected: Vec<PathBuf>,
}

const PROTECTED: [&str; 6] = [
    "hooks",
    "config",
    "config.worktree",
    "commondir",
    "info/attributes",
    "objects/info/alternates",
];
/// The same in the worktree's own folder.
const OWN_PROTECTED: [&str; 3] = ["commondir", "gitdir", "config.worktree"];

/// The repository that `project` is a linked worktree of, if it is one that knows it.
#[must_use]
pub fn repository(project: &Path) -> Option<Worktree> {
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
    // The named folder must not be the checkout's own making, nor contain the checkout, and must be
    // a repository: otherwise any folder called "worktrees" above would do.
    let foreign = !own.starts_with(project) && !git.starts_with(project) && !project.starts_with(git);
    let repository = git.join("HEAD").is_file() && git.join("objects").is_dir() && git.join("refs").is_dir();
    if !same || worktrees.file_name()? != "worktrees" || !foreign || !repository {
        return None;
    }
    let name = Path::new("worktrees").join(own.file_name()?);
    let places = PROTECTED
        .iter()
        .map(PathBuf::from)
        .chain(OWN_PROTECTED.iter().map(|p| name.join(p)));
    let protected = places.filter(|p| git.join(p).exists()).collect();
    Some(Worktree {
        git: git.to_owned(),
        own: own.clone(),
        protected,
    })
}

/// The path that a small file holds after `prefix`, up to the end of its line.
fn path_in(file: &Path, prefix: &[u8]) -> Option<PathBuf> {
    use rustix::fs::{FileType, Mode, OFlags};
    // It may be anything: a pipe must not hang us, a link must not lead away.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(file, flags, Mode::empty()).ok()?;
    if FileType::from_raw_mode(rustix::fs::fstat(&file).ok()?.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut bytes = Vec::new();
    std::fs::File::from(file)
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
        for folder in ["hooks", "objects", "refs"] {
            fs::create_dir_all(git.join(folder)).unwrap();
        }
        fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
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
            Some(Worktree {
                own: git.join("worktrees/tree"),
                git,
                protected: vec!["hooks".into(), "worktrees/tree/gitdir".into()]
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

    #[test]
    fn a_checkout_that_names_itself_shows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("src/worktrees/feat");
        for folder in ["src/objects", "src/refs", "src/worktrees/feat"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        fs::write(dir.path().join("src/HEAD"), "x").unwrap();
        fs::write(tree.join(".git"), "gitdir: .\n").unwrap();
        fs::write(tree.join("gitdir"), ".git\n").unwrap();
        assert_eq!(repository(&fs::canonicalize(&tree).unwrap()), None);
    }
}
