//! A question over the program's screen: it can be read, and leaves no trace.

use crate::oracle::{Bench, assert_same_picture};
use crate::streams::stream;
use fumehood_terminal::{Choice, Options, PopUp, Size};
use proptest::prelude::*;
use std::time::Duration;

const LATE: Duration = Duration::from_secs(9);

fn popup(code: Option<&str>) -> PopUp {
    PopUp::new(
        vec!["hold 1 (high): deletes a branch".to_owned()],
        code,
        Duration::ZERO,
    )
}

fn bench() -> Bench {
    let options = Options {
        origin_row: Some(2),
        ..Options::default()
    };
    Bench::new(Size::new(8, 60), options)
}

fn ask(bench: &mut Bench, popup: PopUp) {
    let out = bench.relay.ask(popup);
    bench.terminal.show(&out);
}

fn press(bench: &mut Bench, key: u8) -> Option<Choice> {
    let (choice, out) = bench.relay.answer(&[key], LATE);
    bench.terminal.show(&out);
    choice
}

#[test]
fn it_is_read_answered_and_gone() {
    for screen in [
        "text\r\n",
        "\x1b[?1049h\x1b[2J\x1b[3;3H\x1b[31mfull\x1b[?1002h\x1b[?25l\x1b[>1u",
    ] {
        let mut bench = bench();
        bench.print(screen.as_bytes());
        let (before, had) = (bench.terminal.picture(), modes(&bench));
        let cursor = bench.terminal.screen().cursor_position();
        ask(&mut bench, popup(Some("k7wq")));
        assert!(bench.terminal.row(5).contains("hold 1 (high): deletes a branch"));
        assert!(
            bench
                .terminal
                .row(6)
                .contains("the code of this card allows it: ____")
        );
        assert!(
            bench.terminal.row(7).contains("swift-otter"),
            "the real row stays"
        );
        assert_eq!(
            modes(&bench),
            (false, true, true),
            "the terminal reports keys and pastes only"
        );
        for key in *b"k7w" {
            assert_eq!(press(&mut bench, key), None);
        }
        assert!(bench.terminal.row(6).contains("k7w_"));
        assert_eq!(press(&mut bench, b'q'), Some(Choice::Allow));
        assert_same_picture(&bench.terminal.picture(), &before);
        assert_eq!(
            (modes(&bench), bench.terminal.screen().cursor_position()),
            (had, cursor)
        );
        bench.finish();
    }
}

/// Mouse reports, a visible cursor, marked pastes.
fn modes(bench: &Bench) -> (bool, bool, bool) {
    let screen = bench.terminal.screen();
    (
        screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None,
        !screen.hide_cursor(),
        screen.bracketed_paste(),
    )
}

proptest! {
    /// Whatever the program prints before, meanwhile and afterwards, and whatever the window does: the picture is the
    /// one of a run in which nothing was asked, and nothing of the question is in the scrollback.
    #[test]
    fn it_leaves_no_trace(before in stream(), meanwhile in stream(), after in stream(), resized in any::<bool>()) {
        let run = |asks: bool| {
            let mut bench = bench();
            bench.print(&before.0);
            if asks {
                ask(&mut bench, popup(None));
            }
            bench.print(&meanwhile.0);
            if resized {
                bench.resize(Size::new(6, 50));
            }
            if asks {
                let out = bench.relay.withdraw();
                bench.terminal.show(&out);
            }
            bench.print(&after.0);
            bench.wait();
            let history = bench.terminal.history();
            let picture = bench.terminal.picture();
            bench.assert_repaint_changes_nothing();
            bench.finish();
            (picture, history)
        };
        let ((one, _), (other, history)) = (run(false), run(true));
        assert_same_picture(&other, &one);
        prop_assert!(!history.iter().any(|line| line.contains("deletes a branch")), "{history:?}");
    }
}
