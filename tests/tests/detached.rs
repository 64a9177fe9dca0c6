//! Sessions that go on without the terminal they were started at: created, attached to, resumed, removed.

use fumehood_tests::{OuterTerminal, Output, World, fumehood, processes_named, settle, verb_words};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const IDLE: &str = "trap 'exit 3' TERM; while :; do sleep 0.05; done";

fn verb(world: &World, words: &[&str]) -> Output {
    world.sandbox().verb(words)
}

/// Creates a session that runs this script; its id.
#[track_caller]
fn create(world: &World, flags: &[&str], script: &str) -> String {
    // A test that fails leaves nothing for long.
    let bound: &[&str] = if flags.contains(&"--ttl") {
        &[]
    } else {
        &["--ttl", "60s"]
    };
    let words = [&["create"], bound, flags, &["--", "sh", "-c", script]].concat();
    let id = verb(world, &words).ended(0);
    assert!(!id.contains('\n'), "{id}");
    id
}

#[track_caller]
fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(15), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn output_of(world: &World, id: &str) -> PathBuf {
    world.own("state").join("fumehood/output").join(id).join("output")
}

#[test]
fn it_goes_on_when_its_terminal_is_closed() {
    let world = World::new();
    let line = format!(
        "{} create --name night -- sh -c \"{IDLE}\"; sleep 60",
        fumehood().display()
    );
    let terminal = OuterTerminal::start(&world.sandbox(), &["sh", "-c", &line]);
    await_that("it does not run", || {
        verb(&world, &["ps"]).ended(0).contains("night")
    });
    let json = verb(&world, &["inspect", "night", "--json"]).ended(0);
    let pid = json
        .split("\"pid\":")
        .nth(1)
        .unwrap()
        .trim_end_matches('}')
        .to_owned();
    terminal.hang_up();
    assert_eq!(
        verb(&world, &["exec", "night", "--", "echo", "here"]).ended(0),
        "here"
    );
    // It leads a session of its own, with no terminal and no stream of who started it.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    assert_eq!((fields[3], fields[4]), (pid.as_str(), "0"), "{stat}");
    assert_eq!(verb(&world, &["stop", "night"]).ended(0), "stopped night");
    assert_eq!(verb(&world, &["ps"]).ended(0), "no session runs");
}

#[test]
fn what_does_not_begin_is_told_at_once() {
    let world = World::new();
    verb(&world, &["create", "--", "nowhere"]).refused(127, &["nowhere", "PATH"]);
    verb(&world, &["create", "--name", "0day", "--", "true"]).refused(125, &["--name 0day", "letter"]);
    verb(&world, &["create", "--label", "=x", "--", "true"]).refused(125, &["--label", "KEY=VALUE"]);
    verb(&world, &["create", "--ttl", "long", "--", "true"]).refused(125, &["--ttl", "long"]);
    verb(&world, &["create", "--memory", "1", "--what", "--", "true"]).refused(125, &["--what"]);
    verb(&world, &["run", "--tty", "--", "true"]).refused(125, &["--tty", "-d"]);
    verb(&world, &["run", "-d", "--events", "x", "--", "true"]).refused(125, &["--events"]);
    let one = create(&world, &["--name", "one"], IDLE);
    verb(&world, &["create", "--name", "one", "--", "true"]).refused(125, &["--name one", "runs"]);
    verb(&world, &["stop", &one]).ended(0);
    for words in [
        &["attach"][..],
        &["logs"],
        &["logs", "../x"],
        &["rm", "one/../.."],
        &["resume", "nobody", "--", "true"],
        &["prune", "--older-than", "x"],
    ] {
        verb(&world, words).refused(125, &[]);
    }
}

#[test]
fn several_in_one_project_have_names_labels_and_changes_of_their_own() {
    let world = World::new();
    std::fs::write(world.project().join("both"), "host\n").unwrap();
    let script = |n: &str| format!("echo {n} >both; echo x >only-{n}; {IDLE}");
    create(
        &world,
        &["--name", "a", "--label", "team=red", "--label", "plain"],
        &script("a"),
    );
    create(&world, &["--name", "b", "--label", "team=blue"], &script("b"));
    let red = verb(&world, &["ps", "--label", "team=red"]).ended(0);
    assert!(red.contains(" a ") && !red.contains(" b "), "{red}");
    let all = verb(&world, &["ps", "--json", "--label", "team"]).ended(0);
    assert!(all.contains("\"blue\"") && all.contains("\"red\""), "{all}");
    for n in ["a", "b"] {
        await_that("it does not write", || {
            verb(&world, &["exec", n, "--", "ls"])
                .text()
                .contains(&format!("only-{n}"))
        });
        assert_eq!(verb(&world, &["exec", n, "--", "cat", "both"]).ended(0), n);
        let diff = verb(&world, &["diff", "--session", n, "--name-status"]).ended(0);
        assert!(
            diff.contains(&format!("only-{n}")) && diff.lines().count() == 2,
            "{diff}"
        );
        verb(&world, &["rm", n]).refused(125, &["runs", "fumehood stop"]);
        verb(&world, &["stop", n]).ended(0);
    }
    assert_eq!(
        std::fs::read_to_string(world.project().join("both")).unwrap(),
        "host\n"
    );
    // Both have ended; their changes wait, by name.
    let rest = verb(&world, &["ps", "-a"]).ended(0);
    assert!(
        rest.contains("changes wait") && rest.contains("  a  ") && rest.contains("  b  "),
        "{rest}"
    );
    verb(&world, &["apply", "--session", "a"]).ended(0);
    assert_eq!(
        std::fs::read_to_string(world.project().join("both")).unwrap(),
        "a\n"
    );
    let conflict = verb(&world, &["apply", "--session", "b"]);
    assert!(
        conflict.code == 1 && conflict.errors().contains("conflict: both"),
        "{}",
        conflict.errors()
    );
    verb(&world, &["rm", "b"]).refused(125, &["wait", "--force"]);
    assert_eq!(verb(&world, &["rm", "b", "--force"]).ended(0), "removed b");
    verb(&world, &["diff", "--session", "b"]).refused(125, &["no session b"]);
    let pruned = verb(&world, &["prune"]).ended(0);
    assert!(
        pruned.starts_with("removed 1 session") || pruned.starts_with("removed 2 session"),
        "{pruned}"
    );
}

#[test]
fn what_a_killed_session_changed_is_there_and_is_gone_on_with() {
    let world = World::new();
    create(&world, &["--name", "night"], &format!("echo begun >work; {IDLE}"));
    await_that("it does not write", || {
        verb(&world, &["exec", "night", "--", "cat", "work"]).text() == "begun"
    });
    let json = verb(&world, &["inspect", "night", "--json"]).ended(0);
    let pid: i32 = json
        .split("\"pid\":")
        .nth(1)
        .unwrap()
        .trim_end_matches('}')
        .parse()
        .unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    await_that("it is still there", || {
        verb(&world, &["ps"]).ended(0) == "no session runs"
    });
    let diff = || verb(&world, &["diff", "--session", "night", "--name-status"]);
    await_that("its changes are gone", || diff().text().contains("work"));
    let more = ["resume", "night", "--", "sh", "-c", "cat work; echo more >>work"];
    // What it left may be ending still, and has the layer until then.
    let mut seen = String::new();
    await_that("it is not gone on with", || {
        let out = verb(&world, &more);
        seen = out.text();
        out.code == 0 || !out.errors().contains("is running")
    });
    assert_eq!(seen, "begun");
    verb(&world, &["resume", "night", "--live", "--", "true"]).refused(125, &["--live"]);
    verb(&world, &["apply", "--session", "night"]).ended(0);
    assert_eq!(
        std::fs::read_to_string(world.project().join("work")).unwrap(),
        "begun\nmore\n"
    );
    let elsewhere = world.sandbox().directory(world.sibling());
    let other = elsewhere.verb(&["resume", "night", "--", "true"]);
    other.refused(125, &["another project"]);
}

#[test]
fn what_it_prints_is_kept_and_shown_safely() {
    let world = World::new();
    let script = "printf 'one\\n\\033]0;title\\007\\033[31mred\\033[m\\n'; echo two >&2; until [ -e go ]; do sleep 0.05; done; echo three";
    let id = create(&world, &["--name", "talker", "--live"], script);
    await_that("nothing is printed", || {
        verb(&world, &["logs", "talker"]).text().contains("two")
    });
    let follow = world.sandbox().start_verb(&["logs", "-f", &id]);
    std::fs::write(world.project().join("go"), "x").unwrap();
    let out = follow.wait();
    assert_eq!(out.ended(0).matches("three").count(), 1, "{}", out.text());
    // A pipe gets the bytes, a terminal what cannot act on it.
    let raw = verb(&world, &["logs", &id]);
    assert!(raw.text().contains("\u{1b}]0;title\u{7}"), "{:?}", raw.text());
    let mut terminal = OuterTerminal::start(&world.sandbox(), &verb_words(&["logs", &id]));
    assert_eq!(terminal.wait(), 0);
    let seen = String::from_utf8_lossy(&terminal.seen()).into_owned();
    assert!(
        seen.contains("one") && seen.contains("three") && seen.contains("red"),
        "{seen:?}"
    );
    assert!(!seen.contains("]0;") && !seen.contains("title"), "{seen:?}");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(
        std::fs::metadata(output_of(&world, &id)).unwrap().mode() & 0o777,
        0o600
    );
    assert_eq!(verb(&world, &["rm", &id]).ended(0), format!("removed {id}"));
    assert!(!output_of(&world, &id).exists());
}

#[test]
fn a_terminal_attaches_leaves_and_comes_back() {
    let world = World::new();
    let script =
        "printf 'hello: '; while read word; do echo \"got <$word>\"; [ \"$word\" = end ] && exit 6; done";
    create(&world, &["--name", "shell", "--tty", "--live"], script);
    // What is shown before anybody attaches is in the log; from then on it is there.
    await_that("it does not greet", || {
        verb(&world, &["logs", "shell"]).text().contains("hello:")
    });
    let attach = verb_words(&["attach", "shell"]);
    let mut terminal = OuterTerminal::start(&world.sandbox(), &attach);
    terminal.await_text("Ctrl-\\ leaves");
    terminal.type_keys(b"first\r");
    terminal.await_text("got <first>");
    // Another one is refused meanwhile.
    let mut second = OuterTerminal::start(&world.sandbox(), &attach);
    assert_eq!(second.wait(), 125);
    assert!(String::from_utf8_lossy(&second.seen()).contains("another terminal is attached"));
    terminal.type_keys(&[0x1c]);
    assert_eq!(terminal.wait(), 0);
    assert!(terminal.modes_restored());
    assert!(String::from_utf8_lossy(&terminal.seen()).contains("which goes on"));
    // One that is closed instead leaves it too.
    let mut closed = OuterTerminal::start(&world.sandbox(), &attach);
    closed.await_text("Ctrl-\\ leaves");
    closed.type_keys(b"second\r");
    closed.await_text("got <second>");
    closed.hang_up();
    let mut last = OuterTerminal::start(&world.sandbox(), &attach);
    last.await_text("Ctrl-\\ leaves");
    last.type_keys(b"end\r");
    assert_eq!(last.wait(), 6);
    assert_eq!(verb(&world, &["ps"]).ended(0), "no session runs");
    verb(&world, &["attach", "shell"]).refused(125, &["for a terminal"]);
    create(&world, &["--name", "none", "--live"], IDLE);
    let mut refused = OuterTerminal::start(&world.sandbox(), &verb_words(&["attach", "none"]));
    assert_eq!(refused.wait(), 125);
    assert!(String::from_utf8_lossy(&refused.seen()).contains("no terminal to attach to"));
    verb(&world, &["stop", "none"]).ended(0);
}

/// A program that nobody looks at is not stopped by a full terminal.
#[test]
fn nobody_looks_and_it_goes_on() {
    let world = World::new();
    let script = "head -c 400000 /dev/zero | tr '\\0' x; echo; echo done >done; sleep 60";
    create(&world, &["--name", "loud", "--tty", "--live"], script);
    await_that("it waits for a reader", || world.project().join("done").exists());
    verb(&world, &["stop", "loud"]).ended(0);
}

#[test]
fn its_time_is_up_and_nothing_is_left() {
    let world = World::new();
    let mark = format!("mark-{}", std::process::id());
    let id = create(
        &world,
        &["--ttl", "700ms", "--live"],
        &format!("echo x >begun; exec sh -c 'sleep 100; :' {mark}"),
    );
    let waited = verb(&world, &["wait", &id]);
    // It may be over before anybody waits.
    assert!(
        waited.code == 124 || waited.errors().contains("no session"),
        "{}",
        waited.errors()
    );
    await_that("it lives on", || {
        verb(&world, &["ps"]).ended(0) == "no session runs"
    });
    assert_eq!(settle(|| processes_named(&mark)), Vec::<u32>::new());
    let said = verb(&world, &["logs", &id]).text();
    assert!(said.contains("timeout limit"), "{said}");
}
