//! Copying what a session wrote out of its upper layer, without mounting it and without believing any of
//! its records: for a damaged state directory, a project that vanished, a file of a later version.

use crate::beneath::{self, Kind, Tree};
use crate::copy;
use crate::error::{At, Error, Result};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rescued {
    /// Files and links.
    pub files: usize,
    /// Paths that the session deleted; nothing is copied for them.
    pub deleted: Vec<PathBuf>,
    /// Paths that cannot be copied, and why.
    pub left: Vec<(PathBuf, String)>,
}

/// Copies everything that a session wrote to a new directory: files, links, directories; git's own files
/// under the name `dot-git`, so that no program takes them for a repository.
///
/// # Errors
/// There is no such session, or the directory cannot be made.
pub fn rescue(place: &Path, id: &str, to: &Path) -> Result<Rescued> {
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let upper = place.join("sessions").join(id).join("upper");
    if !plain || !upper.is_dir() {
        return Err(Error::NoSession(fumehood_policy::Escaped::from(id).to_string()));
    }
    let layer = Tree::open_layer(&upper).at("open", &upper)?;
    std::fs::DirBuilder::new().mode(0o700).create(to).at("make", to)?;
    let mut done = Rescued::default();
    let mut waiting = vec![PathBuf::new()];
    while let Some(folder) = waiting.pop() {
        if let Err(e) = one_folder(&layer, &folder, to, &mut done, &mut waiting) {
            done.left.push((folder, e.to_string()));
        }
    }
    Ok(done)
}

fn one_folder(
    layer: &Tree,
    folder: &Path,
    to: &Path,
    done: &mut Rescued,
    waiting: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    let open = layer.directory(folder)?;
    for name in beneath::names(&open)? {
        let path = folder.join(&name);
        let Some(facts) = beneath::facts(&open, &name)? else {
            continue;
        };
        let at = to.join(renamed(&path));
        let copied = match facts.kind {
            Kind::Directory => {
                waiting.push(path.clone());
                std::fs::DirBuilder::new().mode(0o700).create(&at)
            }
            Kind::Link => std::os::unix::fs::symlink(beneath::target(&open, &name)?, &at),
            Kind::File => file(&open, &name, &at),
            Kind::Other if facts.is_whiteout() => {
                done.deleted.push(path);
                continue;
            }
            Kind::Other => Err(std::io::Error::other("a socket, pipe or device")),
        };
        match copied {
            Ok(()) if facts.kind != Kind::Directory => done.files += 1,
            Ok(()) => {}
            Err(e) => done.left.push((path, e.to_string())),
        }
    }
    Ok(())
}

fn renamed(path: &Path) -> PathBuf {
    path.components()
        .map(|part| {
            let name = part.as_os_str();
            if name.as_bytes().eq_ignore_ascii_case(b".git") {
                "dot-git".as_ref()
            } else {
                name
            }
        })
        .collect()
}

fn file(folder: &std::os::fd::OwnedFd, name: &std::ffi::OsStr, at: &Path) -> std::io::Result<()> {
    let from = beneath::open_file(folder, name)?;
    let to = std::fs::File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(at)?;
    copy::file(&from, &to)?;
    Ok(())
}
