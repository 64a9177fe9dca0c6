//! Limits on real processes, by whatever back end this machine and user have: the tests assert that each limit is
//! held and reported by the one that is in force. Run as root, they also run themselves as an unprivileged user,
//! once with groups delegated to it and once without any (`users.rs`).
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up must fail")]
#![expect(
    clippy::disallowed_methods,
    reason = "the programs that are put under limits are started here"
)]

mod place;
mod users;
mod work;

use fumehood_limits::{
    Backend, Error, Group, Limit, Limits, Struck, Watchdog, Watched, clean, probe, sweep_stale, units,
};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use work::Work;

const MIB: u64 = 1 << 20;

/// Whether cgroups must hold here; `None` when this is run by hand as an ordinary user, where both are right.
fn cgroups_expected() -> Option<bool> {
    match std::env::var("LIMITS_TEST_EXPECT").ok().as_deref() {
        Some("cgroup") => Some(true),
        Some("none") => Some(false),
        _ => rustix::process::geteuid().is_root().then_some(true),
    }
}

/// Makes the group and asserts that the back end is of the expected kind.
fn group(limits: &Limits) -> Group {
    let group = Group::create(limits, "test").unwrap();
    for limit in [Limit::Memory, Limit::Cpus, Limit::Pids] {
        if let (Some(backend), Some(expected)) = (group.in_force().get(limit), cgroups_expected()) {
            assert_eq!(is_cgroup(backend), expected, "{}", group.in_force());
        }
    }
    group.verify().unwrap();
    group
}

fn is_cgroup(backend: Backend) -> bool {
    matches!(backend, Backend::CgroupV1 | Backend::CgroupV2)
}

fn memory(size: u64) -> Limits {
    Limits {
        memory: Some(size),
        ..Limits::default()
    }
}

#[test]
fn a_memory_bomb_is_stopped_and_named() {
    let limits = memory(64 * MIB);
    let group = group(&limits);
    let bomb = Work::start("memory 256").enter(&group, &limits);
    let (status, said) = bomb.end();
    assert!(!said.contains("reached 256"), "{said}");
    if is_cgroup(group.in_force().memory.unwrap()) {
        assert_eq!(status.signal(), Some(9), "{said}");
        assert_eq!(group.struck().unwrap().limit, Limit::Memory);
        assert!(group.usage().memory_peak.is_none_or(|peak| peak <= 64 * MIB));
    } else {
        assert!(said.contains("refused"), "{said}");
    }
    group.remove().unwrap();
}

#[test]
fn what_stays_under_the_limit_is_left_alone() {
    let limits = Limits {
        pids: Some(32),
        ..memory(128 * MIB)
    };
    let group = group(&limits);
    let (status, said) = Work::start("memory 32").enter(&group, &limits).end();
    assert!(status.success() && said.contains("reached 32"), "{said}");
    assert_eq!(group.struck(), None);
}

/// As the supervisor watches it where no limit is set: no group, the machine uses more than this ceiling anyway.
#[test]
fn a_ceiling_for_memory_strikes() {
    let none = Limits::default();
    let group = group(&none);
    let pair = Work::start("pair 48").enter(&group, &none);
    let watched = Watched {
        init: pair.pid(),
        ceiling: Some(64 * MIB),
        ..Watched::default()
    };
    let mut dog = Watchdog::start(&none, group.in_force(), &watched, Instant::now())
        .unwrap()
        .unwrap();
    let struck = pair.until(|| dog.tick(Instant::now()));
    assert_eq!(struck.limit, Limit::Memory);
    pair.kill_tree();
}

#[test]
fn memory_of_several_processes_is_summed() {
    let limits = memory(64 * MIB);
    let group = group(&limits);
    let pair = Work::start("pair 48").enter(&group, &limits);
    let struck = if is_cgroup(group.in_force().memory.unwrap()) {
        pair.until(|| group.struck())
    } else {
        let watched = Watched {
            init: pair.pid(),
            ..Watched::default()
        };
        let mut dog = Watchdog::start(&limits, group.in_force(), &watched, Instant::now())
            .unwrap()
            .unwrap();
        pair.until(|| dog.tick(Instant::now()))
    };
    assert_eq!(struck.limit, Limit::Memory);
    pair.kill_tree();
}

#[test]
fn a_fork_bomb_is_refused_and_named() {
    let limits = Limits {
        pids: Some(32),
        ..Limits::default()
    };
    let group = group(&limits);
    let (_, said) = Work::start("forks 200").enter(&group, &limits).end();
    let number = |word: &str| -> u64 {
        let after = said.split_once(word).unwrap_or_else(|| panic!("{said}")).1;
        after.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert!(number("started") < 32, "{said}");
    assert!(number("refused") >= 168, "{said}");
    if is_cgroup(group.in_force().pids.unwrap()) {
        let struck = group.struck().unwrap();
        assert_eq!(
            struck,
            Struck {
                limit: Limit::Pids,
                times: struck.times
            }
        );
        assert!(struck.times >= 168, "{}", struck.times);
    }
}

#[test]
fn a_busy_loop_gets_its_share() {
    let limits = Limits {
        cpus: units::cpus("0.5").ok(),
        ..Limits::default()
    };
    let group = match Group::create(&limits, "test") {
        Ok(group) => group,
        Err(Error::Unenforceable {
            limit: Limit::Cpus,
            reasons,
        }) => {
            assert_ne!(cgroups_expected(), Some(true), "{reasons:?}");
            assert_eq!(reasons.len(), 3, "{reasons:?}");
            return;
        }
        Err(other) => panic!("{other}"),
    };
    let (status, said) = Work::start("burn 1500").enter(&group, &limits).end();
    assert!(status.success(), "{said}");
    let used: f64 = said
        .split_once("used ")
        .unwrap()
        .1
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let share = used / 1500.0;
    assert!(share > 0.0 && share <= 0.62, "two threads used {share} of a CPU");
    assert!(
        group
            .usage()
            .cpu
            .is_none_or(|cpu| cpu <= Duration::from_millis(1000)),
        "{:?}",
        group.usage()
    );
}

#[test]
fn killing_leaves_nothing() {
    for limits in [
        memory(512 * MIB),
        Limits {
            pids: Some(300),
            ..Limits::default()
        },
    ] {
        let group = group(&limits);
        let storm = Work::start("storm").enter(&group, &limits);
        let dirs: Vec<PathBuf> = group.janitor_paths().iter().map(Into::into).collect();
        if dirs.is_empty() {
            assert_ne!(cgroups_expected(), Some(true));
            storm.kill_tree();
            continue;
        }
        let inside = storm.until(|| Some(place::processes(&dirs)).filter(|all| all.len() > 30));
        group.kill().unwrap();
        assert_eq!(place::processes(&dirs), Vec::<i32>::new());
        assert!(inside.iter().all(|pid| !work::is_alive(*pid)));
        group.remove().unwrap();
        assert!(dirs.iter().all(|dir| !dir.exists()));
    }
}

#[test]
fn the_descriptor_is_the_leaf() {
    let group = group(&memory(64 * MIB));
    let Some(fd) = group.cgroup2_fd() else {
        assert_ne!(
            cgroups_expected(),
            Some(true),
            "every machine with cgroups has version 2 mounted"
        );
        return;
    };
    let leaf = group.janitor_paths().iter().next().unwrap().to_path_buf();
    assert_eq!(
        rustix::fs::fstat(fd).unwrap().st_ino,
        rustix::fs::stat(&leaf).unwrap().st_ino
    );
}

/// Both in one test: a sweep takes whatever it finds.
#[test]
fn what_a_killed_supervisor_leaves_is_cleaned_and_swept() {
    let living = group(&memory(64 * MIB));
    for by_janitor in [true, false] {
        let (dirs, inside) = killed_supervisor();
        assert_eq!(
            dirs.is_empty(),
            living.janitor_paths() == [].into_iter().collect()
        );
        assert!(dirs.iter().all(|dir| dir.exists()), "{dirs:?}");
        if by_janitor {
            clean(&dirs.iter().cloned().collect()).unwrap();
            clean(&dirs.iter().cloned().collect()).unwrap();
        } else {
            assert!(sweep_stale().unwrap() >= dirs.len());
        }
        assert!(dirs.iter().all(|dir| !dir.exists()), "{dirs:?}");
        assert!(dirs.is_empty() || !work::is_alive(inside));
        work::kill(inside);
    }
    assert!(
        living.janitor_paths().iter().all(|dir| dir.exists()),
        "a living supervisor's group is left"
    );
    living.verify().unwrap();
}

/// The group a supervisor left at `kill -9`, and the process that was in it.
fn killed_supervisor() -> (Vec<PathBuf>, i32) {
    let supervisor = Work::start("supervise").release();
    let said = supervisor.read_until("ready");
    let of = |word: &'static str| {
        said.lines()
            .filter_map(move |line| Some(line.split_once(word)?.1.to_string()))
    };
    let dirs = of("dir ").map(PathBuf::from).collect();
    let inside = of("inside ").next().unwrap().parse().unwrap();
    drop(supervisor);
    assert!(work::is_alive(inside));
    (dirs, inside)
}

#[test]
fn plain_paths_are_enough_to_kill_in_every_kind_of_hierarchy() {
    let owns = ["freezer", "pids", "memory", ""]
        .into_iter()
        .filter_map(place::own);
    let owns: Vec<PathBuf> = owns.filter(|_| cgroups_expected() == Some(true)).collect();
    assert_eq!(owns.is_empty(), cgroups_expected() != Some(true));
    for own in owns {
        let dir = own.join(format!("limits-test-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let storm = Work::start("storm");
        std::fs::write(dir.join("cgroup.procs"), storm.pid().to_string()).unwrap();
        let storm = storm.release();
        let dirs = vec![dir.clone()];
        let inside = storm.until(|| Some(place::processes(&dirs)).filter(|all| all.len() > 30));
        clean(&dirs.into_iter().collect()).unwrap();
        assert!(
            !dir.exists() && inside.iter().all(|pid| !work::is_alive(*pid)),
            "{own:?}"
        );
    }
}

#[test]
fn a_process_that_is_not_there_is_not_added() {
    let group = group(&Limits {
        pids: Some(9),
        ..Limits::default()
    });
    if group.janitor_paths().iter().next().is_some() {
        let failed = group.add(i32::MAX).and_then(|()| group.add_cgroup2(i32::MAX));
        assert!(matches!(failed, Err(Error::Add { pid: i32::MAX, .. })));
    }
}

#[test]
fn every_limit_is_probed() {
    let found = probe();
    assert_eq!(
        found.iter().map(|finding| finding.limit).collect::<Vec<_>>(),
        Limit::ALL
    );
    let held = found.iter().filter(|finding| finding.backend.is_ok()).count();
    match cgroups_expected() {
        Some(true) => assert_eq!(held, 6, "{found:?}"),
        Some(false) => assert_eq!(held, 5, "{found:?}"),
        None => assert!(held >= 5, "{found:?}"),
    }
}
