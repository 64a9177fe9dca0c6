//! Streams a program might print: text, control functions that mean
//! something, control functions that do not, and plain noise.

use proptest::prelude::*;
use proptest::sample::select;

/// What a program prints; reads well in a failure.
#[derive(Clone)]
pub(crate) struct Stream(pub(crate) Vec<u8>);

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

pub(crate) fn stream() -> impl Strategy<Value = Stream> {
    prop::collection::vec(piece(), 0..40).prop_map(|pieces| Stream(pieces.concat()))
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => words(),
        3 => characters(),
        4 => prop::collection::vec(select(&b"\r\n\n\n\t\x08\x07\x05\x0b\x0e\x0f\x18\x7f"[..]), 1..6),
        10 => sequence(),
        4 => mode(),
        3 => sgr(),
        3 => select(ESCAPES).prop_map(|text| text.as_bytes().to_vec()),
        3 => string(),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn words() -> impl Strategy<Value = Vec<u8>> {
    "[ -~]{0,30}".prop_map(String::into_bytes)
}

fn characters() -> impl Strategy<Value = Vec<u8>> {
    let usual = select(
        &[
            'ä',
            '漢',
            '語',
            '🦀',
            '❤',
            '\u{fe0f}',
            '\u{301}',
            '\u{200d}',
            '─',
            '\u{202e}',
            '\u{2066}',
            '\u{e0041}',
            '\u{200b}',
            '\u{9b}',
            '\u{fffd}',
            'ש',
            '\u{e0b0}',
            '\u{10ffff}',
        ][..],
    );
    prop::collection::vec(prop_oneof![9 => usual, 1 => any::<char>()], 1..6)
        .prop_map(|chars| chars.into_iter().collect::<String>().into_bytes())
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        9 => (0..14_u16).prop_map(|n| n.to_string()),
        1 => any::<u32>().prop_map(|n| n.to_string()),
    ]
}

fn sequence() -> impl Strategy<Value = Vec<u8>> {
    let private = prop_oneof![6 => Just(""), 1 => select(&["?", ">", "<", "="][..])];
    let middle = prop_oneof![9 => Just(""), 1 => select(&["$", " ", "!", "\"", "*", "'"][..])];
    let last = prop_oneof![
        3 => select(&b"HJKLMPSTX@ABCDEFGdrhlmbsuIZgcnt"[..]),
        1 => 0x40..0x7f_u8,
    ];
    (private, prop::collection::vec(number(), 0..4), middle, last).prop_map(
        |(private, numbers, middle, last)| {
            format!("\x1b[{private}{}{middle}{}", numbers.join(";"), char::from(last)).into_bytes()
        },
    )
}

fn mode() -> impl Strategy<Value = Vec<u8>> {
    let modes = [
        1, 3, 5, 6, 6, 7, 7, 9, 25, 47, 66, 69, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1047, 1048, 1049,
        1049, 2004, 2026, 2026, 2031,
    ];
    (select(modes.to_vec()), select(&["h", "l"][..]))
        .prop_map(|(mode, on)| format!("\x1b[?{mode}{on}").into_bytes())
}

fn sgr() -> impl Strategy<Value = Vec<u8>> {
    let codes = [
        "",
        "0",
        "1",
        "2",
        "3",
        "4",
        "4:3",
        "7",
        "9",
        "31",
        "44",
        "97",
        "103",
        "38;5;120",
        "48;5;20",
        "38;2;1;2;3",
        "48:2::9:8:7",
        "58:5:3",
        "22",
        "24",
        "27",
        "39",
        "49",
    ];
    prop::collection::vec(select(codes.to_vec()), 0..4)
        .prop_map(|codes| format!("\x1b[{}m", codes.join(";")).into_bytes())
}

const ESCAPES: &[&str] = &[
    "\x1b7",
    "\x1b8",
    "\x1bD",
    "\x1bE",
    "\x1bM",
    "\x1bM",
    "\x1bH",
    "\x1bc",
    "\x1b=",
    "\x1b>",
    "\x1b(0",
    "\x1b(B",
    "\x1b)0",
    "\x1bn",
    "\x1b#8",
    "\x1b[!p",
    "\x1bZ",
    "\x1b[4h",
    "\x1b[4l",
    "\x1b[20h",
    "\x1b[>4;2m",
    "\x1b[>1u",
    "\x1b[<u",
    "\x1b[5 q",
    "\x1b[6n",
    "\x1b[c",
    "\x1b[>c",
    "\x1b[=c",
    "\x1b[>q",
    "\x1b[18t",
    "\x1b[21t",
];

fn string() -> impl Strategy<Value = Vec<u8>> {
    let start = select(
        &[
            "\x1b]52;c;",
            "\x1b]0;",
            "\x1b]8;;",
            "\x1b]11;",
            "\x1b]4;1;",
            "\x1b]",
            "\x1bP",
            "\x1bP$q",
            "\x1bP+q",
            "\x1b_G",
            "\x1b^",
            "\x1bX",
            "\u{9d}0;",
        ][..],
    );
    let end = select(&["\x1b\\", "\x07", "\u{9c}", "\x18", "", "\x1b["][..]);
    let body = prop_oneof!["[ -~]{0,20}", Just("?".to_owned()), Just("m".to_owned())];
    (start, body, end).prop_map(|(start, body, end)| format!("{start}{body}{end}").into_bytes())
}

/// What vt100 and xterm understand alike: for comparing two models.
/// What an erased cell looks like is not among it, so there are no backgrounds.
pub(crate) fn common_stream() -> impl Strategy<Value = Stream> {
    let numbers = prop::collection::vec(
        prop_oneof![Just(String::new()), (0..9_u16).prop_map(|n| n.to_string())],
        0..3,
    );
    // IL and DL end in the first column (ECMA-48 §8.3.67), margins send home; vt100 has it otherwise.
    // In the last column with a wrap due vt100 is one further; so each begins at a column of its own.
    let sequence =
        (1..12_u16, numbers, select(&b"HJKLMPX@ABCDEFGdST"[..])).prop_map(|(col, numbers, last)| {
            let home = match last {
                b'L' | b'M' => "\r",
                _ => "",
            };
            // vt100 lets relative moves from outside cross a margin.
            let margins = if b"ABEF".contains(&last) {
                "\x1b[r\x1b[3d"
            } else {
                ""
            };
            format!(
                "{margins}\x1b[{col}G\x1b[{}{}{home}",
                numbers.join(";"),
                char::from(last)
            )
            .into_bytes()
        });
    let text = prop_oneof![
        "[ -~]{0,30}",
        Just("e\u{301}".to_owned()),
        Just("\r\n".to_owned()),
        Just("\r\x1b[6C\u{8}".to_owned()),
    ]
    .prop_map(String::into_bytes);
    let escape = select(
        &[
            "\x1b7",
            "\x1b8",
            "\x1b[2;4r\x1b[2;1H\x1bM",
            "\x1b[2;4r\x1b[H",
            "\x1b[1;3r\x1b[H",
            "\x1b[r\x1b[H",
            "\x1b[m",
            "\x1b[34m",
        ][..],
    )
    .prop_map(|text| text.as_bytes().to_vec());
    prop::collection::vec(prop_oneof![3 => text, 3 => sequence, 1 => escape], 0..40)
        .prop_map(|pieces| Stream(pieces.concat()))
}
