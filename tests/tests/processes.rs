//! Other processes and their memory: escapes 24, 38–54, codex 22, 23, 25, 32, srt 65–67.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{World, host_program, is_root, probe, processes_named, settle};
use std::time::Duration;

/// Escapes 24: the first process must not keep what the caller's environment held.
#[test]
fn e024_environment_of_the_supervisor() {
    let world = World::new();
    let run = world.sandbox().env("FAKE_API_TOKEN", "canary-in-the-environment");
    let out = run.sh(
        "for f in /proc/[0-9]*/environ /proc/1/auxv; do $probe search canary-in-the-environment $f; done",
    );
    assert!(!out.text().contains("found"), "{}", out.text());
    assert!(
        out.text().contains("EACCES"),
        "the first process's can be read: {}",
        out.text()
    );
}

/// Escapes 38, srt “ptrace(1)”: tracing a process outside, and the first one inside.
#[test]
fn e038_ptrace_of_a_host_process() {
    let world = World::new();
    let victim = world.far.victim();
    // PTRACE_SEIZE, PTRACE_ATTACH
    for request in ["0x4206", "16"] {
        for pid in [victim.as_str(), "1"] {
            world.assert_refused(&["call", "ptrace", request, pid, "0", "0"], &["EPERM"]);
        }
    }
}

/// Escapes 39: a host process's memory. As a control the probe reads it outside.
#[test]
fn e039_memory_of_a_host_process() {
    let world = World::new();
    let victim = world.far.victim();
    world.assert_walled(&["process_vm_readv", &victim], &["EPERM"]);
    world.assert_walled(&["read", &format!("/proc/{victim}/status")], &["ENOENT"]);
    for file in ["mem", "maps", "environ", "root/etc/passwd", "cwd/."] {
        world.assert_refused(&["read", &format!("/proc/{victim}/{file}")], &["ENOENT"]);
    }
}

/// Escapes 40: stealing a descriptor.
#[test]
fn e040_pidfd_getfd() {
    let world = World::new();
    world.assert_walled(&["call", "pidfd_open", &world.far.victim(), "0"], &["ESRCH"]);
    world.assert_refused(&["call", "pidfd_getfd", "0", "0", "0"], &["EPERM"]);
}

/// Escapes 41, codex 25, srt 66: signals out, by every call that sends one.
#[test]
fn e041_signals_to_host_processes() {
    let world = World::new();
    let victim = world.far.victim();
    let group = format!("-{victim}");
    world.assert_walled(&["call", "kill", &victim, "0"], &["ESRCH"]);
    world.assert_refused(&["call", "kill", &victim, "9"], &["ESRCH"]);
    world.assert_refused(&["call", "kill", &group, "9"], &["ESRCH"]);
    world.assert_refused(&["call", "tgkill", &victim, &victim, "9"], &["ESRCH"]);
    world.assert_refused(
        &["call", "rt_sigqueueinfo", &victim, "15", "+128"],
        &["ESRCH", "EPERM"],
    );
    world.assert_refused(&["pidfd_signal", &victim, "9"], &["ESRCH"]);
    // To all there are: only the sandbox's own processes hear it.
    let out = world.sh("trap 'echo heard' TERM; $probe signal_everyone 15; echo after");
    assert!(out.text().contains("heard"), "{}", out.text());
}

/// Escapes 42: the kernel sends the signal in one's name. As a control it ends a process outside.
#[test]
fn e042_signal_by_file_owner() {
    let world = World::new();
    let mut control = host_program("sleep").arg("60").spawn().unwrap();
    assert_eq!(world.control(&["fowner", &control.id().to_string()]), "ok armed");
    assert!(!control.wait().unwrap().success());
    world.assert_refused(&["fowner", &world.far.victim()], &["ESRCH", "EPERM"]);
}

/// Escapes 43: the side controls of a process.
#[test]
fn e043_side_controls_of_a_host_process() {
    let world = World::new();
    let victim = world.far.victim();
    let calls: [&[&str]; 7] = [
        &["prlimit64", &victim, "7", "0", "+16"],
        &["prlimit64", &victim, "7", "+16", "0"],
        &["sched_setaffinity", &victim, "8", "+8"],
        &["sched_setscheduler", &victim, "3", "+4"],
        &["setpriority", "0", &victim, "19"],
        &["ioprio_set", "1", &victim, "0x6000"],
        &["migrate_pages", &victim, "64", "+8", "+8"],
    ];
    for call in calls {
        world.assert_refused(&[&["call"], call].concat(), &["ESRCH", "ENOSYS"]);
    }
    world.assert_refused(&["call", "kcmp", &victim, "1", "0", "0", "0"], &["EPERM"]);
    world.assert_refused(
        &["call", "process_madvise", "0", "+16", "1", "20", "0"],
        &["EPERM"],
    );
}

/// Escapes 44: joining a namespace of the host.
#[test]
fn e044_setns_to_a_host_namespace() {
    let world = World::new();
    for kind in ["net", "mnt", "user", "pid"] {
        world.assert_refused(
            &["read", &format!("/proc/{}/ns/{kind}", world.far.victim())],
            &["ENOENT"],
        );
        world.assert_refused(&["read", &format!("/proc/1/ns/{kind}")], &["EACCES"]);
    }
    world.assert_refused(&["call", "setns", "0", "0"], &["EPERM"]);
}

/// Escapes 45: climbing from a namespace of one's own.
#[test]
fn e045_parent_of_a_namespace() {
    let world = World::new();
    for kind in ["user", "pid"] {
        world.assert_refused(&["namespace_parent", kind], &["EPERM"]);
    }
}

/// Escapes 46: the first process was forked from the supervisor; its memory is out of reach.
#[test]
fn e046_memory_of_the_first_process() {
    let world = World::new();
    for file in ["mem", "maps", "environ", "auxv", "stack", "syscall"] {
        world.assert_refused(
            &["read", &format!("/proc/1/{file}")],
            &["EACCES", "EPERM", "ENOENT"],
        );
    }
    world.assert_refused(&["process_vm_readv", "1"], &["EPERM"]);
    world.assert_refused(
        &["call", "process_vm_writev", "1", "+16", "1", "+16", "1", "0"],
        &["EPERM"],
    );
}

/// What the caller typed is not in the first process either.
#[test]
fn e046_command_line_of_the_first_process() {
    let world = World::new();
    let sandbox = world.sandbox().flags(["--env", "TYPED=by-the-caller"]);
    let out = sandbox.run(&["sh", "-c", "tr -d '\\0' </proc/1/cmdline"]);
    assert_eq!(out.ended(0), "fumehood");
}

/// Escapes 47, 48, codex 23, srt 67: two forks, a session of its own, deaf to every polite signal.
#[test]
fn e047_daemon_that_ignores_signals() {
    let world = World::new();
    let mark = format!("fh-dmn{}", std::process::id());
    let out = world
        .sandbox()
        .run(&[probe().as_os_str(), "daemon".as_ref(), mark.as_ref()]);
    assert_eq!(out.ended(0), "ok left behind");
    assert!(out.took < Duration::from_secs(5), "{:?}", out.took);
    assert_eq!(settle(|| processes_named(&mark)), [0; 0], "the daemon lives on");
}

/// Escapes 47, codex 23: a shell's background job.
#[test]
fn e047_background_job() {
    let world = World::new();
    let mark = format!("61.{}", std::process::id());
    let out = world.sh(format!("(setsid sleep {mark} &) ; sleep {mark} & exit 0"));
    out.ended(0);
    assert!(out.took < Duration::from_secs(5), "{:?}", out.took);
    assert_eq!(settle(|| processes_named(&mark)), [0; 0]);
}

/// Escapes 49: somebody reaps.
#[test]
fn e049_zombies_are_reaped() {
    let world = World::new();
    assert_eq!(world.probe(&["zombies", "200"]), "ok 0");
}

/// Escapes 50, 51: ending or stopping what supervises, from inside.
#[test]
fn e050_kill_the_supervisor() {
    let world = World::new();
    for signal in ["KILL", "STOP", "TERM", "INT", "HUP", "SEGV", "USR1", "TSTP"] {
        let out = world.sh(format!(
            "kill -{signal} 1; kill -{signal} $PPID; sleep 0.05; echo still here"
        ));
        assert_eq!(out.ended(0), "still here", "{signal}");
    }
}

/// Escapes 52: another name for a program is the same program.
#[test]
fn e052_indirect_execution() {
    let world = World::new();
    let secret = world.home().join(".ssh/id_rsa").display().to_string();
    let out = world.sh(format!(
        "$(ls /lib64/ld-linux* /lib/ld-linux* 2>/dev/null | head -1) /bin/cat {secret}; /proc/self/root/bin/cat {secret}; \
         printf '#!/bin/cat\\n' > s; chmod +x s; ./s {secret}; true"
    ));
    assert!(!out.text().contains("canary"), "{}", out.text());
    assert_eq!(
        out.errors().matches("No such file or directory").count(),
        3,
        "{}",
        out.errors()
    );
}

/// Escapes 53: a program without a path. The walls do not depend on one.
#[test]
fn e053_execution_from_memory() {
    let world = World::new();
    let secret = world.home().join(".ssh/id_rsa").display().to_string();
    let run = world.sandbox();
    let out = run.run(&[
        probe().to_str().unwrap(),
        "exec_from_memory",
        "/bin/cat",
        &secret,
        "/proc/self/comm",
    ]);
    assert!(
        out.errors().contains("No such file or directory"),
        "{}",
        out.errors()
    );
    assert!(
        !out.text().contains("canary") && !out.text().is_empty(),
        "{}",
        out.text()
    );
}

/// Codex 25, srt 65: only the sandbox's own processes are to be seen.
#[test]
fn codex25_only_own_processes() {
    let world = World::new();
    let out = world.sh("ls /proc | grep -E '^[0-9]+$' | wc -l; ls -d /proc/[0-9]*/ | head -1; echo $PPID");
    let text = out.ended(0);
    let mut lines = text.lines();
    let count: usize = lines.next().unwrap_or_default().parse().unwrap();
    assert!(count <= 8, "{text}");
    assert_eq!(lines.collect::<Vec<_>>(), ["/proc/1/", "1"]);
}

/// Codex 26, srt 68, 69: what the kernel says of a process inside, root's sandboxes included.
#[test]
fn codex26_status_of_a_process() {
    let world = World::new();
    let out = world.sh("grep -E '^(NoNewPrivs|Cap|Seccomp:)' /proc/self/status | tr -s '\\t ' ' '; id -u");
    let none = "0000000000000000";
    let expected = format!(
        "CapInh: {none}\nCapPrm: {none}\nCapEff: {none}\nCapBnd: {none}\nCapAmb: {none}\nNoNewPrivs: 1\nSeccomp: 2"
    );
    let text = out.ended(0);
    let (status, uid) = text.rsplit_once('\n').unwrap();
    assert_eq!(status, expected);
    assert_ne!(uid, "0", "the program believes it is root");
}

/// Root's sandboxes do not run as root on the host: files that only root may read stay unread, and
/// the process has a private id there (review-security F16).
#[test]
fn started_by_root_it_is_not_root() {
    let world = World::new();
    world.assert_refused(&["read", "/etc/shadow"], &["EACCES"]);
    let ready = world.project().join("ready");
    let mut running = world.sandbox().start(&["sh", "-c", "echo $$ > ready; sleep 3"]);
    running.await_file(&ready);
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let outer: u32 = field(&status, "Uid:");
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.pid())).unwrap();
    let uids: Vec<u32> = children
        .split_whitespace()
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok())
        .map(|status| field(&status, "Uid:"))
        .collect();
    if is_root() {
        assert_eq!(outer, 0);
        assert!(
            uids.iter().any(|uid| (0x7000_0000..0x8000_0000).contains(uid)),
            "{uids:?}"
        );
    } else {
        assert!(uids.iter().all(|uid| *uid == outer), "{uids:?}");
    }
}

fn field(status: &str, name: &str) -> u32 {
    let line = status.lines().find(|l| l.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// `--user 0`: the number, never the privilege.
#[test]
fn user_zero_has_no_privilege() {
    let world = World::new();
    let run = world.sandbox().flags(["--user", "0"]);
    assert_eq!(
        run.sh("id -u; touch a; grep CapEff /proc/self/status | cut -f2")
            .ended(0),
        "0\n0000000000000000"
    );
    assert_eq!(run.probe(&["read", "/etc/shadow"]), "EACCES");
    assert_eq!(
        run.probe(&["call", "mount", "@x", "@/tmp", "@tmpfs", "0", "0"]),
        "EPERM"
    );
}

/// Codex 32: what programs need: semaphores in shared memory, pools, socket pairs.
#[test]
fn codex32_multiprocessing_works() {
    let world = World::new();
    let script = "import multiprocessing as m\nif __name__ == '__main__':\n  with m.Pool(2) as p: print(p.map(abs, [-1, -2]))\n  l = m.Lock(); l.acquire(); print('ok')";
    assert_eq!(
        world.sandbox().run(&["python3", "-c", script]).ended(0),
        "[1, 2]\nok"
    );
    assert_eq!(world.probe(&["pair_works"]), "ok hello");
}

/// srt 76: a session of its own, so that nothing inside shares the caller's job control.
#[test]
fn srt76_own_session() {
    let world = World::new();
    let control = world.control(&["session"]);
    assert_ne!(world.probe(&["session"]), control);
}
