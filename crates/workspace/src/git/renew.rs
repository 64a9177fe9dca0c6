//! A folder that is to hold just this, and that a hostile program wrote before: what is right, byte for byte, stays;
//! everything else is removed and made anew. So a git directory costs a start what changed in it, and nothing that
//! an earlier run left there is believed.

use crate::beneath::{self, Tree};
use crate::error::{At, Result};
use crate::session::Owner;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid, openat, statat};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Permission bits of folders.
const FOLDER: u32 = 0o755;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    /// Permission bits, and what is in it.
    File(u32, Vec<u8>),
}

/// What a folder is to hold: what lies in it, and in each folder below, parents first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content(BTreeMap<PathBuf, BTreeMap<OsString, Node>>);

impl Content {
    pub(super) fn empty() -> Content {
        Content(BTreeMap::from([(PathBuf::new(), BTreeMap::new())]))
    }

    /// A folder, and those on the way to it.
    pub(super) fn folder(&mut self, path: &Path) {
        if self.0.contains_key(path) {
            return;
        }
        self.put(path, Node::Folder);
        self.0.insert(path.to_owned(), BTreeMap::new());
    }

    /// A file, and the folders on the way to it.
    pub(super) fn file(&mut self, path: &Path, mode: u32, bytes: Vec<u8>) {
        self.put(path, Node::File(mode, bytes));
    }

    fn put(&mut self, path: &Path, node: Node) {
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
            self.folder(parent);
            let names = self.0.entry(parent.to_owned()).or_default();
            names.insert(name.to_owned(), node);
        }
    }

    /// What is in a file, if there is one.
    pub(super) fn bytes(&self, path: &Path) -> Option<&[u8]> {
        match self.0.get(path.parent()?)?.get(path.file_name()?)? {
            Node::File(_, bytes) => Some(bytes),
            Node::Folder => None,
        }
    }

    /// Files in and below a folder, by path.
    pub(super) fn below<'a>(&'a self, top: &'a Path) -> impl Iterator<Item = (PathBuf, &'a [u8])> {
        let folders = self.0.iter().filter(move |(folder, _)| folder.starts_with(top));
        folders.flat_map(|(folder, names)| {
            names.iter().filter_map(|(name, node)| match node {
                Node::File(_, bytes) => Some((folder.join(name), bytes.as_slice())),
                Node::Folder => None,
            })
        })
    }

    /// Puts other bytes into a file.
    pub(super) fn change(&mut self, path: &Path, change: impl FnOnce(&[u8]) -> Option<Vec<u8>>) {
        if let Some(changed) = self.bytes(path).and_then(change)
            && let Some(Node::File(_, bytes)) = path
                .parent()
                .zip(path.file_name())
                .and_then(|(parent, name)| self.0.get_mut(parent)?.get_mut(name))
        {
            *bytes = changed;
        }
    }
}

/// Makes `to` hold this and nothing else, all of it `owner`'s, if one is named, and else the caller's. Nobody else
/// writes there meanwhile.
///
/// # Errors
/// Something cannot be read, removed or made.
pub(super) fn renew(to: &Path, wanted: &Content, owner: Option<Owner>) -> Result<()> {
    let (parent, name) = to
        .parent()
        .zip(to.file_name())
        .ok_or(Errno::INVAL)
        .at("make", to)?;
    let parent = Tree::open(parent).at("open", parent)?;
    let one = Renewal { owner };
    if !one.keeps(parent.top(), name, &Node::Folder).at("look at", to)? {
        fumehood_tree::remove(parent.top(), name).at("remove", to)?;
        one.make(parent.top(), name, &Node::Folder).at("make", to)?;
    }
    let top = Tree::open(to).at("open", to)?;
    for (folder, names) in &wanted.0 {
        let at = to.join(folder);
        let open = top.directory(folder).at("open", &at)?;
        let mut kept = BTreeSet::new();
        for name in beneath::names(&open).at("list", &at)? {
            let keeps = names.get(&name).map(|node| one.keeps(&open, &name, node));
            if keeps.transpose().at("look at", &at.join(&name))? == Some(true) {
                kept.insert(name);
            } else {
                fumehood_tree::remove(&open, &name).at("remove", &at.join(&name))?;
            }
        }
        for (name, node) in names.iter().filter(|(name, _)| !kept.contains(*name)) {
            one.make(&open, name, node).at("make", &at.join(name))?;
        }
    }
    Ok(())
}

struct Renewal {
    owner: Option<Owner>,
}

impl Renewal {
    /// Whether what has this name is what is wanted; it is then `owner`'s.
    fn keeps(&self, folder: &OwnedFd, name: &OsStr, wanted: &Node) -> rustix::io::Result<bool> {
        let found = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(false),
            other => other?,
        };
        let right = match wanted {
            Node::Folder => is(&found, FileType::Directory, FOLDER),
            Node::File(mode, bytes) => {
                is(&found, FileType::RegularFile, *mode)
                    && found.st_nlink == 1 // a second name could be somewhere else
                    && u64::try_from(found.st_size) == Ok(bytes.len() as u64)
                    && holds(beneath::open_file(folder, name)?, bytes)
            }
        };
        if let (true, Some(owner)) = (right, self.owner)
            && (found.st_uid, found.st_gid) != (owner.uid, owner.gid)
        {
            self.give(folder, name, owner)?;
        }
        Ok(right)
    }

    fn make(&self, folder: &OwnedFd, name: &OsStr, wanted: &Node) -> std::io::Result<()> {
        let mode = match wanted {
            Node::Folder => {
                rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(FOLDER))?;
                FOLDER
            }
            Node::File(mode, bytes) => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                File::from(openat(folder, name, flags, Mode::from_raw_mode(*mode))?).write_all(bytes)?;
                *mode
            }
        };
        // Whatever mask the caller has: the next start compares.
        rustix::fs::chmodat(folder, name, Mode::from_raw_mode(mode), AtFlags::empty())?;
        match self.owner {
            Some(owner) => Ok(self.give(folder, name, owner)?),
            None => Ok(()),
        }
    }

    fn give(&self, folder: &OwnedFd, name: &OsStr, to: Owner) -> rustix::io::Result<()> {
        let (uid, gid) = (Uid::from_raw(to.uid), Gid::from_raw(to.gid));
        rustix::fs::chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
    }
}

fn is(found: &Stat, kind: FileType, mode: u32) -> bool {
    FileType::from_raw_mode(found.st_mode) == kind && found.st_mode & 0o7777 == mode
}

/// Whether a file holds just these bytes. One that does not read does not.
fn holds(mut file: File, mut bytes: &[u8]) -> bool {
    let mut part = [0; 16 << 10];
    loop {
        match file.read(&mut part) {
            Ok(0) => return bytes.is_empty(),
            Ok(n) => match bytes.split_at_checked(n) {
                Some((same, rest)) if Some(same) == part.get(..n) => bytes = rest,
                _ => return false,
            },
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn wanted(files: &[(&str, u32, &str)]) -> Content {
        let mut content = Content::empty();
        content.folder(Path::new("empty/deep"));
        for (path, mode, text) in files {
            content.file(Path::new(path), *mode, text.as_bytes().to_vec());
        }
        content
    }

    fn few() -> Content {
        wanted(&[
            ("HEAD", 0o644, "ref: refs/heads/main\n"),
            ("refs/heads/main", 0o644, "id\n"),
            ("hooks/pre-commit", 0o755, "#!/bin/sh\n"),
        ])
    }

    /// Path, mode and bytes of all there is.
    type Picture = Vec<(PathBuf, u32, Option<Vec<u8>>)>;

    fn picture(top: &Path) -> Picture {
        let mut all = vec![(
            PathBuf::new(),
            std::fs::symlink_metadata(top).unwrap().mode(),
            None,
        )];
        fumehood_tree::each::<Errno>(top, |folder, name, facts| {
            use std::os::fd::AsRawFd;
            let at = std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()))
                .unwrap()
                .join(name);
            let bytes = (facts.st_mode & 0o170_000 == 0o100_000).then(|| std::fs::read(&at).unwrap());
            all.push((at.strip_prefix(top).unwrap().to_owned(), facts.st_mode, bytes));
            Ok(())
        })
        .unwrap();
        all.sort();
        all
    }

    /// A folder made of nothing, and its picture.
    fn made(content: &Content) -> (tempfile::TempDir, PathBuf, Picture) {
        let folder = tempfile::tempdir().unwrap();
        let at = std::fs::canonicalize(folder.path()).unwrap().join("git");
        renew(&at, content, None).unwrap();
        let picture = picture(&at);
        (folder, at, picture)
    }

    #[test]
    fn it_is_made_with_its_modes() {
        let (_folder, _, picture) = made(&few());
        let modes: Vec<(&str, u32)> = picture
            .iter()
            .map(|(p, m, _)| (p.to_str().unwrap(), *m))
            .collect();
        assert_eq!(
            modes,
            [
                ("", 0o40_755),
                ("HEAD", 0o100_644),
                ("empty", 0o40_755),
                ("empty/deep", 0o40_755),
                ("hooks", 0o40_755),
                ("hooks/pre-commit", 0o100_755),
                ("refs", 0o40_755),
                ("refs/heads", 0o40_755),
                ("refs/heads/main", 0o100_644),
            ]
        );
    }

    #[test]
    fn what_is_right_is_not_written_again() {
        let (_folder, at, _) = made(&few());
        let inode = |name: &str| std::fs::metadata(at.join(name)).unwrap().ino();
        let before = ["HEAD", "refs/heads", "refs/heads/main", "hooks/pre-commit"].map(inode);
        renew(&at, &few(), None).unwrap();
        assert_eq!(
            ["HEAD", "refs/heads", "refs/heads/main", "hooks/pre-commit"].map(inode),
            before
        );
        // What the host changed is, and no more.
        let mut moved = few();
        moved.change(Path::new("refs/heads/main"), |_| Some(b"other\n".to_vec()));
        renew(&at, &moved, None).unwrap();
        assert_eq!(std::fs::read(at.join("refs/heads/main")).unwrap(), b"other\n");
        assert_eq!(inode("HEAD"), before[0]);
    }

    /// Everything that a program could have made of it.
    #[test]
    fn nothing_that_was_left_there_is_believed() {
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret");
        std::fs::write(&secret, "ref: refs/heads/main\n").unwrap();
        type Deed<'a> = (&'a str, Box<dyn Fn(&Path) + 'a>);
        let mode = |path: PathBuf, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let deeds: Vec<Deed<'_>> = vec![
            (
                "a file more",
                Box::new(|at| std::fs::write(at.join("commondir"), "/x").unwrap()),
            ),
            (
                "a folder more",
                Box::new(|at| std::fs::create_dir_all(at.join("worktrees/x/y")).unwrap()),
            ),
            (
                "a hook more",
                Box::new(|at| std::fs::write(at.join("hooks/post-commit"), "x").unwrap()),
            ),
            (
                "other bytes",
                Box::new(|at| std::fs::write(at.join("HEAD"), "ref: refs/heads/evil\n").unwrap()),
            ),
            (
                "as many bytes",
                Box::new(|at| std::fs::write(at.join("hooks/pre-commit"), "#!/bin/zz\n").unwrap()),
            ),
            (
                "fewer bytes",
                Box::new(|at| std::fs::write(at.join("HEAD"), "").unwrap()),
            ),
            ("another mode", Box::new(|at| mode(at.join("HEAD"), 0o755))),
            (
                "a set-id bit",
                Box::new(|at| mode(at.join("hooks/pre-commit"), 0o4755)),
            ),
            ("no mode", Box::new(|at| mode(at.join("HEAD"), 0))),
            ("a closed folder", Box::new(|at| mode(at.join("refs/heads"), 0))),
            ("a closed top", Box::new(|at| mode(at.to_owned(), 0))),
            ("an open folder", Box::new(|at| mode(at.join("hooks"), 0o1777))),
            (
                "a file that is gone",
                Box::new(|at| std::fs::remove_file(at.join("HEAD")).unwrap()),
            ),
            (
                "a folder that is gone",
                Box::new(|at| std::fs::remove_dir_all(at.join("empty")).unwrap()),
            ),
            ("all gone", Box::new(|at| std::fs::remove_dir_all(at).unwrap())),
            (
                "a link to the same",
                Box::new(|at| {
                    std::fs::remove_file(at.join("HEAD")).unwrap();
                    symlink(&secret, at.join("HEAD")).unwrap();
                }),
            ),
            (
                "a second name",
                Box::new(|at| {
                    std::fs::hard_link(at.join("HEAD"), outside.path().join("again")).unwrap();
                }),
            ),
            (
                "a folder for a file",
                Box::new(|at| {
                    std::fs::remove_file(at.join("HEAD")).unwrap();
                    std::fs::create_dir_all(at.join("HEAD/x")).unwrap();
                }),
            ),
            (
                "a file for a folder",
                Box::new(|at| {
                    std::fs::remove_dir_all(at.join("refs")).unwrap();
                    std::fs::write(at.join("refs"), "").unwrap();
                }),
            ),
            (
                "a link for a folder",
                Box::new(|at| {
                    std::fs::remove_dir_all(at.join("refs")).unwrap();
                    symlink(outside.path(), at.join("refs")).unwrap();
                }),
            ),
            (
                "a link for all",
                Box::new(|at| {
                    std::fs::remove_dir_all(at).unwrap();
                    symlink(outside.path(), at).unwrap();
                }),
            ),
            (
                "a pipe",
                Box::new(|at| {
                    std::fs::remove_file(at.join("HEAD")).unwrap();
                    let kind = FileType::Fifo;
                    rustix::fs::mknodat(
                        rustix::fs::CWD,
                        at.join("HEAD"),
                        kind,
                        Mode::from_raw_mode(0o644),
                        0,
                    )
                    .unwrap();
                }),
            ),
        ];
        for (name, deed) in deeds {
            let (_folder, at, right) = made(&few());
            deed(&at);
            renew(&at, &few(), None).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(picture(&at), right, "{name}");
            let kept: Vec<_> = std::fs::read_dir(outside.path())
                .unwrap()
                .map(|e| e.unwrap().file_name())
                .collect();
            assert!(
                kept.contains(&"secret".into()) && !kept.contains(&"heads".into()),
                "{name}: {kept:?}"
            );
            let _may_be_there = std::fs::remove_file(outside.path().join("again"));
        }
        assert_eq!(std::fs::read(&secret).unwrap(), b"ref: refs/heads/main\n");
    }

    /// Files of one to three levels, few names, so that they meet.
    fn contents() -> impl Strategy<Value = Content> {
        let path = prop::collection::vec("[ab]", 1..4).prop_map(|names| names.join("/"));
        let files = prop::collection::vec(
            (path, prop::sample::select(vec![0o644, 0o755]), "[xy]{0,2}"),
            0..8,
        );
        files.prop_map(|files| {
            let mut content = Content::empty();
            for (path, mode, text) in files {
                let path = Path::new(&path);
                // A name is a file or a folder.
                let taken = path.ancestors().skip(1).any(|a| content.bytes(a).is_some());
                if !taken && !content.0.contains_key(path) {
                    content.file(path, mode, text.into_bytes());
                }
            }
            content
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_was_there_before_it_is_what_is_wanted(before in contents(), after in contents()) {
            let (_folder, at, _) = made(&before);
            renew(&at, &after, None).unwrap();
            let (_other, _, right) = made(&after);
            prop_assert_eq!(picture(&at), right);
        }
    }
}
