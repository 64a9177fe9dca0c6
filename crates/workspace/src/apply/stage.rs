//! From a change set to a journal whose files are all there.

use super::Steps;
use crate::attributes;
use crate::bases::Bases;
use crate::beneath::{self, Tree};
use crate::changes::{Change, Node, Status, Text};
use crate::copy;
use crate::diff;
use crate::error::{At, Error, Result};
use crate::finding::{Finding, Judge};
use crate::journal::{Journal, Share, Step};
use crate::kept;
use crate::manifest;
use crate::record;
use crate::session::{Owner, Session};
use fumehood_effect::Digest;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Copies everything that is to be installed into `folder`, and writes the journal there.
/// What has a finding and was not accepted is left out, and given back beside the journal.
pub(super) fn stage(
    session: &Session,
    wanted: &[&Change],
    folder: &Path,
    (judge, accepted): (&Judge, &dyn Fn(&Path) -> bool),
    steps: &Steps,
) -> Result<(Journal, Held)> {
    let upper = session.upper();
    let mut stage = Stage {
        session,
        bases: Bases::load(session.path())?,
        layer: Tree::open_layer(&upper).at("open", &upper)?,
        store: Tree::open(folder).at("open", folder)?,
        folder,
        owner: session.about().owner,
        linked: HashMap::new(),
        digests: Vec::new(),
        journal: Journal {
            session: session.id().to_owned(),
            owner: session.about().owner,
            steps: Vec::new(),
        },
        steps,
    };
    let mut held = Held::new();
    let (gone, come): (Vec<&Change>, Vec<&Change>) = wanted.iter().partition(|c| c.after.is_none());
    let mut wanted = come;
    for change in gone {
        let found = judge.judge(change, None, None);
        if found.is_empty() || accepted(&change.path) {
            wanted.push(change);
        } else {
            held.push((change.path.clone(), found));
        }
    }
    // What is held keeps the directories it lies in.
    wanted.retain(|c| c.after.is_some() || !held.iter().any(|(p, _)| p.starts_with(&c.path)));
    let mut copies = Vec::new();
    for (n, change) in wanted.iter().enumerate() {
        let copy = stage.copy(n, change)?;
        let (found, digest) = stage.judged(judge, change, copy.as_deref(), session)?;
        if found.is_empty() || accepted(&change.path) {
            copies.push((*change, copy, digest));
        } else {
            stage.drop_copy(change, copy.as_deref(), &mut held, found)?;
        }
    }
    let mut wanted: Vec<&Change> = copies.iter().map(|(change, ..)| *change).collect();
    wanted.sort_by(|a, b| a.path.cmp(&b.path));
    let wanted = wanted.as_slice();
    stage.removals(wanted);
    stage.directories(wanted);
    copies.sort_by(|(a, ..), (b, ..)| a.path.cmp(&b.path));
    for (change, copy, digest) in &copies {
        stage.content(change, copy.as_deref(), *digest)?;
    }
    stage.modes(wanted);
    manifest::save(folder, &stage.digests)?;
    let path = folder.join("journal");
    steps.next()?;
    record::replace(&path, &stage.journal.encode()).at("write", &path)?;
    Ok((stage.journal, held))
}

/// Paths that wait, and why.
type Held = Vec<(PathBuf, Vec<Finding>)>;

/// Larger files are not read for findings: no tool reads settings of that size.
const MOST: u64 = 8 << 20;

/// Reads a staged copy, which has the mode of what it is a copy of: one that forbids reading must not keep it,
/// or all that would come with it, from being judged.
fn read_up_to(folder: &OwnedFd, name: &OsStr, most: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    beneath::open_file(folder, name)?
        .take(most)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct Stage<'a> {
    session: &'a Session,
    bases: Bases,
    layer: Tree,
    /// The folder, open.
    store: Tree,
    folder: &'a Path,
    owner: Owner,
    /// Copies by the layer's inode: names of one file stay names of one file.
    linked: HashMap<u64, PathBuf>,
    /// Of what is installed.
    digests: Vec<(PathBuf, Digest)>,
    journal: Journal,
    steps: &'a Steps,
}

impl Stage<'_> {
    fn push(&mut self, path: &Path, step: Step) {
        self.journal.steps.push((path.to_owned(), step));
    }

    /// First what goes, deepest first: it may stand where something else comes.
    fn removals(&mut self, wanted: &[&Change]) {
        for change in wanted.iter().rev() {
            let (Some(before), Some(host)) = (&change.before, &change.host) else {
                continue;
            };
            if change.after.is_some() && change.status() != Status::Type {
                continue;
            }
            let step = match before {
                Node::Directory { mode } => Step::RemoveDirectory(*mode),
                _ => Step::Remove(host.identity),
            };
            self.push(&change.path, step);
        }
    }

    fn directories(&mut self, wanted: &[&Change]) {
        for change in wanted {
            let comes = matches!(change.after, Some(Node::Directory { .. }))
                && !matches!(change.before, Some(Node::Directory { .. }));
            if comes {
                self.push(&change.path, Step::MakeDirectory);
            }
        }
    }

    /// Last the modes, deepest first: one may forbid what the steps before it do.
    fn modes(&mut self, wanted: &[&Change]) {
        for change in wanted.iter().rev() {
            let to = change.after.as_ref().and_then(Node::mode);
            let from = change.before.as_ref().and_then(Node::mode);
            let directory = matches!(change.after, Some(Node::Directory { .. }));
            if let (Some(to), true) = (to, directory || change.status() == Status::Mode) {
                self.push(&change.path, Step::Mode(from.unwrap_or(0o700), to));
            }
        }
    }

    /// A copy of what comes, under a name of its own until its step has a number.
    fn copy(&mut self, n: usize, change: &Change) -> Result<Option<PathBuf>> {
        if change.status() == Status::Mode {
            return Ok(None);
        }
        let copy = self.folder.join(format!("staged-{n}"));
        match &change.after {
            Some(Node::Link(target)) => {
                std::os::unix::fs::symlink(target, &copy).at("stage", &change.path)?
            }
            Some(Node::File { .. }) => self.file(change, &copy)?,
            _ => return Ok(None),
        }
        self.steps.next()?;
        Ok(Some(copy))
    }

    /// Findings in the very copy that would be installed, and its digest, if all of it was read for them.
    fn judged(
        &self,
        judge: &Judge,
        change: &Change,
        copy: Option<&Path>,
        session: &Session,
    ) -> Result<(Vec<Finding>, Option<Digest>)> {
        let is_file = matches!(change.after, Some(Node::File { .. }));
        let after = match copy.filter(|_| is_file) {
            Some(copy) => {
                let name = copy.file_name().unwrap_or_default();
                Some(read_up_to(self.store.top(), name, MOST).at("read", copy)?)
            }
            None => None,
        };
        let before = diff::before(session, change)?;
        let whole = after.as_ref().filter(|bytes| (bytes.len() as u64) < MOST);
        let found = judge.judge(change, before.as_deref(), after.as_deref());
        Ok((found, whole.map(|bytes| Digest::of(bytes))))
    }

    fn drop_copy(
        &mut self,
        change: &Change,
        copy: Option<&Path>,
        held: &mut Held,
        found: Vec<Finding>,
    ) -> Result<()> {
        if let Some(copy) = copy {
            self.linked.retain(|_, first| first != copy);
            std::fs::remove_file(copy).at("remove", copy)?;
        }
        held.push((change.path.clone(), found));
        Ok(())
    }

    fn content(&mut self, change: &Change, copy: Option<&Path>, digest: Option<Digest>) -> Result<()> {
        let Some(copy) = copy else { return Ok(()) };
        let new = self.folder.join(format!("{}.new", self.journal.steps.len()));
        std::fs::rename(copy, &new).at("stage", &change.path)?;
        let digest = match (&change.after, digest) {
            (_, Some(digest)) => digest,
            (Some(Node::Link(target)), _) => Digest::of(target.as_os_str().as_bytes()),
            // As above: the mode of the copy may forbid it.
            _ => {
                let name = new.file_name().unwrap_or_default();
                let file = beneath::open_file(self.store.top(), name);
                file.map_err(std::io::Error::from)
                    .and_then(Digest::of_all)
                    .at("read", &new)?
            }
        };
        self.digests.push((change.path.clone(), digest));
        let staged = std::fs::symlink_metadata(&new).at("look at", &new)?;
        let owned = (staged.uid(), staged.gid()) == (self.owner.uid, self.owner.gid);
        if !owned && rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(&new, Some(self.owner.uid), Some(self.owner.gid))
                .at("give", &change.path)?;
        }
        let staged = staged.ino();
        let same_kind = change.status() != Status::Type;
        let before = change.host.filter(|_| same_kind).map(|h| h.identity);
        let share = self.share(change)?;
        let step = Step::Put {
            staged,
            before,
            share,
        };
        self.push(&change.path, step);
        Ok(())
    }

    /// What the copy is of the session's version. What is merged is kept first: the next merge begins with it.
    fn share(&self, change: &Change) -> Result<Share> {
        let was = self.bases.of(&change.path);
        Ok(match (&change.text, change.layer) {
            (Some(text), _) if text.part && text.merged => Share::PartOfMerged,
            (Some(text), _) if text.part => Share::Part,
            (Some(text), Some(layer)) if text.merged => {
                let version = layer.identity;
                if !kept::keep_merged(self.session, &self.layer, &change.path, version)? {
                    return Err(vanished(change));
                }
                Share::Merged(version, was)
            }
            _ if change.conflict => Share::Over(was),
            _ => Share::Whole,
        })
    }

    /// A text that is made of both sides, or of a part of the session's, with the attributes of the session's file.
    fn text(&self, change: &Change, text: &Text, new: &Path) -> Result<()> {
        let mut to = File::options()
            .write(true)
            .read(true)
            .create_new(true)
            .mode(0o600)
            .open(new)
            .at("stage", &change.path)?;
        to.write_all(&text.bytes).at("stage", &change.path)?;
        let (folder, name) = self.layer.parent(&change.path).at("open", &change.path)?;
        if let Ok(from) = beneath::open_file(&folder, name) {
            let copied = attributes::of(&from).and_then(|all| attributes::set(&to, &all));
            copied.at("copy the attributes of", &change.path)?;
        }
        let mode = change.after.as_ref().and_then(Node::mode).unwrap_or(0o600);
        rustix::fs::fchmod(&to, rustix::fs::Mode::from_raw_mode(mode)).at("set the mode of", &change.path)
    }

    fn file(&mut self, change: &Change, new: &Path) -> Result<()> {
        if let Some(text) = &change.text {
            return self.text(change, text, new);
        }
        let inode = change.layer.filter(|f| f.links > 1).map(|f| f.identity.inode);
        if let Some(first) = inode.and_then(|i| self.linked.get(&i)) {
            return std::fs::hard_link(first, new).at("stage", &change.path);
        }
        self.linked.extend(inode.map(|i| (i, new.to_owned())));
        let (folder, name) = self.layer.parent(&change.path).at("open", &change.path)?;
        let from = match beneath::open_file(&folder, name) {
            // What the session has made of it meanwhile is the next apply's.
            Err(rustix::io::Errno::NOENT) => return Err(vanished(change)),
            other => other.at("open", &change.path)?,
        };
        let to = File::options()
            .write(true)
            .read(true)
            .create_new(true)
            .mode(0o600)
            .open(new)
            .at("stage", &change.path)?;
        copy::file(&from, &to).at("copy", &change.path).map(drop)?;
        Ok(())
    }
}

fn vanished(change: &Change) -> Error {
    Error::Io {
        step: "read",
        path: change.path.clone(),
        why: std::io::Error::new(std::io::ErrorKind::NotFound, "it changed meanwhile; try again"),
    }
}
