//! The weaker level, programs that bring a sandbox of their own, and machines that allow less: each
//! is named, none is taken silently.

use fumehood_tests::{SECRETS, World, is_root, probe, processes_named, settle};
use std::fs;

fn landlock(world: &World) -> fumehood_tests::Sandboxed<'_> {
    world.sandbox().flags(["--isolation", "landlock"])
}

/// As root the command would be root on the host, with only rules on paths between.
#[test]
fn landlock_is_not_for_root() {
    let world = World::new();
    let out = landlock(&world).run(&["touch", "made"]);
    if is_root() {
        out.refused(125, &["landlock", "root"]);
        assert!(!world.project().join("made").exists());
    } else {
        assert_eq!(out.ended(0), "");
        assert!(world.project().join("made").exists());
    }
}

/// The level is named weaker where a person or a program can read it.
#[test]
fn landlock_is_named_weaker() {
    if is_root() {
        return; // refused
    }
    let world = World::new();
    let out = landlock(&world).flags(["--verbose"]).run(&["true"]);
    assert!(
        out.said()
            .iter()
            .any(|l| l.contains("landlock") && l.contains("weaker")),
        "{}",
        out.errors()
    );
}

/// Files outside the grants answer EACCES; the project is written.
#[test]
fn landlock_holds_files() {
    if is_root() {
        return; // refused
    }
    let world = World::new();
    let run = landlock(&world);
    for secret in SECRETS {
        let path = world.home().join(secret);
        assert_eq!(run.probe(&["read", path.to_str().unwrap()]), "EACCES", "{secret}");
    }
    for place in [
        world.outside().join("file"),
        world.sibling().join("source.txt"),
        world.home().join(".bashrc"),
    ] {
        assert_eq!(
            run.probe(&["append", place.to_str().unwrap()]),
            "EACCES",
            "{}",
            place.display()
        );
    }
    assert_eq!(run.probe(&["append", "/tmp/fumehood-test-planted"]), "EACCES");
    assert_eq!(run.probe(&["list", world.home().to_str().unwrap()]), "EACCES");
    assert_eq!(run.sh("echo x > made && cat made").ended(0), "x");
}

/// No socket at all, AF_UNIX included: there is no network namespace, and no rule on paths of
/// sockets (review-security F20).
#[test]
fn landlock_refuses_sockets() {
    if is_root() {
        return; // refused
    }
    let world = World::new();
    let run = landlock(&world);
    for (family, kind) in [
        ("1", "1"),
        ("1", "2"),
        ("2", "1"),
        ("2", "2"),
        ("10", "1"),
        ("16", "3"),
        ("40", "1"),
    ] {
        let refused = run.probe(&["call", "socket", family, kind, "0"]);
        assert!(
            ["EPERM", "EAFNOSUPPORT"].contains(&refused.as_str()),
            "family {family}: {refused}"
        );
    }
    assert_eq!(run.probe(&["tcp", "127.0.0.1", &world.far.tcp4()]), "EPERM");
    assert_eq!(
        run.probe(&["unix", world.outside().join("socket").to_str().unwrap()]),
        "EPERM"
    );
    assert_eq!(run.probe(&["pair_works"]), "ok hello");
}

/// Processes of the host are out of reach, and descendants end with the run.
#[test]
fn landlock_holds_processes() {
    if is_root() {
        return; // refused
    }
    let world = World::new();
    let run = landlock(&world);
    let victim = world.far.victim();
    for words in [
        vec!["call", "kill", &victim, "9"],
        vec!["pidfd_signal", &victim, "9"],
        vec!["call", "ptrace", "16", &victim, "0", "0"],
    ] {
        assert_eq!(run.probe(&words), "EPERM", "{words:?}");
    }
    for file in ["environ", "mem", "maps"] {
        let refused = run.probe(&["read", &format!("/proc/{victim}/{file}")]);
        assert_eq!(refused, "EACCES", "{file}");
    }
    let side_controls: [&[&str]; 3] = [
        &["prlimit64", &victim, "7", "+16", "0"],
        &["setpriority", "0", &victim, "19"],
        &["sched_setaffinity", &victim, "8", "+8"],
    ];
    for call in side_controls {
        let refused = run.probe(&[&["call"], call].concat());
        assert!(
            ["EPERM", "EACCES", "ESRCH"].contains(&refused.as_str()),
            "{call:?}: {refused}"
        );
    }
    let mark = format!("fh-lld{}", std::process::id());
    assert_eq!(
        run.run(&[probe().to_str().unwrap(), "daemon", &mark]).ended(0),
        "ok left behind"
    );
    assert_eq!(settle(|| processes_named(&mark)), [0; 0]);
}

/// A pair of datagram sockets is made without socket(2), and one end of it reaches any socket of the host.
#[test]
fn landlock_makes_no_datagram_pair() {
    let world = World::new();
    let name = world.far.abstract_datagram();
    assert_eq!(world.control(&["datagram_pair", &name]), "ok sent");
    let _the_control = world.far.visitors();
    if is_root() {
        assert_eq!(
            world.probe(&["datagram_pair", &name]),
            "ok made a pair, then ECONNREFUSED"
        );
        return; // the level is refused
    }
    assert_eq!(landlock(&world).probe(&["datagram_pair", &name]), "EPERM");
    // Pairs of streams, which every shell's programs use, work.
    assert_eq!(
        landlock(&world).probe(&["pair_works"]).split(' ').next(),
        Some("ok")
    );
}

/// What this level cannot do is refused, not ignored.
#[test]
fn landlock_refuses_what_it_cannot_do() {
    let world = World::new();
    fs::write(world.project().join(".env"), "x").unwrap();
    landlock(&world)
        .flags(["--hide", ".env"])
        .run(&["touch", "made"])
        .refused(125, &["landlock"]);
    landlock(&world)
        .flags(["--nested"])
        .run(&["touch", "made"])
        .refused(125, &["landlock"]);
    assert!(!world.project().join("made").exists());
}

const BWRAP: [&str; 7] = ["bwrap", "--ro-bind", "/", "/", "--unshare-all", "--dev", "/dev"];
const INNER: [&str; 4] = ["--", "sh", "-c", "echo inner; cat ~/.ssh/id_rsa"];

/// A program that brings its own sandbox: refused with an error it understands, unless allowed.
#[test]
fn nested_sandboxes() {
    let world = World::new();
    let command = [&BWRAP[..], &INNER].concat();
    let refused = world.sandbox().run(&command);
    assert_ne!(refused.code, 0);
    let words = [
        "Operation not permitted",
        "No permissions to create new namespace",
    ];
    assert!(
        words.iter().any(|w| refused.errors().contains(w)),
        "{}",
        refused.errors()
    );
    assert_eq!(world.sandbox().flags(["--nested"]).run(&command).text(), "inner");
}

/// As most programs do it, with a /proc of the inner one's own.
#[test]
fn nested_sandboxes_with_their_own_proc() {
    let world = World::new();
    let command = [&BWRAP[..], &["--proc", "/proc"], &INNER].concat();
    let out = world.sandbox().flags(["--nested"]).run(&command);
    assert_eq!(out.text(), "inner", "{}", out.errors());
}

/// With `--nested` the outer walls stay: no secret, no network, no device, no ring.
#[test]
fn nested_keeps_the_walls() {
    let world = World::new();
    let run = world.sandbox().flags(["--nested"]);
    assert_eq!(
        run.probe(&["read", world.home().join(".ssh/id_rsa").to_str().unwrap()]),
        "ENOENT"
    );
    for words in [
        &["call", "io_uring_setup", "4", "+120"][..],
        &["call", "bpf", "0", "+128", "128"],
        &["call", "keyctl", "0", "-4", "0"],
    ] {
        let refused = run.probe(words);
        assert!(
            ["EPERM", "ENOSYS"].contains(&refused.as_str()),
            "{words:?}: {refused}"
        );
    }
    assert_eq!(
        run.probe(&["tcp", "127.0.0.1", &world.far.tcp4()]),
        "ECONNREFUSED"
    );
    let out = run.sh("unshare -Urm sh -c 'mount -t tmpfs x /mnt 2>/dev/null; mount -o remount,bind,rw /usr; umount -l /proc/keys; touch /usr/planted; cat /proc/keys' ; unshare -Urn true && echo made");
    assert!(
        !out.text().contains("planted") && !std::path::Path::new("/usr/planted").exists(),
        "{out:?}"
    );
    assert!(!out.text().contains("keyring"), "{out:?}");
}

/// Starts fumehood where `preparation` was done: in a user namespace in which the caller is root.
fn in_user_namespace(world: &World, preparation: &str) -> fumehood_tests::Output {
    let script = format!("{preparation}; exec \"$@\"");
    let words = ["unshare", "-Urmpf", "--mount-proc", "sh", "-ec", &script, "sh"];
    world.sandbox().under(words).run(&["touch", "made"])
}

/// User namespaces are switched off: one line, nothing started, nothing weaker taken.
#[test]
fn user_namespaces_switched_off() {
    let world = World::new();
    let out = in_user_namespace(&world, "echo 0 > /proc/sys/user/max_user_namespaces");
    out.refused(125, &["max_user_namespaces"]);
    assert!(!world.project().join("made").exists());
}

/// As above for a user who is not root in it.
#[test]
fn user_namespaces_switched_off_for_a_user() {
    let world = World::new();
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"";
    let user = [
        "unshare",
        "-U",
        "--map-current-user",
        "--keep-caps",
        "sh",
        "-ec",
        script,
        "sh",
    ];
    let out = world.sandbox().under(user).run(&["touch", "made"]);
    out.refused(125, &["max_user_namespaces"]);
    assert!(!world.project().join("made").exists());
}

/// A masked /proc, as container engines make it: no fresh one can be mounted.
#[test]
fn masked_proc_as_in_a_container() {
    let world = World::new();
    let script = format!(
        "{} call mount @/dev/null @/proc/timer_list 0 4096 0; exec \"$@\"",
        probe().display()
    );
    let user: &[&str] = if is_root() {
        &[]
    } else {
        &["-U", "--map-current-user", "--keep-caps"]
    };
    let words = [
        &["unshare", "-mpf", "--mount-proc"],
        user,
        &["sh", "-ec", &script, "sh"],
    ]
    .concat();
    let out = world.sandbox().under(words).run(&["touch", "made"]);
    assert_eq!(out.text(), "ok 0", "the mask is on");
    assert_eq!((out.code, out.said().len()), (125, 1), "{}", out.errors());
    out.said_last(&["/proc"]);
    assert!(!world.project().join("made").exists());
}

/// A rootless container: root there is no root here, and has few ids to give away. It works, or one
/// line says why not.
#[test]
fn root_of_a_user_namespace() {
    let world = World::new();
    let out = in_user_namespace(&world, "true");
    if out.code != 0 {
        out.refused(125, &["user namespace"]);
        assert!(
            out.said()[0].contains("root") || out.said()[0].contains("ids"),
            "the cause is not told: {}",
            out.errors()
        );
        assert!(!world.project().join("made").exists());
    }
}

/// F16: root in a container, whose files lie on an overlay: the kernel maps no owners there, and the run stops
/// with that reason, in both ways to write. Users' owners are never mapped.
#[test]
fn a_project_whose_owners_cannot_be_mapped() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let place = world.own("runtime").join("container");
    let script = format!(
        "cd {0}; mkdir lower upper work merged; mount -t overlay o -o lowerdir=lower,upperdir=upper,workdir=work merged
         cd merged; exec \"$@\"",
        place.display()
    );
    for flag in ["--apply=never", "--live"] {
        fs::create_dir(&place).unwrap();
        let words = ["unshare", "-m", "sh", "-ec", &script, "sh"];
        let out = world.sandbox().under(words).flags([flag]).run(&["touch", "made"]);
        let made = place.join("upper/made").exists();
        fs::remove_dir_all(&place).unwrap();
        out.refused(125, &["map the owners", "ordinary user"]);
        assert!(!made, "{flag}");
    }
}

/// A container's filter that refuses new namespaces: fumehood's own, without `--nested`, is one.
#[test]
fn namespaces_refused_by_a_filter() {
    let world = World::new();
    let program = fumehood_tests::fumehood();
    // Without FUMEHOOD in its environment it cannot tell that the sandbox around it is one of ours.
    let words = [
        "env",
        "-u",
        "FUMEHOOD",
        program.to_str().unwrap(),
        "run",
        "--",
        "touch",
        "made",
    ];
    let out = world
        .sandbox()
        .flags(["--ro", program.to_str().unwrap()])
        .run(&words);
    assert_eq!(out.code, 125, "{}", out.errors());
    assert_eq!(out.errors().lines().count(), 1, "{}", out.errors());
    assert!(!world.project().join("made").exists());
}

/// A kernel without Landlock: everything else stands, the run says that it is a wall short, also where nobody
/// sits at a terminal, and it is recorded; the level that is made of it is refused.
#[test]
fn a_kernel_without_landlock_is_told() {
    let world = World::new();
    let words = ["/usr/bin/python3", "-c", RESTRICTED, "landlock"];
    let probe = probe();
    let shown = ["--ro", probe.to_str().unwrap()];
    let without = world.sandbox().under(words).flags(shown);
    let out = without.run(&[probe.to_str().unwrap(), "landlock_version"]);
    assert_eq!(out.ended(0), "ok 0", "there is one");
    assert_eq!(out.said().len(), 1, "{out:?}");
    out.said_last(&["weaker", "no Landlock"]);
    let program = fumehood_tests::fumehood();
    let asked = [
        program.to_str().unwrap(),
        "audit",
        "query",
        "--kind",
        "session.start",
        "--json",
    ];
    let recorded = world.sandbox().start_words(&asked).wait().ended(0);
    assert!(recorded.contains("\"landlock\":0"), "{recorded}");
    let by_name = world.sandbox().under(words).flags(["--isolation", "landlock"]);
    by_name.run(&["touch", "made"]).refused(125, &["andlock"]); // root may not at all
    assert!(!world.project().join("made").exists());
    // With it nothing is said.
    assert!(world.sandbox().run(&["true"]).said().is_empty());
}

/// Hosts that have less; see there.
const RESTRICTED: &str = include_str!("../../packaging/test/restricted.py");
