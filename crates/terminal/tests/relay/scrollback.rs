//! Lines that scroll off the program's screen enter the terminal's scrollback.

use crate::oracle::Bench;
use fumehood_terminal::{Options, Size};

fn fresh(rows: u16, cols: u16) -> Bench {
    Bench::new(
        Size::new(rows, cols),
        Options {
            origin_row: Some(0),
            ..Options::default()
        },
    )
}

fn lines(range: std::ops::Range<u32>) -> Vec<u8> {
    range
        .flat_map(|n| format!("\x1b[3{}mline {n}\x1b[m\r\n", n % 8).into_bytes())
        .collect()
}

fn expected(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("line {n}")).collect()
}

fn assert_history(bench: &mut Bench, expected: &[String]) {
    let history = bench.terminal.history();
    let end = history
        .iter()
        .rposition(|line| !line.is_empty())
        .map_or(0, |last| last + 1);
    assert_eq!(history[..end].len(), expected.len());
    assert_eq!(&history[..end], expected);
}

#[test]
fn a_burst_arrives_in_order_and_exactly_once() {
    let mut bench = fresh(24, 80);
    bench.print(&lines(0..100_000));
    assert_history(&mut bench, &expected(0..100_000));
    assert_eq!(
        bench.terminal.history().len() - 100_000,
        1,
        "the line the cursor is on"
    );
}

#[test]
fn so_do_single_lines_and_pieces_of_lines() {
    let mut bench = fresh(6, 20);
    for piece in lines(0..500).chunks(7) {
        bench.print(piece);
    }
    assert_history(&mut bench, &expected(0..500));
}

#[test]
fn colors_travel_with_the_lines() {
    let mut bench = fresh(6, 20);
    bench.print(&lines(0..20));
    bench.terminal.history();
    let raw = bench.relay.output(
        b"\x1b[38;5;99;1mbold\x1b[m\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
        bench.now,
    );
    let text = String::from_utf8_lossy(&raw.to_terminal).into_owned();
    assert_eq!(text.matches("\x1b[1;38;5;99mbold").count(), 1);
}

/// Codex prints its history above its own area: a region from the top row to
/// one above the last, with line feeds at its bottom.
#[test]
fn lines_leaving_a_region_at_the_top_are_kept() {
    let mut bench = fresh(9, 20);
    bench.print(b"\x1b[8;1Hprompt\x1b[1;5r\x1b[5;1H");
    for n in 0..12 {
        bench.print(format!("\r\nline {n}").as_bytes());
    }
    bench.print(b"\x1b[r\x1b[8;7H");
    let history = bench.terminal.history();
    let wanted: Vec<String> = ["", "", "", "", ""]
        .iter()
        .map(ToString::to_string)
        .chain(expected(0..12))
        .collect();
    assert_eq!(&history[..17], &wanted);
    assert_eq!(&history[17..], ["", "", "prompt"]);
}

#[test]
fn regions_may_change_in_one_write() {
    let mut bench = fresh(9, 20);
    bench.print(
        b"a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\x1b[1;3r\x1b[3;1H\n\n\x1b[1;5r\x1b[5;1H\n\x1b[r\x1b[8;1H\n\nz",
    );
    let history = bench.terminal.history();
    let text: Vec<&str> = history.iter().map(String::as_str).collect();
    assert_eq!(
        text,
        ["a", "b", "c", "", "", "d", "e", "", "f", "g", "h", "", "z"][..text.len()]
    );
}

#[test]
fn the_alternate_screen_leaves_the_scrollback_alone() {
    let mut bench = fresh(6, 20);
    bench.print(&lines(0..10));
    bench.print(b"\x1b[?1049h");
    bench.print(&lines(100..150));
    assert!(bench.terminal.screen().alternate_screen());
    bench.print(b"\x1b[?1049l");
    bench.print(&lines(10..20));
    assert_history(&mut bench, &expected(0..20));
}

#[test]
fn lines_printed_between_two_full_screen_programs_are_not_lost() {
    let mut bench = fresh(6, 20);
    let mut stream = b"\x1b[?1049hvim\x1b[?1049l".to_vec();
    stream.extend(lines(0..200));
    stream.extend(b"\x1b[?1049hvim again");
    bench.print(&stream);
    assert!(bench.terminal.screen().alternate_screen());
    bench.print(b"\x1b[?1049l");
    assert_history(&mut bench, &expected(0..200));
}

#[test]
fn what_the_shell_wrote_before_stays_above() {
    let mut bench = Bench::new(
        Size::new(6, 20),
        Options {
            origin_row: Some(2),
            ..Options::default()
        },
    );
    // The terminal of the bench is blank; what matters is that these rows are not painted.
    bench.terminal.show(b"\x1b[1;1H$ ls\r\nfile\x1b[3;1H");
    bench.print(&lines(0..10));
    let mut wanted = vec!["$ ls".to_owned(), "file".to_owned()];
    wanted.extend(expected(0..10));
    assert_history(&mut bench, &wanted);
}

#[test]
fn started_on_the_last_row_it_makes_room() {
    let mut bench = Bench::new(
        Size::new(6, 20),
        Options {
            origin_row: Some(5),
            ..Options::default()
        },
    );
    bench.print(b"one\r\ntwo");
    let terminal = bench.finish();
    assert_eq!([terminal.row(3), terminal.row(4)], ["one", "two"]);
    assert_eq!(terminal.screen().cursor_position(), (4, 3));
}

#[test]
fn nothing_is_lost_when_the_terminal_shrinks_or_grows() {
    let mut bench = fresh(20, 20);
    bench.print(&lines(0..60));
    bench.resize(Size::new(10, 20));
    bench.print(&lines(60..70));
    bench.resize(Size::new(16, 20));
    bench.print(&lines(70..90));
    let history = bench.terminal.history();
    let mut next = 0;
    for line in history.iter().filter(|line| !line.is_empty()) {
        let n: u32 = line.trim_start_matches("line ").parse().unwrap();
        assert!(n <= next, "line {next} is missing before {line}");
        next = next.max(n + 1);
    }
    assert_eq!(next, 90);
}
