use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::fold::fold;
use super::hooks_path::hooks_path;
use super::table::{Class, Row};

/// What a name in the project is; links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

/// The project as [`find`] looks at it. Paths are relative to its root; nothing above the
/// root is ever asked for.
pub trait ProjectView {
    /// The names in a directory; of a large one, the first few thousand.
    fn names(&self, directory: &Path) -> Vec<OsString>;
    /// What a path is.
    fn entry(&self, path: &Path) -> Option<Entry>;
    /// The start of a small regular file.
    fn read(&self, path: &Path) -> Option<Vec<u8>>;
    /// Where a link leads, if that is a file or directory in the project.
    fn target_in_project(&self, path: &Path) -> Option<PathBuf>;
}

/// A path to make read-only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// From the project's root, as it is spelled there.
    pub path: PathBuf,
    /// Whether it is a directory.
    pub directory: bool,
    /// What would run or trust it.
    pub class: Class,
    /// A fragment for people.
    pub why: String,
}

/// A protected path that live mode cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheld {
    /// From the project's root.
    pub path: PathBuf,
    /// A fragment for people.
    pub why: &'static str,
}

/// What to do about protected paths at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protected {
    /// To be read-only, sorted, without those below another.
    pub read_only: Vec<Item>,
    /// Directories above them, to be mounted onto themselves, sorted: a mounted directory
    /// cannot be renamed, so `mv .git old` does not carry the protection away.
    pub pins: Vec<PathBuf>,
    /// What cannot be held, to be said at start.
    pub unheld: Vec<Unheld>,
}

/// Entries of one directory that a `*` may stand for. Beyond it the rest is not protected and
/// that is said.
const MAX_MATCHES: usize = 256;

/// Finds the rows' paths in the project. `root_names` is the listing of its root, which the
/// caller has anyway.
pub fn find(rows: impl Iterator<Item = Row>, root_names: &[OsString], view: &impl ProjectView) -> Protected {
    let mut search = Search {
        view,
        root: listing(root_names),
        listings: BTreeMap::new(),
        found: Vec::new(),
        unheld: Vec::new(),
    };
    for row in rows {
        if !search.may_begin(row.path) {
            continue;
        }
        search.descend(&row, PathBuf::new(), row.components());
    }
    search.hooks_path();
    search.finish()
}

struct Search<'a, V> {
    view: &'a V,
    root: Listing,
    listings: BTreeMap<PathBuf, Listing>,
    found: Vec<Item>,
    unheld: Vec<Unheld>,
}

/// The names of a directory by their folded spelling.
type Listing = BTreeMap<String, Vec<OsString>>;

fn listing(names: &[OsString]) -> Listing {
    let mut folded = Listing::new();
    for name in names {
        folded.entry(fold(name)).or_default().push(name.clone());
    }
    folded
}

impl<V: ProjectView> Search<'_, V> {
    /// Whether the root holds a row's first name, as far as that is one name.
    fn may_begin(&self, path: &str) -> bool {
        let first = path.split_once('/').map_or(path, |(first, _)| first);
        first.contains('*') || self.root.contains_key(first)
    }

    /// The entries of `directory` that a component of a row stands for. Below the root, a name
    /// that is there as it is written needs no listing (`.git/objects` is a long one): a host
    /// that tells spellings apart obeys only that one, a host that does not has only one.
    fn matching(&mut self, directory: &Path, pattern: &str) -> Vec<PathBuf> {
        let listing = if directory.as_os_str().is_empty() {
            &self.root
        } else {
            let exact = directory.join(pattern);
            if !pattern.contains('*') && self.view.entry(&exact).is_some() {
                return vec![exact];
            }
            let view = self.view;
            let there = self.listings.entry(directory.to_owned());
            there.or_insert_with(|| listing(&view.names(directory)))
        };
        let names: Vec<&OsString> = match pattern.contains('*') {
            false => listing.get(pattern).into_iter().flatten().collect(),
            true => listing
                .iter()
                .filter(|(folded, _)| fits(pattern, folded))
                .flat_map(|(_, names)| names)
                .collect(),
        };
        let hits: Vec<PathBuf> = names.into_iter().map(|name| directory.join(name)).collect();
        if hits.len() > MAX_MATCHES {
            self.unheld.push(Unheld {
                path: directory.join(pattern),
                why: "too many to protect",
            });
        }
        hits.into_iter().take(MAX_MATCHES).collect()
    }

    fn descend(&mut self, row: &Row, directory: PathBuf, mut rest: std::str::Split<'static, char>) {
        let Some(pattern) = rest.next() else {
            return;
        };
        let last = rest.clone().next().is_none();
        for path in self.matching(&directory, pattern) {
            match self.view.entry(&path) {
                Some(Entry::Link) => self.link(row, path, last),
                Some(entry) if last => self.hit(row, path, entry),
                Some(Entry::Directory) => self.descend(row, path, rest.clone()),
                _ => {}
            }
        }
    }

    fn hit(&mut self, row: &Row, path: PathBuf, entry: Entry) {
        let wanted = match entry {
            Entry::File => true,
            Entry::Directory => !row.only_file(),
            Entry::Link | Entry::Other => false,
        };
        if wanted {
            self.add(path, entry == Entry::Directory, row.class, row.why());
        }
    }

    /// The link can be replaced and what it leads to cannot be mounted over by its name; the
    /// target is protected where it is the very thing, in the project.
    fn link(&mut self, row: &Row, path: PathBuf, last: bool) {
        if let Some(target) = self.view.target_in_project(&path)
            && last
            && let Some(entry) = self.view.entry(&target)
        {
            self.hit(row, target, entry);
        }
        if !self.unheld.iter().any(|u| u.path == path) {
            self.unheld.push(Unheld {
                path,
                why: "a symbolic link, which can be replaced",
            });
        }
    }

    fn add(&mut self, path: PathBuf, directory: bool, class: Class, why: &str) {
        let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
        if plain && !path.as_os_str().is_empty() && !self.found.iter().any(|item| item.path == path) {
            self.found.push(Item {
                path,
                directory,
                class,
                why: why.to_owned(),
            });
        }
    }

    /// Hooks in the working tree, as the repository's own configuration names them.
    fn hooks_path(&mut self) {
        let hooks = self
            .view
            .read(Path::new(".git/config"))
            .and_then(|config| hooks_path(&config));
        if let Some(path) = hooks
            && self.view.entry(&path) == Some(Entry::Directory)
        {
            self.add(
                path,
                true,
                Class::Git,
                "the host's git runs them (core.hooksPath)",
            );
        }
    }

    fn finish(self) -> Protected {
        let mut read_only: Vec<Item> = Vec::new();
        let mut found = self.found;
        found.sort();
        for item in found {
            if !read_only.iter().any(|above| item.path.starts_with(&above.path)) {
                read_only.push(item);
            }
        }
        let above = |item: &Item| {
            item.path
                .ancestors()
                .skip(1)
                .map(Path::to_owned)
                .collect::<Vec<_>>()
        };
        let pins: BTreeSet<PathBuf> = read_only.iter().flat_map(above).collect();
        let pins = pins
            .into_iter()
            .filter(|path| !path.as_os_str().is_empty())
            .collect();
        Protected {
            read_only,
            pins,
            unheld: self.unheld,
        }
    }
}

/// One `*` at most, both sides folded.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
    }
}
