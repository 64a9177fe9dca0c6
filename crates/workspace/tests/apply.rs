//! Apply and undo on layers made by hand: stopped at every step, raced by a host that swaps links in.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod desk;

use desk::{Desk, desk, desk_at, picture};
use fumehood_workspace::apply::{Options, Steps, apply, recover, undo};
use fumehood_workspace::changes::{Status, Why, read};
use fumehood_workspace::{Session, Use};
use rustix::fs::{CWD, FileType, Mode};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

fn fill(project: &Path) {
    for folder in ["src/deep", "gone/below", "swap"] {
        fs::create_dir_all(project.join(folder)).unwrap();
    }
    for file in [
        "src/a",
        "src/deep/b",
        "gone/x",
        "gone/below/y",
        "swap/in",
        "file",
        "same",
    ] {
        fs::write(project.join(file), format!("old {file}\n")).unwrap();
    }
    symlink("src/a", project.join("link")).unwrap();
}

/// One of every kind of change.
fn change(desk: &Desk) {
    desk.write("src/a", "new a\n");
    desk.write("src/new", "made\n");
    desk.write("fresh/deep/c", "made too\n");
    desk.whiteout("gone");
    desk.write("swap", "a file now\n");
    desk.whiteout("link");
    fs::create_dir(desk.upper("file")).unwrap();
    desk.write("file/in", "was a file\n");
    symlink("../file", desk.upper("src/pointer")).unwrap();
    desk.write("src/deep/b", "old src/deep/b\n");
    fs::set_permissions(desk.upper("src/deep/b"), Permissions::from_mode(0o755)).unwrap();
    fs::hard_link(desk.upper("src/new"), desk.upper("src/other-name")).unwrap();
    fs::set_permissions(desk.upper("src/new"), Permissions::from_mode(0o640)).unwrap();
}

#[test]
fn every_kind_of_change_is_told_applied_and_taken_back() {
    let desk = desk(fill);
    let old = picture(&desk.project);
    change(&desk);
    let told: Vec<(String, Status)> = desk
        .changes()
        .list
        .iter()
        .map(|c| (c.path.display().to_string(), c.status()))
        .collect();
    for (path, status) in [
        ("src/a", Status::Modified),
        ("src/new", Status::Added),
        ("gone/below/y", Status::Deleted),
        ("gone", Status::Deleted),
        ("link", Status::Deleted),
        ("src/deep/b", Status::Mode),
    ] {
        assert!(told.contains(&(path.to_owned(), status)), "{path} {told:?}");
    }
    let done = desk.apply(&Steps::default()).unwrap();
    assert!(done.conflicts.is_empty() && done.failed.is_empty(), "{done:?}");
    let new = picture(&desk.project);
    assert_eq!(fs::read_to_string(desk.project.join("src/a")).unwrap(), "new a\n");
    assert_eq!(
        fs::read_to_string(desk.project.join("swap")).unwrap(),
        "a file now\n"
    );
    assert_eq!(
        fs::read_to_string(desk.project.join("file/in")).unwrap(),
        "was a file\n"
    );
    assert!(!desk.project.join("gone").exists() && !desk.project.join("link").is_symlink());
    let inode = |p: &str| fs::metadata(desk.project.join(p)).unwrap().ino();
    assert_eq!(
        inode("src/new"),
        inode("src/other-name"),
        "two names of one file stay so"
    );
    assert_eq!(desk.changes().list, [], "what was applied is no change any more");
    let undone = undo(&desk.place, &desk.project, None, &Steps::default()).unwrap();
    assert!(
        undone.conflicts.is_empty() && undone.failed.is_empty(),
        "{undone:?}"
    );
    assert_eq!(picture(&desk.project), old);
    // And again: our own undo is no edit of the host's.
    let again = desk.apply(&Steps::default()).unwrap();
    assert!(again.conflicts.is_empty(), "{again:?}");
    assert_eq!(picture(&desk.project), new);
}

/// Stopped anywhere, an apply is not begun or is finished by the next one, and an undo likewise.
#[test]
fn stopped_at_every_step_nothing_is_lost() {
    let reference = desk(fill);
    let old = picture(&reference.project);
    change(&reference);
    reference.apply(&Steps::default()).unwrap();
    let new = picture(&reference.project);
    let mut stops = [0, 0];
    for n in 0.. {
        let desk = desk(fill);
        change(&desk);
        let stopped = desk.apply(&Steps::stopping_at(n));
        recover(&desk.place, &desk.project).unwrap();
        let now = picture(&desk.project);
        if stopped.is_ok() {
            assert_eq!(now, new);
            break;
        }
        assert!(now == old || now == new, "stopped at {n}: {now:#?}");
        stops[0] += 1;
    }
    for n in 0.. {
        let desk = desk(fill);
        change(&desk);
        desk.apply(&Steps::default()).unwrap();
        let stopped = undo(&desk.place, &desk.project, None, &Steps::stopping_at(n));
        recover(&desk.place, &desk.project).unwrap();
        let now = picture(&desk.project);
        assert!(now == old || (n == 0 && now == new), "stopped at {n}: {now:#?}");
        if stopped.is_ok() {
            break;
        }
        stops[1] += 1;
    }
    assert!(stops[0] > 25 && stops[1] > 15, "{stops:?}");
}

/// The same across filesystems, where nothing can be renamed between project and journal.
#[test]
fn stopped_at_every_step_across_filesystems() {
    let near = desk(fill);
    let old = picture(&near.project);
    change(&near);
    near.apply(&Steps::default()).unwrap();
    let new = picture(&near.project);
    for n in 0.. {
        let far = tempfile::tempdir_in("/dev/shm").unwrap();
        let top = tempfile::tempdir().unwrap();
        assert_ne!(
            fs::metadata(far.path()).unwrap().dev(),
            fs::metadata(top.path()).unwrap().dev()
        );
        let desk = desk_at(top, Some(&far.path().join("p")), fill);
        change(&desk);
        let stopped = desk.apply(&Steps::stopping_at(n));
        recover(&desk.place, &desk.project).unwrap();
        let now = picture(&desk.project);
        // Two names of one file become two files there.
        assert!(now == old || now == new, "stopped at {n}: {now:#?}");
        if stopped.is_ok() {
            undo(&desk.place, &desk.project, None, &Steps::default()).unwrap();
            assert_eq!(picture(&desk.project), old);
            break;
        }
    }
}

#[test]
fn what_both_sides_changed_is_a_conflict_and_stays() {
    let desk = desk(fill);
    desk.write("src/a", "inside\n");
    desk.write("file", "inside\n");
    desk.whiteout("same");
    std::thread::sleep(std::time::Duration::from_millis(12));
    fs::write(desk.project.join("src/a"), "outside\n").unwrap();
    fs::write(desk.project.join("same"), "outside\n").unwrap();
    let done = desk.apply(&Steps::default()).unwrap();
    assert_eq!(done.conflicts, [PathBuf::from("same"), PathBuf::from("src/a")]);
    assert_eq!(
        fs::read_to_string(desk.project.join("src/a")).unwrap(),
        "outside\n"
    );
    assert_eq!(
        fs::read_to_string(desk.project.join("same")).unwrap(),
        "outside\n"
    );
    assert_eq!(fs::read_to_string(desk.project.join("file")).unwrap(), "inside\n");
    let options = Options {
        over_conflicts: true,
        ..Options::default()
    };
    apply(
        &desk.place,
        &desk.session,
        &desk.changes(),
        None,
        &options,
        &Steps::default(),
    )
    .unwrap();
    assert_eq!(
        fs::read_to_string(desk.project.join("src/a")).unwrap(),
        "inside\n"
    );
    undo(&desk.place, &desk.project, None, &Steps::default()).unwrap();
    assert_eq!(
        fs::read_to_string(desk.project.join("src/a")).unwrap(),
        "outside\n"
    );
}

#[test]
fn an_edit_after_an_apply_survives_its_undo() {
    let desk = desk(fill);
    desk.write("src/a", "inside\n");
    desk.write("src/new", "inside\n");
    desk.apply(&Steps::default()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(12));
    fs::write(desk.project.join("src/a"), "edited\n").unwrap();
    let undone = undo(&desk.place, &desk.project, None, &Steps::default()).unwrap();
    assert_eq!(undone.conflicts, [PathBuf::from("src/a")]);
    assert_eq!(
        fs::read_to_string(desk.project.join("src/a")).unwrap(),
        "edited\n"
    );
    assert!(!desk.project.join("src/new").exists());
}

/// F4 and others: what is never applied, however it is spelt.
#[test]
fn repositories_special_files_and_hidden_names_stay() {
    let desk = desk(|project| {
        fill(project);
        fs::write(project.join(".env"), "secret\n").unwrap();
    });
    for path in [".git/hooks/pre-commit", "sub/.git/config", "x/.GIT/commondir"] {
        desk.write(path, "evil\n");
    }
    desk.write(".env", "mine\n");
    desk.write("target/debug/x", "built\n");
    rustix::fs::mknodat(CWD, desk.upper("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let found = desk.changes();
    let why: Vec<Why> = found.left.iter().map(|l| l.why).collect();
    assert_eq!(
        why,
        [Why::Hidden, Why::Git, Why::Special, Why::Git, Why::Git],
        "{found:?}"
    );
    assert_eq!(found.scratch, 1);
    desk.apply(&Steps::default()).unwrap();
    assert!(!desk.project.join(".git").exists() && !desk.project.join("sub/.git").exists());
    assert!(!desk.project.join("x/.GIT").exists() && !desk.project.join("target").exists());
    assert_eq!(fs::read_to_string(desk.project.join(".env")).unwrap(), "secret\n");
}

#[test]
fn names_of_any_bytes_holes_and_attributes_travel() {
    use std::os::unix::ffi::OsStrExt;
    let desk = desk(fill);
    let name = std::ffi::OsStr::from_bytes(b"a\n\xff\x1b b%=");
    fs::write(desk.session.upper().join(name), "odd\n").unwrap();
    let long = "n".repeat(255);
    desk.write(&long, "long\n");
    let sparse = fs::File::create(desk.upper("sparse")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"end", (1 << 30) - 3).unwrap();
    rustix::fs::fsetxattr(&sparse, "user.mine", b"v", rustix::fs::XattrFlags::empty()).unwrap();
    desk.apply(&Steps::default()).unwrap();
    assert_eq!(fs::read_to_string(desk.project.join(name)).unwrap(), "odd\n");
    assert_eq!(fs::read_to_string(desk.project.join(&long)).unwrap(), "long\n");
    let there = fs::metadata(desk.project.join("sparse")).unwrap();
    assert_eq!(there.len(), 1 << 30);
    assert!(there.blocks() < 1000, "{} blocks", there.blocks());
    let mut value = [0u8; 8];
    let n = rustix::fs::getxattr(desk.project.join("sparse"), "user.mine", &mut value[..]).unwrap();
    assert_eq!(&value[..n], b"v");
}

/// Somebody swaps a folder of the project for a link to the outside while applies run.
#[test]
fn swapped_folders_lead_nothing_outside() {
    let desk = desk(fill);
    let outside = desk.place.parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a"), "untouched\n").unwrap();
    let (folder, aside) = (desk.project.join("src"), desk.project.join("aside"));
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let _raced = fs::rename(&folder, &aside);
                let _raced = symlink(&outside, &folder);
                let _raced = fs::remove_file(&folder);
                let _raced = fs::rename(&aside, &folder);
            }
        });
        for n in 0..150 {
            desk.write("src/a", &format!("inside {n}\n"));
            desk.write(&format!("src/new{n}"), "inside\n");
            // A walk that meets the swap may fail; then there is nothing to apply.
            if let Ok(changes) = read(&desk.session) {
                let options = Options::default();
                let _conflicts = apply(
                    &desk.place,
                    &desk.session,
                    &changes,
                    None,
                    &options,
                    &Steps::default(),
                );
            }
            let _conflicts = undo(&desk.place, &desk.project, None, &Steps::default());
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let names: Vec<_> = fs::read_dir(&outside)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["a"]);
    assert_eq!(fs::read_to_string(outside.join("a")).unwrap(), "untouched\n");
}

#[test]
fn a_session_is_found_again_after_a_restart() {
    let desk = desk(fill);
    desk.write("src/a", "inside\n");
    let id = desk.session.id().to_owned();
    drop(desk.session);
    let session = Session::open(&desk.place, &id, Use::Looking).unwrap();
    let changes = read(&session).unwrap();
    assert_eq!(changes.list.len(), 1);
    apply(
        &desk.place,
        &session,
        &changes,
        None,
        &Options::default(),
        &Steps::default(),
    )
    .unwrap();
    assert_eq!(
        fs::read_to_string(desk.project.join("src/a")).unwrap(),
        "inside\n"
    );
}

#[test]
fn a_finding_waits_until_it_is_named() {
    let desk = desk(fill);
    desk.write(".envrc", "evil\n");
    desk.write("src/a", "inside\n");
    let first = apply(
        &desk.place,
        &desk.session,
        &desk.changes(),
        None,
        &Options::default(),
        &Steps::default(),
    )
    .unwrap();
    assert_eq!(first.paths, [PathBuf::from("src/a")]);
    assert_eq!(first.held.len(), 1);
    assert_eq!(first.held[0].1[0].name, "shell-environment");
    assert!(!desk.project.join(".envrc").exists());
    let below = Options {
        paths: vec!["".into()],
        ..Options::default()
    };
    let again = apply(
        &desk.place,
        &desk.session,
        &desk.changes(),
        None,
        &below,
        &Steps::default(),
    )
    .unwrap();
    assert_eq!((again.number, again.held.len()), (None, 1));
    let named = Options {
        paths: vec![".envrc".into()],
        ..Options::default()
    };
    apply(
        &desk.place,
        &desk.session,
        &desk.changes(),
        None,
        &named,
        &Steps::default(),
    )
    .unwrap();
    assert_eq!(fs::read_to_string(desk.project.join(".envrc")).unwrap(), "evil\n");
}
