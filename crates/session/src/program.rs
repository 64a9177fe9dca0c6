//! Finding the command as the user would find it, and what has to be visible for it to run: its
//! install closure.

mod pinned;

pub use pinned::{Changed, PinError, Pinned, Programs};

use crate::view::plain;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Why a command cannot be run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProgramError {
    /// Nothing of that name.
    #[error("{0:?}: not found on PATH")]
    NotOnPath(OsString),
    /// The path given does not exist.
    #[error("{0:?}: no such file")]
    Missing(PathBuf),
    /// It exists but is not to be executed.
    #[error("{path:?}: {why}")]
    NotExecutable {
        /// What.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

/// A command, found, with what it needs to be visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its absolute path, as found; may be a link.
    pub path: PathBuf,
    /// Files and folders that must be visible, besides the system's: links on the way, packages,
    /// interpreters.
    pub closure: Vec<PathBuf>,
}

/// Folders of version managers: a shim in one needs the whole of it. Found anywhere in a path, as
/// whole components.
const MANAGERS: [&str; 16] = [
    ".pyenv",
    ".rbenv",
    ".nodenv",
    ".goenv",
    ".jenv",
    ".asdf",
    ".nvm",
    ".volta",
    ".fnm",
    ".local/share/fnm",
    ".local/share/mise",
    ".rustup",
    ".sdkman",
    ".bun",
    ".deno",
    ".local/share/uv",
];

/// How many interpreters may stand behind one another (`#!` in a file named by a `#!`).
const DEEPEST: usize = 4;

impl Program {
    /// Finds a command: a name on the search path, or a path relative to `directory`. `project` is
    /// what the program may have written before.
    ///
    /// # Errors
    /// It is not there, or is there and cannot be executed.
    pub fn find(
        name: &OsStr,
        search: &OsStr,
        directory: &Path,
        project: &Path,
        home: &Path,
    ) -> Result<Program, ProgramError> {
        let path = locate(name, search, directory)?;
        let mut found = Search {
            path: search,
            home,
            project,
            closure: Vec::new(),
        };
        found.follow(&path, DEEPEST);
        let mut closure = found.closure;
        closure.sort();
        closure.dedup();
        Ok(Program { path, closure })
    }
}

fn locate(name: &OsStr, search: &OsStr, directory: &Path) -> Result<PathBuf, ProgramError> {
    if name.is_empty() {
        // Joined to a folder of the path it would be that folder.
        return Err(ProgramError::NotOnPath(name.to_owned()));
    }
    if name.as_bytes().contains(&b'/') {
        let path = directory.join(name);
        return match executable(&path) {
            Ok(()) => Ok(path),
            Err(None) => Err(ProgramError::Missing(name.into())),
            Err(Some(why)) => Err(ProgramError::NotExecutable {
                path: name.into(),
                why,
            }),
        };
    }
    let mut refused = None;
    for folder in std::env::split_paths(search).filter(|f| f.is_absolute()) {
        let path = folder.join(name);
        match executable(&path) {
            Ok(()) => return Ok(path),
            Err(Some(why)) if refused.is_none() => refused = Some(ProgramError::NotExecutable { path, why }),
            Err(_) => {}
        }
    }
    Err(refused.unwrap_or_else(|| ProgramError::NotOnPath(name.to_owned())))
}

/// Whether a file can be executed; `None` where it is not there.
fn executable(path: &Path) -> Result<(), Option<String>> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(None),
        Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => return Err(None),
        Err(e) => return Err(Some(plain(&e))),
    };
    if metadata.is_dir() {
        return Err(Some("is a directory".to_owned()));
    }
    if !metadata.is_file() {
        return Err(Some("is not a regular file".to_owned()));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(Some("permission denied (not marked executable)".to_owned()));
    }
    Ok(())
}

/// The search for a closure.
struct Search<'a> {
    path: &'a OsStr,
    home: &'a Path,
    project: &'a Path,
    closure: Vec<PathBuf>,
}

impl Search<'_> {
    /// Adds what has to be visible for `path` to be executed: every link on the way, the package it
    /// lies in, and its interpreter's likewise. What lies in the project may be hostile: where a link
    /// or a first line of it leads is believed only for programs found on the caller's own path and
    /// for the folders of version managers.
    fn follow(&mut self, path: &Path, deeper: usize) {
        let Ok(real) = std::fs::canonicalize(path) else {
            return;
        };
        let mut link = path.to_owned();
        let mut hostile = false;
        for _ in 0..40 {
            self.add(&link, hostile);
            hostile |= self.is_in_project(&link);
            let Ok(target) = std::fs::read_link(&link) else {
                break;
            };
            link = link.parent().unwrap_or(Path::new("/")).join(target);
        }
        self.add(&real, hostile);
        hostile |= self.is_in_project(&real);
        if deeper == 0 {
            return;
        }
        for interpreter in interpreters(&real) {
            let bare = !interpreter.as_bytes().contains(&b'/');
            if let Ok(found) = locate(&interpreter, self.path, Path::new("/"))
                && (bare || !hostile)
            {
                self.follow(&found, deeper - 1);
            }
        }
    }

    fn add(&mut self, file: &Path, hostile: bool) {
        let package = package(file, self.home);
        let managed = |p: &PathBuf| manager(p).is_some_and(|m| m.starts_with(self.home));
        self.closure.extend(package.filter(|p| !hostile || managed(p)));
    }

    fn is_in_project(&self, path: &Path) -> bool {
        let folder = path.parent().and_then(|f| std::fs::canonicalize(f).ok());
        folder.is_some_and(|f| f.starts_with(self.project))
    }
}

/// The folder that a program's files lie in, if it is not one of the system's.
fn package(file: &Path, home: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    let folder = std::fs::canonicalize(folder).ok()?;
    if [
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/etc",
        "/nix/store",
        "/gnu/store",
    ]
    .iter()
    .any(|s| folder.starts_with(s))
    {
        return None;
    }
    manager(&folder)
        .or_else(|| modules(&folder))
        .or_else(|| prefix(&folder, home))
        .or(Some(file.to_owned()))
}

/// The folder of a version manager that this one lies in.
fn manager(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .find(|a| MANAGERS.iter().any(|m| a.ends_with(m)))
        .map(Path::to_owned)
}

/// The outermost `node_modules` this one lies in: packages there load each other.
fn modules(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .filter(|a| a.file_name() == Some(OsStr::new("node_modules")))
        .last()
        .map(Path::to_owned)
}

/// The package a program's folder belongs to: `/opt/X`, or `X` for `X/bin` where `X` also holds
/// what programs load (`lib`, `share` …) and is not a place shared by much else. Anything wider is
/// the user's to grant, with `--ro`.
fn prefix(folder: &Path, home: &Path) -> Option<PathBuf> {
    if let Ok(rest) = folder.strip_prefix("/opt") {
        return rest
            .components()
            .next()
            .map(|first| Path::new("/opt").join(first));
    }
    if !["bin", "sbin", "libexec"].iter().any(|b| folder.ends_with(b)) {
        return None;
    }
    let candidate = folder.parent()?;
    let shared = [".local", ".cargo", ".local/share", ".config"].map(|s| home.join(s));
    let too_wide =
        home.starts_with(candidate) || shared.iter().any(|s| s == candidate) || candidate.parent().is_none();
    let package = ["lib", "lib64", "libexec", "share"]
        .iter()
        .any(|l| candidate.join(l).is_dir());
    (package && !too_wide).then(|| candidate.to_owned())
}

/// The programs that a script's first line names: the interpreter, and what `env` is to find.
fn interpreters(file: &Path) -> Vec<OsString> {
    let mut line = [0u8; 256];
    let got = std::fs::File::open(file)
        .and_then(|mut f| f.read(&mut line))
        .unwrap_or(0);
    let Some(rest) = line[..got].strip_prefix(b"#!") else {
        return Vec::new();
    };
    let rest = rest.split(|b| *b == b'\n').next().unwrap_or(rest);
    let mut words = rest.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
    let Some(first) = words.next() else {
        return Vec::new();
    };
    let mut out = vec![OsString::from_vec(first.to_vec())];
    if first.ends_with(b"/env") {
        // `env NAME` and `env -S NAME …`; any other option is not understood, and nothing is guessed.
        let named = words.find(|w| *w != b"-S");
        out.extend(
            named
                .filter(|w| !w.starts_with(b"-") && !w.contains(&b'='))
                .map(|w| OsString::from_vec(w.to_vec())),
        );
    }
    out
}

#[cfg(test)]
mod tests;
