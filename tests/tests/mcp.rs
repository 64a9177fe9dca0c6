//! `fumehood mcp` as a client meets it: a process with two pipes.

use fumehood_tests::{McpClient, World, await_call, await_end_of_calls, calls_alive, fumehood, tool_call};

#[test]
fn a_client_of_the_older_way() {
    let world = World::new();
    let mut client = McpClient::start(&world);
    let hello = client.ask(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#);
    assert!(hello.contains(r#""protocolVersion":"2025-06-18""#), "{hello}");
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let list = client.ask(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    for name in ["say", "long", "wait", "read_output"] {
        assert!(list.contains(&format!("\"name\":\"{name}\"")), "{list}");
    }
    let said = client.ask(&tool_call(2, "say", r#"{"word":"hello"}"#));
    assert!(
        said.contains(r#""isError":false"#) && said.contains("hello\\n") && said.contains(r#""status":0"#),
        "{said}"
    );
    let refused = client.ask(&tool_call(3, "say", r#"{"word":"-x"}"#));
    assert!(
        refused.contains(r#""isError":true"#) && refused.contains("`word`"),
        "{refused}"
    );
    let unknown = client.ask(&tool_call(4, "sh", "{}"));
    assert!(
        unknown.contains("-32602") && unknown.contains("there is no tool sh"),
        "{unknown}"
    );
    let twice = client.ask(r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"say","arguments":{"word":"a","word":"b"}}}"#);
    assert!(
        twice.contains("-32700") && twice.contains("there twice"),
        "{twice}"
    );
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(3 << 20));
    assert!(client.ask(&huge).contains("longer than 1 MiB"));
    assert!(
        client
            .ask(r#"{"jsonrpc":"2.0","id":6,"method":"ping"}"#)
            .contains(r#""result":{}"#)
    );
    assert_eq!(client.leave(), "");
}

#[test]
fn a_client_of_the_modern_way_reads_on() {
    let world = World::new();
    let mut client = McpClient::start(&world);
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    let found = client.ask(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{{{meta}}}}}"#
    ));
    assert!(
        found.contains(r#""supportedVersions":["2026-07-28""#)
            && found.contains(r#""resultType":"complete""#),
        "{found}"
    );
    let long = client.ask(&format!(
        r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"long",{meta}}}}}"#
    ));
    assert!(
        long.len() < 10_000 && long.contains("read_output with handle"),
        "{long}"
    );
    let handle = fumehood_tests::text_of(&long, "handle").unwrap();
    let page = client.ask(&tool_call(
        3,
        "read_output",
        &format!(r#"{{"handle":"{handle}","grep":"line 4999[89]"}}"#),
    ));
    assert!(
        page.contains("49998:line 49998 of it\\n49999:line 49999 of it"),
        "{page}"
    );
    client.leave();
    // What another server kept is not this one's.
    let mut other = McpClient::start(&world);
    let none = other.ask(&tool_call(
        1,
        "read_output",
        &format!(r#"{{"handle":"{handle}"}}"#),
    ));
    assert!(
        none.contains(r#""isError":true"#) && none.contains("kept no output"),
        "{none}"
    );
}

/// A tool that does not listen to its being cancelled is ended all the same, and nothing is answered.
#[test]
fn a_cancelled_call_ends_and_is_not_answered() {
    let world = World::new();
    let mut client = McpClient::start(&world);
    client.send(&tool_call(1, "wait", "{}"));
    await_call(&world);
    assert!(calls_alive(&world) > 0);
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    let next = client.ask(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#);
    assert!(next.contains(r#""id":2"#), "{next}");
    await_end_of_calls(&world);
    assert_eq!(client.leave(), "");
}

#[test]
fn a_client_that_goes_takes_its_calls_with_it() {
    let world = World::new();
    let mut client = McpClient::start(&world);
    client.send(&tool_call(1, "wait", "{}"));
    await_call(&world);
    assert_eq!(client.leave(), "");
    await_end_of_calls(&world);
    // The record is whole.
    world.sandbox().verb(&["audit", "verify"]).ended(0);
}

/// Words at a terminal of the account's own.
fn at_a_terminal(world: &World, words: &str) -> fumehood_tests::Output {
    let line = format!("{} {words}", fumehood().display());
    let words = ["script", "-qec", &line, "/dev/null"];
    world.sandbox().start_words(&words).wait()
}

const DENIED: &str = "[[deny]]\neffect = \"tool.call\"\nbecause = \"not today\"\n";
const HELD: &str = "[[rule]]\neffect = \"tool.call\"\ndecide = \"hold\"\n";

#[test]
fn a_rule_denies_calls() {
    let world = World::new();
    let mut client = McpClient::with(&world, DENIED, &[]);
    let denied = client.ask(&tool_call(1, "wait", "{}"));
    for words in [
        "\"isError\":true",
        "tool.call is denied",
        "not today",
        "config.toml",
    ] {
        assert!(denied.contains(words), "{denied}");
    }
    // Nothing ran: there is no session of it.
    let sessions = world.own("state").join("fumehood/sessions");
    assert_eq!(std::fs::read_dir(sessions).into_iter().flatten().count(), 0);
    client.leave();
    let told = world.sandbox().verb(&["audit", "query", "--kind", "effect"]);
    let told = told.ended(0);
    assert!(told.contains("tool.call") && told.contains("deny"), "{told}");
}

/// A call that waits is told so, is shown with its arguments, and happens once when a person allows it.
#[test]
fn a_held_call_waits_for_a_person() {
    let world = World::new();
    let mut client = McpClient::with(&world, HELD, &[]);
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"say","arguments":{"word":"hello"},"_meta":{"progressToken":"p"}}}"#;
    let waits = client.ask(call);
    assert!(
        waits.contains("waiting for approval") && waits.contains("fumehood allow 1"),
        "{waits}"
    );
    let held = at_a_terminal(&world, "holds 1");
    let card = held.ended(0);
    assert!(
        card.contains("hello") && card.contains("calls a tool: say on fumehood"),
        "{card}"
    );
    let code = card
        .lines()
        .find_map(|l| l.split("code").nth(1))
        .unwrap_or_default();
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).take(4).collect();
    at_a_terminal(&world, &format!("allow 1 {code}")).ended(0);
    let said = client.message();
    assert!(said.contains("\"id\":1") && said.contains("hello\\n"), "{said}");
    // Once: the same again is another question.
    let again = client.ask(&call.replace("\"id\":1", "\"id\":2"));
    assert!(again.contains("waiting for approval"), "{again}");
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#);
    assert!(
        client
            .ask(r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#)
            .contains("\"id\":3")
    );
    assert_eq!(client.leave(), "");
    world.sandbox().verb(&["audit", "verify"]).ended(0);
}

#[test]
fn without_anybody_to_ask_a_held_call_gets_a_ticket() {
    let world = World::new();
    let mut client = McpClient::with(&world, HELD, &["--holds", "deny"]);
    let refused = client.ask(&tool_call(1, "say", r#"{"word":"hello"}"#));
    assert!(
        refused.contains("\"isError\":true") && refused.contains("fumehood allow 1"),
        "{refused}"
    );
    client.leave();
}

/// Whoever freezes the session ends what runs, and nothing is called after.
#[test]
fn a_frozen_session_calls_nothing() {
    let world = World::new();
    let mut client = McpClient::with(&world, "", &[]);
    client.send(&tool_call(1, "wait", "{}"));
    await_call(&world);
    let living = world.sandbox().verb(&["ps", "--json"]);
    let living = living.ended(0);
    let mut each = living.split("\"session\":\"");
    let ours = each.find(|one| one.contains("\"mcp\"")).unwrap_or_default();
    let id = ours.split('"').next().unwrap_or_default();
    at_a_terminal(&world, &format!("freeze {id}")).ended(0);
    await_end_of_calls(&world);
    let refused = client.ask(&tool_call(2, "say", r#"{"word":"hello"}"#));
    assert!(refused.contains("froze this session"), "{refused}");
    client.leave();
}
