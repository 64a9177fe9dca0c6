//! What waits is asked over the program's own screen (review-security F22): vim inside, a push behind it.

use fumehood_tests::{Hosts, OuterTerminal};
use std::time::Duration;

/// Vim over a text, a push that waits behind it, and what git said of it in a file. The session ends with vim.
fn begin(hosts: &Hosts, change: &str) -> OuterTerminal {
    hosts.configure("[network]\nallow = [{ host = \"good.example\", methods = [\"GET\", \"POST\"] }]");
    let script = format!(
        "export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid
         cd /tmp && git clone -q https://good.example/git/r.git r && cd r || exit 9
         {{ while ! test -e /tmp/go; do sleep 0.05; done; {change}; }} >/tmp/said 2>&1 &
         seq -f 'line %g of the text' 100 >/tmp/text; vim -n -u NONE -N -i NONE /tmp/text; wait; cat /tmp/said"
    );
    let sandbox = hosts.around(hosts.world.sandbox());
    let mut terminal = OuterTerminal::run(&sandbox, &["sh", "-c", &script]);
    reads(&terminal, "line 22 of the text");
    terminal.type_keys(b":w! /tmp/go\r");
    terminal
}

const FORCED: &str =
    "git commit -q --amend --allow-empty -m other && git push -q origin +HEAD:main; echo status $?";

/// Waits for a text as long as it takes, within bounds against hanging.
#[track_caller]
fn reads(terminal: &OuterTerminal, text: &str) -> String {
    for _ in 0..6000 {
        let screen = terminal.screen();
        if screen.contains(text) {
            return screen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{text:?} did not appear:\n{}", terminal.screen());
}

/// Waits for what was printed, also where it has left the screen since: what fumehood says at the end of a run comes after it.
#[track_caller]
fn printed(terminal: &OuterTerminal, text: &str) -> String {
    for _ in 0..6000 {
        let seen = String::from_utf8_lossy(&terminal.seen()).into_owned();
        if seen.contains(text) {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{text:?} was not printed:\n{}", terminal.screen());
}

/// All rows but the last, which is ours.
fn rows(screen: &str) -> String {
    let rows: Vec<&str> = screen.lines().take(23).collect();
    rows.join("\n")
}

/// Presses one key until the user can read what it does. A key that comes together with others is none, so that one which had no
/// effect for long was not heard.
#[track_caller]
fn press(terminal: &mut OuterTerminal, key: &str, effect: &str) -> String {
    for _ in 0..6 {
        terminal.type_keys(key.as_bytes());
        for _ in 0..1000 {
            let screen = terminal.screen();
            if screen.contains(effect) {
                return screen;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    panic!("{key:?} had not the effect {effect:?}:\n{}", terminal.screen());
}

/// Types a code letter by letter.
fn type_code(terminal: &mut OuterTerminal, code: &str) {
    for n in 1..code.len() {
        press(
            terminal,
            &code[n - 1..n],
            &format!("allows it: {:_<4}", &code[..n]),
        );
    }
    press(terminal, &code[code.len() - 1..], "line 22 of the text");
}

fn history(hosts: &Hosts) -> String {
    let bare = hosts.world.own("state").join("repositories/r.git");
    let said = hosts.world.git(&bare, &["log", "--format=%s", "main"]);
    said.trim().replace('\n', " ")
}

/// What is typed ahead, Enter, y and space, and a paste decide nothing; the code of the card does. Vim's screen is then what it was.
#[test]
fn a_forced_push_is_asked_over_vim_and_allowed_by_its_code() {
    let hosts = Hosts::new();
    let mut terminal = begin(&hosts, FORCED);
    let screen = reads(&terminal, "the code of this card allows it: ____");
    assert!(screen.contains("line 1 of the text"), "{screen}");
    assert!(
        screen
            .replace("\n ", "")
            .contains("commits are lost from it: git/r.git refs/heads/main"),
        "{screen}"
    );
    // The row is drawn at its own times.
    let with_row = reads(&terminal, "HOLD 1");
    assert!(
        with_row.lines().last().is_some_and(|row| row.contains("HOLD 1")),
        "{with_row}"
    );
    let code = screen
        .split(" code ")
        .nth(1)
        .and_then(|rest| rest.get(..4))
        .unwrap()
        .to_owned();
    // So long it is deaf; a key that comes sooner is pressed again later.
    std::thread::sleep(Duration::from_millis(800));
    // `y` is a letter that a code could have, and decides nothing; neither do Enter, a paste, and what a terminal answers.
    press(&mut terminal, "y", "allows it: y___");
    press(&mut terminal, "\x7f", "allows it: ____");
    terminal.type_keys(b"\r");
    terminal.type_keys(format!("\x1b[200~{code}\x1b[201~").as_bytes());
    terminal.type_keys(format!("\x1b]11;{code}\x07").as_bytes());
    press(&mut terminal, "y", "allows it: y___");
    press(&mut terminal, "\x7f", "allows it: ____");
    assert_eq!(history(&hosts), "first");
    type_code(&mut terminal, &code);
    for _ in 0..6000 {
        if history(&hosts) == "other" {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(history(&hosts), "other");
    let back = reads(&terminal, "line 22 of the text");
    let whole: Vec<String> = (1..=22).map(|n| format!("line {n} of the text")).collect();
    assert_eq!(rows(&back).lines().take(22).collect::<Vec<_>>(), whole);
    // Keys are vim's again.
    terminal.type_keys(b"Gdd:q!\r");
    printed(&terminal, "status 0");
    assert_eq!(terminal.wait(), 0);
    assert!(terminal.modes_restored());
}

/// Left for later it goes on waiting, shown in the row; from another terminal it can still be answered, and denied git says so.
#[test]
fn left_for_later_it_is_answered_elsewhere() {
    let hosts = Hosts::new();
    let mut terminal = begin(&hosts, FORCED);
    reads(&terminal, "the code of this card allows it: ____");
    std::thread::sleep(Duration::from_millis(800));
    let back = press(&mut terminal, "l", "line 22 of the text");
    assert!(!back.contains("the code of this card"), "{back}");
    reads(&terminal, "HOLD 1");
    let denied = hosts.beside("deny 1 not today");
    assert!(denied.contains("denied"), "{denied}");
    terminal.type_keys(b":q!\r");
    printed(&terminal, "denied by a person: not today");
    printed(&terminal, "status 1");
    terminal.wait();
    assert_eq!(history(&hosts), "first");
}

/// What is less grave is answered by one key. Answered elsewhere meanwhile, the question goes away by itself.
#[test]
fn one_key_denies_and_an_answer_from_elsewhere_ends_the_question() {
    let change = "git commit -q --allow-empty -m second && git push -q origin HEAD:main; echo status $?; git push -q origin HEAD:x; echo status $?";
    let hosts = Hosts::new();
    let mut terminal = begin(&hosts, change);
    reads(&terminal, "a allows it, 0 denies it");
    std::thread::sleep(Duration::from_millis(800));
    press(&mut terminal, "0", "hold 2 ");
    let allowed = hosts.beside("holds");
    let line = allowed.lines().find(|l| l.trim_start().starts_with('2')).unwrap();
    let code = line.split_whitespace().nth(1).unwrap();
    assert!(hosts.beside(&format!("allow 2 {code}")).contains("allowed"));
    reads(&terminal, "line 22 of the text");
    terminal.type_keys(b":q!\r");
    let said = printed(&terminal, "status 0");
    assert!(
        said.contains("denied by a person") && said.contains("status 1"),
        "{said}"
    );
    terminal.wait();
    let approvals = hosts.log();
    assert_eq!(
        approvals.matches("POST /git/r.git/git-receive-pack").count(),
        1,
        "{approvals}"
    );
}
