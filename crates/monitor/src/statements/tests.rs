use super::*;
use crate::message::{FromBroker, FromGateway, Wire};
use crate::monitor::Policy;
use fumehood_effect::Digest;
use fumehood_policy::profile::EffectRule;
use fumehood_policy::{Layer, config};

const FLOW: FlowId = 7;

fn database(on: PostgresVerdicts) -> Database {
    Database {
        name: "dev".to_owned(),
        destination: Destination::authority(b"localhost:5432", None).unwrap(),
        user: Some("app".to_owned()),
        database: "shop".to_owned(),
        on,
        origin: "t:1:1".to_owned(),
    }
}

fn monitor(on: PostgresVerdicts, effects: Vec<EffectRule>) -> Monitor {
    let policy = Policy {
        databases: vec![database(on)],
        effects: effects.into(),
        ..Policy::default()
    };
    let mut monitor = Monitor::new(policy).of_session(Some("k3x-7".parse().unwrap()));
    let open = FromGateway::Open {
        flow: FLOW,
        destination: Destination::authority(b"127.0.0.1:5432", None).unwrap(),
    };
    let said = monitor.from_gateway(open);
    assert!(
        matches!(
            said,
            Some(Action::Gateway(ToGateway::Database {
                flow: FLOW,
                most: None
            }))
        ),
        "{said:?}"
    );
    monitor
}

fn statement(request: FlowId, kind: EffectKind, ordinary: bool) -> Statement {
    Statement {
        flow: FLOW,
        request,
        kind,
        why: "deletes rows".to_owned(),
        ordinary,
        countable: true,
        bounded: true,
        names: "t".to_owned(),
        text: "delete from t".to_owned(),
        user: "app".to_owned(),
        rows: None,
        content: Digest::of(b"x"),
    }
}

fn ask(monitor: &mut Monitor, statement: Statement) -> Action {
    let message = FromBroker::Statement(Box::new(statement));
    assert_eq!(FromBroker::decode(&message.encode()).as_ref(), Some(&message));
    monitor.from_broker(&message).unwrap()
}

fn rule(text: &str) -> Vec<EffectRule> {
    let parsed = config::parse(Layer::User, "t", format!("version = 1\n{text}").as_bytes());
    let config = parsed.into_result().unwrap();
    let rule = &config.rules[0].value;
    vec![EffectRule {
        key: "rule",
        effects: rule.effects.clone(),
        hosts: None,
        decide: rule.decide,
        by: rule.by.clone().unwrap_or_default(),
        because: None,
        observed: false,
        origin: config.origin(config.rules[0].pos),
    }]
}

#[test]
fn ordinary_work_flies_with_a_bound_and_more_of_it_is_counted_and_held() {
    let mut monitor = monitor(PostgresVerdicts::default(), Vec::new());
    let first = statement(STATEMENTS, EffectKind::SqlWrite, true);
    assert_eq!(ask(&mut monitor, first.clone()), go(STATEMENTS, Some(ORDINARY)));
    // The broker took it back: it was more.
    let more = Statement {
        request: STATEMENTS + 1,
        rows: Some(ORDINARY + 1),
        countable: false,
        ..first
    };
    let Action::Hold(request, held) = ask(&mut monitor, more) else {
        panic!()
    };
    assert_eq!(request, STATEMENTS + 1);
    let effect = held.effect(&"k3x-7".parse().unwrap());
    assert_eq!(effect.facts["rows"], Fact::Number(ORDINARY + 1));
    assert_eq!(effect.resource.system, "postgres://localhost:5432/shop");
    // Allowed: the rows that were shown are its bound, once.
    assert_eq!(monitor.allowed(request), Some(go(request, Some(ORDINARY + 1))));
    assert_eq!(monitor.allowed(request), None);
}

#[test]
fn what_is_not_ordinary_is_counted_then_held() {
    let mut monitor = monitor(PostgresVerdicts::default(), Vec::new());
    let whole = statement(STATEMENTS, EffectKind::SqlDestroy, false);
    let counts = Action::Broker(ToBroker::Statement(STATEMENTS, Said::Count));
    assert_eq!(ask(&mut monitor, whole.clone()), counts);
    let counted = Statement {
        rows: Some(3),
        countable: false,
        ..whole
    };
    assert!(matches!(
        ask(&mut monitor, counted.clone()),
        Action::Hold(STATEMENTS, _)
    ));
    // The same number again, a number of the gateway's, or another flow: nothing.
    assert_eq!(
        monitor.from_broker(&FromBroker::Statement(Box::new(counted.clone()))),
        None
    );
    let of_others = [
        Statement {
            request: 5,
            ..counted.clone()
        },
        Statement {
            request: STATEMENTS + 9,
            flow: 8,
            ..counted
        },
    ];
    for other in of_others {
        assert_eq!(monitor.from_broker(&FromBroker::Statement(Box::new(other))), None);
    }
    assert_eq!(
        monitor.from_broker(&FromBroker::StatementGone(STATEMENTS)),
        Some(Action::Gone(STATEMENTS))
    );
    assert_eq!(monitor.allowed(STATEMENTS), None);
}

#[test]
fn verdicts_of_a_database_and_rules_on_effects() {
    let verdict = |text: &str| -> PostgresVerdicts {
        let text = format!("version = 1\n[postgres.d]\nat = \"localhost:1/d\"\non = {{ {text} }}\n");
        let parsed = config::parse(Layer::User, "t", text.as_bytes())
            .into_result()
            .unwrap();
        parsed.postgres[0].1.on.clone()
    };
    for (on, rules, kind, expected) in [
        ("write = \"allow\"", "", EffectKind::SqlWrite, "go"),
        ("write = \"hold\"", "", EffectKind::SqlWrite, "count"),
        ("write = \"deny\"", "", EffectKind::SqlWrite, "no"),
        ("ddl = \"allow\"", "", EffectKind::SqlDdl, "go"),
        ("destroy = \"allow\"", "", EffectKind::SqlRoles, "count"),
        (
            "ddl = \"allow\"",
            "[[rule]]\neffect = \"sql.ddl\"\ndecide = \"deny\"",
            EffectKind::SqlDdl,
            "no",
        ),
        (
            "write = \"allow\"",
            "[[rule]]\neffect = \"sql.*\"\ndecide = \"hold\"",
            EffectKind::SqlWrite,
            "count",
        ),
        // Code that nobody sees into could be what a rule denies.
        (
            "write = \"allow\"",
            "[[rule]]\neffect = \"sql.roles\"\ndecide = \"deny\"",
            EffectKind::SqlRun,
            "no",
        ),
    ] {
        let rules = if rules.is_empty() { Vec::new() } else { rule(rules) };
        let mut monitor = monitor(verdict(on), rules);
        // What is not rows is never a session's ordinary work.
        let said = match ask(
            &mut monitor,
            statement(STATEMENTS, kind, kind == EffectKind::SqlWrite),
        ) {
            Action::Broker(ToBroker::Statement(_, Said::Go(_))) => "go",
            Action::Broker(ToBroker::Statement(_, Said::Count)) => "count",
            Action::Broker(ToBroker::Statement(_, Said::No(_))) => "no",
            other => panic!("{other:?}"),
        };
        assert_eq!(said, expected, "{on} {kind}");
    }
}

#[test]
fn readings_are_asked_about_where_a_rule_concerns_them() {
    for (on, rules, asks) in [
        (PostgresVerdicts::default(), Vec::new(), false),
        (
            PostgresVerdicts::default(),
            rule("[[rule]]\neffect = \"sql.read\"\ndecide = \"hold\""),
            true,
        ),
    ] {
        let mut monitor = monitor(on, rules);
        let Some(Action::Lane(ToBroker::Database(open))) =
            monitor.from_gateway(FromGateway::Database { flow: FLOW })
        else {
            panic!()
        };
        assert_eq!(open.ask_reads, asks);
        assert!(open.permitted.iter().all(IpAddr::is_loopback) && open.permitted.len() == 2);
        let message = ToBroker::Database(open);
        assert_eq!(ToBroker::decode(&message.encode()), Some(message));
    }
    let message = FromGateway::Database { flow: 9 };
    assert_eq!(
        monitor(PostgresVerdicts::default(), Vec::new()).from_gateway(message),
        None
    );
}
