//! What the kernel counted in a group: which limit struck, and what was used. The files differ between the versions;
//! which are there says which version it is.

use crate::files::Files;
use crate::limit::{Limit, Struck};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a group used. `None`: nothing here counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory now.
    pub memory: Option<u64>,
    /// The most bytes of memory at any time.
    pub memory_peak: Option<u64>,
    /// CPU time, user and system.
    pub cpu: Option<Duration>,
    /// Processes and threads now.
    pub pids: Option<u64>,
}

pub(crate) struct Readings<'a> {
    pub(crate) files: &'a dyn Files,
    pub(crate) groups: &'a [PathBuf],
}

impl Readings<'_> {
    pub(crate) fn usage(&self) -> Usage {
        let micros = self.row("cpu.stat", "usage_usec").map(Duration::from_micros);
        Usage {
            memory: self.first(&["memory.current", "memory.usage_in_bytes"]),
            memory_peak: self.first(&["memory.peak", "memory.max_usage_in_bytes"]),
            cpu: micros.or_else(|| self.first(&["cpuacct.usage"]).map(Duration::from_nanos)),
            pids: self.first(&["pids.current"]),
        }
    }

    /// A process was killed for memory, else a fork was refused.
    pub(crate) fn struck(&self) -> Option<Struck> {
        let memory = Struck {
            limit: Limit::Memory,
            times: self.killed_for_memory(),
        };
        let pids = Struck {
            limit: Limit::Pids,
            times: self.row("pids.events", "max").unwrap_or(0),
        };
        [memory, pids].into_iter().find(|struck| struck.times > 0)
    }

    /// `memory.events` oom_kill (cgroup-v2.rst), `memory.oom_control` oom_kill (cgroup-v1/memory.rst §10; Linux 4.13).
    /// `memory.failcnt` is not asked: it also counts every time the page cache was reclaimed instead.
    fn killed_for_memory(&self) -> u64 {
        let v2 = self.row("memory.events", "oom_kill");
        v2.or_else(|| self.row("memory.oom_control", "oom_kill"))
            .unwrap_or(0)
    }

    fn first(&self, names: &[&str]) -> Option<u64> {
        names.iter().find_map(|name| self.read(name)?.trim().parse().ok())
    }

    fn row(&self, name: &str, key: &str) -> Option<u64> {
        self.each(name).find_map(|text| row(&text, key))
    }

    fn read(&self, name: &str) -> Option<String> {
        self.each(name).next()
    }

    fn each<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + 'a {
        self.groups
            .iter()
            .filter_map(move |group: &PathBuf| self.files.read(&Path::join(group, name)).ok())
    }
}

/// The value of `key VALUE` in a flat keyed file.
fn row(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    fn readings(files: &[(&str, &str)], check: impl Fn(Readings<'_>)) {
        let fake = Fake::v2("");
        for dir in ["/cg/a", "/cg/b"] {
            fake.make_dir(Path::new(dir)).unwrap();
        }
        for (path, text) in files {
            fake.set(path, text);
        }
        check(Readings {
            files: &fake,
            groups: &["/cg/a".into(), "/cg/b".into()],
        });
    }

    #[test]
    fn version_2() {
        let events = "low 0\nhigh 0\nmax 9\noom 2\noom_kill 2\noom_group_kill 1\n";
        readings(
            &[("/cg/a/memory.events", events), ("/cg/a/pids.events", "max 7\n")],
            |r| {
                assert_eq!(
                    r.struck(),
                    Some(Struck {
                        limit: Limit::Memory,
                        times: 2
                    })
                );
            },
        );
        let stat = "usage_usec 1500\nuser_usec 1000\n";
        readings(
            &[("/cg/a/memory.current", "4096\n"), ("/cg/a/cpu.stat", stat)],
            |r| {
                assert_eq!(r.usage().memory, Some(4096));
                assert_eq!(r.usage().cpu, Some(Duration::from_micros(1500)));
                assert_eq!(r.struck(), None);
            },
        );
    }

    #[test]
    fn version_1_in_several_hierarchies() {
        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n";
        readings(
            &[
                ("/cg/b/memory.oom_control", control),
                ("/cg/a/pids.events", "max 3\n"),
            ],
            |r| {
                assert_eq!(
                    r.struck(),
                    Some(Struck {
                        limit: Limit::Memory,
                        times: 1
                    })
                );
            },
        );
        readings(
            &[("/cg/a/pids.events", "max 3\n"), ("/cg/b/memory.failcnt", "12\n")],
            |r| {
                assert_eq!(
                    r.struck(),
                    Some(Struck {
                        limit: Limit::Pids,
                        times: 3
                    })
                );
            },
        );
    }

    #[test]
    fn nothing_counted_is_nothing_said() {
        readings(&[], |r| {
            assert_eq!((r.usage(), r.struck()), (Usage::default(), None))
        });
    }
}
