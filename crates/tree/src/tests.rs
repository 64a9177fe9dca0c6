use super::*;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

/// A chain of folders, `depth` of them, with a file at its end; by descriptor, since no path is that long.
fn chain(top: &Path, depth: usize) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut here = openat(CWD, top, flags, Mode::empty()).unwrap();
    for _ in 0..depth {
        mkdirat(&here, "d", Mode::RWXU).unwrap();
        here = openat(&here, "d", flags, Mode::empty()).unwrap();
    }
    openat(&here, "end", OFlags::WRONLY | OFlags::CREATE, Mode::RUSR).unwrap();
}

#[test]
fn deeper_than_descriptors_and_paths_go() {
    let place = tempfile::tempdir().unwrap();
    let top = place.path().join("top");
    fs::create_dir(&top).unwrap();
    // 1,024 descriptors are what a process usually has, 4,096 bytes what a path may hold.
    chain(&top, 3_000);
    let (mut seen, mut highest) = (0, 0);
    each::<Errno>(&top, |folder, _, _| {
        seen += 1;
        highest = highest.max(folder.as_raw_fd());
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, 3_001);
    assert!(highest < 500, "a descriptor a level: {highest}");
    remove_path(&top).unwrap();
    assert!(!top.exists());
}

#[test]
fn more_names_than_are_listed_at_once_go() {
    let place = tempfile::tempdir().unwrap();
    let top = place.path().join("top");
    fs::create_dir(&top).unwrap();
    for n in 0..2 * AT_ONCE + 7 {
        fs::write(top.join(n.to_string()), "").unwrap();
    }
    remove_path(&top).unwrap();
    assert!(!top.exists());
}

#[test]
fn folders_without_permissions_go() {
    let place = tempfile::tempdir().unwrap();
    let top = place.path().join("top");
    fs::create_dir_all(top.join("closed/read-only")).unwrap();
    fs::write(top.join("closed/read-only/file"), "x").unwrap();
    for (name, mode) in [("closed/read-only", 0o555), ("closed", 0)] {
        fs::set_permissions(top.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    remove_path(&top).unwrap();
    assert!(!top.exists());
}

#[test]
fn links_are_removed_and_not_followed() {
    let place = tempfile::tempdir().unwrap();
    let (top, outside) = (place.path().join("top"), place.path().join("outside"));
    fs::create_dir(&top).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "x").unwrap();
    std::os::unix::fs::symlink(&outside, top.join("link")).unwrap();
    std::os::unix::fs::symlink(&outside, place.path().join("other")).unwrap();
    remove_path(&top).unwrap();
    remove_path(&place.path().join("other")).unwrap();
    assert!(outside.join("kept").exists());
    let left: BTreeSet<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, BTreeSet::from(["outside".into()]));
}

#[test]
fn what_is_not_there_is_removed() {
    let place = tempfile::tempdir().unwrap();
    remove_path(&place.path().join("none")).unwrap();
    remove_path(&place.path().join("none/below")).unwrap();
    fs::write(place.path().join("file"), "x").unwrap();
    remove_path(&place.path().join("file")).unwrap();
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

/// A folder that was moved while the walk was in it: the walk ends, and touches nothing where it is now.
#[test]
fn a_folder_that_was_moved_ends_the_walk() {
    let place = tempfile::tempdir().unwrap();
    let (top, elsewhere) = (place.path().join("top"), place.path().join("elsewhere"));
    fs::create_dir_all(top.join("a/b")).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("kept"), "x").unwrap();
    let ended = each(&top, |_, name, _| {
        if name == "b" {
            fs::rename(top.join("a"), elsewhere.join("a")).unwrap();
        }
        Ok::<(), Errno>(())
    });
    assert_eq!(ended, Err(Errno::STALE));
    assert!(elsewhere.join("kept").exists() && elsewhere.join("a/b").exists());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Whatever the tree, every name is seen once, and afterwards it is gone.
    #[test]
    fn any_tree_is_seen_and_goes(paths in proptest::collection::vec("[ab]{1,2}(/[ab]{1,2}){0,5}", 0..30), modes in proptest::collection::vec(0u32..0o1000, 0..10)) {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        fs::create_dir(&top).unwrap();
        let mut folders = BTreeSet::new();
        for path in &paths {
            let at = top.join(path);
            fs::create_dir_all(&at).unwrap();
            folders.extend(at.ancestors().take_while(|a| *a != top).map(Path::to_owned));
        }
        let mut seen = 0;
        each::<Errno>(&top, |_, _, _| { seen += 1; Ok(()) }).unwrap();
        proptest::prop_assert_eq!(seen, folders.len());
        for (folder, mode) in folders.iter().rev().zip(modes) {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        }
        remove_path(&top).unwrap();
        proptest::prop_assert!(!top.exists());
    }
}
