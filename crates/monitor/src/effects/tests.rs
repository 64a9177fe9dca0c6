use super::*;
use fumehood_policy::origin::Origin;

fn to(text: &str) -> Destination {
    Destination::authority(text.as_bytes(), None).unwrap()
}

fn rule(decide: Decide, effect: &str, host: Option<&str>, because: Option<&str>) -> EffectRule {
    EffectRule {
        key: if decide == Decide::Deny { "deny" } else { "rule" },
        effects: vec![effect.parse().unwrap()],
        hosts: host.map(|h| vec![h.parse().unwrap()]),
        decide,
        by: Approval::default(),
        because: because.map(str::to_owned),
        observed: false,
        origin: Origin::Default,
    }
}

#[test]
fn what_denies_wins_over_what_holds_and_says_who_and_why() {
    let rules = [
        rule(Decide::Hold, "http.*", None, None),
        rule(Decide::Deny, "http.mutate", None, Some("not from\nhere")),
    ];
    let said = |kind| said(rules.iter(), &[Seen::is(kind)], Some(&to("a.example:443")));
    let Some(Said::Deny(reason)) = said(EffectKind::HttpMutate) else {
        panic!();
    };
    assert_eq!(reason.why, "http.mutate is denied: not from\\nhere");
    assert_eq!(reason.rule, "deny of default");
    assert!(matches!(
        said(EffectKind::HttpRead),
        Some(Said::Hold(EffectKind::HttpRead, ..))
    ));
    assert_eq!(said(EffectKind::GitRead), None);
}

#[test]
fn a_rule_of_an_environment_is_about_its_hosts() {
    let rules = [rule(Decide::Deny, "*", Some("*.prod.example"), None)];
    let said = |host: Option<&str>| {
        said(
            rules.iter(),
            &[Seen::is(EffectKind::HttpRead)],
            host.map(to).as_ref(),
        )
    };
    assert!(said(Some("db.prod.example:443")).is_some());
    assert_eq!(said(Some("db.test.example:443")), None);
    assert_eq!(said(None), None);
}

#[test]
fn bytes_that_nobody_reads_could_be_what_is_said_on_that_port() {
    let could = |host: &str, effect: &str| {
        let rules = [rule(Decide::Deny, effect, None, None)];
        said(rules.iter(), &unread(&to(host)), Some(&to(host))).is_some()
    };
    assert!(could("db.example:5432", "sql.destroy") && !could("db.example:5432", "package.publish"));
    assert!(could("a.example:22", "ssh.connect") && could("a.example:22", "git.ref.force"));
    assert!(could("pinned.example:443", "package.publish") && could("pinned.example:443", "sql.write"));
    for host in ["db.example:5432", "a.example:22", "a.example:443"] {
        assert!(
            could(host, "http.tunnel") && could(host, "net.connect") && could(host, "*"),
            "{host}"
        );
        assert!(
            !could(host, "workspace.apply") && !could(host, "tool.*"),
            "{host}"
        );
    }
}

/// Whoever must release is asked for by all rules that hold.
#[test]
fn several_rules_that_hold_ask_for_all_that_each_asks() {
    let mut strict = rule(Decide::Hold, "http.*", None, None);
    strict.by = Approval {
        group: Some("sre".parse().unwrap()),
        count: Some(2),
        not_requester: true,
        proof: Some(Wanted::Passkey),
        ttl: Some("15m".parse().unwrap()),
    };
    let rules = [rule(Decide::Hold, "http.read", None, None), strict];
    let Some(Said::Hold(_, wanted, _)) = said(rules.iter(), &[Seen::is(EffectKind::HttpRead)], None) else {
        panic!();
    };
    let expected = Requirement {
        group: Some("sre".to_owned()),
        count: 2,
        not_requester: true,
        proof: Proof::Passkey,
        approval: Some(900_000),
    };
    assert_eq!(wanted, expected);
}

/// What is only observed is let through, and told; what is in force is not lessened by it.
#[test]
fn observed_rules_are_told_and_decide_nothing() {
    let observed = |decide, effect| EffectRule {
        observed: true,
        ..rule(decide, effect, None, Some("one day"))
    };
    let effects = Effects::from(vec![
        rule(Decide::Hold, "sql.write", None, None),
        observed(Decide::Deny, "http.mutate"),
        observed(Decide::Hold, "sql.*"),
    ]);
    let at = to("a.example:443");
    let seen = [Seen::is(EffectKind::HttpRead), Seen::is(EffectKind::HttpMutate)];
    assert_eq!(effects.said(&seen, Some(&at)), None);
    let mark = effects.mark();
    assert_eq!(effects.said(&seen, Some(&at)), None);
    effects.forget(mark);
    assert!(matches!(
        effects.said(&[Seen::is(EffectKind::SqlWrite)], None),
        Some(Said::Hold(..))
    ));
    assert_eq!(effects.said(&[Seen::is(EffectKind::HttpRead)], None), None);
    let would = effects.would();
    let told: Vec<_> = would.iter().map(|w| (w.kind, w.decide, w.to.is_some())).collect();
    assert_eq!(
        told,
        [
            (EffectKind::HttpMutate, Decide::Deny, true),
            (EffectKind::SqlWrite, Decide::Hold, false)
        ]
    );
    assert_eq!(would[0].reason.why, "http.mutate is denied: one day");
    assert_eq!(effects.would(), []);
    assert!(matches!(effects.all(&seen, Some(&at)), Some(Said::Deny(_))));
}

/// What a rule in force denies does not happen, so nothing is observed of it.
#[test]
fn what_is_denied_is_not_observed() {
    let mut also = rule(Decide::Hold, "http.*", None, None);
    also.observed = true;
    let effects = Effects::from(vec![rule(Decide::Deny, "http.mutate", None, None), also]);
    assert!(matches!(
        effects.said(&[Seen::is(EffectKind::HttpMutate)], None),
        Some(Said::Deny(_))
    ));
    assert_eq!(effects.would(), []);
}
