//! What a tool's call costs: its arguments checked and decided, the whole of a warm call beside the bare program, and the
//! way of its output, beside copying the same bytes.

use crate::measure::Table;
use fumehood_monitor::Effects;
use fumehood_output::{Format, Output};
use fumehood_policy::config;
use fumehood_policy::origin::Layer;
use fumehood_redact::Forbidden;
use fumehood_tools::{Arguments, Manifest, compile, guard};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Checks of arguments, and calls.
const CHECKS: usize = 100_000;
const CALLS: usize = 300;
/// Bytes of an output, in pieces of this size.
const TOTAL: usize = 1 << 30;
const PIECE: usize = 64 * 1024;

const TOOLS: &str = r#"version = 1
[tool.bare]
description = "does nothing"
argv = ["true"]
limits = { timeout = "1m" }
[tool.tests]
description = "like cargo_test, with one of each"
params = { package = { type = "PkgName", optional = true }, filter = { type = "TestId" }, path = { type = "RelPath" }, at = { type = "GitRef" }, url = { type = "Url" }, n = { type = "Int", min = 1, max = 9 } }
argv = ["true", ["--package={package}"], "--at={at}", "--url={url}", "--n={n}", "--", "{filter}", "{path}"]
network = ["docs.rs", "*.example.com"]
"#;
const ARGUMENTS: &str = r#"{"package":"fumehood-tools","filter":"kind::tests::a_value","path":"crates/tools/src/kind.rs","at":"feat/tools~3","url":"https://docs.rs/serde/latest/serde/?search=x","n":4}"#;

pub(crate) fn run(fumehood: &Path, place: &Path) {
    check();
    calls(fumehood, place);
    output();
}

/// From the bytes of a call to the words of its command, and what 100 rules say of it.
fn check() {
    let config = config::parse(Layer::User, "bench", TOOLS.as_bytes())
        .into_result()
        .expect("the tools");
    let tools = Manifest::of_config(&config).expect("the tools");
    let tool = tools
        .iter()
        .find(|t| t.name().as_str() == "tests")
        .expect("the tool");
    let rules = Effects::from(crate::decision::effects(100));
    let mut took = Vec::with_capacity(CHECKS);
    for _ in 0..CHECKS {
        let begun = Instant::now();
        let json = guard(black_box(ARGUMENTS.as_bytes())).expect("JSON");
        let arguments = Arguments::check(tool, &json).expect("arguments");
        let words = compile(&tool.tool().argv, &arguments).expect("a command");
        black_box(rules.decide(fumehood_effect::EffectKind::ToolCall));
        black_box(words);
        took.push(begun.elapsed());
    }
    let floor = parsed();
    let [median, slow] = crate::decision::percentiles(&mut took);
    println!(
        "\n## tools: arguments of six types checked, placed and decided, {CHECKS} times\nmedian {median:.2} us, p99 {slow:.2} us \
         (bar 50 us); {:.1} times reading the JSON alone",
        median / floor
    );
}

/// Microseconds of reading the same text as JSON.
fn parsed() -> f64 {
    let mut took = Vec::new();
    for _ in 0..CHECKS {
        let begun = Instant::now();
        black_box(serde_json::from_str::<serde_json::Value>(black_box(ARGUMENTS)).expect("JSON"));
        took.push(begun.elapsed());
    }
    crate::decision::percentiles(&mut took)[0]
}

/// A server of tools, and its client's two pipes.
struct Served {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    next: u32,
}

impl Served {
    fn start(fumehood: &Path, project: &Path, state: &Path) -> Served {
        let mut child = Command::new(fumehood)
            .arg("mcp")
            .current_dir(project)
            .env("XDG_CONFIG_HOME", state.join("config"))
            .env("XDG_STATE_HOME", state.join("state"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("fumehood mcp");
        Served {
            to: child.stdin.take().expect("a pipe"),
            from: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
            next: 1,
        }
    }

    /// How long a call takes until its answer is there.
    fn call(&mut self, name: &str, arguments: &str) -> Duration {
        let id = self.next;
        self.next += 1;
        let begun = Instant::now();
        writeln!(
            self.to,
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
        )
        .expect("the server reads");
        let mut line = String::new();
        self.from.read_line(&mut line).expect("the server answers");
        let took = begun.elapsed();
        assert!(line.contains(r#""isError":false"#), "{line}");
        took
    }

    fn end(mut self) {
        drop(self.to);
        let _ended = self.child.wait();
    }
}

/// Calls of a server that runs, in turn with the bare program and with a run of it.
fn calls(fumehood: &Path, place: &Path) {
    let (project, state) = (place.join("tools"), place.join("tools-state"));
    std::fs::create_dir_all(&project).expect("a folder");
    std::fs::create_dir_all(state.join("config/fumehood")).expect("a folder");
    std::fs::write(state.join("config/fumehood/config.toml"), TOOLS).expect("a file");
    std::fs::write(project.join("read"), "a line\n".repeat(100)).expect("a file");
    let mut served = Served::start(fumehood, &project, &state);
    let mut rows = [
        ("call of `true`", Vec::new()),
        ("true", Vec::new()),
        ("fumehood run -- true", Vec::new()),
        ("call of read_file", Vec::new()),
    ];
    for n in 0..CALLS + CALLS / 10 {
        let times = [
            served.call("bare", "{}"),
            wall(Command::new("/bin/true").current_dir(&project)),
            wall(
                Command::new(fumehood)
                    .args(["run", "--apply", "never", "--", "true"])
                    .current_dir(&project)
                    .env("XDG_STATE_HOME", state.join("state")),
            ),
            served.call("read_file", r#"{"path":"read"}"#),
        ];
        if n >= CALLS / 10 {
            rows.iter_mut()
                .zip(times)
                .for_each(|(row, took)| row.1.push(took));
        }
    }
    served.end();
    let middle = |times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort();
        times[times.len() / 2]
    };
    let over = middle(&rows[0].1).saturating_sub(middle(&rows[1].1));
    let table = Table::of(
        "tools: a warm call over `fumehood mcp`",
        rows.map(|(name, times)| (name.to_owned(), times)),
    );
    table.print();
    table.ratio(0, 1);
    table.ratio(0, 2);
    println!(
        "over the bare program: {:.2} ms (bar 5 ms)",
        over.as_secs_f64() * 1000.0
    );
}

/// How long a program takes that ends. Other children go on: the server is one.
fn wall(command: &mut Command) -> Duration {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begun = Instant::now();
    assert!(quiet.status().is_ok_and(|s| s.success()), "{command:?}");
    begun.elapsed()
}

/// Each way of an output in a process of its own: the most memory that took is that process's.
fn output() {
    println!(
        "\n## tools: 1 GiB of output to a window of 24 KiB, in pieces of 64 KiB (bars 0.8 GB/s, 32 MiB)"
    );
    let own = std::env::current_exe().expect("this program");
    for kind in ["plain", "coloured"] {
        for secrets in ["0", "200", "summed"] {
            let status = Command::new(&own).args(["--output", kind, secrets]).status();
            assert!(status.is_ok_and(|s| s.success()), "{kind} {secrets}");
        }
    }
}

/// One way of an output, for [`output`].
pub(crate) fn one_output(kind: &str, secrets: &str) -> i32 {
    let piece = log(kind == "coloured");
    let (count, format) = match secrets {
        "summed" => (200, Some(Format::Libtest)),
        count => (count.parse().unwrap_or(0), None),
    };
    let begun = Instant::now();
    let mut copy = Vec::with_capacity(PIECE);
    for _ in 0..TOTAL / PIECE {
        copy.clear();
        copy.extend_from_slice(black_box(&piece));
        black_box(&copy);
    }
    let floor = rate(begun);
    let mut output = Output::new(24 * 1024, forbidden(count), format);
    let begun = Instant::now();
    for _ in 0..TOTAL / PIECE {
        output.push(black_box(&piece));
    }
    let done = output.finish(None).expect("an output");
    let rate = rate(begun);
    let summed = if format.is_some() { ", summed up" } else { "" };
    println!(
        "{kind:9} {count:3} secrets{summed}: {rate:5.2} GB/s, {:.3} of copying; at most {}; {} lines",
        rate / floor,
        most_memory(),
        done.shown.lines,
    );
    0
}

fn rate(begun: Instant) -> f64 {
    TOTAL as f64 / begun.elapsed().as_secs_f64() / 1e9
}

/// A piece of a log: lines alike in kind and different in content, every seventh coloured if wanted.
fn log(coloured: bool) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = Vec::new();
    while out.len() < PIECE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let line = format!(
            "2026-11-27T10:00:00 worker {:x} took item {:x} from queue {:x}",
            state >> 40,
            state & 0xffff,
            state >> 20
        );
        let line = match coloured && state.is_multiple_of(7) {
            true => format!("\x1b[32m{line}\x1b[0m\n"),
            false => line + "\n",
        };
        out.extend(line.into_bytes());
    }
    out.truncate(PIECE);
    out
}

fn forbidden(count: u64) -> Arc<Forbidden> {
    let mixed = |n: u64| u128::from(n + 1) * 0x9e37_79b9_7f4a_7c15_1234_5678_9abc_def1;
    let all: Vec<String> = (0..count).map(|n| format!("sk-{:032x}", mixed(n))).collect();
    let shown = "*".repeat(64);
    let each = all.iter().map(|s| (s.as_bytes(), &shown.as_bytes()[..s.len()]));
    Arc::new(Forbidden::new(each))
}

/// The most memory this process had (proc_pid_status(5), `VmHWM`).
fn most_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.unwrap_or("?").trim().to_owned()
}
