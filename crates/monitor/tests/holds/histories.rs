//! Any history of asking, answering, waiting, leaving, freezing and releasing, with a clock that jumps: what
//! was held is released at most as often as a person said yes to that very effect.

use crate::made::*;
use fumehood_effect::{Decision, Digest, Effect, EffectKind, Facts};
use fumehood_monitor::hold::{
    Answer, Answered, Ask, Card, Choice, Holds, Permit, Recorded, Requirement, Settings, Time, Verdict, Wake,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Step {
    Ask {
        effect: u8,
        waits: bool,
        kept: bool,
        two: bool,
    },
    Answer {
        card: usize,
        yes: bool,
        times: u32,
        who: bool,
    },
    /// An answer seen before, sent again.
    Replay(usize),
    /// An answer whose content or number is another's.
    Forge {
        from: usize,
        to: usize,
    },
    Release {
        permit: usize,
        effect: Option<u8>,
    },
    Gone(u64),
    Restart,
    Freeze,
}

fn step() -> impl Strategy<Value = Step> {
    let rarely = || prop::bool::weighted(0.15);
    prop_oneof![
        40 => (0..3u8, any::<bool>(), rarely(), rarely())
            .prop_map(|(effect, waits, kept, two)| Step::Ask { effect, waits, kept, two }),
        30 => (0..2usize, prop::bool::weighted(0.9), 1..3u32, any::<bool>())
            .prop_map(|(card, yes, times, who)| Step::Answer { card, yes, times, who }),
        20 => (0..6usize).prop_map(Step::Replay),
        6 => (0..6usize, 0..3usize).prop_map(|(from, to)| Step::Forge { from, to }),
        40 => (0..10usize, prop::option::weighted(0.1, 0..3u8))
            .prop_map(|(permit, effect)| Step::Release { permit, effect }),
        6 => (0..20u64).prop_map(Step::Gone),
        2 => Just(Step::Restart),
        1 => Just(Step::Freeze),
    ]
}

/// What the test believes, kept apart from what is tested.
#[derive(Default)]
struct Model {
    /// Yes said to an effect, in full, and not yet used up by a release.
    said: BTreeMap<Digest, u32>,
    /// The names that said yes to a card's content.
    votes: BTreeMap<Digest, Vec<String>>,
    /// Contents that were answered for good.
    done: BTreeSet<Digest>,
    answers: Vec<Answer>,
    permits: Vec<(Permit, Effect)>,
    waiters: BTreeMap<u64, Effect>,
    next: u64,
    /// The latest time that this run of the monitor was told.
    latest: Time,
}

fn some_effect(n: u8) -> Effect {
    let kinds = [
        EffectKind::GitRefForce,
        EffectKind::MoneySpend,
        EffectKind::StorageDelete,
    ];
    effect(kinds[usize::from(n) % 3], &format!("n{n}"))
}

impl Model {
    fn take(&mut self, wakes: Vec<Wake>, all: &[Effect]) {
        for wake in wakes {
            match wake {
                Wake::Go(waiter, permit) => {
                    let effect = self.waiters.get(&waiter).cloned().unwrap();
                    assert_eq!(permit.digest(), effect.digest());
                    self.permits.push((permit, effect));
                }
                Wake::Perform(permit) => {
                    let effect = all
                        .iter()
                        .find(|e| e.digest() == permit.digest())
                        .cloned()
                        .unwrap();
                    self.permits.push((permit, effect));
                }
                Wake::Refuse(..) | Wake::Forget(_) => {}
            }
        }
    }

    /// A yes, as the rules of the house have it: to this very content, by enough different people.
    fn yes(&mut self, card: &Card, answer: &Answer) {
        let Choice::Allow { times } = answer.choice else {
            return;
        };
        let votes = self.votes.entry(card.digest()).or_default();
        votes.push(answer.approver.person.clone());
        if votes.len() >= card.requirement.count as usize {
            assert!(
                self.done.insert(card.digest()),
                "an answer counted twice: {answer:?}"
            );
            for member in &card.members {
                let waiting = u32::try_from(member.waiting()).unwrap().max(1);
                *self.said.entry(member.digest).or_default() += times.min(waiting);
            }
        }
    }
}

fn now(clock: &mut u64, jump: i64) -> Time {
    *clock = clock.saturating_add_signed(jump);
    Time(*clock)
}

fn play(steps: Vec<(Step, i64)>) -> Result<(), TestCaseError> {
    let settings = Settings {
        hourly: 1000,
        ..Settings::default()
    };
    let (mut holds, mut model, mut clock) = (with(settings), Model::default(), 1_000_000);
    let mut salt = 0;
    let all: Vec<Effect> = (0..3).map(some_effect).collect();
    for (step, jump) in steps {
        let now = now(&mut clock, jump);
        // For as long as the clock is behind what it once said, no yes lasts.
        if now < model.latest {
            model.votes.clear();
        }
        model.latest = model.latest.max(now);
        let wakes = holds.tick(now);
        model.take(wakes, &all);
        match step {
            Step::Ask {
                effect,
                waits,
                kept,
                two,
            } => asked(
                &mut holds,
                &mut model,
                &some_effect(effect),
                (waits, kept, two),
                now,
            ),
            Step::Answer {
                card,
                yes,
                times,
                who,
            } => {
                let cards: Vec<Card> = holds.cards().into_iter().cloned().collect();
                let Some(card) = cards.get(card) else { continue };
                let choice = if yes {
                    Choice::Allow { times }
                } else {
                    Choice::Deny(None)
                };
                let mut made = answer(card, choice);
                made.approver = person(if who { "ann" } else { "bob" });
                answered(&mut holds, &mut model, made, &all, now);
            }
            Step::Replay(n) => {
                if let Some(old) = model.answers.get(n).cloned() {
                    answered(&mut holds, &mut model, old, &all, now);
                }
            }
            Step::Forge { from, to } => {
                let Some(mut old) = model.answers.get(from).cloned() else {
                    continue;
                };
                let Some(id) = holds.cards().get(to).map(|c| c.id) else {
                    continue;
                };
                if holds.cards().iter().any(|c| c.id == id && c.digest() == old.card) {
                    continue;
                }
                old.id = id;
                prop_assert!(holds.answer(old, now).is_err());
            }
            Step::Release { permit, effect } => {
                if model.permits.is_empty() {
                    continue;
                }
                let at = permit % model.permits.len();
                let (permit, own) = model.permits.swap_remove(at);
                let effect = effect.map_or(own, some_effect);
                released(&mut holds, &mut model, permit, &effect, now)?;
            }
            Step::Gone(waiter) => holds.gone(waiter),
            Step::Restart => {
                let kept = holds.tickets();
                salt += 1;
                holds = salted(settings, salt);
                holds.restore(kept, now);
                model.latest = now;
            }
            Step::Freeze => {
                let wakes = holds.freeze();
                model.take(wakes, &all);
            }
        }
    }
    Ok(())
}

fn asked(holds: &mut Holds, model: &mut Model, effect: &Effect, how: (bool, bool, bool), now: Time) {
    let (waits, kept, two) = how;
    model.next += 1;
    let waiter = waits.then_some(model.next);
    model.waiters.insert(model.next, effect.clone());
    let count = if two { 2 } else { 1 };
    let requirement = Requirement {
        count,
        ..Requirement::default()
    };
    if let Verdict::Go(permit) = holds.ask(
        Ask {
            requirement,
            waiter,
            kept,
            ..ask(effect, 0)
        },
        now,
    ) {
        assert_eq!(permit.digest(), effect.digest());
        model.permits.push((permit, effect.clone()));
    }
}

fn answered(holds: &mut Holds, model: &mut Model, answer: Answer, all: &[Effect], now: Time) {
    let shown = holds.cards().into_iter().find(|c| c.id == answer.id).cloned();
    model.answers.push(answer.clone());
    if let Ok(done) = holds.answer(answer.clone(), now) {
        let card = shown.unwrap();
        assert_eq!(card.digest(), answer.card);
        model.yes(&card, &answer);
        if let Answered::Done(wakes) = done {
            model.take(wakes, all);
        }
    }
}

fn released(
    holds: &mut Holds,
    model: &mut Model,
    permit: Permit,
    effect: &Effect,
    now: Time,
) -> Result<(), TestCaseError> {
    let hold = Decision::Hold(reason());
    let digest = effect.digest();
    if holds
        .release(permit, digest, &Facts::new(), &hold, Some(Recorded(0)), now)
        .is_ok()
    {
        let said = model.said.get_mut(&digest);
        prop_assert!(
            said.as_deref().is_some_and(|n| *n > 0),
            "released what nobody allowed: {effect:?}"
        );
        *said.unwrap() -= 1;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn nothing_is_released_that_nobody_allowed(
        steps in proptest::collection::vec((step(), prop_oneof![60 => 0..3_000i64, 2 => 0..2_000_000i64, 1 => -2_000i64..0]), 1..60),
    ) {
        play(steps)?;
    }
}
