//! The log by itself, without a sandbox: how fast it is written, durable, verified and asked.

use fumehood_audit::{
    Client, Entry, Key, Kind, Pace, PublicKey, Question, Recorder, Service, Value, Writer, ask, verify,
};
use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

const ORIGIN: &str = "fumehood.example/bench";
/// How many records are verified and asked.
const MANY: u64 = 10_000_000;
/// Fewer, for a look at the benchmark itself.
const FEWER: &str = "FUMEHOOD_BENCH_RECORDS";
/// How many are brought to the disk with one sync, as by the writer's process.
const GROUP: u64 = 1_000;
const DURABLE: usize = 2_000;

pub(crate) fn run(place: &Path) {
    println!("\n## log");
    durable(&place.join("durable"));
    let fewer = std::env::var(FEWER).ok().and_then(|number| number.parse().ok());
    let many = fewer.unwrap_or(MANY);
    let folder = place.join("many");
    let key = append(&folder, many);
    let (begun, cpu) = (Instant::now(), crate::measure::own_cpu());
    let report = verify(&folder, ORIGIN, key, &[]).expect("the log verifies");
    assert_eq!(report.signed, many);
    println!(
        "verify {many} records: {:.2?} (bar 10 s), processor time {:.2?}",
        begun.elapsed(),
        crate::measure::own_cpu() - cpu
    );
    let kinds = Question {
        kinds: vec![Kind::SessionEnd],
        ..Question::default()
    };
    let moment = Question {
        from: many / 2 * 1_000,
        to: many / 2 * 1_000 + 1_000_000,
        ..Question::default()
    };
    for (what, question, expected) in [
        ("one record by its kind", kinds, 1),
        ("a millisecond by time", moment, 1_001),
    ] {
        let begun = Instant::now();
        let mut found = 0;
        ask(&folder, &question, |_| {
            found += 1;
            ControlFlow::Continue(())
        })
        .expect("the log is read");
        assert_eq!(found, expected, "{what}");
        println!(
            "query over {many} records, {what}: {:.2?} (bar 0.5 s)",
            begun.elapsed()
        );
    }
}

/// A long log, written as by one process; each record is a microsecond after the one before it.
fn append(folder: &Path, many: u64) -> PublicKey {
    let key = Key::generate().expect("a key");
    let public = key.public();
    let mut writer = Writer::create(folder, ORIGIN, key).expect("a log");
    let cpu = crate::measure::own_cpu();
    let begun = Instant::now();
    for n in 0..many {
        let fields = BTreeMap::from([
            ("host".to_owned(), Value::Text("registry.example.org".to_owned())),
            ("port".to_owned(), Value::Number(443)),
            ("decision".to_owned(), Value::Text("allow".to_owned())),
        ]);
        let kind = if n == many - 1 {
            Kind::SessionEnd
        } else {
            Kind::Flow
        };
        writer.append_at(n * 1_000, kind, None, fields).expect("a record");
        if n % GROUP == GROUP - 1 {
            writer.commit().expect("on the disk");
            writer.rotate(Pace::default().journal).expect("laid out");
        }
    }
    let (wall, cpu) = (begun.elapsed(), crate::measure::own_cpu() - cpu);
    let rate = |time: Duration| many as f64 / time.as_secs_f64();
    println!(
        "append with a sync each {GROUP} records: {:.0} records/s of wall time, {:.0} of processor time (bar 50,000)",
        rate(wall),
        rate(cpu)
    );
    let begun = Instant::now();
    writer.finish().expect("the end of a log");
    println!(
        "end of the log, the rest of its tiles laid out: {:.2?}",
        begun.elapsed()
    );
    println!("bytes on the disk for each record: {}", size(folder) / many);
    public
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(file) if file.is_dir() => size(&entry.path()),
        Ok(file) => file.len(),
        Err(_) => 0,
    };
    entries.map(of).sum()
}

/// What waits for its record, through socket and writer, beside a bare fdatasync of as many bytes.
fn durable(folder: &Path) {
    let (client, sender) = Client::pair().expect("a socket");
    let writer = Writer::create(folder, ORIGIN, Key::generate().expect("a key")).expect("a log");
    let service = std::thread::spawn(move || {
        Service::new(writer, sender, Pace::default()).run(|| Ok(()), |_, _| (), |_| Ok(()))
    });
    let mut file = std::fs::File::create(folder.join("bare")).expect("a file");
    let (mut recorded, mut bare) = (Vec::new(), Vec::new());
    for n in 0..DURABLE {
        let begun = Instant::now();
        let hold = Entry::new(Kind::Hold).number("hold", n as u64);
        client.record_durably(hold).expect("durable");
        recorded.push(begun.elapsed());
        let begun = Instant::now();
        file.write_all(&[7; 200]).expect("written");
        file.sync_data().expect("synced");
        bare.push(begun.elapsed());
    }
    drop(client);
    service.join().expect("the writer").expect("the log");
    for (what, mut times) in [
        ("a durable hold record (bar 2 ms p99)", recorded),
        ("a bare fdatasync", bare),
    ] {
        times.sort();
        let (middle, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        println!("{what}: median {middle:.2?}, p99 {p99:.2?}");
    }
}
