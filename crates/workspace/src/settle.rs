//! A session that has ended: what is on the host as it is inside leaves the layer, so that the next run in it
//! sees the host's. Build outputs stay, and whatever waits.

use crate::attributes;
use crate::beneath::{self, Facts, Kind, Tree};
use crate::changes::{Changes, Rules, is_git};
use crate::error::{At, Result};
use crate::session::Session;
use rustix::fs::AtFlags;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

impl Session {
    /// Clears the layer of what is the host's already, `found` being what was just read of it. Says whether
    /// nothing but build outputs is left; the session then stands for them alone and waits for nobody.
    ///
    /// # Errors
    /// The layer cannot be changed.
    pub fn settle(&self, found: &Changes) -> Result<bool> {
        if !found.list.is_empty() || !found.left.is_empty() || crate::git::moved(self.path()) {
            return Ok(false);
        }
        let upper = self.upper();
        let sweep = Sweep {
            tree: Tree::open_layer(&upper).at("open", &upper)?,
            rules: Rules::of(self),
        };
        sweep.folder(Path::new(""))?;
        // Git inside begins again from the host's, at the next start.
        self.spare_git()?;
        for name in ["out", "check", "kept"] {
            crate::session::remove_if_there(&self.path().join(name))?;
        }
        for name in ["bases", "refs", "stash", "undone"] {
            let _none = std::fs::remove_file(self.path().join(name));
        }
        crate::git::unpin(&self.repository(), self.id());
        if !self.is_untouched() {
            let mark = self.path().join("settled");
            std::fs::write(&mark, b"").at("write", &mark)?;
        }
        Ok(true)
    }
}

struct Sweep<'s> {
    tree: Tree,
    rules: Rules<'s>,
}

impl Sweep<'_> {
    /// Removes what is not scratch; whether the folder is empty then.
    fn folder(&self, path: &Path) -> Result<bool> {
        let open = self.tree.directory(path).at("open", path)?;
        let mut kept = 0;
        for name in beneath::names(&open).at("list", path)? {
            let below = path.join(&name);
            let Some(facts) = beneath::facts(&open, &name).at("look at", &below)? else {
                continue;
            };
            kept += usize::from(!self.name(&open, &name, &below, &facts)?);
        }
        Ok(kept == 0)
    }

    fn name(&self, open: &std::os::fd::OwnedFd, name: &OsStr, path: &Path, facts: &Facts) -> Result<bool> {
        if self.rules.is_scratch(path) || is_git(name) {
            return Ok(false);
        }
        if facts.kind != Kind::Directory {
            rustix::fs::unlinkat(open, name, AtFlags::empty()).at("remove", path)?;
            return Ok(true);
        }
        let folder = beneath::open_directory(open, name).at("open", path)?;
        let opaque = attributes::is_opaque(&folder).at("read the attributes of", path)?;
        // One that hides the host's must not begin to show it while something of ours lies in it.
        if opaque && self.holds_scratch(path)? {
            return Ok(false);
        }
        if self.folder(path)? {
            rustix::fs::unlinkat(open, name, AtFlags::REMOVEDIR).at("remove", path)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn holds_scratch(&self, top: &Path) -> Result<bool> {
        let mut waiting: BTreeSet<PathBuf> = BTreeSet::from([top.to_owned()]);
        while let Some(path) = waiting.pop_first() {
            let open = self.tree.directory(&path).at("open", &path)?;
            for name in beneath::names(&open).at("list", &path)? {
                let below = path.join(&name);
                if self.rules.is_scratch(&below) {
                    return Ok(true);
                }
                let kind = beneath::facts(&open, &name)
                    .at("look at", &below)?
                    .map(|f| f.kind);
                if kind == Some(Kind::Directory) {
                    waiting.insert(below);
                }
            }
        }
        Ok(false)
    }
}
