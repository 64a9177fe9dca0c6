use super::*;
use crate::account::Account;
use crate::record::Kind;
use std::collections::BTreeMap;

const NAME: &str = "witness.example/w1";

fn witness() -> (Key, Witness) {
    let key = Key::generate().unwrap();
    let verifier = key.public().verifier_of(NAME, COSIGNATURE);
    let witness = Witness::parse(&format!("http://127.0.0.1:1/ {verifier}")).unwrap();
    (key, witness)
}

/// What a witness answers, by the specification's words.
fn cosign(key: &Key, note: &str, time: u64) -> String {
    let body = note.split_once("\n\n").unwrap().0;
    let signature = key.sign(format!("cosignature/v1\ntime {time}\n{body}\n").as_bytes());
    let id = key.public().id_of(NAME, COSIGNATURE);
    let bytes = [&id[..], &time.to_be_bytes(), &signature].concat();
    format!("\u{2014} {NAME} {}\n", STANDARD.encode(bytes))
}

fn index(root: &Path, records: usize) {
    for _ in 0..records {
        let mut account = Account::open(root).unwrap();
        account.record(Kind::Witness, BTreeMap::new()).unwrap();
    }
}

#[test]
fn an_answer_counts_only_with_the_witnesss_signature_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (key, witness) = witness();
    index(root, 3);
    let submitted = submission(root, 0).unwrap();
    assert!(submitted.request.starts_with("old 0\n\nfumehood.local/"));
    let answer = cosign(&key, &submitted.note, 7);
    let taken = witness.take(root, &submitted, &answer).unwrap();
    assert_eq!((taken.head.size, taken.time), (3, 7));
    assert_eq!(witness.kept(root), Some(taken.clone()));
    // Another key, another time than was signed, another head.
    let other = Key::generate().unwrap();
    let forged = cosign(&other, &submitted.note, 7);
    assert!(witness.take(root, &submitted, &forged).is_err());
    index(root, 1);
    let later = submission(root, 3).unwrap();
    assert!(witness.take(root, &later, &answer).is_err());
    assert_eq!(later.request.lines().next(), Some("old 3"));
    for answer in ["", "\u{2014} witness.example/w1 AAAA\n", "x"] {
        assert!(witness.take(root, &later, answer).is_err());
    }
    assert!(matches!(
        submission(root, 9),
        Err(WitnessError::RolledBack { seen: 9, there: 4 })
    ));
}

#[test]
fn a_witness_is_read_from_its_address_and_key() {
    let (_, one) = witness();
    assert_eq!((one.url(), one.name()), ("http://127.0.0.1:1", NAME));
    let log_key = Key::generate().unwrap().public().verifier(NAME);
    for wrong in ["", "http://x", &format!("http://x {log_key}"), "http://x a+b+c"] {
        assert_eq!(Witness::parse(wrong), None, "{wrong}");
    }
}
