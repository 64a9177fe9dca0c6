//! cgroup v2 (Documentation/admin-guide/cgroup-v2.rst).
//!
//! A cgroup that has processes of its own cannot give controllers to its children ("No Internal Process
//! Constraint"), and ours has at least this process. So the leaf is made there only if the controllers are given out
//! already, otherwise in the nearest ancestor that is delegated to us: a sibling of our own cgroup. The kernel lets
//! us put a process there only if we may write `cgroup.procs` of the common ancestor, which is that ancestor
//! ("Delegation Containment").
//!
//! The constraint does not hold for the controllers that know threads (`cpu`, `pids`): those the kernel does give out,
//! and makes the cgroup the root of a threaded subtree, in which no child takes a process ("domain invalid"; clone3
//! answers `EOPNOTSUPP`). So whoever has processes is not asked, except the root of all, which may have both.
//!
//! In a systemd user session the terminal's own scope lies in `user@UID.service`, which is delegated to the user, so
//! one of its ancestors serves. A login over ssh lies in `session-N.scope`, outside of it: no ancestor is ours, and
//! only systemd could move us (a transient scope, which this crate does not ask for). `systemd-run --user --scope` in
//! front of the command puts it where this works.
//!
//! A leaf in an ancestor is no longer beneath our own cgroup, whose limits would be left behind; so what the cgroups
//! passed over are limited to is set on the leaf too, or the ancestor is not used.

use crate::files::Files;
use crate::hierarchy::Hierarchy;
use crate::limit::{Limit, Limits};
use crate::units::Millicpus;
use std::path::{Path, PathBuf};

/// Length of a period of `cpu.max` in µs: the kernel's default.
const PERIOD: u64 = 100_000;

/// A leaf, and which of the wanted limits it holds.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) dir: PathBuf,
    pub(crate) held: Vec<Limit>,
}

/// Makes the leaf in the nearest place that holds all that is wanted, else the place that holds most.
pub(crate) fn place(
    files: &dyn Files,
    own: &Hierarchy,
    name: &str,
    wanted: &Limits,
) -> Result<Placed, String> {
    let all = wanted.set().count();
    let (mut best, mut passed, mut first) = (None::<Placed>, Limits::default(), None);
    for at in own.upwards() {
        match try_at(files, at, name, wanted, &passed) {
            Ok(placed) if best.as_ref().is_none_or(|b| b.held.len() < placed.held.len()) => {
                discard(files, best.replace(placed));
            }
            Ok(placed) => discard(files, Some(placed)),
            Err(reason) => first = first.or(Some(reason)),
        }
        if best.as_ref().is_some_and(|b| b.held.len() == all) {
            break;
        }
        passed = passed.narrowed_by(&caps_of(files, at));
    }
    best.ok_or_else(|| first.unwrap_or_else(|| "not mounted".into()))
}

fn discard(files: &dyn Files, placed: Option<Placed>) {
    // Empty and just made: if it cannot be removed now, the sweep removes it.
    let _ = placed.map(|placed| files.remove_dir(&placed.dir));
}

fn try_at(
    files: &dyn Files,
    at: &Path,
    name: &str,
    wanted: &Limits,
    passed: &Limits,
) -> Result<Placed, String> {
    let dir = at.join(name);
    files
        .make_dir(&dir)
        .map_err(|e| format!("{}: {e}", dir.display()))?;
    let made = Placed {
        dir,
        held: Vec::new(),
    };
    match settle(files, at, &made.dir, wanted, passed) {
        Ok(held) => Ok(Placed { held, ..made }),
        Err(reason) => {
            discard(files, Some(made));
            Err(reason)
        }
    }
}

fn settle(
    files: &dyn Files,
    at: &Path,
    leaf: &Path,
    wanted: &Limits,
    passed: &Limits,
) -> Result<Vec<Limit>, String> {
    let procs = at.join("cgroup.procs");
    files
        .may_write(&procs)
        .map_err(|e| format!("{}: {e}", procs.display()))?;
    let caps = wanted.narrowed_by(passed);
    let (mut held, mut first) = (Vec::new(), None);
    for limit in caps.set() {
        match hold(files, at, leaf, limit, &caps) {
            Ok(()) if wanted.show(limit).is_some() => held.push(limit),
            Ok(()) => {}
            Err(reason) if passed.show(limit).is_some() => return Err(reason),
            Err(reason) => first = first.or(Some(reason)),
        }
    }
    if held.is_empty() {
        return Err(first.unwrap_or_default());
    }
    match files.read(&leaf.join("cgroup.type")) {
        Ok(kind) if kind.trim() != "domain" => Err(format!("{}: it is {}", leaf.display(), kind.trim())),
        _ => Ok(held),
    }
}

fn hold(files: &dyn Files, at: &Path, leaf: &Path, limit: Limit, caps: &Limits) -> Result<(), String> {
    let given = limit
        .controller()
        .map_or(Ok(()), |controller| give_out(files, at, controller));
    let set = set(files, leaf, limit, caps);
    match (given, set) {
        (_, Ok(())) if is_held(files, leaf, limit, caps) => Ok(()),
        (_, Ok(())) => Err(format!("{}: the {limit} limit did not take", leaf.display())),
        // That the controller is not given out is the cause; that its file is missing, the consequence.
        (Err(reason), Err(_)) | (Ok(()), Err(reason)) => Err(reason),
    }
}

/// Gives a controller to the children of `at`, if they do not have it.
fn give_out(files: &dyn Files, at: &Path, controller: &str) -> Result<(), String> {
    let control = at.join("cgroup.subtree_control");
    let failed = |e| format!("{}: {e}", control.display());
    if files
        .read(&control)
        .map_err(failed)?
        .split_ascii_whitespace()
        .any(|c| c == controller)
    {
        return Ok(());
    }
    let is_root = files.read(&at.join("cgroup.type")).is_err();
    let has_processes = files
        .read(&at.join("cgroup.procs"))
        .map_or(true, |pids| !pids.trim().is_empty());
    if has_processes && !is_root {
        return Err(format!(
            "{}: that group has processes of its own",
            control.display()
        ));
    }
    files.write(&control, &format!("+{controller}")).map_err(failed)
}

fn set(files: &dyn Files, leaf: &Path, limit: Limit, caps: &Limits) -> Result<(), String> {
    let put = |file: &str, text: String| {
        let path = leaf.join(file);
        files
            .write(&path, &text)
            .map_err(|e| format!("{}: {e}", path.display()))
    };
    match limit {
        Limit::Memory => {
            put("memory.max", caps.memory.unwrap_or_default().to_string())?;
            // Both are absent on some kernels (no swap accounting, before 4.19).
            let _ = put("memory.swap.max", "0".into());
            let _ = put("memory.oom.group", "1".into());
            Ok(())
        }
        Limit::Pids => put("pids.max", caps.pids.unwrap_or_default().to_string()),
        Limit::Cpus => {
            let milli = caps.cpus.map_or(0, Millicpus::get);
            put(
                "cpu.max",
                format!("{} {PERIOD}", u64::from(milli) * PERIOD / 1000),
            )
        }
        Limit::Disk | Limit::Timeout | Limit::OpenFiles => Err(format!("no controller holds {limit}")),
    }
}

/// Whether what is set now is at least as strict as `caps`.
pub(crate) fn is_held(files: &dyn Files, leaf: &Path, limit: Limit, caps: &Limits) -> bool {
    let now = caps_of(files, leaf);
    match limit {
        Limit::Memory => within(now.memory, caps.memory),
        Limit::Pids => within(now.pids, caps.pids),
        Limit::Cpus => within(now.cpus, caps.cpus),
        Limit::Disk | Limit::Timeout | Limit::OpenFiles => false,
    }
}

pub(crate) fn within<T: Ord>(now: Option<T>, cap: Option<T>) -> bool {
    now.is_some() && now <= cap
}

/// What a cgroup is limited to; `max` and an absent file are no limit.
fn caps_of(files: &dyn Files, dir: &Path) -> Limits {
    let read = |file: &str| files.read(&dir.join(file)).ok();
    Limits {
        memory: read("memory.max").and_then(|text| text.trim().parse().ok()),
        pids: read("pids.max").and_then(|text| text.trim().parse().ok()),
        cpus: read("cpu.max").and_then(|text| share(&text)),
        ..Limits::default()
    }
}

/// `cpu.max` is `QUOTA PERIOD` or `max PERIOD`.
fn share(text: &str) -> Option<Millicpus> {
    let (quota, period) = text.trim().split_once(' ')?;
    share_of(quota.parse().ok()?, period.parse().ok()?)
}

/// Thousandths of a CPU, never less than can be set.
pub(crate) fn share_of(quota: u64, period: u64) -> Option<Millicpus> {
    let milli = quota.checked_mul(1000)?.checked_div(period)?;
    Some(
        u32::try_from(milli)
            .ok()
            .and_then(Millicpus::new)
            .unwrap_or(Millicpus::LEAST),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    const OWN: &str = "/cg/user.slice/user@7.service/app.slice/term.scope";
    const OWN_CHILD: &str = "/cg/user.slice/user@7.service/app.slice/term.scope/job";

    fn hierarchy() -> Hierarchy {
        Hierarchy {
            mount: "/cg".into(),
            own: OWN.into(),
        }
    }

    /// A systemd user session: `user@7.service` and what is beneath is the user's.
    fn session(controllers: &str) -> Fake {
        let fake = Fake::v2("cpu memory pids");
        fake.cgroup("/cg/user.slice", controllers)
            .foreign("/cg")
            .foreign("/cg/user.slice");
        fake.cgroup("/cg/user.slice/user@7.service", controllers);
        fake.cgroup("/cg/user.slice/user@7.service/app.slice", controllers);
        fake.cgroup(OWN, "").with_process(OWN, 42);
        fake
    }

    fn wanted() -> Limits {
        Limits {
            memory: Some(64 << 20),
            pids: Some(32),
            cpus: Millicpus::new(1500),
            ..Limits::default()
        }
    }

    #[test]
    fn a_sibling_in_the_nearest_delegated_ancestor() {
        let fake = session("cpu memory pids");
        let placed = place(&fake, &hierarchy(), "leaf", &wanted()).unwrap();
        assert_eq!(placed.dir, Path::new(OWN).with_file_name("leaf"));
        assert_eq!(placed.held, [Limit::Memory, Limit::Cpus, Limit::Pids]);
        let read = |file: &str| fake.read(&placed.dir.join(file)).unwrap();
        assert_eq!(read("memory.max"), "67108864");
        assert_eq!(read("memory.swap.max"), "0");
        assert_eq!(read("memory.oom.group"), "1");
        assert_eq!(read("pids.max"), "32");
        assert_eq!(read("cpu.max"), "150000 100000");
        assert_eq!(
            fake.dirs(Path::new(OWN)).unwrap().len(),
            0,
            "nothing is left in our own cgroup"
        );
    }

    #[test]
    fn controllers_that_are_not_given_out_are_asked_for() {
        let fake = session("cpu memory pids");
        fake.set(
            "/cg/user.slice/user@7.service/app.slice/cgroup.subtree_control",
            "memory pids",
        );
        let placed = place(&fake, &hierarchy(), "leaf", &wanted()).unwrap();
        assert_eq!(placed.held.len(), 3);
        let given = fake
            .read(&placed.dir.with_file_name("cgroup.subtree_control"))
            .unwrap();
        assert!(given.contains("cpu"), "{given}");
    }

    #[test]
    fn what_is_not_delegated_is_left_to_the_next_back_end() {
        let fake = session("memory pids");
        let placed = place(&fake, &hierarchy(), "leaf", &wanted()).unwrap();
        assert_eq!(placed.held, [Limit::Memory, Limit::Pids]);
        assert_eq!(fake.named("leaf"), [placed.dir], "only the chosen leaf remains");
    }

    #[test]
    fn our_own_cgroup_when_it_already_gives_out() {
        let fake = Fake::v2("cpu memory pids");
        fake.cgroup("/cg/job", "cpu memory pids");
        let own = Hierarchy {
            mount: "/cg".into(),
            own: "/cg/job".into(),
        };
        assert_eq!(
            place(&fake, &own, "leaf", &wanted()).unwrap().dir,
            Path::new("/cg/job/leaf")
        );
    }

    #[test]
    fn a_cgroup_with_processes_gives_nothing_out() {
        let fake = Fake::v2("cpu memory pids");
        fake.foreign("/cg")
            .cgroup("/cg/job", "")
            .with_process("/cg/job", 42);
        let own = Hierarchy {
            mount: "/cg".into(),
            own: "/cg/job".into(),
        };
        let reason = place(&fake, &own, "leaf", &wanted()).unwrap_err();
        assert!(reason.starts_with("/cg/job/cgroup.subtree_control: "), "{reason}");
        assert!(fake.named("leaf").is_empty(), "nothing is left behind");
    }

    #[test]
    fn an_ssh_login_has_no_place() {
        let fake = session("cpu memory pids");
        fake.cgroup("/cg/user.slice/session-3.scope", "")
            .foreign("/cg/user.slice/session-3.scope");
        let own = Hierarchy {
            mount: "/cg".into(),
            own: "/cg/user.slice/session-3.scope".into(),
        };
        let reason = place(&fake, &own, "leaf", &wanted()).unwrap_err();
        assert!(reason.contains("session-3.scope/leaf"), "{reason}");
        assert!(fake.named("leaf").is_empty());
    }

    /// The kernel would give these out even so, and no process could then enter the leaf.
    #[test]
    fn nor_the_controllers_that_know_threads() {
        for controllers in ["pids", "cpu", "cpu pids"] {
            let fake = session("cpu memory pids");
            fake.set(&format!("{OWN}/cgroup.controllers"), controllers);
            let limits = Limits {
                pids: controllers.contains("pids").then_some(32),
                cpus: controllers.contains("cpu").then(|| Millicpus::new(500)).flatten(),
                ..Limits::default()
            };
            let placed = place(&fake, &hierarchy(), "leaf", &limits).unwrap();
            assert_eq!(placed.dir, Path::new(OWN).with_file_name("leaf"));
            assert_eq!(
                fake.read(Path::new(&format!("{OWN}/cgroup.subtree_control")))
                    .unwrap(),
                ""
            );
            assert_eq!(fake.read(&placed.dir.join("cgroup.type")).unwrap(), "domain");
        }
    }

    #[test]
    fn a_leaf_of_a_threaded_subtree_is_not_used() {
        let fake = session("cpu memory pids");
        fake.cgroup(OWN_CHILD, "pids").with_process(OWN_CHILD, 43);
        let at = Hierarchy {
            own: OWN_CHILD.into(),
            ..hierarchy()
        };
        let limits = Limits {
            pids: Some(32),
            ..Limits::default()
        };
        let placed = place(&fake, &at, "leaf", &limits).unwrap();
        assert_eq!(placed.dir, Path::new(OWN).with_file_name("leaf"));
        assert_eq!(fake.named("leaf").len(), 1);
    }

    #[test]
    fn limits_passed_over_come_along() {
        let fake = session("cpu memory pids");
        fake.set(&format!("{OWN}/memory.max"), "1048576")
            .set(&format!("{OWN}/cpu.max"), "20000 100000");
        let only_pids = Limits {
            pids: Some(32),
            ..Limits::default()
        };
        let placed = place(&fake, &hierarchy(), "leaf", &only_pids).unwrap();
        assert_eq!(placed.held, [Limit::Pids]);
        assert_eq!(fake.read(&placed.dir.join("memory.max")).unwrap(), "1048576");
        assert_eq!(fake.read(&placed.dir.join("cpu.max")).unwrap(), "20000 100000");
    }

    #[test]
    fn a_place_that_would_shed_an_outer_limit_is_not_used() {
        let fake = session("pids");
        fake.set(&format!("{OWN}/memory.max"), "1048576");
        let only_pids = Limits {
            pids: Some(32),
            ..Limits::default()
        };
        let reason = place(&fake, &hierarchy(), "leaf", &only_pids).unwrap_err();
        assert!(!reason.is_empty());
        assert!(fake.named("leaf").is_empty());
    }

    #[test]
    fn a_place_that_no_process_can_be_moved_to_is_not_used() {
        let fake = session("cpu memory pids");
        fake.foreign("/cg/user.slice/user@7.service/app.slice/cgroup.procs");
        let placed = place(&fake, &hierarchy(), "leaf", &wanted()).unwrap();
        assert_eq!(placed.dir, Path::new("/cg/user.slice/user@7.service/leaf"));
    }

    #[test]
    fn a_limit_that_does_not_take_is_not_held() {
        let fake = session("cpu memory pids");
        fake.deaf("memory.max");
        let placed = place(&fake, &hierarchy(), "leaf", &wanted()).unwrap();
        assert_eq!(placed.held, [Limit::Cpus, Limit::Pids]);
    }

    #[test]
    fn shares() {
        assert_eq!(share("max 100000"), None);
        assert_eq!(share("150000 100000\n"), Millicpus::new(1500));
        assert_eq!(share("1 100000"), Some(Millicpus::LEAST));
        assert_eq!(share("5 0"), None);
    }
}
