//! `fumehood audit why`: what led to a record, back to the session's command, and what followed from it.

use super::{Here, event, find, print};
use fumehood_audit::{Question, Record};
use fumehood_policy::Escaped;
use std::collections::HashSet;
use std::ops::ControlFlow;

/// The most that is shown of what followed.
const FOLLOWED: usize = 1_000;

/// Prints the chain to a record and on from it, in the order in which it happened.
pub(super) fn why(here: &Here, named: &str, json: bool) -> Result<bool, String> {
    let (id, number) = find::event(here, named)?;
    let mut causes = Vec::new();
    let mut there = false;
    find::each(here, &id, &Question::default(), |record| {
        causes.extend(record.cause.map(|cause| (record.sequence, cause)));
        there |= record.sequence == number;
        Ok(ControlFlow::Continue(()))
    })?;
    if !there {
        return Err(format!("{}: there is no such record", Escaped::from(named)));
    }
    let wanted = chain(&causes, number);
    let mut out = String::new();
    find::each(here, &id, &Question::default(), |record| {
        if wanted.contains(&record.sequence) {
            out.push_str(&shown(&id, &record, number, json));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    print(&out)
}

fn shown(id: &str, record: &Record, number: u64, json: bool) -> String {
    if json {
        return format!("{}\n", event::json(id, record));
    }
    let mark = if record.sequence == number { "→ " } else { "  " };
    format!("{mark}{}", event::line(id, record))
}

/// The records that led to this one, itself, and those that it led to, in order. A cause always comes before what it led
/// to, so there is no end to be looked for, also in a log that someone else wrote.
fn chain(causes: &[(u64, u64)], number: u64) -> Vec<u64> {
    let mut at = number;
    let mut wanted = vec![number];
    let cause = |at: u64| {
        let place = causes.binary_search_by_key(&at, |(at, _)| *at).ok()?;
        causes.get(place).map(|(_, cause)| *cause)
    };
    while let Some(before) = cause(at).filter(|cause| *cause < at) {
        wanted.push(before);
        at = before;
    }
    let later = causes.iter().filter(|(at, _)| *at > number);
    // Of the session's command everything followed: that is what `show` tells.
    let mut followed = HashSet::from([number]);
    for (at, cause) in later.filter(|_| number > 0) {
        if followed.len() <= FOLLOWED && followed.contains(cause) {
            followed.insert(*at);
        }
    }
    wanted.extend(followed);
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

#[cfg(test)]
mod tests {
    use super::chain;
    #[test]
    fn a_chain_goes_back_to_the_command_and_on_to_what_followed() {
        // command 0; hold 3, answer 5, release 6, request 7; another hold 4 and its answer 8.
        let causes = [(3, 0), (4, 0), (5, 3), (6, 5), (7, 6), (8, 4)];
        assert_eq!(chain(&causes, 7), [0, 3, 5, 6, 7]);
        assert_eq!(chain(&causes, 3), [0, 3, 5, 6, 7]);
        assert_eq!(chain(&causes, 8), [0, 4, 8]);
        assert_eq!(chain(&causes, 0), [0]);
        // Causes that point forwards, as no log that verifies has them.
        let forged = [(1, 2), (2, 1), (3, 3)];
        assert_eq!(chain(&forged, 1), [1, 2]);
        assert_eq!(chain(&forged, 3), [3]);
    }
}
