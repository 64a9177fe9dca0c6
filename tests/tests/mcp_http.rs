//! `fumehood mcp --http` as clients meet it, and pages that a browser shows, and other accounts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{
    World, await_call, await_end_of_calls, await_that, calls_alive, fumehood, host_program, offer_tools,
    text_of, tool_call,
};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

fn mcp(world: &World, words: &[&str]) -> Command {
    let mut command = host_program(fumehood());
    command.arg("mcp").args(words).current_dir(world.project());
    command.env_clear().envs(world.sandbox().environment());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

struct Server {
    child: Child,
    /// `127.0.0.1:PORT`.
    at: String,
    token: String,
}

impl Server {
    fn start(world: &World) -> Server {
        Server::with(world, &["--http", "127.0.0.1:0"])
    }

    fn with(world: &World, words: &[&str]) -> Server {
        offer_tools(world);
        let mut child = mcp(world, words).spawn().unwrap();
        let mut said = String::new();
        let mut from = BufReader::new(child.stderr.take().unwrap());
        while !said.contains("listening on ") {
            said.clear();
            assert_ne!(from.read_line(&mut said).unwrap(), 0, "the server ended");
        }
        let at = said.split("http://").nth(1).unwrap();
        let token = fs::read_to_string(said.split(" is in ").nth(1).unwrap().trim()).unwrap();
        Server {
            child,
            at: at.split('/').next().unwrap().to_owned(),
            token: token.trim().to_owned(),
        }
    }

    fn post(&self, body: &str, more: &str) -> String {
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{more}\r\n{body}",
            self.at,
            self.token,
            body.len()
        )
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.at).unwrap()
    }

    /// Sends bytes on a connection of their own; all that comes back until it ends.
    fn sent(&self, bytes: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut all = String::new();
        let _reset = stream.read_to_string(&mut all);
        all
    }

    fn ask(&self, body: &str, more: &str) -> String {
        self.sent(&self.post(body, &format!("Connection: close\r\n{more}")))
    }

    fn begin(&self) -> String {
        let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#;
        let answer = self.ask(hello, "");
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains(r#""protocolVersion":"2025-11-25""#),
            "{answer}"
        );
        let session = answer.split("Mcp-Session-Id: ").nth(1).unwrap();
        format!("Mcp-Session-Id: {}\r\n", session.split('\r').next().unwrap())
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            host_program("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

const MODERN: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

fn modern(method: &str, name: &str) -> String {
    let name = match name {
        "" => String::new(),
        name => format!("Mcp-Name: {name}\r\n"),
    };
    format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}")
}

#[test]
fn a_session_of_the_older_way() {
    let world = World::new();
    let server = Server::start(&world);
    let session = server.begin();
    let begun = server.ask(
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        &session,
    );
    assert_eq!(status(&begun), "202", "{begun}");
    let list = server.ask(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, &session);
    assert!(
        list.contains(r#""name":"say""#) && list.contains("outputSchema"),
        "{list}"
    );
    let said = server.ask(&tool_call(2, "say", r#"{"word":"hello"}"#), &session);
    assert!(
        said.contains("Content-Type: text/event-stream") && said.contains("hello\\n"),
        "{said}"
    );
    assert!(said.ends_with("0\r\n\r\n"), "{said}");
    // Who takes no stream gets the answer alone, and the connection goes on.
    let plain = server.post(
        &tool_call(3, "say", r#"{"word":"again"}"#),
        &format!("Accept: application/json\r\n{session}"),
    );
    let two = server.sent(&format!(
        "{plain}{}",
        server.post(
            r#"{"jsonrpc":"2.0","id":4,"method":"ping"}"#,
            &format!("Connection: close\r\n{session}")
        )
    ));
    assert!(
        two.contains("again\\n") && two.contains(r#""id":4"#) && !two.contains("event-stream"),
        "{two}"
    );
    let ended = server.sent(&format!(
        "DELETE /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{session}Connection: close\r\n\r\n",
        server.at, server.token
    ));
    assert_eq!(status(&ended), "204", "{ended}");
    let after = server.ask(r#"{"jsonrpc":"2.0","id":5,"method":"tools/list"}"#, &session);
    assert_eq!(status(&after), "404", "{after}");
}

#[test]
fn a_client_of_the_modern_way_needs_no_session() {
    let world = World::new();
    let server = Server::start(&world);
    let call = |name: &str, arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments},{MODERN}}}}}"#
        )
    };
    let said = server.ask(&call("say", r#"{"word":"hello"}"#), &modern("tools/call", "say"));
    assert!(
        said.contains("hello\\n") && said.contains(r#""resultType":"complete""#),
        "{said}"
    );
    // In chunks, and with a question whether it may come.
    let body = call("say", r#"{"word":"pieces"}"#);
    let chunked = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n{}\r\n",
        server.at,
        server.token,
        modern("tools/call", "say")
    );
    let mut stream = server.connect();
    stream.write_all(chunked.as_bytes()).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    for part in body.as_bytes().chunks(7) {
        write!(stream, "{:x}\r\n", part.len()).unwrap();
        stream.write_all(part).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert!(all.contains("pieces\\n"), "{all}");
    // What the head says is what the body says.
    let other = server.ask(&call("say", "{}"), &modern("tools/call", "long"));
    assert!(status(&other) == "400" && other.contains("-32020"), "{other}");
    let gone = server.ask(
        &format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{{MODERN}}}}}"#),
        &modern("ping", ""),
    );
    assert!(status(&gone) == "404" && gone.contains("-32601"), "{gone}");
}

/// A page in a browser, whose name was made to mean this machine; another account, which has no token: neither makes
/// a tool run, and both are told why.
#[test]
fn who_is_not_the_user_calls_nothing() {
    let world = World::new();
    let server = Server::start(&world);
    let call = tool_call(1, "wait", "{}");
    let good = server.post(&call, "Connection: close\r\n");
    let port = server.at.split(':').nth(1).unwrap();
    let token = format!("Authorization: Bearer {}\r\n", server.token);
    for (from, to, code) in [
        (
            format!("Host: {}", server.at),
            format!("Host: rebound.example:{port}"),
            "421",
        ),
        (
            format!("Host: {}", server.at),
            format!("Host: {}\r\nOrigin: http://rebound.example:{port}", server.at),
            "403",
        ),
        (
            format!("Host: {}", server.at),
            format!("Host: {}\r\nOrigin: null", server.at),
            "403",
        ),
        (token.clone(), String::new(), "401"),
        (
            server.token.clone(),
            server.token.replace(|c: char| c.is_ascii_digit(), "f"),
            "401",
        ),
        (token.clone(), format!("{token}{token}"), "401"),
        ("application/json".to_owned(), "text/plain".to_owned(), "415"),
        ("POST /mcp".to_owned(), "GET /mcp".to_owned(), "405"),
        (
            "Content-Length:".to_owned(),
            "Transfer-Encoding: chunked\r\nContent-Length:".to_owned(),
            "400",
        ),
    ] {
        let bad = good.replacen(&from, &to, 1);
        assert_ne!(bad, good, "{from}");
        let answer = server.sent(&bad);
        assert_eq!(status(&answer), code, "{bad}\n{answer}");
        assert!(!answer.contains(&server.token), "{answer}");
    }
    assert_eq!(calls_alive(&world), 0);
    let sessions = world.own("state").join("fumehood/sessions");
    let upper = fs::read_dir(sessions).into_iter().flatten().flatten();
    assert_eq!(upper.filter(|s| s.path().join("upper/begun").exists()).count(), 0);
    let huge = server
        .post("", "")
        .replace("Content-Length: 0", "Content-Length: 9999999");
    assert_eq!(status(&server.sent(&huge)), "413");
    // The user still can.
    let said = server.ask(&tool_call(2, "say", r#"{"word":"me"}"#), "");
    assert!(said.contains("me\\n"), "{said}");
}

#[test]
fn a_client_that_goes_takes_its_call_with_it() {
    let world = World::new();
    let server = Server::start(&world);
    let mut stream = server.connect();
    stream
        .write_all(server.post(&tool_call(1, "wait", "{}"), "").as_bytes())
        .unwrap();
    await_call(&world);
    assert!(calls_alive(&world) > 0);
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    await_end_of_calls(&world);
    world.sandbox().verb(&["audit", "verify"]).ended(0);
}

/// Two clients number their requests alike: each cancels its own.
#[test]
fn a_cancelled_call_is_the_clients_own() {
    let world = World::new();
    let server = Server::start(&world);
    let (mine, other) = (server.begin(), server.begin());
    let mut stream = server.connect();
    stream
        .write_all(server.post(&tool_call(1, "wait", "{}"), &mine).as_bytes())
        .unwrap();
    await_call(&world);
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    for session in [&other, ""] {
        assert_eq!(status(&server.ask(cancel, session)), "202");
        assert!(calls_alive(&world) > 0);
    }
    assert_eq!(status(&server.ask(cancel, &mine)), "202");
    await_end_of_calls(&world);
    // Its stream ends without an answer.
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert!(
        all.ends_with("0\r\n\r\n") && !all.contains("\"result\"") && !all.contains("\"error\""),
        "{all}"
    );
}

#[test]
fn a_server_that_is_ended_ends_its_calls() {
    let world = World::new();
    let mut server = Server::start(&world);
    let mut stream = server.connect();
    stream
        .write_all(server.post(&tool_call(1, "wait", "{}"), "").as_bytes())
        .unwrap();
    await_call(&world);
    server.signal("-TERM");
    assert!(server.child.wait().unwrap().success());
    await_end_of_calls(&world);
}

#[test]
fn a_socket_of_the_file_system() {
    let world = World::new();
    let path: PathBuf = world.own("runtime").join("mcp.socket");
    // One that a server left behind is taken over.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let at = format!("unix:{}", path.to_str().unwrap());
    let mut server = Server::with(&world, &["--http", &at, "--tools", "say"]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let ask = |bytes: &str| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        all
    };
    let close = "Connection: close\r\n";
    let said = ask(&server.post(&tool_call(1, "say", r#"{"word":"here"}"#), close));
    assert!(said.contains("here\\n"), "{said}");
    // What is not named with --tools is not there.
    let list = ask(&server.post(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#, close));
    assert!(
        list.contains(r#""name":"say""#) && !list.contains(r#""name":"long""#),
        "{list}"
    );
    let none = ask(&server.post(&tool_call(3, "long", "{}"), close));
    assert!(none.contains("there is no tool long"), "{none}");
    // It is not taken from a server that lives.
    let second = mcp(&world, &["--http", &at]).output().unwrap();
    assert_eq!(second.status.code(), Some(125));
    server.signal("-TERM");
    assert!(server.child.wait().unwrap().success());
    await_that("the socket is left", || !path.exists());
}

#[test]
fn what_is_open_to_others_is_refused() {
    let world = World::new();
    offer_tools(&world);
    let refused = |words: &[&str], why: &str| {
        let out = mcp(&world, words).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(125) && said.contains(why), "{said}");
    };
    refused(&["--http", "0.0.0.0:0"], "other machines are not served");
    refused(&["--http", "localhost"], "write an address of loopback");
    refused(&["--tools", "nothing"], "there is no tool nothing");
    let file = world.own("runtime").join("token");
    fs::write(&file, "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let name = file.to_str().unwrap();
    refused(
        &["--http", "127.0.0.1:0", "--token-file", name],
        "nobody else can open",
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, "short").unwrap();
    refused(&["--http", "127.0.0.1:0", "--token-file", name], "at least 32");
}

/// The page of an output that was left out is read over HTTP as over standard input.
#[test]
fn reading_on() {
    let world = World::new();
    let server = Server::start(&world);
    let long = server.ask(&tool_call(1, "long", "{}"), "Accept: application/json\r\n");
    let handle = text_of(&long, "handle").unwrap();
    let page = server.ask(
        &tool_call(
            2,
            "read_output",
            &format!(r#"{{"handle":"{handle}","grep":"line 4999[89]"}}"#),
        ),
        "Accept: application/json\r\n",
    );
    assert!(
        page.contains("49998:line 49998 of it\\n49999:line 49999 of it"),
        "{page}"
    );
}

/// Who has no token can keep connections open, send heads that never end, and bodies that never come: others are
/// answered all the same, and once there are too many, it is said.
#[test]
fn connections_are_bounded() {
    let world = World::new();
    let server = Server::start(&world);
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let endless = server.sent(&format!("POST /mcp HTTP/1.1\r\nX: {}", "x".repeat(70_000)));
    assert_eq!(status(&endless), "431", "{endless}");
    let mut open = Vec::new();
    for _ in 0..40 {
        let mut stream = server.connect();
        stream.write_all(b"POST /mcp HTTP/1.1\r\nHost: ").unwrap();
        open.push(stream);
    }
    assert_eq!(status(&server.ask(ping, "")), "200");
    while open.len() < 80 {
        open.push(server.connect());
    }
    let answered = |stream: &TcpStream| {
        let mut head = [0; 12];
        stream.set_nonblocking(true).unwrap();
        stream.peek(&mut head).is_ok() && &head == b"HTTP/1.1 503"
    };
    await_that("there are not too many", || open.iter().any(answered));
    drop(open);
    await_that("no room again", || status(&server.ask(ping, "")) == "200");
}
