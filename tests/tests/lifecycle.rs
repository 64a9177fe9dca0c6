//! A run's life and end: codex 21–24, 54, srt 78, escapes 47–50 from outside.

use fumehood_tests::{
    OuterTerminal, World, await_that, children, groups_of, is_root, processes_named, settle, settle_within,
};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A number that no other process has in its command line.
fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "63.{}{:03}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Codex 22: `kill -9` of the supervisor ends everything inside, daemons included.
fn dies_with_its_supervisor(flags: &[&str]) {
    let world = World::new();
    let (mark, ready) = (mark(), world.project().join("ready"));
    let script = format!(
        "trap '' TERM HUP INT; sleep {mark} & (setsid sh -c 'trap \"\" TERM HUP INT; sleep {mark}' &) ; \
         (setsid nohup sleep {mark} >/dev/null 2>&1 &); echo x > ready; wait"
    );
    let mut running = world.sandbox().flags(flags).start(&["sh", "-c", &script]);
    running.await_file(&ready);
    assert!(processes_named(&mark).len() >= 3);
    let pid = running.pid();
    running.signal("KILL");
    assert_eq!(settle(|| processes_named(&mark)), [0; 0], "processes live on");
    assert_eq!(
        settle(|| groups_of(pid)),
        Vec::<PathBuf>::new(),
        "control groups live on"
    );
    // The waiting shows that nobody holds the streams any more.
    assert_eq!(running.wait().code, 137);
    assert!(world.project_files().iter().all(|f| f == "ready"));
}

#[test]
fn codex22_kill_9_of_the_supervisor() {
    dies_with_its_supervisor(&[]);
}

#[test]
fn codex22_kill_9_with_limits() {
    dies_with_its_supervisor(&["--memory", "128M", "--pids", "100", "--timeout", "1h"]);
}

#[test]
fn codex22_kill_9_at_level_landlock() {
    if is_root() {
        return; // refused: see isolation_levels::landlock_is_not_for_root
    }
    dies_with_its_supervisor(&["--isolation", "landlock"]);
    // An orphan that is made at once, again and again: somebody adopts it before the first process looks.
    for _ in 0..20 {
        let world = World::new();
        let (mark, ready) = (mark(), world.project().join("ready"));
        let script = format!("(trap '' TERM HUP INT; sleep {mark} &); echo x > ready; sleep {mark}");
        let sandbox = world.sandbox().flags(["--isolation", "landlock"]);
        let mut running = sandbox.start(&["sh", "-c", &script]);
        running.await_file(&ready);
        running.signal("KILL");
        assert_eq!(settle(|| processes_named(&mark)), [0; 0], "an orphan lives on");
        running.wait();
    }
}

/// The first process of a sandbox has the name of the binary.
const FIRST: &str = "fumehood";

/// As above for every process that fumehood itself started: whichever is killed, nothing inside
/// goes on without it but where the run can, and nothing stays.
#[test]
fn kill_9_of_each_helper() {
    for victim in [FIRST, "fumehood-execs", "fumehood-log", "fumehood-clean"] {
        let world = World::new();
        let (mark, ready) = (mark(), world.project().join("ready"));
        let mut running = world.sandbox().flags(["--memory", "128M"]).start(&[
            "sh",
            "-c",
            &format!("echo x > ready; exec sleep {mark}"),
        ]);
        running.await_file(&ready);
        let pid = running.pid();
        // The janitor is there where there are groups. Before a helper has its name it has the binary's.
        let mut expected = vec![FIRST, "fumehood-execs", "fumehood-log"];
        expected.extend((!groups_of(pid).is_empty()).then_some("fumehood-clean"));
        expected.sort_unstable();
        let names = || {
            let mut names: Vec<String> = children(pid).into_iter().map(|(name, _)| name).collect();
            // It comes once a run has lasted a moment, which on a busy machine is before this is looked at.
            names.retain(|name| name != "fumehood-edits");
            names.sort();
            names
        };
        await_that("the helpers have their names", || names() == expected);
        // A shell that is still to execute it would say that it cannot.
        await_that("it sleeps", || fumehood_tests::descendant(pid, "sleep").is_some());
        let Some((_, child)) = children(pid).into_iter().find(|(name, _)| name == victim) else {
            assert_eq!(victim, "fumehood-clean");
            continue; // there are no groups
        };
        let killed = fumehood_tests::host_program("kill")
            .args(["-9", &child.to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        match victim {
            // No program can be started any more, or is left: the supervisor ends by itself and says why.
            FIRST | "fumehood-execs" => {}
            // The run goes on without these.
            _ => {
                await_that("it is dead", || is_dead(child));
                assert!(!processes_named(&mark).is_empty(), "{victim}");
                running.signal("TERM");
            }
        }
        let out = running.wait();
        match victim {
            FIRST | "fumehood-execs" => {
                assert_eq!(out.code, 125, "{victim}: {out:?}");
                assert_eq!(out.said().len(), 1, "{victim}: {out:?}");
            }
            _ => assert_eq!(out.code, 143, "{victim}: {out:?}"),
        }
        assert_eq!(settle(|| processes_named(&mark)), [0; 0], "{victim}");
        assert_eq!(settle(|| groups_of(pid)), Vec::<PathBuf>::new(), "{victim}");
    }
}

/// Whether it has ended, also where nobody has waited for it yet.
fn is_dead(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

/// Codex 24: signals to the supervisor reach the command, which decides.
#[test]
fn codex24_signals_are_forwarded() {
    for (name, code) in [
        ("INT", 130),
        ("TERM", 143),
        ("HUP", 129),
        ("QUIT", 131),
        ("USR1", 138),
        ("USR2", 140),
    ] {
        let world = World::new();
        let (mark, ready) = (mark(), world.project().join("ready"));
        let mut running = world
            .sandbox()
            .start(&["sh", "-c", &format!("echo x > ready; exec sleep {mark}")]);
        running.await_file(&ready);
        running.signal(name);
        let out = running.wait();
        assert_eq!(out.ended(code), "", "{name}");
        assert_eq!(settle(|| processes_named(&mark)), [0; 0], "{name}");
    }
}

/// A command that handles a signal ends as it likes.
#[test]
fn codex24_signals_can_be_handled() {
    let world = World::new();
    let ready = world.project().join("ready");
    let script = "trap 'echo cleaned; exit 9' TERM; echo x > ready; while :; do sleep 0.05; done";
    let mut running = world.sandbox().start(&["sh", "-c", script]);
    running.await_file(&ready);
    running.signal("TERM");
    assert_eq!(running.wait().ended(9), "cleaned");
}

/// A signal that comes while the sandbox is being built is not lost, and leaves nothing.
#[test]
fn signal_while_starting() {
    let world = World::new();
    for wait in [0u64, 1, 2, 4, 8] {
        let mark = mark();
        let running = world.sandbox().start(&["sleep", &mark]);
        std::thread::sleep(Duration::from_millis(wait));
        running.signal("TERM");
        let out = running.wait();
        assert_eq!(out.code, 143, "after {wait} ms: {out:?}");
        assert_eq!(settle(|| processes_named(&mark)), [0; 0]);
    }
}

/// A stop from outside and a continuation: the job goes on.
#[test]
fn stop_and_continue() {
    let world = World::new();
    let ready = world.project().join("ready");
    let mut running = world
        .sandbox()
        .start(&["sh", "-c", "echo x > ready; sleep 0.5; echo went on"]);
    running.await_file(&ready);
    running.signal("TSTP");
    std::thread::sleep(Duration::from_millis(200));
    running.signal("CONT");
    assert_eq!(running.wait().ended(0), "went on");
}

/// Codex 23: the end of the command is the end of the run, though children of it go on.
#[test]
fn codex23_returns_at_once() {
    let world = World::new();
    let mark = mark();
    let out = world.sh(format!("sleep {mark} & sleep {mark} & exit 4"));
    assert_eq!(out.ended(4), "");
    assert!(out.took < Duration::from_secs(4), "{:?}", out.took);
    assert_eq!(settle(|| processes_named(&mark)), [0; 0]);
}

/// Codex 54: forty at once in one project; each is its own, and nothing is left.
#[test]
fn codex54_forty_at_once() {
    let mounts = || {
        std::fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .lines()
            .count()
    };
    let (world, before, mark) = (World::new(), mounts(), mark());
    let runs: Vec<_> = (0..40)
        .map(|n| {
            let run = world.live().deadline(Duration::from_secs(60));
            run.start(&[
                "sh",
                "-c",
                &format!("echo {n} > out{n}; echo {n} > /tmp/x; sleep 0.1; cat /tmp/x; : {mark}"),
            ])
        })
        .collect();
    for (n, run) in runs.into_iter().enumerate() {
        assert_eq!(run.wait().ended(0), n.to_string());
    }
    assert_eq!(world.project_files().len(), 40);
    assert_eq!(mounts(), before, "mounts are left");
    assert_eq!(settle(|| processes_named(&mark)), [0; 0]);
}

/// Codex 21, srt 78, 14: nothing is left in the project, whatever the run did or how it ended.
#[test]
fn codex21_no_residue_in_the_project() {
    let world = World::with_repository();
    std::fs::write(world.project().join(".envrc"), "x\n").unwrap();
    std::fs::create_dir(world.project().join(".vscode")).unwrap();
    std::fs::write(world.project().join(".vscode/settings.json"), "{}\n").unwrap();
    let before = world.project_files();
    world
        .sandbox()
        .flags(["--hide", "**/.envrc"])
        .sh("git status --porcelain; ls -la")
        .ended(0);
    world.sandbox().flags(["--timeout", "1s"]).run(&["sleep", "20"]);
    let ready = world.own("state").join("ready");
    let mut running = world
        .sandbox()
        .flags(["--rw", ready.parent().unwrap().to_str().unwrap()])
        .start(&["sh", "-c", &format!("echo x > {}; sleep 20", ready.display())]);
    running.await_file(&ready);
    running.signal("KILL");
    running.wait();
    world.sandbox().run(&["/no/such"]);
    assert_eq!(world.project_files(), before);
    assert_eq!(
        world.git(&world.project(), &["status", "--porcelain", "--ignored"]),
        "?? .envrc\n?? .vscode/\n"
    );
}

/// The caller's terminal goes away: the run goes with it.
#[test]
fn hang_up() {
    let world = World::new();
    let mark = mark();
    let terminal = OuterTerminal::run(
        &world.sandbox(),
        &["sh", "-c", &format!("echo started; exec sleep {mark}")],
    );
    terminal.await_text("started");
    let pid = terminal.pid();
    terminal.hang_up();
    assert_eq!(
        settle(|| processes_named(&mark)),
        [0; 0],
        "lives on without a terminal"
    );
    assert_eq!(settle(|| groups_of(pid)), Vec::<PathBuf>::new());
}

/// A supervisor that is killed while the sandbox is being built: no process of it lives on.
#[test]
fn kill_9_while_starting() {
    for wait in 0..40 {
        let world = World::new();
        let mark = mark();
        let running = world
            .sandbox()
            .flags(["--memory", "128M"])
            .start(&["sleep", &mark]);
        let pid = running.pid();
        // From before the first process exists to after its command runs.
        std::thread::sleep(Duration::from_micros(wait * 250));
        running.signal("KILL");
        assert_eq!(running.wait().code, 137);
        assert_eq!(settle(|| processes_named(&mark)), [0; 0], "after {wait}");
        // Between its group and its janitor there is an instant: what is left then is an empty group,
        // which the next run removes.
        if !settle_within(Duration::from_secs(1), || groups_of(pid)).is_empty() {
            world
                .sandbox()
                .flags(["--memory", "128M"])
                .run(&["true"])
                .ended(0);
        }
        assert_eq!(settle(|| groups_of(pid)), Vec::<PathBuf>::new(), "after {wait}");
        assert!(world.project_files().is_empty());
    }
}

/// The running binary cannot be swapped under a session: nothing is executed from its path again,
/// not for a terminal, not at the end.
#[test]
fn replacing_the_binary_changes_nothing_for_a_run() {
    let world = World::new();
    let folder = std::env::temp_dir().join(format!("fumehood-{}", mark()));
    std::fs::create_dir(&folder).unwrap();
    let (binary, canary) = (folder.join("fumehood"), folder.join("canary"));
    // By another process: a descriptor of ours that writes it, in the fork of a test beside this one, would keep it
    // from being executed (ETXTBSY).
    let copied = fumehood_tests::host_program("cp")
        .args([&fumehood_tests::fumehood(), &binary])
        .status()
        .unwrap();
    assert!(copied.success());
    let script = "echo x > ready; sleep 2; exit 7";
    let mut words = world
        .sandbox()
        .flags(["--memory", "128M"])
        .words(&["sh", "-c", script]);
    words[0] = binary.clone().into_os_string();
    let mut running = world.sandbox().start_words(&words);
    running.await_file(&world.project().join("ready"));
    let other = folder.join("other");
    std::fs::write(
        &other,
        format!("#!/bin/sh\necho swapped > {}\n", canary.display()),
    )
    .unwrap();
    std::fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::rename(&other, &binary).unwrap();
    let ended = running.wait().code;
    let swapped = canary.exists();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(ended, 7);
    assert!(!swapped, "what lay at the binary's path was executed");
}

/// The helpers have given up what they do not need: no new privilege, a filter, no core file, their own
/// few descriptors, none of them traceable.
#[test]
fn helpers_are_confined() {
    let world = World::new();
    let sandbox = world.sandbox().flags(["--memory", "128M"]);
    let mut terminal = OuterTerminal::run(&sandbox, &["sh", "-c", "echo ready; read line"]);
    terminal.await_text("ready");
    let supervisor = terminal.pid();
    // A helper may get its turn after the command.
    await_that("the helpers have their names and walls", || {
        let walled = |pid: i32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.contains("Seccomp:\t2\n")
        };
        let walled: Vec<String> = children(supervisor)
            .into_iter()
            .filter(|(_, pid)| walled(*pid))
            .map(|(name, _)| name)
            .collect();
        let named = |name: &str| walled.iter().any(|w| w == name);
        named("fumehood-execs") && named("fumehood-log") && named("fumehood-tty")
    });
    let children = std::fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children"));
    let mut seen = Vec::new();
    for pid in children.unwrap().split_whitespace() {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
        let name = read("comm").trim().to_owned();
        // The standard three; the sandbox's terminal, the supervisor's orders, the answers to it, signals; two pipes.
        let open = match name.as_str() {
            "fumehood-tty" => 3 + 4,
            "fumehood-clean" => 3 + 2,
            // The listener, a way to record, and the supervisor.
            "fumehood-execs" => 3 + 3,
            // Two who record, and the three files of the log.
            "fumehood-log" => 3 + 2 + 3,
            _ => continue,
        };
        let status = read("status");
        assert!(
            status.contains("NoNewPrivs:\t1\n") && status.contains("Seccomp:\t2\n"),
            "{name}: {status}"
        );
        if name == "fumehood-tty" {
            for none in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert!(
                    status.contains(&format!("{none}:\t0000000000000000\n")),
                    "{status}"
                );
            }
        }
        let limits = read("limits");
        let core = limits
            .lines()
            .find(|l| l.starts_with("Max core file size"))
            .unwrap();
        assert_eq!(
            core.split_whitespace().filter(|w| *w == "0").count(),
            2,
            "{name}: {core}"
        );
        let descriptors = || std::fs::read_dir(format!("/proc/{pid}/fd"));
        if is_root() {
            // Those by which the watcher learns how programs end come and go with these.
            let lasting = || {
                let lasts = |d: &std::fs::DirEntry| {
                    std::fs::read_link(d.path()).is_ok_and(|to| to.as_os_str() != "anon_inode:[pidfd]")
                };
                descriptors().unwrap().flatten().filter(lasts).count()
            };
            // The log's files are opened behind the walls.
            await_that(&format!("{name} has {open} descriptors"), || lasting() == open);
        } else {
            let descriptors = descriptors();
            // Not traceable, also by who started it.
            assert!(descriptors.is_err(), "{name}");
        }
        seen.push(name);
    }
    seen.sort();
    let group = !groups_of(supervisor).is_empty();
    let expected = if group {
        vec!["fumehood-clean", "fumehood-execs", "fumehood-log", "fumehood-tty"]
    } else {
        vec!["fumehood-execs", "fumehood-log", "fumehood-tty"]
    };
    assert_eq!(seen, expected);
    terminal.type_keys(b"\n");
    assert_eq!(terminal.wait(), 0);
}

/// The process that applies by turns reads what a session wrote: it holds no stream of the user's, nothing of the
/// supervisor's, and is in no session of the user's terminal.
#[test]
fn the_process_that_applies_holds_its_own() {
    let world = World::with_repository();
    let sandbox = world.sandbox().flags(["--apply", "turn"]);
    let mut terminal = OuterTerminal::run(&sandbox, &["sh", "-c", "echo ready; echo x > made; read line"]);
    terminal.await_text("ready");
    await_that("the turn", || world.project().join("made").exists());
    let turner = children(terminal.pid())
        .into_iter()
        .find(|(name, _)| name == "fumehood-turn");
    let (_, pid) = turner.unwrap();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut strange = Vec::new();
    for entry in open {
        let Ok(to) = std::fs::read_link(entry.unwrap().path()) else {
            continue;
        };
        let to = to.to_string_lossy().into_owned();
        let own = to == "/dev/null"
            || to.starts_with("pipe:")
            || to.starts_with(world.own("state").to_str().unwrap())
            || to.starts_with(world.project().to_str().unwrap());
        strange.extend((!own).then_some(to));
    }
    assert_eq!(strange, [""; 0]);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // After the name: state, parent, group, session, terminal.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert_eq!((fields[3], fields[4]), (pid.to_string().as_str(), "0"), "{stat}");
    terminal.type_keys(b"\n");
    assert_eq!(terminal.wait(), 0);
}

/// In a pid namespace whose process group began outside of it, as that of a container's first program may: the group has
/// no number there.
#[test]
fn on_a_terminal_in_a_group_without_a_number() {
    if !is_root() {
        return; // takes a pid namespace and no user namespace
    }
    let world = World::new();
    let outer = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let sandbox = world.sandbox().under(outer);
    let mut terminal = OuterTerminal::run(&sandbox, &["echo", "ran inside"]);
    assert_eq!(terminal.wait(), 0, "{}", terminal.screen());
    terminal.await_text("ran inside");
}
