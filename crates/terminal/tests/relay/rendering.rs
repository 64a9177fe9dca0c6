//! What the terminal gets, byte by byte, and how programs' screens look.

use crate::oracle::Bench;
use fumehood_terminal::{Options, Relay, Size, Status};
use std::time::Duration;

fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .replace('\x1b', "^")
        .replace('\r', "<CR>")
        .replace('\n', "<LF>")
}

fn relay(rows: u16, cols: u16) -> Relay {
    let mut relay = Relay::new(
        Size::new(rows, cols),
        Options {
            origin_row: Some(0),
            ..Options::default()
        },
    );
    relay.start();
    relay
}

fn printed(relay: &mut Relay, stream: &str) -> String {
    readable(&relay.output(stream.as_bytes(), Duration::ZERO).to_terminal)
}

fn screen(rows: u16, cols: u16, stream: &str) -> String {
    let mut bench = Bench::new(Size::new(rows, cols), Options::default());
    bench.print(stream.as_bytes());
    (0..rows - 1)
        .map(|row| bench.terminal.row(row))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_terminal_is_taken_and_given_back() {
    let mut relay = Relay::new(
        Size::new(4, 30),
        Options {
            origin_row: Some(0),
            ..Options::default()
        },
    );
    relay.set_status(Status {
        holds: 1,
        ..Status::new("otter")
    });
    insta::assert_snapshot!(readable(&relay.start()), @"^[?7l^[1;3r^[K<CR><LF>^[K<CR><LF>^[K^[4;1H^[1;7m fumehood ^[0;7motter  ^[1m HOLD 1 ^[0;7m     ^[m^[1;1H");
    printed(
        &mut relay,
        "\x1b[?1049h\x1b[?25l\x1b[?1h\x1b=\x1b[?1002;1006h\x1b[>1u\x1b[31mred",
    );
    insta::assert_snapshot!(readable(&relay.finish()), @"^[<u^[?1049l^[m^[1;3r^[4;1H^[K^[?1l^[?25h^>^[?1006l^[?1002l^[r^[?7h^[1;1H");
}

#[test]
fn only_what_changed_is_painted() {
    let mut relay = relay(6, 30);
    insta::assert_snapshot!(printed(&mut relay, "hello"), @"hello");
    insta::assert_snapshot!(printed(&mut relay, "\x1b[1;1Hhallo"), @"^[1;2Ha^[1;6H");
    insta::assert_snapshot!(printed(&mut relay, "\r\n\x1b[1;32mok\x1b[m 漢 🦀!"), @"<CR><LF>^[1;32mok^[m 漢 ^[2X🦀^[2;9H!");
    insta::assert_snapshot!(printed(&mut relay, "\x1b[2K"), @"<CR>^[K^[2;10H");
    insta::assert_snapshot!(printed(&mut relay, "\x1b[K\x1b[m"), @"");
}

#[test]
fn lines_flow_like_ordinary_output() {
    let mut relay = relay(4, 30);
    insta::assert_snapshot!(printed(&mut relay, "1\r\n2\r\n3"), @"1<CR><LF>2<CR><LF>3");
    insta::assert_snapshot!(printed(&mut relay, "\r\n4"), @"<CR><LF>4");
    insta::assert_snapshot!(printed(&mut relay, "\r\n5\r\n6\r\n7\r\n8\r\n9"), @"<CR><LF>5<CR><LF>6<CR><LF><LF><LF>^[1;1H7<CR><LF>8<CR><LF>9");
}

#[test]
fn an_open_frame_waits_for_its_end_or_its_time() {
    let mut relay = relay(6, 30);
    assert_eq!(printed(&mut relay, "\x1b[?2026hhalf a "), "");
    assert_eq!(relay.deadline(), Some(Duration::from_millis(150)));
    assert_eq!(printed(&mut relay, "frame\x1b[?2026l"), "half a frame");
    assert_eq!(relay.deadline(), None);
    assert_eq!(printed(&mut relay, "\x1b[?2026h more"), "");
    assert_eq!(relay.tick(Duration::from_millis(149)), b"");
    assert_eq!(relay.tick(Duration::from_millis(150)), b" more");
}

#[test]
fn line_drawing_is_shown_in_unicode() {
    insta::assert_snapshot!(screen(4, 20, "\x1b(0lqqk\x1b(B x\r\n\x1b)0\x0emqqj\x0f q"), @r#"
    ┌──┐ x
    └──┘ q
    "#);
}

#[test]
fn ncurses_means_of_an_xterm_work() {
    // REP, ECH, ICH, DCH, IL, DL, CBT, VPA, HPA, scroll region, reverse index, insert mode.
    insta::assert_snapshot!(screen(8, 20, concat!(
        "=\x1b[9b\r\n", "abcdef\x1b[4D\x1b[2X\r\n", "abc\x1b[2D\x1b[2@\r\n", "abcdef\x1b[4D\x1b[2P\r\n",
        "\ta\tb\x1b[2Z^\r\n", "\x1b[6d\x1b[5GX", "\x1b[6;7r\x1b[6;1H\x1bMtop\x1b[r",
        "\x1b[5;1H\x1b[4h>>\x1b[4l",
    )), @r#"
    ==========
    ab  ef
    a  bc
    abef
    >>        ^       b
    top
        X
    "#);
}

#[test]
fn wide_characters_wrap_and_break_as_wholes() {
    insta::assert_snapshot!(screen(6, 5, "漢字漢字\x1b[1;2Hx\x1b[3;1He\u{301}\u{301}\u{301}|👨\u{200d}👩|"), @r#"
     x字
    漢字
    é́|👨‍
    👩|
    "#);
}

#[test]
fn autowrap_waits_for_the_next_character() {
    insta::assert_snapshot!(screen(5, 5, "12345\r\n67890a\x1b[?7lbcdefgh"), @r#"
    12345
    67890
    abcdh
    "#);
}

/// less: keypad mode, reverse line feeds at the top, a standout prompt.
#[test]
fn less_pages_back() {
    let mut bench = Bench::new(Size::new(6, 20), Options::default());
    bench.print(
        b"\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\rthree\x1b[m\r\nfour\x1b[m\r\nfive\x1b[m\r\nsix\r\n:\x1b[K",
    );
    bench.print(b"\r\x1b[K\x1b[H\x1bMtwo\x1b[m\r\n\x1b[5;1H\r\x1b[K:\x1b[K");
    bench.print(b"\r\x1b[K\x1b[H\x1bMone\x1b[m\r\n\x1b[5;1H\r\x1b[K\x1b[7mEND\x1b[27m\x1b[K");
    let rows: Vec<_> = (0..5).map(|row| bench.terminal.row(row)).collect();
    assert_eq!(rows, ["one", "two", "three", "four", "END"]);
    assert!(bench.terminal.screen().application_keypad());
    assert!(!bench.finish().screen().alternate_screen());
}

/// Claude Code (Ink): erases its lines upwards and writes them anew, in the normal screen.
#[test]
fn ink_redraws_in_place() {
    let mut bench = Bench::new(
        Size::new(8, 30),
        Options {
            origin_row: Some(0),
            ..Options::default()
        },
    );
    bench.print("\x1b[?2004h\x1b[?1004h\x1b[?25l╭───╮\r\n│ > │\r\n╰───╯\r\n".as_bytes());
    for n in 0..20 {
        let erase = "\x1b[2K\x1b[1A".repeat(3) + "\x1b[2K\x1b[G";
        bench.print(
            format!("\x1b[?2026h{erase}⏺ step {n}\r\n╭───╮\r\n│ > │\r\n╰───╯\r\n\x1b[?2026l").as_bytes(),
        );
    }
    let history = bench.terminal.history();
    let steps: Vec<_> = (0..20).map(|n| format!("⏺ step {n}")).collect();
    assert_eq!(&history[..20], &steps);
    assert_eq!(history[20..].join("|"), "╭───╮|│ > │|╰───╯|");
}

#[test]
fn all_attributes_come_through() {
    let mut relay = relay(6, 40);
    insta::assert_snapshot!(
        printed(&mut relay, "\x1b[1;3;4:3;9;53;38;2;1;2;3;48;5;200;58:2::7:8:9mx\x1b[0;2;5;7;8;21my"), @"^[1;3;9;53;4:3;38;2;1;2;3;48;5;200;58:2::7:8:9mx^[0;2;5;7;8;4:2my"
    );
}

#[test]
fn the_terminal_can_be_given_back_for_a_while() {
    let mut bench = Bench::new(
        Size::new(6, 20),
        Options {
            origin_row: Some(1),
            ..Options::default()
        },
    );
    bench.print(b"one\r\n\x1b[31mtwo");
    let before = bench.relay.finish();
    bench.terminal.show(&before);
    assert_eq!(bench.relay.output(b"\r\nthree", bench.now).to_terminal, b"");
    bench.terminal.show(b"\x1b[1;1H$ fg\x1b[K\r\n");
    let again = bench.relay.start();
    bench.terminal.show(&again);
    bench.print(b"\r\nfour");
    let rows: Vec<_> = (0..5).map(|row| bench.terminal.row(row)).collect();
    assert_eq!(rows, ["one", "two", "three", "four", ""]);
    assert!(bench.terminal.history().contains(&"$ fg".to_owned()));
    bench.assert_repaint_changes_nothing();
}

#[test]
fn a_status_set_and_a_size_learnt_before_the_start_are_kept() {
    let mut relay = Relay::new(Size::new(24, 80), Options::default());
    assert_eq!(relay.set_status(Status::new("otter")), b"");
    assert_eq!(relay.resize(Size::new(5, 20)), b"");
    let mut terminal = crate::oracle::Terminal::new(Size::new(5, 20));
    terminal.show(&relay.start());
    assert_eq!(terminal.row(4).trim_end(), " fumehood otter");
}

#[test]
fn the_end_of_time_is_no_trouble() {
    let mut relay = relay(6, 30);
    relay.output(b"\x1b[?2026h\x07", Duration::MAX);
    assert_eq!(relay.output(b"\x07x", Duration::MAX).to_terminal, b"x\x07");
}
