//! `[[deny]]`, `[[rule]]` and `[bytes_out]` over a real run: what one forbids does not leave, the client is told by which
//! rule, and all else goes on (research/egress.md A43, A49; issue 3, points 9 and 10).

use fumehood_tests::{Hosts, Ran};

/// How many requests reached the far side.
fn requests(ran: &Ran) -> usize {
    ran.log.matches("\"good\": \"http\"").count()
}

const ASK: &str = "ask() { curl -sS -o answer -w '%{http_code} ' \"$@\"; python3 -c \"import json
try: a = json.load(open('answer')); print(a['reason'], '|', a['rule'], '|', 'how_to_ask' in a)
except ValueError: print(open('answer').read().strip())\"; }\n";

const ALLOW: &str =
    "[network]\nallow = [{ host = \"good.example\", methods = [\"GET\", \"POST\", \"DELETE\"] }]\n";

#[test]
fn a_denied_effect_does_not_leave_and_the_client_reads_which_rule_denies_it() {
    let hosts = Hosts::new();
    hosts.configure(&format!(
        "{ALLOW}[[deny]]\neffect = \"http.mutate\"\nbecause = \"only a person changes things\""
    ));
    let script = "ask https://good.example/; ask -d x https://good.example/; ask --http1.1 -X DELETE https://good.example/x
        ask -H 'X-HTTP-Method-Override: DELETE' https://good.example/x";
    let ran = hosts.sh(&[], &format!("{ASK}{script}"));
    let config = hosts.world.own("config").join("fumehood/config.toml");
    let denied = |method: &str| {
        format!(
            "403 {method} good.example:443: http.mutate is denied: only a person changes things | deny of {}:4:1 | True",
            config.display()
        )
    };
    ran.prints(&format!(
        "200 hello\n{}\n{}\n{}",
        denied("POST"),
        denied("DELETE"),
        denied("GET")
    ))
    .says("blocked good.example:443: POST: http.mutate is denied: only a person changes things")
    .nothing_left();
    assert_eq!(requests(&ran), 1, "{}", ran.log);
}

/// A project's own file restricts at once, whether it is trusted or not.
#[test]
fn what_is_held_by_a_rule_waits_and_a_project_may_ask_for_it() {
    let hosts = Hosts::new();
    hosts.configure(ALLOW);
    std::fs::write(
        hosts.world.project().join("fumehood.toml"),
        "version = 1\n[[rule]]\neffect = \"http.mutate\"\ndecide = \"hold\"\n",
    )
    .unwrap();
    let ran = hosts.sh(
        &["--holds", "deny"],
        &format!("{ASK}ask -d x https://good.example/; ask https://good.example/"),
    );
    assert!(
        ran.out
            .text()
            .starts_with("403 held, not sent: http.mutate waits for a person | rule of "),
        "{}",
        ran.out.text()
    );
    assert!(ran.out.text().trim().ends_with("200 hello"), "{}", ran.out.text());
    ran.nothing_left();
    assert_eq!(requests(&ran), 1, "{}", ran.log);
}

/// What a file that only observes would hold or deny happens, is said to be weaker, and is recorded with its rule; what
/// holds without any rule holds all the same.
#[test]
fn what_is_observed_happens_and_is_recorded() {
    let hosts = Hosts::new();
    hosts.configure(&format!(
        "mode = \"observe\"\n{ALLOW}[[deny]]\neffect = \"http.mutate\"\nbecause = \"one day\"\n[[rule]]\neffect = \"net.connect\"\ndecide = \"hold\""
    ));
    let script = "ask https://good.example/; ask -d x https://good.example/x
        git clone -q https://good.example/git/r.git r && cd r && git -c user.name=t -c user.email=t@t.invalid commit -q --amend --allow-empty -m other
        git push -q origin +HEAD:main 2>&1 | grep -o 'held, not sent' | head -1";
    let ran = hosts.sh(&["--holds", "deny"], &format!("{ASK}{script}"));
    ran.prints("200 hello\n200 hello\nheld, not sent")
        .says("2 rules on effects are observed, not in force")
        .nothing_left();
    let verb = |words: &[&str]| hosts.world.sandbox().verb(words).ended(0);
    let all = verb(&["audit", "query", "--kind", "policy.observed"]);
    let rule = |line: u32| {
        format!(
            "of {}:{line}:1",
            hosts.world.own("config").join("fumehood/config.toml").display()
        )
    };
    let (connect, mutate) = (
        format!("would hold net.connect to good.example:443: rule {}", rule(8)),
        format!("would deny http.mutate to good.example:443: deny {}", rule(5)),
    );
    assert!(all.contains(&connect) && all.contains(&mutate), "{all}");
    // Each request once, whether its body was asked for or not.
    assert_eq!(all.matches(&mutate).count(), 1, "{all}");
    let one = verb(&[
        "audit",
        "query",
        "--kind",
        "policy.observed",
        "--decision",
        "would deny",
        "--json",
    ]);
    assert!(
        one.contains("\"why\":\"http.mutate is denied: one day\""),
        "{one}"
    );
    let why = verb(&["policy", "why", "http.mutate", "good.example"]);
    assert!(
        why.starts_with("allow") && why.contains("observed only: http.mutate is denied: one day"),
        "{why}"
    );
}

/// Of bytes that nobody reads nobody can say what they are not: another environment's pass.
#[test]
fn bytes_that_pass_unread_do_not_where_a_rule_could_be_broken_by_them() {
    let hosts = Hosts::new();
    hosts.configure(
        "[network]\nallow = [{ host = \"good.example\", tunnel = true }, \"good.example:5432\", \"six.example:22\"]
        [environments.prod]\nhosts = [\"*.prod.example\", \"good.example\"]
        [[rule]]\neffect = [\"sql.*\"]\nenv = \"prod\"\ndecide = \"hold\"\n[[deny]]\neffect = \"ssh.connect\"",
    );
    let script = "print(tls('good.example', 443, 'good.example'), dial('good.example', 5432, b'x'), dial('six.example', 22, b'x'))";
    let ran = hosts.python(&[], script);
    ran.prints("ECONNRESET ECONNRESET ECONNRESET")
        .says("blocked good.example:5432: it could be sql.ddl, which waits for a person, and a connection cannot")
        .says("blocked good.example:443: it could be ssh.connect, which is denied (deny of ")
        .says("blocked six.example:22: ssh.connect is denied (deny of ")
        .nothing_left();
    assert_eq!(ran.log, "", "nobody was dialled");
}

/// The request line counts, so does a body of unknown length, and what is over is told as a reason to wait.
#[test]
fn a49_more_than_the_budget_does_not_leave() {
    let hosts = Hosts::new();
    hosts.configure(&format!("{ALLOW}[bytes_out]\n\"good.example\" = \"20K/d\""));
    let script = "head -c 9000 /dev/zero | tr '\\0' a >body; head -c 12000 /dev/zero >more
        ask --data-binary @body https://good.example/; ask --data-binary @more https://good.example/
        ask -H 'Transfer-Encoding: chunked' --http1.1 -H Expect: --data-binary @more https://good.example/
        ask https://good.example/
        long=$(head -c 12500 /dev/zero | tr '\\0' a); ask \"https://good.example/?$long\"";
    let ran = hosts.sh(&[], &format!("{ASK}{script}"));
    let text = ran.out.text();
    let lines: Vec<&str> = text.trim().lines().collect();
    assert_eq!(lines.len(), 5, "{text}{}", ran.out.errors());
    assert_eq!((lines[0], lines[3]), ("200 hello", "200 hello"), "{text}");
    for over in [lines[1], lines[2], lines[4]] {
        assert!(
            over.starts_with("429 ") && over.contains("| bytes_out of ") && over.ends_with("True"),
            "{over}"
        );
    }
    ran.says("bytes_out of ").nothing_left();
    assert!(
        ran.log.contains("\"length\": 9000") && !ran.log.contains("\"length\": 12000"),
        "{}",
        ran.log
    );
    assert!(
        !ran.log.contains(&"a".repeat(9001)),
        "the long address did not leave"
    );
}

#[test]
fn a49_a_connection_that_passes_unread_ends_where_its_share_does() {
    let hosts = Hosts::new();
    hosts.configure("[network]\nallow = [\"good.example:5432\"]\n[bytes_out]\n\"*\" = \"96K/d\"");
    // The server counts what it gets. 96 KiB are there, of which a connection has 64, and the next the rest.
    let script = "import socket
def send(n):
    s = socket.create_connection(('good.example', 5432)); s.settimeout(120)
    got = b''
    while not got.endswith(b'ready\\n'): got += s.recv(100)
    try:
        s.sendall(b'x' * n); s.shutdown(1); got = b''
        while more := s.recv(65536): got += more
        return got[-30:].split(b'x')[-1].decode().strip()
    except OSError as e: return 'cut'
print(send(1000), send(70000), send(2000))";
    let ran = hosts.python(&[], script);
    ran.prints("1000 in all cut 2000 in all")
        .says("blocked good.example:5432: more wanted to leave than `bytes_out` lets through at a time")
        .nothing_left();
}
