//! Questions of the program and the answers of the model.

use crate::oracle::Bench;
use fumehood_terminal::{Options, Rgb, Size};

fn ask(stream: &str) -> String {
    let options = Options {
        kitty_keyboard: true,
        cell_pixels: Some((20, 10)),
        background: Rgb(0x1e, 0x1e, 0x2e),
        ..Options::default()
    };
    let mut bench = Bench::new(Size::new(25, 80), options);
    let answer = bench.print(stream.as_bytes());
    String::from_utf8(answer)
        .unwrap()
        .replace('\x1b', "^")
        .replace('\x07', "<BEL>")
}

#[test]
fn every_question_has_an_answer_of_ours() {
    for (question, answer) in [
        ("\x1b[c", "^[?62;22c"),
        ("\x1b[0c", "^[?62;22c"),
        ("\x1b[>c", "^[>0;277;0c"),
        ("\x1b[=c", "^P!|00000000^\\"),
        ("\x1b[5n", "^[0n"),
        ("ab\r\n\x1b[6n", "^[2;1R"),
        ("\x1b[5;10r\x1b[?6h\x1b[2;3H\x1b[6n\x1b[?6n", "^[2;3R^[?2;3R"),
        ("\x1b[?2026$p\x1b[?2026h\x1b[?2026$p", "^[?2026;2$y^[?2026;1$y"),
        (
            "\x1b[?25$p\x1b[?1016$p\x1b[?4711$p\x1b[4$p",
            "^[?25;1$y^[?1016;4$y^[?4711;0$y^[4;2$y",
        ),
        ("\x1b[1;31m\x1bP$qm\x1b\\", "^P1$r0;1;31m^\\"),
        ("\x1b[4 q\x1bP$q q\x1b\\", "^P1$r4 q^\\"),
        ("\x1b[2;7r\x1bP$qr\x1b\\", "^P1$r2;7r^\\"),
        ("\x1bP$q\"p\x1b\\", "^P0$r^\\"),
        ("\x1bP+q544e\x1b\\", "^P0+r^\\"),
        (
            "\x1b[14t\x1b[16t\x1b[18t\x1b[19t",
            "^[4;480;800t^[6;20;10t^[8;24;80t^[9;24;80t",
        ),
        ("\x1b]11;?\x07", "^]11;rgb:1e1e/1e1e/2e2e<BEL>"),
        (
            "\x1b]10;?;?\x1b\\",
            "^]10;rgb:e5e5/e5e5/e5e5^\\^]11;rgb:1e1e/1e1e/2e2e^\\",
        ),
        (
            "\x1b]4;1;?;16;?;231;?;255;?\x1b\\",
            "^]4;1;rgb:cdcd/0000/0000^\\^]4;16;rgb:0000/0000/0000^\\^]4;231;rgb:ffff/ffff/ffff^\\^]4;255;rgb:eeee/eeee/eeee^\\",
        ),
        ("\x1b[?u\x1b[>5u\x1b[?u\x1b[<u\x1b[?u", "^[?0u^[?5u^[?0u"),
        ("\x1b[>4;2m\x1b[?4m", "^[>4;2m"),
        ("\x1b[?996n", "^[?997;1n"),
    ] {
        assert_eq!(ask(question), answer, "{question:?}");
    }
    assert!(ask("\x1b[>q").starts_with("^P>|fumehood("));
}

#[test]
fn no_answer_echoes_the_program() {
    for question in [
        "\x1b]0;rm -rf\x07\x1b[21t",
        "\x1b[20t",
        "\x05",
        "\x1b]52;c;?\x07",
        "\x1b]4;rm;?\x07",
        "\x1b]11;rm\x07",
        "\x1b[x",
        "\x1bZ",
        "\x1b]50;?\x07",
        "\x1b[?15n",
        "\x1b]1337;ReportCellSize\x07",
    ] {
        assert_eq!(ask(question), "", "{question:?}");
    }
    assert_eq!(ask("\x1bP$q\nrm -rf ~\n\x1b\\"), "^P0$r^\\");
    assert_eq!(ask("\x1bP+q726d0a\x1b\\"), "^P0+r^\\");
}

#[test]
fn without_kitty_keyboard_there_is_no_answer_about_it() {
    let mut bench = Bench::new(Size::new(25, 80), Options::default());
    assert_eq!(bench.print(b"\x1b[?u"), b"");
}

#[test]
fn a_flood_of_questions_is_bounded() {
    let answers = ask(&"\x1b[c".repeat(10_000));
    assert!(answers.len() <= 4096 && answers.ends_with('c'));
}
