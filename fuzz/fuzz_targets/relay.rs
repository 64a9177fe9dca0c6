//! Any bytes from inside, any size, any resizing: the terminal gets nothing but
//! what is on the list, the status row stays, the program gets nothing but answers.
//!
//! Input: rows, columns, flags, then pieces parted by 0xff. A piece that starts
//! with `R` resizes first, one that is `W` lets time pass, any other is printed.
#![no_main]

use fumehood_terminal::{Options, Size};
use libfuzzer_sys::fuzz_target;
use oracle::Bench;

#[path = "../../crates/terminal/tests/relay/oracle.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod oracle;

fuzz_target!(|data: &[u8]| {
    if let [rows, cols, flags, pieces @ ..] = data {
        play(size(*rows, *cols), *flags, pieces);
    }
});

/// Small screens, so that edges are near; vt100 itself fails with a single column.
fn size(rows: u8, cols: u8) -> Size {
    Size::new(u16::from(rows % 32) + 1, u16::from(cols % 100) + 2)
}

fn play(size: Size, flags: u8, pieces: &[u8]) {
    let options = Options {
        origin_row: (flags & 1 != 0).then_some(u16::from(flags >> 4)),
        kitty_keyboard: flags & 2 != 0,
        cell_pixels: (flags & 4 != 0).then_some((20, 10)),
        ..Options::default()
    };
    let mut bench = Bench::new(size, options);
    for piece in pieces.split(|byte| *byte == 0xff) {
        step(&mut bench, piece);
    }
    bench.assert_repaint_changes_nothing();
    bench.finish();
}

fn step(bench: &mut Bench, piece: &[u8]) {
    match piece {
        [b'R', rows, cols, text @ ..] => {
            bench.resize(size(*rows, *cols));
            bench.print(text);
        }
        [b'W'] => bench.wait(),
        text => _ = bench.print(text),
    }
}
