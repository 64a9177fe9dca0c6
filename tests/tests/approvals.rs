//! The human side of holds (review-security F20): out of reach from inside, refused to programs without a
//! terminal, heard from another terminal of the account.

use fumehood_tests::{Output, Running, Sandboxed, World, fumehood, is_root};
use std::path::PathBuf;

/// A session that waits, with a file that says so.
fn waiting(world: &World, flags: &[&str]) -> Running {
    let mut run = world
        .live()
        .flags(flags)
        .start(&["sh", "-c", "echo here >here; exec sleep 15"]);
    run.await_file(&world.project().join("here"));
    run
}

/// A verb of the human side, outside.
fn verb(sandbox: &Sandboxed<'_>, words: &str) -> Output {
    let mut all = vec![fumehood().display().to_string()];
    all.extend(words.split(' ').map(str::to_owned));
    sandbox.start_words(&all).wait()
}

/// The same, in a terminal of its own.
fn at_a_terminal(world: &World, words: &str) -> Output {
    let line = format!("{} {words}", fumehood().display());
    world
        .sandbox()
        .start_words(&["script", "-qec", &line, "/dev/null"])
        .wait()
}

fn desk(world: &World) -> PathBuf {
    world.own("state").join("fumehood/desk")
}

#[test]
fn a_session_is_frozen_from_another_terminal_and_says_so() {
    let world = World::new();
    let run = waiting(&world, &[]);
    assert_eq!(at_a_terminal(&world, "holds").ended(0), "nothing is held");
    let frozen = at_a_terminal(&world, "freeze");
    assert!(
        frozen
            .ended(0)
            .contains("frozen: nothing more leaves this session")
    );
    let ended = run.wait();
    ended.ended(125);
    ended.said_last(&["frozen", "is still there"]);
    assert!(world.project().join("here").exists());
    assert_eq!(
        std::fs::read_dir(desk(&world)).unwrap().count(),
        0,
        "the socket goes with the session"
    );
    let none = at_a_terminal(&world, "freeze");
    assert!(none.ended(1).contains("no session runs"));
}

#[test]
fn f20_a_program_without_a_terminal_is_not_heard() {
    let world = World::new();
    let run = waiting(&world, &[]);
    for words in ["freeze", "holds", "allow 1 aaaa", "deny 1 no"] {
        let refused = verb(&world.sandbox(), words);
        refused.refused(1, &["at a terminal"]);
    }
    run.signal("TERM");
    run.wait().ended(143);
}

/// Escape by the approval channel: the socket is shown on purpose, and still no program inside gets an answer.
#[test]
fn f20_nothing_inside_reaches_the_desk() {
    let world = World::new();
    let state = world.own("state");
    let script = "import os, socket, sys\n\
         desk = os.path.join(sys.argv[1], 'fumehood/desk')\n\
         try: names = os.listdir(desk)\n\
         except OSError: names = []\n\
         print(len(names))\n\
         for name in names or ['x']:\n\
         \x20 try:\n\
         \x20   s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n\
         \x20   s.connect(os.path.join(desk, name)); s.send(b'\\x01f')\n\
         \x20   print('answered', s.recv(999))\n\
         \x20 except OSError as e: print(type(e).__name__)\n";
    let flags = ["--rw", state.to_str().unwrap()];
    let shown = world.sandbox().flags(flags);
    let out = shown.run(&["python3", "-c", script, state.to_str().unwrap()]);
    let text = out.ended(0);
    assert!(text.starts_with("0\n") && !text.contains("answered"), "{text}");
}

/// The same at the weaker level, where seccomp refuses the socket. Root cannot use that level.
#[test]
fn f20_nothing_inside_reaches_the_desk_at_level_landlock() {
    let world = World::new();
    let weaker = world.sandbox().flags(["--isolation", "landlock"]);
    if is_root() {
        weaker.run(&["true"]).refused(125, &["landlock", "root"]);
        return;
    }
    let script = "import socket\nsocket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)";
    let out = weaker.run(&["python3", "-c", script]);
    out.ended(1);
    assert!(out.errors().contains("PermissionError"), "{}", out.errors());
    let own = fumehood().display().to_string();
    let weaker = weaker.flags(["--ro", own.as_str()]);
    let freeze = weaker.run(&["script", "-qec", &format!("{own} freeze"), "/dev/null"]);
    assert_ne!(freeze.code, 0, "{}", freeze.text());
    assert!(!freeze.text().contains("frozen"), "{}", freeze.text());
}

#[test]
fn what_another_account_may_enter_is_no_desk() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    std::fs::create_dir_all(desk(&world)).unwrap();
    std::fs::set_permissions(
        world.own("state").join("fumehood"),
        std::fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    std::fs::set_permissions(desk(&world), std::fs::Permissions::from_mode(0o755)).unwrap();
    let out = world.sandbox().run(&["true"]);
    out.refused(125, &["approvals", "Permission denied"]);
}

#[test]
fn a_killed_supervisors_socket_is_passed_over() {
    let world = World::new();
    let run = waiting(&world, &[]);
    run.signal("KILL");
    let _killed = run.wait();
    assert_eq!(at_a_terminal(&world, "holds").ended(0), "nothing is held");
}
