//! `fumehood mcp` as a client meets it: a process with two pipes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{
    World, await_call, await_end_of_calls, calls_alive, fumehood, host_program, offer_tools, tool_call,
};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

struct Client {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Client {
    fn start(world: &World) -> Client {
        offer_tools(world);
        let mut command = host_program(fumehood());
        command
            .arg("mcp")
            .current_dir(world.project())
            .env_clear()
            .envs(world.sandbox().environment());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Client {
            to: child.stdin.take(),
            from: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn send(&mut self, line: &str) {
        writeln!(self.to.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next message; each is one line.
    fn next(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line
    }

    fn ask(&mut self, line: &str) -> String {
        self.send(line);
        self.next()
    }

    /// The client goes; the server ends, within what it allows its tools and some.
    fn leave(mut self) -> String {
        drop(self.to.take());
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.from, &mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn a_client_of_the_older_way() {
    let world = World::new();
    let mut client = Client::start(&world);
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
    let mut client = Client::start(&world);
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
    let mut other = Client::start(&world);
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
    let mut client = Client::start(&world);
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
    let mut client = Client::start(&world);
    client.send(&tool_call(1, "wait", "{}"));
    await_call(&world);
    assert_eq!(client.leave(), "");
    await_end_of_calls(&world);
    // The record is whole.
    world.sandbox().verb(&["audit", "verify"]).ended(0);
}
