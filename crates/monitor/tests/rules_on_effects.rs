//! `deny`, `rule` and `bytes_out` of a configuration, as the monitor keeps them: nothing that one forbids is released, and
//! each refusal names the rule.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_destination::{Destination, Rule, Rules};
use fumehood_http::h1::read_request;
use fumehood_http::{RequestHead, Scheme};
use fumehood_monitor::{
    Action, Broken, FlowId, FromBroker, FromGateway, Held, Monitor, Policy, Released, ToBroker, ToGateway,
};
use fumehood_policy::config::{Allow, Method, OutLimit};
use fumehood_policy::origin::{Layer, Origin};
use fumehood_policy::profile::{BytesOut, EffectRule};
use fumehood_policy::value::{Decide, Port, Word};
use std::time::Duration;

fn to(text: &str) -> Destination {
    Destination::authority(text.as_bytes(), None).unwrap()
}

fn allow(host: &str, methods: &[&str]) -> Rule {
    let mut allow = Allow::host(host.parse().unwrap());
    let named = |word: &&str| Method::ALL.iter().find(|(w, _)| w == word).unwrap().1;
    allow.methods = methods.iter().map(named).collect();
    allow.tunnel = methods.is_empty();
    Rule::new(&allow).unwrap()
}

fn rule(decide: Decide, effects: &[&str], hosts: Option<&[&str]>) -> EffectRule {
    EffectRule {
        key: if decide == Decide::Deny { "deny" } else { "rule" },
        effects: effects.iter().map(|e| e.parse().unwrap()).collect(),
        hosts: hosts.map(|hosts| hosts.iter().map(|h| h.parse().unwrap()).collect()),
        decide,
        by: fumehood_policy::config::Approval::default(),
        because: None,
        observed: false,
        origin: Origin::Flag("policy.toml"),
    }
}

fn monitor(effects: Vec<EffectRule>, bytes_out: &[(&str, &str)]) -> Monitor {
    let rules = [
        allow("a.example", &["GET", "POST", "PUT"]),
        allow("registry.example", &["GET", "PUT"]),
        allow("api.openai.com", &["GET", "POST"]),
        allow("api.github.com", &["GET", "POST", "PUT"]),
        allow("pinned.example", &[]),
        allow("db.prod.example:5432", &[]),
    ];
    let limit = |(of, rate): &(&str, &str)| BytesOut {
        layer: Layer::User,
        of: of.parse::<OutLimit>().unwrap(),
        rate: rate.parse().unwrap(),
        origin: Origin::Flag("policy.toml"),
    };
    let policy = Policy {
        rules: Rules::new(rules.into()).unwrap(),
        host: vec![Port::new(5432).unwrap(), Port::new(3000).unwrap()],
        effects: effects.into(),
        bytes_out: bytes_out.iter().map(limit).collect(),
        services: Vec::new(),
        ..Policy::default()
    };
    Monitor::new(policy).of_session(Some("s".parse().unwrap()))
}

fn head(line: &str, host: &str, fields: &str) -> Box<RequestHead> {
    let bytes = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    let read = read_request(bytes.as_bytes(), Scheme::Https, &to(&format!("{host}:443")));
    Box::new(read.unwrap().unwrap().head)
}

fn ask(monitor: &mut Monitor, request: FlowId, line: &str, host: &str, fields: &str) -> Option<Action> {
    let head = head(line, host, fields);
    monitor.from_gateway(FromGateway::Ask { request, head })
}

fn open(monitor: &mut Monitor, flow: FlowId, host: &str) -> Option<Action> {
    let destination = to(host);
    monitor.from_gateway(FromGateway::Open { flow, destination })
}

#[track_caller]
fn denied(action: Option<Action>) -> String {
    match action {
        Some(Action::Gateway(ToGateway::Denied { denial, .. })) => {
            assert!(!denial.remedy.is_empty());
            format!("{} {} ({})", denial.status, denial.reason, denial.rule)
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

#[track_caller]
fn held(action: Option<Action>) -> Held {
    match action {
        Some(Action::Hold(_, held)) => *held,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(monitor: &Monitor, action: Option<Action>) -> String {
    assert!(
        matches!(action, Some(Action::Gateway(ToGateway::Refused { .. }))),
        "{action:?}"
    );
    monitor.report().blocked.last().unwrap().why.clone()
}

#[test]
fn what_is_denied_is_not_sent_and_all_else_is() {
    let mut monitor = monitor(vec![rule(Decide::Deny, &["package.publish"], None)], &[]);
    let publish = "Content-Type: application/json\r\nContent-Length: 2\r\n";
    let asked = ask(&mut monitor, 1, "PUT /left-pad", "registry.example", publish);
    assert!(
        matches!(asked, Some(Action::Gateway(ToGateway::Body { .. }))),
        "{asked:?}"
    );
    let body = br#"{"_attachments":{"p.tgz":{"data":"aGk="}},"versions":{"1.0.0":{}}}"#;
    let shown = FromGateway::Show {
        request: 1,
        body: Some(body.to_vec()),
    };
    let said = denied(monitor.from_gateway(shown));
    assert!(said.starts_with("403 PUT registry.example:443: "), "{said}");
    assert!(
        said.ends_with("package.publish is denied (deny of policy.toml)"),
        "{said}"
    );
    sent(ask(&mut monitor, 2, "GET /left-pad", "registry.example", ""));
    sent(ask(&mut monitor, 3, "POST /x", "a.example", ""));
    let blocked = &monitor.report().blocked[0];
    assert!(blocked.why.contains("package.publish is denied"), "{blocked:?}");
}

#[test]
fn what_is_held_waits_as_itself_with_its_bytes() {
    let mut monitor = monitor(vec![rule(Decide::Hold, &["http.mutate"], None)], &[]);
    let asked = ask(&mut monitor, 1, "POST /x", "a.example", "Content-Length: 2\r\n");
    assert!(
        matches!(asked, Some(Action::Gateway(ToGateway::Body { .. }))),
        "{asked:?}"
    );
    let body = Some(b"hi".to_vec());
    let held = held(monitor.from_gateway(FromGateway::Show { request: 1, body }));
    let effect = held.effect(&"s".parse().unwrap());
    assert_eq!(effect.kind.name(), "http.mutate");
    assert_eq!(held.reason().rule, "rule of policy.toml");
    let released = sent(monitor.allowed(1));
    assert_eq!(released.body.unwrap().length, 2, "the very bytes that were shown");
    sent(ask(&mut monitor, 2, "GET /x", "a.example", ""));
    // Too long to be shown: nobody is asked, and nothing is sent.
    ask(
        &mut monitor,
        3,
        "POST /x",
        "a.example",
        "Content-Length: 90000\r\n",
    );
    let said = denied(monitor.from_gateway(FromGateway::Show {
        request: 3,
        body: None,
    }));
    assert!(said.contains("too long to be shown"), "{said}");
}

/// What the catalogue holds in any case is held, and released only by whom the rule names.
#[test]
fn a_rule_names_who_may_release_what_is_held_anyway() {
    let mut strict = rule(Decide::Hold, &["forge.pull.merge"], None);
    strict.by.count = Some(2);
    let mut monitor = monitor(vec![strict], &[]);
    let held = held(ask(
        &mut monitor,
        1,
        "PUT /repos/o/r/pulls/1/merge",
        "api.github.com",
        "",
    ));
    assert_eq!(held.requirement().count, 2);
    assert!(
        held.reason().rule.starts_with("rule of policy.toml, catalogue "),
        "{:?}",
        held.reason()
    );
}

#[test]
fn a_rule_on_a_stream_a_fetch_or_a_model_is_about_these() {
    let wanted = [
        (
            "http.stream",
            "GET /ws",
            "a.example",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ),
        (
            "git.read",
            "GET /o/r.git/info/refs?service=git-upload-pack",
            "a.example",
            "",
        ),
        ("model.invoke", "POST /v1/chat/completions", "api.openai.com", ""),
        ("http.read", "GET /x", "a.example", ""),
        ("cluster.read", "GET /api/v1/namespaces", "a.example", ""),
        ("package.fetch", "GET /x", "registry.example", ""),
        (
            "http.mutate",
            "GET /x",
            "a.example",
            "X-HTTP-Method-Override: POST\r\n",
        ),
    ];
    for (effect, line, host, fields) in wanted {
        let mut monitor = monitor(vec![rule(Decide::Deny, &[effect], None)], &[]);
        let said = denied(ask(&mut monitor, 1, line, host, fields));
        assert!(said.contains(effect), "{said}");
        sent(
            ask(&mut monitor, 2, "POST /other", "a.example", "")
                .filter(|_| effect != "http.mutate")
                .or_else(|| ask(&mut monitor, 3, "GET /other", "a.example", "")),
        );
    }
}

#[test]
fn of_bytes_that_nobody_reads_a_rule_refuses_what_they_could_be() {
    let mut one = monitor(
        vec![rule(Decide::Hold, &["sql.destroy"], Some(&["*.prod.example"]))],
        &[],
    );
    let opened = open(&mut one, 1, "db.prod.example:5432");
    let said = refused(&one, opened);
    assert!(
        said.starts_with("it could be sql.destroy, which waits for a person, and a connection cannot"),
        "{said}"
    );
    assert!(said.contains("(rule of policy.toml)"), "{said}");
    assert!(
        matches!(open(&mut one, 2, "pinned.example:443"), Some(Action::Broker(_))),
        "another environment"
    );
    assert!(matches!(
        open(&mut one, 3, "127.0.0.1:5432"),
        Some(Action::Broker(_))
    ));

    let mut two = monitor(vec![rule(Decide::Deny, &["package.publish"], None)], &[]);
    for (flow, host, passes) in [
        (1, "pinned.example:443", false),
        (2, "127.0.0.1:3000", false),
        (3, "db.prod.example:5432", true),
        (4, "127.0.0.1:5432", true),
    ] {
        let action = open(&mut two, flow, host);
        assert_eq!(
            matches!(action, Some(Action::Broker(_))),
            passes,
            "{host}: {action:?}"
        );
    }
    let mut three = monitor(vec![rule(Decide::Deny, &["net.connect"], None)], &[]);
    let opened = open(&mut three, 1, "a.example:443");
    assert!(refused(&three, opened).contains("net.connect is denied"));
    let mut four = monitor(vec![rule(Decide::Deny, &["net.publish"], None)], &[]);
    let entered = four.from_gateway(FromGateway::Enter { flow: 1 });
    assert!(matches!(
        entered,
        Some(Action::Gateway(ToGateway::Refused { .. }))
    ));
}

#[test]
fn what_a_model_would_do_is_refused_by_a_rule_though_the_host_is_allowed() {
    let mut monitor = monitor(vec![rule(Decide::Hold, &["model.remote"], None)], &[]);
    sent(ask(
        &mut monitor,
        1,
        "POST /v1/chat/completions",
        "api.openai.com",
        "",
    ));
    let remote = FromGateway::Remote {
        question: 2,
        request: 1,
        what: "fetches a URL".to_owned(),
        host: Some(to("a.example:443")),
    };
    let said = denied(monitor.from_gateway(remote));
    assert!(
        said.contains("model.remote waits for a person") && said.contains("rule of policy.toml"),
        "{said}"
    );
}

#[test]
fn a_budget_is_kept_over_requests_and_names_itself() {
    let mut monitor = monitor(Vec::new(), &[("*", "2000/h")]);
    let post = "Content-Length: 1500\r\n";
    assert_eq!(
        sent(ask(&mut monitor, 1, "POST /x", "a.example", post)).budget,
        None
    );
    let said = denied(ask(&mut monitor, 2, "POST /x", "api.github.com", post));
    assert!(
        said.starts_with("429 POST api.github.com:443: more than 2000/h may not leave"),
        "{said}"
    );
    assert!(said.ends_with("(bytes_out of policy.toml)"), "{said}");
    // Request lines count: what is only read from leaks by them.
    let long = format!("GET /{}", "x".repeat(500));
    denied(ask(&mut monitor, 3, &long, "a.example", ""));
    sent(ask(&mut monitor, 4, "GET /", "a.example", ""));
    monitor.at(Duration::from_secs(3800));
    sent(ask(&mut monitor, 5, "POST /x", "a.example", post));
}

#[test]
fn what_has_no_end_has_a_share_and_gives_the_rest_back() {
    let mut monitor = monitor(Vec::new(), &[("a.example", "1M/h"), ("pinned.example", "1M/h")]);
    let chunked = "Transfer-Encoding: chunked\r\n";
    let released = sent(ask(&mut monitor, 1, "POST /x", "a.example", chunked));
    let most = released.most.unwrap();
    assert!(most > 500_000 && most <= 512 << 10, "{most}");
    assert_eq!(released.budget.as_deref(), Some("bytes_out of policy.toml"));
    let over = FromBroker::Passed {
        request: 1,
        bytes: 10,
        over: true,
    };
    assert_eq!(monitor.from_broker(&over), None);
    assert!(
        monitor.report().blocked[0]
            .why
            .contains("bytes_out of policy.toml")
    );
    // All but what left is there again.
    let again = sent(ask(
        &mut monitor,
        2,
        "POST /x",
        "a.example",
        "Content-Length: 1048000\r\n",
    ));
    assert_eq!(again.most, None);

    assert!(matches!(
        open(&mut monitor, 7, "pinned.example:443"),
        Some(Action::Broker(_))
    ));
    let connected = FromBroker::Connected {
        flow: 7,
        address: ([192, 0, 2, 1], 443).into(),
    };
    let tunnel = monitor.from_broker(&connected);
    let most = Some(512 << 10);
    assert_eq!(tunnel, Some(Action::Gateway(ToGateway::Tunnel { flow: 7, most })));
    let why = Broken::Budget;
    let destination = to("pinned.example:443");
    monitor.from_gateway(FromGateway::Broken { destination, why });
    assert!(
        monitor
            .report()
            .blocked
            .iter()
            .any(|b| b.why.contains("bytes_out"))
    );
}
