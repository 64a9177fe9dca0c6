//! What both sides of a text began with, kept beside the session: the base of a three-way merge.
//!
//! ```text
//! sessions/3f9a…-12/kept/
//!   SHA-256 of a path - inode - seconds - nanoseconds     that version's content
//! ```
//! An overlay keeps nothing of what it covers, so it is taken while the host still has it: whenever somebody looks at
//! the session, at each turn, at its end. What was not seen then is never guessed: it is a conflict.

use crate::bases::Bases;
use crate::beneath::{self, Facts, Identity, Kind, Tree};
use crate::changes::{Change, Changes, Node, Text};
use crate::copy;
use crate::error::{At, Result};
use crate::journal::Applies;
use crate::merge::merge;
use crate::session::Session;
use fumehood_effect::Digest;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Larger files are not merged.
const MOST: u64 = 1 << 20;
/// The most files that are kept of a session; what is changed beyond is not merged.
const FILES: usize = 4096;
/// After an apply of more files their content is not kept.
const APPLIED: usize = 256;

/// Notes what the host has where the session changed something, and keeps the texts among it, unless that was done
/// before. What the host changes later is then known, whatever the session does to its own file meanwhile.
///
/// # Errors
/// Our own files cannot be read or written.
pub fn keep(session: &Session, changes: &Changes) -> Result<()> {
    let place = session.path().ancestors().nth(2).unwrap_or(session.path());
    let _nobody_applies = Applies::open(place, &session.about().project)?;
    let project = session.project()?;
    let mut bases = Bases::load(session.path())?;
    let before = bases.clone();
    let listed: HashSet<&Path> = changes.list.iter().map(|c| c.path.as_path()).collect();
    bases.forget_new(|path| listed.contains(path));
    // What stands in a folder's place is two changes; a folder's own time says nothing.
    let folder = |node: &Option<Node>| matches!(node, Some(Node::Directory { .. }));
    let was_folder = changes.list.iter().filter(|c| folder(&c.before));
    let folders: HashSet<&Path> = was_folder.map(|c| c.path.as_path()).collect();
    let mut kept = Kept::of(session)?;
    for change in changes.list.iter().filter(|c| !c.conflict && c.text.is_none()) {
        let host = change.host.map(|h| h.identity);
        let is_file = !folders.contains(change.path.as_path()) && !folder(&change.after);
        if bases.of(&change.path).is_none() && is_file {
            bases.note(&change.path, host);
        }
        if let (Some(Node::File { size, .. }), Some(Node::File { .. }), Some(host)) =
            (&change.before, &change.after, host)
            && *size <= MOST
        {
            kept.take(&project, &change.path, host)?;
        }
    }
    if bases == before {
        return Ok(());
    }
    bases.save(session.path())
}

/// Keeps what was just applied: the next change of either side begins with it.
pub(crate) fn keep_applied(
    session: &Session,
    project: &Tree,
    paths: &[PathBuf],
    bases: &Bases,
) -> Result<()> {
    if paths.len() > APPLIED {
        return Ok(());
    }
    let mut kept = Kept::of(session)?;
    for path in paths {
        let base = bases.of(path).filter(|b| !b.apart);
        if let Some(host) = base.and_then(|b| b.host) {
            kept.take(project, path, host)?;
        }
    }
    Ok(())
}

/// Keeps the session's own version, which is about to be merged into the host's.
pub(crate) fn keep_merged(session: &Session, layer: &Tree, path: &Path, version: Identity) -> Result<bool> {
    let mut kept = Kept::of(session)?;
    kept.take(layer, path, version)?;
    Ok(kept.names.contains(&name(path, version)))
}

/// What came of putting both sides together.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The host has all of it already.
    Nothing,
    /// A text, and its mode.
    Text(Text, u32),
}

/// A file of one side: its folder, its name, and which version was seen.
pub(crate) type Side<'a> = (&'a OwnedFd, Facts);

/// Both sides' changes in one text, if what they began with is known and they lie apart.
pub(crate) fn merged(
    session: &Path,
    bases: &Bases,
    path: &Path,
    (host, layer): (Side<'_>, Side<'_>),
) -> Option<Outcome> {
    let name = path.file_name()?;
    let common = bases.of(path)?.common()?;
    let (base, base_mode) = kept_text(session, path, common)?;
    let (theirs, ours) = (text(host, name)?, text(layer, name)?);
    let bytes = merge(&base, &ours, &theirs)?;
    let mode = match (host.1.mode, layer.1.mode) {
        (theirs, ours) if ours == base_mode || ours == theirs => theirs,
        (theirs, ours) if theirs == base_mode => ours,
        _ => return None,
    };
    if bytes == theirs && mode == host.1.mode {
        return Some(Outcome::Nothing);
    }
    let text = Text {
        bytes,
        merged: true,
        part: false,
    };
    Some(Outcome::Text(text, mode))
}

/// The content of that very version, if it is a text of a size that is merged.
fn text((folder, facts): Side<'_>, name: &OsStr) -> Option<Vec<u8>> {
    if facts.kind != Kind::File || facts.size > MOST {
        return None;
    }
    let file = beneath::open_file(folder, name).ok()?;
    let same = || beneath::facts_of(&file).is_ok_and(|now| now.identity == facts.identity);
    let mut bytes = Vec::new();
    same().then_some(())?;
    (&file).take(MOST + 1).read_to_end(&mut bytes).ok()?;
    (same() && bytes.len() as u64 == facts.size && !bytes.contains(&0)).then_some(bytes)
}

fn kept_text(session: &Path, path: &Path, version: Identity) -> Option<(Vec<u8>, u32)> {
    let tree = Tree::open(&session.join("kept")).ok()?;
    let name = name(path, version);
    let facts = beneath::facts(tree.top(), &name).ok()??;
    Some((text((tree.top(), facts), &name)?, facts.mode))
}

fn name(path: &Path, version: Identity) -> OsString {
    let (seconds, nanos) = version.changed;
    let digest = Digest::of(path.as_os_str().as_bytes());
    format!("{digest}-{}-{seconds}-{nanos}", version.inode).into()
}

/// The folder of what is kept.
struct Kept {
    folder: PathBuf,
    names: HashSet<OsString>,
}

impl Kept {
    fn of(session: &Session) -> Result<Kept> {
        let folder = session.path().join("kept");
        let entries = match std::fs::read_dir(&folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            other => Some(other.at("list", &folder)?),
        };
        let names = entries.into_iter().flatten().flatten().map(|e| e.file_name());
        Ok(Kept {
            names: names.collect(),
            folder,
        })
    }

    /// Copies that very version of a file, if it is still there, and is one.
    fn take(&mut self, tree: &Tree, path: &Path, version: Identity) -> Result<()> {
        let name = name(path, version);
        if self.names.len() >= FILES || self.names.contains(&name) {
            return Ok(());
        }
        let Ok((folder, last)) = tree.parent(path) else {
            return Ok(());
        };
        let Ok(from) = beneath::open_file(&folder, last) else {
            return Ok(());
        };
        let is_it = |facts: Facts| facts.identity == version && facts.size <= MOST;
        if !beneath::facts_of(&from).is_ok_and(is_it) {
            return Ok(());
        }
        let private = DirBuilder::new().mode(0o700).recursive(true).create(&self.folder);
        private.at("make", &self.folder)?;
        let temporary = self.folder.join("new");
        let to = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .at("make", &temporary)?;
        copy::file(&from, &to).at("copy", path)?;
        if !beneath::facts_of(&from).is_ok_and(is_it) {
            return Ok(()); // it changed meanwhile
        }
        let at = self.folder.join(&name);
        std::fs::rename(&temporary, &at).at("rename", &at)?;
        self.names.insert(name);
        Ok(())
    }
}

impl Change {
    /// With this text, which is all of it or, with the host's mode, a part.
    pub(crate) fn with_text(&self, bytes: &[u8], part: bool) -> Change {
        let mut change = self.clone();
        let mode = if part { &self.before } else { &self.after };
        change.after = Some(Node::File {
            mode: mode.as_ref().and_then(Node::mode).unwrap_or(0o600),
            size: bytes.len() as u64,
        });
        change.text = Some(Text {
            bytes: bytes.to_vec(),
            merged: self.is_merged(),
            part,
        });
        change
    }
}
