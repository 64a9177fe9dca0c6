//! Throughput of the relay, beside copying the bytes and beside `vt100` alone.
//!
//! `cargo bench -p fumehood-terminal` prints MB/s of the program's output; the
//! ratios are of times in the same run. Each figure is the best of five.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use fumehood_terminal::{Options, Relay, Size};

/// What a pty gives in one read at most, and what a program may write at once.
const READ: usize = 64 * 1024;
const ROUNDS: u32 = 5;

fn main() {
    println!(
        "{:<28} {:>8} {:>8} {:>8} {:>8} {:>7}",
        "stream", "relay", "vt100", "copy", "/ vt100", "out/in"
    );
    for (name, bytes) in streams() {
        let (relay, written) = best(|| relay(&bytes));
        let (vt100, _) = best(|| vt100(&bytes));
        let (copy, _) = best(|| copy(&bytes));
        let speed = |time: Duration| bytes.len() as f64 / 1e6 / time.as_secs_f64();
        println!(
            "{name:<28} {:>8.0} {:>8.0} {:>8.0} {:>8.2} {:>7.2}",
            speed(relay),
            speed(vt100),
            speed(copy),
            vt100.as_secs_f64() / relay.as_secs_f64(),
            written as f64 / bytes.len() as f64,
        );
    }
}

fn best(mut run: impl FnMut() -> usize) -> (Duration, usize) {
    let mut result = (Duration::MAX, 0);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let written = black_box(run());
        result = result.min((start.elapsed(), written));
    }
    result
}

fn relay(bytes: &[u8]) -> usize {
    let mut relay = Relay::new(Size::new(50, 160), Options::default());
    let mut written = relay.start().len();
    for read in bytes.chunks(READ) {
        written += black_box(relay.output(read, Duration::ZERO)).to_terminal.len();
    }
    written
}

fn vt100(bytes: &[u8]) -> usize {
    let (rows, cols) = (NonZeroU16::new(49), NonZeroU16::new(160));
    let (Some(rows), Some(cols)) = (rows, cols) else {
        return 0;
    };
    let mut parser = vt100::Parser::new(rows, cols, 0);
    bytes.chunks(READ).for_each(|read| parser.process(read));
    usize::from(parser.screen().cursor_position().0)
}

fn copy(bytes: &[u8]) -> usize {
    bytes
        .chunks(READ)
        .map(|read| black_box(read.to_vec()).len())
        .sum()
}

fn streams() -> [(&'static str, Vec<u8>); 6] {
    let lines = |count: u32, line: &dyn Fn(u32) -> String| {
        (0..count).flat_map(|n| line(n).into_bytes()).collect::<Vec<u8>>()
    };
    [
        (
            "log lines, 85 bytes",
            lines(200_000, &|n| {
                format!(
                    "2026-11-23T22:05:{:02}.{n:06}Z  INFO server::http: GET /api/v1/items/{n:08} 200 in 12 ms\r\n",
                    n % 60
                )
            }),
        ),
        (
            "log lines with colours",
            lines(100_000, &|n| {
                format!(
                    "\x1b[2m22:05:{:02}\x1b[0m \x1b[32m INFO\x1b[0m \x1b[1mserver\x1b[0m: request {n} done\r\n",
                    n % 60
                )
            }),
        ),
        ("short lines (seq)", lines(1_000_000, &|n| format!("{n}\r\n"))),
        ("one endless line", vec![b'x'; 10_000_000]),
        (
            "Chinese text",
            lines(60_000, &|n| {
                format!("第{n}行：沙箱把每個字節重新繪製，程序的控制序列不會到達終端。\r\n")
            }),
        ),
        (
            "full-screen redraws",
            lines(3_000, &|n| {
                let rows: String = (1..50)
                    .map(|row| {
                        format!(
                            "\x1b[{row};1H\x1b[K\x1b[3{}m{n:>8} {row:>4} {:#<100}",
                            row % 8,
                            ""
                        )
                    })
                    .collect();
                format!("\x1b[H{rows}")
            }),
        ),
    ]
}
