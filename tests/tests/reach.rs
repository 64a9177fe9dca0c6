//! Rules that change while a session runs (issue 3, point 4): from another terminal, never from inside; what was open by a
//! rule that is gone is cut.

use fumehood_tests::Hosts;

const NAME: [&str; 2] = ["--name", "reaching"];

fn outside(hosts: &Hosts, words: &str) -> String {
    hosts.beside(&format!("{words} --session reaching"))
}

/// Waits until the session answers.
fn lives(hosts: &Hosts) {
    for _ in 0..500 {
        if hosts.beside("inspect reaching").contains("reaching\n") {
            return;
        }
    }
    panic!("no session: {}", hosts.beside("inspect reaching"));
}

/// Waits until the far side wrote this down.
fn seen(hosts: &Hosts, what: &str) {
    for _ in 0..6000 {
        if hosts.log().contains(what) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{what} did not arrive: {}", hosts.log());
}

/// A host is refused until somebody outside allows it, and read from only.
#[test]
fn a_host_is_allowed_from_another_terminal_and_taken_away_again() {
    let hosts = Hosts::new();
    let flags = [&NAME[..], &["--allow", "good.example"]].concat();
    let script = "until curl -sS -o /dev/null https://api.good.example/ 2>/dev/null; do sleep 0.05; done
        curl -sS -o /dev/null -w '%{http_code}\\n' -d x https://api.good.example/
        curl -sS -o /dev/null https://good.example/marker
        while curl -sS -o /dev/null https://api.good.example/ 2>/dev/null; do sleep 0.05; done; echo gone
        curl -sS https://good.example/";
    let run = hosts.start(&flags, &["sh", "-c", script]);
    // Once something of it runs, it is a session that answers.
    lives(&hosts);
    assert!(!hosts.log().contains("api.good.example"), "nothing leaves before");
    let said = outside(&hosts, "allow api.good.example --for 1h");
    assert!(
        said.contains("api.good.example may be reached for 3600 seconds"),
        "{said}"
    );
    seen(&hosts, "GET /marker");
    assert!(hosts.log().contains("Host: api.good.example"), "{}", hosts.log());
    let said = outside(&hosts, "deny api.good.example");
    assert!(said.contains("may not be reached any more"), "{said}");
    let said = outside(&hosts, "deny evil.example");
    assert!(
        said.contains("no rule of this session is for evil.example"),
        "{said}"
    );
    let out = run.wait();
    assert_eq!(out.ended(0).trim(), "403\ngone\nhello", "{}", out.errors());
    let log = hosts.log();
    assert!(!log.contains("POST") && !log.contains("canary"), "{log}");
}

/// A connection that passes unread ends when its rule is taken away.
#[test]
fn what_is_open_by_a_rule_that_is_gone_is_cut() {
    let hosts = Hosts::new();
    let flags = [
        &NAME[..],
        &["--allow", "good.example:5432", "--allow", "good.example"],
    ]
    .concat();
    let script = "import socket, ssl, sys
s = socket.create_connection(('good.example', 5432)); assert s.recv(99) == b'ready\\n'
w = ssl.create_default_context().wrap_socket(socket.create_connection(('good.example', 443)), server_hostname='good.example')
w.sendall(b'GET /websocket HTTP/1.1\\r\\nHost: good.example\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n')
got = b''
while not got.endswith(b'\\r\\n\\r\\n'): got += w.recv(1)
assert got[9:12] == b'101'
s.sendall(b'hello\\n'); assert s.recv(99) == b'hello\\n'
w2 = ssl.create_default_context().wrap_socket(socket.create_connection(('good.example', 443)), server_hostname='good.example')
w2.sendall(b'GET /marker HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n')
for one in (s, w):
    try: print('end' if one.recv(4096) == b'' else 'more')
    except OSError as e: print('cut')";
    let run = hosts.start(&flags, &["python3", "-c", script]);
    seen(&hosts, "GET /marker");
    assert!(outside(&hosts, "deny good.example:5432").contains("cut"));
    assert!(outside(&hosts, "deny good.example").contains("cut"));
    let out = run.wait();
    let text = out.ended(0);
    assert!(
        text.lines().count() == 2 && !text.contains("more"),
        "{text} {}",
        out.errors()
    );
    assert!(
        out.errors().contains("the rule that let it through is gone"),
        "{}",
        out.errors()
    );
}

/// From inside nobody is asked: the desk is not there. Without a terminal nothing is widened.
#[test]
fn nobody_inside_widens_the_rules() {
    let hosts = Hosts::new();
    let flags = [&NAME[..], &["--allow", "good.example"]].concat();
    let fumehood = fumehood_tests::fumehood();
    let script = format!(
        "{} allow evil.example --session reaching; echo $?; curl -sS https://evil.example/ || echo refused",
        fumehood.display()
    );
    let flags = [&flags[..], &["--ro", fumehood.to_str().unwrap()]].concat();
    let ran = hosts.sh(&flags, &script);
    assert!(
        ran.out.text().trim().ends_with("125\nrefused"),
        "{} {}",
        ran.out.text(),
        ran.out.errors()
    );
    ran.says("blocked evil.example:443: no rule allows this host; --allow evil.example")
        .nothing_left();
}

/// A session that began with nothing to read cannot show its programs a certificate they would trust.
#[test]
fn what_could_not_work_is_refused_with_the_way_that_does() {
    let hosts = Hosts::new();
    let flags = [&NAME[..], &["--allow", "good.example:5432"]].concat();
    let run = hosts.start(&flags, &["sh", "-c", "until [ -e done ]; do sleep 0.05; done"]);
    lives(&hosts);
    let said = outside(&hosts, "allow other.example");
    assert!(
        said.contains("begin it again with --allow other.example"),
        "{said}"
    );
    let said = outside(&hosts, "allow localhost:80");
    assert!(said.contains("can never match"), "{said}");
    let said = hosts.beside("stop reaching");
    let out = run.wait();
    assert!(!out.errors().contains("evil"), "{said} {}", out.errors());
}

/// What was recorded is asked again under the rules as they are now; what they would decide as it was is not told.
#[test]
fn what_was_recorded_is_decided_again() {
    let hosts = Hosts::new();
    let rule = "[network]\nallow = [{ host = \"good.example\", methods = [\"GET\", \"POST\"] }]\n";
    hosts.configure(rule);
    let script = "curl -sS -d x https://good.example/y; curl -sS https://good.example/; curl -sS https://evil.example/; :";
    let ran = hosts.sh(&[], script);
    assert!(ran.out.text().contains("hello"), "{}", ran.out.errors());
    ran.nothing_left();
    let replay = |flags: &[&str]| {
        let words = [&["policy", "test", "--replay", "1h"], flags].concat();
        hosts.world.sandbox().verb(&words).ended(0)
    };
    let said = replay(&[]);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.ends_with("; 0 would be decided otherwise"), "{said}");
    hosts.configure(
        &(rule.replace(" }]", " }, \"evil.example\"]")
            + "[[deny]]\neffect = \"http.mutate\"\nbecause = \"nothing is sent\"\n"),
    );
    let said = replay(&[]);
    for line in [
        "1 x http.mutate at good.example:443 passed; now deny: http.mutate is denied: nothing is sent (by deny of ",
        " x net.connect at evil.example:443 was refused; now allow: ",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("http.read"), "{said}");
    let said = replay(&["--json"]);
    assert!(said.contains("\"then\":\"passed\",\"now\":\"deny\""), "{said}");
    hosts.configure("");
    let said = replay(&[]);
    assert!(
        said.contains("1 x http.read at good.example:443 passed; now deny: the host is not reached: "),
        "{said}"
    );
    let wrong = hosts
        .world
        .sandbox()
        .verb(&["policy", "test", "--replay", "soon"]);
    assert_eq!(wrong.ended(125), "");
    assert!(wrong.errors().contains("soon"), "{}", wrong.errors());
}

/// What a session was refused comes back as rules that are just wide enough, and that a configuration takes.
#[test]
fn what_was_refused_is_suggested_as_rules() {
    let hosts = Hosts::new();
    let script =
        "curl -sS -o /dev/null https://good.example/; curl -sS -o /dev/null -d x https://good.example/y
        for n in 1 2 3; do curl -sS https://evil.example/; done; curl -sS http://other.example:8080/
        curl -sS https://good.example/ --connect-to good.example:443:six.example:443; :";
    let ran = hosts.sh(&["--allow", "good.example"], script);
    ran.nothing_left();
    let suggested = hosts.world.sandbox().verb(&["policy", "suggest"]).ended(0);
    for line in [
        "    \"evil.example\",    # refused ",
        "    { host = \"good.example\", methods = [\"POST\"] },    # refused 1 times",
        "    \"other.example:8080\",    # refused ",
        "    \"six.example\",    # refused ",
    ] {
        assert!(suggested.contains(line), "{line}: {suggested}");
    }
    hosts.configure(&suggested);
    let again = hosts.sh(
        &[],
        "curl -sS -d x https://good.example/y; curl -sS https://evil.example/; :",
    );
    assert!(
        again.out.text().contains("hello"),
        "{} {}",
        again.out.text(),
        again.out.errors()
    );
    assert!(
        !again.out.errors().contains("no rule allows"),
        "{}",
        again.out.errors()
    );
}
