//! `fumehood audit erase`: what a session recorded is forgotten, and its tree still verifies.

use super::{Here, find, print, terminal};
use crate::workspace::plural;
use fumehood_audit::{Clock, EraseError, inspect_index, sessions};
use std::path::Path;
use std::time::Duration;

/// How many sessions one run erases at its end.
const AT_ONCE: usize = 64;

/// Erases one session, or all that began before a time.
pub(super) fn erase(here: &Here, session: Option<&str>, before: Option<&str>) -> Result<bool, String> {
    let ids = match (session, before) {
        (Some(named), _) => vec![find::session(here, Some(named))?],
        (None, before) => {
            let before = find::time("--before", before, 0)?;
            older(&here.root, &Clock::of_nanos(before).compact())
        }
    };
    let mut good = true;
    let mut erased = 0;
    for id in &ids {
        match fumehood_audit::erase(&here.root, id) {
            Ok(()) => {
                terminal::forget(&here.places.state(), id);
                erased += 1;
            }
            Err(error) => {
                good = false;
                crate::say::line(&format!("{id}: {error}"));
            }
        }
    }
    print(&format!("erased what {} recorded\n", plural(erased, "session")))?;
    Ok(good)
}

/// Sessions that began before this moment, in the form that their names begin with, and were not erased yet.
fn older(root: &Path, moment: &str) -> Vec<String> {
    let known = inspect_index(root, &[])
        .map(|(_, known)| known)
        .unwrap_or_default();
    let still = |id: &String| known.get(id).is_some_and(|known| !known.erased);
    let older = |id: &String| id.as_str() < moment;
    sessions(root).into_iter().filter(older).filter(still).collect()
}

/// Erases what is older, some at a time.
pub(super) fn older_than(root: &Path, state: &Path, keep: Duration) {
    let keep = u64::try_from(keep.as_nanos()).unwrap_or(u64::MAX);
    let moment = Clock::of_nanos(Clock::now().nanos().saturating_sub(keep));
    for id in older(root, &moment.compact()).iter().take(AT_ONCE) {
        let done: Result<(), EraseError> = fumehood_audit::erase(root, id);
        if done.is_ok() {
            terminal::forget(state, id);
        }
    }
}
