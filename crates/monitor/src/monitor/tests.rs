use super::*;
use crate::message::{Broken, FromGateway as From, ToGateway as To};
use fumehood_destination::Rule;
use fumehood_policy::config::Allow;
use proptest::prelude::*;
use std::io;
use std::net::SocketAddr;

fn to(text: &str) -> Destination {
    Destination::authority(text.as_bytes(), None).unwrap()
}

/// With hosts of which requests are read, or, after `unread `, passed unread.
fn monitor(hosts: &[&str], ports: &[u16]) -> Monitor {
    let rule = |host: &&str| {
        let unread = host.strip_prefix("unread ");
        let mut allow = Allow::host(unread.unwrap_or(host).parse().unwrap());
        allow.tunnel = unread.is_some();
        Rule::new(&allow).unwrap()
    };
    Monitor::new(Policy {
        rules: Rules::new(hosts.iter().map(rule).collect()).unwrap(),
        host: ports.iter().filter_map(|p| Port::new(*p)).collect(),
        ..Policy::default()
    })
}

fn open(flow: FlowId, destination: &str) -> From {
    From::Open {
        flow,
        destination: to(destination),
    }
}

/// That it is, and with this status: what the client of a proxy is told.
#[track_caller]
fn refused(action: Option<Action>, flow: FlowId, status: u16) -> Denial {
    let Some(Action::Gateway(To::Refused { flow: of, denial })) = action else {
        panic!("{action:?}")
    };
    assert_eq!((of, denial.status), (flow, status), "{denial:?}");
    denial
}

fn connected(flow: FlowId) -> FromBroker {
    FromBroker::Connected {
        flow,
        address: SocketAddr::from(([192, 0, 2, 7], 443)),
    }
}

/// What is denied never reaches the broker, and the report has the words to allow it.
#[test]
fn denials_teach() {
    let mut monitor = monitor(&["example.com"], &[]);
    let wanted = [
        ("evil.example:443", "evil.example", "no rule allows this host"),
        (
            "example.com:22",
            "example.com:22",
            "the rule for this host is for another port",
        ),
        ("192.0.2.7:443", "192.0.2.7", "no rule allows this host"),
        ("[2001:db8::7]:80", "[2001:db8::7]:80", "no rule allows this host"),
        (
            "127.0.0.1:5432",
            "localhost:5432",
            "the rule for this host is for another port",
        ),
    ];
    for (flow, (destination, words, why)) in (0..).zip(wanted) {
        let told = refused(monitor.from_gateway(open(flow, destination)), flow, 403);
        assert_eq!(told.reason, format!("{destination}: {why}"));
        assert_eq!(
            told.remedy,
            format!("outside the sandbox: fumehood run --allow {words}")
        );
        let report = monitor.report();
        let line = report.blocked.iter().find(|b| b.destination == to(destination));
        let line = line.unwrap();
        assert_eq!((line.allow.as_deref(), line.why.as_str()), (Some(words), why));
    }
}

#[test]
fn an_allowed_flow_is_released_once_and_counted() {
    let mut monitor = monitor(
        &[
            "unread *.example.com",
            "10.0.0.5:443",
            "10.0.0.6:80",
            "read.example",
        ],
        &[],
    );
    let release = monitor.from_gateway(open(1, "a.example.com:443"));
    let dial = ToBroker::Dial {
        flow: 1,
        destination: to("a.example.com:443"),
        permitted: vec!["10.0.0.5".parse().unwrap()],
    };
    assert_eq!(release, Some(Action::Broker(dial)));
    refused(monitor.from_gateway(open(1, "a.example.com:443")), 1, 503);
    let tunnel = Some(Action::Gateway(To::Tunnel { flow: 1, most: None }));
    assert_eq!(monitor.from_broker(&connected(1)), tunnel);
    assert_eq!(monitor.from_broker(&connected(1)), None);
    let closed = From::Closed {
        flow: 1,
        sent: 3,
        received: 5,
    };
    assert_eq!(monitor.from_gateway(closed.clone()), None);
    assert_eq!(monitor.from_gateway(closed), None);
    let tunnels = monitor.report().tunnels;
    assert_eq!(
        (tunnels[0].times, tunnels[0].sent, tunnels[0].received),
        (1, 3, 5)
    );
    // One of which requests are read is dialled by nobody before one is released.
    let inspect = Some(Action::Gateway(To::Inspect { flow: 2 }));
    assert_eq!(monitor.from_gateway(open(2, "read.example:443")), inspect);
    let (sent, received) = (3, 5);
    monitor.from_gateway(From::Closed {
        flow: 2,
        sent,
        received,
    });
    assert_eq!(monitor.report().tunnels.len(), 1);
}

/// An answer for a flow that was never opened, or that the gateway gave up, opens nothing.
#[test]
fn an_answer_without_a_question_opens_nothing() {
    let mut monitor = monitor(&["unread example.com"], &[]);
    assert_eq!(monitor.from_broker(&connected(9)), None);
    monitor.from_gateway(open(1, "example.com:443"));
    monitor.from_gateway(From::Closed {
        flow: 1,
        sent: 0,
        received: 0,
    });
    assert_eq!(monitor.from_broker(&connected(1)), None);
    assert!(monitor.report().tunnels.is_empty());
}

#[test]
fn what_the_broker_refuses_is_told_with_the_address_to_name() {
    let mut monitor = monitor(&["db.example:5432"], &[]);
    monitor.from_gateway(open(1, "db.example:5432"));
    let failed = |flow, why| FromBroker::Failed { flow, why };
    let private = failed(1, DialError::Address("10.1.2.3".parse().unwrap()));
    let told = refused(monitor.from_broker(&private), 1, 403);
    assert!(
        told.reason
            .starts_with("db.example:5432: the name leads to a private"),
        "{told:?}"
    );
    let line = &monitor.report().blocked[0];
    assert_eq!(line.allow.as_deref(), Some("10.1.2.3:5432"));
    assert!(line.why.contains("a private address"), "{}", line.why);
    monitor.from_gateway(open(2, "db.example:5432"));
    let gone = failed(
        2,
        DialError::Connect(io::Error::from_raw_os_error(111).raw_os_error().unwrap()),
    );
    refused(monitor.from_broker(&gone), 2, 502);
}

/// The host's loopback is reached by its port only, and on loopback only.
#[test]
fn host_ports() {
    let mut monitor = monitor(&[], &[5432]);
    for (flow, name) in [(1, "127.0.0.1:5432"), (2, "[::1]:5432"), (3, "localhost:5432")] {
        let action = monitor.from_gateway(open(flow, name));
        let loopback: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        assert!(
            matches!(&action, Some(Action::Broker(ToBroker::Dial { permitted, .. })) if *permitted == loopback),
            "{action:?}"
        );
    }
    refused(monitor.from_gateway(open(4, "127.0.0.1:5433")), 4, 403);
    refused(monitor.from_gateway(open(5, "example.com:5432")), 5, 403);
}

/// A flood of names and flows takes bounded memory.
#[test]
fn counts_and_flows_are_bounded() {
    let mut monitor = monitor(&["*.example.com"], &[]);
    for n in 0..5000 {
        let _refused = monitor.from_gateway(open(n, &format!("h{n}.evil.example:443")));
        let _released = monitor.from_gateway(open(10_000 + n, &format!("h{n}.example.com:443")));
        let _counted = monitor.from_gateway(From::Broken {
            destination: to(&format!("b{n}.example.com:443")),
            why: Broken::Hidden,
        });
    }
    assert_eq!(monitor.flows.len(), MAX_FLOWS);
    let report = monitor.report();
    assert_eq!(report.blocked.len(), 256);
    assert!(report.more > 5000);
}

/// Each flow is told when it is decided and when it is over, with the rule; one refused after the name was
/// looked up is told as refused too.
#[test]
fn each_flow_is_told_with_its_rule() {
    let mut monitor = monitor(&["*.example.com"], &[]);
    let (far, near, evil) = ("a.example.com:443", "b.example.com:443", "evil.example:443");
    monitor.from_gateway(open(1, far));
    monitor.from_broker(&connected(1));
    let closed = From::Closed {
        flow: 1,
        sent: 3,
        received: 5,
    };
    monitor.from_gateway(closed);
    monitor.from_gateway(open(2, evil));
    monitor.from_gateway(open(3, near));
    let why = DialError::Address("10.1.2.3".parse().unwrap());
    monitor.from_broker(&FromBroker::Failed { flow: 3, why });
    monitor.from_gateway(open(4, far));
    monitor.close();
    let allowed = |flow, at: &str| Told::Allowed {
        flow,
        destination: Some(to(at)),
        rule: "*.example.com".to_owned(),
    };
    let ended = |flow, at: &str, how| Told::Ended {
        flow,
        destination: Some(to(at)),
        how,
    };
    let refused = |at: &str, rule: &str| Told::Refused {
        destination: Some(to(at)),
        rule: rule.to_owned(),
        times: 1,
    };
    let expected = [
        allowed(1, far),
        ended(1, far, Ending::Closed { sent: 3, received: 5 }),
        refused(evil, "no rule allows this host"),
        allowed(3, near),
        ended(3, near, Ending::Failed(why.to_string())),
        refused(near, &why.to_string()),
        allowed(4, far),
        ended(4, far, Ending::Cut),
    ];
    assert_eq!(monitor.told(), expected);
    assert_eq!(monitor.told(), []);
}

proptest! {
    /// Whatever a gateway that was taken over sends: nothing is released but what a rule names.
    #[test]
    fn only_what_a_rule_names_is_released(messages in proptest::collection::vec(
        (0u8..4, 0u64..4, "(example\\.com|evil\\.example|10\\.0\\.0\\.5):(443|80)"), 0..40)) {
        let mut monitor = monitor(&["unread example.com"], &[]);
        for (kind, flow, destination) in messages {
            let destination = to(&destination);
            let message = match kind {
                0 | 1 => From::Open { flow, destination },
                2 => From::Closed { flow, sent: 1, received: 1 },
                _ => From::Broken { destination, why: Broken::NoName },
            };
            if let Some(Action::Broker(ToBroker::Dial { destination, permitted, .. })) = monitor.from_gateway(message) {
                prop_assert_eq!(destination, to("example.com:443"));
                prop_assert!(permitted.is_empty());
            }
        }
    }
}

/// New rules hold at once: what none lets through is cut, connected or not, and what one does goes on.
#[test]
fn what_new_rules_do_not_let_through_is_cut() {
    let mut monitor = monitor(
        &["unread a.example", "unread b.example", "c.example", "d.example"],
        &[5432],
    );
    for (flow, host) in [
        (1, "a.example:443"),
        (2, "b.example:443"),
        (3, "c.example:443"),
        (4, "d.example:443"),
        (5, "127.0.0.1:5432"),
    ] {
        monitor.from_gateway(open(flow, host));
    }
    monitor.from_broker(&connected(1));
    let left = ["d.example", "a.example"].map(|host| Rule::new(&Allow::host(host.parse().unwrap())).unwrap());
    let actions = monitor.set_rules(Rules::new(left.into()).unwrap());
    let to = |message| Action::Gateway(message);
    let cut = |flow| to(To::Cut { flow });
    // The first is to be read from now on, so what passes unread ends; the second was not connected yet.
    let denial = Denial::new(403, "the rule that let it through is gone");
    assert_eq!(actions, [cut(1), to(To::Refused { flow: 2, denial }), cut(3)]);
    assert_eq!(
        monitor.from_broker(&connected(2)),
        None,
        "a connection that comes late is closed"
    );
    assert_eq!(monitor.flows(), 4, "who was cut says how much passed");
    assert!(
        monitor
            .report()
            .blocked
            .iter()
            .all(|b| b.why.contains("is gone") && b.allow.is_some())
    );
    assert_eq!(
        monitor.set_rules(Rules::default()).len(),
        3,
        "those that are left"
    );
}
