//! Effects, decisions and answers for the tests.

use fumehood_effect::{Decision, Digest, Effect, EffectKind, Fact, Facts, Reason, Resource};
use fumehood_monitor::hold::{
    Answer, Answered, Approver, Ask, Card, Choice, HoldId, Holds, Permit, Proof, Recorded, Release,
    ReleaseError, Requirement, Settings, Time, Verdict, Via, Wake,
};
use std::collections::BTreeSet;

pub(crate) fn holds() -> Holds {
    with(Settings::default())
}

pub(crate) fn with(settings: Settings) -> Holds {
    salted(settings, 7)
}

/// Each process has a salt of its own.
pub(crate) fn salted(settings: Settings, salt: u8) -> Holds {
    Holds::new("s".parse().unwrap(), "ann", [salt; 32], settings)
}

pub(crate) fn effect(kind: EffectKind, name: &str) -> Effect {
    Effect {
        kind,
        resource: Resource {
            system: "https://api.example:443".into(),
            name: name.into(),
        },
        facts: Facts::from([("rows".to_owned(), Fact::Number(12))]),
        tier: kind.tier(),
        content: Digest::of(name.as_bytes()),
        session: "s".parse().unwrap(),
    }
}

pub(crate) fn reason() -> Reason {
    Reason {
        why: "w".into(),
        rule: "r".into(),
        remedy: "x".into(),
    }
}

pub(crate) fn ask(effect: &Effect, waiter: u64) -> Ask {
    Ask {
        effect: effect.clone(),
        decision: Decision::Hold(reason()),
        requirement: Requirement::default(),
        waiter: Some(waiter),
        kept: false,
        words: None,
    }
}

pub(crate) fn person(name: &str) -> Approver {
    Approver {
        person: name.into(),
        groups: BTreeSet::new(),
        proof: Proof::Account,
        via: Via::Terminal,
    }
}

pub(crate) fn hold_id(verdict: Verdict) -> HoldId {
    match verdict {
        Verdict::Wait(id) => id,
        other => panic!("not waiting: {other:?}"),
    }
}

pub(crate) fn card(holds: &Holds, id: HoldId) -> Card {
    holds.cards().into_iter().find(|c| c.id == id).unwrap().clone()
}

pub(crate) fn answer(card: &Card, choice: Choice) -> Answer {
    Answer {
        id: card.id,
        card: card.digest(),
        choice,
        approver: person("ann"),
    }
}

pub(crate) fn once() -> Choice {
    Choice::Allow { times: 1 }
}

pub(crate) fn woken(answered: Answered) -> Vec<Wake> {
    match answered {
        Answered::Done(wakes) => wakes,
        Answered::More(n) => panic!("{n} more"),
    }
}

/// The permits among these.
pub(crate) fn permits(wakes: Vec<Wake>) -> Vec<Permit> {
    let permit = |wake| match wake {
        Wake::Go(_, permit) | Wake::Perform(permit) => Some(permit),
        _ => None,
    };
    wakes.into_iter().filter_map(permit).collect()
}

pub(crate) fn release(
    holds: &mut Holds,
    permit: Permit,
    effect: &Effect,
    now: Time,
) -> Result<Release, ReleaseError> {
    let decision = Decision::Hold(reason());
    holds.release(
        permit,
        effect.digest(),
        &effect.facts,
        &decision,
        Some(Recorded(1)),
        now,
    )
}
