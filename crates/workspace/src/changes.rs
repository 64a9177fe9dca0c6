//! The change set: what an upper layer makes of the project, read outside as hostile bytes.
//!
//! One walk of the upper layer, each name compared with the project's; its cost is that of what was
//! changed. A file that was copied up and is the same again is no change.

use crate::attributes;
use crate::bases::Bases;
use crate::beneath::{self, Facts, Kind, Tree};
use crate::edits::PASSING;
use crate::error::{At, Result};
use crate::kept::{self, Outcome};
use crate::session::Session;
use fumehood_policy::glob::{Glob, GlobSet};
use std::ffi::{OsStr, OsString};
use std::ops::Bound;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Paths longer than this are not reached by one system call (`PATH_MAX`, less a name of ours).
const LONGEST: usize = 4096 - 256;

/// One side of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// Bytes.
        size: u64,
    },
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link and where it leads.
    Link(OsString),
    /// A socket, pipe or device of the host.
    Special,
}

impl Node {
    /// Permission bits; links have none.
    #[must_use]
    pub fn mode(&self) -> Option<u32> {
        match self {
            Node::File { mode, .. } | Node::Directory { mode } => Some(*mode),
            _ => None,
        }
    }

    fn same_kind(&self, other: &Node) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// In one letter, as `git diff --name-status` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Not there before.
    Added,
    /// Not there any more.
    Deleted,
    /// Another content or target.
    Modified,
    /// Permission bits only.
    Mode,
    /// A file became a link, a directory a file.
    Type,
}

impl Status {
    /// `A`, `D`, `M`, `m` (mode), `T`.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Status::Added => 'A',
            Status::Deleted => 'D',
            Status::Modified => 'M',
            Status::Mode => 'm',
            Status::Type => 'T',
        }
    }
}

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Relative to the project.
    pub path: PathBuf,
    /// What the project has.
    pub before: Option<Node>,
    /// What the session has.
    pub after: Option<Node>,
    /// The host changed it too, since the session took it, and the two do not fit together.
    pub conflict: bool,
    /// What is to be installed instead of what the session has: both sides' changes, or some of the session's.
    pub(crate) text: Option<Text>,
    /// What the host has.
    pub(crate) host: Option<Facts>,
    /// What the layer has; `None` for what is deleted.
    pub(crate) layer: Option<Facts>,
    pub(crate) content_same: bool,
}

/// A text that is installed in place of the session's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) bytes: Vec<u8>,
    /// Both sides' changes are in it.
    pub(crate) merged: bool,
    /// Not all of the session's are: the rest waits.
    pub(crate) part: bool,
}

impl Change {
    /// Whether it holds what both sides changed.
    #[must_use]
    pub fn is_merged(&self) -> bool {
        self.text.as_ref().is_some_and(|t| t.merged)
    }

    /// What kind of change.
    #[must_use]
    pub fn status(&self) -> Status {
        match (&self.before, &self.after) {
            (None, _) => Status::Added,
            (_, None) => Status::Deleted,
            (Some(a), Some(b)) if !a.same_kind(b) => Status::Type,
            _ if self.content_same => Status::Mode,
            _ => Status::Modified,
        }
    }

    #[cfg(test)]
    pub(crate) fn for_tests(path: &str, before: Option<Node>, after: Option<Node>) -> Change {
        Change {
            path: path.into(),
            before,
            after,
            conflict: false,
            text: None,
            host: None,
            layer: None,
            content_same: false,
        }
    }

    /// Whether it is a directory that is made, removed or given a mode.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(
            self.after.as_ref().or(self.before.as_ref()),
            Some(Node::Directory { .. })
        )
    }
}

/// Why something in the layer is not part of the change set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A repository's own files: never copied (they run programs on the host).
    Git,
    /// A socket, pipe or device.
    Special,
    /// It was hidden from the session, so what it wrote there is not a change of it.
    Hidden,
    /// Only its structure was inside, so what stands there is not the host's file changed.
    Masked,
    /// The path is too long for one call.
    TooLong,
    /// It may not be listed or read, not even by its owner.
    Unreadable,
    /// A name that is ours for a moment, while an edit of the host is brought inside.
    Passing,
    /// A mark of the overlay that this version cannot follow.
    Foreign(&'static str),
}

impl Why {
    /// A fragment for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Why::Git => "a repository's own files are never applied as files",
            Why::Special => "a socket, pipe or device",
            Why::Hidden => "hidden from the session, and there on the host",
            Why::Masked => "masked: its values were never inside, so it is not written over the host's",
            Why::TooLong => "the path is too long",
            Why::Unreadable => "it cannot be read",
            Why::Passing => "a name of fumehood's own, for a moment",
            Why::Foreign(mark) => mark,
        }
    }
}

/// Something that is left where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Relative to the project.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Everything a session changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the order of paths.
    pub list: Vec<Change>,
    /// Not part of it.
    pub left: Vec<Left>,
    /// How many paths of build outputs were passed over.
    pub scratch: usize,
}

/// What is passed over.
#[derive(Debug)]
pub(crate) struct Rules<'s> {
    scratch: GlobSet,
    session: &'s Session,
}

impl Rules<'_> {
    pub(crate) fn of(session: &Session) -> Rules<'_> {
        let globs = session.about().scratch.iter();
        Rules {
            scratch: GlobSet::new(globs.filter_map(|text| Glob::parse(text).ok())),
            session,
        }
    }

    /// What is tracked is never scratch, nor a folder on the way to it.
    pub(crate) fn is_scratch(&self, path: &Path) -> bool {
        if !self.covers(path) {
            return false;
        }
        let tracked = self.session.tracked(|path| self.covers(path));
        // What lies below a path comes right after it.
        let after = (Bound::Included(path), Bound::Unbounded);
        let next = tracked.range::<Path, _>(after).next();
        !next.is_some_and(|tracked| tracked.starts_with(path))
    }

    /// `target/**` means the folder too: what covers any name in it covers it.
    fn covers(&self, path: &Path) -> bool {
        self.scratch.covers(path) || self.scratch.covers(&path.join("any"))
    }

    pub(crate) fn is_hidden(&self, path: &Path) -> bool {
        let about = self.session.about();
        let mut unseen = about.hidden.iter().chain(&about.masked);
        unseen.any(|h| path.starts_with(h))
    }
}

/// Reads what a session changed.
///
/// # Errors
/// The project is gone, or the layer cannot be read at all.
pub fn read(session: &Session) -> Result<Changes> {
    let project = session.project()?;
    let upper = session.upper();
    let layer = Tree::open_layer(&upper).at("open", &upper)?;
    let bases = Bases::load(session.path())?;
    compare(&layer, &project, &Rules::of(session), &bases)
}

pub(crate) fn compare(layer: &Tree, project: &Tree, rules: &Rules<'_>, bases: &Bases) -> Result<Changes> {
    let mut reader = Reader {
        layer,
        project,
        rules,
        bases,
        found: Changes::default(),
        waiting: vec![(PathBuf::new(), true)],
    };
    while let Some((path, on_host)) = reader.waiting.pop() {
        reader.directory(&path, on_host)?;
    }
    let mut found = reader.found;
    found.list.sort_by(|a, b| a.path.cmp(&b.path));
    found.left.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Whether a name is a repository's, on any filesystem (CVE-2014-9390).
pub(crate) fn is_git(name: &OsStr) -> bool {
    name.as_bytes().eq_ignore_ascii_case(b".git")
}

struct Reader<'a> {
    layer: &'a Tree,
    project: &'a Tree,
    rules: &'a Rules<'a>,
    bases: &'a Bases,
    found: Changes,
    /// Directories of the layer to read, and whether the host has them.
    waiting: Vec<(PathBuf, bool)>,
}

/// An open pair of directories, one of each side.
struct Pair {
    layer: OwnedFd,
    host: Option<OwnedFd>,
}

impl Reader<'_> {
    fn directory(&mut self, path: &Path, on_host: bool) -> Result<()> {
        let Ok(layer) = self.layer.directory(path) else {
            self.leave(path, Why::Unreadable);
            return Ok(());
        };
        let host = if on_host {
            self.project.directory(path).ok()
        } else {
            None
        };
        let pair = Pair { layer, host };
        let names = beneath::names(&pair.layer).at("list", path)?;
        if attributes::is_opaque(&pair.layer).at("read the attributes of", path)? {
            self.what_opaque_hides(path, &pair, &names)?;
        }
        for name in names {
            self.name(path, &name, &pair)?;
        }
        Ok(())
    }

    fn name(&mut self, folder: &Path, name: &OsStr, pair: &Pair) -> Result<()> {
        let path = folder.join(name);
        let Some(layer) = beneath::facts(&pair.layer, name).at("look at", &path)? else {
            return Ok(()); // gone meanwhile: the session is running
        };
        let host = match &pair.host {
            Some(host) => beneath::facts(host, name).at("look at", &path)?,
            None => None,
        };
        if self.is_passed_over(&path, name, host.as_ref()) {
            return Ok(());
        }
        match layer.kind {
            Kind::Other if layer.is_whiteout() => {
                if let Some(host) = host.filter(|_| !self.bases.is_applied(&path, None)) {
                    self.delete(&path, host, layer.born)?;
                }
                Ok(())
            }
            Kind::Other => {
                self.leave(&path, Why::Special);
                Ok(())
            }
            Kind::Directory => self.made_directory(path, layer, host, name, pair),
            Kind::File | Kind::Link => self.file_or_link(path, layer, host, name, pair),
        }
    }

    fn is_passed_over(&mut self, path: &Path, name: &OsStr, host: Option<&Facts>) -> bool {
        if name.as_bytes().starts_with(PASSING) {
            self.leave(path, Why::Passing);
        } else if is_git(name) {
            self.leave(path, Why::Git);
        } else if path.as_os_str().len() > LONGEST {
            self.leave(path, Why::TooLong);
        } else if self.rules.is_scratch(path) {
            self.found.scratch += 1;
        } else if host.is_some() && self.rules.is_hidden(path) {
            let masked = self.rules.session.about().masked.iter().any(|m| path == m);
            self.leave(path, if masked { Why::Masked } else { Why::Hidden });
        } else {
            return false;
        }
        true
    }

    fn leave(&mut self, path: &Path, why: Why) {
        self.found.left.push(Left {
            path: path.to_owned(),
            why,
        });
    }

    fn made_directory(
        &mut self,
        path: PathBuf,
        layer: Facts,
        host: Option<Facts>,
        name: &OsStr,
        pair: &Pair,
    ) -> Result<()> {
        let on_host = host.is_some_and(|h| h.kind == Kind::Directory);
        let mark = beneath::open_directory(&pair.layer, name).map(attributes::foreign_mark);
        match mark {
            Ok(Ok(Some(mark))) => {
                self.leave(&path, Why::Foreign(mark));
                return Ok(());
            }
            // One folder that was closed must not keep everything else from being seen.
            Ok(Err(rustix::io::Errno::ACCESS)) => {
                self.leave(&path, Why::Unreadable);
                return Ok(());
            }
            Ok(Err(e)) => return Err(e).at("read the attributes of", &path),
            Ok(Ok(None)) | Err(_) => {}
        }
        if let (Some(host), false) = (host, on_host) {
            // What stood in its place goes first.
            self.push_deleted(&path, host, layer.born)?;
        }
        let same = on_host && host.is_some_and(|h| h.mode == layer.mode);
        if !same {
            self.found.list.push(Change {
                before: self.node(&path, host.as_ref())?.filter(|_| on_host),
                after: Some(Node::Directory { mode: layer.mode }),
                conflict: !on_host && host.is_some() && self.bases.moved_on(&path, host.as_ref(), layer.born),
                text: None,
                host: host.filter(|_| on_host),
                layer: Some(layer),
                content_same: on_host,
                path: path.clone(),
            });
        }
        self.waiting.push((path, on_host));
        Ok(())
    }

    fn file_or_link(
        &mut self,
        path: PathBuf,
        layer: Facts,
        host: Option<Facts>,
        name: &OsStr,
        pair: &Pair,
    ) -> Result<()> {
        if self.bases.is_applied(&path, Some(layer.identity)) {
            return Ok(());
        }
        let conflict = self.bases.moved_on(&path, host.as_ref(), layer.born);
        if let Some(h) = host.filter(|h| h.kind == Kind::Directory) {
            self.delete(&path, h, layer.born)?;
        }
        let host = host.filter(|h| h.kind != Kind::Directory);
        let after = match layer.kind {
            Kind::Link => Node::Link(beneath::target(&pair.layer, name).at("read the link", &path)?),
            _ => Node::File {
                mode: layer.mode,
                size: layer.size,
            },
        };
        let before = self.node(&path, host.as_ref())?;
        let content_same = match (&before, &after) {
            (Some(Node::Link(a)), Node::Link(b)) => a == b,
            (Some(Node::File { size: a, .. }), Node::File { size: b, .. }) if a == b => {
                match same_content(pair, name) {
                    Ok(same) => same,
                    Err(rustix::io::Errno::ACCESS | rustix::io::Errno::INVAL) => {
                        self.leave(&path, Why::Unreadable);
                        return Ok(());
                    }
                    Err(e) => return Err(e).at("read", &path),
                }
            }
            _ => false,
        };
        if content_same && before.as_ref().and_then(Node::mode) == after.mode() {
            return Ok(());
        }
        let both = host.zip(pair.host.as_ref()).filter(|_| conflict);
        let merged = both.and_then(|(facts, folder)| {
            let sides = ((folder, facts), (&pair.layer, layer));
            kept::merged(self.rules.session.path(), self.bases, &path, sides)
        });
        let (text, after) = match merged {
            Some(Outcome::Nothing) => return Ok(()),
            Some(Outcome::Text(text, mode)) => {
                let size = text.bytes.len() as u64;
                (Some(text), Node::File { mode, size })
            }
            None => (None, after),
        };
        self.found.list.push(Change {
            path,
            before,
            after: Some(after),
            conflict: conflict && text.is_none(),
            text,
            host,
            layer: Some(layer),
            content_same,
        });
        Ok(())
    }

    fn node(&self, path: &Path, facts: Option<&Facts>) -> Result<Option<Node>> {
        let Some(facts) = facts else { return Ok(None) };
        Ok(Some(match facts.kind {
            Kind::File => Node::File {
                mode: facts.mode,
                size: facts.size,
            },
            Kind::Directory => Node::Directory { mode: facts.mode },
            Kind::Other => Node::Special,
            Kind::Link => {
                let (folder, name) = self.project.parent(path).at("look at", path)?;
                Node::Link(beneath::target(&folder, name).at("read the link", path)?)
            }
        }))
    }

    /// Everything of the host that an opaque directory does not show again.
    fn what_opaque_hides(&mut self, path: &Path, pair: &Pair, shown: &[OsString]) -> Result<()> {
        let Some(host) = &pair.host else { return Ok(()) };
        let born = beneath::facts_of(&pair.layer).at("look at", path)?.born;
        for name in beneath::names(host).at("list", path)? {
            let below = path.join(&name);
            // Of a folder that the host made again only what was brought inside can have been deleted there.
            let never_seen = self.bases.is_from_host(path) && !self.bases.is_given(&below);
            if never_seen || shown.binary_search(&name).is_ok() {
                continue;
            }
            if let Some(facts) = beneath::facts(host, &name).at("look at", &below)?
                && !self.is_passed_over(&below, &name, Some(&facts))
            {
                self.delete(&below, facts, born)?;
            }
        }
        Ok(())
    }

    /// A path of the host is gone, with everything below it; says whether all of it may go.
    fn delete(&mut self, path: &Path, host: Facts, taken: Option<(i64, u32)>) -> Result<bool> {
        let mut all = true;
        if host.kind == Kind::Directory {
            let Ok(folder) = self.project.directory(path) else {
                self.leave(path, Why::Unreadable);
                return Ok(false);
            };
            for name in beneath::names(&folder).at("list", path)? {
                let below = path.join(&name);
                let Some(facts) = beneath::facts(&folder, &name).at("look at", &below)? else {
                    continue;
                };
                all &=
                    !self.is_passed_over(&below, &name, Some(&facts)) && self.delete(&below, facts, taken)?;
            }
        }
        if all {
            self.push_deleted(path, host, taken)?;
        }
        Ok(all)
    }

    fn push_deleted(&mut self, path: &Path, host: Facts, taken: Option<(i64, u32)>) -> Result<()> {
        // A directory's own time changes with what lies in it; that is judged name by name.
        let conflict = host.kind != Kind::Directory && self.bases.moved_on(path, Some(&host), taken);
        self.found.list.push(Change {
            path: path.to_owned(),
            before: self.node(path, Some(&host))?,
            after: None,
            conflict,
            text: None,
            host: Some(host),
            layer: None,
            content_same: false,
        });
        Ok(())
    }
}

/// Whether two files of one size hold the same, attributes included.
fn same_content(pair: &Pair, name: &OsStr) -> rustix::io::Result<bool> {
    use std::io::Read;
    let Some(host) = &pair.host else { return Ok(false) };
    let (mut a, mut b) = (
        beneath::open_file(&pair.layer, name)?,
        beneath::open_file(host, name)?,
    );
    if attributes::of(&a)? != attributes::of(&b)? {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0u8; 1 << 16], vec![0u8; 1 << 16]);
    let errno = |e: std::io::Error| rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO);
    loop {
        let n = a.read(&mut left).map_err(errno)?;
        if n == 0 {
            return b.read(&mut right).map(|m| m == 0).map_err(errno);
        }
        let right = right.get_mut(..n).unwrap_or_default();
        if b.read_exact(right).is_err() || left.get(..n) != Some(&*right) {
            return Ok(false);
        }
    }
}
