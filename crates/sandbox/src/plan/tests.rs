use super::*;
use crate::execute::build;
use crate::kernel::Fd;
use crate::record::Recorder;
use crate::spec::Room;
use proptest::prelude::*;
use std::ffi::CStr;

const ROOM: Room = Room {
    bytes: 1024,
    inodes: 10,
    mode: 0o755,
};

fn bind(from: &CStr, access: Access) -> Entry {
    Entry::Bind {
        from: from.to_owned(),
        access,
        kind: Kind::Directory,
        owner: None,
    }
}

fn device(path: &CStr) -> Entry {
    Entry::Bind {
        from: path.to_owned(),
        access: Access::Device,
        kind: Kind::File,
        owner: None,
    }
}

/// A small sandbox of a user.
fn spec() -> Spec {
    let ids = Ids { uid: 1000, gid: 100 };
    Spec {
        level: Level::Namespace,
        caller: ids,
        root: false,
        inside: ids,
        private: None,
        view: vec![
            (c"/usr".to_owned(), bind(c"/usr", Access::ReadOnly)),
            (c"/bin".to_owned(), Entry::Link(c"usr/bin".to_owned())),
            (c"/home/ann".to_owned(), Entry::Memory(ROOM)),
            (c"/home/ann/p".to_owned(), bind(c"/home/ann/p", Access::ReadWrite)),
            (c"/home/ann/p/.git".to_owned(), Entry::Pin),
            (c"/home/ann/p/.git/hooks".to_owned(), Entry::Protect),
            (c"/home/ann/p/.env".to_owned(), Entry::Hide(Kind::File)),
            (c"/dev/tty".to_owned(), device(c"/dev/tty")),
            (c"/dev/null".to_owned(), device(c"/dev/null")),
            (c"/proc".to_owned(), Entry::Processes),
        ],
        nested: false,
        landlock: 6,
        limits: vec![(4, 0)],
        placed: false,
        boundary: None,
        watched: false,
        terminal: [false; 3],
        command: Command {
            program: c"/usr/bin/true".to_owned(),
            stamp: None,
            arguments: vec![c"true".to_owned()],
            environment: Vec::new(),
            directory: c"/home/ann/p".to_owned(),
        },
    }
}

fn plan(spec: &Spec) -> Plan {
    Plan::new(spec).unwrap()
}

#[test]
fn the_order_for_a_user() {
    insta::assert_snapshot!(plan(&spec()), @r#"
     0 write "deny" to "/proc/self/setgroups"
     1 write "1000 1000 1" to "/proc/self/uid_map"
     2 write "100 100 1" to "/proc/self/gid_map"
     3 let no mount through, in or out
     4 mount a new root, 1048576 bytes, 4096 inodes
     5 make directory ".fumehood" mode 755
     6 make directory ".fumehood/directory" mode 0
     7 make a closed name ".fumehood/file"
     8 make directory ".fumehood/memory" mode 700
     9 make link "bin" to "usr/bin"
    10 make directory "dev" mode 755
    11 show devices ["null", "tty"] at "dev"
    12 make directory "home" mode 755
    13 make directory "home/ann" mode 755
    14 mount memory ".fumehood/memory/0" at "home/ann", mode 755
    15 make directory "home/ann/p" mode 755
    16 show "/home/ann/p" at "home/ann/p", writable
    17 cover "home/ann/p/.env" with ".fumehood/file"
    18 pin "home/ann/p/.git"
    19 make "home/ann/p/.git/hooks" read-only
    20 make directory "proc" mode 755
    21 mount proc at "proc"
    22 shield "proc": cover ["acpi", "kcore", "keys", "key-users", "latency_stats", "sched_debug", "scsi", "timer_list"], make ["bus", "fs", "irq", "sys", "sysrq-trigger"] read-only
    23 make directory "usr" mode 755
    24 show "/usr" at "usr", read-only
    25 name the host "fumehood"
    26 bring loopback up
    27 enter the new root and let go of the old one
    28 make the new root read-only
    29 limit resource 4 to 0
    30 start a new session
    31 drop all capabilities
    32 forbid new privileges
    33 forbid tracing of the first process
    34 enforce Landlock, handled 0xffff scoped 0x3
         0x000d "/"
         0xf7bf "/home/ann"
         0xf7bf "/home/ann/p"
         0x400f "/proc"
         0xc00e "/dev"
    35 load the system call filter
    "#);
}

/// The boundary is made while the process still may, before its capabilities go.
#[test]
fn the_calls_for_a_boundary() {
    let mut spec = spec();
    spec.view.clear();
    spec.boundary = Some(crate::Boundary {
        ports: vec![80, 443],
        host: vec![5432],
        ..Default::default()
    });
    let mut kernel = Recorder::default();
    build(&plan(&spec), &[], Fd(3), &mut kernel).unwrap();
    let from = kernel.calls.iter().position(|c| c == "lo up").unwrap();
    insta::assert_snapshot!(kernel.calls[from..].join("\n"), @r#"
    lo up
    netlink 0 40 bytes
    netlink 0 44 bytes
    netlink 0 64 bytes
    netlink 0 56 bytes
    netlink 12 980 bytes
    socket Host(5432) = 103
    send 103 Host(5432)
    socket Port(53) = 104
    send 104 Port(53)
    socket Names = 105
    send 105 Names
    socket Gate(Transparent) = 106
    send 106 Gate(Transparent)
    fchdir 101, pivot_root, umount2
    mount_setattr 101 read-only
    prlimit 4 0
    setsid
    capset none
    no_new_privs
    not dumpable
    landlock_create_ruleset 0xffff 0x3 = 107
    landlock_add_rule 107 "/" 0xd
    landlock_restrict_self 107
    seccomp
    "#);
}

/// Each lesser way is taken when the one before is refused, and told with the gate; without any there is a
/// listener for each port that policy names.
#[test]
fn what_a_kernel_lacks_is_made_up_for() {
    use crate::spec::{Socket, Way};
    let mut spec = spec();
    for (best, sockets) in [
        (
            Way::Transparent,
            vec![
                Socket::Host(5432),
                Socket::Port(53),
                Socket::Names,
                Socket::Gate(Way::Transparent),
            ],
        ),
        (
            Way::Redirected,
            vec![
                Socket::Host(5432),
                Socket::Port(53),
                Socket::Names,
                Socket::Gate(Way::Redirected),
            ],
        ),
        (
            Way::Ports,
            vec![
                Socket::Port(443),
                Socket::Host(5432),
                Socket::Port(53),
                Socket::Names,
                Socket::Gate(Way::Ports),
            ],
        ),
    ] {
        spec.boundary = Some(crate::Boundary {
            ports: vec![443],
            host: vec![5432],
            best,
        });
        let mut kernel = Recorder::default();
        build(&plan(&spec), &[], Fd(3), &mut kernel).unwrap();
        let made: Vec<&String> = kernel.calls.iter().filter(|c| c.starts_with("socket ")).collect();
        let expected: Vec<String> = sockets.iter().map(|s| format!("socket {s:?} = ")).collect();
        assert!(
            made.len() == expected.len() && made.iter().zip(&expected).all(|(a, b)| a.starts_with(b)),
            "{made:?}"
        );
    }
}

#[test]
fn the_calls_for_a_user_with_a_terminal() {
    let mut spec = spec();
    spec.view = vec![(c"/usr".to_owned(), bind(c"/usr", Access::ReadOnly))];
    spec.terminal = [true; 3];
    let mut kernel = Recorder::default();
    build(&plan(&spec), &[], Fd(3), &mut kernel).unwrap();
    insta::assert_snapshot!(kernel.calls.join("\n"), @r#"
    write "/proc/self/setgroups" "deny"
    write "/proc/self/uid_map" "1000 1000 1\n"
    write "/proc/self/gid_map" "100 100 1\n"
    open / = 100
    mount_setattr 100 private recursive
    fsmount "tmpfs" [("size", "1048576"), ("nr_inodes", "4096"), ("mode", "0755")] writable = 101
    open / = 102
    move_mount 101 to 102
    mkdirat 101 ".fumehood" 755
    mkdirat 101 ".fumehood/directory" 0
    mknodat 101 ".fumehood/file" socket
    mkdirat 101 ".fumehood/memory" 700
    mkdirat 101 "usr" 755
    open_tree -100 "/usr" = 103
    mount_setattr 103 read-only recursive
    move_mount 103 to 101 "usr"
    sethostname "fumehood"
    lo up
    fchdir 101, pivot_root, umount2
    mount_setattr 101 read-only
    prlimit 4 0
    setsid
    open ptmx = 104
    TIOCGPTPEER = 105
    TIOCSCTTY 105
    send 104
    capset none
    no_new_privs
    not dumpable
    landlock_create_ruleset 0xffff 0x3 = 106
    landlock_add_rule 106 "/" 0xd
    landlock_restrict_self 106
    seccomp
    "#);
}

#[test]
fn root_maps_owners_before_and_never_becomes_root() {
    let mut spec = spec();
    spec.caller = Ids { uid: 0, gid: 0 };
    spec.root = true;
    assert_eq!(Plan::new(&spec).unwrap_err(), PlanError::PrivateIds);
    spec.private = Some(Ids {
        uid: 0x7000_0001,
        gid: 0x7000_0001,
    });
    spec.view.truncate(1);
    let text = plan(&spec).to_string();
    assert!(text.starts_with(
        "tree 0: \"/usr\", read-only\n  0 wait for the id mapping\n  1 become user 1000 group 100\n"
    ));
    assert!(text.contains("show tree 0 at \"usr\", read-only"));
    assert_eq!(plan(&spec).mapping, Some((spec.inside, spec.private.unwrap())));
}

#[test]
fn walls_come_after_what_they_forbid_and_the_filter_last() {
    let steps = plan(&spec()).steps;
    let at = |wanted: fn(&Step) -> bool| steps.iter().position(wanted).unwrap();
    let enter = at(|s| matches!(s, Step::EnterRoot));
    let seal = at(|s| matches!(s, Step::SealRoot));
    let capabilities = at(|s| matches!(s, Step::DropCapabilities));
    let landlock = at(|s| matches!(s, Step::Landlock { .. }));
    assert!(enter < seal && seal < capabilities && capabilities < landlock);
    assert!(matches!(steps.last(), Some(Step::Filter)));
    let mounts_after = steps[enter..]
        .iter()
        .any(|s| matches!(s, Step::Bind { .. } | Step::Memory { .. }));
    assert!(!mounts_after);
}

#[test]
fn a_nested_sandbox_gets_no_file_rules_and_says_so_in_the_plan() {
    let mut spec = spec();
    spec.nested = true;
    let landlock = plan(&spec)
        .steps
        .into_iter()
        .find(|s| matches!(s, Step::Landlock { .. }));
    assert_eq!(
        landlock,
        Some(Step::Landlock {
            handled: 0,
            scoped: 3,
            grants: vec![]
        })
    );
}

#[test]
fn landlock_that_would_forbid_renames_is_not_used_for_files() {
    let mut spec = spec();
    spec.landlock = 1;
    assert!(
        !plan(&spec)
            .steps
            .iter()
            .any(|s| matches!(s, Step::Landlock { .. }))
    );
}

#[test]
fn level_landlock_refuses_what_it_cannot_hold() {
    let mut spec = spec();
    spec.level = Level::Landlock;
    assert_eq!(
        Plan::new(&spec).unwrap_err(),
        PlanError::Weaker("hide files below a visible directory (hide)")
    );
    spec.view.retain(|(_, entry)| !matches!(entry, Entry::Hide(_)));
    let plan = Plan::new(&spec).unwrap();
    assert!(!plan.namespaces && plan.filter == Filter::new(crate::Strictness::Landlock));
    spec.landlock = 0;
    assert_eq!(Plan::new(&spec).unwrap_err(), PlanError::NoLandlock);
}

#[test]
fn paths_that_are_not_plain_are_refused() {
    for path in [c"usr", c"/usr/../etc", c"/usr//bin", c"/./x", c""] {
        let mut spec = spec();
        spec.view = vec![(path.to_owned(), Entry::Directory)];
        assert_eq!(Plan::new(&spec).unwrap_err(), PlanError::Path(path.to_owned()));
    }
}

#[test]
fn a_place_is_a_name_in_a_folder_and_holds_what_lies_below_it() {
    let deep = Place::new(c"home/ann/p".to_owned());
    assert_eq!((deep.folder(), deep.name()), (c"home/ann", c"p"));
    let top = Place::new(c"usr".to_owned());
    assert_eq!((top.folder(), top.name()), (c"", c"usr"));
    assert!(deep.holds(c"home/ann/p") && deep.holds(c"home/ann/p/.git"));
    assert!(!deep.holds(c"home/ann") && !deep.holds(c"home/ann/pp") && !deep.holds(c""));
}

/// Each folder is opened once for all that is mounted in it, and again when something lies over it.
#[test]
fn the_calls_for_devices_the_process_filesystem_and_places_below_a_tree() {
    let mut spec = spec();
    let wanted = [
        c"/dev/null",
        c"/dev/tty",
        c"/home/ann/p",
        c"/proc",
        c"/home/ann/p/.git",
    ];
    spec.view.retain(|(at, _)| wanted.contains(&at.as_c_str()));
    spec.view
        .push((c"/home/ann/p/.git/hooks".to_owned(), Entry::Hide(Kind::Directory)));
    spec.view
        .push((c"/home/ann/p/.git/x".to_owned(), Entry::Hide(Kind::File)));
    let mut kernel = Recorder::default();
    build(&plan(&spec), &[], Fd(3), &mut kernel).unwrap();
    let first = kernel
        .calls
        .iter()
        .position(|c| c.contains("mkdirat 101 \"dev\""))
        .unwrap();
    let last = kernel.calls.iter().position(|c| c.contains("\"kcore\"")).unwrap();
    insta::assert_snapshot!(kernel.calls[first..=last].join("\n"), @r#"
    mkdirat 101 "dev" 755
    open "/dev" = 103
    openat2 101 "dev" = 104
    create 104 "null" 444 0 bytes
    open_tree 103 "null" = 105
    move_mount 105 to 104 "null"
    create 104 "tty" 444 0 bytes
    open_tree 103 "tty" = 106
    move_mount 106 to 104 "tty"
    mkdirat 101 "home" 755
    mkdirat 101 "home/ann" 755
    mkdirat 101 "home/ann/p" 755
    open_tree -100 "/home/ann/p" = 107
    mount_setattr 107 writable recursive
    openat2 101 "home/ann" = 108
    move_mount 107 to 108 "p"
    openat2 101 "home/ann/p/.git" = 109
    open_tree 109 "" = 110
    mount_setattr 110 writable recursive
    move_mount 110 to 109
    open_tree 101 ".fumehood/directory" = 111
    mount_setattr 111 read-only recursive
    openat2 101 "home/ann/p/.git" = 112
    move_mount 111 to 112 "hooks"
    open_tree 101 ".fumehood/file" = 113
    mount_setattr 113 read-only recursive
    move_mount 113 to 112 "x"
    mkdirat 101 "proc" 755
    fsmount "proc" [] writable = 114
    move_mount 114 to 101 "proc"
    openat2 101 "proc" = 115
    open_tree 101 ".fumehood/directory" = 116
    mount_setattr 116 read-only recursive
    move_mount 116 to 115 "acpi"
    open_tree 101 ".fumehood/file" = 117
    mount_setattr 117 read-only recursive
    move_mount 117 to 115 "kcore"
    "#);
}

#[test]
fn every_failing_call_is_reported_as_its_step() {
    let plan = plan(&spec());
    let mut whole = Recorder::default();
    build(&plan, &[], Fd(3), &mut whole).unwrap();
    // Files of /proc that a kernel lacks are allowed to be absent; every other failure ends it.
    for n in 0..whole.calls.len() {
        let mut kernel = Recorder::failing_at(n);
        let (step, errno) = build(&plan, &[], Fd(3), &mut kernel).unwrap_err();
        assert_eq!(errno, crate::Errno::PERM);
        assert_eq!(
            kernel.calls.len(),
            n + 1,
            "went on after a failure in {}",
            plan.steps[step]
        );
    }
    assert_eq!(whole.still_open(), [101], "only the new root stays open");
}

/// They lie in a folder of the sandbox's own, laid over the host's: nothing is mounted on a name that the host may replace.
#[test]
fn files_of_a_hosts_folder_are_covered_by_a_layer() {
    let covered = |names: &[&CStr]| {
        let mut spec = spec();
        let files = names
            .iter()
            .map(|name| ((*name).to_owned(), b"own".to_vec()))
            .collect();
        let from = c"/etc".to_owned();
        spec.view = vec![
            (c"/etc".to_owned(), Entry::Covered { from, files }),
            (c"/etc/shadow".to_owned(), Entry::Hide(Kind::File)),
        ];
        spec
    };
    let mut spec = covered(&[c"passwd", c"ssl/certs/a.crt", c"ssl/b"]);
    let of_it = |spec: &Spec| -> Vec<String> {
        let all = plan(spec).steps.into_iter().map(|step| step.to_string());
        all.filter(|s| s.contains(".fumehood/5") || s.contains("etc"))
            .collect()
    };
    let steps = of_it(&spec);
    insta::assert_snapshot!(steps.join("\n"), @r#"
    make directory ".fumehood/5" mode 755
    make file ".fumehood/5/passwd" mode 444 of 3 bytes
    make directory ".fumehood/5/ssl" mode 755
    make file ".fumehood/5/ssl/b" mode 444 of 3 bytes
    make directory ".fumehood/5/ssl/certs" mode 755
    make file ".fumehood/5/ssl/certs/a.crt" mode 444 of 3 bytes
    make directory "etc" mode 755
    show "/etc" at "etc", covered by ".fumehood/5", read-only
    cover "etc/shadow" with ".fumehood/file"
    "#);
    spec.root = true;
    spec.private = Some(Ids {
        uid: 70_000,
        gid: 70_000,
    });
    assert_eq!(of_it(&spec), steps, "root's first process makes it itself, too");
    let mut kernel = Recorder::default();
    build(&plan(&covered(&[c"passwd"])), &[], Fd(3), &mut kernel).unwrap();
    for name in [c"../passwd", c"a/../../b", c"", c"/passwd", c"a//b"] {
        let refused = Plan::new(&covered(&[name]));
        assert!(matches!(refused, Err(PlanError::Path(_))), "{name:?}");
    }
    let mut spec = covered(&[c"passwd"]);
    spec.level = Level::Landlock;
    spec.view.pop();
    assert!(matches!(Plan::new(&spec), Err(PlanError::Weaker(_))));
}

/// Paths of up to four components over a tiny alphabet, so that they nest.
fn path() -> impl Strategy<Value = CString> {
    proptest::collection::vec("[ab]", 1..4).prop_map(|c| CString::new(format!("/{}", c.join("/"))).unwrap())
}

proptest! {
    /// Whatever is asked for: a mount point that is ours exists before it is mounted on, and
    /// nothing is made inside a tree of the host.
    #[test]
    fn mount_points_are_made_where_they_are_ours_and_nowhere_else(
        binds in proptest::collection::vec((path(), any::<bool>()), 1..6),
    ) {
        let mut spec = spec();
        spec.view = binds.iter().map(|(p, memory)| {
            (p.clone(), if *memory { Entry::Memory(ROOM) } else { bind(c"/x", Access::ReadOnly) })
        }).collect();
        let mut made = std::collections::BTreeSet::new();
        let mut mounts = Vec::<(Vec<u8>, bool)>::new();
        for step in plan(&spec).steps {
            let (to, host) = match step {
                Step::Directory(p, _) => {
                    let p = p.into_bytes();
                    prop_assert!(!in_host(&mounts, &p), "made {:?} in a host tree", String::from_utf8_lossy(&p));
                    made.insert(p);
                    continue;
                }
                Step::Memory { to, .. } => (to.path().to_bytes().to_vec(), false),
                Step::Bind { to, .. } => (to.path().to_bytes().to_vec(), true),
                _ => continue,
            };
            prop_assert!(made.contains(&to) || in_host(&mounts, &to));
            mounts.push((to, host));
        }
    }
}

/// Whether the nearest tree mounted above a path is one of the host.
fn in_host(mounts: &[(Vec<u8>, bool)], path: &[u8]) -> bool {
    let below = |top: &[u8]| path.len() > top.len() && path.starts_with(top) && path[top.len()] == b'/';
    let above = mounts
        .iter()
        .filter(|(top, _)| below(top))
        .max_by_key(|(top, _)| top.len());
    above.is_some_and(|(_, host)| *host)
}
