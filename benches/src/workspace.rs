//! The workspace: what keeping changes back costs at the start, and what an apply costs beside `cp -a`.

use crate::measure::{Case, Table};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// All of it, in a folder of its own with a state directory beside the project.
pub(crate) fn run(fumehood: &Path, place: &Path) {
    let desk = Desk {
        fumehood,
        state: place.join("state"),
    };
    for files in [100, 20_000] {
        let project = place.join(format!("project-{files}"));
        fill(&project, files);
        start(&desk, &project, files);
        few(&desk, &project, files);
        std::fs::remove_dir_all(&project).unwrap();
    }
    many(&desk, place);
}

struct Desk<'a> {
    fumehood: &'a Path,
    state: PathBuf,
}

impl Desk<'_> {
    fn verb(&self, project: &Path, words: &[&str]) -> Duration {
        let began = Instant::now();
        let status = Command::new(self.fumehood)
            .args(words)
            .current_dir(project)
            .env("XDG_STATE_HOME", &self.state)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{words:?}: {status}");
        began.elapsed()
    }
}

fn fill(project: &Path, files: usize) {
    for n in 0..files {
        let folder = project.join(format!("d{}", n / 100));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(n.to_string()), "x".repeat(2000)).unwrap();
    }
}

fn start(desk: &Desk<'_>, project: &Path, files: usize) {
    let case = |name: &str, flags: &[&str]| {
        let words: Vec<&str> = ["run"]
            .iter()
            .chain(flags)
            .chain(&["--", "true"])
            .copied()
            .collect();
        Case::new(name, desk.fumehood, &words, project)
    };
    let cases = [
        case("--apply never", &["--apply", "never"]),
        case("--live", &["--live"]),
    ];
    let table = Table::measure(
        &format!("workspace: start, project of {files} files"),
        &cases,
        100,
    );
    table.print();
    table.ratio(0, 1);
}

/// Twenty files, of a small and of a large project: what diff and apply cost must not depend on that.
fn few(desk: &Desk<'_>, project: &Path, files: usize) {
    let (mut diff, mut apply, mut undo) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..15 {
        let script = format!("for i in $(seq 20); do echo {round} >> d0/$i; done");
        desk.verb(project, &["run", "--apply", "never", "--", "sh", "-c", &script]);
        diff.push(desk.verb(project, &["diff"]));
        apply.push(desk.verb(project, &["apply", "--all"]));
        undo.push(desk.verb(project, &["undo"]));
        desk.verb(project, &["discard"]);
    }
    println!("\n## workspace: 20 changed files, project of {files}");
    for (name, times) in [("diff", &mut diff), ("apply", &mut apply), ("undo", &mut undo)] {
        println!("{name}: median {:.2} ms", median(times));
    }
}

/// Ten thousand new files, applied, and copied by `cp -a` from the same layer's twin.
fn many(desk: &Desk<'_>, place: &Path) {
    let project = place.join("many");
    std::fs::create_dir_all(&project).unwrap();
    let (mut apply, mut copy) = (Vec::new(), Vec::new());
    for round in 0..5 {
        let twin = place.join("twin");
        fill(&twin, 10_000);
        let script = "for d in $(seq 0 99); do mkdir d$d; for i in $(seq 100); do head -c 2000 /dev/zero > d$d/$i; done; done";
        desk.verb(&project, &["run", "--apply", "never", "--", "sh", "-c", script]);
        apply.push(desk.verb(&project, &["apply", "--all"]));
        let copied = place.join(format!("copied-{round}"));
        let began = Instant::now();
        let status = Command::new("cp")
            .arg("-a")
            .arg(&twin)
            .arg(&copied)
            .status()
            .unwrap();
        copy.push(began.elapsed());
        assert!(status.success());
        desk.verb(&project, &["undo"]);
        desk.verb(&project, &["discard"]);
        std::fs::remove_dir_all(&copied).unwrap();
        std::fs::remove_dir_all(&twin).unwrap();
    }
    let (apply, copy) = (median(&mut apply), median(&mut copy));
    println!("\n## workspace: 10,000 new files of 2 kB");
    println!(
        "apply {apply:.0} ms, cp -a {copy:.0} ms, ratio {:.2}",
        apply / copy
    );
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times
        .get(times.len() / 2)
        .map_or(0.0, |t| t.as_secs_f64() * 1000.0)
}
