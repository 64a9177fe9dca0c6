//! Measurements that print ratios: fumehood against bubblewrap, against the bare floor, and inside
//! against outside, alternated within one run, since machines are noisy. docs/benchmarks.md says
//! how to repeat each figure.
//!
//! `fumehood-bench FUMEHOOD [start|peers|scale|inside|many|workspace|programs|log|decision|tools]…` in a folder that may be written;
//! `benches/run` builds it, fetches the peers and starts it.

#![expect(
    clippy::disallowed_methods,
    reason = "measuring starts the programs it measures, and ends with a status"
)]

mod decision;
mod floor;
mod log;
mod measure;
mod peers;
mod tools;
mod workspace;

use measure::{Case, Table};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(fumehood) = arguments.next() else {
        eprintln!(
            "usage: fumehood-bench FUMEHOOD [start|peers|scale|inside|many|workspace|programs|log|decision|tools]..."
        );
        std::process::exit(2);
    };
    if fumehood == "--floor" {
        std::process::exit(floor::run());
    }
    if fumehood == "--time" {
        std::process::exit(measure::time(&arguments.collect::<Vec<_>>()));
    }
    if fumehood == "--output" {
        let [kind, secrets] = [arguments.next(), arguments.next()].map(Option::unwrap_or_default);
        std::process::exit(tools::one_output(&kind, &secrets));
    }
    let fumehood = std::fs::canonicalize(&fumehood).expect("the fumehood binary");
    let wanted: Vec<String> = arguments.collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    let place = Place::new();
    measure::adopt_orphans();
    if wants("start") {
        start(&fumehood, &place.0);
    }
    if wants("peers") {
        peers::run(&fumehood, &place.0);
    }
    if wants("scale") {
        scale(&fumehood, &place.0);
    }
    if wants("inside") {
        inside(&fumehood, &place.0);
    }
    if wants("many") {
        many(&fumehood, &place.0);
    }
    if wants("workspace") {
        workspace::run(&fumehood, &place.0);
    }
    if wants("programs") {
        programs(&fumehood, &place.0);
    }
    if wants("log") {
        log::run(&place.0);
    }
    if wants("decision") {
        decision::run();
    }
    if wants("tools") {
        tools::run(&fumehood, &place.0);
    }
}

/// A temporary folder in the working directory.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        let place = std::env::current_dir()
            .unwrap()
            .join(format!("bench-{}", std::process::id()));
        std::fs::create_dir(&place).expect("a folder to work in");
        Place(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn fumehood_true(fumehood: &Path, project: &Path) -> Case {
    Case::new("fumehood run -- true", fumehood, &["run", "--", "true"], project)
}

/// The comparable bubblewrap: same namespaces, same folders, its own /proc, /dev and /tmp.
pub(crate) fn bwrap_true(project: &Path) -> Case {
    let p = project.to_str().unwrap();
    let words = [
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--ro-bind",
        "/usr",
        "/usr",
        "--symlink",
        "usr/bin",
        "/bin",
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
        "--ro-bind",
        "/etc",
        "/etc",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "--bind",
        p,
        p,
        "--chdir",
        p,
        "true",
    ];
    Case::new("bwrap --unshare-all ...", Path::new("bwrap"), &words, project)
}

fn start(fumehood: &Path, place: &Path) {
    let floor = Case::new(
        "bare floor",
        &std::env::current_exe().unwrap(),
        &["--floor"],
        place,
    );
    let repository = place.join("small");
    git_repository(&repository, 1);
    let mut in_repository = fumehood_true(fumehood, &repository);
    in_repository.name = "the same in a repository".into();
    let cases = [
        fumehood_true(fumehood, place),
        bwrap_true(place),
        floor,
        in_repository,
        Case::new("true", Path::new("true"), &[], place),
    ];
    let table = Table::measure("start: wall time of `true`", &cases, 400);
    table.print();
    table.ratio(0, 1);
    table.ratio(0, 2);
    table.ratio(3, 0);
    let memory = measure::peak_together(fumehood, place);
    println!(
        "peak resident memory of our processes together: {} KiB; pages that they share counted once: {} KiB",
        memory.resident, memory.once
    );
}

fn scale(fumehood: &Path, place: &Path) {
    let (empty, large) = (place.join("empty"), place.join("large"));
    std::fs::create_dir(&empty).unwrap();
    for folder in 0..2000 {
        let folder = large.join(format!("{}/{folder}", folder % 50));
        std::fs::create_dir_all(&folder).unwrap();
        for file in 0..100 {
            std::fs::write(folder.join(file.to_string()), "").unwrap();
        }
    }
    let mut small = fumehood_true(fumehood, &empty);
    small.name = "empty project".into();
    let mut big = fumehood_true(fumehood, &large);
    big.name = "project of 200,000 files".into();
    let table = Table::measure("scale: start by project size", &[big, small], 200);
    table.print();
    table.ratio(0, 1);
    std::fs::remove_dir_all(&large).unwrap();
}

/// Each job inside and outside.
fn inside(fumehood: &Path, place: &Path) {
    let repository = place.join("repository");
    git_repository(&repository, 500);
    pair(
        fumehood,
        &repository,
        "git status, 50,000 files",
        15,
        &["git", "status", "--porcelain"],
    );
    let imports =
        "import json,http.client,xml.dom.minidom,asyncio,unittest,sqlite3,email,decimal,ctypes,logging";
    pair(
        fumehood,
        place,
        "python import storm",
        60,
        &["/usr/bin/python3", "-c", imports],
    );
    let churn = "for i in $(seq 300); do echo $i > churn.$i; cat churn.$i > /dev/null; rm churn.$i; done";
    pair(
        fumehood,
        place,
        "300 files written, read, removed by sh",
        30,
        &["sh", "-c", churn],
    );
    if Command::new("cargo").arg("--version").output().is_err() {
        println!("\n## inside: cargo build: not measured, this user has no cargo");
        return;
    }
    let cargo = cargo_package(place);
    pair(
        fumehood,
        &cargo,
        "cargo build of a small crate",
        8,
        &["sh", "-c", "rm -rf target && cargo build -q --offline"],
    );
}

/// What recording costs a run that executes 1,000 programs; outside nothing is recorded.
fn programs(fumehood: &Path, place: &Path) {
    let script = "i=0; while [ $i -lt 1000 ]; do /bin/true $i; i=$((i+1)); done";
    let name = "1,000 programs executed by sh (bar 1.03)";
    pair(fumehood, place, name, 24, &["sh", "-c", script]);
}

/// The job itself, timed by a copy of this program beside it, so that the start of a sandbox is not
/// counted: rounds inside and outside in turn.
fn pair(fumehood: &Path, project: &Path, name: &str, runs: usize, command: &[&str]) {
    const ROUNDS: usize = 6;
    let timer = project.join("timer");
    std::fs::copy(std::env::current_exe().unwrap(), &timer).unwrap();
    let each = runs.div_ceil(ROUNDS).to_string();
    let timed = [&[timer.to_str().unwrap(), "--time", &each][..], command].concat();
    let boxed = [&[fumehood.to_str().unwrap(), "run", "--"][..], &timed].concat();
    let mut rows = [
        ("inside".to_string(), Vec::new()),
        ("outside".to_string(), Vec::new()),
    ];
    for _ in 0..ROUNDS {
        rows[0].1.extend(measure::timed(&boxed, project));
        rows[1].1.extend(measure::timed(&timed, project));
    }
    std::fs::remove_file(&timer).unwrap();
    let table = Table::of(&format!("inside: {name}"), rows);
    table.print();
    table.ratio(0, 1);
}

/// A repository with a commit of 100 files a folder.
fn git_repository(at: &Path, folders: usize) {
    for folder in 0..folders {
        let folder = at.join(format!("d{folder}"));
        std::fs::create_dir_all(&folder).unwrap();
        for file in 0..100 {
            std::fs::write(folder.join(format!("f{file}")), "x\n").unwrap();
        }
    }
    for words in [
        &["init", "-q"][..],
        &["add", "-A"],
        &[
            "-c",
            "user.name=b",
            "-c",
            "user.email=b@example.org",
            "commit",
            "-qm",
            "x",
        ],
    ] {
        assert!(
            Command::new("git")
                .args(words)
                .current_dir(at)
                .status()
                .unwrap()
                .success()
        );
    }
}

fn cargo_package(place: &Path) -> PathBuf {
    let at = place.join("package");
    std::fs::create_dir_all(at.join("src")).unwrap();
    std::fs::write(
        at.join("Cargo.toml"),
        "[package]\nname = \"p\"\nedition = \"2021\"\n[workspace]\n",
    )
    .unwrap();
    let functions: String = (0..300)
        .map(|n| format!("pub fn f{n}(x: u64) -> String {{ format!(\"{{}}\", x + {n}) }}\n"))
        .collect();
    std::fs::write(at.join("src/lib.rs"), functions).unwrap();
    at
}

/// 200 sandboxes that live at the same time.
fn many(fumehood: &Path, place: &Path) {
    const SANDBOXES: usize = 200;
    let before = measure::available_kib();
    let mut children: Vec<_> = (0..SANDBOXES)
        .map(|_| {
            Command::new(fumehood)
                .args(["run", "--", "sleep", "20"])
                .current_dir(place)
                .spawn()
                .unwrap()
        })
        .collect();
    std::thread::sleep(std::time::Duration::from_secs(8));
    let overhead = measure::overhead_kib(&children);
    let used = before.saturating_sub(measure::available_kib());
    let succeeded = children
        .iter_mut()
        .filter_map(|c| c.wait().ok())
        .filter(|s| s.success())
        .count();
    println!("\n## many: {SANDBOXES} sandboxes at once\nsucceeded: {succeeded} of {SANDBOXES}");
    println!(
        "proportional memory of our processes: {} KiB each",
        overhead / SANDBOXES as u64
    );
    println!(
        "memory of the machine, kernel and command included: {} KiB each",
        used / SANDBOXES as u64
    );
}
