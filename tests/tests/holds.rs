//! What is hard to undo waits at the boundary for a person: a real request of a real client, answered in another
//! terminal, with a far side that writes down what reached it (tests/network/hosts.py).

use fumehood_tests::{Hosts, Running, descendant};

/// Hosts and a run with a rule that would let the request through.
fn hosts() -> Hosts {
    let hosts = Hosts::new();
    hosts.configure("[network]\nallow = [{ host = \"api.github.com\", methods = [\"GET\", \"PUT\"] }]");
    hosts
}

/// Merges a pull request, if it gets there; prints the answer and its status.
const MERGE: &str = "curl -sS -w ' %{http_code}\\n' -X PUT -d '{\"sha\":\"abc\"}' https://api.github.com/repos/a/b/pulls/7/merge";

fn start(hosts: &Hosts, flags: &[&str], script: &str) -> Running {
    hosts.start(flags, &["sh", "-c", script])
}

/// How many requests reached the far side.
fn reached(hosts: &Hosts) -> usize {
    hosts.log().matches("\"good\": \"http\"").count()
}

/// Number and code of what is held, once something is.
fn held(hosts: &Hosts) -> (String, String) {
    for _ in 0..200 {
        let said = hosts.beside("holds");
        let is_one = |l: &&str| l.trim_start().starts_with(|c: char| c.is_ascii_digit());
        if let Some(line) = said.lines().find(is_one) {
            assert!(line.contains("api.github.com"), "{said}");
            let mut words = line.split_whitespace().map(str::to_owned);
            if let Some(found) = words.next().zip(words.next()) {
                return found;
            }
        }
    }
    panic!("nothing is held: {}", hosts.beside("holds"));
}

/// Held: nothing leaves. Allowed by the code of what was seen: exactly that request arrives, once, and its client, which
/// waited, has the answer. A wrong code does nothing.
#[test]
fn a_held_request_waits_and_is_released_once() {
    for protocol in ["--http1.1", "--http2"] {
        let hosts = hosts();
        let run = start(&hosts, &[], &MERGE.replace("-sS", &format!("-sS {protocol}")));
        let (id, code) = held(&hosts);
        assert_eq!(hosts.log(), "", "nobody is dialled while it waits");
        let card = hosts.beside(&format!("holds {id}"));
        for shown in ["/repos/a/b/pulls/7/merge", "PUT", r#"{\"sha\":\"abc\"}"#] {
            let plain = shown.replace('\\', "");
            assert!(card.contains(shown) || card.contains(&plain), "{shown}: {card}");
        }
        let wrong = if code == "zzzz" { "yyyy" } else { "zzzz" };
        let refused = hosts.beside(&format!("allow {id} {wrong}"));
        assert!(!refused.contains("allowed"), "{refused}");
        assert_eq!(reached(&hosts), 0);
        let allowed = hosts.beside(&format!("allow {id} {code}"));
        assert!(allowed.contains("allowed"), "{allowed}");
        let out = run.wait();
        assert_eq!(out.ended(0).trim(), "hello\n 200", "{}", out.errors());
        let log = hosts.log();
        assert_eq!(reached(&hosts), 1, "{log}");
        assert!(log.contains("PUT /repos/a/b/pulls/7/merge HTTP/1.1"), "{log}");
        assert!(
            log.contains(r#""good": "body", "bytes": "{\"sha\":\"abc\"}""#),
            "{log}"
        );
    }
}

fn audit(hosts: &Hosts, words: &[&str]) -> String {
    let words: Vec<&str> = [&["audit"], words].concat();
    hosts.world.sandbox().verb(&words).ended(0)
}

/// One chain links command, hold, answer, release and request, in the log: each names what led to it.
#[test]
fn a_released_request_names_its_release_its_answer_its_hold_and_its_command() {
    let hosts = hosts();
    let run = start(
        &hosts,
        &[],
        &format!("{MERGE}; curl -sS -o /dev/null https://api.github.com/x"),
    );
    let (id, code) = held(&hosts);
    let allowed = hosts.beside(&format!("allow {id} {code}"));
    assert!(allowed.contains("allowed"), "{allowed}");
    let _answers = run.wait().ended(0);
    let found = audit(&hosts, &["query", "--kind", "effect", "--json"]);
    let line = |what: &str| {
        let line = found.lines().find(|l| l.contains(what));
        line.unwrap_or_else(|| panic!("{what}: {found}"))
    };
    let number = |line: &str, name: &str| -> u64 {
        let rest = line.split(&format!("\"{name}\":")).nth(1).unwrap_or_default();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_else(|_| panic!("{name}: {line}"))
    };
    let put = line("\"method\":\"PUT\"");
    let session = put.split('"').nth(3).unwrap();
    let why = audit(
        &hosts,
        &["why", &format!("{session}:{}", number(put, "sequence")), "--json"],
    );
    let chain: Vec<&str> = why.lines().filter(|l| l.starts_with('{')).collect();
    let kinds = ["session.start", "hold", "approval", "effect", "effect"];
    assert_eq!(chain.len(), kinds.len(), "{why}");
    for (at, (line, kind)) in chain.iter().zip(kinds).enumerate() {
        assert!(line.contains(&format!("\"kind\":\"{kind}\",")), "{why}");
        if at > 0 {
            assert_eq!(number(line, "cause"), number(chain[at - 1], "sequence"), "{why}");
        }
    }
    assert!(chain[3].contains("\"decision\":\"release\""), "{why}");
    // Of the body the log has digest and length, and names of fields: not what they hold.
    assert!(
        put.contains(r#""body.outline":"{\"sha\":\"…3\"}""#) && put.contains("\"body.length\":13"),
        "{put}"
    );
    assert!(put.contains("\"body.digest\":") && !put.contains("abc"), "{put}");
    let card = audit(&hosts, &["receipt", session]);
    for words in [
        "holds       1: 1 allowed, 0 denied; 1 request sent",
        "host        api.github.com:443: ",
        "2 requests",
        "    fumehood.local/",
    ] {
        assert!(card.contains(words), "{words}: {card}");
    }
    // What nobody had to be asked about is the command's own.
    assert_eq!(number(line("\"method\":\"GET\""), "cause"), 0);
    let told = audit(
        &hosts,
        &["why", &format!("{session}:{}", number(chain[1], "sequence"))],
    );
    assert!(told.contains("\u{2192} ") && told.lines().count() == 5, "{told}");
}

/// Denied with a sentence: the client reads it, nothing left, and the same again is denied without asking.
#[test]
fn a_denied_request_is_told_why() {
    let hosts = hosts();
    let run = start(&hosts, &[], &format!("{MERGE}; {MERGE}"));
    let (id, _) = held(&hosts);
    let denied = hosts.beside(&format!("deny {id} push to a branch instead"));
    assert!(denied.contains("denied"), "{denied}");
    let out = run.wait();
    let text = out.ended(0);
    let told = r#""reason":"denied by a person: push to a branch instead""#;
    assert_eq!(
        (text.matches(told).count(), text.matches(" 403").count()),
        (2, 2),
        "{text}"
    );
    assert!(
        out.errors()
            .contains("blocked api.github.com:443 (2 times): PUT: denied by a person"),
        "{}",
        out.errors()
    );
    assert_eq!(hosts.log(), "");
}

/// Where nobody waits: a ticket at once. Allowed, the very same bytes pass when they are sent again, once; other bytes
/// do not. The harmless twin flies all the time.
#[test]
fn without_waiting_a_ticket_lets_the_same_bytes_pass_once() {
    let hosts = hosts();
    let script = format!(
        "{MERGE}; curl -sS -o /dev/null -w 'twin %{{http_code}}\\n' https://api.github.com/repos/a/b/pulls/7
        echo x >asked; while [ ! -e go ]; do sleep 0.05; done
        {}; {MERGE}; {MERGE}",
        MERGE.replace("abc", "abd")
    );
    let flags = ["--holds", "deny", "--live"];
    let mut run = start(&hosts, &flags, &script);
    run.await_file(&hosts.world.project().join("asked"));
    let (id, code) = held(&hosts);
    let allowed = hosts.beside(&format!("allow {id} {code}"));
    assert!(allowed.contains("nobody waits"), "{allowed}");
    std::fs::write(hosts.world.project().join("go"), "").unwrap();
    let out = run.wait();
    let text = out.ended(0);
    let first = text.lines().next().unwrap_or_default();
    assert!(
        first.contains(r#""reason":"held, not sent: "#) && first.contains(&format!("fumehood allow {id}")),
        "{text}"
    );
    let statuses: Vec<&str> = text
        .lines()
        .filter_map(|l| l.rsplit(' ').next())
        .filter(|w| w.len() == 3)
        .collect();
    assert_eq!(statuses, ["403", "200", "403", "200", "403"], "{text}");
    assert_eq!(hosts.log().matches("PUT ").count(), 1, "{}", hosts.log());
    assert!(!hosts.log().contains("abd"), "{}", hosts.log());
    for name in ["asked", "go"] {
        std::fs::remove_file(hosts.world.project().join(name)).unwrap();
    }
}

/// A client that leaves takes its request with it: an answer that comes later releases nothing by itself.
#[test]
fn a_client_that_leaves_sends_nothing() {
    let hosts = hosts();
    let script = format!(
        "timeout 60 {MERGE} & pid=$!; while [ ! -e go ]; do sleep 0.05; done; kill $pid; wait; echo left >left; while [ -e go ]; do sleep 0.05; done"
    );
    let mut run = start(&hosts, &["--live"], &script);
    let (id, code) = held(&hosts);
    let go = hosts.world.project().join("go");
    std::fs::write(&go, "").unwrap();
    run.await_file(&hosts.world.project().join("left"));
    // Until the boundary has heard that it left.
    let left = (0..200).any(|_| !hosts.beside("holds").contains("waits"));
    assert!(left, "{}", hosts.beside("holds"));
    let allowed = hosts.beside(&format!("allow {id} {code}"));
    assert!(allowed.contains("nobody waits"), "{allowed}");
    std::fs::remove_file(&go).unwrap();
    run.wait().ended(0);
    assert_eq!(hosts.log(), "");
    std::fs::remove_file(hosts.world.project().join("left")).unwrap();
}

/// The record that it is about to happen is on the disk before anything leaves: where nobody can write it, nothing does.
#[test]
fn what_cannot_be_recorded_is_not_released() {
    let hosts = hosts();
    let run = start(&hosts, &[], MERGE);
    let (id, code) = held(&hosts);
    let writer = descendant(run.pid(), "fumehood-log").expect("a log writer");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(writer).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let _said = hosts.beside(&format!("allow {id} {code}"));
    let out = run.wait();
    assert!(
        out.text().contains("the record of a held effect is not durable"),
        "{} {}",
        out.text(),
        out.errors()
    );
    assert_eq!(hosts.log(), "");
}

/// Frozen: what waits is not sent, and the session ends.
#[test]
fn a_freeze_ends_what_waits() {
    let hosts = hosts();
    let run = start(&hosts, &[], MERGE);
    let _held = held(&hosts);
    assert!(hosts.beside("freeze").contains("frozen"));
    run.wait().ended(125);
    assert_eq!(hosts.log(), "");
}
