//! How fast answers are looked at: bytes a second with 20 and with 200 secrets, beside copying the same bytes in
//! the same run. `cargo run --release -p fumehood-redact --example redaction`

#![expect(clippy::print_stdout, reason = "what is measured is printed")]

use fumehood_redact::{Forbidden, Redactor};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const PIECE: usize = 16 * 1024;
const TOTAL: usize = 256 << 20;

/// Different enough from each other, and the same in each run.
fn letters(seed: u64, length: usize, alphabet: &[u8]) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        alphabet[state as usize % alphabet.len()]
    };
    (0..length).map(|_| letter()).collect()
}

const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

fn forbidden(count: u64) -> Arc<Forbidden> {
    let value = |n| [b"sk-ant-api03-", &letters(n + 1, 80, ALNUM)[..]].concat();
    let secrets: Vec<Vec<u8>> = (0..count).map(value).collect();
    let shown = [b'Q'; 93];
    Arc::new(Forbidden::new(secrets.iter().map(|s| (s.as_slice(), &shown[..]))))
}

/// Gigabytes a second.
fn rate(mut step: impl FnMut(&[u8]), piece: &[u8]) -> f64 {
    let rounds = TOTAL / piece.len();
    let mut best = f64::MIN;
    for _ in 0..3 {
        let begun = Instant::now();
        for _ in 0..rounds {
            step(black_box(piece));
        }
        let bytes = (rounds * piece.len()) as f64;
        best = best.max(bytes / begun.elapsed().as_secs_f64() / 1e9);
    }
    best
}

fn main() {
    let event =
        r#"data: {"type":"content_block_delta","delta":{"text":"fn main() {\n    println!(\"100%\");\n}"}}"#;
    let events = format!("{event}\n\n").into_bytes();
    let kinds = [
        ("letters and digits", letters(7, PIECE, ALNUM)),
        ("any bytes", letters(8, PIECE, &(0..=255).collect::<Vec<u8>>())),
        (
            "events of a model",
            events.iter().copied().cycle().take(PIECE).collect(),
        ),
    ];
    for (kind, piece) in kinds {
        let mut copy = Vec::with_capacity(PIECE);
        let floor = rate(
            |bytes| {
                copy.clear();
                copy.extend_from_slice(bytes);
                black_box(&copy);
            },
            &piece,
        );
        for count in [1, 20, 200] {
            let mut stream = Redactor::new(forbidden(count));
            let looked = rate(|bytes| drop(black_box(stream.push(bytes))), &piece);
            println!(
                "{kind:20} {count:3} secrets: {looked:5.2} GB/s; copied {floor:5.1} GB/s, {:.2} of it",
                looked / floor
            );
        }
    }
}
