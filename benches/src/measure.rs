//! Running cases in turn, and the figures.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A command to be measured.
pub(crate) struct Case {
    pub(crate) name: String,
    program: PathBuf,
    words: Vec<String>,
    directory: PathBuf,
    environment: Vec<(String, PathBuf)>,
}

impl Case {
    pub(crate) fn new(name: &str, program: &Path, words: &[&str], directory: &Path) -> Case {
        Case {
            name: name.into(),
            program: program.into(),
            words: words.iter().map(|w| (*w).into()).collect(),
            directory: directory.into(),
            environment: Vec::new(),
        }
    }

    /// The same with a variable of the environment.
    pub(crate) fn with(mut self, name: &str, value: &Path) -> Case {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// One run: wall time until the command returned, and processor time of it and of all that it started,
    /// also of what went on after it had returned.
    fn once(&self) -> (Duration, Duration) {
        let cpu = children_cpu();
        let began = Instant::now();
        let status = Command::new(&self.program)
            .args(&self.words)
            .current_dir(&self.directory)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let wall = began.elapsed();
        reap_all();
        assert!(status.success(), "{} failed: {status}", self.name);
        (wall, children_cpu() - cpu)
    }
}

/// Orphans of what is measured become children of this process, so that their time is counted: bubblewrap's
/// front process returns before its sandbox has ended.
pub(crate) fn adopt_orphans() {
    // SAFETY: integers only.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
}

/// Waits for every child, own or adopted.
fn reap_all() {
    // SAFETY: no status is asked for.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } > 0 {}
}

fn children_cpu() -> Duration {
    cpu_of(libc::RUSAGE_CHILDREN)
}

/// Processor time of this process.
pub(crate) fn own_cpu() -> Duration {
    cpu_of(libc::RUSAGE_SELF)
}

fn cpu_of(who: libc::c_int) -> Duration {
    // SAFETY: all-zero bytes are a valid rusage, and it lives until the call returns.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &raw mut usage);
        usage
    };
    let time = |t: libc::timeval| Duration::from_micros((t.tv_sec * 1_000_000 + t.tv_usec) as u64);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Results of cases that were run in turn.
pub(crate) struct Table {
    title: String,
    rows: Vec<(String, Vec<Duration>, Duration)>,
}

impl Table {
    /// Runs all cases `runs` times, one after the other, after a tenth of that to warm up.
    pub(crate) fn measure(title: &str, cases: &[Case], runs: usize) -> Table {
        for case in cases {
            (0..runs / 10 + 1).for_each(|_| {
                case.once();
            });
        }
        let mut rows: Vec<_> = cases
            .iter()
            .map(|c| (c.name.clone(), Vec::new(), Duration::ZERO))
            .collect();
        for _ in 0..runs {
            for (case, row) in cases.iter().zip(&mut rows) {
                let (wall, cpu) = case.once();
                row.1.push(wall);
                row.2 += cpu;
            }
        }
        rows.iter_mut().for_each(|r| r.1.sort());
        Table {
            title: title.into(),
            rows,
        }
    }

    /// A table of times measured elsewhere.
    pub(crate) fn of<const N: usize>(title: &str, rows: [(String, Vec<Duration>); N]) -> Table {
        let mut rows: Vec<_> = rows
            .into_iter()
            .map(|(name, times)| (name, times, Duration::ZERO))
            .collect();
        rows.iter_mut().for_each(|r| r.1.sort());
        Table {
            title: title.into(),
            rows,
        }
    }

    pub(crate) fn print(&self) {
        println!(
            "\n## {}, {} runs each\n{:<28} {:>9} {:>9} {:>9}",
            self.title,
            self.rows[0].1.len(),
            "",
            "min ms",
            "median",
            "cpu mean"
        );
        for (name, times, cpu) in &self.rows {
            let ms = |d: Duration| d.as_secs_f64() * 1000.0;
            println!(
                "{name:<28} {:>9.2} {:>9.2} {:>9.2}",
                ms(times[0]),
                ms(times[times.len() / 2]),
                ms(*cpu / times.len() as u32)
            );
        }
    }

    /// The ratio of two rows: wall median, wall minimum, processor time.
    pub(crate) fn ratio(&self, a: usize, b: usize) {
        let (a, b) = (&self.rows[a], &self.rows[b]);
        let of = |x: Duration, y: Duration| x.as_secs_f64() / y.as_secs_f64().max(1e-9);
        let middle = |t: &[Duration]| t[t.len() / 2];
        println!(
            "{} / {}: median {:.2}, min {:.2}, cpu {:.2}",
            a.0,
            b.0,
            of(middle(&a.1), middle(&b.1)),
            of(a.1[0], b.1[0]),
            of(a.2, b.2)
        );
    }
}

/// Memory that could be had, from /proc/meminfo.
pub(crate) fn available_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    field(&text, "MemAvailable:").unwrap_or(0)
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|l| l.strip_prefix(name))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Memory of all our processes while a command runs.
pub(crate) fn peak_together(fumehood: &Path, place: &Path) -> Memory {
    let mut child = Command::new(fumehood)
        .args(["run", "--", "sleep", "1"])
        .current_dir(place)
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let status = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/status")).ok();
    let all: Vec<String> = ours(&child).iter().filter_map(status).collect();
    let each = |name: &'static str| all.iter().filter_map(move |text| field(text, name));
    let memory = Memory {
        resident: each("VmHWM:").sum(),
        once: each("RssAnon:").sum::<u64>() + each("RssFile:").max().unwrap_or(0),
    };
    let _done = child.wait();
    memory
}

/// Memory of our processes together, KiB.
pub(crate) struct Memory {
    /// The sum of what each had resident at most: pages that they share are counted in each.
    pub(crate) resident: u64,
    /// Their own pages, and the file pages of the one that has most: they map one and the same binary. Read from
    /// `status`, since other files of processes that are not dumpable are closed to their own user.
    pub(crate) once: u64,
}

/// The supervisor and its children, not the command.
fn ours(child: &Child) -> Vec<u32> {
    let pid = child.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    std::iter::once(pid)
        .chain(children.split_whitespace().filter_map(|p| p.parse().ok()))
        .collect()
}

/// Proportional set size of our processes, all together.
pub(crate) fn overhead_kib(children: &[Child]) -> u64 {
    let pss = |pid: u32| {
        field(
            &std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?,
            "Pss:",
        )
    };
    children.iter().flat_map(ours).filter_map(pss).sum()
}

/// Runs a command `runs` times and prints each time in microseconds on a line.
pub(crate) fn time(words: &[String]) -> i32 {
    let [runs, program, rest @ ..] = words else {
        return 2;
    };
    for _ in 0..runs.parse::<usize>().unwrap_or(1) {
        let began = Instant::now();
        let status = Command::new(program)
            .args(rest)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        let took = began.elapsed().as_micros();
        if !status.is_ok_and(|s| s.success()) {
            return 1;
        }
        println!("{took}");
    }
    0
}

/// The times that [`time`] printed, started by this command.
pub(crate) fn timed(words: &[&str], directory: &Path) -> Vec<Duration> {
    let out = Command::new(words[0])
        .args(&words[1..])
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines()
        .map(|l| Duration::from_micros(l.parse().unwrap()))
        .collect()
}
