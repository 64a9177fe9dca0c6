//! Attacks on a terminal, none of which reaches it. Each print is judged by
//! the list of [`crate::oracle`]; here are the known ones by name.

use crate::oracle::Bench;
use fumehood_terminal::{Options, Size, Status};
use std::time::Duration;

fn shown(stream: &str) -> String {
    let mut bench = Bench::new(Size::new(5, 30), Options::default());
    bench.print(stream.as_bytes());
    bench.terminal.row(0)
}

#[test]
fn nothing_but_the_text_around_an_attack_is_shown() {
    for attack in [
        "\x1b]52;c;cm0gLXJmIH4K\x07",                                    // clipboard write
        "\x1b]52;c;?\x1b\\",                                             // clipboard read
        "\x1b]0;title\x07\x1b]2;title\x1b\\",                            // titles
        "\x1b[21t\x1b[20t",                                              // title report
        "\x1b]8;;file:///etc/passwd\x1b\\",                              // link
        "\x1b]9;pay now\x07\x1b]777;notify;a;b\x07",                     // notifications
        "\x1b]1337;File=name=YQ==;inline=1:YQ==\x07",                    // iTerm2 file transfer
        "\x1b]50;#$(touch /tmp/x)\x07",                                  // xterm font query, CVE-2022-45063
        "\x1b]4;1;rgb:00/00/00\x07\x1b]11;#ffffff\x07",                  // colours
        "\x1bP$q\nrm -rf ~\n\x1b\\",                                     // DECRQSS echo, CVE-2008-2383
        "\x1bP+q544e\x1b\\",                                             // XTGETTCAP
        "\x1bPq#0;2;0;0;0#0~~@@vv@@~~$\x1b\\",                           // sixel
        "\x1bP0;0|17/726d0a\x1b\\",                                      // DECUDK: keys redefined
        "\x1b_Ga=T,f=100,t=f;L2V0Yy9wYXNzd2Q=\x1b\\",                    // kitty graphics reads a file
        "\x1b^secret\x1b\\\x1bXsecret\x1b\\",                            // PM, SOS
        "\x1b[5i\x1b[4i\x1b[?5i",                                        // media copy to a printer
        "\x05",                                                          // answerback
        "\x1b[3J",                                                       // erase the scrollback
        "\x1b[8;1;1t\x1b[2t\x1b[3;0;0t",                                 // resize, iconify, move
        "\x1b[?5h\x1b[?3h\x1b[?1001h\x1b[1;1;1;1;1T", // flash, 132 columns, highlight tracking
        "\x1b[1;1;1;1;1;1*y",                         // rectangle checksum
        "\u{9b}31m".trim_start_matches('\u{9b}').get(3..).unwrap_or(""), // nothing left
        "\u{9d}0;x\u{9c}".get(..0).unwrap_or(""),
        "\u{202e}\u{2066}\u{e0041}\u{200b}\u{feff}", // bidirectional, tag, zero-width
    ] {
        assert_eq!(shown(&format!("a{attack}b")), "ab", "{attack:?}");
    }
}

#[test]
fn eight_bit_controls_are_not_controls() {
    assert_eq!(shown("a\u{9b}31mb"), "a31mb");
    assert_eq!(shown("a\u{90}x\u{9c}b"), "axb");
    let mut bench = Bench::new(Size::new(5, 30), Options::default());
    bench.print(b"a\x9b31mb\x9d0;x\x9c");
    assert_eq!(bench.terminal.row(0).replace('?', "."), "a.31mb.0;x.");
}

#[test]
fn bells_are_few() {
    let mut bench = Bench::new(Size::new(5, 30), Options::default());
    let bells = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == 7).count();
    let mut heard = 0;
    for millis in 0..100 {
        let output = bench.relay.output(&[7; 1000], Duration::from_millis(millis * 10));
        heard += bells(&output.to_terminal);
    }
    assert_eq!(heard, 4);
}

#[test]
fn titles_are_shown_only_on_request_and_only_as_text() {
    let options = Options {
        show_title: true,
        ..Options::default()
    };
    let mut relay = fumehood_terminal::Relay::new(Size::new(5, 60), options);
    let mut terminal = crate::oracle::Terminal::new(Size::new(5, 60));
    terminal.show(&relay.start());
    terminal.show(
        &relay
            .output("\x1b]2;build \u{202e}ok\x07".as_bytes(), Duration::ZERO)
            .to_terminal,
    );
    terminal.show(&relay.set_status(Status {
        holds: 1,
        ..Status::new("s")
    }));
    assert_eq!(terminal.row(4).trim_end(), " fumehood s   HOLD 1   \"build ok\"");
}

#[test]
fn the_status_row_is_safe_against_any_text() {
    let mut relay = fumehood_terminal::Relay::new(Size::new(5, 40), Options::default());
    let mut terminal = crate::oracle::Terminal::new(Size::new(5, 40));
    terminal.show(&relay.start());
    let message = "\x1b[31m\u{202e}evil\n\r\u{9b}\u{301}\u{e0041} 漢字漢字漢字漢字漢字漢字漢字漢字";
    let status = Status {
        holds: 2,
        changes: 1,
        message: message.into(),
        ..Status::new("o\x07tter")
    };
    terminal.show(&relay.set_status(status));
    assert_eq!(
        terminal.row(4),
        " fumehood otter   HOLD 2   1 change  [31m".get(..40).unwrap()
    );
    assert_eq!(terminal.row(3), "");
}

#[test]
fn the_status_row_cannot_be_addressed() {
    let mut bench = Bench::new(Size::new(6, 30), Options::default());
    for attack in [
        "\x1b[6;1HX",
        "\x1b[999;999HX",
        "\x1b[999BX",
        "\x1b[1;6r\x1b[6;1HX",
        "\x1b[6dX",
        "\x1b[?6h\x1b[99;1HX",
        "\n\n\n\n\n\n\n\n\n\nX",
        "\x1b#8",
        "\x1b[2J",
        "\x1b[J",
        "\x1bc",
        "\x1b[?1049hX\x1b[999;1HX\x1b[2J",
        "\x1b[1;1H\x1b[99LX\x1b[99T",
        "\x1b7\x1b[99;99H\x1b8X",
        "\x1b[?7lXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    ] {
        bench.print(attack.as_bytes());
    }
    bench.finish();
}
