//! The record reader and its canonical form.

use fumehood_audit::{Kind, MAX_RECORD, Proof, Record, RecordError, Records, Value};
use fumehood_effect::Digest;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,20}".prop_map(Value::Text),
        any::<u64>().prop_map(Value::Number),
        any::<bool>().prop_map(Value::Flag),
        any::<[u8; 32]>().prop_map(|b| Value::Digest(Digest::from_bytes(b))),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        (sequence, time) in any::<(u64, u64)>(),
        cause in proptest::option::of(0..u64::MAX - 1),
        blind in any::<[u8; 16]>(),
        kind in 0..Kind::ALL.len(),
        fields in proptest::collection::btree_map("[a-z.]{1,12}", value(), 0..8),
    ) {
        let record = Record { sequence, time, cause, blind, kind: Kind::ALL[kind], fields };
        let bytes = record.encode().unwrap();
        prop_assert_eq!(Record::decode(&bytes), Ok(record));
        prop_assert!(Record::decode(&bytes[..bytes.len() - 1]).is_err());
        prop_assert!(Record::decode(&[&bytes[..], b"x"].concat()).is_err());
    }

    #[test]
    fn any_bytes_end_in_a_record_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let whole = [b"fumehood record 1\n", &bytes[..]].concat();
        if let Ok(record) = Record::decode(&whole) {
            prop_assert_eq!(record.encode().unwrap(), whole);
        }
        let mut records = Records::new(&bytes);
        prop_assert!(records.by_ref().count() <= bytes.len());
        let _refused = Proof::parse(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_record_that_is_too_long_is_refused_and_not_cut() {
    let fields = BTreeMap::from([("argv".to_owned(), Value::Bytes(vec![0; MAX_RECORD]))]);
    let record = Record {
        sequence: 0,
        time: 0,
        cause: None,
        blind: [0; 16],
        kind: Kind::ProgramExec,
        fields,
    };
    assert_eq!(record.encode(), Err(RecordError::TooLong));
}

/// The test vector of docs/log.md.
#[test]
fn the_vector_of_the_specification() {
    let fields = BTreeMap::from([("n".to_owned(), Value::Number(1))]);
    let record = Record {
        sequence: 2,
        time: 3,
        cause: Some(0),
        blind: [9; 16],
        kind: Kind::Flow,
        fields,
    };
    let digest = Digest::of(&record.encode().unwrap()).to_string();
    assert_eq!(
        digest,
        "a2def6652a49f9ed7a26fd3cd4702cdedbf134811e3ad67468367597a6ca2dae"
    );
}
