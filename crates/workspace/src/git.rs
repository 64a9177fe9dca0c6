//! A git directory of the session's own: HEAD, refs, index and the inert part of the configuration copied,
//! the host's objects as a read-only alternate. So a commit, a checkout or a `gc` on the host leaves git
//! inside right (an overlaid git directory mixes both sides: phantom reverts, unreadable trees), and
//! nothing inside reaches the host's. `refs/fumehood/<session>` on the host keeps the base from being pruned.
//!
//! What cannot be copied so (submodules, another ref format, alternates, a merge or rebase in progress, a
//! partial clone) is told by [`Unfit`], and the repository is then overlaid with the rest.

mod config;
mod index;
pub(crate) mod land;
mod listing;
mod name;
mod out;
mod refs;
mod renew;
mod top;

pub use name::{Head, ObjectId, RefName};
pub use out::{Confined, Job, Move, NewCommit, Travel, bring_out, moved};
pub use refs::{Refs, Repository};
pub use top::{Top, top};

use crate::beneath::{self, Kind, Tree};
use crate::error::{At, Result};
use crate::session::Owner;
use renew::Content;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where the host's objects are shown inside.
pub const OBJECTS: &str = "/run/fumehood/objects";
/// Files are read whole up to this size, in bytes; a larger one is refused.
const SMALL: u64 = 64 << 20;
/// More loose refs than this are packed first by any sane host.
const MOST_REFS: usize = 20_000;

/// Why a repository is not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit(pub &'static str);

/// What must not be there, and why.
const UNFIT: [(&str, &str); 12] = [
    ("modules", "it has submodules"),
    ("commondir", "it is part of another repository"),
    ("reftable", "its refs are a reftable"),
    (
        "objects/info/alternates",
        "its objects lie in another repository too",
    ),
    ("MERGE_HEAD", "a merge is in progress"),
    ("CHERRY_PICK_HEAD", "a cherry-pick is in progress"),
    ("REVERT_HEAD", "a revert is in progress"),
    ("BISECT_LOG", "a bisect is in progress"),
    ("rebase-merge", "a rebase is in progress"),
    ("rebase-apply", "a rebase is in progress"),
    ("index.lock", "git is at work in it"),
    ("sharedindex", "its index is split"),
];

/// Of `UNFIT`, those that lie beside the objects, for all worktrees.
const OF_ALL: [&str; 4] = ["modules", "commondir", "reftable", "objects/info/alternates"];

/// Copied as they are, where they exist.
const FILES: [&str; 7] = [
    "HEAD",
    "packed-refs",
    "index",
    "shallow",
    "info/exclude",
    "info/sparse-checkout",
    "logs/refs/stash",
];

/// Made, also where the repository has none.
const FOLDERS: [&str; 7] = [
    "objects/info",
    "objects/pack",
    "refs/heads",
    "refs/tags",
    "info",
    "hooks",
    "logs/refs",
];

/// Of `FILES`, those that belong to one worktree.
const OWN: [&str; 3] = ["HEAD", "index", "info/sparse-checkout"];

/// What a session's git directory holds at its start, in the repository's worktree.
///
/// # Errors
/// Something cannot be read; a repository that is unfit is a value.
pub(crate) fn wanted(repository: &Repository) -> Result<std::result::Result<Wanted, Unfit>> {
    let git = &repository.common;
    let is_directory = |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|m| m.is_dir());
    if !is_directory(git) || !is_directory(&repository.own) {
        return Ok(Err(Unfit("it is no directory")));
    }
    let common = Tree::open(git).at("open", git)?;
    let own = Tree::open(&repository.own).at("open", &repository.own)?;
    if let Some(why) = unfit(&common, &own, repository).at("look at", git)? {
        return Ok(Err(Unfit(why)));
    }
    let Some(config) = read(&common, Path::new("config")).at("read the configuration of", git)? else {
        return Ok(Err(Unfit("it has no configuration")));
    };
    let Some(mut config) = config::inert(&config) else {
        return Ok(Err(Unfit(
            "it is a partial clone, or its configuration does not read",
        )));
    };
    // A bare repository may have worktrees; this is one.
    config.extend_from_slice(b"[core]\n\tbare = false\n");
    let Some(refs) = loose_refs(&common).at("read the refs of", git)? else {
        return Ok(Err(Unfit("it has too many loose refs; `git pack-refs --all`")));
    };
    let mut content = Content::empty();
    for folder in FOLDERS {
        content.folder(Path::new(folder));
    }
    for file in FILES.iter().map(PathBuf::from).chain(refs) {
        let from = if OWN.iter().any(|o| file == Path::new(o)) {
            &own
        } else {
            &common
        };
        if let Some(bytes) = read(from, &file).at("read", &git.join(&file))? {
            content.file(&file, 0o644, bytes);
        }
    }
    hooks(&common, git, &mut content)?;
    content.file(Path::new("config"), 0o644, config);
    let alternates = format!("{OBJECTS}\n").into_bytes();
    content.file(Path::new("objects/info/alternates"), 0o644, alternates);
    Ok(Ok(Wanted(content)))
}

/// What a session's git directory is to hold.
#[derive(Debug)]
pub(crate) struct Wanted(Content);

impl Wanted {
    /// Makes the index name the owners that the session sees.
    pub(crate) fn seen_as(&mut self, owner: Owner, inside: Owner) {
        self.0
            .change(Path::new("index"), |index| index::seen_as(index, owner, inside));
    }

    /// Makes `to` such a directory, of which nothing is believed that lies there.
    ///
    /// # Errors
    /// Something cannot be read or written.
    pub(crate) fn make(&self, to: &Path, owner: Option<Owner>) -> Result<()> {
        renew::renew(to, &self.0, owner)
    }

    /// What its names point to.
    pub(crate) fn refs(&self) -> Refs {
        Refs::of(&self.0)
    }

    /// The log of what was stashed.
    pub(crate) fn stash(&self) -> Option<&[u8]> {
        self.0.bytes(Path::new("logs/refs/stash"))
    }
}

/// Names and bytes of a session's git directory that is kept for the next run.
const SPARE: (u64, u64) = (1 << 15, 64 << 20);

/// Whether a session's git directory is little more than the start made of it: no objects of its own, and within
/// bounds.
pub(crate) fn is_small(git: &Path) -> bool {
    let no_objects = |git: &Path| {
        let tree = Tree::open(git).ok()?;
        let names = |path: &str| beneath::names(&tree.directory(Path::new(path)).ok()?).ok();
        Some(names("objects")? == ["info", "pack"] && names("objects/pack")?.is_empty())
    };
    let (mut names, mut bytes) = (0u64, 0u64);
    no_objects(git) == Some(true)
        && fumehood_tree::each(git, |_, _, facts| {
            names += 1;
            bytes = u64::try_from(facts.st_size).map_or(u64::MAX, |size| size.saturating_add(bytes));
            let within = names <= SPARE.0 && bytes <= SPARE.1;
            if within { Ok(()) } else { Err(Errno::FBIG) }
        })
        .is_ok()
}

/// The paths that a repository tracks, of those that are `wanted`. None where it does not read: nothing is lost by it
/// but that build outputs are taken for what they are not, and that nobody is told of a hidden file in the history.
#[must_use]
pub fn tracked(repository: &Repository, wanted: impl Fn(&Path) -> bool) -> BTreeSet<PathBuf> {
    let index = Tree::open(&repository.own).and_then(|tree| read(&tree, Path::new("index")));
    let index = index.ok().flatten().unwrap_or_default();
    let paths = index::names(&index)
        .into_iter()
        .map(|name| PathBuf::from(OsString::from_vec(name)));
    paths.filter(|path| wanted(path)).collect()
}

/// The host's hooks run inside as they do outside; what becomes of them there stays there.
fn hooks(common: &Tree, git: &Path, content: &mut Content) -> Result<()> {
    let Ok(folder) = common.directory(Path::new("hooks")) else {
        return Ok(());
    };
    for name in beneath::names(&folder).at("list the hooks of", git)? {
        if name.as_encoded_bytes().ends_with(b".sample") {
            continue;
        }
        let path = Path::new("hooks").join(&name);
        let facts = beneath::facts(&folder, &name).at("look at", &git.join(&path))?;
        let runs = facts.is_some_and(|f| f.kind == Kind::File && f.mode & 0o100 != 0);
        if let (true, Some(bytes)) = (runs, read(common, &path).at("read", &git.join(&path))?) {
            content.file(&path, 0o755, bytes);
        }
    }
    Ok(())
}

fn unfit(git: &Tree, own: &Tree, repository: &Repository) -> rustix::io::Result<Option<&'static str>> {
    let linked = repository.own != repository.common;
    for (name, why) in UNFIT {
        let in_own = own.facts(Path::new(name))?.is_some() && !(linked && name == "commondir");
        if in_own || (OF_ALL.contains(&name) && git.facts(Path::new(name))?.is_some()) {
            return Ok(Some(why));
        }
    }
    let kind = |name: &str| git.facts(Path::new(name)).map(|f| f.map(|f| f.kind));
    let head = own.facts(Path::new("HEAD"))?.map(|f| f.kind);
    let whole = head == Some(Kind::File)
        && kind("objects")? == Some(Kind::Directory)
        && kind("refs")? == Some(Kind::Directory);
    Ok((!whole).then_some("it is no repository"))
}

/// Files below `refs`, sessions' own left out; `None` if there are too many.
fn loose_refs(git: &Tree) -> rustix::io::Result<Option<Vec<PathBuf>>> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::from("refs")];
    while let Some(folder) = waiting.pop() {
        let open = git.directory(&folder)?;
        for name in beneath::names(&open)? {
            let path = folder.join(&name);
            match beneath::facts(&open, &name)?.map(|f| f.kind) {
                Some(Kind::Directory) if path != Path::new("refs/fumehood") => waiting.push(path),
                Some(Kind::File) if !path.as_os_str().as_encoded_bytes().ends_with(b".lock") => {
                    found.push(path)
                }
                _ => {}
            }
        }
        if found.len() > MOST_REFS {
            return Ok(None);
        }
    }
    Ok(Some(found))
}

fn read(git: &Tree, path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let (folder, name) = match git.parent(path) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        other => other?,
    };
    let file = match beneath::open_file(&folder, name) {
        Err(Errno::NOENT | Errno::LOOP | Errno::INVAL) => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    // One byte more than is read, so that a file is whole or refused: half an index is another index.
    file.take(SMALL + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SMALL {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            "more than 64 MiB; use `--live` for a repository of this size",
        ));
    }
    Ok(Some(bytes))
}

fn folder_at(path: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .mode(0o755)
        .recursive(true)
        .create(path)
        .at("make", path)
}

/// Keeps the commit that HEAD names from being pruned on the host, under this name. A repository without a
/// commit has nothing to keep.
///
/// # Errors
/// The ref cannot be written.
pub fn pin(repository: &Repository, session: &str) -> Result<()> {
    let refs = Refs::read(repository)?;
    let Some(id) = refs.tip() else {
        return Ok(());
    };
    let folder = repository.common.join("refs/fumehood");
    let path = folder.join(session);
    let text = format!("{id}\n");
    let mut tries = 0;
    loop {
        make_or_find(&folder).at("make", &folder)?;
        match crate::record::write(&path, text.as_bytes()) {
            // The last of others that end in this moment took the folder away.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && tries < TRIES => tries += 1,
            other => return other.at("write", &path),
        }
    }
}

/// How often the folder may be taken away meanwhile: each time another session has ended.
const TRIES: u32 = 1_000;

/// Makes a folder, also where others make it, or remove it, in this moment. A link there is none.
fn make_or_find(folder: &Path) -> std::io::Result<()> {
    match std::fs::create_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    match std::fs::symlink_metadata(folder) {
        Ok(found) if !found.is_dir() => Err(std::io::ErrorKind::NotADirectory.into()),
        // Or gone again: whoever writes into it finds that out.
        _ => Ok(()),
    }
}

/// Lets go of it again. What cannot be removed is a ref that keeps one commit: no harm, and no reason to
/// keep the session.
pub fn unpin(repository: &Repository, session: &str) {
    let git = &repository.common;
    let folder = git.join("refs/fumehood");
    let _none = std::fs::remove_file(folder.join(session));
    let _others_too = std::fs::remove_dir(folder);
    let _later = unpack(git, &format!("refs/fumehood/{session}"));
}

/// Takes a ref out of `packed-refs`, where `git gc` puts all, under git's own lock.
fn unpack(git: &Path, name: &str) -> std::io::Result<()> {
    use std::io::Write;
    let (path, lock) = (git.join("packed-refs"), git.join("packed-refs.lock"));
    let text = std::fs::read(&path)?;
    let ends = format!(" {name}");
    let is_it = |line: &&[u8]| line.trim_ascii_end().ends_with(ends.as_bytes());
    if !text.split(|b| *b == b'\n').any(|line| is_it(&line)) {
        return Ok(());
    }
    let mut file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .open(&lock)?;
    let lines = text.split_inclusive(|b| *b == b'\n').filter(|line| !is_it(line));
    let kept: Vec<u8> = lines.flatten().copied().collect();
    file.write_all(&kept)?;
    std::fs::rename(&lock, &path)
}

/// Branches that other worktrees of a repository have checked out.
fn head_of_others(repository: &Repository) -> Vec<RefName> {
    let mut folders = vec![repository.common.clone()];
    let entries = std::fs::read_dir(repository.common.join("worktrees"));
    folders.extend(entries.into_iter().flatten().flatten().map(|e| e.path()));
    folders.retain(|folder| *folder != repository.own);
    let branch = |folder: PathBuf| {
        let bytes = read(&Tree::open(&folder).ok()?, Path::new("HEAD")).ok()??;
        match Head::parse(&bytes)? {
            Head::Branch(name) => Some(name),
            Head::Detached(_) => None,
        }
    };
    folders.into_iter().filter_map(branch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("index")).unwrap();
        let tree = Tree::open(folder.path()).unwrap();
        for (size, whole) in [(0, true), (SMALL, true), (SMALL + 1, false)] {
            file.set_len(size).unwrap();
            let read = read(&tree, Path::new("index"));
            match read {
                Ok(Some(bytes)) => assert!(whole && bytes.len() as u64 == size),
                other => assert!(!whole && other.is_err(), "{size}: {other:?}"),
            }
        }
    }

    /// Sessions that begin while others end hold their commit all the same, and the last one leaves nothing.
    #[test]
    fn many_hold_and_let_go_at_once() {
        let project = tempfile::tempdir().unwrap();
        let git = project.path().join(".git");
        std::fs::create_dir_all(git.join("refs/heads")).unwrap();
        std::fs::create_dir_all(git.join("objects")).unwrap();
        std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        let id = "8ab686eafeb1f44702738c8b0f24f2567c36da6d\n";
        std::fs::write(git.join("refs/heads/main"), id).unwrap();
        let repository = Repository::of(project.path());
        std::thread::scope(|scope| {
            for n in 0..4 {
                let (repository, git) = (&repository, &git);
                scope.spawn(move || {
                    let session = format!("0123456789abcdef-{n}");
                    for _ in 0..500 {
                        pin(repository, &session).unwrap();
                        let held = std::fs::read_to_string(git.join("refs/fumehood").join(&session));
                        assert_eq!(held.unwrap(), id);
                        unpin(repository, &session);
                    }
                });
            }
        });
        assert!(!git.join("refs/fumehood").exists());
        // A link there leads nowhere.
        std::os::unix::fs::symlink("heads", git.join("refs/fumehood")).unwrap();
        assert!(pin(&repository, "0123456789abcdef-9").is_err());
        assert_eq!(std::fs::read_dir(git.join("refs/heads")).unwrap().count(), 1);
    }
}
