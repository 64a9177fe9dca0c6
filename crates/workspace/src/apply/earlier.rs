//! A file that an undo brought back has a new time, though it is the version that an earlier apply left: that one can be
//! taken back, too.

use crate::beneath::{Identity, Tree};
use crate::error::{At, Result};
use crate::journal::{self, Applies, Journal, State, Step};
use std::collections::HashMap;
use std::path::Path;

/// Tells the applies before `number` how what they left is known now. Doing it twice is doing it once.
pub(super) fn tell(applies: &Applies, number: u64, journal: &Journal, project: &Tree) -> Result<()> {
    let mut back: HashMap<&Path, (Identity, Identity)> = HashMap::new();
    for (path, step) in &journal.steps {
        let (Step::Remove(before)
        | Step::Put {
            before: Some(before), ..
        }) = step
        else {
            continue;
        };
        let now = project.facts(path).at("look at", path)?.map(|f| f.identity);
        // Copied back, from another filesystem, it is another file: that cannot be told from an edit.
        if let Some(now) = now.filter(|now| now.inode == before.inode) {
            back.insert(path, (*before, now));
        }
    }
    let earlier = applies.numbers()?.into_iter().rev().filter(|n| *n < number);
    for folder in earlier.map(|n| applies.folder(n)) {
        if back.is_empty() {
            break;
        }
        if journal::state(&folder)? != Some(State::Done) {
            continue;
        }
        let mut after = journal::load_after(&folder)?;
        let mut told = false;
        for ((path, _), left) in Journal::load(&folder)?.steps.iter().zip(&mut after) {
            if let Some((before, now)) = back.get(path.as_path())
                && *left == Some(*before)
            {
                *left = Some(*now);
                told = true;
                back.remove(path.as_path());
            }
        }
        if told {
            journal::save_after(&folder, &after)?;
        }
    }
    Ok(())
}
