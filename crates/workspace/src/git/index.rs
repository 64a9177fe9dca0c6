//! Git's index, as far as it names the owners of files (git's `Documentation/gitformat-index.adoc`).
//!
//! A sandbox of root's shows the project's files as another account's. An index that is copied as it is would name
//! other owners than git sees, and its first `git status` would read every file again.

use crate::session::Owner;
use fumehood_effect::Digest;
use sha1::{Digest as _, Sha1};

/// Up to and with the mode; the owners follow.
const TIMES_AND_PLACE: usize = 28;
/// What `stat` tells, before the object's id.
const STAT: usize = 40;
/// Of the flags: there are two more bytes of them.
const EXTENDED: u16 = 0x4000;
/// Of the flags: the length of the name, all of them set where it is longer.
const LENGTH: u16 = 0x0fff;

/// The same index for whoever sees `owner`'s files as `inside`'s, and everybody else's as nobody's. `None`: it is none
/// that is known, or its checksum is wrong; it serves as it is.
pub(super) fn seen_as(index: &[u8], owner: Owner, inside: Owner) -> Option<Vec<u8>> {
    const NOBODY: u32 = 65534;
    let checksum = Checksum::of(index)?;
    let version = number(index, 4)?;
    if index.get(..4)? != b"DIRC" || !(2..=4).contains(&version) {
        return None;
    }
    let mut changed = index.to_vec();
    let mut at = 12;
    for _ in 0..number(index, 8)? {
        for (offset, owner, inside) in [(0, owner.uid, inside.uid), (4, owner.gid, inside.gid)] {
            let place = at + TIMES_AND_PLACE + offset;
            let seen = if number(index, place)? == owner {
                inside
            } else {
                NOBODY
            };
            changed
                .get_mut(place..place + 4)?
                .copy_from_slice(&seen.to_be_bytes());
        }
        at = next(index, at, version, checksum.size())?;
    }
    let body = changed.len().checked_sub(checksum.size())?;
    let (content, end) = changed.split_at_mut(body);
    end.copy_from_slice(&checksum.over(content));
    Some(changed)
}

/// The paths of all entries, as bytes. An index that does not read to its end gives those before.
pub(super) fn names(index: &[u8]) -> Vec<Vec<u8>> {
    // Whatever checksum there is, the entries of one kind of id do not read as the other's.
    let of = |size| collect(index, size).unwrap_or_default();
    match Checksum::of(index) {
        Some(checksum) => of(checksum.size()),
        None => of(Checksum::Sha1.size()), // its checksum is left out: index.skipHash
    }
}

fn collect(index: &[u8], id: usize) -> Option<Vec<Vec<u8>>> {
    let version = number(index, 4)?;
    if index.get(..4)? != b"DIRC" || !(2..=4).contains(&version) {
        return None;
    }
    let (mut at, mut names) = (12, Vec::<Vec<u8>>::new());
    for _ in 0..number(index, 8)? {
        let Some((name, next)) = name(index, at, version, id, names.last()) else {
            break;
        };
        names.push(name);
        at = next;
    }
    Some(names)
}

/// An entry's name, given the one before, and where the next entry begins.
fn name(
    index: &[u8],
    at: usize,
    version: u32,
    id: usize,
    before: Option<&Vec<u8>>,
) -> Option<(Vec<u8>, usize)> {
    let next = next(index, at, version, id)?;
    let flags = at + STAT + id;
    let word = u16::from_be_bytes(index.get(flags..flags + 2)?.try_into().ok()?);
    let mut from = flags + if version > 2 && word & EXTENDED != 0 { 4 } else { 2 };
    let mut name = Vec::new();
    if version == 4 {
        let mut cut = 0usize;
        for (n, byte) in index.get(from..next)?.iter().enumerate() {
            // As offsets in a pack: each further byte adds one first.
            cut = if n == 0 { 0 } else { cut.checked_add(1)? };
            cut = cut.checked_mul(128)? + usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                from += n + 1;
                break;
            }
        }
        let before = before.map(Vec::as_slice).unwrap_or_default();
        name.extend_from_slice(before.get(..before.len().checked_sub(cut)?)?);
    }
    let rest = index.get(from..next)?;
    name.extend(rest.iter().take_while(|b| **b != 0));
    Some((name, next))
}

/// Where the entry after this one begins.
fn next(index: &[u8], at: usize, version: u32, id: usize) -> Option<usize> {
    let flags = at + STAT + id;
    let word = u16::from_be_bytes(index.get(flags..flags + 2)?.try_into().ok()?);
    let name = flags + if version > 2 && word & EXTENDED != 0 { 4 } else { 2 };
    let zero = |from: usize| Some(from + index.get(from..)?.iter().position(|b| *b == 0)?);
    if version == 4 {
        // How much of the name before is cut off, seven bits a byte; then the rest.
        let digits = index.get(name..)?.iter().position(|b| b & 0x80 == 0)? + 1;
        return Some(zero(name + digits)? + 1);
    }
    let end = match word & LENGTH {
        LENGTH => zero(name)?,
        length => name + usize::from(length),
    };
    // One to eight bytes of zeros, to a multiple of eight.
    Some(end + 8 - (end - at) % 8)
}

fn number(index: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(
        index.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

/// What stands at the end, by the kind of the repository's ids.
enum Checksum {
    Sha1,
    Sha256,
}

impl Checksum {
    /// Which one is right: what is wrong must not be made right.
    fn of(index: &[u8]) -> Option<Checksum> {
        [Checksum::Sha1, Checksum::Sha256].into_iter().find(|kind| {
            let body = index.len().checked_sub(kind.size()).filter(|body| *body >= 12);
            body.and_then(|body| index.split_at_checked(body))
                .is_some_and(|(content, end)| kind.over(content) == end)
        })
    }

    fn size(&self) -> usize {
        match self {
            Checksum::Sha1 => 20,
            Checksum::Sha256 => 32,
        }
    }

    fn over(&self, content: &[u8]) -> Vec<u8> {
        match self {
            Checksum::Sha1 => Sha1::digest(content).to_vec(),
            Checksum::Sha256 => Digest::of(content).as_bytes().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const OWNER: Owner = Owner { uid: 12, gid: 34 };
    const INSIDE: Owner = Owner { uid: 1000, gid: 1001 };

    /// Git's own, of every version and kind of id; its entries by `git ls-files --debug`.
    #[expect(clippy::disallowed_methods, reason = "git is the judge")]
    fn repository(format: &str, version: &str) -> (tempfile::TempDir, impl Fn(&[&str]) -> String) {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_owned();
        let git = move |words: &[&str]| {
            let out = Command::new("git")
                .args(words)
                .current_dir(&at)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .output()
                .unwrap();
            assert!(out.status.success(), "{words:?} {out:?}");
            String::from_utf8(out.stdout).unwrap()
        };
        git(&["init", "-q", &format!("--object-format={format}")]);
        git(&["config", "index.version", version]);
        let long = "n".repeat(250);
        for n in 0..40 {
            let deep = folder
                .path()
                .join(format!("{}/d{}", long.get(..n * 6).unwrap(), n % 3));
            std::fs::create_dir_all(&deep).unwrap();
            std::fs::write(deep.join(format!("file{}", "x".repeat(n))), "x").unwrap();
        }
        let far = (0..17).fold(folder.path().to_owned(), |path, _| path.join(&long));
        assert!(std::fs::create_dir_all(far.parent().unwrap()).is_ok());
        git(&["add", "-A"]);
        // One with extended flags, which makes a version 2 one of version 3.
        std::fs::write(folder.path().join("later"), "x").unwrap();
        git(&["add", "-N", "later"]);
        (folder, git)
    }

    #[test]
    fn what_git_wrote_names_the_others_and_is_gits_again() {
        for (format, version) in [("sha1", "2"), ("sha1", "4"), ("sha256", "2"), ("sha256", "4")] {
            let (folder, git) = repository(format, version);
            let path = folder.path().join(".git/index");
            let index = std::fs::read(&path).unwrap();
            let before = git(&["ls-files", "--debug", "--stage"]);
            let own = Owner {
                uid: rustix::process::getuid().as_raw(),
                gid: rustix::process::getgid().as_raw(),
            };
            std::fs::write(&path, seen_as(&index, own, INSIDE).unwrap()).unwrap();
            git(&["fsck"]); // looks at the checksum
            let after = git(&["ls-files", "--debug", "--stage"]);
            let named = format!("uid: {}\tgid: {}", own.uid, own.gid);
            assert!(before.matches(&named).count() >= 40, "{before}");
            // What is only meant to be added has no facts yet.
            let inside = before
                .replace(&named, "uid: 1000\tgid: 1001")
                .replace("uid: 0\tgid: 0", "uid: 65534\tgid: 65534");
            let after = after.replace("uid: 0\tgid: 0", "uid: 65534\tgid: 65534");
            assert_eq!(after, inside, "{format} {version}");
        }
    }

    #[test]
    fn the_names_are_gits() {
        for (format, version) in [("sha1", "2"), ("sha1", "4"), ("sha256", "2"), ("sha256", "4")] {
            let (folder, git) = repository(format, version);
            let mut index = std::fs::read(folder.path().join(".git/index")).unwrap();
            let listed = git(&["ls-files", "-z"]);
            let expected: Vec<&[u8]> = listed
                .as_bytes()
                .split(|b| *b == 0)
                .filter(|n| !n.is_empty())
                .collect();
            assert!(expected.len() >= 40);
            assert_eq!(names(&index), expected, "{format} {version}");
            if format == "sha1" {
                let end = index.len() - 20;
                index[end..].fill(0); // index.skipHash
                assert_eq!(names(&index), expected);
            }
        }
    }

    #[test]
    fn what_is_wrong_serves_as_it_is() {
        let (folder, _) = repository("sha1", "2");
        let index = std::fs::read(folder.path().join(".git/index")).unwrap();
        let mut wrong = index.clone();
        wrong[100] ^= 1;
        assert!(seen_as(&index, OWNER, INSIDE).is_some());
        assert_eq!(seen_as(&wrong, OWNER, INSIDE), None);
        assert_eq!(seen_as(&index[..index.len() - 1], OWNER, INSIDE), None);
        assert_eq!(seen_as(b"", OWNER, INSIDE), None);
    }

    proptest::proptest! {
        /// With a right checksum, so that the entries are looked at: any bytes end, and nothing but owners changes.
        #[test]
        fn any_entries_end(version in 0u32..6, count in 0u32..9, body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
            let mut index = [&b"DIRC"[..], &version.to_be_bytes(), &count.to_be_bytes(), &body].concat();
            index.extend(Sha1::digest(&index));
            proptest::prop_assert!(names(&index).len() <= 9);
            if let Some(changed) = seen_as(&index, OWNER, INSIDE) {
                proptest::prop_assert_eq!(changed.len(), index.len());
                proptest::prop_assert!(matches!(Checksum::of(&changed), Some(Checksum::Sha1)));
            }
        }
    }
}
