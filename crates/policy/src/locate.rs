//! Where the configuration files are, and those that exist, read: what every verb begins with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::config::{Parsed, parse};
use crate::escape::Escaped;
use crate::origin::Layer;
use crate::read::{self, Owner, ReadError};

/// The machine's policy.
pub const MACHINE: &str = "/etc/fumehood/policy.toml";
/// The project's file, in its root.
pub const PROJECT: &str = "fumehood.toml";

/// Fumehood's own folder below an XDG base directory, given the variable's value. As the XDG
/// specification says, a relative value counts as unset.
#[must_use]
pub fn base(given: Option<OsString>, home: &Path, below_home: &str) -> PathBuf {
    let set = given.map(PathBuf::from).filter(|path| path.is_absolute());
    set.unwrap_or_else(|| home.join(below_home)).join("fumehood")
}

/// A configuration file that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// As it was named: what messages call it.
    pub path: PathBuf,
    /// Its content, for trust.
    pub bytes: Vec<u8>,
    /// Whose it is.
    pub layer: Layer,
}

impl Loaded {
    /// The path in messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// What it says.
    #[must_use]
    pub fn parsed(&self) -> Parsed {
        parse(self.layer, &self.name(), &self.bytes)
    }
}

/// Why a configuration file cannot be used. The run must not start.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// It cannot be read or is not to be believed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file named in place of the project's.
    #[error("--config {}: no such file", Escaped::from(.0.as_path()))]
    Missing(PathBuf),
}

/// The files that exist: machine, user, project. Only root's file counts for the machine; the
/// user's must be that of `uid`; `instead` takes the place of the project's and must exist.
///
/// # Errors
/// One of them cannot be read or is not to be believed.
pub fn files(
    user: &Path,
    project: &Path,
    instead: Option<&Path>,
    uid: u32,
) -> Result<Vec<Loaded>, LocateError> {
    let of_project = instead.map_or_else(|| project.join(PROJECT), Path::to_owned);
    let candidates = [
        (PathBuf::from(MACHINE), Layer::Machine, Owner::Only(0)),
        (user.join("config.toml"), Layer::User, Owner::User(uid)),
        (of_project, Layer::Project, Owner::Anyone),
    ];
    let mut files = Vec::new();
    for (path, layer, owner) in candidates {
        match read::config(&path, owner)? {
            Some(text) => files.push(Loaded {
                path,
                bytes: text.bytes,
                layer,
            }),
            None if layer == Layer::Project && instead.is_some() => return Err(LocateError::Missing(path)),
            None => {}
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_base_counts_as_unset() {
        let home = Path::new("/home/ann");
        for (given, place) in [
            (Some("/x"), "/x/fumehood"),
            (Some("x"), "/home/ann/.config/fumehood"),
            (Some(""), "/home/ann/.config/fumehood"),
            (None, "/home/ann/.config/fumehood"),
        ] {
            let given = given.map(OsString::from);
            assert_eq!(base(given, home, ".config"), Path::new(place));
        }
    }
}
