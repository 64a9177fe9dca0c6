//! A log that grows is laid out part by part, compressed, and stays one log.

use fumehood_audit::{Key, Kind, PublicKey, Question, Record, Value, Writer, ask, is_running, prove, verify};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const ORIGIN: &str = "fumehood.example/rotation";

#[expect(clippy::unwrap_used, reason = "a test's own log")]
fn begun(folder: &Path) -> (Writer, PublicKey) {
    let key = Key::generate().unwrap();
    let public = key.public();
    (Writer::create(folder, ORIGIN, key).unwrap(), public)
}

/// Records numbered on, with a head after each hundred, rotated as soon as there is a complete bundle.
#[expect(clippy::unwrap_used, reason = "a test's own log")]
fn write(writer: &mut Writer, many: u64) {
    for n in writer.size()..writer.size() + many {
        let fields = BTreeMap::from([("n".to_owned(), Value::Number(n))]);
        writer.append_at(n, Kind::Flow, n.checked_sub(1), fields).unwrap();
        if n % 100 == 99 {
            writer.commit().unwrap();
            writer.rotate(1).unwrap();
        }
    }
    writer.commit().unwrap();
}

#[expect(clippy::unwrap_used, reason = "a test's own log")]
fn asked(folder: &Path, question: &Question) -> Vec<u64> {
    let mut found = Vec::new();
    let each = |record: Record| {
        found.push(record.sequence);
        ControlFlow::Continue(())
    };
    ask(folder, question, each).unwrap();
    found
}

#[test]
fn a_rotated_log_is_verified_asked_and_proved_while_it_is_written_and_when_it_has_ended() {
    let top = tempfile::tempdir().unwrap();
    let (mut writer, key) = begun(top.path());
    write(&mut writer, 850);
    let laid = |index: u64| top.path().join(format!("tile/entries/{index:03}.gz")).exists();
    assert!(laid(0) && laid(1) && laid(2) && !laid(3));
    let journal = std::fs::metadata(top.path().join("journal")).unwrap().len();
    let index = std::fs::read(top.path().join("index")).unwrap();
    let before = u64::from_be_bytes(index[64..72].try_into().unwrap());
    assert!(journal * 8 < before, "{journal} of {before}");
    assert!(is_running(top.path()));
    let checks = |signed: u64, ended: bool| {
        let report = verify(top.path(), ORIGIN, key, &[]).unwrap();
        assert_eq!((report.signed, report.unsigned, report.ended), (signed, 0, ended));
        assert_eq!(
            asked(top.path(), &Question::default()),
            (0..signed).collect::<Vec<_>>()
        );
        let some = Question {
            from: 250,
            to: 780,
            ..Question::default()
        };
        assert_eq!(asked(top.path(), &some), (250..=780).collect::<Vec<_>>());
        let last = Question {
            first: signed - 3,
            ..Question::default()
        };
        assert_eq!(asked(top.path(), &last).len(), 3);
        for at in [0, 255, 256, 767, 768, signed - 1] {
            let proof = prove(top.path(), ORIGIN, key, at).unwrap().pop().unwrap();
            assert_eq!(proof.verify(ORIGIN, &key).unwrap().sequence, at);
        }
    };
    checks(850, false);
    // Where the journal has nothing but what is laid out.
    write(&mut writer, 1_024 - 850);
    writer.rotate(1).unwrap();
    assert_eq!(std::fs::metadata(top.path().join("journal")).unwrap().len(), 0);
    checks(1_024, false);
    write(&mut writer, 6);
    checks(1_030, false);
    assert_eq!(writer.finish().unwrap().size, 1_030);
    checks(1_030, true);
    assert!(!is_running(top.path()) && !top.path().join("journal").exists());
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

/// Of a log that is written and of one that has ended: every byte of every file, compressed ones too.
#[test]
fn every_byte_counts_also_of_what_is_laid_out_and_compressed() {
    for end in [false, true] {
        let top = tempfile::tempdir().unwrap();
        let (mut writer, key) = begun(top.path());
        for n in 0..260 {
            writer.append_at(n, Kind::Flow, None, BTreeMap::new()).unwrap();
        }
        writer.commit().unwrap();
        writer.rotate(1).unwrap();
        if end {
            writer.finish().unwrap();
        }
        let good = || verify(top.path(), ORIGIN, key, &[]);
        assert_eq!(good().unwrap().signed, 260);
        let packed = top.path().join("tile/entries/000.gz");
        assert!(files(top.path()).contains(&packed));
        for file in files(top.path()) {
            let bytes = std::fs::read(&file).unwrap();
            // Of what is compared as a whole some: `pack` has a test for every bit.
            let step = if file.starts_with(top.path().join("tile")) {
                13
            } else {
                1
            };
            for at in (0..bytes.len()).step_by(step) {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << (at % 8);
                std::fs::write(&file, &bad).unwrap();
                assert!(good().is_err(), "{file:?} byte {at}");
            }
            for at in [0, 1, bytes.len() / 2, bytes.len() - 1] {
                std::fs::write(&file, &bytes[..at]).unwrap();
                let shorter = good();
                // What a killed writer leaves: without a head, or with half of one, nobody vouches for records.
                let honest = shorter
                    .as_ref()
                    .is_ok_and(|r| !r.ended && (r.unsigned > 0 || file.ends_with("index")));
                assert!(shorter.is_err() || honest, "{file:?} cut at {at}: {shorter:?}");
            }
            std::fs::remove_file(&file).unwrap();
            assert!(good().is_err(), "{file:?} is missing");
            std::fs::write(&file, bytes).unwrap();
        }
        assert_eq!(good().unwrap().signed, 260);
    }
}

#[test]
fn a_reader_beside_a_writer_that_rotates_always_sees_a_log_that_verifies() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let top = tempfile::tempdir().unwrap();
    let (mut writer, key) = begun(top.path());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut last, mut asked_last) = (0, 0);
            while !done.load(Ordering::Acquire) {
                let report = verify(top.path(), ORIGIN, key, &[]).unwrap();
                assert!(report.signed >= last && is_running(top.path()));
                last = report.signed;
                let all = asked(top.path(), &Question::default());
                assert!(all.len() >= asked_last && (0..all.len() as u64).eq(all.iter().copied()));
                asked_last = all.len();
            }
        });
        for _ in 0..30 {
            write(&mut writer, 100);
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap();
    });
    writer.finish().unwrap();
    assert_eq!(verify(top.path(), ORIGIN, key, &[]).unwrap().signed, 3_000);
}

/// What cannot be laid out, for want of room or of a permission, stays in the journal, and the log goes on.
#[test]
fn a_rotation_that_does_not_succeed_loses_nothing_and_is_tried_again() {
    let top = tempfile::tempdir().unwrap();
    let (mut writer, key) = begun(top.path());
    // In the way of the folder for tiles.
    let way = top.path().join("tile");
    std::fs::write(&way, "").unwrap();
    write(&mut writer, 300);
    assert_eq!(verify(top.path(), ORIGIN, key, &[]).unwrap().signed, 300);
    std::fs::remove_file(&way).unwrap();
    write(&mut writer, 100);
    assert!(!way.exists(), "tried again at once");
    write(&mut writer, 400);
    assert!(way.join("entries/000.gz").exists());
    assert_eq!(verify(top.path(), ORIGIN, key, &[]).unwrap().signed, 800);
    writer.finish().unwrap();
    assert_eq!(verify(top.path(), ORIGIN, key, &[]).unwrap().signed, 800);
}

/// Logs as they were written before bundles were compressed, one laid out and one that stayed a journal.
#[test]
fn older_logs_still_verify_and_are_read() {
    let older = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/older");
    for (name, records, ended) in [("long", 301, true), ("short", 6, false)] {
        let folder = older.join(name);
        let public = std::fs::read_to_string(folder.join("public")).unwrap();
        let (origin, key) = PublicKey::from_verifier(public.trim_end()).unwrap();
        let report = verify(&folder, &origin, key, &[]).unwrap();
        assert_eq!(
            (report.signed, report.unsigned, report.ended),
            (records, 0, ended)
        );
        assert_eq!(asked(&folder, &Question::default()).len() as u64, records);
        let chain = prove(&folder, &origin, key, records - 1).unwrap();
        assert_eq!(chain.len(), 2, "of the key that took over, and of the record");
    }
}
