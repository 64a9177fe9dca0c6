//! Edits of the host, brought inside. The layer stands for what the session sees: with the real kernel, watchers
//! included, it is `tests/tests/host_edits.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod desk;

use desk::{Desk, desk};
use fumehood_workspace::apply::Steps;
use fumehood_workspace::edits::{Both, Edits};
use fumehood_workspace::keep;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

fn edits(desk: &Desk) -> Edits {
    let view = fs::File::open(desk.session.upper()).unwrap().into();
    let mut edits = Edits::open(&desk.place, desk.session.id(), view, SystemTime::now()).unwrap();
    // To the end of the walk.
    while edits.pause().is_some() {
        edits.turn().unwrap();
    }
    edits
}

/// Takes turns until it is so; a process that waits would do the same.
fn until(edits: &mut Edits, what: &str, so: impl Fn(&[Both]) -> bool) -> Vec<Both> {
    let end = Instant::now() + Duration::from_secs(60);
    let mut told = Vec::new();
    loop {
        told.extend(edits.turn().unwrap());
        if so(&told) {
            return told;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn reads(path: &Path, content: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|is| is == content)
}

#[test]
fn what_the_host_writes_comes_and_is_no_change_of_the_sessions() {
    let desk = desk(|p| {
        fs::create_dir(p.join("sub")).unwrap();
        fs::write(p.join("sub/old"), "old\n").unwrap();
    });
    let mut edits = edits(&desk);
    let (host, inside) = (&desk.project, desk.session.upper());
    fs::write(host.join("a"), "one\n").unwrap();
    fs::create_dir_all(host.join("new/deep")).unwrap();
    fs::write(host.join("new/deep/b"), "two\n").unwrap();
    fs::set_permissions(host.join("new/deep/b"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("a", host.join("l")).unwrap();
    until(&mut edits, "the first version", |_| {
        reads(&inside.join("a"), "one\n")
            && reads(&inside.join("new/deep/b"), "two\n")
            && fs::read_link(inside.join("l")).is_ok_and(|to| to == Path::new("a"))
            && fs::metadata(inside.join("new/deep/b")).unwrap().mode() & 0o777 == 0o755
    });
    // In place is in place, a replacement replaces.
    let inode = |path: &str| fs::metadata(inside.join(path)).unwrap().ino();
    let (a, b) = (inode("a"), inode("new/deep/b"));
    fs::write(host.join("a"), "one, and more\n").unwrap();
    fs::write(host.join("new/deep/b~"), "three\n").unwrap();
    fs::rename(host.join("new/deep/b~"), host.join("new/deep/b")).unwrap();
    until(&mut edits, "the second version", |_| {
        reads(&inside.join("a"), "one, and more\n") && reads(&inside.join("new/deep/b"), "three\n")
    });
    assert_eq!(inode("a"), a);
    assert_ne!(inode("new/deep/b"), b);
    fs::remove_file(host.join("l")).unwrap();
    fs::remove_dir_all(host.join("new")).unwrap();
    until(&mut edits, "what is gone", |_| {
        !inside.join("new").exists() && inside.join("l").symlink_metadata().is_err()
    });
    until(&mut edits, "the end", |_| true);
    while edits.pause().is_some() {
        assert_eq!(edits.turn().unwrap(), []);
    }
    assert_eq!(desk.changes().list, []);
    assert_eq!(desk.changes().left, []);
}

#[test]
fn what_the_session_changed_stays_and_is_told_once_a_version() {
    let desk = desk(|p| {
        fs::write(p.join("a"), "1\n2\n3\n4\n5\n6\n7\n8\n9\n").unwrap();
        fs::write(p.join("b"), "1\n").unwrap();
        fs::write(p.join("c"), "1\n").unwrap();
    });
    desk.write("a", "1\n2\n3\n4\n5\n6\n7\n8\n9, inside\n");
    desk.write("b", "inside\n");
    desk.whiteout("c");
    keep(&desk.session, &desk.changes()).unwrap();
    let mut edits = edits(&desk);
    fs::write(desk.project.join("a"), "1, host\n2\n3\n4\n5\n6\n7\n8\n9\n").unwrap();
    fs::write(desk.project.join("b"), "host\n").unwrap();
    fs::write(desk.project.join("c"), "host\n").unwrap();
    let mut told = until(&mut edits, "three are told", |told| told.len() >= 3);
    told.sort();
    let both = |path: &str, merges| Both {
        path: path.into(),
        merges,
    };
    assert_eq!(told, [both("a", true), both("b", false), both("c", false)]);
    assert!(reads(&desk.session.upper().join("b"), "inside\n"));
    // The same is not told again, the next version is.
    fs::set_permissions(desk.project.join("a"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(desk.project.join("b"), "host, again\n").unwrap();
    let told = until(&mut edits, "one is told", |told| {
        told.iter().any(|b| b.path == Path::new("b"))
    });
    assert!(!told.contains(&both("c", false)), "{told:?}");
    let applied = desk.apply(&Steps::default()).unwrap();
    assert_eq!(applied.conflicts, [Path::new("b"), Path::new("c")]);
    assert!(reads(
        &desk.project.join("a"),
        "1, host\n2\n3\n4\n5\n6\n7\n8\n9, inside\n"
    ));
}

#[test]
fn what_was_applied_is_the_hosts_to_edit_and_the_sessions_again() {
    let desk = desk(|p| fs::write(p.join("a"), "old\n").unwrap());
    desk.write("a", "session\n");
    desk.write("n", "session\n");
    let mut edits = edits(&desk);
    desk.apply(&Steps::default()).unwrap();
    // Our own apply is nobody's edit.
    until(&mut edits, "the apply is heard", |_| true);
    while edits.pause().is_some() {
        assert_eq!(edits.turn().unwrap(), []);
    }
    assert!(reads(&desk.session.upper().join("a"), "session\n"));
    fs::write(desk.project.join("a"), "host\n").unwrap();
    fs::remove_file(desk.project.join("n")).unwrap();
    until(&mut edits, "the host's edit", |_| {
        reads(&desk.session.upper().join("a"), "host\n") && !desk.session.upper().join("n").exists()
    });
    while edits.pause().is_some() {
        edits.turn().unwrap();
    }
    assert_eq!(desk.changes().list, []);
    // What the session makes of it then is a change that lands.
    std::thread::sleep(Duration::from_millis(12));
    desk.write("a", "session, again\n");
    let applied = desk.apply(&Steps::default()).unwrap();
    assert_eq!((applied.paths.len(), applied.conflicts.len()), (1, 0));
    assert!(reads(&desk.project.join("a"), "session, again\n"));
}

#[test]
fn what_the_host_did_between_two_runs_comes_with_the_next() {
    let desk = desk(|p| fs::write(p.join("a"), "old\n").unwrap());
    desk.write("a", "session\n");
    desk.apply(&Steps::default()).unwrap();
    std::thread::sleep(Duration::from_millis(12));
    fs::write(desk.project.join("a"), "host\n").unwrap();
    let mut edits = edits(&desk);
    until(&mut edits, "the edit", |_| {
        reads(&desk.session.upper().join("a"), "host\n")
    });
}

/// A folder that the host took away and made again hides nothing that is not inside yet.
#[test]
fn a_folder_that_the_host_made_again_deletes_nothing() {
    let desk = desk(|p| {
        fs::create_dir(p.join("d")).unwrap();
        fs::write(p.join("d/one"), "1\n").unwrap();
    });
    let mut edits = edits(&desk);
    fs::remove_dir_all(desk.project.join("d")).unwrap();
    // What the kernel leaves of a removed lower folder, and makes of one that comes again.
    desk.whiteout("d");
    until(&mut edits, "gone", |_| true);
    fs::create_dir(desk.project.join("d")).unwrap();
    fs::write(desk.project.join("d/one"), "1\n").unwrap();
    fs::write(desk.project.join("d/two"), "2\n").unwrap();
    fs::remove_file(desk.session.upper().join("d")).unwrap();
    until(&mut edits, "made again", |_| {
        reads(&desk.session.upper().join("d/two"), "2\n")
    });
    while edits.pause().is_some() {
        edits.turn().unwrap();
    }
    let opaque = c"user.overlay.opaque";
    let folder = fs::File::open(desk.session.upper().join("d")).unwrap();
    rustix::fs::fsetxattr(&folder, opaque, b"y", rustix::fs::XattrFlags::empty()).unwrap();
    fs::write(desk.project.join("d/three"), "3\n").unwrap();
    assert_eq!(desk.changes().list, []);
    // What was brought inside and is gone there was deleted there.
    fs::remove_file(desk.session.upper().join("d/two")).unwrap();
    let gone: Vec<_> = desk.changes().list.into_iter().map(|c| c.path).collect();
    assert_eq!(gone, [Path::new("d/two")]);
}

#[test]
fn nothing_is_written_through_links_or_into_what_the_session_took_away() {
    let desk = desk(|p| {
        fs::create_dir_all(p.join("d/e")).unwrap();
        fs::create_dir(p.join("gone")).unwrap();
        fs::write(p.join("d/f"), "1\n").unwrap();
    });
    let outside = tempfile::tempdir().unwrap();
    // The session's view: `d` leads out, `gone` is a file.
    symlink(outside.path(), desk.upper("d")).unwrap();
    desk.whiteout("gone");
    let mut edits = edits(&desk);
    fs::write(desk.project.join("d/f"), "2\n").unwrap();
    fs::write(desk.project.join("d/e/g"), "2\n").unwrap();
    fs::write(desk.project.join("gone/h"), "2\n").unwrap();
    fs::write(desk.project.join("last"), "2\n").unwrap();
    until(&mut edits, "the last", |_| {
        reads(&desk.session.upper().join("last"), "2\n")
    });
    while edits.pause().is_some() {
        edits.turn().unwrap();
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(desk.session.upper().join("d").is_symlink());
}

/// Hidden names, build outputs and repositories are not brought.
#[test]
fn what_the_session_is_not_to_see_is_not_brought() {
    let desk = desk(|p| {
        for folder in ["target", ".git", "sub/.git"] {
            fs::create_dir_all(p.join(folder)).unwrap();
        }
    });
    let mut edits = edits(&desk);
    for path in [".env", "target/x", ".git/config", "sub/.git/config", "last"] {
        fs::write(desk.project.join(path), "host\n").unwrap();
    }
    until(&mut edits, "the last", |_| {
        reads(&desk.session.upper().join("last"), "host\n")
    });
    while edits.pause().is_some() {
        edits.turn().unwrap();
    }
    for path in [".env", "target", ".git", "sub"] {
        assert!(!desk.session.upper().join(path).exists(), "{path}");
    }
}
