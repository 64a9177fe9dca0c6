//! Recorded output of real programs: their screen through the relay is, at
//! every moment, the one that they would have made without it. The recordings
//! are the fuzzer's seeds.

use crate::oracle::{Bench, Terminal, assert_same_picture, visible};
use fumehood_terminal::{Options, Size};

/// Three bytes in front of a recording are for the fuzzer.
const HEADER: usize = 3;

fn assert_same_with_and_without_the_relay(recording: &[u8]) {
    let size = Size::new(24, 80);
    let mut bench = Bench::new(size, Options::default());
    let mut direct = Terminal::of_a_program(size.inner());
    for read in recording[HEADER..].chunks(64) {
        bench.print(read);
        direct.show_unjudged(read);
        bench.wait();
        assert_same_picture(&visible(&bench.terminal), &visible(&direct));
    }
    bench.assert_repaint_changes_nothing();
    bench.finish();
}

#[test]
fn less() {
    assert_same_with_and_without_the_relay(include_bytes!("../../../../fuzz/seeds/relay/less"));
}

#[test]
fn vim() {
    assert_same_with_and_without_the_relay(include_bytes!("../../../../fuzz/seeds/relay/vim"));
}

#[test]
fn codex() {
    assert_same_with_and_without_the_relay(include_bytes!("../../../../fuzz/seeds/relay/codex"));
}

#[test]
fn claude_code() {
    assert_same_with_and_without_the_relay(include_bytes!("../../../../fuzz/seeds/relay/claude"));
}
