//! What holds for every stream of bytes.

use crate::oracle::{Bench, Terminal, assert_same_picture, visible};
use crate::streams::{common_stream, stream};
use fumehood_terminal::{Options, Size};
use proptest::prelude::*;

fn sizes() -> impl Strategy<Value = Size> {
    // vt100 itself fails on a combining mark in a screen of one column.
    (1..12_u16, 2..24_u16).prop_map(|(rows, cols)| Size::new(rows, cols))
}

fn options() -> impl Strategy<Value = Options> {
    (any::<Option<u16>>(), any::<bool>()).prop_map(|(origin_row, kitty_keyboard)| Options {
        origin_row: origin_row.map(|row| row % 14),
        kitty_keyboard,
        cell_pixels: Some((20, 10)),
        ..Options::default()
    })
}

proptest! {
    /// F22: no stream makes the relay type, leave its list, or touch the status
    /// row; and what was painted bit by bit is the picture painted at once.
    #[test]
    fn no_stream_reaches_beyond_its_screen(
        size in sizes(), options in options(), streams in prop::collection::vec(stream(), 1..6)
    ) {
        let mut bench = Bench::new(size, options);
        for stream in streams {
            bench.print(&stream.0);
        }
        bench.assert_repaint_changes_nothing();
        bench.finish();
    }

    #[test]
    fn nor_while_the_terminal_is_resized(
        steps in prop::collection::vec((sizes(), stream()), 1..6)
    ) {
        let mut bench = Bench::new(Size::new(8, 20), Options::default());
        for (size, stream) in steps {
            bench.print(&stream.0);
            bench.resize(size);
            bench.print(b"x");
        }
        bench.assert_repaint_changes_nothing();
        bench.finish();
    }

    /// The picture is the one that another terminal would have made of the same bytes.
    #[test]
    fn another_model_sees_the_same(stream in common_stream()) {
        let mut bench = bench();
        bench.print(&stream.0);
        let mut other = Terminal::of_a_program(Size::new(7, 12).inner());
        other.show_unjudged(&stream.0);
        assert_same_picture(&visible(&bench.terminal), &visible(&other));
    }

    /// How the bytes are cut into reads changes neither picture nor scrollback.
    #[test]
    fn cuts_do_not_matter(stream in stream(), cut in 1..7_usize) {
        let (mut whole, mut cuts) = (bench(), bench());
        whole.print(&stream.0);
        for part in stream.0.chunks(cut) {
            cuts.print(part);
        }
        whole.wait();
        cuts.wait();
        assert_same_picture(&whole.terminal.picture(), &cuts.terminal.picture());
        if !stream.0.windows(2).any(|bytes| bytes == b"47" || bytes == b"49") {
            prop_assert_eq!(whole.terminal.history(), cuts.terminal.history());
        }
    }

    /// Whatever a terminal sends, what passes is a part of it in order, and never an answer.
    #[test]
    fn input_is_only_ever_left_out(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut relay = fumehood_terminal::Relay::new(Size::new(255, 80), Options::default());
        let mut passed = relay.input(&bytes);
        passed.extend(relay.input_timeout());
        let mut rest = bytes.iter();
        prop_assert!(passed.iter().all(|byte| rest.any(|other| other == byte)));
    }
}

fn bench() -> Bench {
    Bench::new(Size::new(7, 12), Options::default())
}
