//! Names of groups. A name says whose the group is, so that what a dead supervisor left can be told from what a live
//! one uses: `fumehood-<pid ns>-<time ns>-<pid>-<start>-<n>-<name>`.
//!
//! A pid alone is reused; pid and start time name one process within one pid namespace, and start times are only
//! comparable within one time namespace (proc_pid_stat(5) field 22, time_namespaces(7)). Hence all four are in the
//! name, and a group of another namespace is nobody's to judge here.

use crate::error::Error;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

const PREFIX: &str = "fumehood";

/// One process, told from every other of its namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pid_ns: u64,
    time_ns: u64,
    pid: i32,
    /// Clock ticks after boot.
    start: u64,
}

impl Owner {
    pub(crate) fn this_process() -> Result<Self, Error> {
        let stat = Path::new("/proc/self/stat");
        let read = |source| Error::Read {
            path: stat.into(),
            source,
        };
        let text = fs::read(stat).map_err(read)?;
        let status = Status::parse(&text).ok_or_else(|| read(std::io::ErrorKind::InvalidData.into()))?;
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        // A /proc of another pid namespace counts differently; nothing in it may be compared with our pid.
        if status.pid != pid {
            return Err(read(std::io::Error::other(
                "/proc belongs to another pid namespace",
            )));
        }
        Ok(Self {
            pid_ns: namespace("pid"),
            time_ns: namespace("time"),
            pid,
            start: status.start,
        })
    }

    /// Whether a given name can be part of a directory's.
    pub(crate) fn check(given: &str) -> Result<(), Error> {
        let plain = given
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if plain && (1..=64).contains(&given.len()) {
            Ok(())
        } else {
            Err(Error::Name(given.into()))
        }
    }

    /// A name no other group has; `given` was checked.
    pub(crate) fn name(&self, given: &str) -> String {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let n = MADE.fetch_add(1, Ordering::Relaxed);
        format!(
            "{PREFIX}-{}-{}-{}-{}-{n}-{given}",
            self.pid_ns, self.time_ns, self.pid, self.start
        )
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.strip_prefix('-')?.splitn(6, '-');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (pid_ns, time_ns, pid, start, _n) = (number()?, number()?, number()?, number()?, number()?);
        parts.next().filter(|given| !given.is_empty())?;
        Some(Self {
            pid_ns,
            time_ns,
            pid: i32::try_from(pid).ok()?,
            start,
        })
    }

    /// Whether this process is known to be gone, judged by `me`. In doubt it lives.
    pub(crate) fn is_dead(&self, me: &Self) -> bool {
        let comparable = self.pid_ns == me.pid_ns && self.time_ns == me.time_ns && self.pid_ns != 0;
        let Some(pid) = Pid::from_raw(self.pid).filter(|_| comparable) else {
            return false;
        };
        // Asked of the kernel, not of /proc, which may hide other processes (hidepid).
        if test_kill_process(pid) == Err(Errno::SRCH) {
            return true;
        }
        let stat = fs::read(format!("/proc/{}/stat", self.pid)).ok();
        stat.and_then(|text| Status::parse(&text))
            .is_some_and(|s| s.start != self.start || s.over)
    }
}

/// The inode that names a namespace of this process; 0 where there is no such kind.
fn namespace(kind: &str) -> u64 {
    let link = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap_or_default();
    let text = link.to_string_lossy();
    let inode = text.split(['[', ']']).nth(1).and_then(|inode| inode.parse().ok());
    inode.unwrap_or(0)
}

struct Status {
    pid: i32,
    start: u64,
    /// A zombie whose last thread ended: dead, only not yet waited for.
    over: bool,
}

impl Status {
    /// proc_pid_stat(5); the name in parentheses may hold anything, so fields are counted from its end.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let (head, tail) = text.rsplit_once(')')?;
        let pid = head.split(' ').next()?.parse().ok()?;
        let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
        let ended = matches!(*fields.first()?, "Z" | "X");
        let threads: u64 = fields.get(17)?.parse().ok()?;
        Some(Self {
            pid,
            start: fields.get(19)?.parse().ok()?,
            over: ended && threads <= 1,
        })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "processes to be looked at")]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_name_says_whose_it_is() {
        let me = Owner::this_process().unwrap();
        let name = me.name("build-1");
        assert_eq!(Owner::of_name(&name), Some(me.clone()), "{name}");
        assert_ne!(name, me.name("build-1"));
        assert!(me.pid_ns != 0 && me.start != 0);
    }

    #[test]
    fn names_that_would_leave_the_directory_are_refused() {
        for name in ["", "..", "a/b", "a b", "a\n", "é", &"x".repeat(65)] {
            assert!(matches!(Owner::check(name), Err(Error::Name(_))), "{name:?}");
        }
    }

    #[test]
    fn other_directories_are_nobodys() {
        for name in [
            "",
            "system.slice",
            "fumehood",
            "fumehood-",
            "fumehood-1-2-3",
            "fumehood-1-2-3-4-5",
            "fumehood-1-2-3-4-5-",
        ] {
            assert_eq!(Owner::of_name(name), None, "{name:?}");
        }
        assert_eq!(Owner::of_name("fumehood-1-2-99999999999-4-5-x"), None);
    }

    #[test]
    fn the_living_live() {
        let me = Owner::this_process().unwrap();
        assert!(!me.is_dead(&me));
    }

    #[test]
    fn a_process_that_took_over_the_pid_is_another() {
        let me = Owner::this_process().unwrap();
        assert!(
            Owner {
                start: me.start + 1,
                ..me.clone()
            }
            .is_dead(&me)
        );
    }

    #[test]
    fn of_another_namespace_nothing_is_known() {
        let me = Owner::this_process().unwrap();
        let gone = Owner {
            start: 1,
            ..me.clone()
        };
        assert!(gone.is_dead(&me));
        assert!(
            !Owner {
                pid_ns: me.pid_ns + 1,
                ..gone.clone()
            }
            .is_dead(&me)
        );
        assert!(
            !Owner {
                time_ns: me.time_ns + 1,
                ..gone
            }
            .is_dead(&me)
        );
    }

    #[test]
    fn the_ended_are_dead_waited_for_or_not() {
        let me = Owner::this_process().unwrap();
        let mut child = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let stat = || {
            fs::read(format!("/proc/{pid}/stat"))
                .ok()
                .and_then(|text| Status::parse(&text))
        };
        let start = stat().unwrap().start;
        while !stat().unwrap().over {
            std::thread::yield_now();
        }
        let owner = Owner {
            pid,
            start,
            ..me.clone()
        };
        assert!(owner.is_dead(&me), "a zombie");
        child.wait().unwrap();
        assert!(owner.is_dead(&me), "reaped");
    }

    #[test]
    fn a_name_full_of_parentheses_is_skipped() {
        let line = format!("7 (a) Z 1 (b)) S 1{} 5 0 4242 0", " 0".repeat(15));
        let status = Status::parse(line.as_bytes()).unwrap();
        assert_eq!((status.pid, status.start, status.over), (7, 4242, false));
    }
}
