//! Waiting, tickets, bursts, floods.

use crate::made::*;
use fumehood_effect::{Decision, EffectKind, Tier};
use fumehood_monitor::hold::{Ask, Mode, Settings, Time, Verdict, Wake, Why};

#[test]
fn a_request_waits_for_two_minutes_and_its_ticket_for_a_day() {
    let mut holds = holds();
    let push = effect(EffectKind::GitRefForce, "main");
    let id = hold_id(holds.ask(ask(&push, 1), Time(0)));
    assert_eq!(holds.next(), Some(Time(120_000)));
    assert!(holds.tick(Time(119_999)).is_empty());
    let wakes = holds.tick(Time(120_000));
    let [Wake::Refuse(1, refusal)] = wakes.as_slice() else {
        panic!("{wakes:?}")
    };
    insta::assert_snapshot!(refusal, @"held, not done: w (r); ask for `fumehood allow 1`, then send the very same again");
    assert!(card(&holds, id).is_ticket());
    assert_eq!(
        hold_id(holds.ask(ask(&push, 2), Time(130_000))),
        id,
        "sent again, it waits on the same card"
    );
    holds.tick(Time(24 * 3_600_000));
    assert!(holds.cards().is_empty());
}

#[test]
fn with_nobody_there_the_ticket_comes_at_once() {
    let mut holds = with(Settings {
        mode: Mode::Deny,
        ..Settings::default()
    });
    let push = effect(EffectKind::GitRefForce, "main");
    let refused = holds.ask(ask(&push, 1), Time(0));
    let Verdict::Refuse(refusal) = refused else {
        panic!("{refused:?}")
    };
    let shown = card(&holds, refusal.ticket.unwrap());
    assert!(matches!(refusal.why, Why::Waiting(_)) && shown.is_ticket());
    woken(holds.answer(answer(&shown, once()), Time(1)).unwrap());
    assert!(matches!(holds.ask(ask(&push, 2), Time(2)), Verdict::Go(_)));
}

#[test]
fn a_burst_of_what_flies_is_held_as_one() {
    let mut holds = holds();
    let flying = |n: u64| Ask {
        decision: Decision::Allow { rule: "r".into() },
        ..ask(&effect(EffectKind::CloudWrite, &n.to_string()), n)
    };
    let mut waits = 0;
    for n in 0..100 {
        match holds.ask(flying(n), Time(n)) {
            Verdict::Go(_) => assert!(n < 5),
            Verdict::Wait(_) => waits += 1,
            Verdict::Refuse(refusal) => panic!("{refusal}"),
        }
    }
    assert_eq!((waits, holds.cards().len()), (95, 1));
}

#[test]
fn a_flood_neither_grows_without_end_nor_buries_the_grave_one() {
    let mut holds = holds();
    for n in 0..100_u64 {
        let _some_are_refused = holds.ask(
            ask(&effect(EffectKind::MessageSend, &n.to_string()), n),
            Time(n * 20_000),
        );
        let shown = holds.cards().len();
        assert!(shown <= 64, "{shown}");
        if n == 3 {
            hold_id(holds.ask(ask(&effect(EffectKind::MoneySpend, "a"), 1000), Time(n * 20_000)));
        }
    }
    assert_eq!(holds.cards()[0].tier(), Tier::Critical);
    let one_more = holds.ask(ask(&effect(EffectKind::SshExec, "x"), 9000), Time(100 * 20_000));
    assert!(matches!(one_more, Verdict::Refuse(r) if r.why == Why::TooMany));
}

#[test]
fn another_sessions_effect_is_refused() {
    let mut holds = holds();
    let mut foreign = ask(&effect(EffectKind::HttpRead, "x"), 1);
    foreign.effect.session = "other".parse().unwrap();
    assert!(matches!(holds.ask(foreign, Time(0)), Verdict::Refuse(r) if r.why == Why::Foreign));
}
