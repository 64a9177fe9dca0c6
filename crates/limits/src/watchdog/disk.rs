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
//! Overshoot: what can be written in one tick (250 ms) and one walk (for 200,000 files in the cache 0.5 s of work,
//! measured on ext4; at a fifth of one CPU, 2.5 s), and on file systems that report usage late (btrfs) what they hold
//! back. Not seen: the sandbox writing into what the host had freed in the same tick, deleted files that are only
//! mapped, and what is written where nothing is watched.

use super::Watched;
use super::tree::Tree;
use crate::error::Error;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags, Stat};
use rustix::fs::{fstat, fstatvfs, openat, openat2, statat};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Directory entries looked at in one step.
const STEP: usize = if cfg!(test) { 64 } else { 4096 };

#[derive(Debug)]
pub(crate) struct Disk {
    limit: u64,
    init: i32,
    roots: Vec<Root>,
    /// Seconds since 1970; file times are coarser than our clock, so a little is taken off.
    since: i64,
    /// By device: which root lies on it, its used bytes at the start and at the last tick.
    systems: BTreeMap<u64, (usize, u64, u64)>,
    /// Growth since the last walk, and how much of it makes another.
    grown: u64,
    left: u64,
    walk: Option<Walk>,
}

#[derive(Debug)]
struct Root {
    dir: OwnedFd,
    /// Whether everything beneath counts, or only what changed since the start.
    private: bool,
}

#[derive(Debug, Default)]
struct Walk {
    /// Directories to enter: the root, and the path beneath it.
    next: Vec<(usize, PathBuf)>,
    bytes: u64,
    unseen: bool,
}

impl Disk {
    pub(crate) fn start(limit: u64, watched: &Watched) -> Result<Self, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = i64::try_from(now.as_secs()).unwrap_or(0).saturating_sub(1);
        let (mut roots, mut systems) = (Vec::new(), BTreeMap::new());
        let private = watched.private.iter().map(|path| (path, true));
        for (path, private) in private.chain(watched.shared.iter().map(|path| (path, false))) {
            let failed = |e: Errno| Error::Read {
                path: path.clone(),
                source: e.into(),
            };
            let dir = openat(CWD, path, DIRECTORY, Mode::empty()).map_err(failed)?;
            let (device, used) = (fstat(&dir).map_err(failed)?.st_dev, used(&dir).map_err(failed)?);
            systems.insert(device, (roots.len(), used, used));
            roots.push(Root { dir, private });
        }
        let init = watched.init;
        Ok(Self {
            limit,
            init,
            roots,
            since,
            systems,
            grown: 0,
            left: limit,
            walk: None,
        })
    }

    /// Whether the limit is passed.
    pub(crate) fn step(&mut self) -> bool {
        for (root, _, last) in self.systems.values_mut() {
            let now = self
                .roots
                .get(*root)
                .and_then(|root| used(&root.dir).ok())
                .unwrap_or(*last);
            self.grown = self.grown.saturating_add(now.saturating_sub(*last));
            *last = now;
        }
        if self.walk.is_none() && self.grown > self.left {
            (self.grown, self.walk) = (0, Some(self.begin()));
        }
        self.walk.take().is_some_and(|walk| self.go_on(walk))
    }

    fn begin(&self) -> Walk {
        let next = (0..self.roots.len())
            .map(|root| (root, PathBuf::from(".")))
            .collect();
        let mut walk = Walk {
            next,
            ..Walk::default()
        };
        self.deleted(&mut walk);
        walk
    }

    fn go_on(&mut self, mut walk: Walk) -> bool {
        let done = walk.some(&self.roots, self.since);
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
        for pid in Tree::from(self.init).skip(1) {
            match fs::read_dir(format!("/proc/{pid}/fd")) {
                Ok(files) => files
                    .flatten()
                    .filter_map(|file| fs::metadata(file.path()).ok())
                    .for_each(|file| {
                        let counts =
                            file.is_file() && file.nlink() == 0 && self.systems.contains_key(&file.dev());
                        if counts && seen.insert((file.dev(), file.ino())) {
                            walk.bytes += file.blocks() * 512;
                        }
                    }),
                Err(e) => walk.unseen |= !is_no_process(&e),
            }
        }
    }

    pub(crate) fn pause(&self) -> Duration {
        Duration::from_millis(if self.walk.is_some() { 5 } else { 250 })
    }
}

impl Walk {
    /// Goes on for some entries; whether the walk is over. A directory is never left half read.
    fn some(&mut self, roots: &[Root], since: i64) -> bool {
        let mut entries = 0;
        while let Some((at, beneath)) = self.next.pop() {
            let Some(root) = roots.get(at) else { continue };
            match self.enter(at, root, &beneath, since) {
                Ok(count) => entries += count,
                Err(e) => self.unseen |= !is_gone(e),
            }
            if entries >= STEP {
                return self.next.is_empty();
            }
        }
        true
    }

    /// Reads one directory. It is hostile: it may be swapped for a symbolic link at any time, hence openat2.
    fn enter(&mut self, at: usize, root: &Root, beneath: &Path, since: i64) -> Result<usize, Errno> {
        let stay = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let dir = openat2(&root.dir, beneath, DIRECTORY, Mode::empty(), stay)?;
        let mut count = 0;
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            count += 1;
            let file = match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(file) => file,
                Err(e) => {
                    self.unseen |= !is_gone(e);
                    continue;
                }
            };
            if is_dir(&file) {
                let name = OsStr::from_bytes(name.to_bytes());
                self.next.push((at, beneath.join(name)));
            }
            if root.private || file.st_ctime >= since {
                self.bytes += share(&file);
            }
        }
        Ok(count)
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn is_dir(file: &Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(file.st_mode).is_dir()
}

/// A file with several names is counted in parts; the links of a directory are its subdirectories.
fn share(file: &Stat) -> u64 {
    let links = if is_dir(file) {
        1
    } else {
        wide(file.st_nlink).max(1)
    };
    u64::try_from(file.st_blocks).unwrap_or(0) * 512 / links
}

/// Counts of links are 32 bits wide on some architectures.
fn wide(count: impl Into<u64>) -> u64 {
    count.into()
}

/// Removed or replaced while the walk was on its way, or a mount point, whose file system is another.
fn is_gone(e: Errno) -> bool {
    matches!(e, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV)
}

fn is_no_process(e: &io::Error) -> bool {
    e.raw_os_error()
        .map(Errno::from_raw_os_error)
        .is_some_and(|e| matches!(e, Errno::NOENT | Errno::SRCH))
}

fn used(dir: &OwnedFd) -> Result<u64, Errno> {
    let now = fstatvfs(dir)?;
    Ok(now
        .f_blocks
        .saturating_sub(now.f_bfree)
        .saturating_mul(now.f_frsize))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "processes to be looked at")]
mod tests {
    use super::*;
    use std::fs::File;
    use std::process::{Command, Stdio};
    use std::sync::atomic::{AtomicU32, Ordering};

    const MIB: u64 = 1 << 20;

    struct Place(PathBuf);

    impl Place {
        fn new() -> Self {
            static N: AtomicU32 = AtomicU32::new(0);
            let name = format!(
                "limits-disk-{}-{}",
                std::process::id(),
                N.fetch_add(1, Ordering::Relaxed)
            );
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, size: u64) -> File {
            let mut file = File::create(self.0.join(name)).unwrap();
            io::copy(&mut io::Read::take(io::repeat(b'x'), size), &mut file).unwrap();
            file.sync_all().unwrap();
            file
        }

        fn watch(&self, limit: u64, private: bool) -> Disk {
            let dirs = vec![self.0.clone()];
            let (private, shared) = if private {
                (dirs, Vec::new())
            } else {
                (Vec::new(), dirs)
            };
            let init = i32::MAX; // nobody
            Disk::start(
                limit,
                &Watched {
                    ceiling: None,
                    init,
                    private,
                    shared,
                },
            )
            .unwrap()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// The exact look by itself: the trigger depends on what else happens on the machine's file system.
    fn look(disk: &mut Disk) -> bool {
        disk.walk = Some(disk.begin());
        std::iter::from_fn(|| disk.walk.is_some().then(|| disk.step())).any(|over| over)
    }

    #[test]
    fn growth_sets_it_off() {
        let place = Place::new();
        let mut disk = place.watch(2 * MIB, true);
        assert!(!disk.step());
        let struck = (0..50).any(|n| {
            place.write(&format!("{n}"), MIB);
            disk.step()
        });
        assert!(struck);
    }

    #[test]
    fn what_was_there_counts_in_private_places_only() {
        let place = Place::new();
        place.write("old", 3 * MIB);
        assert!(look(&mut place.watch(MIB, true)));
        let mut shared = place.watch(MIB, false);
        shared.since += 60;
        assert!(!look(&mut shared));
        shared.since -= 120;
        assert!(look(&mut shared));
    }

    #[test]
    fn a_file_of_two_names_counts_once() {
        let place = Place::new();
        place.write("one", 2 * MIB);
        fs::hard_link(place.0.join("one"), place.0.join("two")).unwrap();
        assert!(!look(&mut place.watch(3 * MIB, true)));
    }

    #[test]
    fn a_link_out_leads_nowhere() {
        let (place, outside) = (Place::new(), Place::new());
        outside.write("big", 3 * MIB);
        std::os::unix::fs::symlink(&outside.0, place.0.join("link")).unwrap();
        assert!(!look(&mut place.watch(MIB, true)));
    }

    #[test]
    fn a_deleted_file_held_open_counts() {
        let place = Place::new();
        let file = place.write("gone", 3 * MIB);
        let file = File::options()
            .read(true)
            .open(place.0.join("gone"))
            .map(|open| (drop(file), open).1)
            .unwrap();
        fs::remove_file(place.0.join("gone")).unwrap();
        let mut init = Command::new("sh")
            .args(["-c", "sleep 60; true"])
            .stdin(Stdio::from(file))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut disk = place.watch(MIB, true);
        disk.init = i32::try_from(init.id()).unwrap();
        while Tree::from(disk.init).count() < 2 {
            std::thread::yield_now();
        }
        let over = look(&mut disk);
        for pid in Tree::from(disk.init).skip(1) {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        init.wait().unwrap();
        assert!(over);
        assert!(!look(&mut place.watch(MIB, true)), "nobody holds it any more");
    }

    #[test]
    fn where_nothing_can_be_seen_all_growth_counts() {
        let place = Place::new();
        let mut disk = place.watch(MIB, true);
        let mut dir = openat(CWD, &place.0, DIRECTORY, Mode::empty()).unwrap();
        let name = "d".repeat(255);
        for _ in 0..20 {
            rustix::fs::mkdirat(&dir, &name, Mode::RWXU).unwrap();
            dir = openat(&dir, &name, DIRECTORY, Mode::empty()).unwrap();
        }
        disk.limit = u64::MAX;
        assert!(!look(&mut disk));
        disk.limit = MIB;
        disk.systems.values_mut().for_each(|(_, first, _)| *first = 0);
        assert!(look(&mut disk));
        drop(dir);
    }

    #[test]
    fn a_long_walk_is_made_in_steps() {
        let place = Place::new();
        for n in 0..3 {
            let dir = place.0.join(format!("{n}"));
            fs::create_dir(&dir).unwrap();
            (0..STEP).for_each(|n| drop(File::create(dir.join(format!("{n}"))).unwrap()));
        }
        let mut disk = place.watch(MIB * 100, true);
        disk.walk = Some(disk.begin());
        let steps = std::iter::from_fn(|| disk.walk.is_some().then(|| disk.step())).count();
        assert!((3..=4).contains(&steps), "{steps}");
    }
}
