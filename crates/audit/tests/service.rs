//! Those who record, and the writer's process.

use fumehood_audit::{
    Client, Entry, Key, Kind, Pace, PublicKey, Recorder, RecorderError, Report, Service, Ticket, Writer,
    verify,
};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

const ORIGIN: &str = "fumehood.example/service";

/// A log that is written by a thread, and its key.
#[expect(clippy::unwrap_used, reason = "a test's own log")]
fn service(folder: &Path, sender: OwnedFd, pace: Pace) -> (PublicKey, std::thread::JoinHandle<bool>) {
    let key = Key::generate().unwrap();
    let public = key.public();
    let writer = Writer::create(folder, ORIGIN, key).unwrap();
    let run = move || {
        Service::new(writer, sender, pace)
            .run(|| Ok(()), |_, _| (), |_| Ok(()))
            .is_ok()
    };
    (public, std::thread::spawn(run))
}

#[expect(clippy::unwrap_used, reason = "a test's own log")]
fn verified(folder: &Path, key: PublicKey) -> Report {
    verify(folder, ORIGIN, key, &[]).unwrap()
}

#[test]
fn what_is_recorded_durably_is_under_a_head_when_the_call_returns_and_names_its_cause() {
    let top = tempfile::tempdir().unwrap();
    let (client, sender) = Client::pair().unwrap();
    let (key, thread) = service(top.path(), sender, Pace::default());
    let flow = client
        .record(Entry::new(Kind::Flow).text("host", "example.org"))
        .unwrap();
    let hold = client
        .record_durably(Entry::new(Kind::Hold).caused_by(flow))
        .unwrap();
    let report = verified(top.path(), key);
    assert_eq!((report.signed, report.unsigned, report.ended), (2, 0, false));
    client
        .record_durably(Entry::new(Kind::Approval).caused_by(hold))
        .unwrap();
    drop(client);
    assert!(thread.join().unwrap());
    let report = verified(top.path(), key);
    assert_eq!((report.signed, report.unsigned), (3, 0));
    // A short one is not laid out.
    assert!(!report.ended && !top.path().join("tile").exists());
    let entries = std::fs::read(top.path().join("journal")).unwrap();
    let causes: Vec<Option<u64>> = fumehood_audit::Records::new(&entries)
        .map(|r| r.unwrap().1.cause)
        .collect();
    assert_eq!(causes, [None, Some(0), Some(1)]);
}

#[test]
fn heads_are_signed_by_time_and_by_number_and_keys_are_replaced() {
    let top = tempfile::tempdir().unwrap();
    let (client, sender) = Client::pair().unwrap();
    let pace = Pace {
        head_after: Duration::from_millis(20),
        head_every: 100,
        key_for: Duration::ZERO,
        journal: 1,
    };
    let (key, thread) = service(top.path(), sender, pace);
    client.record(Entry::new(Kind::Flow)).unwrap();
    let begun = std::time::Instant::now();
    while verified(top.path(), key).signed == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "no head was signed");
        std::thread::sleep(Duration::from_millis(5));
    }
    for n in 0..1_000 {
        client.record(Entry::new(Kind::Flow).number("n", n)).unwrap();
    }
    let head = client.head().unwrap();
    assert!(head.note.starts_with(ORIGIN), "{head:?}");
    assert_eq!(head.count(Kind::Flow), 1_001);
    drop(client);
    assert!(thread.join().unwrap());
    let report = verified(top.path(), key);
    assert!(report.ended && report.checkpoints >= 2, "{report:?}");
    assert!(report.signed > 1_001, "no key took over: {report:?}");
}

#[test]
fn senders_share_a_writer_which_ends_with_the_last() {
    let top = tempfile::tempdir().unwrap();
    let (client, sender) = Client::pair().unwrap();
    let (key, thread) = service(top.path(), sender, Pace::default());
    let other = client.split(Kind::ALL).unwrap();
    let asked = client.record(Entry::new(Kind::Flow)).unwrap();
    client.head().unwrap(); // the other's packets may overtake: the cause has arrived now
    drop(client);
    other
        .record_durably(Entry::new(Kind::Effect).caused_by(asked))
        .unwrap();
    assert!(!verified(top.path(), key).ended);
    drop(other);
    assert!(thread.join().unwrap());
    assert_eq!(verified(top.path(), key).signed, 2);
}

/// Who took over a process that records writes no other kinds than that one's, and nobody but the writer names a key.
#[test]
fn records_of_other_kinds_are_not_taken_and_who_sends_them_is_not_heard_any_more() {
    let forged = |kind| Entry::new(kind).bytes("key", &[7; 32]);
    for kind in [
        Kind::KeyNext,
        Kind::SessionStart,
        Kind::SessionCheckpoint,
        Kind::SessionErase,
    ] {
        let top = tempfile::tempdir().unwrap();
        let (client, sender) = Client::pair().unwrap();
        let (key, thread) = service(top.path(), sender, Pace::default());
        client.record_durably(Entry::new(Kind::Hold)).unwrap();
        let refused = client.record_durably(forged(kind));
        assert!(
            matches!(refused, Err(RecorderError::Lost)),
            "{kind:?} {refused:?}"
        );
        drop(client);
        assert!(thread.join().unwrap());
        assert_eq!(verified(top.path(), key).signed, 1, "{kind:?}");
    }
    let top = tempfile::tempdir().unwrap();
    let (client, sender) = Client::pair().unwrap();
    let (key, thread) = service(top.path(), sender, Pace::default());
    let watcher = || client.split(&[Kind::ProgramExec, Kind::KeyNext]).unwrap();
    let one = watcher();
    one.record_durably(Entry::new(Kind::ProgramExec)).unwrap();
    // Neither by itself, nor among others, nor by way of one that it names, nor a key although it was asked for.
    assert!(one.record_durably(Entry::new(Kind::Approval)).is_err());
    let one = watcher();
    let mut batch = one.batch();
    batch.add(Entry::new(Kind::ProgramExec)).unwrap();
    batch.add(Entry::new(Kind::Approval)).unwrap();
    batch.send().unwrap();
    assert!(one.record_durably(Entry::new(Kind::ProgramExec)).is_err());
    let one = watcher();
    let named = one.split(Kind::ALL).unwrap();
    named.record_durably(Entry::new(Kind::ProgramExec)).unwrap();
    assert!(named.record_durably(Entry::new(Kind::SessionEnd)).is_err());
    assert!(watcher().record_durably(forged(Kind::KeyNext)).is_err());
    client.record_durably(Entry::new(Kind::Approval)).unwrap();
    drop((client, one, named));
    assert!(thread.join().unwrap());
    assert_eq!(verified(top.path(), key).signed, 3);
}

/// Many at once, more than fit into a packet: each has its place and its cause.
#[test]
fn what_is_sent_together_arrives_in_order() {
    let top = tempfile::tempdir().unwrap();
    let (client, sender) = Client::pair().unwrap();
    let (key, thread) = service(top.path(), sender, Pace::default());
    let mut batch = client.batch();
    let mut before = None;
    for n in 0..100 {
        let entry = Entry::new(Kind::Flow).bytes("b", &[7; 5_000]).number("n", n);
        let entry = match before {
            Some(before) => entry.caused_by(before),
            None => entry,
        };
        before = Some(batch.add(entry).unwrap());
    }
    assert!(
        batch
            .add(Entry::new(Kind::Flow).bytes("b", &[7; 70_000]))
            .is_err()
    );
    batch.send().unwrap();
    client.batch().send().unwrap();
    drop(client);
    assert!(thread.join().unwrap());
    assert_eq!(verified(top.path(), key).signed, 100);
    let entries = std::fs::read(top.path().join("journal")).unwrap();
    let causes = fumehood_audit::Records::new(&entries).map(|r| r.unwrap().1.cause);
    let expected = (0..100u64).map(|n| n.checked_sub(1));
    assert!(causes.eq(expected));
}

/// The command is what a session's first record tells; nothing is its own cause.
#[test]
fn the_first_record_is_named_by_all_and_causes_nothing_before_it() {
    let top = tempfile::tempdir().unwrap();
    let (client, sender) = Client::pair().unwrap();
    let (key, thread) = service(top.path(), sender, Pace::default());
    for _ in 0..3 {
        client
            .record(Entry::new(Kind::Flow).caused_by(Ticket::START))
            .unwrap();
    }
    drop(client);
    assert!(thread.join().unwrap());
    assert_eq!(verified(top.path(), key).signed, 3);
    let entries = std::fs::read(top.path().join("journal")).unwrap();
    let causes: Vec<Option<u64>> = fumehood_audit::Records::new(&entries)
        .map(|r| r.unwrap().1.cause)
        .collect();
    assert_eq!(causes, [None, Some(0), Some(0)]);
}

#[test]
fn a_writer_that_is_gone_or_cannot_write_is_no_silence() {
    let (client, sender) = Client::pair().unwrap();
    assert!(client.why().is_none());
    drop(sender);
    assert!(matches!(client.why(), Some(RecorderError::Lost)));
    let refused = client.record_durably(Entry::new(Kind::Hold));
    assert!(matches!(refused, Err(RecorderError::Lost)), "{refused:?}");

    let (client, sender) = Client::pair().unwrap();
    let top = tempfile::tempdir().unwrap();
    let (_key, thread) = service(top.path(), sender, Pace::default());
    // What is already there where the end belongs: the log cannot be ended.
    std::fs::create_dir(top.path().join("checkpoint.new")).unwrap();
    for _ in 0..256 {
        client.record(Entry::new(Kind::Flow)).unwrap();
    }
    drop(client);
    assert!(!thread.join().unwrap());
}

#[test]
fn who_sends_what_is_no_message_is_not_heard_any_more_and_others_are() {
    let top = tempfile::tempdir().unwrap();
    let (client, sender) = Client::pair().unwrap();
    let (key, thread) = service(top.path(), sender, Pace::default());
    let other = client.split(Kind::ALL).unwrap();
    rustix_send(&other, b"nonsense");
    let refused = other.record_durably(Entry::new(Kind::Hold));
    assert!(matches!(refused, Err(RecorderError::Lost)), "{refused:?}");
    client.record_durably(Entry::new(Kind::Hold)).unwrap();
    drop(client);
    assert!(thread.join().unwrap());
    assert_eq!(verified(top.path(), key).signed, 1);
}

fn rustix_send(client: &Client, bytes: &[u8]) {
    let _sent = rustix::net::send(client.lost(), bytes, rustix::net::SendFlags::NOSIGNAL);
}
