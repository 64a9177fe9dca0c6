//! Killing what is in a group, and removing it.
//!
//! `cgroup.kill` ends a whole v2 subtree at once, forks under way included (cgroup-v2.rst, "cgroup.kill"; Linux
//! 5.14). In v1 a group is walked, and what could fork away meanwhile is first held: by `pids.max` 0, under which no
//! fork succeeds (cgroup-v1/pids.rst), or by the freezer (cgroup-v1/freezer-subsystem.rst). What a directory can do
//! is seen from its control files, so paths are all that has to be kept.

use crate::error::Error;
use crate::files::Files;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long processes are given to die, and a directory to become removable: far more than a killed process needs
/// unless it hangs in uninterruptible sleep.
const BOUND: Duration = Duration::from_secs(2);

/// How deep groups made inside a group are followed.
const DEPTH: usize = 16;

/// Kills everything in these directories and beneath.
pub(crate) fn kill(files: &dyn Files, groups: &[PathBuf]) -> Result<(), Error> {
    let started = Instant::now();
    let mut pause = Pause::new();
    loop {
        let left = strike(files, groups);
        let Some((path, left)) = left
            .into_iter()
            .max_by_key(|(_, left)| *left)
            .filter(|(_, left)| *left > 0)
        else {
            return Ok(());
        };
        if started.elapsed() > BOUND {
            return Err(Error::Survivors {
                path,
                left,
                waited_ms: started.elapsed().as_millis(),
            });
        }
        pause.take();
    }
}

/// One pass; says how many processes each group had when it began.
fn strike(files: &dyn Files, groups: &[PathBuf]) -> Vec<(PathBuf, usize)> {
    let trees: Vec<Vec<PathBuf>> = groups.iter().map(|group| tree(files, group)).collect();
    for dir in trees.iter().flatten() {
        // Each exists in one kind of hierarchy only; a failure is seen by who is left.
        let _ = files.write(&dir.join("cgroup.kill"), "1");
        let _ = files.write(&dir.join("pids.max"), "0");
        let _ = files.write(&dir.join("freezer.state"), "FROZEN");
    }
    let count = |dirs: &Vec<PathBuf>| dirs.iter().map(|dir| files.kill_all(dir).unwrap_or(0)).sum();
    let left = groups.iter().cloned().zip(trees.iter().map(count)).collect();
    for dir in trees.iter().flatten() {
        let _ = files.write(&dir.join("freezer.state"), "THAWED");
    }
    left
}

/// Removes these directories and what is beneath, waiting for the last process to be gone.
pub(crate) fn remove(files: &dyn Files, groups: &[PathBuf]) -> Result<(), Error> {
    let started = Instant::now();
    for group in groups {
        let mut pause = Pause::new();
        while let Err((path, source)) = remove_once(files, group) {
            let empties = source.kind() == std::io::ErrorKind::ResourceBusy;
            if !empties || started.elapsed() > BOUND {
                return Err(Error::Remove { path, source });
            }
            pause.take();
        }
    }
    Ok(())
}

fn remove_once(files: &dyn Files, group: &Path) -> Result<(), (PathBuf, std::io::Error)> {
    for dir in tree(files, group) {
        match files.remove_dir(&dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err((dir, e)),
            _ => {}
        }
    }
    Ok(())
}

/// A directory after all that is beneath it.
pub(crate) fn tree(files: &dyn Files, top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    descend(files, top, DEPTH, &mut found);
    found
}

fn descend(files: &dyn Files, dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if depth > 0 {
        for name in files.dirs(dir).unwrap_or_default() {
            descend(files, &dir.join(name), depth - 1, found);
        }
    }
    found.push(dir.to_path_buf());
}

/// Waiting that starts short, because a killed process is mostly gone in less than a millisecond.
struct Pause(Duration);

impl Pause {
    fn new() -> Self {
        Self(Duration::from_micros(100))
    }

    fn take(&mut self) {
        std::thread::sleep(self.0);
        self.0 = (self.0 * 2).min(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    fn with_group(inner: &str) -> (Fake, Vec<PathBuf>) {
        let fake = Fake::v2("");
        fake.cgroup("/cg/g", "").cgroup(inner, "");
        (fake, vec!["/cg/g".into()])
    }

    #[test]
    fn removal_waits_for_the_last_process_to_be_gone() {
        let (fake, groups) = with_group("/cg/g/a");
        fake.busy(3);
        remove(&fake, &groups).unwrap();
        assert!(fake.named("g").is_empty());
        remove(&fake, &groups).unwrap();
    }

    #[test]
    fn who_does_not_die_is_named() {
        let (fake, groups) = with_group("/cg/g/a");
        fake.with_process("/cg/g/a", 42).foreign("/cg/g/a");
        let error = kill(&fake, &groups).unwrap_err();
        assert!(matches!(error, Error::Survivors { left: 1, .. }), "{error}");
    }

    #[test]
    fn what_was_made_inside_goes_first() {
        let (fake, _) = with_group("/cg/g/a");
        fake.cgroup("/cg/g/a/b", "");
        let order = ["/cg/g/a/b", "/cg/g/a", "/cg/g"].map(PathBuf::from);
        assert_eq!(tree(&fake, Path::new("/cg/g")), order);
    }
}
