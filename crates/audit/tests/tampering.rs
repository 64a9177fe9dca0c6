//! Whatever is changed in a log is found.

use fumehood_audit::{
    Checkpoint, Key, Kind, ProofError, PublicKey, Record, Records, Remembered, Value, VerifyError,
    WriteError, Writer, is_running, prove, verify,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const ORIGIN: &str = "fumehood.example/sample";

fn fields(n: u64) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("n".to_owned(), Value::Number(n)),
        ("argv".to_owned(), Value::Bytes(vec![b'a', 0xff, b'\n'])),
    ])
}

/// Eleven records, a change of keys among them, four checkpoints.
#[expect(clippy::unwrap_used, reason = "a test's own log")]
fn written(folder: &Path) -> (Writer, PublicKey) {
    let key = Key::generate().unwrap();
    let public = key.public();
    let mut writer = Writer::create(folder, ORIGIN, key).unwrap();
    for n in 0..10u64 {
        let cause = n.checked_sub(1);
        writer
            .append_at(1_000 + n, Kind::Effect, cause, fields(n))
            .unwrap();
        if n % 4 == 3 {
            writer.commit().unwrap();
        }
        if n == 5 {
            writer.evolve().unwrap();
        }
    }
    writer.commit().unwrap();
    (writer, public)
}

#[expect(clippy::unwrap_used, reason = "a test's own log")]
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

#[expect(clippy::unwrap_used, reason = "a test's own log")]
fn every_change_is_found(folder: &Path, key: PublicKey) -> usize {
    let mut tried = 0;
    for file in files(folder) {
        let good = std::fs::read(&file).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            std::fs::write(&file, &bad).unwrap();
            assert!(verify(folder, ORIGIN, key, &[]).is_err(), "{file:?} byte {at}");
            std::fs::write(&file, &good[..at]).unwrap();
            // A checkpoint less, at the boundary of two, is a shorter log, signed: see below.
            let shorter = verify(folder, ORIGIN, key, &[]);
            let honest = shorter.as_ref().is_ok_and(|r| !r.ended && r.unsigned > 0);
            assert!(shorter.is_err() || honest, "{file:?} cut at {at}");
            tried += 2;
        }
        std::fs::write(&file, &good).unwrap();
    }
    tried
}

#[test]
fn every_byte_of_every_file_counts_while_it_is_written() {
    let top = tempfile::tempdir().unwrap();
    let (_writer, key) = written(top.path());
    let report = verify(top.path(), ORIGIN, key, &[]).unwrap();
    assert_eq!((report.signed, report.unsigned, report.ended), (11, 0, false));
    assert!(report.anchor().starts_with("self-signed"));
    assert!(every_change_is_found(top.path(), key) > 2_000);
}

#[test]
fn every_byte_of_every_file_counts_when_it_has_ended() {
    let top = tempfile::tempdir().unwrap();
    let (writer, key) = written(top.path());
    writer.finish().unwrap();
    let report = verify(top.path(), ORIGIN, key, &[]).unwrap();
    assert_eq!((report.signed, report.checkpoints, report.ended), (11, 4, true));
    assert!(every_change_is_found(top.path(), key) > 3_000);
}

#[test]
fn dropped_swapped_and_doubled_records_are_found() {
    let top = tempfile::tempdir().unwrap();
    let (_writer, key) = written(top.path());
    let journal = top.path().join("journal");
    let good = std::fs::read(&journal).unwrap();
    let frames: Vec<Vec<u8>> = Records::new(&good)
        .map(|r| r.unwrap().0)
        .map(|bytes| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat())
        .collect();
    for n in 0..frames.len() {
        let mut dropped = frames.clone();
        dropped.remove(n);
        let mut doubled = frames.clone();
        doubled.insert(n, frames[n].clone());
        let mut swapped = frames.clone();
        swapped.swap(n, (n + 1) % frames.len());
        for bad in [dropped, doubled, swapped] {
            std::fs::write(&journal, bad.concat()).unwrap();
            assert!(verify(top.path(), ORIGIN, key, &[]).is_err(), "record {n}");
        }
    }
}

#[test]
fn a_log_cut_to_an_older_checkpoint_is_older_than_what_is_remembered() {
    let top = tempfile::tempdir().unwrap();
    let (writer, key) = written(top.path());
    let head = writer.finish().unwrap();
    let seen = Remembered {
        size: head.size,
        root: head.root,
    };
    let report = verify(top.path(), ORIGIN, key, std::slice::from_ref(&seen)).unwrap();
    assert_eq!(
        report.anchor(),
        "remembered until record 11; after that self-signed"
    );

    let other = tempfile::tempdir().unwrap();
    let key = Key::generate().unwrap();
    let public = key.public();
    let mut writer = Writer::create(other.path(), ORIGIN, key).unwrap();
    for n in 0..11 {
        writer.append_at(1, Kind::Flow, None, fields(n)).unwrap();
    }
    writer.commit().unwrap();
    let wrong = verify(other.path(), ORIGIN, public, std::slice::from_ref(&seen));
    assert!(matches!(wrong, Err(VerifyError::NotRemembered(11))));
    let seen = Remembered { size: 12, ..seen };
    let wrong = verify(other.path(), ORIGIN, public, std::slice::from_ref(&seen));
    assert!(matches!(wrong, Err(VerifyError::RolledBack(12))));
}

#[test]
fn a_clock_that_goes_back_is_reported_and_nothing_more() {
    let top = tempfile::tempdir().unwrap();
    let key = Key::generate().unwrap();
    let public = key.public();
    let mut writer = Writer::create(top.path(), ORIGIN, key).unwrap();
    for time in [10, 20, 5, 6] {
        writer.append_at(time, Kind::Flow, None, BTreeMap::new()).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(verify(top.path(), ORIGIN, public, &[]).unwrap().clock_steps, [2]);
}

#[test]
fn a_log_has_one_writer_and_is_never_continued() {
    let top = tempfile::tempdir().unwrap();
    let (writer, _key) = written(top.path());
    let second = || Writer::create(top.path(), ORIGIN, Key::generate().unwrap());
    assert!(matches!(second(), Err(WriteError::Exists)));
    writer.finish().unwrap();
    assert!(matches!(second(), Err(WriteError::Exists)));
}

/// Who looks whether a log has a writer holds it for an instant, also one that is being made: that is no other writer.
#[test]
fn who_looks_while_a_log_begins_keeps_nobody_from_writing_it() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    const LOGS: usize = 300;
    let top = tempfile::tempdir().unwrap();
    let folder = |n: usize| top.path().join(n.to_string());
    let at = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let n = at.load(Ordering::Relaxed);
                    if n == LOGS {
                        return;
                    }
                    std::hint::black_box(is_running(&folder(n)));
                }
            });
        }
        for n in 0..LOGS {
            let made = Writer::create(&folder(n), ORIGIN, Key::generate().unwrap());
            at.store(n + 1, Ordering::Relaxed);
            if let Err(error) = made {
                at.store(LOGS, Ordering::Relaxed);
                panic!("{n}: {error}");
            }
        }
    });
}

#[test]
fn a_key_that_was_replaced_signs_nothing_any_more() {
    let (old, next) = (Key::generate().unwrap(), Key::generate().unwrap());
    let head = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 1,
        root: [7; 32],
    };
    assert!(Checkpoint::open(&head.sign(&old), ORIGIN, &old.public()).is_ok());
    assert!(Checkpoint::open(&head.sign(&next), ORIGIN, &old.public()).is_err());
}

#[test]
fn a_reader_beside_the_writer_always_sees_a_log_that_verifies() {
    let top = tempfile::tempdir().unwrap();
    let key = Key::generate().unwrap();
    let public = key.public();
    let mut writer = Writer::create(top.path(), ORIGIN, key).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut last, mut rounds) = (0, 0);
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                let report = verify(top.path(), ORIGIN, public, &[]).unwrap();
                assert!(report.signed >= last);
                (last, rounds) = (report.signed, rounds + 1);
            }
            rounds
        });
        for n in 0..400 {
            writer.append(Kind::Flow, None, fields(n)).unwrap();
            writer.commit().unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn a_proof_needs_the_key_alone_and_no_byte_of_it_is_idle() {
    let top = tempfile::tempdir().unwrap();
    let key = Key::generate().unwrap();
    let public = key.public();
    let mut writer = Writer::create(top.path(), ORIGIN, key).unwrap();
    for n in 0..21 {
        writer.append_at(n, Kind::Hold, None, fields(n)).unwrap();
    }
    writer.commit().unwrap();
    let journal = std::fs::read(top.path().join("journal")).unwrap();
    let records: Vec<(&[u8], Record)> = Records::new(&journal).map(Result::unwrap).collect();
    let proved = |index: usize| {
        let [proof] = &prove(top.path(), ORIGIN, public, index as u64).unwrap()[..] else {
            panic!("one key, one proof");
        };
        proof.to_string()
    };
    for (index, (_, record)) in records.iter().enumerate() {
        let text = proved(index);
        let proof = fumehood_audit::Proof::parse(&text).unwrap();
        assert_eq!(proof.verify(ORIGIN, &public).as_ref(), Ok(record));
        assert!(matches!(
            proof.verify("another.log", &public),
            Err(ProofError::Note(_))
        ));
    }
    assert!(prove(top.path(), ORIGIN, public, 21).is_err());
    let text = proved(13).into_bytes();
    for at in 0..text.len() {
        let mut bad = text.clone();
        bad[at] ^= 1;
        let bad = String::from_utf8(bad).unwrap();
        let proof = fumehood_audit::Proof::parse(&bad);
        assert!(
            proof.and_then(|p| p.verify(ORIGIN, &public)).is_err(),
            "byte {at}"
        );
    }
}

#[test]
fn every_record_of_a_log_of_many_bundles_is_proved_while_it_is_written_and_when_it_has_ended() {
    let top = tempfile::tempdir().unwrap();
    let key = Key::generate().unwrap();
    let public = key.public();
    let mut writer = Writer::create(top.path(), ORIGIN, key).unwrap();
    for n in 0..700 {
        writer.append_at(n, Kind::Flow, None, fields(n)).unwrap();
        if n == 650 {
            writer.commit().unwrap();
        }
    }
    writer.flush().unwrap();
    let proves = |size: u64, index: u64| {
        let proved = prove(top.path(), ORIGIN, public, index);
        if index >= size {
            assert!(proved.is_err(), "{index} of {size}");
            return;
        }
        let proof = proved.unwrap().pop().unwrap();
        assert_eq!(proof.verify(ORIGIN, &public).unwrap().sequence, index);
    };
    for index in [0, 255, 256, 511, 512, 649, 650, 651, 699, 700] {
        proves(651, index);
    }
    writer.finish().unwrap();
    for index in [0, 255, 256, 511, 512, 699, 700] {
        proves(700, index);
    }
}
