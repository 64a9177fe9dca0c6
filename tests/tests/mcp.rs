//! `fumehood mcp` as a client meets it: a process with two pipes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{World, fumehood, host_program};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

struct Client {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Client {
    fn start(world: &World, tools: &str) -> Client {
        let folder = world.own("config").join("fumehood");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.toml"), format!("version = 1\n{tools}\n")).unwrap();
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

const TOOLS: &str = r#"
[tool.say]
description = "says it"
params = { word = { type = "Ident" } }
argv = ["echo", "{word}"]
[tool.long]
description = "many lines"
argv = ["seq", "-f", "line %.0f of it", "1", "50000"]
output = { budget = "2K" }
[tool.wait]
description = "waits"
workspace = "write"
argv = ["sh", "-c", "trap '' TERM; echo begun >begun; while :; do sleep 0.05; done"]
"#;

fn call(id: u32, name: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
    )
}

#[test]
fn a_client_of_the_older_way() {
    let world = World::new();
    let mut client = Client::start(&world, TOOLS);
    let hello = client.ask(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#);
    assert!(hello.contains(r#""protocolVersion":"2025-06-18""#), "{hello}");
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let list = client.ask(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    for name in ["say", "long", "wait", "read_output"] {
        assert!(list.contains(&format!("\"name\":\"{name}\"")), "{list}");
    }
    let said = client.ask(&call(2, "say", r#"{"word":"hello"}"#));
    assert!(
        said.contains(r#""isError":false"#) && said.contains("hello\\n") && said.contains(r#""status":0"#),
        "{said}"
    );
    let refused = client.ask(&call(3, "say", r#"{"word":"-x"}"#));
    assert!(
        refused.contains(r#""isError":true"#) && refused.contains("`word`"),
        "{refused}"
    );
    let unknown = client.ask(&call(4, "sh", "{}"));
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
    let mut client = Client::start(&world, TOOLS);
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
    let page = client.ask(&call(
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
    let mut other = Client::start(&world, TOOLS);
    let none = other.ask(&call(1, "read_output", &format!(r#"{{"handle":"{handle}"}}"#)));
    assert!(
        none.contains(r#""isError":true"#) && none.contains("kept no output"),
        "{none}"
    );
}

/// Waits until a tool has begun: its file is in the layer of its session.
fn begun(world: &World) {
    let sessions = world.own("state").join("fumehood/sessions");
    let since = Instant::now();
    loop {
        let found = fs::read_dir(&sessions).into_iter().flatten().flatten();
        let mut found = found.map(|s| s.path().join("upper/begun"));
        if found.any(|f| f.exists()) {
            return;
        }
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "the tool did not begin"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Supervisors of this world's calls that live.
fn alive(world: &World) -> usize {
    let project = world.project();
    let of = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).unwrap_or_default();
    let all = fs::read_dir("/proc").unwrap().flatten().map(of);
    let ours = project.to_str().unwrap().as_bytes();
    all.filter(|line| line.windows(ours.len()).any(|w| w == ours) && line.windows(6).any(|w| w == b"--tool"))
        .count()
}

/// A tool that does not listen to its being cancelled is ended all the same, and nothing is answered.
#[test]
fn a_cancelled_call_ends_and_is_not_answered() {
    let world = World::new();
    let mut client = Client::start(&world, TOOLS);
    client.send(&call(1, "wait", "{}"));
    begun(&world);
    assert!(alive(&world) > 0);
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    let next = client.ask(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#);
    assert!(next.contains(r#""id":2"#), "{next}");
    let since = Instant::now();
    while alive(&world) > 0 {
        assert!(since.elapsed() < Duration::from_secs(20), "it lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(client.leave(), "");
}

#[test]
fn a_client_that_goes_takes_its_calls_with_it() {
    let world = World::new();
    let mut client = Client::start(&world, TOOLS);
    client.send(&call(1, "wait", "{}"));
    begun(&world);
    assert_eq!(client.leave(), "");
    let since = Instant::now();
    while alive(&world) > 0 {
        assert!(since.elapsed() < Duration::from_secs(20), "it lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The record is whole.
    world.sandbox().verb(&["audit", "verify"]).ended(0);
}
