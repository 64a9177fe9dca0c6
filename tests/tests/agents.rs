//! Agents that do not ask, and the hook that answers for them. With the agents' own programs: tests/real/hooks.sh.

use fumehood_tests::{World, fumehood};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const ASKING: &str = r#"{"hook_event_name":"PreToolUse","tool_name":"Bash","permission_mode":"MODE","tool_input":{"command":"COMMAND"}}"#;

/// A call that an agent in this mode asks its hook about.
fn call(mode: &str, command: &str) -> Vec<u8> {
    ASKING
        .replace("MODE", mode)
        .replace("COMMAND", command)
        .into_bytes()
}

#[test]
fn an_agent_is_told_not_to_ask_where_it_can_be_undone() {
    let world = World::new();
    // A program of an agent's name that says with which words it was started.
    let agent = world.project().join("claude");
    fs::write(&agent, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let agent = agent.display().to_string();
    let told = |flags: &[&str]| world.sandbox().flags(flags).run(&[&agent, "-p", "x"]);
    assert_eq!(told(&[]).ended(0), "-p\nx");
    let words = told(&["--no-prompts"]).ended(0);
    assert!(
        words.starts_with("--dangerously-skip-permissions\n--settings\n") && words.ends_with("\n-p\nx"),
        "{words}"
    );
    let refused = told(&["--no-prompts", "--isolation", "landlock"]);
    refused.ended(125);
    assert!(
        refused.errors().contains("cannot be undone"),
        "{}",
        refused.errors()
    );
    let refused = world.sandbox().flags(["--no-prompts", "--live"]).run(&["true"]);
    refused.ended(125);
    let refused = world.sandbox().flags(["--no-prompts"]).run(&["true"]);
    refused.ended(125);
    assert!(
        refused.errors().contains("none of the agents"),
        "{}",
        refused.errors()
    );
}

#[test]
fn the_hook_knows_where_it_runs() {
    let world = World::new();
    let own = fumehood().display().to_string();
    let hook = |flags: &[&str], mode: &str| {
        let run = world.sandbox().flags(["--preset", "claude-code"]).flags(flags);
        run.stdin(&call(mode, "ls"))
            .run(&[&own, "hook", "claude-code"])
            .ended(0)
    };
    assert!(hook(&[], "default").contains(r#""permissionDecision":"allow""#));
    // What is written to the project at once cannot be undone.
    assert_eq!(hook(&["--live"], "default"), "");
    // A variable makes nothing a sandbox.
    let outside = world.sandbox().env("FUMEHOOD", "1").stdin(&call("default", "ls"));
    let said = outside.verb(&["hook", "claude-code"]).ended(0);
    assert!(said.contains(" run --apply turn -- bash -c ls"), "{said}");
    let write = String::from_utf8(call("bypassPermissions", "ls"))
        .unwrap()
        .replace("Bash", "Write");
    let said = world.sandbox().env("FUMEHOOD", "1").stdin(write.as_bytes());
    let said = said.verb(&["hook", "claude-code"]).ended(0);
    assert!(said.contains(r#""permissionDecision":"deny""#), "{said}");
}

/// The command that the hook says instead is run as the agent would run it.
#[test]
fn a_command_outside_is_brought_into_a_sandbox() {
    let world = World::new();
    let script =
        "cat ~/.ssh/id_ed25519; test -d /.fumehood && echo in-a-sandbox; echo \\\"it's\\\" >made.txt";
    let hook = world.sandbox().stdin(&call("bypassPermissions", script));
    let said = hook.verb(&["hook", "claude-code"]).ended(0);
    let command = said.split(r#""command":""#).nth(1).unwrap();
    let command = command.split(r#""}}}"#).next().unwrap();
    let command = command.replace(r#"\""#, "\"").replace(r"\\", r"\");
    let ran = world.sandbox().start_words(&["/bin/bash", "-c", &command]).wait();
    assert_eq!(ran.ended(0), "in-a-sandbox");
    assert!(
        ran.errors().contains(".ssh/id_ed25519: No such file"),
        "{}",
        ran.errors()
    );
    assert_eq!(
        fs::read_to_string(world.project().join("made.txt")).unwrap(),
        "it's\n"
    );
}

/// An agent takes any other status for a yes.
#[test]
fn what_is_not_read_is_refused_by_status_two() {
    let world = World::new();
    for bytes in [&b""[..], b"{", b"{}", &[b'['; 100_000]] {
        let refused = world.sandbox().stdin(bytes).verb(&["hook", "claude-code"]);
        refused.ended(2);
        assert!(refused.errors().starts_with("fumehood: "), "{}", refused.errors());
    }
    let unknown = world.sandbox().verb(&["hook", "another"]);
    unknown.ended(2);
    assert!(unknown.errors().contains("another"), "{}", unknown.errors());
}
