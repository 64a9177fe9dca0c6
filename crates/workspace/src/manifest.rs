//! What an apply did, path by path, with digests of what came: for whoever keeps a log of it.

use crate::error::{At, Result};
use crate::journal::{Applies, Journal, Step};
use crate::record::{self, Line};
use fumehood_effect::Digest;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Digests of what an apply installs, beside its journal.
const DIGESTS: &str = "digests";

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A file with this content, or a link with this target, came. Without a digest it was applied by an older version.
    Put(Option<Digest>),
    /// A file, link or directory went.
    Removed,
    /// A directory came.
    Directory,
    /// Its permission bits changed.
    Mode,
}

/// An apply, path by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Whose changes they are.
    pub session: String,
    /// In the order in which they were done.
    pub deeds: Vec<(PathBuf, Deed)>,
}

impl Manifest {
    /// The manifest of an apply of a project.
    ///
    /// # Errors
    /// There is none of this number, or our own files cannot be read.
    pub fn of(place: &Path, project: &Path, number: u64) -> Result<Manifest> {
        let folder = Applies::open(place, project)?.folder(number);
        let journal = Journal::load(&folder)?;
        let digests = load(&folder)?;
        let deed = |(path, step): &(PathBuf, Step)| {
            let deed = match step {
                Step::Remove(_) | Step::RemoveDirectory(_) => Deed::Removed,
                Step::MakeDirectory => Deed::Directory,
                Step::Put { .. } => Deed::Put(digests.get(path).copied()),
                Step::Mode(..) => Deed::Mode,
            };
            (path.clone(), deed)
        };
        Ok(Manifest {
            session: journal.session,
            deeds: journal.steps.iter().map(deed).collect(),
        })
    }

    /// One entry a path, each ended by a NUL byte: `put SHA-256 PATH`, `put - PATH`, `remove PATH`, `directory PATH`,
    /// `mode PATH`.
    #[must_use]
    pub fn entries(&self) -> Vec<Vec<u8>> {
        let entry = |(path, deed): &(PathBuf, Deed)| {
            let word = match deed {
                Deed::Put(Some(digest)) => format!("put {digest} "),
                Deed::Put(None) => "put - ".to_owned(),
                Deed::Removed => "remove ".to_owned(),
                Deed::Directory => "directory ".to_owned(),
                Deed::Mode => "mode ".to_owned(),
            };
            [word.as_bytes(), path.as_os_str().as_bytes(), b"\0"].concat()
        };
        self.deeds.iter().map(entry).collect()
    }
}

/// Keeps digests beside a journal that is being written.
pub(crate) fn save(folder: &Path, digests: &[(PathBuf, Digest)]) -> Result<()> {
    let line =
        |(path, digest): &(PathBuf, Digest)| Line::default().path("path", path).number("sha256", digest);
    let lines: Vec<Line> = digests.iter().map(line).collect();
    let path = folder.join(DIGESTS);
    record::write(&path, &record::encode(DIGESTS, &lines)).at("write", &path)
}

fn load(folder: &Path) -> Result<BTreeMap<PathBuf, Digest>> {
    let path = folder.join(DIGESTS);
    let bytes = match std::fs::read(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        read => read.at("read", &path)?,
    };
    let lines = record::read(DIGESTS, &bytes, &path)?;
    let digest = |line: &Line| Some((line.path_of("path")?, line.parsed("sha256")?));
    Ok(lines.iter().filter_map(digest).collect())
}
