//! Texts that the host and a session changed, and changes that are taken in part.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod desk;

use desk::{Desk, desk};
use fumehood_workspace::apply::{Applied, Options, Picked, Steps, apply, recover, undo};
use fumehood_workspace::hunk::Hunks;
use fumehood_workspace::keep;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Nine lines, some of them said otherwise.
fn lines(changed: &[(usize, &str)]) -> String {
    let line = |n: usize| {
        let other = changed.iter().find(|(at, _)| *at == n);
        other.map_or_else(|| format!("line {n}\n"), |(_, text)| format!("{text}\n"))
    };
    (1..=9).map(line).collect()
}

fn text() -> Desk {
    desk(|project| fs::write(project.join("text"), lines(&[])).unwrap())
}

/// More than a tick of the kernel's clock.
fn later() {
    std::thread::sleep(std::time::Duration::from_millis(12));
}

fn seen(desk: &Desk) {
    keep(&desk.session, &desk.changes()).unwrap();
    later();
}

fn host(desk: &Desk) -> String {
    fs::read_to_string(desk.project.join("text")).unwrap()
}

fn host_edits(desk: &Desk, changed: &[(usize, &str)]) {
    fs::write(desk.project.join("text"), lines(changed)).unwrap();
}

fn pick(desk: &Desk, picked: impl IntoIterator<Item = (&'static str, Picked)>) -> Applied {
    let picked: BTreeMap<PathBuf, Picked> = picked.into_iter().map(|(p, w)| (p.into(), w)).collect();
    let options = Options {
        picked: Some(picked),
        ..Options::default()
    };
    let (changes, steps) = (desk.changes(), Steps::default());
    apply(&desk.place, &desk.session, &changes, None, &options, &steps).unwrap()
}

#[test]
fn what_lies_apart_is_merged_again_and_again() {
    let desk = text();
    desk.write("text", &lines(&[(1, "inside")]));
    seen(&desk);
    host_edits(&desk, &[(9, "outside")]);
    let changes = desk.changes();
    assert!(changes.list[0].is_merged() && !changes.list[0].conflict);
    let done = desk.apply(&Steps::default()).unwrap();
    assert_eq!(done.merged, [PathBuf::from("text")]);
    assert_eq!(host(&desk), lines(&[(1, "inside"), (9, "outside")]));
    assert_eq!(desk.changes().list, [], "the session did nothing since");
    undo(&desk.place, &desk.project, None, &Steps::default()).unwrap();
    assert_eq!(host(&desk), lines(&[(9, "outside")]));
    assert!(desk.changes().list[0].is_merged(), "the host's edit is still one");
    desk.apply(&Steps::default()).unwrap();
    // Both go on, neither having seen the other's.
    later();
    desk.write("text", &lines(&[(1, "inside"), (3, "inside too")]));
    let merged = lines(&[(1, "inside"), (3, "inside too"), (9, "outside")]);
    desk.apply(&Steps::default()).unwrap();
    assert_eq!(host(&desk), merged);
    later();
    host_edits(
        &desk,
        &[
            (1, "inside"),
            (3, "inside too"),
            (7, "outside too"),
            (9, "outside"),
        ],
    );
    desk.write("text", &lines(&[(1, "inside"), (3, "again")]));
    desk.apply(&Steps::default()).unwrap();
    let all = [(1, "inside"), (3, "again"), (7, "outside too"), (9, "outside")];
    assert_eq!(host(&desk), lines(&all));
}

/// What was applied is the beginning of the next merge.
#[test]
fn an_edit_after_an_apply_is_merged_with_the_next() {
    let desk = text();
    desk.write("text", &lines(&[(1, "inside")]));
    desk.apply(&Steps::default()).unwrap();
    later();
    host_edits(&desk, &[(1, "inside"), (9, "outside")]);
    desk.write("text", &lines(&[(1, "inside"), (4, "more")]));
    desk.apply(&Steps::default()).unwrap();
    assert_eq!(host(&desk), lines(&[(1, "inside"), (4, "more"), (9, "outside")]));
}

#[test]
fn what_touches_or_began_with_something_unknown_is_a_conflict() {
    for (inside, outside, seen_before) in [
        ((4, "inside"), (4, "outside"), true),
        ((1, "inside"), (9, "outside"), false),
    ] {
        let desk = text();
        desk.write("text", &lines(&[inside]));
        if seen_before {
            seen(&desk);
        }
        later();
        host_edits(&desk, &[outside]);
        let done = desk.apply(&Steps::default()).unwrap();
        assert_eq!((done.conflicts.len(), host(&desk)), (1, lines(&[outside])));
        let over = Options {
            over_conflicts: true,
            ..Options::default()
        };
        let changes = desk.changes();
        apply(
            &desk.place,
            &desk.session,
            &changes,
            None,
            &over,
            &Steps::default(),
        )
        .unwrap();
        assert_eq!(host(&desk), lines(&[inside]));
        undo(&desk.place, &desk.project, None, &Steps::default()).unwrap();
        assert_eq!(host(&desk), lines(&[outside]));
        // The host's edit does not count as known now.
        desk.write("text", &lines(&[inside, (6, "more")]));
        assert_eq!(desk.apply(&Steps::default()).unwrap().conflicts.len(), 1);
    }
}

/// A program inside that saves by renaming gets a new file, younger than the host's edit that it never saw.
#[test]
fn an_edit_of_the_host_is_not_lost_to_a_younger_file_of_the_session() {
    let desk = text();
    desk.write("text", &lines(&[(4, "inside")]));
    seen(&desk);
    host_edits(&desk, &[(4, "outside")]);
    later();
    desk.write("new", &lines(&[(4, "inside"), (5, "more")]));
    fs::rename(desk.upper("new"), desk.upper("text")).unwrap();
    let done = desk.apply(&Steps::default()).unwrap();
    assert_eq!(done.conflicts, [PathBuf::from("text")]);
    assert_eq!(host(&desk), lines(&[(4, "outside")]));
}

/// Modes are merged as lines are.
#[test]
fn modes_are_merged() {
    let desk = text();
    desk.write("text", &lines(&[(1, "inside")]));
    seen(&desk);
    host_edits(&desk, &[(9, "outside")]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let at = desk.project.join("text");
    fs::set_permissions(&at, fs::Permissions::from_mode(0o600)).unwrap();
    desk.apply(&Steps::default()).unwrap();
    assert_eq!(
        (host(&desk), mode(&at)),
        (lines(&[(1, "inside"), (9, "outside")]), 0o600)
    );
}

/// Stopped anywhere, an apply of what is merged loses neither side, then or at the next apply.
#[test]
fn stopped_at_every_step_neither_side_is_lost() {
    let both = lines(&[(1, "inside"), (9, "outside")]);
    let outside = lines(&[(9, "outside")]);
    let prepared = || {
        let desk = text();
        desk.write("text", &lines(&[(1, "inside")]));
        seen(&desk);
        host_edits(&desk, &[(9, "outside")]);
        desk
    };
    for n in 0.. {
        let desk = prepared();
        let stopped = desk.apply(&Steps::stopping_at(n));
        recover(&desk.place, &desk.project).unwrap();
        assert!(
            [&both, &outside].contains(&&host(&desk)),
            "stopped at {n}: {}",
            host(&desk)
        );
        desk.apply(&Steps::default()).unwrap();
        assert_eq!(host(&desk), both, "stopped at {n}");
        assert_eq!(desk.changes().list, [], "stopped at {n}");
        if stopped.is_ok() {
            assert!(n > 5, "{n}");
            break;
        }
    }
    for n in 0.. {
        let desk = prepared();
        desk.apply(&Steps::default()).unwrap();
        let stopped = undo(&desk.place, &desk.project, None, &Steps::stopping_at(n));
        recover(&desk.place, &desk.project).unwrap();
        desk.apply(&Steps::default()).unwrap();
        assert_eq!(host(&desk), both, "undo stopped at {n}");
        if stopped.is_ok() {
            break;
        }
    }
}

#[test]
fn a_part_is_applied_and_the_rest_waits() {
    let desk = desk(|project| {
        fs::write(project.join("text"), lines(&[])).unwrap();
        fs::write(project.join("other"), "old\n").unwrap();
    });
    let whole = lines(&[(1, "one"), (5, "five"), (9, "nine")]);
    desk.write("text", &whole);
    desk.write("other", "new\n");
    desk.write("fresh/deep/file", "made\n");
    let before = lines(&[]);
    let hunks = Hunks::of(before.as_bytes(), whole.as_bytes()).unwrap();
    let part = hunks.with(|n| n == 1);
    let done = pick(
        &desk,
        [("text", Picked::Part(part)), ("fresh/deep/file", Picked::Whole)],
    );
    assert_eq!(done.conflicts, [] as [PathBuf; 0]);
    assert_eq!(host(&desk), lines(&[(5, "five")]));
    assert_eq!(fs::read_to_string(desk.project.join("other")).unwrap(), "old\n");
    assert!(desk.project.join("fresh/deep/file").exists());
    let waits: Vec<_> = desk
        .changes()
        .list
        .into_iter()
        .map(|c| (c.path, c.conflict))
        .collect();
    assert_eq!(waits, [("other".into(), false), ("text".into(), false)]);
    desk.apply(&Steps::default()).unwrap();
    assert_eq!(host(&desk), whole);
    for wanted in [lines(&[(5, "five")]), lines(&[])] {
        undo(&desk.place, &desk.project, None, &Steps::default()).unwrap();
        assert_eq!(host(&desk), wanted);
    }
}

/// A part of what is merged leaves the rest to be merged, never to be written over the host's.
#[test]
fn a_part_of_what_is_merged_keeps_the_hosts_edit() {
    let desk = text();
    desk.write("text", &lines(&[(1, "one"), (5, "five")]));
    seen(&desk);
    host_edits(&desk, &[(9, "outside")]);
    let now = host(&desk);
    let merged = lines(&[(1, "one"), (5, "five"), (9, "outside")]);
    let hunks = Hunks::of(now.as_bytes(), merged.as_bytes()).unwrap();
    pick(&desk, [("text", Picked::Part(hunks.with(|n| n == 0)))]);
    assert_eq!(host(&desk), lines(&[(1, "one"), (9, "outside")]));
    desk.apply(&Steps::default()).unwrap();
    assert_eq!(host(&desk), merged);
}

/// What the session makes of a file after it was shown does not come with what was accepted.
#[test]
fn what_was_shown_is_what_is_installed() {
    let desk = text();
    let shown = lines(&[(1, "shown")]);
    desk.write("text", &shown);
    let changes = desk.changes();
    desk.write("text", &lines(&[(1, "never shown")]));
    let picked = BTreeMap::from([("text".into(), Picked::Seen(shown.clone().into_bytes()))]);
    let options = Options {
        picked: Some(picked),
        ..Options::default()
    };
    apply(
        &desk.place,
        &desk.session,
        &changes,
        None,
        &options,
        &Steps::default(),
    )
    .unwrap();
    assert_eq!(host(&desk), shown);
    assert_eq!(desk.changes().list.len(), 1, "the rest waits");
}
