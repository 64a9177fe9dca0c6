use super::*;
use crate::message::FromGateway as From;
use crate::monitor::Policy;
use fumehood_destination::{Rule, Rules};
use fumehood_http::Scheme;
use fumehood_http::h1::read_request;
use fumehood_policy::config::{Allow, Method};
use fumehood_policy::value::Word;

fn to(text: &str) -> Destination {
    Destination::authority(text.as_bytes(), None).unwrap()
}

fn monitor(hosts: &[&str], methods: &[&str]) -> Monitor {
    let rule = |host: &&str| {
        let mut allow = Allow::host(host.parse().unwrap());
        let named = |word: &&str| Method::ALL.iter().find(|(w, _)| w == word).unwrap().1;
        allow.methods = methods.iter().map(named).collect();
        Rule::new(&allow).unwrap()
    };
    Monitor::new(Policy {
        rules: Rules::new(hosts.iter().map(rule).collect()).unwrap(),
        ..Policy::default()
    })
}

fn head(line: &str, host: &str, body: usize) -> Box<RequestHead> {
    let bytes = format!("{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {body}\r\n\r\n");
    let read = read_request(bytes.as_bytes(), Scheme::Https, &to(&format!("{host}:443")));
    Box::new(read.unwrap().unwrap().head)
}

fn ask(monitor: &mut Monitor, request: FlowId, head: &RequestHead) -> Option<Action> {
    let head = Box::new(head.clone());
    monitor.from_gateway(From::Ask { request, head })
}

#[track_caller]
fn is_denied(action: Option<Action>, status: u16, words: &str) {
    match action {
        Some(Action::Gateway(ToGateway::Denied { denial, .. })) => {
            assert_eq!(denial.status, status, "{denial:?}");
            assert!(denial.reason.contains(words), "{denial:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn sent(action: Option<Action>) -> Released {
    match action {
        Some(Action::Release(ToBroker::Send(released), ToGateway::Released { .. })) => *released,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_rule_allows_is_released_as_it_was_judged_and_what_none_does_is_told() {
    let mut monitor = monitor(&["a.example", "10.0.0.5:443"], &[]);
    let get = head("GET /x", "a.example", 0);
    let released = sent(ask(&mut monitor, 1, &get));
    assert_eq!((&released.head, released.most), (&*get, Some(8192)));
    assert_eq!(
        released.permitted,
        ["10.0.0.5".parse::<std::net::IpAddr>().unwrap()]
    );
    let post = head("POST /x", "a.example", 3);
    is_denied(ask(&mut monitor, 2, &post), 403, "does not allow this method");
    is_denied(
        ask(&mut monitor, 3, &head("GET /", "b.example", 0)),
        403,
        "no rule allows this host",
    );
    let report = monitor.report();
    let line = &report.blocked[0];
    assert_eq!((&line.destination, line.times), (&to("a.example:443"), 1));
    assert_eq!(
        line.why,
        "POST: the rule does not allow this method; outside the sandbox, in fumehood.toml: [network] allow = \
         [{ host = \"a.example:443\", methods = [\"POST\"] }]"
    );
}

/// What the catalogue knows is held with its body, released with exactly that, and once.
#[test]
fn what_is_held_is_released_with_the_body_that_was_shown() {
    let mut monitor = monitor(&["api.github.com"], &["GET", "PUT"]);
    let merge = head("PUT /repos/a/b/pulls/7/merge", "api.github.com", 2);
    let asked = ask(&mut monitor, 1, &merge);
    assert_eq!(
        asked,
        Some(Action::Gateway(ToGateway::Body {
            request: 1,
            most: 65536
        }))
    );
    let body = Some(b"{}".to_vec());
    let held = monitor.from_gateway(From::Show { request: 1, body });
    assert!(matches!(held, Some(Action::Hold(1, _))), "{held:?}");
    // Shown again, asked again: nothing more comes of it.
    let again = Some(b"xx".to_vec());
    assert_eq!(
        monitor.from_gateway(From::Show {
            request: 1,
            body: again
        }),
        None
    );
    is_denied(ask(&mut monitor, 1, &merge), 503, "too many");
    let released = sent(monitor.allowed(1));
    assert_eq!(
        (released.head, released.body),
        (*merge.clone(), Some(BodyOf::bytes(b"{}")))
    );
    assert_eq!(monitor.allowed(1), None);
    // Held and let go by its client.
    ask(&mut monitor, 2, &merge);
    let body = Some(b"{}".to_vec());
    monitor.from_gateway(From::Show { request: 2, body });
    assert_eq!(
        monitor.from_gateway(From::Done { request: 2 }),
        Some(Action::Gone(2))
    );
    assert_eq!(monitor.allowed(2), None);
    // Held, and the rule is gone when a person says yes.
    ask(&mut monitor, 3, &merge);
    let body = Some(b"{}".to_vec());
    monitor.from_gateway(From::Show { request: 3, body });
    monitor.set_rules(Rules::default());
    is_denied(monitor.allowed(3), 403, "no rule");
    assert_eq!(monitor.refused(3, Denial::new(403, "no")), None);
}

#[test]
fn what_nobody_can_be_shown_is_denied() {
    let mut monitor = monitor(&["api.github.com"], &["GET", "PUT"]);
    let merge = head("PUT /repos/a/b/pulls/7/merge", "api.github.com", 100_000);
    ask(&mut monitor, 1, &merge);
    is_denied(
        monitor.from_gateway(From::Show {
            request: 1,
            body: None,
        }),
        403,
        "nobody can be shown it whole",
    );
}

/// A model's request: what it would have its provider do is judged by the same rules, tokens are counted, and both
/// only while it lasts.
#[test]
fn what_a_model_would_do_is_judged_while_its_request_lasts() {
    let mut monitor = monitor(&["api.anthropic.com", "docs.example"], &["GET", "POST"]);
    let invoke = head("POST /v1/messages", "api.anthropic.com", 9);
    sent(ask(&mut monitor, 1, &invoke));
    let remote = |question, host: &str| From::Remote {
        question,
        request: 1,
        what: "fetches a URL\u{202e}".to_owned(),
        host: Some(to(host)),
    };
    assert_eq!(
        monitor.from_gateway(remote(8, "docs.example:443")),
        Some(Action::Gateway(ToGateway::Permitted { question: 8 }))
    );
    is_denied(
        monitor.from_gateway(remote(9, "evil.example:443")),
        403,
        "fetches a URL, from evil.example:443",
    );
    let usage = Usage { input: 5, output: 2 };
    monitor.from_gateway(From::Used { request: 1, usage });
    monitor.from_gateway(From::Done { request: 1 });
    monitor.from_gateway(From::Used { request: 1, usage });
    assert_eq!(monitor.report().tokens, usage);
    assert_eq!(monitor.from_gateway(remote(10, "docs.example:443")), None);
}

#[test]
fn what_waits_is_bounded() {
    let mut monitor = monitor(&["api.github.com"], &["GET", "PUT"]);
    let merge = head("PUT /repos/a/b/pulls/7/merge", "api.github.com", 2);
    for request in 0..MAX_REQUESTS as u64 {
        ask(&mut monitor, request, &merge);
    }
    is_denied(ask(&mut monitor, 9_999, &merge), 503, "too many");
    monitor.from_gateway(From::Done { request: 0 });
    assert!(matches!(
        ask(&mut monitor, 9_999, &merge),
        Some(Action::Gateway(ToGateway::Body { .. }))
    ));
}
