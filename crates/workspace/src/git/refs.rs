//! The refs of a repository, read as files by our own bounded reader, and the record of what a session
//! began from.

use super::name::{Head, ObjectId, RefName};
use super::renew::Content;
use super::{loose_refs, read};
use crate::beneath::Tree;
use crate::error::{At, Error, Result};
use crate::record::{self, Line};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A host's repository: where its HEAD and index lie, and where its refs and objects do. One folder,
/// except for a linked worktree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// HEAD and index.
    pub own: PathBuf,
    /// Refs, objects, configuration.
    pub common: PathBuf,
}

impl Repository {
    /// The ordinary one of a project.
    #[must_use]
    pub fn of(project: &Path) -> Repository {
        let git = project.join(".git");
        Repository {
            own: git.clone(),
            common: git,
        }
    }

    pub(crate) fn record(&self) -> Line {
        Line::default()
            .path("own", &self.own)
            .path("common", &self.common)
    }

    pub(crate) fn of_record(line: &Line) -> Option<Repository> {
        Some(Repository {
            own: line.path_of("own").filter(|p| p.is_absolute())?,
            common: line.path_of("common").filter(|p| p.is_absolute())?,
        })
    }
}

/// What a repository's names point to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refs {
    /// Of HEAD; none if it is nothing that is known.
    pub head: Option<Head>,
    /// By name.
    pub list: BTreeMap<RefName, ObjectId>,
}

impl Refs {
    /// Reads those of a repository that no sandbox could write, or that was read as hostile: no link is
    /// followed. Symbolic refs below `refs/` are not among them.
    ///
    /// # Errors
    /// It cannot be read, or holds too many.
    pub fn read(repository: &Repository) -> Result<Refs> {
        let common = Tree::open(&repository.common).at("open", &repository.common)?;
        let own = Tree::open(&repository.own).at("open", &repository.own)?;
        let mut refs = Refs::default();
        let packed = read(&common, Path::new("packed-refs")).at("read the refs of", &repository.common)?;
        refs.list.extend(packed_refs(&packed.unwrap_or_default()));
        let loose = loose_refs(&common).at("read the refs of", &repository.common)?;
        for path in loose.unwrap_or_default() {
            let bytes = read(&common, &path).at("read", &repository.common.join(&path))?;
            let name = RefName::parse(path.as_os_str().as_encoded_bytes());
            let id = bytes.and_then(|b| ObjectId::parse(b.trim_ascii_end()));
            refs.list.extend(name.zip(id));
        }
        let head = read(&own, Path::new("HEAD")).at("read HEAD of", &repository.own)?;
        refs.head = head.and_then(|b| Head::parse(&b));
        Ok(refs)
    }

    /// Those of a git directory that holds this.
    pub(super) fn of(git: &Content) -> Refs {
        let mut refs = Refs::default();
        let packed = git.bytes(Path::new("packed-refs"));
        refs.list.extend(packed_refs(packed.unwrap_or_default()));
        let loose = git.below(Path::new("refs")).filter_map(|(path, bytes)| {
            let name = RefName::parse(path.as_os_str().as_encoded_bytes());
            name.zip(ObjectId::parse(bytes.trim_ascii_end()))
        });
        refs.list.extend(loose);
        refs.head = git.bytes(Path::new("HEAD")).and_then(Head::parse);
        refs
    }

    /// The commit that HEAD leads to; none if the branch is not born.
    #[must_use]
    pub fn tip(&self) -> Option<&ObjectId> {
        match self.head.as_ref()? {
            Head::Branch(name) => self.list.get(name),
            Head::Detached(id) => Some(id),
        }
    }

    pub(crate) fn save(&self, session: &Path) -> Result<()> {
        let path = session.join("refs");
        let head = Line::default().with(
            "head",
            self.head.as_ref().map(ToString::to_string).unwrap_or_default(),
        );
        let one = |(name, id): (&RefName, &ObjectId)| {
            Line::default().with("ref", name.as_str()).with("id", id.as_str())
        };
        let lines: Vec<Line> = std::iter::once(head).chain(self.list.iter().map(one)).collect();
        record::write(&path, &record::encode("refs", &lines)).at("write", &path)
    }

    /// What a session began from, moved on by what was applied since.
    pub(crate) fn load(session: &Path) -> Result<Refs> {
        let path = session.join("refs");
        let bytes = std::fs::read(&path).at("read", &path)?;
        let lines = record::read("refs", &bytes, &path)?;
        decode(&lines).ok_or(Error::Damaged {
            path,
            what: "a ref that does not read",
        })
    }
}

fn decode(lines: &[Line]) -> Option<Refs> {
    let (first, rest) = lines.split_first()?;
    let one = |l: &Line| Some((RefName::parse(l.get("ref")?)?, ObjectId::parse(l.get("id")?)?));
    Some(Refs {
        head: Head::parse(first.get("head")?),
        list: rest.iter().map(one).collect::<Option<_>>()?,
    })
}

/// The lines of a `packed-refs` file; peeled values (`^…`) and comments are passed over.
pub(crate) fn packed_refs(bytes: &[u8]) -> impl Iterator<Item = (RefName, ObjectId)> + '_ {
    bytes.split(|b| *b == b'\n').filter_map(id_and_name)
}

/// `ID NAME`, as `for-each-ref` prints too.
pub(crate) fn id_and_name(line: &[u8]) -> Option<(RefName, ObjectId)> {
    let at = line.iter().position(|b| *b == b' ')?;
    let id = ObjectId::parse(line.get(..at)?)?;
    Some((RefName::parse(line.get(at + 1..)?.trim_ascii_end())?, id))
}
