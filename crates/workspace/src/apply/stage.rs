//! From a change set to a journal whose files are all there.

use super::Steps;
use crate::beneath::{self, Tree};
use crate::changes::{Change, Node, Status};
use crate::copy;
use crate::error::{At, Error, Result};
use crate::journal::{Journal, Step};
use crate::record;
use crate::session::{Owner, Session};
use std::collections::HashMap;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Copies everything that is to be installed into `folder`, and writes the journal there.
pub(super) fn stage(session: &Session, wanted: &[&Change], folder: &Path, steps: &Steps) -> Result<Journal> {
    let upper = session.upper();
    let mut stage = Stage {
        layer: Tree::open(&upper).at("open", &upper)?,
        folder,
        owner: session.about().owner,
        linked: HashMap::new(),
        journal: Journal {
            session: session.id().to_owned(),
            owner: session.about().owner,
            steps: Vec::new(),
        },
        steps,
    };
    stage.removals(wanted);
    stage.directories(wanted);
    for change in wanted {
        stage.content(change)?;
    }
    stage.modes(wanted);
    let path = folder.join("journal");
    steps.next()?;
    record::replace(&path, &stage.journal.encode()).at("write", &path)?;
    Ok(stage.journal)
}

struct Stage<'a> {
    layer: Tree,
    folder: &'a Path,
    owner: Owner,
    /// Steps by the layer's inode: names of one file stay names of one file.
    linked: HashMap<u64, usize>,
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

    fn content(&mut self, change: &Change) -> Result<()> {
        if change.status() == Status::Mode {
            return Ok(());
        }
        let n = self.journal.steps.len();
        let new = self.folder.join(format!("{n}.new"));
        match &change.after {
            Some(Node::Link(target)) => std::os::unix::fs::symlink(target, &new).at("stage", &change.path)?,
            Some(Node::File { .. }) => self.file(change, &new, n)?,
            _ => return Ok(()),
        }
        self.steps.next()?;
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(&new, Some(self.owner.uid), Some(self.owner.gid))
                .at("give", &change.path)?;
        }
        let staged = std::fs::symlink_metadata(&new).at("look at", &new)?.ino();
        let same_kind = change.status() != Status::Type;
        let before = change.host.filter(|_| same_kind).map(|h| h.identity);
        self.push(&change.path, Step::Put { staged, before });
        Ok(())
    }

    fn file(&mut self, change: &Change, new: &Path, n: usize) -> Result<()> {
        let inode = change.layer.filter(|f| f.links > 1).map(|f| f.identity.inode);
        if let Some(first) = inode.and_then(|i| self.linked.get(&i)) {
            let first: PathBuf = self.folder.join(format!("{first}.new"));
            return std::fs::hard_link(&first, new).at("stage", &change.path);
        }
        self.linked.extend(inode.map(|i| (i, n)));
        let (folder, name) = self.layer.parent(&change.path).at("open", &change.path)?;
        let from = match beneath::open_file(&folder, name) {
            // What the session has made of it meanwhile is the next apply's.
            Err(rustix::io::Errno::NOENT) => return Err(vanished(change)),
            other => other.at("open", &change.path)?,
        };
        let to = std::fs::File::options()
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
