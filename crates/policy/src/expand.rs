//! From templates to concrete paths of this machine. Pure over [`Environment`].

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::escape::Escaped;
use crate::origin::Origin;
use crate::value::{PathTemplate, Variables};

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A socket, a pipe, a device.
    Special,
}

/// What expansion asks of the machine; links are followed.
pub trait Environment: Variables {
    /// What the path is, if it is there and may be looked at.
    fn kind(&self, path: &Path) -> Option<FileKind>;
    /// The path without links, if it is there.
    fn realpath(&self, path: &Path) -> Option<PathBuf>;
    /// A regular file's content, cut one byte after [`crate::config::MAX_BYTES`]; none if it is
    /// missing or not readable.
    fn read(&self, path: &Path) -> Option<Vec<u8>>;
    /// The entries of a directory, each with whether it is one; links are none.
    fn list(&self, directory: &Path) -> Vec<(OsString, bool)>;
}

/// A path of the host that is visible inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Where it is inside: absolute, without `.` and `..`.
    pub target: PathBuf,
    /// What is shown there: the host's path without links.
    pub source: PathBuf,
    /// File or directory.
    pub kind: FileKind,
    /// Whether it may be written.
    pub writable: bool,
    /// Who asked for it.
    pub origin: Origin,
}

/// Why a path is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It names a variable that is not set.
    #[error("`{0}` names a variable that is not set")]
    Unset(String),
    /// It has no directory to be relative to.
    #[error("`{0}` is relative, and to what is not known here")]
    Relative(String),
    /// Nothing is there.
    #[error("`{0}` does not exist or cannot be read")]
    Missing(String),
    /// It is a socket, pipe or device: a way out, not a file.
    #[error("`{0}` is neither a file nor a directory")]
    Special(String),
    /// It would show everything.
    #[error("`{0}` shows far more than a program needs")]
    TooWide(String),
}

impl PathError {
    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unset(_) => "set it, or write `${NAME:-default}`",
            Self::Relative(_) => "write it from `/` or `~/`",
            Self::Missing(_) => "create it, or remove it from the list",
            Self::Special(_) => "sockets and devices are not shown; name a host or port instead",
            Self::TooWide(_) => "name the directories below it",
        }
    }
}

/// Shows a path that someone named: what is wrong with it is an error.
pub fn show(
    path: &Path,
    base: Option<&Path>,
    writable: bool,
    origin: Origin,
    env: &impl Environment,
) -> Result<Shown, PathError> {
    let text = || Escaped::from(path).to_string();
    let absolute = match base {
        _ if path.is_absolute() => path.to_owned(),
        Some(base) => base.join(path),
        None => return Err(PathError::Relative(text())),
    };
    // The cheap question first: most of what presets name is not there.
    let kind = env.kind(&absolute).ok_or_else(|| PathError::Missing(text()))?;
    let source = env
        .realpath(&absolute)
        .ok_or_else(|| PathError::Missing(text()))?;
    let target = without_dots(&absolute).unwrap_or_else(|| source.clone());
    if kind == FileKind::Special {
        return Err(PathError::Special(text()));
    }
    if too_wide(&source, env.home()) || too_wide(&target, env.home()) {
        return Err(PathError::TooWide(text()));
    }
    Ok(Shown {
        target,
        source,
        kind,
        writable,
        origin,
    })
}

/// Likewise for a path of a configuration file.
pub fn show_template(
    path: &PathTemplate,
    base: Option<&Path>,
    writable: bool,
    origin: Origin,
    env: &impl Environment,
) -> Result<Shown, PathError> {
    let resolved = path
        .resolve(env)
        .ok_or_else(|| PathError::Unset(path.to_string()))?;
    show(&resolved, base, writable, origin, env)
}

/// Shows a preset's path if there is something to show.
pub(crate) fn show_preset_path(
    path: &PathTemplate,
    preset: &'static str,
    env: &impl Environment,
) -> Option<Shown> {
    show_template(path, None, false, Origin::Preset(preset), env).ok()
}

/// Trees that hold everyone's everything.
const WIDE: &[&str] = &[
    "/", "/proc", "/sys", "/dev", "/run", "/home", "/root", "/var", "/etc", "/tmp",
];

/// Whether the path is one of these, or the home directory or above it.
fn too_wide(path: &Path, home: Option<&Path>) -> bool {
    let in_kernel_trees = ["/proc", "/sys", "/dev"]
        .iter()
        .any(|tree| path.starts_with(tree));
    in_kernel_trees
        || WIDE.iter().any(|wide| path == Path::new(wide))
        || home.is_some_and(|home| home.starts_with(path))
}

/// The path without `.`; none if it has `..`, which means nothing without the file system.
fn without_dots(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => return None,
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    Some(clean)
}

/// One entry for each target: whose word counts most, then the one that may write. Sorted, so
/// that a directory comes before what is below it.
pub(crate) fn settle(mut shown: Vec<Shown>) -> Vec<Shown> {
    shown.sort_by(|a, b| {
        let rank = |s: &Shown| std::cmp::Reverse((s.origin.authority(), s.writable));
        (&a.target, rank(a)).cmp(&(&b.target, rank(b)))
    });
    shown.dedup_by(|later, earlier| later.target == earlier.target);
    shown
}

/// A path that the sandbox has for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Where it is inside.
    pub target: PathBuf,
    /// The host's content to show below the sandbox's own writes, without links; none for a
    /// directory that starts empty.
    pub lower: Option<PathBuf>,
    /// The preset that asks for it.
    pub preset: &'static str,
}

/// A preset's cache; dropped where it lies in the project, and a layered one also where the
/// host has nothing.
pub(crate) fn cache(
    path: &PathTemplate,
    layered: bool,
    preset: &'static str,
    project: &Path,
    env: &impl Environment,
) -> Option<Cache> {
    let target = without_dots(&path.resolve(env)?).filter(|p| p.is_absolute())?;
    if target.starts_with(project) || too_wide(&target, env.home()) {
        return None;
    }
    let lower = env
        .realpath(&target)
        .filter(|p| env.kind(p) == Some(FileKind::Directory));
    Some(Cache {
        target,
        lower: lower.filter(|_| layered),
        preset,
    })
}

/// A template's path where only the place matters; dropped where it cannot be told.
pub(crate) fn place(path: &PathTemplate, env: &impl Environment) -> Option<PathBuf> {
    without_dots(&path.resolve(env)?).filter(|p| p.is_absolute())
}
