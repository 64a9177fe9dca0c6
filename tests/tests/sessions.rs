//! Sessions that live: listed, looked at, waited for, stopped, from any process of the account and from
//! nowhere else.

use fumehood_tests::{Idle, World};

#[test]
fn what_runs_is_listed_and_what_ended_is_not() {
    let world = World::new();
    assert_eq!(world.sandbox().verb(&["ps"]).ended(0), "no session runs");
    assert_eq!(world.sandbox().verb(&["ps", "--json"]).ended(0), "[]");
    let session = Idle::start(&world, &["--apply", "ask"]);
    let listed = world.sandbox().verb(&["ps"]).ended(0);
    for words in [session.id.as_str(), "ask", "sh -c", "home/work/project"] {
        assert!(listed.contains(words), "{listed}");
    }
    // The newest of this project needs no name, and from elsewhere it does.
    let about = world.sandbox().verb(&["inspect"]).ended(0);
    assert!(about.contains(&format!("session    {}", session.id)), "{about}");
    let elsewhere = world.sandbox().directory(world.sibling());
    elsewhere
        .verb(&["inspect"])
        .refused(125, &["no session runs in this project", "fumehood ps"]);
    let json = elsewhere.verb(&["inspect", &session.id, "--json"]).ended(0);
    assert!(json.contains("\"isolation\":\"namespace\""), "{json}");
    // The place of its changes is a name too.
    let changes = fumehood_tests::text_of(&json, "changes").unwrap();
    elsewhere.verb(&["inspect", &changes]).ended(0);
    session.end();
    assert_eq!(world.sandbox().verb(&["ps"]).ended(0), "no session runs");
}

#[test]
fn who_waits_ends_as_the_session_did() {
    let world = World::new();
    let session = Idle::start(&world, &["--live"]);
    let early = world.sandbox().verb(&["wait", &session.id, "--timeout", "100ms"]);
    early.refused(124, &["still runs"]);
    let waiting = world.sandbox().start_verb(&["wait", &session.id]);
    session.await_waiter();
    session.end();
    waiting.wait().ended(3);
}

#[test]
fn a_command_is_asked_to_end_and_ended_where_it_does_not() {
    let world = World::new();
    let session = Idle::start(&world, &["--live"]);
    let out = world.sandbox().verb(&["stop", &session.id]);
    assert_eq!(out.ended(0), format!("stopped {}", session.id));
    session.run.wait().ended(3);

    let script = "trap '' TERM; echo x >deaf; while :; do sleep 0.05; done";
    let mut run = world.live().start(&["sh", "-c", script]);
    run.await_file(&world.project().join("deaf"));
    world.sandbox().verb(&["stop", "--time", "200ms"]).ended(0);
    run.wait().ended(137);
}

#[test]
fn a_killed_supervisor_leaves_no_session() {
    let world = World::new();
    let session = Idle::start(&world, &["--live"]);
    let waiting = world.sandbox().start_verb(&["wait", &session.id]);
    session.await_waiter();
    session.run.signal("KILL");
    waiting.wait().refused(125, &["supervisor was killed"]);
    let _killed = session.run.wait();
    assert_eq!(world.sandbox().verb(&["ps"]).ended(0), "no session runs");
}

#[test]
fn bad_input_is_said_in_one_line() {
    let world = World::new();
    for (words, said) in [
        (&["inspect", "no\nsuch"][..], "no session no\\nsuch runs"),
        (&["stop", "x"], "no session x runs"),
        (&["stop", "--time", "never"], "--time"),
        (&["wait", "--timeout", "0s"], "--timeout"),
        (&["wait"], "no session runs in this project"),
        (&["ps", "--what"], "--what"),
    ] {
        world.sandbox().verb(words).refused(125, &[said]);
    }
    let inside = world.sandbox().env("FUMEHOOD", "1").verb(&["ps"]);
    inside.refused(125, &["this is a sandbox"]);
}

/// The socket is another account's to see, not to enter; an account of the same name in another namespace of
/// processes is refused by what the kernel says of it.
#[test]
fn nobody_in_another_pid_namespace_is_answered() {
    let world = World::new();
    let session = Idle::start(&world, &["--live"]);
    let own = fumehood_tests::fumehood();
    let words = [
        "unshare",
        "--user",
        "--map-current-user",
        "--pid",
        "--fork",
        "--mount-proc",
    ];
    let mut words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    words.extend([
        own.display().to_string(),
        "exec".into(),
        session.id.clone(),
        "true".into(),
    ]);
    let out = world.sandbox().start_words(&words).wait();
    out.refused(125, &["from inside a sandbox or container"]);
    session.end();
}

/// What was recorded, a line each, from the first on; followed it ends with the session.
#[test]
fn events_are_the_record_of_a_session_to_its_end() {
    let world = World::new();
    let session = Idle::start(&world, &["--live"]);
    let follower = world.sandbox().start_verb(&["events", "-f"]);
    let so_far = world.sandbox().verb(&["events", &session.id]).ended(0);
    let first = so_far.lines().next().unwrap();
    assert!(
        first.contains("\"sequence\":0") && first.contains("\"kind\":\"session.start\""),
        "{first}"
    );
    session.exec(&["true"]).ended(0);
    let id = session.id.clone();
    session.end();
    let all = follower.wait().ended(0);
    assert!(all.starts_with(so_far.lines().next().unwrap()), "{all}");
    let kinds = |text: &str| -> Vec<String> {
        let kind = |line: &str| fumehood_tests::text_of(line, "kind").unwrap();
        text.lines().map(kind).collect()
    };
    assert_eq!(
        kinds(&all).last().map(String::as_str),
        Some("session.end"),
        "{all}"
    );
    assert!(kinds(&all).contains(&"session.ask".to_owned()), "{all}");
    // It has ended: the same, whether followed or not.
    for words in [&["events", &id][..], &["events", "-f", &id], &["events"]] {
        assert_eq!(world.sandbox().verb(words).ended(0), all);
    }
    world
        .sandbox()
        .verb(&["events", "nobody"])
        .refused(125, &["no session is named nobody"]);
}
