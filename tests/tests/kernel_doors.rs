//! Doors into the kernel: escapes 87–98, codex 26–28, srt 70–75.

use fumehood_tests::World;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Escapes 87, codex 27, srt 70: capabilities over new namespaces, by all three calls.
#[test]
fn e087_nested_namespaces() {
    let world = World::new();
    // NEWUSER, NEWNS, NEWPID, NEWNET, NEWIPC, NEWUTS, NEWCGROUP
    for flag in [
        "0x10000000",
        "0x20000",
        "0x20000000",
        "0x40000000",
        "0x8000000",
        "0x4000000",
        "0x2000000",
    ] {
        world.assert_refused(&["call", "unshare", flag], &["EPERM"]);
        world.assert_refused(&["child_namespaces", flag], &["EPERM"]);
    }
    world.assert_refused(&["call", "unshare", "0x80"], &["EPERM"]);
    world.assert_refused(&["call", "clone3", "+88", "88"], &["ENOSYS"]);
    let out = world.sh("unshare -Ur true");
    assert!(
        out.errors().contains("Operation not permitted"),
        "{}",
        out.errors()
    );
}

/// Escapes 88 (CVE-2022-0492): control groups with a release agent.
#[test]
fn e088_cgroup_release_agent() {
    let world = World::new();
    for kind in ["@cgroup", "@cgroup2"] {
        world.assert_refused(&["call", "mount", "@x", "@/tmp", kind, "0", "0"], &["EPERM"]);
    }
    world.assert_refused(&["list", "/sys/fs/cgroup"], &["ENOENT"]);
}

/// Escapes 89, srt 73: paths that the kernel runs as root.
#[test]
fn e089_helpers_the_kernel_runs() {
    let world = World::new();
    let helpers = [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/kernel/hotplug",
        "/proc/sys/kernel/poweroff_cmd",
        "/proc/sys/fs/binfmt_misc/register",
        "/proc/sysrq-trigger",
        "/proc/sys/vm/overcommit_memory",
        "/sys/kernel/uevent_helper",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/proc/irq/0/smp_affinity",
    ];
    for helper in helpers {
        world.assert_refused(&["open_write", helper], &["EROFS", "EACCES", "ENOENT"]);
    }
}

/// Escapes 90: where core_pattern is a pipe, a crash inside starts root's code outside. A limit of 1
/// keeps the kernel from it (core(5)); 0 does where it is a file.
#[test]
fn e090_crash_handler_of_the_host() {
    let world = World::new();
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let out = world.sh("$probe crash; ulimit -Hc");
    let text = out.ended(0);
    let hard = text.lines().last().unwrap();
    let allowed: &[&str] = if pattern.starts_with('|') {
        &["1"]
    } else {
        &["0", "1"]
    };
    assert!(allowed.contains(&hard), "core limit {hard}, pattern {pattern}");
    assert_eq!(world.project_files(), [""; 0], "a core file in the project");
}

/// Escapes 91, codex 28: calls that exploits lean on.
#[test]
fn e091_bpf_perf_and_userfaultfd() {
    let world = World::new();
    world.assert_refused(&["call", "bpf", "0", "+128", "128"], &["EPERM"]);
    world.assert_refused(&["call", "bpf", "5", "+128", "128"], &["EPERM"]);
    world.assert_refused(
        &["call", "perf_event_open", "+128", "0", "-1", "-1", "0"],
        &["EPERM"],
    );
    world.assert_refused(&["call", "userfaultfd", "1"], &["EPERM"]);
}

/// Escapes 92, codex 28: administration.
#[test]
fn e092_administration() {
    let world = World::new();
    let calls: [&[&str]; 21] = [
        &["init_module", "+8", "8", "@"],
        &["finit_module", "0", "@", "0"],
        &["delete_module", "@x", "0"],
        &["kexec_load", "0", "0", "0", "0"],
        &["kexec_file_load", "0", "0", "0", "0", "0"],
        &["swapon", "@/x", "0"],
        &["swapoff", "@/x"],
        &["acct", "@/tmp/x"],
        // LINUX_REBOOT_CMD_CAD_OFF: the one command that would change nothing that matters.
        &["reboot", "0xfee1dead", "672274793", "0", "0"],
        &["iopl", "3"],
        &["ioperm", "0", "1", "1"],
        &["settimeofday", "0", "0"],
        &["clock_settime", "0", "0"],
        &["adjtimex", "+208"],
        &["sethostname", "@evil", "4"],
        &["setdomainname", "@evil", "4"],
        &["quotactl", "0", "0", "0", "0"],
        &["syslog", "2", "+64", "64"],
        &["syslog", "10", "0", "0"],
        &["vhangup"],
        &["lookup_dcookie", "0", "+64", "64"],
    ];
    for call in calls {
        world.assert_refused(&[&["call"], call].concat(), &["EPERM"]);
    }
    world.assert_refused(&["call", "personality", "0x0400000"], &["EPERM"]);
    assert_eq!(world.probe(&["call", "personality", "0xffffffff"]), "ok 0");
}

/// Escapes 93: layout and activity of the whole machine.
#[test]
fn e093_kernel_information() {
    let world = World::new();
    for file in [
        "/proc/kcore",
        "/proc/timer_list",
        "/proc/slabinfo",
        "/proc/kmsg",
        "/dev/kmsg",
        "/proc/vmallocinfo",
        "/proc/kpageflags",
        "/dev/mem",
        "/proc/keys",
        "/proc/key-users",
        "/proc/sched_debug",
    ] {
        world.assert_refused(&["read", file], &["EACCES", "EPERM", "ENOENT"]);
    }
    let out = world.sh("awk '$1 !~ /^0+$/' /proc/kallsyms | head -1; awk '{print $1}' /proc/iomem | grep -v '^0*-0*$' | head -1");
    assert_eq!(out.ended(0), "", "kernel addresses are readable");
}

/// Escapes 94, codex 28: the same calls by other doors: the 32-bit gate and x32 numbers.
#[test]
#[cfg(target_arch = "x86_64")]
fn e094_compat_abis() {
    let world = World::new();
    assert!(
        world.control(&["compat", "20"]).starts_with("ok"),
        "20 is getpid there"
    );
    // getpid; unshare; mount; ptrace
    for number in ["20", "310", "21", "26"] {
        let out = world
            .sandbox()
            .run(&[fumehood_tests::probe().to_str().unwrap(), "compat", number]);
        assert!(
            out.code == 128 + libc::SIGSYS || out.text() == "ENOSYS" || out.text() == "EPERM",
            "{out:?}"
        );
    }
    for number in ["39", "272", "165", "101"] {
        let out = world
            .sandbox()
            .run(&[fumehood_tests::probe().to_str().unwrap(), "x32", number]);
        assert!(
            out.code == 128 + libc::SIGSYS || out.text() == "ENOSYS" || out.text() == "EPERM",
            "{out:?}"
        );
    }
}

/// Escapes 95 (CVE-2019-10063): a compare of 64 bits where the kernel takes 32.
#[test]
fn e095_ioctl_with_high_bits() {
    let world = World::new();
    // TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS
    for request in ["0x5412", "0x541c", "0x5423", "0x541d"] {
        world.assert_refused(&["type_for_user", request], &["EPERM"]);
        world.assert_refused(
            &["type_for_user", &request.replace("0x", "0x10000")],
            &["EPERM", "ENOTTY"],
        );
        world.assert_refused(
            &["type_for_user", &request.replace("0x", "0x100000000000")],
            &["EPERM"],
        );
    }
}

/// Escapes 96: calls whose arguments a filter cannot read are refused whole, and programs fall back.
#[test]
fn e096_arguments_in_memory() {
    let world = World::new();
    world.assert_refused(&["call", "clone3", "+64", "64"], &["ENOSYS"]);
    world.assert_refused(&["call", "openat2", "-100", "@.", "+24", "24"], &["ENOSYS"]);
    let threads = "import threading\nt=threading.Thread(target=print,args=('ran',));t.start();t.join()";
    assert_eq!(world.sandbox().run(&["python3", "-c", threads]).ended(0), "ran");
}

/// Escapes 98: more than one's share by asking.
#[test]
fn e098_priorities_and_limits() {
    let world = World::new();
    let out = world.sh("before=$(cat /proc/self/oom_score_adj); echo -900 > /proc/self/oom_score_adj; nice -n -5 nice; cat /proc/self/oom_score_adj | grep -v -- -900");
    assert!(out.text().ends_with('0'), "{}", out.text());
    assert!(
        out.errors().contains("Permission denied") || out.errors().contains("I/O error"),
        "{}",
        out.errors()
    );
    world.assert_refused(&["call", "setpriority", "0", "0", "-5"], &["EPERM", "EACCES"]);
    // SCHED_FIFO, SCHED_RR
    for policy in ["1", "2"] {
        world.assert_refused(
            &["call", "sched_setscheduler", "0", policy, "+4"],
            &["EPERM", "EINVAL"],
        );
    }
    // IOPRIO_CLASS_RT
    world.assert_refused(&["call", "ioprio_set", "1", "0", "0x2000"], &["EPERM"]);
    let bounded = world.sandbox().flags(["--open-files", "64"]);
    assert_eq!(bounded.probe(&["limit_raise", "7"]), "EPERM");
}

/// A host name of its own; the host's stays hidden.
#[test]
fn host_name_is_its_own() {
    let world = World::new();
    assert_eq!(
        world.sh("uname -n; cat /proc/sys/kernel/hostname").ended(0),
        "fumehood\nfumehood"
    );
}

/// Seen from outside, nothing was written where the kernel keeps its settings: a control of the
/// writes above.
#[test]
fn settings_of_the_host_are_unchanged() {
    let before = fs::metadata("/proc/sys/kernel/core_pattern").unwrap().mode();
    let text = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let world = World::new();
    world.sh("echo '|/evil' > /proc/sys/kernel/core_pattern; chmod 777 /proc/sys/kernel/core_pattern");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), text);
    assert_eq!(
        fs::metadata("/proc/sys/kernel/core_pattern").unwrap().mode(),
        before
    );
}
