//! What waits outlives the process, and nothing else does.

use crate::made::*;
use fumehood_effect::EffectKind;
use fumehood_monitor::hold::{Ask, Requirement, Ticket, TicketError, Time, Verdict};
use proptest::prelude::*;

#[test]
fn tickets_come_back_unapproved_with_new_numbers() {
    let mut first = holds();
    let push = effect(EffectKind::GitRefForce, "main");
    let spend = effect(EffectKind::MoneySpend, "a");
    hold_id(first.ask(ask(&push, 1), Time(0)));
    let requirement = Requirement {
        group: Some("sre".into()),
        approval: Some(9),
        ..Requirement::default()
    };
    let id = hold_id(first.ask(
        Ask {
            requirement,
            ..ask(&spend, 2)
        },
        Time(0),
    ));
    let stale = answer(&card(&first, id), once());
    let bytes = Ticket::encode(&first.tickets());
    let kept = Ticket::decode(&bytes).unwrap();
    assert_eq!(kept, first.tickets());
    let mut second = holds();
    second.ask(ask(&effect(EffectKind::SshExec, "x"), 9), Time(0));
    second.restore(kept, Time(1000));
    assert_eq!(second.cards().len(), 3);
    assert!(second.answer(stale, Time(1001)).is_err());
    assert!(matches!(second.ask(ask(&push, 3), Time(1002)), Verdict::Wait(_)));
    assert_eq!(second.cards().len(), 3, "the same effect waits on its old card");
}

#[test]
fn another_sessions_or_an_old_ticket_is_left_out() {
    let mut first = holds();
    hold_id(first.ask(ask(&effect(EffectKind::GitRefForce, "main"), 1), Time(0)));
    let kept = first.tickets();
    let mut late = holds();
    late.restore(kept.clone(), Time(24 * 3_600_000));
    assert!(late.cards().is_empty());
    let mut other =
        fumehood_monitor::hold::Holds::new("t".parse().unwrap(), "ann", [0; 32], Default::default());
    other.restore(kept, Time(1));
    assert!(other.cards().is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_tickets_in_one_spelling_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..400usize, flip in any::<u8>()) {
        if let Ok(tickets) = Ticket::decode(&bytes) {
            prop_assert_eq!(Ticket::encode(&tickets), bytes);
        }
        let mut holds = holds();
        holds.ask(ask(&effect(EffectKind::GitRefForce, "main"), 1), Time(0));
        let good = Ticket::encode(&holds.tickets());
        let mut bad = good.clone();
        let at = cut % bad.len();
        bad[at] ^= flip;
        if let Ok(tickets) = Ticket::decode(&bad) {
            prop_assert_eq!(Ticket::encode(&tickets), bad);
        }
        prop_assert_eq!(Ticket::decode(&good[..at]), Err(TicketError));
    }
}
