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
        origin: Origin::Default,
    }
}

#[test]
fn what_denies_wins_over_what_holds_and_says_who_and_why() {
    let rules = [
        rule(Decide::Hold, "http.*", None, None),
        rule(Decide::Deny, "http.mutate", None, Some("not from\nhere")),
    ];
    let said = |kind| said(&rules, &[Seen::is(kind)], Some(&to("a.example:443")));
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
    let said = |host: Option<&str>| said(&rules, &[Seen::is(EffectKind::HttpRead)], host.map(to).as_ref());
    assert!(said(Some("db.prod.example:443")).is_some());
    assert_eq!(said(Some("db.test.example:443")), None);
    assert_eq!(said(None), None);
}

#[test]
fn bytes_that_nobody_reads_could_be_what_is_said_on_that_port() {
    let could = |host: &str, effect: &str| {
        let rules = [rule(Decide::Deny, effect, None, None)];
        said(&rules, &unread(&to(host)), Some(&to(host))).is_some()
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
    let Some(Said::Hold(_, wanted, _)) = said(&rules, &[Seen::is(EffectKind::HttpRead)], None) else {
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
