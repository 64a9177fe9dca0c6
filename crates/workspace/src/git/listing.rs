//! What git printed in a sandbox about commits that a session made: hostile bytes, read into types. Pure
//! functions; whatever does not read is `None`, and the commits then wait for a person.

use super::name::ObjectId;
use crate::changes::{Change, Node};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// One side of a line of `git diff-tree --raw`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    /// Git's mode: 100644, 100755, 120000 (link), 160000 (submodule); 0 for nothing.
    pub mode: u32,
    /// The blob.
    pub id: ObjectId,
}

/// One path that a commit changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    pub path: PathBuf,
    pub before: Side,
    pub after: Side,
}

/// What one commit changed: of a merge, only what differs from every parent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Commit {
    pub id: Option<ObjectId>,
    pub changes: Vec<Raw>,
}

/// Reads `git diff-tree --stdin -m -r --root --raw -z --no-abbrev --no-renames` fed with lines of
/// `git rev-list --parents`: for each parent the commit's id, then its changes.
pub(crate) fn commits(bytes: &[u8], parents: &BTreeMap<ObjectId, usize>) -> Option<Vec<Commit>> {
    let mut seen: BTreeMap<ObjectId, BTreeMap<PathBuf, (usize, Raw)>> = BTreeMap::new();
    let mut now: Option<ObjectId> = None;
    let mut words = bytes.split(|b| *b == 0);
    while let Some(word) = words.next() {
        if word.is_empty() && words.clone().next().is_none() {
            break;
        }
        if !word.starts_with(b":") {
            let id = ObjectId::parse(word.trim_ascii_end())?;
            seen.entry(id.clone()).or_default();
            now = Some(id);
            continue;
        }
        let raw = raw(word, words.next()?)?;
        let paths = seen.get_mut(now.as_ref()?)?;
        let entry = paths.entry(raw.path.clone()).or_insert_with(|| (0, raw.clone()));
        entry.0 += 1;
    }
    let judged = seen.into_iter().map(|(id, paths)| {
        let all = parents.get(&id).copied().unwrap_or(0).max(1);
        let own = paths.into_values().filter(|(n, _)| *n >= all).map(|(_, raw)| raw);
        Commit {
            id: Some(id),
            changes: own.collect(),
        }
    });
    Some(judged.collect())
}

/// Reads the same of two trees, without ids of commits.
pub(crate) fn changes(bytes: &[u8]) -> Option<Vec<Raw>> {
    let mut words = bytes.split(|b| *b == 0);
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        if word.is_empty() && words.clone().next().is_none() {
            break;
        }
        found.push(raw(word, words.next()?)?);
    }
    Some(found)
}

/// `:100644 100755 ID ID M`, and the path.
fn raw(word: &[u8], path: &[u8]) -> Option<Raw> {
    let text = std::str::from_utf8(word).ok()?.strip_prefix(':')?;
    let mut parts = text.split(' ');
    let mode = |text: Option<&str>| u32::from_str_radix(text?, 8).ok();
    let (before, after) = (mode(parts.next())?, mode(parts.next())?);
    let id = |text: Option<&str>| ObjectId::parse(text?.as_bytes());
    let (from, to) = (id(parts.next())?, id(parts.next())?);
    let path = Path::new(OsStr::from_bytes(path));
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    (plain && !path.as_os_str().is_empty()).then(|| Raw {
        path: path.to_owned(),
        before: Side {
            mode: before,
            id: from,
        },
        after: Side { mode: after, id: to },
    })
}

/// `git rev-list --parents`: how many parents each commit has.
pub(crate) fn parents(bytes: &[u8]) -> Option<BTreeMap<ObjectId, usize>> {
    let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines
        .map(|line| {
            let mut words = line.split(|b| *b == b' ');
            let id = ObjectId::parse(words.next()?)?;
            Some((id, words.count()))
        })
        .collect()
}

/// `git cat-file --batch`: contents by id.
pub(crate) fn blobs(mut bytes: &[u8]) -> Option<HashMap<ObjectId, &[u8]>> {
    let mut found = HashMap::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|b| *b == b'\n')?;
        let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let rest = bytes.get(end + 1..)?;
        let mut parts = head.split(' ');
        let id = ObjectId::parse(parts.next()?.as_bytes())?;
        if parts.next()? != "blob" {
            return None;
        }
        let size: usize = parts.next()?.parse().ok()?;
        found.insert(id, rest.get(..size)?);
        if rest.get(size) != Some(&b'\n') {
            return None;
        }
        bytes = rest.get(size + 1..)?;
    }
    Some(found)
}

/// What the judge is shown of one path.
pub(crate) fn as_change(raw: &Raw, blobs: &HashMap<ObjectId, &[u8]>) -> Change {
    let node = |side: &Side| match side.mode & 0o170_000 {
        0o120_000 => {
            let target = blobs.get(&side.id).copied().unwrap_or(b"/");
            Some(Node::Link(OsStr::from_bytes(target).to_owned()))
        }
        0o100_000 => Some(Node::File {
            mode: side.mode & 0o777,
            size: blobs.get(&side.id).map_or(0, |b| b.len() as u64),
        }),
        0 => None,
        _ => Some(Node::Special),
    };
    Change {
        path: raw.path.clone(),
        before: node(&raw.before),
        after: node(&raw.after),
        conflict: false,
        text: None,
        host: None,
        layer: None,
        content_same: raw.before.id == raw.after.id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const C: &str = "cccccccccccccccccccccccccccccccccccccccc";

    fn line(path: &str) -> String {
        format!(":100644 100755 {A} {B} M\0{path}\0")
    }

    #[test]
    fn a_merge_is_judged_by_what_no_parent_has() {
        let both = format!("{C}\0{}{}{C}\0{}", line("mine"), line("theirs"), line("mine"));
        let parents = parents(format!("{C} {A} {B}\n").as_bytes()).unwrap();
        let read = commits(both.as_bytes(), &parents).unwrap();
        let paths: Vec<_> = read[0].changes.iter().map(|c| c.path.clone()).collect();
        assert_eq!(paths, [PathBuf::from("mine")]);
    }

    #[test]
    fn paths_that_lead_out_are_not_read() {
        for path in ["../x", "/etc/passwd", "a/../b", ""] {
            assert_eq!(changes(line(path).as_bytes()), None, "{path}");
        }
        assert_eq!(changes(line("a/b").as_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn blobs_are_cut_out_by_their_size() {
        let text = format!("{A} blob 3\na\nb\n{B} blob 0\n\n");
        let read = blobs(text.as_bytes()).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[&ObjectId::parse(A.as_bytes()).unwrap()], b"a\nb");
        assert_eq!(blobs(format!("{A} blob 99\na\n").as_bytes()), None);
        assert_eq!(blobs(format!("{A} missing\n").as_bytes()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_read_or_do_not(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let none = BTreeMap::new();
            let _any = (commits(&bytes, &none), changes(&bytes), blobs(&bytes), parents(&bytes));
        }

        #[test]
        fn any_change_of_a_right_text_reads_or_does_not(at in 0usize..200, byte in any::<u8>()) {
            let mut bytes = format!("{C}\0{}{}", line("a"), line("b/c")).into_bytes();
            if let Some(b) = bytes.get_mut(at) { *b = byte; }
            let _any = (commits(&bytes, &BTreeMap::new()), changes(&bytes));
        }
    }
}
