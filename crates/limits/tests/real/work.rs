//! Programs to be limited: this test binary again, told by its environment what to do.

use fumehood_limits::rlimits::{Resource, rlimits};
use fumehood_limits::{Group, Limits};
use rustix::process::{Pid, Rlimit, Signal, kill_process, prlimit};
use std::cell::RefCell;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const WORK: &str = "LIMITS_TEST_WORK";

/// A program that waits to be released, then works. Killed when dropped.
pub(crate) struct Work {
    child: Child,
    out: RefCell<BufReader<ChildStdout>>,
}

impl Work {
    pub(crate) fn start(work: &str) -> Self {
        let mut child = again(work)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = RefCell::new(BufReader::new(child.stdout.take().unwrap()));
        let started = Self { child, out };
        // Only now is the program its own: before, the new process may still be this one's image.
        started.read_until("waiting");
        started
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Puts it under the limits as the sandbox does, and lets it go.
    pub(crate) fn enter(self, group: &Group, limits: &Limits) -> Self {
        group.add(self.pid()).unwrap();
        group.add_cgroup2(self.pid()).unwrap();
        for limit in rlimits(limits, group.in_force()) {
            let both = Rlimit {
                current: Some(limit.value),
                maximum: Some(limit.value),
            };
            prlimit(Pid::from_raw(self.pid()), resource(limit.resource), both).unwrap();
        }
        self.release()
    }

    pub(crate) fn release(mut self) -> Self {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        self
    }

    /// Reads up to the line that holds this word.
    pub(crate) fn read_until(&self, word: &str) -> String {
        let mut said = String::new();
        while !said.contains(word) {
            assert_ne!(self.out.borrow_mut().read_line(&mut said).unwrap(), 0, "{said}");
        }
        said
    }

    /// Waits for its end; says how it ended and what it said.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.out.borrow_mut().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap(), said)
    }

    /// Asks again and again, for at most ten seconds.
    pub(crate) fn until<T>(&self, mut ask: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "it never came");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn kill_tree(&self) {
        descendants(self.pid()).into_iter().for_each(kill);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resource(resource: Resource) -> rustix::process::Resource {
    use rustix::process::Resource as Raw;
    match resource {
        Resource::Core => Raw::Core,
        Resource::Data => Raw::Data,
        Resource::Processes => Raw::Nproc,
        Resource::FileSize => Raw::Fsize,
        Resource::OpenFiles => Raw::Nofile,
    }
}

fn again(work: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "work::program", "--nocapture", "--test-threads=1"])
        .env(WORK, work);
    command
}

pub(crate) fn kill(pid: i32) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}

/// There, and not only waiting to be waited for.
pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn descendants(pid: i32) -> Vec<i32> {
    let children =
        |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).unwrap_or_default();
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let below: String = threads.map(children).collect();
    below
        .split_whitespace()
        .flat_map(|child| descendants(child.parse().unwrap()))
        .chain([pid])
        .collect()
}

/// The program itself; nothing when the tests run.
#[test]
fn program() {
    let Ok(work) = std::env::var(WORK) else { return };
    say("\nwaiting");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let (kind, number) = work.split_once(' ').unwrap_or((&work, "0"));
    let number: u64 = number.parse().unwrap();
    match kind {
        "memory" => eat(number),
        "hold" => (eat(number), sleep()).1,
        "pair" => pair(number),
        "forks" => forks(number),
        "burn" => burn(Duration::from_millis(number)),
        "storm" => storm(),
        "supervise" => supervise(),
        _ => panic!("{work}"),
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).unwrap();
}

fn sleep() {
    std::thread::sleep(Duration::from_secs(60));
}

fn eat(mib: u64) {
    const STEP: usize = 4 << 20;
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    for at in (0..mib).step_by(4) {
        let mut some = Vec::new();
        if some.try_reserve_exact(STEP).is_err() {
            return say(&format!("refused at {at}"));
        }
        some.resize(STEP, 1);
        eaten.push(some);
    }
    say(&format!("reached {mib}"));
    // Held until here, and longer where the caller sleeps.
    std::mem::forget(eaten);
}

fn pair(mib: u64) {
    let start = |_| {
        let mut child = again(&format!("hold {mib}"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        child
    };
    (0..2)
        .map(start)
        .collect::<Vec<_>>()
        .iter_mut()
        .for_each(|child| assert!(child.wait().unwrap().code() != Some(1)));
}

fn forks(tries: u64) {
    const EAGAIN: i32 = 11;
    let (mut started, mut refused) = (Vec::new(), 0);
    for _ in 0..tries {
        match Command::new("sleep").arg("60").spawn() {
            Ok(child) => started.push(child),
            Err(e) if e.raw_os_error() == Some(EAGAIN) => refused += 1,
            Err(e) => panic!("{e}"),
        }
    }
    started.iter_mut().for_each(|child| child.kill().unwrap());
    say(&format!("started {} refused {refused}", started.len()));
}

fn burn(span: Duration) {
    let end = Instant::now() + span;
    let burn = move || while Instant::now() < end {};
    let other = std::thread::spawn(burn);
    burn();
    other.join().unwrap();
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<u64> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .map(|f| f.parse().unwrap_or(0))
        .collect();
    let tick = 1000 / rustix::param::clock_ticks_per_second();
    say(&format!("used {} ms", (fields[11] + fields[12]) * tick));
}

/// Processes that leave their session and parent behind.
fn storm() {
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do \
                  (setsid sleep 60 & setsid sh -c 'sleep 60 & sleep 60' &) ; done";
    Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    sleep();
}

fn supervise() {
    let limits = Limits {
        memory: Some(64 << 20),
        pids: Some(64),
        ..Limits::default()
    };
    let group = Group::create(&limits, "left").unwrap();
    let mut inside = Command::new("sleep")
        .arg("60")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = i32::try_from(inside.id()).unwrap();
    group.add(pid).and_then(|()| group.add_cgroup2(pid)).unwrap();
    group
        .janitor_paths()
        .iter()
        .for_each(|dir| say(&format!("dir {}", dir.display())));
    say(&format!("inside {pid}\nready"));
    inside.wait().unwrap();
}
