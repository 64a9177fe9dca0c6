//! Right before an effect is performed.

use crate::made::*;
use fumehood_effect::{Decision, EffectKind, Fact};
use fumehood_monitor::hold::{Ask, Broken, Permit, Recorded, ReleaseError, Time, Verdict};

fn approved(at: u64) -> (fumehood_monitor::hold::Holds, Permit, fumehood_effect::Effect) {
    let mut holds = holds();
    let drop = effect(EffectKind::SqlDestroy, "orders");
    let id = hold_id(holds.ask(ask(&drop, 1), Time(at)));
    let permit = permits(woken(
        holds.answer(answer(&card(&holds, id), once()), Time(at)).unwrap(),
    ))
    .remove(0);
    (holds, permit, drop)
}

#[test]
fn a_body_swapped_after_approval_is_another_effect() {
    let (mut holds, permit, _) = approved(0);
    let other = effect(EffectKind::SqlDestroy, "customers");
    assert_eq!(
        release(&mut holds, permit, &other, Time(1)),
        Err(ReleaseError::Other)
    );
}

#[test]
fn an_approval_expires() {
    let (mut holds, permit, drop) = approved(0);
    assert_eq!(
        release(&mut holds, permit, &drop, Time(15 * 60_000)),
        Err(ReleaseError::Expired)
    );
}

#[test]
fn more_rows_than_were_shown_want_a_new_look() {
    let (mut holds, permit, mut drop) = approved(0);
    let digest = drop.digest();
    drop.facts.insert("rows".into(), Fact::Number(13));
    let hold = Decision::Hold(reason());
    let moved = holds.release(permit, digest, &drop.facts, &hold, Some(Recorded(1)), Time(1));
    assert_eq!(moved, Err(ReleaseError::Moved(Broken("rows".into()))));
    assert!(matches!(holds.ask(ask(&drop, 2), Time(2)), Verdict::Wait(_)));
}

#[test]
fn what_is_not_recorded_is_not_performed() {
    let (mut holds, permit, drop) = approved(0);
    assert!(permit.held());
    let hold = Decision::Hold(reason());
    let bare = holds.release(permit, drop.digest(), &drop.facts, &hold, None, Time(1));
    assert_eq!(bare, Err(ReleaseError::NotRecorded));
}

#[test]
fn policy_is_asked_again() {
    let (mut holds, permit, drop) = approved(0);
    let deny = Decision::Deny(reason());
    let denied = holds.release(
        permit,
        drop.digest(),
        &drop.facts,
        &deny,
        Some(Recorded(1)),
        Time(1),
    );
    assert!(matches!(denied, Err(ReleaseError::Denied(_))));

    let mut flying = ask(&effect(EffectKind::HttpMutate, "x"), 1);
    flying.decision = Decision::Allow { rule: "r".into() };
    let Verdict::Go(permit) = holds.ask(flying.clone(), Time(2)) else {
        panic!("held")
    };
    let effect = flying.effect;
    assert!(
        release(&mut holds, permit, &effect, Time(3)).is_err(),
        "held now, seen by nobody"
    );
}

#[test]
fn time_that_goes_back_makes_every_approval_void() {
    let (mut holds, permit, drop) = approved(1_000_000);
    holds.tick(Time(999_999));
    assert_eq!(
        release(&mut holds, permit, &drop, Time(1_000_001)),
        Err(ReleaseError::Spent)
    );
}

#[test]
fn what_was_approved_while_nobody_waited_passes_once_when_it_is_sent_again() {
    let mut holds = holds();
    let spend = effect(EffectKind::MoneySpend, "a");
    let id = hold_id(holds.ask(ask(&spend, 1), Time(0)));
    holds.gone(1);
    assert!(
        permits(woken(
            holds.answer(answer(&card(&holds, id), once()), Time(1)).unwrap()
        ))
        .is_empty()
    );
    let Verdict::Go(permit) = holds.ask(ask(&spend, 2), Time(2)) else {
        panic!("held again")
    };
    assert!(permit.held() && release(&mut holds, permit, &spend, Time(3)).is_ok());
    assert!(matches!(holds.ask(ask(&spend, 3), Time(4)), Verdict::Wait(_)));
}

#[test]
fn kept_bytes_are_performed_when_the_requester_is_gone() {
    let mut holds = holds();
    let push = effect(EffectKind::GitRefForce, "main");
    let id = hold_id(holds.ask(
        Ask {
            kept: true,
            ..ask(&push, 1)
        },
        Time(0),
    ));
    holds.gone(1);
    let mut given = permits(woken(
        holds.answer(answer(&card(&holds, id), once()), Time(1)).unwrap(),
    ));
    assert!(release(&mut holds, given.remove(0), &push, Time(2)).is_ok());
    assert!(given.is_empty());
    assert!(
        matches!(holds.ask(ask(&push, 2), Time(3)), Verdict::Wait(_)),
        "it was performed: not once more"
    );
}
