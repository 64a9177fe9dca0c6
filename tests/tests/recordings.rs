//! Recordings of terminals: what programs print is kept, what is typed and what is secret is not, and whoever changes
//! one is found out. A recording that somebody else wrote does not act on the terminal that plays it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{OuterTerminal, Output, World, await_that, descendant, host_program, verb_words};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn verb(world: &World, words: &[&str]) -> Output {
    world.sandbox().verb(words)
}

/// Runs a script on a terminal, recorded.
fn recorded(world: &World, script: &str) -> OuterTerminal {
    OuterTerminal::run(&world.sandbox().flags(["--record"]), &["sh", "-c", script])
}

fn outputs(world: &World) -> PathBuf {
    world.own("state").join("fumehood/output")
}

/// The one recording that is there.
#[track_caller]
fn file(world: &World) -> PathBuf {
    let found = fs::read_dir(outputs(world)).unwrap().flatten();
    let found: Vec<PathBuf> = found.map(|folder| folder.path().join("terminal.cast")).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

fn content(world: &World) -> String {
    fs::read_to_string(file(world)).unwrap()
}

fn id(world: &World) -> String {
    let file = file(world);
    let folder = file.parent().unwrap().file_name().unwrap();
    folder.to_str().unwrap().to_owned()
}

/// Waits until these words reached the terminal: its reader may be behind the run's end.
#[track_caller]
fn await_seen(terminal: &OuterTerminal, words: &str) {
    await_that(words, || {
        String::from_utf8_lossy(&terminal.seen()).contains(words)
    });
}

/// Verifies the session, whose writer may still be at the end of its log.
#[track_caller]
fn await_verdict(world: &World, words: &str) -> Output {
    let look = || verb(world, &["audit", "verify", &id(world)]);
    await_that(words, || look().text().contains(words));
    look()
}

#[test]
fn what_a_terminal_showed_is_recorded_verified_and_played() {
    let world = World::new();
    let script = r"printf '\033[31mred\033[0m\n'; printf '\033]52;c;aGk=\007\033]0;title\007'; stty size";
    assert_eq!(recorded(&world, script).wait(), 0);
    assert_eq!(
        fs::metadata(file(&world)).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = content(&world);
    // A row less than the terminal has, and nothing that could act on whoever plays it.
    assert!(
        text.starts_with("{\"version\":2,\"width\":80,\"height\":23,\"timestamp\":"),
        "{text}"
    );
    assert!(
        text.contains(r"\u001b[31mred\u001b[0m\r\n") && text.contains("23 80"),
        "{text}"
    );
    assert!(text.ends_with("fumehood: the session ended\"]\n"), "{text}");
    assert!(!text.contains("aGk=") && !text.contains("title"), "{text}");
    let verdict = await_verdict(&world, "the recording of its terminal matches");
    assert_eq!(verdict.code, 0, "{verdict:?}");
    let told = verb(&world, &["audit", "show", &id(&world)]).ended(0);
    assert!(told.contains("what the terminal shows is recorded"), "{told}");
    assert!(told.contains("0 secrets taken out"), "{told}");
    // Into a pipe its text, on a terminal the screen.
    assert_eq!(
        verb(&world, &["replay"]).ended(0),
        "\u{1b}[31mred\u{1b}[m\r\n23 80"
    );
    let words = verb_words(&["replay", &id(&world), "--speed", "100"]);
    let mut player = OuterTerminal::start(&world.sandbox(), &words);
    assert_eq!(player.wait(), 0);
    await_seen(&player, "red");
    await_seen(&player, "23 80");
    assert!(player.modes_restored());
}

#[test]
fn what_is_typed_is_not_recorded() {
    let world = World::new();
    let mut terminal = recorded(&world, "stty -echo; echo ready; read word; echo got ${#word}");
    terminal.await_text("ready");
    terminal.type_keys(b"pass-word-typed\r");
    assert_eq!(terminal.wait(), 0);
    let text = content(&world);
    assert!(text.contains("got 15") && !text.contains("pass-word"), "{text}");
    assert!(!text.contains("\"i\""), "{text}");
}

/// The value is in a file of the project, as a secret should not be: what prints it is recorded without it.
#[test]
fn a_secret_that_is_printed_is_not_in_the_recording() {
    const REAL: &str = "sk_test_4eC39HqLyjWDarjtT1zdp7dc";
    let world = World::new();
    let config = world.own("config").join("fumehood");
    fs::create_dir_all(&config).unwrap();
    fs::write(
        config.join("config.toml"),
        "version = 1\nnetwork.allow = [{ host = \"api.example\", methods = [\"GET\"] }]\n\
         [audit]\nrecord_terminal = true\n\
         [secret.API]\nfrom = \"env:API\"\nfor = \"api.example\"\n",
    )
    .unwrap();
    fs::write(world.project().join("leaked"), format!("{REAL}\n")).unwrap();
    let script = "cat leaked; printf 'again: '; head -c 12 leaked; printf '\\033[1m'; tail -c +13 leaked; \
                  echo word: $API; base64 leaked; echo over";
    let sandbox = world.sandbox().env("API", REAL);
    let mut terminal = OuterTerminal::run(&sandbox, &["sh", "-c", script]);
    assert_eq!(terminal.wait(), 0, "{}", terminal.screen());
    // The terminal itself shows it.
    await_seen(&terminal, REAL);
    let text = content(&world);
    let plain = verb(&world, &["replay"]).ended(0);
    assert!(text.contains("over") && plain.contains("again: "), "{text}");
    let encoded = "c2tfdGVzdF80ZUMzOUhxTHlqV0Rhcmp0VDF6ZHA3ZG";
    for hidden in [REAL, &REAL[..12], &REAL[12..], encoded] {
        assert!(
            !text.contains(hidden) && !plain.contains(hidden),
            "{hidden}: {text}"
        );
    }
    let told = verb(&world, &["audit", "show", &id(&world)]).ended(0);
    assert!(told.contains("3 secrets taken out"), "{told}");
    await_verdict(&world, "the recording of its terminal matches");
}

#[test]
fn a_recording_that_was_changed_is_found_out_and_does_not_act_on_the_terminal() {
    let world = World::new();
    assert_eq!(recorded(&world, "echo honest").wait(), 0);
    await_verdict(&world, "the recording of its terminal matches");
    let hostile =
        "[0.1,\"o\",\"\\u001b]52;c;cm0gLXJmIH4=\\u0007\\u001b[21t\\u001b[6n\\u001b]0;x\\u0007hostile\"]\n";
    fs::write(file(&world), content(&world) + hostile).unwrap();
    let wrong = "WRONG: the recording of its terminal is not the one that was recorded";
    for words in [&["audit", "verify"][..], &["audit", "verify", &id(&world)]] {
        let out = verb(&world, words);
        assert_eq!(out.code, 1, "{out:?}");
        assert!(
            out.text().contains(wrong) && out.text().contains("1 not good"),
            "{out:?}"
        );
    }
    let json = verb(&world, &["audit", "verify", "--json"]);
    assert!(
        json.text().contains("\"good\":false") && json.text().contains(wrong),
        "{json:?}"
    );
    let words = verb_words(&["replay", &id(&world), "--speed", "1000"]);
    let mut player = OuterTerminal::start(&world.sandbox(), &words);
    assert_eq!(player.wait(), 0);
    await_seen(&player, "hostile");
    await_seen(&player, wrong);
    let seen = String::from_utf8_lossy(&player.seen()).into_owned();
    assert!(
        !seen.contains("]52") && !seen.contains("cm0gLXJmIH4") && !seen.contains("[21t"),
        "{seen:?}"
    );
    assert!(player.modes_restored());
    // Not a recording at all.
    fs::write(file(&world), "\u{1b}]52;c;aGk=\u{7}\n").unwrap();
    let out = verb(&world, &["replay"]);
    assert_eq!(out.code, 125, "{out:?}");
    assert!(
        out.errors().contains("line 1: not the header of an asciicast"),
        "{out:?}"
    );
    assert!(
        !out.text().contains("]52") && !out.errors().contains("]52"),
        "{out:?}"
    );
    let mut player = OuterTerminal::start(&world.sandbox(), &verb_words(&["replay"]));
    assert_eq!(player.wait(), 125);
    assert!(!String::from_utf8_lossy(&player.seen()).contains("]52"));
    assert!(player.modes_restored());
    fs::remove_file(file(&world)).unwrap();
    let gone = verb(&world, &["audit", "verify"]).ended(0);
    assert!(
        gone.contains("the recording of its terminal was removed"),
        "{gone}"
    );
    verb(&world, &["replay"]).refused(125, &["was not recorded, or that was removed"]);
}

/// A checkout has no say; the user's own file has, and a run without a terminal has nothing to record.
#[test]
fn who_asks_for_it() {
    let world = World::new();
    let toml = world.project().join("fumehood.toml");
    fs::write(&toml, "version = 1\n[audit]\nrecord_terminal = true\n").unwrap();
    let mut terminal = OuterTerminal::run(&world.sandbox(), &["true"]);
    assert_eq!(terminal.wait(), 125);
    await_seen(&terminal, "a project has no say");
    fs::remove_file(&toml).unwrap();
    assert_eq!(OuterTerminal::run(&world.sandbox(), &["true"]).wait(), 0);
    assert!(!outputs(&world).exists() || fs::read_dir(outputs(&world)).unwrap().next().is_none());
    let out = world.sandbox().flags(["--record"]).run(&["echo", "piped"]);
    assert_eq!(out.ended(0), "piped");
    assert!(
        out.errors().contains("--record: this run has no terminal"),
        "{out:?}"
    );
    let flags = ["--record", "--isolation", "landlock"];
    let mut weaker = OuterTerminal::run(&world.sandbox().flags(flags), &["true"]);
    assert_eq!(weaker.wait(), 125);
    await_seen(&weaker, "landlock cannot record");
    // What does not begin leaves no empty recording.
    let mut nothing = OuterTerminal::run(&world.sandbox().flags(["--record"]), &["nowhere-to-be-found"]);
    assert_eq!(nothing.wait(), 127);
    assert!(!outputs(&world).exists() || fs::read_dir(outputs(&world)).unwrap().next().is_none());
}

#[test]
fn a_session_without_a_terminal_to_return_to_is_recorded() {
    let world = World::new();
    let script = "echo first; read word; echo last; exit 5";
    let words = [
        "create", "--tty", "--record", "--name", "kept", "--ttl", "60s", "--", "sh", "-c", script,
    ];
    let id = verb(&world, &words).ended(0);
    await_that("it prints", || content(&world).contains("first"));
    let mut attached = OuterTerminal::start(&world.sandbox(), &verb_words(&["attach", "kept"]));
    attached.await_text("leaves");
    attached.type_keys(b"\r");
    assert_eq!(attached.wait(), 5);
    let text = content(&world);
    assert!(
        text.contains("a terminal is attached: what it shows is not recorded"),
        "{text}"
    );
    await_verdict(&world, "the recording of its terminal matches");
    assert!(verb(&world, &["replay", &id]).ended(0).starts_with("first"));
    assert_eq!(verb(&world, &["rm", &id]).ended(0), format!("removed {id}"));
    assert!(!outputs(&world).join(&id).exists());
}

#[test]
fn it_is_erased_with_the_session_and_pruned() {
    let world = World::new();
    assert_eq!(recorded(&world, "echo erased-words").wait(), 0);
    await_verdict(&world, "the recording of its terminal matches");
    let (path, first) = (file(&world), id(&world));
    verb(&world, &["audit", "erase", &first]).ended(0);
    assert!(!path.exists() && !path.parent().unwrap().exists());
    verb(&world, &["audit", "verify"]).ended(0);
    assert_eq!(recorded(&world, "echo pruned-words").wait(), 0);
    await_verdict(&world, "the recording of its terminal matches");
    let path = file(&world);
    verb(&world, &["prune"]).ended(0);
    assert!(!path.exists());
}

/// The recorder is killed: the run goes on, and says at its end that nobody vouches for what there is.
#[test]
fn a_recorder_that_is_killed_is_told_of() {
    let world = World::new();
    let mut terminal = recorded(&world, "echo ready; read word; echo went on");
    terminal.await_text("ready");
    await_that("it is recorded", || content(&world).contains("ready"));
    let recorder = descendant(terminal.pid(), "fumehood-cast").unwrap();
    let kill = host_program("kill").args(["-9", &recorder.to_string()]).status();
    assert!(kill.unwrap().success());
    terminal.type_keys(b"\r");
    assert_eq!(terminal.wait(), 0);
    await_seen(&terminal, "went on");
    await_seen(&terminal, "the recorder was lost");
    let verdict = await_verdict(&world, "has no digest in the log: nothing vouches for it");
    assert_eq!(verdict.code, 0, "{verdict:?}");
    let told = verb(&world, &["audit", "show", &id(&world)]).ended(0);
    assert!(
        told.contains("the recording of the terminal broke off: the recorder was lost"),
        "{told}"
    );
}

/// Nothing inside sees a recording, its own or another's.
#[test]
fn nothing_inside_reaches_a_recording() {
    let world = World::new();
    assert_eq!(recorded(&world, "echo other-session").wait(), 0);
    let path = file(&world);
    let state = world.own("state");
    let flags = ["--ro".to_owned(), state.display().to_string()];
    let out = world.sandbox().flags(flags).run(&["cat", path.to_str().unwrap()]);
    assert_ne!(out.code, 0, "{out:?}");
    assert!(!out.text().contains("other-session"), "{out:?}");
    let shown = path.parent().unwrap().to_str().unwrap();
    let out = world.sandbox().flags(["--ro", shown]).run(&["true"]);
    out.refused(125, &["never shown inside"]);
}
