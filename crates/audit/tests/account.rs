//! The account's index: many writers one after the other, one key that is replaced.

use fumehood_audit::{Account, Kind, Report, Value, WriteError, identity, index_folder, verify};
use std::collections::BTreeMap;
use std::path::Path;

#[expect(clippy::unwrap_used, reason = "a test's own index")]
fn record(root: &Path, n: u64) {
    let fields = BTreeMap::from([("n".to_owned(), Value::Number(n))]);
    let mut account = Account::open(root).unwrap();
    account.record(Kind::SessionStart, fields).unwrap();
}

#[expect(clippy::unwrap_used, reason = "a test's own index")]
fn verified(root: &Path) -> Report {
    let (origin, key) = identity(root).unwrap();
    verify(&index_folder(root), &origin, key, &[]).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn an_index_goes_on_where_it_was_also_over_many_bundles_and_from_many_threads() {
    let top = tempfile::tempdir().unwrap();
    let root = top.path();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || (0..20).for_each(|n| record(root, thread * 100 + n)));
        }
    });
    assert_eq!(verified(root).signed, 80);
    let mut account = Account::open(root).unwrap();
    for n in 0..1_000 {
        let fields = BTreeMap::from([("n".to_owned(), Value::Number(n))]);
        account.record(Kind::SessionEnd, fields).unwrap();
    }
    drop(account);
    record(root, 0);
    let edge = index_folder(root).join("edge");
    let text = std::fs::read_to_string(&edge).unwrap();
    assert!(text.starts_with("1024\n"), "{text}");
    record(root, 1);
    assert_eq!(verified(root).signed, 1_082);
    // What is kept beside the log for speed is not believed.
    for wrong in [
        text.replace("1024", "768"),
        text.replacen('A', "B", 1),
        "x".to_owned(),
    ] {
        std::fs::write(&edge, wrong).unwrap();
        record(root, 2);
    }
    assert_eq!(verified(root).signed, 1_085);
}

#[test]
fn a_replaced_key_signs_nothing_any_more_also_where_the_change_was_interrupted() {
    let top = tempfile::tempdir().unwrap();
    let root = top.path();
    record(root, 1);
    let (key, next) = (
        index_folder(root).join("key"),
        index_folder(root).join("key.next"),
    );
    let old = std::fs::read(&key).unwrap();
    Account::open(root).unwrap().replace_key().unwrap();
    let new = std::fs::read(&key).unwrap();
    assert!(old != new && !next.exists());
    record(root, 2);
    assert_eq!(verified(root).signed, 3);
    // Signed, and not yet in its place.
    Account::open(root).unwrap().replace_key().unwrap();
    std::fs::rename(&key, &next).unwrap();
    std::fs::write(&key, &new).unwrap();
    record(root, 3);
    // Made, and not signed.
    std::fs::write(&next, [7; 32]).unwrap();
    record(root, 4);
    assert!(!next.exists());
    assert_eq!(verified(root).signed, 6);
    // The first key is no use to whoever kept it.
    std::fs::write(&key, &old).unwrap();
    record(root, 5);
    let (origin, first) = identity(root).unwrap();
    assert!(verify(&index_folder(root), &origin, first, &[]).is_err());
}

#[test]
fn what_a_killed_writer_left_half_written_is_cut_off_and_nothing_else() {
    let top = tempfile::tempdir().unwrap();
    let root = top.path();
    for n in 0..3 {
        record(root, n);
    }
    for name in ["journal", "checkpoints"] {
        let path = index_folder(root).join(name);
        for extra in [1, 40, 120] {
            let good = std::fs::read(&path).unwrap();
            let begun = &good[..extra];
            std::fs::write(&path, [&good[..], begun].concat()).unwrap();
            record(root, 3);
            assert!(verified(root).signed > 3, "{name} {extra}");
        }
    }
}

#[test]
fn an_index_that_was_changed_is_not_continued() {
    let top = tempfile::tempdir().unwrap();
    let root = top.path();
    record(root, 1);
    record(root, 2);
    let journal = index_folder(root).join("journal");
    let good = std::fs::read(&journal).unwrap();
    for at in [30, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&journal, bad).unwrap();
        assert!(Account::open(root).is_err(), "{at}");
    }
    std::fs::write(&journal, &good[..10]).unwrap();
    assert!(matches!(Account::open(root), Err(WriteError::Changed)));
    std::fs::write(&journal, &good).unwrap();
    std::fs::remove_file(index_folder(root).join("key")).unwrap();
    assert!(matches!(Account::open(root), Err(WriteError::Changed)));
}
