//! Answers that count, and those that are refused.

use crate::made::*;
use fumehood_effect::EffectKind;
use fumehood_monitor::hold::{
    AnswerError, Answered, Choice, HoldId, Proof, Requirement, Scope, Settings, Time, Unmet, Verdict, Via,
    Wake, Why,
};

#[test]
fn an_answer_lets_the_very_effect_through_once() {
    let mut holds = holds();
    let push = effect(EffectKind::GitRefForce, "acme/api refs/heads/main");
    let id = hold_id(holds.ask(ask(&push, 1), Time(0)));
    let shown = card(&holds, id);
    let mut permits = permits(woken(holds.answer(answer(&shown, once()), Time(1)).unwrap()));
    assert_eq!(permits.len(), 1);
    assert!(release(&mut holds, permits.remove(0), &push, Time(2)).is_ok());
    let again = holds.ask(ask(&push, 2), Time(3));
    assert!(matches!(again, Verdict::Wait(other) if other != id), "{again:?}");
}

#[test]
fn a_replayed_answer_finds_nothing() {
    let mut holds = holds();
    let push = effect(EffectKind::GitRefForce, "main");
    let id = hold_id(holds.ask(ask(&push, 1), Time(0)));
    let yes = answer(&card(&holds, id), once());
    holds.answer(yes.clone(), Time(1)).unwrap();
    let second = hold_id(holds.ask(ask(&push, 2), Time(2)));
    assert_eq!(
        holds.answer(yes.clone(), Time(3)).unwrap_err(),
        AnswerError::Unknown(id)
    );
    let forged = fumehood_monitor::hold::Answer { id: second, ..yes };
    assert_eq!(
        holds.answer(forged, Time(3)).unwrap_err(),
        AnswerError::Changed(second)
    );
}

#[test]
fn a_forged_number_or_content_is_refused() {
    let mut holds = holds();
    let id = hold_id(holds.ask(ask(&effect(EffectKind::MoneySpend, "a"), 1), Time(0)));
    let shown = card(&holds, id);
    let other = fumehood_monitor::hold::Answer {
        id: HoldId(99),
        ..answer(&shown, once())
    };
    assert_eq!(
        holds.answer(other, Time(1)).unwrap_err(),
        AnswerError::Unknown(HoldId(99))
    );
    let mut swapped = shown;
    swapped.members[0].digest = effect(EffectKind::MoneySpend, "b").digest();
    assert_eq!(
        holds.answer(answer(&swapped, once()), Time(1)).unwrap_err(),
        AnswerError::Changed(id)
    );
}

#[test]
fn identical_effects_are_one_card_and_one_answer_is_one_performance() {
    let mut holds = holds();
    let spend = effect(EffectKind::MoneySpend, "a");
    let id = hold_id(holds.ask(ask(&spend, 1), Time(0)));
    assert_eq!(hold_id(holds.ask(ask(&spend, 2), Time(60_000))), id);
    let shown = card(&holds, id);
    assert_eq!((shown.members.len(), shown.members[0].waiting()), (1, 2));
    let yes = answer(&shown, once());
    let wakes = woken(holds.answer(yes.clone(), Time(60_001)).unwrap());
    assert!(matches!(wakes.as_slice(), [Wake::Go(1, _)]), "{wakes:?}");
    let left = holds.cards()[0].clone();
    assert_ne!(
        left.id, id,
        "what is left is a new question, which no old answer fits"
    );
    assert!(holds.answer(yes, Time(60_002)).is_err());
    let three = answer(&left, Choice::Allow { times: 3 });
    assert_eq!(holds.answer(three, Time(60_003)).unwrap_err(), AnswerError::Times);
    let wakes = woken(holds.answer(answer(&left, once()), Time(60_004)).unwrap());
    assert!(matches!(wakes.as_slice(), [Wake::Go(2, _)]), "{wakes:?}");
}

#[test]
fn a_hundred_deletes_are_one_card_and_what_joined_later_was_not_seen() {
    let mut holds = holds();
    let delete = |n: u64| effect(EffectKind::StorageDelete, &format!("bucket/{n}"));
    let id = hold_id(holds.ask(ask(&delete(0), 0), Time(0)));
    let early = answer(&card(&holds, id), once());
    for n in 1..100 {
        assert_eq!(hold_id(holds.ask(ask(&delete(n), n), Time(n))), id);
    }
    assert_eq!(holds.cards().len(), 1);
    assert_eq!(
        holds.answer(early, Time(200)).unwrap_err(),
        AnswerError::Changed(id)
    );
    let wakes = woken(
        holds
            .answer(answer(&card(&holds, id), once()), Time(201))
            .unwrap(),
    );
    assert_eq!(permits(wakes).len(), 100);
    let late = holds.ask(ask(&delete(101), 101), Time(20_000));
    assert!(matches!(late, Verdict::Wait(_)));
}

#[test]
fn a_card_stops_gathering() {
    let mut holds = holds();
    let one = hold_id(holds.ask(ask(&effect(EffectKind::StorageDelete, "a"), 1), Time(0)));
    let two = hold_id(holds.ask(ask(&effect(EffectKind::StorageDelete, "b"), 2), Time(10_000)));
    assert_ne!(one, two);
}

#[test]
fn a_denial_is_told_with_its_sentence_and_stands_for_a_while() {
    let mut holds = holds();
    let push = effect(EffectKind::GitRefForce, "main");
    let id = hold_id(holds.ask(ask(&push, 1), Time(0)));
    let no = answer(
        &card(&holds, id),
        Choice::Deny(Some("use a \x1b[2Jbranch".into())),
    );
    let wakes = woken(holds.answer(no, Time(1)).unwrap());
    let [Wake::Refuse(1, refusal)] = wakes.as_slice() else {
        panic!("{wakes:?}")
    };
    assert_eq!(refusal.to_string(), r"denied by a person: use a \x1b[2Jbranch");
    let again = holds.ask(ask(&push, 2), Time(2));
    assert!(
        matches!(&again, Verdict::Refuse(r) if matches!(r.why, Why::Person(Some(_)))),
        "{again:?}"
    );
    assert!(matches!(
        holds.ask(ask(&push, 3), Time(300_002)),
        Verdict::Wait(_)
    ));
}

#[test]
fn two_people_of_a_group_who_did_not_ask() {
    let mut holds = holds();
    let requirement = Requirement {
        group: Some("sre".into()),
        count: 2,
        not_requester: true,
        proof: Proof::Passkey,
        approval: None,
    };
    let drop = effect(EffectKind::SqlDestroy, "orders");
    let held = fumehood_monitor::hold::Ask {
        requirement,
        ..ask(&drop, 1)
    };
    let id = hold_id(holds.ask(held, Time(0)));
    let shown = card(&holds, id);
    let by = |name: &str, group: &str, proof| {
        let mut approver = person(name);
        approver.groups.insert(group.into());
        (approver.proof, approver.via) = (proof, Via::Team);
        fumehood_monitor::hold::Answer {
            approver,
            ..answer(&shown, once())
        }
    };
    let mut unmet = |who| holds.answer(who, Time(1)).unwrap_err();
    assert_eq!(
        unmet(by("bob", "dev", Proof::Passkey)),
        Unmet::Group("sre".into()).into()
    );
    assert_eq!(unmet(by("ann", "sre", Proof::Passkey)), Unmet::Requester.into());
    assert_eq!(unmet(by("bob", "sre", Proof::Account)), Unmet::Proof.into());
    let first = holds.answer(by("bob", "sre", Proof::Passkey), Time(2)).unwrap();
    assert!(matches!(first, Answered::More(1)));
    let twice = holds
        .answer(by("bob", "sre", Proof::Passkey), Time(3))
        .unwrap_err();
    assert_eq!(twice, AnswerError::Twice);
    let wakes = woken(holds.answer(by("cyd", "sre", Proof::Passkey), Time(4)).unwrap());
    assert_eq!(permits(wakes).len(), 1);
}

#[test]
fn a_vote_is_void_when_the_card_grows() {
    let mut holds = holds();
    let two = |n: u64| fumehood_monitor::hold::Ask {
        requirement: Requirement {
            count: 2,
            ..Requirement::default()
        },
        ..ask(&effect(EffectKind::StorageDelete, &n.to_string()), n)
    };
    let id = hold_id(holds.ask(two(1), Time(0)));
    assert!(matches!(
        holds.answer(answer(&card(&holds, id), once()), Time(1)),
        Ok(Answered::More(1))
    ));
    holds.ask(two(2), Time(2));
    let mut second = answer(&card(&holds, id), once());
    second.approver = person("bob");
    assert!(matches!(holds.answer(second, Time(3)), Ok(Answered::More(1))));
}

#[test]
fn a_critical_effect_is_not_released_here_where_the_channel_is_in_reach() {
    let mut holds = with(Settings {
        local_critical: false,
        ..Settings::default()
    });
    let id = hold_id(holds.ask(ask(&effect(EffectKind::GitRefForce, "main"), 1), Time(0)));
    let yes = answer(&card(&holds, id), once());
    assert_eq!(holds.answer(yes, Time(1)).unwrap_err(), Unmet::Local.into());
    let id = hold_id(holds.ask(ask(&effect(EffectKind::MessageSend, "list"), 2), Time(0)));
    assert!(holds.answer(answer(&card(&holds, id), once()), Time(1)).is_ok());
}

#[test]
fn a_scope_is_narrow_counted_and_timed() {
    let mut holds = holds();
    let one = effect(EffectKind::StorageDelete, "bucket/logs/1");
    let around = |names, uses, span| Scope::around(&one, names, uses, span);
    for (names, uses, span) in [
        ("*", 1, 1000),
        ("**", 1, 1000),
        ("/x", 1, 1000),
        ("b/*", 0, 1000),
        ("b/*", 1, 1),
    ] {
        assert!(around(names, uses, span).is_err(), "{names} {uses} {span}");
    }
    assert!(Scope::around(&effect(EffectKind::MoneySpend, "a"), "a", 1, 1000).is_err());
    let scope = around("bucket/logs/*", 2, 60_000).unwrap();
    insta::assert_snapshot!(scope.words(), @"storage.delete on https://api.example:443, bucket/logs/*, rows at most 12 each; 2 more, for 1 minutes");
    let id = hold_id(holds.ask(ask(&one, 1), Time(0)));
    let narrow = Scope::around(&one, "bucket/other/*", 2, 60_000).unwrap();
    let shown = card(&holds, id);
    let wrong = answer(&shown, Choice::AllowScope(narrow));
    assert_eq!(holds.answer(wrong, Time(1)).unwrap_err(), AnswerError::Scope);
    woken(
        holds
            .answer(answer(&shown, Choice::AllowScope(scope)), Time(1))
            .unwrap(),
    );
    let mut flies = |name: &str, rows, now| {
        let mut next = effect(EffectKind::StorageDelete, name);
        next.facts
            .insert("rows".into(), fumehood_effect::Fact::Number(rows));
        matches!(holds.ask(ask(&next, 9), Time(now)), Verdict::Go(_))
    };
    assert!(
        !flies("bucket/other", 1, 2) && !flies("bucket/logs/../x", 1, 2) && !flies("bucket/logs/2", 13, 2)
    );
    assert!(flies("bucket/logs/2", 12, 3) && flies("bucket/logs/3", 0, 4));
    assert!(!flies("bucket/logs/4", 1, 5), "its two are used up");
}

#[test]
fn frozen_is_frozen() {
    let mut holds = holds();
    let push = effect(EffectKind::GitRefForce, "main");
    let id = hold_id(holds.ask(ask(&push, 1), Time(0)));
    let yes = answer(&card(&holds, id), once());
    let other = effect(EffectKind::MoneySpend, "a");
    let id = hold_id(holds.ask(ask(&other, 2), Time(0)));
    let permit = permits(woken(
        holds.answer(answer(&card(&holds, id), once()), Time(1)).unwrap(),
    ))
    .remove(0);
    let wakes = holds.freeze();
    assert!(
        matches!(wakes.as_slice(), [Wake::Refuse(1, r)] if r.why == Why::Frozen),
        "{wakes:?}"
    );
    assert!(release(&mut holds, permit, &other, Time(2)).is_err());
    assert_eq!(holds.answer(yes, Time(2)).unwrap_err(), AnswerError::Frozen);
    let mut allowed = ask(&effect(EffectKind::HttpRead, "x"), 3);
    allowed.decision = fumehood_effect::Decision::Allow { rule: "r".into() };
    assert!(matches!(holds.ask(allowed, Time(3)), Verdict::Refuse(r) if r.why == Why::Frozen));
}
