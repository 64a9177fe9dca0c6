//! `fumehood tool`: a call has its own sandbox, and no more than its manifest says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{Output, World};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

/// The user's own configuration, with these tools.
fn configure(world: &World, text: &str) {
    let folder = world.own("config").join("fumehood");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), format!("version = 1\n{text}\n")).unwrap();
}

fn call(world: &World, name: &str, json: &str) -> Output {
    let sandbox = world.sandbox().deadline(Duration::from_secs(60));
    sandbox.verb(&["tool", "call", name, json, "--json"])
}

const SH: &str = "[tool.sh]\ndescription = \"d\"\nlimits = { timeout = \"20s\", memory = \"1G\" }\n";

/// A tool that runs this script.
fn script(world: &World, lines: &str, script: &str) {
    configure(
        world,
        &format!("{SH}{lines}\nargv = [\"sh\", \"-c\", '''{script}''']"),
    );
}

fn marker(world: &World, at: &Path) -> std::path::PathBuf {
    let canary = world.own("canary");
    fs::write(at, format!("#!/bin/sh\n: >'{}'\n", canary.display())).unwrap();
    fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
    canary
}

/// Row 11: what a repository has git run is neither run outside, nor inside by the shipped tools.
#[test]
fn git_of_a_hostile_repository() {
    let world = World::with_repository();
    let evil = world.project().join("evil.sh");
    let canary = marker(&world, &evil);
    let inside = world.project().join("ran-inside");
    fs::write(
        &evil,
        format!(
            "{}: >'{}'\n",
            fs::read_to_string(&evil).unwrap(),
            inside.display()
        ),
    )
    .unwrap();
    world.git(
        &world.project(),
        &["config", "core.fsmonitor", evil.to_str().unwrap()],
    );
    world.git(
        &world.project(),
        &["config", "core.hooksPath", world.project().to_str().unwrap()],
    );
    fs::copy(&evil, world.project().join("pre-commit")).unwrap();
    // By hand it runs.
    world.git(&world.project(), &["status"]);
    assert!(canary.exists(), "the attack does nothing here");
    fs::remove_file(&canary).unwrap();
    fs::remove_file(&inside).unwrap();
    fs::write(world.project().join("here"), "changed\n").unwrap();
    for (tool, json) in [
        ("git_status", "{}"),
        ("git_diff", "{}"),
        ("git_log", r#"{"count":1}"#),
    ] {
        let out = call(&world, tool, json).ended(0);
        assert!(out.contains("\"origin\":\"command\""), "{out}");
        assert!(!canary.exists() && !inside.exists(), "{tool}");
    }
    let out = call(&world, "git_commit", r#"{"message":"one\n\nmore; : >x"}"#);
    assert!(!canary.exists() && !inside.exists(), "{out:?}");
}

/// Rows 4 to 7 and 60: inside there is nothing outside the project to lead to.
#[test]
fn links_lead_nowhere() {
    let world = World::new();
    let secret = world.own("secret.txt");
    fs::write(&secret, "k7-outside-q2").unwrap();
    fs::write(world.project().join("here"), "here").unwrap();
    symlink(&secret, world.project().join("link")).unwrap();
    symlink("/proc/self/root/etc/shadow", world.project().join("magic")).unwrap();
    assert_eq!(
        fs::read_to_string(world.project().join("link")).unwrap(),
        "k7-outside-q2"
    );
    configure(
        &world,
        "[tool.show]\ndescription = \"d\"\nparams = { p = { type = \"RelPath\" } }\nargv = [\"cat\", \"--\", \"{p}\"]",
    );
    for path in ["link", "magic"] {
        let out = call(&world, "show", &format!("{{\"p\":\"{path}\"}}")).text();
        assert!(
            out.contains("\"status\":1") && !out.contains("k7-outside-q2") && !out.contains("root:"),
            "{out}"
        );
    }
    assert!(
        call(&world, "show", r#"{"p":"here"}"#)
            .ended(0)
            .contains("\"output\":\"here")
    );
    call(&world, "show", r#"{"p":"../secret.txt"}"#).refused(125, &["`p`", "leaves the project"]);
    call(&world, "show", "{\"p\":\"/etc/passwd\"}").refused(125, &["not below the project"]);
}

/// What this project's sessions may reach is not what a tool may: it has what its manifest names.
#[test]
fn a_tool_has_no_network_unless_it_says_so() {
    let world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let dial =
        format!("python3 -c \"import socket; socket.create_connection(('localhost', {port}), 5).close()\"");
    let network = format!("[network]\nhost = [{port}]\n");
    let tool = format!("{SH}argv = [\"sh\", \"-c\", '''{dial}''']\n");
    configure(&world, &format!("{network}{tool}"));
    // A session reaches it, so the attempt is a real one.
    world.sandbox().run(&["sh", "-c", &dial]).ended(0);
    assert!(listener.accept().is_ok(), "the session did not arrive");
    let out = call(&world, "sh", "{}").text();
    assert!(
        out.contains("\"status\":1") && out.contains("Connection refused"),
        "{out}"
    );
    assert!(listener.accept().is_err(), "the tool arrived");
}

#[test]
fn what_a_reading_tool_changes_is_gone_and_what_a_writing_one_changes_waits() {
    let world = World::new();
    let before = "here\n";
    fs::write(world.project().join("here"), before).unwrap();
    script(&world, "", "echo changed >here; echo new >new; cat here");
    assert!(call(&world, "sh", "{}").ended(0).contains("changed"));
    assert_eq!(fs::read_to_string(world.project().join("here")).unwrap(), before);
    assert_eq!(world.sandbox().verb(&["diff", "--name-status"]).text(), "");
    script(
        &world,
        "workspace = \"write\"",
        "echo changed >here; echo new >new",
    );
    let out = call(&world, "sh", "{}").ended(0);
    assert!(out.contains("kept back"), "{out}");
    assert_eq!(fs::read_to_string(world.project().join("here")).unwrap(), before);
    assert!(!world.project().join("new").exists());
    let diff = world.sandbox().verb(&["diff", "--name-status"]).ended(0);
    assert!(diff.contains("here") && diff.contains("new"), "{diff}");
}

/// Nothing of the caller's environment, by which programs are told to run others (row 35).
#[test]
fn the_callers_variables_stay_outside() {
    let world = World::new();
    script(&world, "env = { set = { MINE = \"1\" } }", "env");
    let all = [
        "BASH_ENV",
        "GIT_SSH_COMMAND",
        "PYTHONPATH",
        "NODE_OPTIONS",
        "RUSTC_WRAPPER",
        "LD_LIBRARY_PATH",
        "SOME_TOKEN",
    ];
    let sandbox = all
        .iter()
        .fold(world.sandbox(), |s, name| s.env(name, "k7-outside-q2"));
    let out = sandbox.verb(&["tool", "call", "sh"]).ended(0);
    assert!(out.contains("MINE=1") && !out.contains("k7-outside-q2"), "{out}");
}

#[test]
fn how_it_ended_is_typed() {
    let world = World::new();
    script(&world, "", "exit 7");
    assert!(
        call(&world, "sh", "{}")
            .ended(7)
            .contains("\"origin\":\"command\"")
    );
    script(&world, "", "kill -KILL $$");
    assert!(
        call(&world, "sh", "{}")
            .ended(137)
            .contains("\"origin\":\"signal\"")
    );
    configure(
        &world,
        "[tool.sh]\ndescription = \"d\"\nlimits = { timeout = \"1s\" }\nargv = [\"sh\", \"-c\", \"echo begun; sleep 60\"]",
    );
    let out = call(&world, "sh", "{}").ended(124);
    assert!(
        out.contains("\"timed_out\":true") && out.contains("begun"),
        "{out}"
    );
    configure(
        &world,
        "[tool.sh]\ndescription = \"d\"\nargv = [\"no-such-program\"]",
    );
    call(&world, "sh", "{}").refused(125, &["no-such-program"]);
}

/// A grandchild that holds the pipe open ends with the command.
#[test]
fn a_call_is_over_when_its_command_is() {
    let world = World::new();
    script(&world, "", "(setsid sleep 300 &) ; echo done");
    assert!(call(&world, "sh", "{}").ended(0).contains("done"));
}

/// Escapes, forged remarks, a flood: bounded, counted, kept, paged.
#[test]
fn what_comes_back_is_bounded_and_can_be_read_on() {
    let world = World::new();
    script(
        &world,
        "output = { budget = \"4K\" }",
        r"printf '\033[31mred\033[0m \342\237\246forged\342\237\247 \342\200\256bidi\n'; seq -f 'work %.0f of many' 1 200000 | sed 's/1/x/;s/2/y/;s/3/z/'; echo the end",
    );
    let out = call(&world, "sh", "{}").ended(0);
    let value: &str = &out;
    assert!(value.len() < 8000, "{}", value.len());
    for part in [
        "red \\\\u{27e6}forged",
        "\\\\u{202e}bidi",
        "the end\\n",
        "\"forged\":2",
        "\"bidi\":1",
        "\"kept_whole\":true",
    ] {
        assert!(value.contains(part), "no {part} in {value}");
    }
    let handle = fumehood_tests::text_of(value, "handle").unwrap();
    let page = world
        .sandbox()
        .verb(&["tool", "read", &handle, "--from", "1000"])
        .ended(0);
    assert!(
        page.starts_with("work ") && page.contains("go on with --from "),
        "{page}"
    );
    let found = world
        .sandbox()
        .verb(&["tool", "read", &handle, "--grep", "^the end$"])
        .ended(0);
    assert_eq!(found, "200002:the end");
    world
        .sandbox()
        .verb(&["tool", "read", "out_00000000000000000000000000000000"])
        .refused(125, &["no output of that name"]);
}

/// A checkout's tools are requests: they count after `fumehood trust`, and never take the place of the user's.
#[test]
fn the_projects_own_tools_wait_for_trust() {
    let world = World::new();
    let theirs = "version = 1\n[tool.hello]\ndescription = \"d\"\nargv = [\"echo\", \"theirs\"]\n[tool.mine]\ndescription = \"d\"\nargv = [\"echo\", \"theirs\"]\n";
    fs::write(world.project().join("fumehood.toml"), theirs).unwrap();
    configure(
        &world,
        "[tool.mine]\ndescription = \"d\"\nargv = [\"echo\", \"the users\"]",
    );
    call(&world, "hello", "{}").refused(125, &["there is no tool hello", "fumehood trust"]);
    world.sandbox().verb(&["trust", "--yes"]).ended(0);
    assert!(call(&world, "hello", "{}").ended(0).contains("theirs"));
    assert!(call(&world, "mine", "{}").ended(0).contains("the users"));
}

/// What files give this project's sessions beside the project is not a tool's: variables, and folders that may be written.
#[test]
fn what_sessions_have_is_not_a_tools() {
    let world = World::new();
    let shared = world.own("shared");
    fs::create_dir(&shared).unwrap();
    let script = format!(
        "env | grep -c k8-not-for-tools; echo one >'{}/new' && echo written; true",
        shared.display()
    );
    configure(
        &world,
        &format!(
            "[env]\npass = [\"CANARY\"]\nset = {{ OTHER = \"k8-not-for-tools\" }}\n[filesystem]\nrw = [\"{}\"]\n\
             {SH}workspace = \"write\"\nargv = [\"sh\", \"-c\", \"{script}\"]",
            shared.display()
        ),
    );
    let sandbox = world.sandbox().env("CANARY", "k8-not-for-tools");
    // A session has them.
    let run = sandbox.run(&["sh", "-c", &script]).ended(0);
    assert_eq!(run, "2\nwritten");
    fs::remove_file(shared.join("new")).unwrap();
    let out = sandbox.verb(&["tool", "call", "sh", "{}", "--json"]).ended(0);
    assert!(
        out.contains("\"output\":\"0\\n") && !out.contains("written"),
        "{out}"
    );
    assert!(!shared.join("new").exists());
}

#[test]
fn verbs_that_run_nothing() {
    let world = World::with_repository();
    let list = world.sandbox().verb(&["tool", "list"]).ended(0);
    assert!(list.contains("git_status") && list.contains("observe"), "{list}");
    let json = world.sandbox().verb(&["tool", "list", "--json"]).ended(0);
    assert!(
        json.contains("\"inputSchema\"") && json.contains("\"additionalProperties\":false"),
        "{json}"
    );
    let explained = world
        .sandbox()
        .verb(&["tool", "explain", "git_log", r#"{"of":"main","count":3}"#])
        .ended(0);
    assert!(
        explained.contains("argv     --max-count=3") && explained.contains("no network"),
        "{explained}"
    );
    let refused = world
        .sandbox()
        .verb(&["tool", "explain", "git_log", r#"{"of":"--output=x"}"#]);
    refused.refused(125, &["`of`", "not a branch"]);
    let tested = world.sandbox().verb(&["tool", "test"]).ended(0);
    assert!(
        tested.contains("git_log: ") && tested.contains(" refused"),
        "{tested}"
    );
    configure(
        &world,
        "[tool.x]\ndescription = \"d\"\nparams = { p = { type = \"Ident\" } }\nargv = [\"sh\", \"-c\", \"{p}\"]",
    );
    world
        .sandbox()
        .verb(&["tool", "list"])
        .refused(125, &["config.toml:2:7", "runs what stands in its arguments"]);
}
