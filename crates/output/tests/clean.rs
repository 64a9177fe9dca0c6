//! The cleaner, judged by two parsers of terminals that nobody here wrote.

use fumehood_output::{Cleaner, Counts};
use fumehood_policy::escape::acts_or_hides;
use proptest::prelude::*;

fn clean(bytes: &[u8]) -> (String, Counts) {
    clean_in(&[bytes])
}

fn clean_in(pieces: &[&[u8]]) -> (String, Counts) {
    let mut out = Vec::new();
    let mut cleaner = Cleaner::default();
    let mut to = |text: &[u8]| out.extend_from_slice(text);
    pieces.iter().for_each(|piece| cleaner.push(piece, &mut to));
    let counts = cleaner.finish(&mut to);
    let text = String::from_utf8(out).unwrap_or_else(|e| panic!("{e}"));
    (text, counts)
}

fn text(bytes: &[u8]) -> String {
    clean(bytes).0
}

#[test]
fn sequences_are_left_out() {
    assert_eq!(text(b"\x1b[1;31merror\x1b[0m: x\n"), "error: x\n");
    assert_eq!(
        text(b"a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c\x1b]8;;\x1b\\"),
        "abc"
    );
    assert_eq!(
        text(b"a\x1bPdata\x1b\\b\x1b_apc\x1b\\c\x1b^pm\x1b\\d\x1bXsos\x1b\\e"),
        "abcde"
    );
    assert_eq!(text(b"a\x1b(B\x1b)0\x1b=\x1b>\x1b7\x1bcb"), "ab");
    assert_eq!(text(b"a\x1b]52;c;ZXZpbA==\x07b"), "ab");
    assert_eq!(clean(b"a\x1b[2J\x1b[H").1.sequences, 2);
}

#[test]
fn an_unended_sequence_hides_little() {
    let long = [
        b"a\x1b]0;".to_vec(),
        vec![b'x'; 5000],
        b"\nerror: here\n".to_vec(),
    ]
    .concat();
    let shown = text(&long);
    assert!(shown.contains("error: here") && shown.len() < 1000, "{shown}");
    assert_eq!(text(b"a\x1b[31\x18b"), "ab");
    assert_eq!(text("a\u{1b}[3\u{e9}".as_bytes()), "a\u{e9}");
}

#[test]
fn what_acts_or_hides_is_written_out_and_counted() {
    let (shown, counts) = clean("a\u{202e}b\u{e0041}c\u{200b}d\u{7}e\u{9b}f\u{feff}\0".as_bytes());
    assert_eq!(shown, r"a\u{202e}b\u{e0041}c\u{200b}d\x07e\u{9b}f\u{feff}\x00");
    assert_eq!(
        (counts.bidi, counts.tags, counts.hidden, counts.controls),
        (1, 1, 2, 3)
    );
    assert!(counts.is_suspicious());
    let (shown, counts) = clean(b"caf\xe9 \xff\xc0\xaf \xe2\x82");
    assert_eq!(shown, r"caf\xe9 \xff\xc0\xaf \xe2\x82");
    assert_eq!(counts.invalid, 6);
    assert_eq!(text("naïve 日本 ✓ 😀\n".as_bytes()), "naïve 日本 ✓ 😀\n");
}

/// Nothing that a program prints looks like a remark of ours.
#[test]
fn remarks_cannot_be_forged() {
    let (shown, counts) = clean("⟦all tests passed⟧".as_bytes());
    assert_eq!(shown, r"\u{27e6}all tests passed\u{27e7}");
    assert_eq!(counts.forged, 2);
}

#[test]
fn of_a_progress_bar_the_last_state_is_left() {
    assert_eq!(text(b"10%\r20%\r100%\ndone\r\n"), "100%\ndone\n");
    assert_eq!(text(b"loading...\rok\n"), "okading...\n");
    assert_eq!(text(b"loading...\r\x1b[Kok\n"), "ok\n");
    assert_eq!(text(b"\x1b[2K\rabc\x08\x08X\n"), "aXc\n");
    assert_eq!(text(b"one\rtwo"), "two");
    assert_eq!(text(b"kept\r"), "kept");
}

/// What vte hands to a terminal to be printed.
#[derive(Default)]
struct Printed(String);

impl vte::Perform for Printed {
    fn print(&mut self, c: char) {
        self.0.push(c);
    }
    fn execute(&mut self, byte: u8) {
        if byte == b'\n' || byte == b'\t' {
            self.0.push(char::from(byte));
        }
    }
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: &[&str] = &[
        "a",
        "é",
        "日",
        " ",
        "\n",
        "\t",
        "\x1b",
        "\x1b[",
        "\x1b]",
        "\x1bP",
        "\x1b\\",
        "\x07",
        "\x18",
        "1;",
        "31m",
        "m",
        "K",
        "?25l",
        "(B",
        "0;t",
        "x",
        "\x1b[0m",
        "\x1b]8;;u\x07",
        "\x1b_z\x1b\\",
    ];
    proptest::collection::vec(proptest::sample::select(PARTS), 0..24).prop_map(|p| p.concat().into_bytes())
}

proptest! {
    /// The same characters are text for another parser; it knows no bound to a sequence, and prints no controls.
    #[test]
    fn another_parser_prints_the_same(bytes in pieces()) {
        // Erasing is carried out here and not by a parser.
        // A character that is not ASCII ends a sequence here, and is lost in one there.
        let bytes = String::from_utf8(bytes).unwrap().replace('K', "L").replace(['é', '日'], "e");
        let mut printed = Printed::default();
        vte::Parser::new().advance(&mut printed, bytes.as_bytes());
        let ours = text(bytes.as_bytes()).replace("\\x07", "").replace("\\x18", "");
        prop_assert_eq!(ours, printed.0, "{:?}", bytes);
    }

    /// A screen shows the same line, whatever is written over in it.
    #[test]
    fn a_screen_shows_the_same(parts in proptest::collection::vec(
        prop_oneof!["[a-c ]{1,3}", Just("\r".to_owned()), Just("\x08".to_owned()), Just("\x1b[K".to_owned()),
            Just("\x1b[1K".to_owned()), Just("\x1b[2K".to_owned()), Just("\x1b[1m".to_owned()), Just("\r\n".to_owned())], 0..20)) {
        let bytes = parts.concat();
        let mut screen = vt100::Parser::new(40.try_into().unwrap(), 200.try_into().unwrap(), 0);
        screen.process(bytes.as_bytes());
        let theirs: Vec<String> = screen.screen().rows(0, 200).map(|r| r.trim_end().to_owned()).collect();
        let ours: Vec<String> = text(bytes.as_bytes()).split('\n').map(|r| r.trim_end().to_owned()).collect();
        prop_assert_eq!(&ours, &theirs[..ours.len()], "{:?}", bytes);
    }

    #[test]
    fn any_cutting_gives_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..200), cuts in proptest::collection::vec(0usize..20, 0..12)) {
        let whole = clean(&bytes);
        let mut rest = bytes.as_slice();
        let mut parts = Vec::new();
        for cut in cuts {
            let (part, after) = rest.split_at(cut.min(rest.len()));
            parts.push(part);
            rest = after;
        }
        parts.push(rest);
        prop_assert_eq!(clean_in(&parts), whole.clone());
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(clean_in(&single), whole);
    }

    #[test]
    fn nothing_that_comes_out_acts(bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), any::<String>().prop_map(String::into_bytes), pieces()]) {
        let shown = text(&bytes);
        prop_assert!(!shown.chars().any(|c| (acts_or_hides(c) && c != '\n' && c != '\t') || "⟦⟧".contains(c)), "{:?}", shown);
    }

    #[test]
    fn plain_text_is_left_alone(text_in in "[ -~\n\téü日]{0,300}") {
        prop_assert_eq!(text(text_in.as_bytes()), text_in);
    }
}
