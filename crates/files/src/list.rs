//! Names below a folder.

use crate::bounds::{Bound, Bounds, DEPTH, NAMES, TEXT};
use crate::error::{FileError, name};
use crate::view::{View, word};
use fumehood_policy::Escaped;
use fumehood_policy::glob::{Glob, GlobSet};
use rustix::fs::FileType;
use std::path::{Path, PathBuf};

/// Which names are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only what one of these patterns means, from the project's top on; empty means all.
    pub only: Option<GlobSet>,
    /// Folders that are named and not entered, unless the listing begins in one: build outputs.
    pub skip: GlobSet,
    /// Folders within each other that are entered, from 1 on.
    pub depth: usize,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// A path a line, from the project's top on: folders end with `/`, links say where they lead.
    pub text: String,
    /// How many.
    pub names: u64,
    /// Folders that could not be listed.
    pub closed: u64,
    /// What ended it early.
    pub bound: Option<Bound>,
}

/// A pattern as a caller means it: one without a `/` holds at any depth.
///
/// # Errors
/// It is none.
pub fn pattern(text: &str) -> Result<GlobSet, FileError> {
    let whole = match text.contains('/') {
        true => text.to_owned(),
        false => format!("**/{text}"),
    };
    let glob = Glob::parse(whole.as_bytes()).map_err(|e| {
        FileError::of(
            Path::new(text),
            format_args!("is no pattern: {}; {}", e.what, e.help),
        )
    })?;
    Ok(GlobSet::new([glob]))
}

/// Lists what is below a folder.
///
/// # Errors
/// The folder is not there, or is none.
pub fn list(view: &View, path: &Path, wanted: &Wanted, bounds: &Bounds<'_>) -> Result<Listing, FileError> {
    let mut out = Listing::default();
    let only = wanted.only.as_ref();
    let walk = Walk::new(view, path, wanted, bounds);
    let end = walk.each(|below, kind, target| {
        if only.is_some_and(|only| !only.covers(below)) {
            return None;
        }
        out.text.push_str(&name(below));
        match kind {
            FileType::Directory => out.text.push('/'),
            FileType::Symlink => {
                out.text.push_str(" -> ");
                out.text.push_str(&name(target));
            }
            FileType::RegularFile => {}
            other => {
                out.text.push_str(" (");
                out.text.push_str(word(other));
                out.text.push(')');
            }
        }
        out.text.push('\n');
        out.names += 1;
        (out.text.len() > TEXT).then_some(Bound::Text)
    })?;
    out.closed = end.closed;
    out.bound = end.bound;
    Ok(out)
}

/// How a walk ended.
pub(crate) struct End {
    pub(crate) closed: u64,
    pub(crate) bound: Option<Bound>,
}

/// Goes over names, folders before what they hold, each folder's in order.
pub(crate) struct Walk<'a> {
    view: &'a View,
    top: PathBuf,
    depth: usize,
    skip: Option<&'a GlobSet>,
    bounds: &'a Bounds<'a>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(view: &'a View, path: &Path, wanted: &'a Wanted, bounds: &'a Bounds<'a>) -> Walk<'a> {
        let top: PathBuf = path.iter().filter(|n| *n != ".").collect();
        // Whoever names a folder of build outputs means what is in it.
        let inside = wanted.skip.covers(&top.join("x"));
        Walk {
            view,
            top,
            depth: wanted.depth.clamp(1, DEPTH),
            skip: (!inside).then_some(&wanted.skip),
            bounds,
        }
    }

    /// Calls `visit` with each path, its kind, and of a link where it leads; that says whether it is enough.
    pub(crate) fn each(
        self,
        mut visit: impl FnMut(&Path, FileType, &Path) -> Option<Bound>,
    ) -> Result<End, FileError> {
        let mut end = End {
            closed: 0,
            bound: None,
        };
        let mut left = NAMES;
        let top = self.listed(&self.top, &mut left)?;
        let mut waiting: Vec<(PathBuf, usize)> = top.into_iter().rev().map(|path| (path, 1)).collect();
        while let Some((path, depth)) = waiting.pop() {
            // One that is gone, or that nothing is to be seen of, is passed over.
            let Ok(place) = self.view.place(&path) else {
                continue;
            };
            let target = match place.kind() {
                FileType::Symlink => PathBuf::from(place.target()),
                _ => PathBuf::new(),
            };
            end.bound = visit(&path, place.kind(), &target).or_else(|| self.bounds.reached());
            if end.bound.is_some() {
                return Ok(end);
            }
            let skipped = self.skip.is_some_and(|skip| skip.covers(&path.join("x")));
            if place.kind() != FileType::Directory || depth >= self.depth || skipped {
                continue;
            }
            if left == 0 {
                end.bound = Some(Bound::Names);
                continue;
            }
            match self.listed(&path, &mut left) {
                Ok(below) => waiting.extend(below.into_iter().rev().map(|path| (path, depth + 1))),
                Err(_) => end.closed += 1,
            }
        }
        if left == 0 {
            end.bound = Some(Bound::Names);
        }
        Ok(end)
    }

    fn listed(&self, folder: &Path, left: &mut usize) -> Result<Vec<PathBuf>, FileError> {
        let shown = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        let names = self.view.names(shown, left)?;
        Ok(names.into_iter().map(|name| folder.join(name)).collect())
    }
}

/// Where something is, for a remark.
#[must_use]
pub fn shown(path: &Path) -> String {
    Escaped::from(path)
        .at_most(100)
        .to_string()
        .replace(['⟦', '⟧'], "?")
}
