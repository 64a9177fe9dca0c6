//! How fast an output goes through: bytes a second of a log, with 200 secrets to look for, beside copying the same bytes
//! in the same run; and the most memory that took. `cargo run --release -p fumehood-output --example throughput`

#![expect(clippy::print_stdout, reason = "what is measured is printed")]
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on panics")]

use fumehood_output::{Format, Output};
use fumehood_redact::Forbidden;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const TOTAL: usize = 1 << 30;
const PIECE: usize = 64 * 1024;

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
        let colour = coloured && state.is_multiple_of(7);
        out.extend(
            if colour {
                format!("\x1b[32m{line}\x1b[0m\n")
            } else {
                line + "\n"
            }
            .into_bytes(),
        );
    }
    out.truncate(PIECE);
    out
}

fn secrets(count: u64) -> Arc<Forbidden> {
    let all: Vec<String> = (0..count)
        .map(|n| {
            format!(
                "sk-{:032x}",
                u128::from(n + 1) * 0x9e37_79b9_7f4a_7c15_1234_5678_9abc_def1
            )
        })
        .collect();
    let shown = "*".repeat(64);
    Arc::new(Forbidden::new(
        all.iter().map(|s| (s.as_bytes(), &shown.as_bytes()[..s.len()])),
    ))
}

fn gigabytes_a_second(begun: Instant) -> f64 {
    TOTAL as f64 / begun.elapsed().as_secs_f64() / 1e9
}

/// The most memory this process had, in KiB (proc_pid_status(5), `VmHWM`).
fn most_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|l| l.starts_with("VmHWM:"))
        .unwrap_or_default();
    line.trim_start_matches("VmHWM:").trim().to_owned()
}

fn main() {
    for (kind, piece) in [("plain", log(false)), ("coloured", log(true))] {
        let begun = Instant::now();
        let mut copy = Vec::with_capacity(PIECE);
        for _ in 0..TOTAL / PIECE {
            copy.clear();
            copy.extend_from_slice(black_box(&piece));
            black_box(&copy);
        }
        let floor = gigabytes_a_second(begun);
        for (count, format) in [(0, None), (200, None), (200, Some(Format::Libtest))] {
            let mut output = Output::new(24 * 1024, secrets(count), format);
            let begun = Instant::now();
            for _ in 0..TOTAL / PIECE {
                output.push(black_box(&piece));
            }
            let done = output.finish(None).unwrap();
            let rate = gigabytes_a_second(begun);
            let summed = if format.is_some() { ", summed up" } else { "" };
            println!(
                "{kind:9} {count:3} secrets{summed}: {rate:5.2} GB/s, {} lines; copied {floor:5.1} GB/s; at most {} so far",
                done.shown.lines,
                most_memory()
            );
        }
    }
}
