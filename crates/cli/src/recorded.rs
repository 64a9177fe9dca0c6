//! Applies, undos and discards in the log. What happens while a session is recorded goes into its own log; what a person
//! does later, when that log has ended and its keys are gone, goes into the account's index (docs/log.md §6).

use crate::run::log_root;
use crate::say;
use fumehood_audit::{Account, Entry, Kind, SystemJournal};
use fumehood_effect::Digest;
use fumehood_workspace::Manifest;
use fumehood_workspace::apply::Undone;
use fumehood_workspace::changes::Changes;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many bytes of a list of paths are recorded as they are.
const SHOWN: usize = 32 << 10;

/// An apply of a project, path by path.
pub(crate) fn apply(place: &Path, project: &Path, number: u64, by: &str) -> Entry {
    let entry = Entry::new(Kind::WorkspaceApply)
        .number("apply", number)
        .text("by", by)
        .bytes("project", project.as_os_str().as_bytes());
    match Manifest::of(place, project, number) {
        Ok(manifest) => {
            let entry = entry.text("workspace", &manifest.session);
            listed(entry, &manifest.entries())
        }
        Err(error) => entry.text("error", error),
    }
}

/// An apply that was taken back: what it had brought is in its own record.
pub(crate) fn undo(project: &Path, undone: &Undone) -> Entry {
    let entry = Entry::new(Kind::WorkspaceUndo)
        .number("apply", undone.number)
        .number("conflicts", undone.conflicts.len() as u64)
        .number("failed", undone.failed.len() as u64)
        .bytes("project", project.as_os_str().as_bytes());
    listed(
        entry,
        &paths(undone.paths.iter().map(|path| ("back".to_owned(), path))),
    )
}

/// Changes that are forgotten.
pub(crate) fn discard(project: &Path, workspace: &str, changes: Option<&Changes>) -> Entry {
    let entry = Entry::new(Kind::WorkspaceDiscard)
        .text("workspace", workspace)
        .bytes("project", project.as_os_str().as_bytes());
    match changes {
        Some(changes) => {
            let all = changes
                .list
                .iter()
                .map(|c| (c.status().letter().to_string(), &c.path));
            listed(entry, &paths(all))
        }
        None => entry.text("error", "what was changed could not be read"),
    }
}

fn paths<'a>(all: impl Iterator<Item = (String, &'a PathBuf)>) -> Vec<Vec<u8>> {
    let entry = |(word, path): (String, &PathBuf)| {
        [word.as_bytes(), b" ", path.as_os_str().as_bytes(), b"\0"].concat()
    };
    all.map(entry).collect()
}

/// Whole entries as far as they fit, how many there are, and the digest of all.
fn listed(entry: Entry, entries: &[Vec<u8>]) -> Entry {
    let mut shown = Vec::new();
    let fits = entries.iter().take_while(|e| {
        shown.extend_from_slice(e);
        shown.len() <= SHOWN
    });
    let fits = fits.count();
    let length: usize = entries.iter().take(fits).map(Vec::len).sum();
    shown.truncate(length);
    let entry = entry
        .number("paths", entries.len() as u64)
        .bytes("list", &shown)
        .digest("list.digest", Digest::of(&entries.concat()));
    if fits < entries.len() {
        entry.flag("cut", true)
    } else {
        entry
    }
}

/// Puts it into the account's index, on the disk when this returns. Where that fails it is said: what a person asked
/// for is done already.
pub(crate) fn in_index(state: &Path, entry: Entry) {
    let kept = Account::open(&log_root(state)).and_then(|mut account| {
        account.record_entry(entry)?;
        if let Some(journal) = SystemJournal::open() {
            journal.tell(account.note());
        }
        Ok(())
    });
    if let Err(error) = kept {
        say::line(&format!("this was not recorded: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fumehood_audit::{Memory, Recorder, Value};

    /// Of a long list the beginning is recorded, its length, and a digest of all of it.
    #[test]
    fn a_long_list_is_cut_at_an_entry() {
        let entries: Vec<Vec<u8>> = (0..5000)
            .map(|n| format!("A path/{n:06}\0").into_bytes())
            .collect();
        let log = Memory::default();
        log.record(listed(Entry::new(Kind::WorkspaceApply), &entries))
            .unwrap();
        let (_, fields, _) = log.entries().remove(0);
        assert_eq!(fields["paths"], Value::Number(5000));
        assert_eq!(fields["cut"], Value::Flag(true));
        assert_eq!(
            fields["list.digest"],
            Value::Digest(Digest::of(&entries.concat()))
        );
        let Value::Bytes(list) = &fields["list"] else {
            panic!("{fields:?}")
        };
        assert!(list.len() <= SHOWN && list.len() > SHOWN - 20 && list.ends_with(b"\0"));
    }
}
