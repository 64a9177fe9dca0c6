//! Limits: each is held, says that it was, and by how much.

use fumehood_tests::{OuterTerminal, World, groups_of, is_root, probe, settle};
use std::time::Duration;

/// Wall time: 124, one line, and how to raise it.
#[test]
fn timeout_ends_with_124() {
    let world = World::new();
    let out = world.sandbox().flags(["--timeout", "1s"]).run(&["sleep", "30"]);
    out.refused(124, &["timeout", "1s", "--timeout"]);
    // No sooner, and not by itself.
    assert!((1..30).contains(&out.took.as_secs()), "{:?}", out.took);
}

/// A limit that is not reached changes nothing.
#[test]
fn limits_that_are_not_reached() {
    let world = World::new();
    let flags = [
        "--timeout",
        "1h30m",
        "--memory",
        "1G",
        "--pids",
        "200",
        "--disk",
        "100M",
        "--open-files",
        "200",
    ];
    let out = world.live().flags(flags).sh("echo hello > f; cat f; exit 5");
    assert_eq!(out.ended(5), "hello");
    assert_eq!(out.errors(), "");
}

/// Processors: half of one. Where no control group can hold a rate, the run is refused with the
/// reason, not started without the limit.
#[test]
fn cpus_are_held_or_refused() {
    let world = World::new();
    let run = world.sandbox().flags(["--cpus", "0.5"]);
    let out = run.run(&[probe().to_str().unwrap_or_default(), "busy", "3"]);
    if out.code == 125 {
        assert!(!is_root(), "root has control groups: {}", out.errors());
        out.refused(125, &["cpu"]);
        return;
    }
    let share: u32 = out.ended(0).trim_start_matches("ok ").parse().unwrap_or(1000);
    assert!(share <= 75, "used {share} % of a processor");
}

/// Whether this account can make control groups: root can, others where some were delegated to them.
fn by_groups(world: &World) -> bool {
    let words = [fumehood_tests::fumehood().into_os_string(), "doctor".into()];
    let table = world.sandbox().start_words(&words).wait().text();
    let memory = table.lines().find(|line| line.contains("limit memory"));
    let held = memory.is_some_and(|line| line.contains("held by cgroup"));
    assert!(held || !is_root(), "root has control groups: {table}");
    held
}

/// The group of a run is gone when the run is, however it ended.
#[test]
fn no_group_is_left() {
    let world = World::new();
    let flags = ["--memory", "64M", "--pids", "50"];
    for script in ["true", "exit 3", "kill -9 $$", "setsid sleep 55 & exit 0"] {
        let out = world.sandbox().flags(flags).sh(script);
        assert!(out.code < 140, "{out:?}");
        assert_eq!(
            settle(|| groups_of(out.pid)),
            [""; 0].map(std::path::PathBuf::from),
            "{script}"
        );
    }
    let out = world
        .sandbox()
        .flags(flags)
        .run(&[probe().to_str().unwrap_or_default(), "memory", "300"]);
    // Without a control group the greedy process is refused memory and lives.
    assert_eq!(out.code, if by_groups(&world) { 137 } else { 0 });
    assert_eq!(
        settle(|| groups_of(out.pid)),
        [""; 0].map(std::path::PathBuf::from)
    );
}

/// Root's runs are held by control groups here, where the machine has them: a limit by rlimit alone
/// would count other sandboxes' processes too.
#[test]
fn groups_exist_while_a_run_of_root_does() {
    let world = World::new();
    let ready = world.project().join("ready");
    let mut running = world
        .sandbox()
        .flags(["--memory", "64M", "--pids", "50"])
        .start(&["sh", "-c", "echo x > ready; sleep 20"]);
    running.await_file(&ready);
    let groups = groups_of(running.pid());
    assert_eq!(groups.is_empty(), !by_groups(&world), "{groups:?}");
}

/// Two sandboxes of the same user do not count against each other.
#[test]
fn process_limits_are_per_sandbox() {
    let world = World::new();
    let ready = world.project().join("ready");
    let script = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 20 & done; echo x > ready; wait";
    let mut other = world
        .sandbox()
        .flags(["--pids", "20"])
        .start(&["sh", "-c", script]);
    other.await_file(&ready);
    let out = world
        .sandbox()
        .flags(["--pids", "20"])
        .sh("sleep 0.1 & sleep 0.1 & sleep 0.1 & sleep 0.1 & sleep 0.1 & wait; echo fine");
    assert_eq!(out.ended(0), "fine");
    assert_eq!(out.errors(), "");
}

/// A limit written in a way that is not read: which one, and how it is written.
#[test]
fn wrong_quantities() {
    let world = World::new();
    let wrong = [
        ("--memory", "lots"),
        ("--memory", "0"),
        ("--memory", "-1"),
        ("--memory", "2 G"),
        ("--memory", "1e9"),
        ("--cpus", "many"),
        ("--cpus", "0"),
        ("--pids", "1.5"),
        ("--pids", "0"),
        ("--disk", "5X"),
        ("--timeout", "soon"),
        ("--timeout", "0s"),
        ("--timeout", "1h1h"),
        ("--open-files", "x"),
        ("--memory", "99999999999999999999G"),
    ];
    for (flag, value) in wrong {
        // Joined, so that a dash in the value is no flag.
        world
            .sandbox()
            .flags([format!("{flag}={value}")])
            .run(&["touch", "started"])
            .refused(125, &[flag]);
        assert!(!world.project().join("started").exists(), "{flag} {value}");
    }
}

/// The time counts from the start of the command and not of the machine: a long limit does not
/// overflow.
#[test]
fn longest_timeout() {
    let world = World::new();
    let out = world
        .sandbox()
        .flags(["--timeout", "10000h"])
        .deadline(Duration::from_secs(5))
        .run(&["true"]);
    assert_eq!(out.ended(0), "");
}

/// A program that stops itself stops its supervisor as a shell's job, and not the time it has.
#[test]
fn stopping_oneself_does_not_stop_the_time() {
    let world = World::new();
    let sandbox = world.sandbox().flags(["--timeout", "2s"]);
    let mark = format!("64.{}", std::process::id());
    let script = format!("echo ready; kill -STOP $$; exec sleep {mark}");
    let mut terminal = OuterTerminal::run(&sandbox, &["sh", "-c", &script]);
    terminal.await_text("ready");
    assert!(
        terminal.await_stop(Duration::from_secs(2)),
        "the run is not stopped"
    );
    assert_eq!(terminal.wait(), 124, "{}", terminal.screen());
    let seen = String::from_utf8_lossy(&terminal.seen()).into_owned();
    assert!(seen.contains("--timeout"), "{seen:?}");
    assert!(terminal.modes_restored(), "the terminal is left raw");
    assert_eq!(settle(|| fumehood_tests::processes_named(&mark)), [0; 0]);
}
