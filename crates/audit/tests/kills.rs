//! A writer that is killed, or whose disk is full, has lost nothing that it acknowledged.

use fumehood_audit::{Key, Kind, Value, Writer, verify};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const ORIGIN: &str = "fumehood.example/kills";
const FOLDER: &str = "FUMEHOOD_TEST_LOG";
/// How many records a writer writes that waits for a line then, and ends its log.
const RECORDS: &str = "FUMEHOOD_TEST_RECORDS";

/// Lays out what it can, as often as it can: after each hundred records.
const ROTATES: &str = "FUMEHOOD_TEST_ROTATES";

/// Not a test of its own: what the others start, kill, and give a small disk.
#[test]
#[ignore = "a writer for the tests beside it"]
fn a_writer() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let key = Key::generate().unwrap();
    let mut out = std::io::stderr();
    writeln!(out, "key {}", key.public()).unwrap();
    let mut writer = Writer::create(Path::new(&folder), ORIGIN, key).unwrap();
    let most = std::env::var(RECORDS)
        .ok()
        .map(|most| most.parse::<u64>().unwrap());
    let rotates = std::env::var_os(ROTATES).is_some();
    let group = if rotates { 100 } else { 3 };
    for n in 0..most.unwrap_or(100_000) {
        let fields = BTreeMap::from([("n".to_owned(), Value::Bytes(vec![7; (n % 300) as usize]))]);
        let appended = writer.append(Kind::Hold, None, fields);
        let done = appended.and_then(|_| {
            if n % group == group - 1 {
                writer.commit().map(drop)
            } else {
                Ok(())
            }
        });
        let done = done.and_then(|()| writer.rotate(if rotates { 1 } else { u64::MAX }));
        if let Err(error) = done {
            writeln!(out, "failed: {error}").unwrap();
            assert!(writer.commit().is_err(), "it goes on after a failure");
            return;
        }
        if n % 40 == 39 {
            writer
                .evolve()
                .unwrap_or_else(|e| drop(writeln!(out, "failed: {e}")));
        }
        writeln!(out, "durable {}", writer.durable()).unwrap();
    }
    if most.is_some() {
        writeln!(out, "waits").unwrap();
        std::io::stdin().read_line(&mut String::new()).unwrap();
        match writer.end() {
            Ok(_) => writeln!(out, "ended").unwrap(),
            Err(error) => writeln!(out, "failed: {error}").unwrap(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the test starts itself"
)]
fn writer(launcher: &[&str], folder: &Path) -> Command {
    let me = std::env::current_exe().unwrap();
    let mut command = match launcher {
        [] => Command::new(&me),
        [program, rest @ ..] => {
            let mut command = Command::new(program);
            command.args(rest).arg(&me);
            command
        }
    };
    command.args([
        "--exact",
        "a_writer",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    command
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// What a writer said: its key, and how much was durable last.
#[expect(clippy::unwrap_used, reason = "a test's own words")]
fn said(words: &str) -> Option<(fumehood_audit::PublicKey, u64)> {
    let whole = words.rsplit_once('\n')?.0;
    let key = whole.lines().find_map(|l| l.strip_prefix("key "))?;
    let durable = whole.lines().rev().find_map(|l| l.strip_prefix("durable "));
    Some((key.parse().unwrap(), durable.map_or(0, |n| n.parse().unwrap())))
}

/// 1,000 kills; the seed is fixed, so a failure names its round.
#[test]
fn a_thousand_kills_lose_nothing_acknowledged() {
    kills(1_000, 0, false);
}

/// Also while what was written is laid out and another journal takes the place of the first.
#[test]
fn kills_of_a_writer_that_rotates_lose_nothing_acknowledged() {
    kills(200, 200, true);
}

/// Kills a writer so often, each time when it has acknowledged more than so many records.
#[expect(clippy::unwrap_used, reason = "a test's own log")]
fn kills(rounds: u32, after: u64, rotates: bool) {
    let top = tempfile::tempdir().unwrap();
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    for round in 0..rounds {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let folder = top.path().join(round.to_string());
        let mut command = writer(&[], &folder);
        if rotates {
            command.env(ROTATES, "1");
        }
        let mut child = command.spawn().unwrap();
        let mut heard = BufReader::new(child.stderr.take().unwrap());
        // From its first acknowledgement on, so that every kill meets a writer at work.
        let mut words = String::new();
        while said(&words).is_none_or(|(_, durable)| durable <= after) {
            assert!(heard.read_line(&mut words).unwrap() > 0, "round {round}: {words}");
        }
        std::thread::sleep(Duration::from_micros(seed % 9_000));
        child.kill().unwrap();
        heard.read_to_string(&mut words).unwrap();
        child.wait().unwrap();
        let (key, durable) = said(&words).unwrap();
        let report = verify(&folder, ORIGIN, key, &[]).unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert!(
            report.signed + report.unsigned >= durable,
            "round {round}: {durable}, {report:?}"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

/// What is open stays open; what is to be made when the log ends is not. The log is then as one whose writer was killed.
#[test]
fn a_permission_that_is_lost_is_said_and_loses_nothing_acknowledged() {
    use std::os::unix::fs::PermissionsExt;
    // Also root's own files are no longer root's to override.
    let launcher = [
        "unshare",
        "--user",
        "--map-root-user",
        "setpriv",
        "--bounding-set=-all",
        "--inh-caps=-all",
    ];
    let top = tempfile::tempdir().unwrap();
    for (name, mode) in [("kept", 0o700), ("lost", 0o500)] {
        let folder = top.path().join(name);
        let mut command = writer(&launcher, &folder);
        let mut child = command.env(RECORDS, "300").stdin(Stdio::piped()).spawn().unwrap();
        let mut heard = BufReader::new(child.stderr.take().unwrap());
        let mut words = String::new();
        while !words.ends_with("waits\n") {
            assert!(heard.read_line(&mut words).unwrap() > 0, "{name}: {words}");
        }
        let change = |mode| std::fs::set_permissions(&folder, PermissionsExt::from_mode(mode)).unwrap();
        change(mode);
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        heard.read_to_string(&mut words).unwrap();
        child.wait().unwrap();
        change(0o700);
        let lost = mode == 0o500;
        let last = words
            .lines()
            .rev()
            .find(|l| l.starts_with("failed") || *l == "ended");
        let denied = last.is_some_and(|last| last.contains("Permission denied"));
        assert!(denied == lost && last.is_some(), "{name}: {words}");
        let (key, durable) = said(&words).unwrap();
        let report = verify(&folder, ORIGIN, key, &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(
            durable >= 300 && report.signed >= durable,
            "{name}: {durable} {report:?}"
        );
        assert_eq!(report.ended, !lost, "{name}");
    }
}

#[test]
fn a_full_disk_stops_the_writer_and_loses_nothing_acknowledged() {
    full_disk("256k", false);
    full_disk("400k", true);
}

#[expect(clippy::unwrap_used, reason = "a test's own log")]
fn full_disk(size: &str, rotates: bool) {
    let top = tempfile::tempdir().unwrap();
    let disk = top.path().join("disk");
    let after = top.path().join("after");
    std::fs::create_dir(&disk).unwrap();
    // The disk is in a mount namespace of its own; the log is copied out of it.
    let script = format!(
        "mount -t tmpfs -o size={size} none {0} && \"$@\"; cp -r {0}/log {1}",
        disk.display(),
        after.display()
    );
    let launcher = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script.as_str(),
        "sh",
    ];
    let mut command = writer(&launcher, &disk.join("log"));
    if rotates {
        command.env(ROTATES, "1");
    }
    let output = command.output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains("failed:") && words.contains("No space left"),
        "{words}"
    );
    let (key, durable) = said(&words).unwrap();
    let report = verify(&after, ORIGIN, key, &[]);
    // A checkpoint that is not all there is the one thing a full disk may leave.
    let report = report.unwrap_or_else(|e| panic!("{e}: {words}"));
    assert_eq!(after.join("tile/entries/000.gz").exists(), rotates, "{words}");
    assert!(
        durable > 10 && report.signed + report.unsigned >= durable,
        "{durable} {report:?}"
    );
}
