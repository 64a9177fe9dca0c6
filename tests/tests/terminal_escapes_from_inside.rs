//! The user's terminal, attacked from inside (escapes §2.8), and a terminal that works: codex 53.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{OuterTerminal, World, probe};
use std::time::Duration;

fn run(world: &World, script: &str) -> OuterTerminal {
    let script = format!("probe='{}'\n{script}", probe().display());
    OuterTerminal::run(
        &world.sandbox().flags(["--ro", probe().to_str().unwrap()]),
        &["sh", "-c", &script],
    )
}

/// What the user reads.
fn seen(terminal: &OuterTerminal) -> String {
    terminal.screen()
}

/// What the user's terminal obeys.
fn raw(terminal: &OuterTerminal) -> String {
    String::from_utf8_lossy(&terminal.seen()).into_owned()
}

/// Codex 53: a terminal of its own, a row shorter than the user's (the last one is fumehood's).
#[test]
fn codex53_own_terminal() {
    let world = World::new();
    let mut terminal = run(
        &world,
        "tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo all-three",
    );
    assert_eq!(terminal.wait(), 0, "{}", seen(&terminal));
    let text = seen(&terminal);
    assert!(text.contains("/dev/pts/"), "{text}");
    assert!(text.contains("23 80") || text.contains("24 80"), "{text}");
    assert!(text.contains("all-three"), "{text}");
}

/// Codex 53: a change of the window's size arrives.
#[test]
fn codex53_resize() {
    let world = World::new();
    let mut terminal = run(
        &world,
        "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done",
    );
    terminal.await_text("ready");
    terminal.resize(40, 100);
    assert_eq!(terminal.wait(), 0);
    let text = seen(&terminal);
    assert!(text.contains("39 100") || text.contains("40 100"), "{text}");
}

/// Keys arrive, Ctrl-C interrupts, Ctrl-D ends, and the exit status is the command's.
#[test]
fn keys_and_control_characters() {
    let world = World::new();
    let mut terminal = run(&world, "echo ready; read line; echo got-$line; sleep 30");
    terminal.await_text("ready");
    terminal.type_keys(b"hello\r");
    terminal.await_text("got-hello");
    terminal.type_keys(b"\x03");
    assert_eq!(terminal.wait(), 130);
    let mut terminal = run(&world, "echo ready; cat; exit 6");
    terminal.await_text("ready");
    terminal.type_keys(b"\x04");
    assert_eq!(terminal.wait(), 6);
}

/// The user's terminal has its modes back, however the run ended.
#[test]
fn modes_are_restored() {
    let world = World::new();
    for script in [
        "true",
        "stty raw -echo; exit 3",
        "kill -9 $$",
        "printf '\\033[?1049h\\033[?25l'",
    ] {
        let mut terminal = run(&world, script);
        terminal.wait();
        assert!(terminal.modes_restored(), "{script}");
    }
}

/// Escapes §2.8: setting modes inside does not change the user's terminal: raw there is its own.
#[test]
fn e_terminal_modes_of_the_inherited_terminal() {
    let world = World::new();
    let mut terminal = run(
        &world,
        "$probe terminal_raw 0; stty size >/dev/null && stty rows 7 cols 9; echo done",
    );
    terminal.await_text("done");
    terminal.wait();
    assert!(terminal.modes_restored());
    assert_eq!(terminal.size(), (24, 80));
}

/// Escapes §2.8, 95 (CVE-2017-5226): typing for the user.
#[test]
fn e_terminal_tiocsti_and_tioclinux() {
    let world = World::new();
    let mut terminal = run(
        &world,
        "for r in 0x5412 0x541c 0x100005412 0x5423 0x541d; do $probe type_for_user $r; done; echo done",
    );
    assert_eq!(terminal.wait(), 0);
    let text = seen(&terminal);
    assert_eq!(text.matches("EPERM").count(), 5, "{text}");
    assert!(!text.contains("typed"), "{text}");
}

/// Escapes §2.8: the host's terminals are not there to be opened.
#[test]
fn e_terminal_host_pts_are_absent() {
    let world = World::new();
    let mut terminal = run(
        &world,
        "ls /dev/pts; for t in /dev/pts/[0-9]*; do test $t = $(tty) || echo other-$t; done; cat /dev/console /dev/tty0; echo done",
    );
    terminal.wait();
    let text = seen(&terminal);
    assert!(!text.contains("other-"), "{text}");
    assert!(text.contains("done"), "{text}");
}

/// Escapes §2.8: what a terminal would obey or answer does not pass: clipboard, title, answerback,
/// device control strings, C1 forms, hyperlinks to programs.
#[test]
fn e_terminal_hostile_sequences() {
    let world = World::new();
    let hostile = [
        ("clipboard", "\\033]52;c;ZXZpbA==\\007", "ZXZpbA=="),
        ("clipboard, C1", "\\302\\23552;c;ZXZpbA==\\302\\234", "\u{9d}"),
        ("clipboard, ST", "\\033]52;c;ZXZpbA==\\033\\\\", "ZXZpbA=="),
        ("device control", "\\033P+q544e\\033\\\\", "+q544e"),
        ("application program command", "\\033_evilapc\\033\\\\", "evilapc"),
        ("privacy message", "\\033^evilpm\\033\\\\", "evilpm"),
        (
            "tmux pass-through",
            "\\033Ptmux;\\033\\033]52;c;ZXZpbA==\\007\\033\\\\",
            "ZXZpbA==",
        ),
        ("answerback", "\\005", "\u{5}"),
        ("printer", "\\033[5i", "\u{1b}[5i"),
        ("title report", "\\033[21t", "\u{1b}[21t"),
        ("palette query", "\\033]4;1;?\\007", "4;1;?"),
    ];
    for (what, sequence, must_not) in hostile {
        let mut terminal = run(&world, &format!("printf 'before {sequence} after\\n'"));
        assert_eq!(terminal.wait(), 0, "{what}");
        let (text, screen) = (raw(&terminal), seen(&terminal));
        assert!(
            screen.contains("before") && screen.contains("after"),
            "{what}: {screen:?}"
        );
        assert!(
            !text.contains(must_not),
            "{what} reached the user's terminal: {text:?}"
        );
    }
}

/// Escapes §2.8, F22: queries are answered from the model, inside; the user's terminal is never asked
/// on behalf of the program, so that no answer is typed into anything.
#[test]
fn e_terminal_queries_are_answered_inside() {
    let world = World::new();
    // Position, status, secondary attributes, a mode, a setting.
    let queries = "\\033[6n\\033[5n\\033[>c\\033[?2027$p\\033P$qm\\033\\\\";
    let script = format!(
        "stty raw -echo min 1 time 10; printf '{queries}'; dd bs=1 count=6 2>/dev/null | od -An -tx1; stty sane; echo done"
    );
    let mut terminal = run(&world, &script);
    terminal.await_text("done");
    terminal.wait();
    assert!(
        seen(&terminal).contains("1b 5b"),
        "no answer came: {:?}",
        seen(&terminal)
    );
    let raw = raw(&terminal);
    // The relay itself asks for the position, once, before the program starts.
    assert!(
        raw.matches("\u{1b}[6n").count() <= 1,
        "the user's terminal was asked: {raw:?}"
    );
    for query in ["\u{1b}[5n", "\u{1b}[>c", "\u{1b}[?2027$p", "$qm"] {
        assert!(
            !raw.contains(query),
            "the user's terminal was asked {query:?}: {raw:?}"
        );
    }
}

/// Escapes §2.8: text that turns around or hides does not reach a person unmarked in fumehood's own
/// lines.
#[test]
fn e_terminal_bidi_in_our_own_lines() {
    let world = World::new();
    let out = world
        .sandbox()
        .run(&["no-such-\u{202e}gnp.exe\u{200b}\u{1b}[31m"]);
    out.refused(127, &[]);
    let text = out.errors();
    assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{1b}']), "{text:?}");
}

/// Only the streams that are terminals are replaced: a pipe stays byte for byte.
#[test]
fn pipes_beside_a_terminal_stay_exact() {
    let world = World::new();
    let file = world.own("state").join("out");
    let script = format!("exec \"$@\" > {}", file.display());
    let sandbox = world.sandbox().under(["sh", "-c", &script, "sh"]);
    let mut terminal = OuterTerminal::run(
        &sandbox,
        &[
            "sh",
            "-c",
            "printf 'a\\nb\\033]52;c;x\\007'; test -t 1 || test -t 0",
        ],
    );
    assert_eq!(terminal.wait(), 0, "{}", seen(&terminal));
    assert_eq!(std::fs::read(&file).unwrap(), b"a\nb\x1b]52;c;x\x07");
}

/// Job control: Ctrl-Z stops the run as a shell's job, and it goes on when continued.
#[test]
fn job_control() {
    let world = World::new();
    let mut terminal = run(&world, "echo ready; sleep 1; echo went-on");
    terminal.await_text("ready");
    terminal.type_keys(b"\x1a");
    let stopped = terminal.await_stop(Duration::from_secs(3));
    assert!(stopped, "Ctrl-Z did not stop the run: {}", seen(&terminal));
    assert!(terminal.modes_restored(), "the shell would find its terminal raw");
    terminal.continue_it();
    terminal.await_text("went-on");
    assert_eq!(terminal.wait(), 0);
}

/// A program that never reads what it is sent: typing much, and asking much, stops neither the relay
/// nor the run's end.
#[test]
fn a_program_that_never_reads() {
    let world = World::new();
    let asks = "i=0; while [ $i -lt 20000 ]; do printf '\\033[6n\\033[c'; i=$((i+1)); done; echo asked";
    let mut terminal = run(
        &world,
        &format!("stty -icanon -echo; echo ready; sleep 2; {asks}; sleep 2; echo over"),
    );
    terminal.await_text("ready");
    for _ in 0..16 {
        terminal.type_keys(&[b'x'; 1024]);
    }
    terminal.await_text("asked");
    terminal.resize(30, 90);
    terminal.await_text("over");
    assert_eq!(terminal.wait(), 0);
    assert!(terminal.modes_restored());
}
