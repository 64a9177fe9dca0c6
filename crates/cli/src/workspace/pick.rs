//! `fumehood apply -p`: each change, and each part of a text, is shown and asked about.
//!
//! What is installed are the bytes that were shown, whatever a session that runs makes of them meanwhile.

use crate::say;
use fumehood_policy::Escaped;
use fumehood_workspace::Session;
use fumehood_workspace::apply::Picked;
use fumehood_workspace::changes::Change;
use fumehood_workspace::diff::{Colours, contents, heading, hunk, texts, unified};
use fumehood_workspace::finding::Judge;
use fumehood_workspace::hunk::Hunks;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

const HELP: &str = "y: take it; n: leave it; a: take it and the rest of this file; d: leave it and the rest of this \
                    file; s: split it into smaller parts; q: ask no more, apply what was taken; ?: this";

/// What was taken, by path.
pub(super) fn pick(
    session: &Session,
    list: &[&Change],
    over_conflicts: bool,
    colours: Colours,
) -> Result<BTreeMap<PathBuf, Picked>, String> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err("-p asks at a terminal; name the paths instead".to_owned());
    }
    let all: Vec<Change> = list.iter().map(|c| (*c).clone()).collect();
    let judge = Judge::of(&all);
    let mut picked = BTreeMap::new();
    for change in list.iter().filter(|c| is_asked(c)) {
        if change.conflict && !over_conflicts {
            let path = Escaped::from(change.path.as_path());
            say::line(&format!(
                "conflict: {path}: the project changed it too; look with `fumehood diff`, take it with --force -p"
            ));
            continue;
        }
        let both = contents(session, change).map_err(|e| e.to_string())?;
        let found = judge.judge(change, both.before(), both.after());
        let finding = (!found.is_empty()).then(|| format!("finding: {}\n", super::reasons(&found)));
        let hunks = texts(change, &both).and_then(|(old, new)| Hunks::of(old, new));
        let whole = || match both.after() {
            Some(bytes) if texts(change, &both).is_some() => Picked::Seen(bytes.to_vec()),
            _ => Picked::Whole,
        };
        let answer = match &hunks {
            Some(hunks) => {
                show(&(heading(change, colours) + &finding.unwrap_or_default()));
                let show_one = |group: &Range<usize>| show(&hunk(hunks, group, colours));
                let parts = Parts::of(hunks);
                parts.ask(&change.path, &show_one, &mut answer)
            }
            None => {
                show(&(unified(change, &both, colours) + &finding.unwrap_or_default()));
                Parts::one().ask(&change.path, &|_| (), &mut answer)
            }
        };
        let taken = match (&answer.taken, &hunks) {
            (taken, _) if taken.iter().all(|t| *t) => Some(whole()),
            (taken, Some(hunks)) if taken.contains(&true) => {
                Some(Picked::Part(hunks.with(|n| taken.get(n) == Some(&true))))
            }
            _ => None,
        };
        picked.extend(taken.map(|taken| (change.path.clone(), taken)));
        if answer.enough {
            break;
        }
    }
    emptied(list, &mut picked);
    Ok(picked)
}

/// Folders come with what lies in them, and go when all of it does.
fn is_asked(change: &Change) -> bool {
    !change.is_directory() || (change.before.is_some() && change.after.is_some())
}

fn emptied(list: &[&Change], picked: &mut BTreeMap<PathBuf, Picked>) {
    let goes = |c: &&&Change| c.is_directory() && c.after.is_none();
    for folder in list.iter().filter(goes) {
        let below = |c: &&&Change| is_asked(c) && c.path.starts_with(&folder.path);
        let mut below = list.iter().filter(below).peekable();
        if below.peek().is_some() && below.all(|c| picked.get(&c.path) == Some(&Picked::Whole)) {
            picked.insert(folder.path.clone(), Picked::Whole);
        }
    }
}

fn show(text: &str) {
    let _closed = write!(std::io::stdout(), "{text}").and_then(|()| std::io::stdout().flush());
}

/// A line of the user's; nothing where there is no more.
fn answer(question: &str) -> Option<String> {
    say::question(question);
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim().to_owned())
}

/// What is asked about one change: its pieces, in the groups that are shown together.
struct Parts {
    groups: Vec<Range<usize>>,
    pieces: usize,
}

/// What was said.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    /// By piece.
    taken: Vec<bool>,
    /// Nothing more is to be asked.
    enough: bool,
}

impl Parts {
    fn of(hunks: &Hunks<'_>) -> Parts {
        Parts {
            groups: hunks.groups(),
            pieces: hunks.len(),
        }
    }

    /// What is taken whole or not at all.
    fn one() -> Parts {
        Parts {
            groups: std::iter::once(0..1).collect(),
            pieces: 1,
        }
    }

    fn ask(
        self,
        path: &Path,
        show: &dyn Fn(&Range<usize>),
        answer: &mut dyn FnMut(&str) -> Option<String>,
    ) -> Answer {
        let shown = Escaped::from(path).to_string();
        let mut said = Answer {
            taken: vec![false; self.pieces],
            enough: false,
        };
        let mut groups = self.groups;
        let mut n = 0;
        while let Some(group) = groups.get(n).cloned() {
            show(&group);
            let splits = group.len() > 1;
            let part = match groups.len() {
                1 => String::new(),
                all => format!(" ({}/{all})", n + 1),
            };
            let keys = if splits { "y,n,a,d,s,q,?" } else { "y,n,a,d,q,?" };
            let word = answer(&format!("take {shown}{part}? [{keys}] "));
            let mut take = |pieces: Range<usize>| {
                let all = said.taken.get_mut(pieces).unwrap_or_default();
                all.iter_mut().for_each(|t| *t = true);
            };
            match word.as_deref() {
                Some("y") => take(group),
                Some("n") => {}
                Some("a") => {
                    take(group.start..self.pieces);
                    return said;
                }
                Some("d") => return said,
                Some("s") if splits => {
                    groups.splice(n..=n, group.map(|piece| piece..piece + 1));
                    continue;
                }
                Some("q") | None => {
                    said.enough = true;
                    return said;
                }
                Some(_) => {
                    say::line(HELP);
                    continue;
                }
            }
            n += 1;
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three pieces, the first two shown together.
    fn asked(words: &[&str]) -> (Answer, usize) {
        let parts = Parts {
            groups: vec![0..2, 2..3],
            pieces: 3,
        };
        let mut words = words.iter();
        let said = parts.ask(Path::new("x"), &|_| (), &mut |_| {
            words.next().map(|w| (*w).to_owned())
        });
        (said, words.len())
    }

    #[test]
    fn each_key_does_what_the_help_says() {
        for (words, taken, enough) in [
            (&["y", "n"][..], [true, true, false], false),
            (&["n", "y"], [false, false, true], false),
            (&["s", "n", "y", "n"], [false, true, false], false),
            (&["a"], [true, true, true], false),
            (&["n", "a"], [false, false, true], false),
            (&["d"], [false, false, false], false),
            (&["y", "d"], [true, true, false], false),
            (&["y", "q"], [true, true, false], true),
            (&["?", "", "yes", "n", "n"], [false, false, false], false),
            // The last one has one piece only, and cannot be split.
            (&["n", "s", "y"], [false, false, true], false),
            // The terminal is gone: nothing more is taken.
            (&["y"], [true, true, false], true),
            (&[], [false, false, false], true),
        ] {
            let (said, left) = asked(words);
            assert_eq!(
                (&said.taken[..], said.enough, left),
                (&taken[..], enough, 0),
                "{words:?}"
            );
        }
    }
}
