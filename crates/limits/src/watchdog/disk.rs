//! Disk by sampling: a cheap trigger and an exact look.
//!
//! Without privilege nothing gives ENOSPC for a directory tree. What can be held: private tmp and home are tmpfs with
//! `size=` where the caller makes them so (exact, and not watched here), `RLIMIT_FSIZE` bounds each file, and this
//! bounds the sum.
//!
//! The trigger: while the file systems grew by less than what is left, the sandbox cannot have written more than
//! that; each tick is then one `statvfs` per file system, whatever the size of the tree. Only when they grew by more
//! (by anyone's doing) are the directories walked, to see what is the sandbox's: everything in private ones, files
//! changed since the start in shared ones, and deleted files that its processes still hold open. What cannot be looked
//! into (a directory without read permission, or deeper than a path can be) was made so on purpose, and then all
//! growth of the file systems since the start is counted.
//!
//! Overshoot: what can be written in one tick and one walk (measured on an ordinary SSD: about 250 ms and 1 s per
//! 200,000 files), and file systems that report usage late (btrfs: up to its commit interval, 30 s). Not seen: the
//! sandbox writing into what the host had freed in the same tick, and deleted files that are only mapped.

use super::Watched;
use super::tree::Tree;
use crate::error::Error;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Directory entries looked at in one step.
const STEP: usize = 4096;

#[derive(Debug)]
pub(crate) struct Disk {
    limit: u64,
    watched: Watched,
    /// Seconds since 1970; file times are coarser than our clock, so a little is taken off.
    since: i64,
    /// By device: a place on it, its used bytes at the start and at the last tick.
    systems: BTreeMap<u64, (PathBuf, u64, u64)>,
    /// Growth since the last walk, and how much of it makes another.
    grown: u64,
    left: u64,
    walk: Option<Walk>,
}

#[derive(Debug, Default)]
struct Walk {
    /// Directories to enter; whether everything in them counts.
    next: Vec<(PathBuf, bool)>,
    bytes: u64,
    unseen: bool,
}

impl Disk {
    pub(crate) fn start(limit: u64, watched: &Watched) -> Result<Self, Error> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let since = i64::try_from(now.as_secs()).unwrap_or(0).saturating_sub(1);
        let mut systems = BTreeMap::new();
        for path in watched.private.iter().chain(&watched.shared) {
            let failed = |source| Error::Read {
                path: path.clone(),
                source,
            };
            let (device, used) = (
                fs::metadata(path).map_err(failed)?.dev(),
                used(path).map_err(failed)?,
            );
            systems.insert(device, (path.clone(), used, used));
        }
        Ok(Self {
            limit,
            watched: watched.clone(),
            since,
            systems,
            grown: 0,
            left: limit,
            walk: None,
        })
    }

    /// Whether the limit is passed.
    pub(crate) fn step(&mut self) -> bool {
        for (path, _, last) in self.systems.values_mut() {
            let now = used(path).unwrap_or(*last);
            self.grown = self.grown.saturating_add(now.saturating_sub(*last));
            *last = now;
        }
        if self.walk.is_none() && self.grown > self.left {
            (self.grown, self.walk) = (0, Some(self.begin()));
        }
        self.walk.take().is_some_and(|walk| self.go_on(walk))
    }

    fn begin(&self) -> Walk {
        let private = self.watched.private.iter().map(|dir| (dir.clone(), true));
        let next = private
            .chain(self.watched.shared.iter().map(|dir| (dir.clone(), false)))
            .collect();
        let mut walk = Walk {
            next,
            ..Walk::default()
        };
        self.deleted(&mut walk);
        walk
    }

    fn go_on(&mut self, mut walk: Walk) -> bool {
        let done = walk.some(self.since);
        let bytes = if walk.unseen {
            walk.bytes.max(self.growth())
        } else {
            walk.bytes
        };
        if bytes > self.limit {
            return true;
        }
        self.left = self.limit - bytes;
        self.walk = (!done).then_some(walk);
        false
    }

    /// Of all watched file systems since the start.
    fn growth(&self) -> u64 {
        self.systems
            .values()
            .map(|(_, first, last)| last.saturating_sub(*first))
            .sum()
    }

    /// Counts deleted files that are still open. The first process is ours and does not let itself be read.
    fn deleted(&self, walk: &mut Walk) {
        let mut seen = HashSet::new();
        for pid in Tree::from(self.watched.init).skip(1) {
            match fs::read_dir(format!("/proc/{pid}/fd")) {
                Ok(files) => files
                    .flatten()
                    .filter_map(|file| fs::metadata(file.path()).ok())
                    .for_each(|file| {
                        let counts = file.is_file()
                            && file.nlink() == 0
                            && self.systems.contains_key(&file.dev());
                        if counts && seen.insert((file.dev(), file.ino())) {
                            walk.bytes += file.blocks() * 512;
                        }
                    }),
                Err(e) => walk.unseen |= !is_gone(&e),
            }
        }
    }

    pub(crate) fn pause(&self) -> Duration {
        Duration::from_millis(if self.walk.is_some() { 5 } else { 250 })
    }
}

impl Walk {
    /// Goes on for some entries; whether the walk is over. A directory is never left half read.
    fn some(&mut self, since: i64) -> bool {
        let mut entries = 0;
        while let Some((dir, whole)) = self.next.pop() {
            match fs::read_dir(&dir) {
                Ok(inside) => {
                    entries += inside
                        .flatten()
                        .map(|entry| self.count(&entry, whole, since))
                        .count()
                }
                Err(e) => self.unseen |= !is_gone(&e),
            }
            if entries >= STEP {
                return self.next.is_empty();
            }
        }
        true
    }

    fn count(&mut self, entry: &fs::DirEntry, whole: bool, since: i64) {
        // Of the entry itself: symbolic links are not followed.
        match entry.metadata() {
            Ok(file) if file.is_dir() => self.next.push((entry.path(), whole)),
            Ok(file) if whole || file.ctime() >= since => self.bytes += share(&file),
            Ok(_) => {}
            Err(e) => self.unseen |= !is_gone(&e),
        }
    }
}

/// A file with several names is counted in parts.
fn share(file: &Metadata) -> u64 {
    file.blocks() * 512 / file.nlink().max(1)
}

/// Removed, or replaced by something else, while the walk was on its way.
fn is_gone(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    ) || e.raw_os_error() == Some(3)
}

fn used(path: &Path) -> io::Result<u64> {
    let now = rustix::fs::statvfs(path)?;
    Ok(now
        .f_blocks
        .saturating_sub(now.f_bfree)
        .saturating_mul(now.f_frsize))
}
