//! Taking too much: escapes 99–102, codex 46, 47, srt 82, 83. Bounds of the attacks themselves: see
//! the probe's `hunger`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{World, is_root, processes_named, settle};
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// `N then EAGAIN`: N, and that it was refused so.
fn refused_at(line: &str, errno: &str) -> usize {
    let rest = line.strip_prefix("ok ").unwrap_or_else(|| panic!("{line}"));
    let (count, end) = rest
        .split_once(" then ")
        .unwrap_or_else(|| panic!("not bounded: {line}"));
    assert_eq!(end, errno, "{line}");
    count.trim_end_matches(" MiB").parse().unwrap()
}

/// Escapes 99, codex 47, srt 82: processes.
#[test]
fn e099_fork_bomb() {
    let world = World::new();
    let bounded = world.sandbox().flags(["--pids", "40"]);
    let count = refused_at(&bounded.probe(&["forks", "300"]), "EAGAIN");
    assert!((20..=40).contains(&count), "{count}");
    // A real one, of shells, ends with the run.
    let mark = format!("62.{}", std::process::id());
    let bomb = format!("b() {{ b & b & sleep {mark}; }}; (b) 2>/dev/null & sleep 1; exit 0");
    let begun = Instant::now();
    let out = bounded.sh(bomb);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(out.code == 0 || out.code == 2, "{out:?}");
    assert_eq!(settle(|| processes_named(&mark)), [0; 0]);
}

/// Escapes 99: nobody set a limit, and all the same processes end somewhere, which `doctor` says. Each sandbox has
/// them for itself; the run and the machine go on.
#[test]
fn e099_fork_bomb_without_a_limit() {
    let world = World::new();
    // By one processor it is within what the probe may make, on any machine.
    let run = world.sandbox().under(["taskset", "-c", &first_processor()]);
    let run = run.deadline(Duration::from_secs(60));
    let ceiling = ceiling(&world);
    let count = refused_at(&run.probe(&["forks", "5000"]), "EAGAIN");
    assert!((ceiling - 20..=ceiling).contains(&count), "{count} of {ceiling}");
    let limits = "grep '^Max processes' /proc/self/limits";
    let more = world.sandbox().flags(["--pids", "100000"]).sh(limits).ended(0);
    assert!(
        !more.contains(&format!(" {ceiling} ")),
        "--pids takes its place: {more}"
    );
}

fn first_processor() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|l| l.strip_prefix("Cpus_allowed_list:"));
    let first = list.unwrap().trim().split([',', '-']).next();
    first.unwrap().to_owned()
}

/// The ceiling for processes that `doctor` names, on one processor.
fn ceiling(world: &World) -> usize {
    let mut words: Vec<std::ffi::OsString> = ["taskset", "-c", &first_processor()].map(Into::into).into();
    words.extend([fumehood_tests::fumehood().into_os_string(), "doctor".into()]);
    let said = world.sandbox().start_words(&words).wait().text();
    let line = said.lines().find(|l| l.starts_with("without limits")).unwrap();
    let count = line.split_whitespace().nth(3).unwrap();
    count.parse().unwrap()
}

/// Escapes 99: threads are counted with processes.
#[test]
fn e099_threads() {
    let world = World::new();
    let count = refused_at(
        &world.sandbox().flags(["--pids", "40"]).probe(&["threads", "300"]),
        "EAGAIN",
    );
    assert!((20..=40).contains(&count), "{count}");
}

/// Escapes 100, codex 47, srt 83: memory, and the word of which limit it was.
#[test]
fn e100_memory_bomb() {
    let world = World::new();
    let bounded = world.sandbox().flags(["--memory", "64M"]);
    let out = bounded.run(&[fumehood_tests::probe().to_str().unwrap(), "memory", "400"]);
    assert!(out.took < Duration::from_secs(10), "{:?}", out.took);
    if !is_root() && out.code == 0 {
        // Without a control group a process limit may refuse what it asks for, before it has it.
        assert_eq!(out.text(), "ENOMEM");
    } else {
        assert_eq!(out.ended(137), "");
        out.said_last(&["memory", "64M"]);
    }
    assert_eq!(bounded.probe(&["memory", "16"]), "ok 16 MiB");
}

/// Escapes 100: memory spread over many processes is one sandbox's memory.
#[test]
fn e100_memory_in_many_processes() {
    let world = World::new();
    let bounded = world.sandbox().flags(["--memory", "96M"]);
    let out =
        bounded.sh("for n in 1 2 3 4 5 6 7 8; do $probe memory 40 & done; wait; sleep 1; echo survived");
    assert!(out.code == 137 || out.errors().contains("memory"), "{out:?}");
    out.said_last(&["memory", "96M"]);
}

/// Escapes 100: files in memory are memory.
#[test]
fn e100_files_in_memory_count() {
    let world = World::new();
    for place in ["/tmp", "/dev/shm", "~"] {
        let bounded = world.sandbox().flags(["--memory", "64M"]);
        let out = bounded.sh(format!(
            "$probe fill {place}/f 300; sleep 1; $probe memory 40; echo survived"
        ));
        assert!(
            !out.text().contains("300 MiB unbounded") || out.code == 137,
            "{place}: {out:?}"
        );
        // A control group counts the pages; without one the place itself is no larger than the limit.
        assert!(
            out.code == 137
                || out.said().iter().any(|l| l.contains("memory"))
                || out.text().contains("ENOSPC"),
            "{place}: {out:?}"
        );
    }
}

/// Escapes 100: pages in pipes.
#[test]
fn e100_pages_in_pipes() {
    let world = World::new();
    let out = world
        .sandbox()
        .flags(["--memory", "64M"])
        .sh("$probe pipes 250; true");
    // By the kernel's own bound of a user's pipes, or by the limit.
    assert!(
        out.said().iter().any(|l| l.contains("memory")) || out.text().contains("then EPERM"),
        "{out:?}"
    );
}

/// Escapes 101, codex 47: the private places have the size that was set.
#[test]
fn e101_disk_fill_of_private_places() {
    let world = World::new();
    let bounded = world.sandbox().flags(["--disk", "16M"]);
    for place in ["/tmp/f", "/dev/shm/f", "/root/f"] {
        let place = if place == "/root/f" {
            format!("{}/f", world.home().display())
        } else {
            place.to_owned()
        };
        let line = bounded.probe(&["fill", &place, "200"]);
        let errno = if line.contains("EFBIG") { "EFBIG" } else { "ENOSPC" };
        assert!(refused_at(&line, errno) <= 16, "{place}: {line}");
    }
}

/// Escapes 101: the project is a folder of the host; a file, and many files, are bounded there.
#[test]
fn e101_disk_fill_of_the_project() {
    let world = World::new();
    let bounded = world.sandbox().flags(["--disk", "16M"]);
    assert!(refused_at(&bounded.probe(&["fill", "one", "200"]), "EFBIG") <= 16);
    let script = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do $probe fill f$n 12; sleep 0.2; done; echo survived";
    let out = bounded.sh(script);
    assert_eq!(out.code, 137, "{out:?}");
    out.said_last(&["disk", "16M"]);
    let blocks: u64 = fs::read_dir(world.project())
        .unwrap()
        .map(|e| e.unwrap().metadata().unwrap().blocks())
        .sum();
    assert!(
        blocks * 512 < 128 << 20,
        "{} MiB were written",
        (blocks * 512) >> 20
    );
}

/// Escapes 101: a file that is large by its length only.
#[test]
fn e101_sparse_file() {
    let world = World::new();
    let bounded = world.sandbox().flags(["--disk", "16M"]);
    for place in ["sparse", "/tmp/sparse"] {
        assert_eq!(bounded.probe(&["sparse", place, "1024"]), "EFBIG", "{place}");
    }
}

/// Escapes 101: inodes of the private places are bounded without being asked.
#[test]
fn e101_inodes() {
    let world = World::new();
    for place in ["/tmp", "/dev/shm", "/"] {
        let line = world.probe(&["room", place, "0"]);
        let inodes: u64 = line.trim_start_matches("ok ").parse().unwrap();
        assert!((1..=2 << 20).contains(&inodes), "{place}: {line}");
    }
}

/// Escapes 101: descriptors, as many as were allowed, down to few.
#[test]
fn e101_descriptors() {
    let world = World::new();
    for most in [256usize, 64, 16] {
        let bounded = world.sandbox().flags(["--open-files", &most.to_string()]);
        assert_eq!(
            refused_at(&bounded.probe(&["open_files", "2000"]), "EMFILE"),
            most - 3
        );
    }
}

/// Escapes 102: a flood of output passes, whole, without piling up in fumehood.
#[test]
fn e102_output_flood() {
    let world = World::new();
    let mut flood = world
        .sandbox()
        .under(["sh", "-c", "\"$@\" | { sleep 1; wc -c; }", "sh"])
        .start(&["sh", "-c", "echo $$ > ready; yes | head -c 200M"]);
    flood.await_file(&world.project().join("ready"));
    assert_eq!(flood.wait().ended(0), (200 << 20).to_string());
}

/// Escapes 102: a reader that goes away ends the writer, as it would outside.
#[test]
fn e102_reader_that_leaves() {
    let world = World::new();
    let out = world
        .sandbox()
        .under(["sh", "-c", "\"$@\" | head -c 3", "sh"])
        .run(&["yes"]);
    assert_eq!(out.ended(0), "y\ny");
    assert!(out.took < Duration::from_secs(5));
}

/// Escapes 102: a run without end, and one that computes without end.
#[test]
fn e102_never_ending_run() {
    let world = World::new();
    let bounded = world.sandbox().flags(["--timeout", "500ms"]);
    let bounded = if bounded.run(&["true"]).code == 125 {
        world.sandbox().flags(["--timeout", "1s"])
    } else {
        bounded
    };
    for script in [
        "sleep 30",
        "while :; do :; done",
        "trap '' TERM INT HUP; while :; do sleep 0.1; done",
    ] {
        let out = bounded.sh(script);
        assert_eq!(out.ended(124), "", "{script}");
        out.said_last(&["timeout", "--timeout"]);
        assert!(out.took < Duration::from_secs(3), "{script}: {:?}", out.took);
    }
}

/// Codex 47: the host answers while a sandbox burns what it may.
#[test]
fn codex47_host_stays_responsive() {
    let world = World::new();
    let ready = world.project().join("ready");
    let script = "echo x > ready; for n in 1 2 3 4; do (while :; do :; done) & done; wait";
    let mut burning = world
        .sandbox()
        .flags(["--timeout", "3s", "--pids", "64"])
        .start(&["sh", "-c", script]);
    burning.await_file(&ready);
    let begun = Instant::now();
    let mut text = String::new();
    fs::File::open("/proc/self/status")
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(world.sh("echo hello").ended(0), "hello");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(burning.wait().code, 124);
}
