//! Bringing out what was committed inside. No program of the host opens the session's git directory: a
//! pack and a list of refs are made in one sandbox, which sees that directory, the host's objects and
//! nothing else of the host's; they are read as hostile bytes, and the pack is indexed, checked and
//! listed in a second sandbox, in a repository that we made.

use super::listing::{self, Commit};
use super::name::{Head, ObjectId, RefName};
use super::refs::{Refs, Repository, id_and_name};
use super::{OBJECTS, folder_at, read};
use crate::beneath::{self, Tree};
use crate::error::{At, Error, Result};
use crate::finding::{Finding, Judge};
use crate::session::{Session, remove_tree};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the session's git directory is shown to the first job.
const GIT: &str = "/run/fumehood/git";
const MAKE: &str = include_str!("make.sh");
const CHECK: &str = include_str!("check.sh");
/// Bounds of what is read, in bytes.
const MOST_NAMES: u64 = 16 << 20;
const MOST_CHANGES: u64 = 128 << 20;
const MOST_CONTENT: u64 = 512 << 20;
/// A larger pack stays inside, and that is said.
const MOST_PACK: u64 = 4 << 30;

/// A program to be run with nothing but this to see.
#[derive(Debug)]
pub struct Job<'a> {
    /// Its directory, which it may write.
    pub folder: &'a Path,
    /// Shown to it, read-only: where on the host, and where inside.
    pub shown: Vec<(PathBuf, PathBuf)>,
    /// What `/bin/sh` does.
    pub script: &'static str,
}

/// Who runs a [`Job`] in a sandbox: without network, without the user's terminal, with a time limit.
pub trait Confined {
    /// Runs it to its end, and gives its exit status.
    ///
    /// # Errors
    /// It could not be run, in words.
    fn run(&self, job: &Job<'_>) -> std::result::Result<i32, String>;
}

/// A ref that was moved inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which.
    pub name: RefName,
    /// What the session began from.
    pub from: Option<ObjectId>,
    /// Where it is now; none: it was deleted.
    pub to: Option<ObjectId>,
    /// Why it waits to be named.
    pub held: Vec<Finding>,
}

/// A commit that the host does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommit {
    /// Its id.
    pub id: ObjectId,
    /// The first line of its message, as the committer wrote it: to be escaped.
    pub subject: Vec<u8>,
    /// What is found in what it changes, by path.
    pub found: Vec<(PathBuf, Vec<Finding>)>,
}

/// Everything of a session's repository that can come out.
#[derive(Debug, Default)]
pub struct Travel {
    /// Refs that moved.
    pub moves: Vec<Move>,
    /// HEAD, where it moved: from and to.
    pub head: Option<(Head, Head)>,
    /// Stashed inside, oldest first.
    pub stash: Vec<ObjectId>,
    /// What is found in stashed work.
    pub stash_held: Vec<Finding>,
    /// Commits the host does not have, newest first.
    pub commits: Vec<NewCommit>,
    /// Paths that differ between the host's HEAD and the one inside.
    pub paths: BTreeSet<PathBuf>,
    /// What stays inside, in words.
    pub stays: Vec<String>,
    /// Folder with the checked pack, if there are new objects.
    pub(crate) packs: Option<PathBuf>,
    /// What the tip of HEAD is inside.
    pub(crate) tip: Option<ObjectId>,
}

impl Travel {
    /// Whether there is nothing to bring.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.head.is_none() && self.stash.is_empty()
    }
}

/// Whether the refs inside are other than those the session began from. Cheap: reads their files as
/// hostile bytes, runs nothing.
#[must_use]
pub fn moved(session: &Path) -> bool {
    let git = session.join("git");
    if !git.join("HEAD").exists() {
        return false;
    }
    let inside = Repository {
        own: git.clone(),
        common: git.clone(),
    };
    let stash = |path: PathBuf| std::fs::symlink_metadata(path).map_or(0, |m| m.len());
    let stashed = stash(git.join("logs/refs/stash")) != stash(session.join("stash"));
    match (Refs::read(&inside), Refs::load(session)) {
        (Ok(inside), Ok(base)) => inside != base || stashed,
        _ => true, // unreadable: the jobs tell
    }
}

/// Brings out what was committed inside.
///
/// # Errors
/// Our own files, or a job that could not be run or found something wrong; nothing of the host was touched.
pub fn bring_out(session: &Session, repository: &Repository, confined: &dyn Confined) -> Result<Travel> {
    let base = Refs::load(session.path())?;
    let host = Refs::read(repository)?;
    let known = known(&host, session.id(), repository);
    let out = fresh(session, "out")?;
    write(&out.join("known"), &known)?;
    let job = Job {
        folder: &out,
        shown: vec![
            (session.path().join("git"), GIT.into()),
            (repository.common.join("objects"), OBJECTS.into()),
        ],
        script: MAKE,
    };
    run(confined, &job, "pack what was committed inside")?;
    let made = Tree::open(&out).at("open", &out)?;
    let mut travel = Travel::default();
    let inside = Inside::read(&made, &out)?;
    inside.compare(&base, &mut travel);
    inside.stashed(&base_stash(session), &mut travel);
    if !travel.is_empty() {
        check(
            session,
            repository,
            confined,
            &made,
            &out,
            &known,
            &host,
            &mut travel,
        )?;
    }
    let _later = remove_tree(&out);
    Ok(travel)
}

/// A folder of the session's own, empty.
fn fresh(session: &Session, name: &str) -> Result<PathBuf> {
    let path = session.path().join(name);
    if path.symlink_metadata().is_ok() {
        remove_tree(&path).at("empty", &path)?;
    }
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .create(&path)
        .at("make", &path)?;
    Ok(path)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).at("write", path)
}

fn run(confined: &dyn Confined, job: &Job<'_>, what: &'static str) -> Result<()> {
    let wrong = |why: String| Error::Git { what, why };
    match confined.run(job).map_err(wrong)? {
        0 => Ok(()),
        code => {
            let tree = Tree::open(job.folder).at("open", job.folder)?;
            let words = bounded(&tree, "errors", 2000).unwrap_or_default();
            let words = String::from_utf8_lossy(&words);
            let lines: Vec<&str> = words.lines().filter(|l| !l.is_empty()).collect();
            let last = lines.get(lines.len().saturating_sub(2)..).unwrap_or_default();
            let last = fumehood_policy::Escaped::from(last.join("; ").as_str())
                .at_most(300)
                .to_string();
            Err(wrong(format!("{last} (status {code})")))
        }
    }
}

/// Reads a file of a folder that a sandbox could write: no link, no more than is meant.
fn bounded(tree: &Tree, name: &str, most: u64) -> std::io::Result<Vec<u8>> {
    let file = beneath::open_file(tree.top(), name.as_ref())?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge));
    }
    Ok(bytes)
}

/// Ids that the host has with all they lead to: what its refs name, and the session's pin.
fn known(host: &Refs, _id: &str, _repository: &Repository) -> Vec<u8> {
    let mut ids: BTreeSet<&str> = host.list.values().map(ObjectId::as_str).collect();
    ids.extend(host.tip().map(ObjectId::as_str));
    ids.iter().flat_map(|id| format!("{id}\n").into_bytes()).collect()
}

/// What the first job said.
struct Inside {
    refs: Refs,
    tip: Option<ObjectId>,
    stash: Vec<ObjectId>,
    /// Names of refs that are none.
    odd: usize,
    staged: bool,
    under_way: Vec<String>,
}

impl Inside {
    fn read(made: &Tree, out: &Path) -> Result<Inside> {
        let text =
            |name: &str| bounded(made, name, MOST_NAMES).at("read what the sandbox wrote:", &out.join(name));
        let lines = text("refs")?;
        let lines: Vec<&[u8]> = lines.split(|b| *b == b'\n').filter(|l| !l.is_empty()).collect();
        let list: BTreeMap<RefName, ObjectId> = lines.iter().filter_map(|l| id_and_name(l)).collect();
        let head = text("head")?;
        let head = head.trim_ascii_end();
        let head = RefName::parse(head)
            .filter(RefName::is_branch)
            .map(Head::Branch)
            .or_else(|| ObjectId::parse(head).map(Head::Detached));
        let ids = |bytes: Vec<u8>| -> Vec<ObjectId> {
            bytes.split(|b| *b == b'\n').filter_map(ObjectId::parse).collect()
        };
        let states = text("state")?;
        Ok(Inside {
            odd: lines.len() - list.len(),
            refs: Refs { head, list },
            tip: ids(text("tip")?).into_iter().next(),
            stash: ids(text("stash")?),
            staged: text("staged")?.trim_ascii() == b"1",
            under_way: UNDER_WAY
                .iter()
                .filter(|(file, _)| states.split(|b| *b == b'\n').any(|l| l == file.as_bytes()))
                .map(|(_, words)| (*words).to_owned())
                .collect(),
        })
    }

    fn compare(&self, base: &Refs, travel: &mut Travel) {
        let names: BTreeSet<&RefName> = self.refs.list.keys().chain(base.list.keys()).collect();
        let mut elsewhere = 0;
        for name in names {
            let (from, to) = (base.list.get(name), self.refs.list.get(name));
            if from == to || name.as_str() == "refs/stash" {
                continue;
            }
            if !name.travels() {
                elsewhere += 1;
                continue;
            }
            let deleted = Finding {
                name: "deleted-ref".to_owned(),
                why: "it was deleted inside".to_owned(),
            };
            travel.moves.push(Move {
                name: name.clone(),
                from: from.cloned(),
                to: to.cloned(),
                held: to.is_none().then_some(deleted).into_iter().collect(),
            });
        }
        if let (Some(from), Some(to)) = (&base.head, &self.refs.head)
            && from != to
        {
            travel.head = Some((from.clone(), to.clone()));
        }
        travel.tip = self.tip.clone();
        self.say(elsewhere, travel);
    }

    fn say(&self, elsewhere: usize, travel: &mut Travel) {
        if elsewhere + self.odd > 0 {
            travel.stays.push(format!(
                "{} refs that are no branches, tags or notes",
                elsewhere + self.odd
            ));
        }
        if self.staged {
            travel
                .stays
                .push("what was staged and not committed comes as files, unstaged".to_owned());
        }
        for words in &self.under_way {
            travel
                .stays
                .push(format!("{words} is in progress inside; finish it there"));
        }
    }

    /// New entries, oldest first; git lists the newest first.
    fn stashed(&self, base: &[ObjectId], travel: &mut Travel) {
        let new = self.stash.iter().filter(|id| !base.contains(id));
        travel.stash = new.rev().cloned().collect();
        if base.iter().any(|id| !self.stash.contains(id)) {
            travel
                .stays
                .push("a stash entry dropped or popped inside is still there outside".to_owned());
        }
    }
}

const UNDER_WAY: [(&str, &str); 6] = [
    ("MERGE_HEAD", "a merge"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
    ("BISECT_LOG", "a bisect"),
    ("rebase-merge", "a rebase"),
    ("rebase-apply", "a rebase"),
];

/// Stash entries that the session began with: the second word of each line of the log kept then.
fn base_stash(session: &Session) -> Vec<ObjectId> {
    let log = std::fs::read(session.path().join("stash")).unwrap_or_default();
    let second = |line: &[u8]| ObjectId::parse(line.split(|b| *b == b' ').nth(1)?);
    log.split(|b| *b == b'\n').filter_map(second).collect()
}

#[expect(
    clippy::too_many_arguments,
    reason = "one step of bring_out, with all it knows"
)]
fn check(
    session: &Session,
    repository: &Repository,
    confined: &dyn Confined,
    made: &Tree,
    out: &Path,
    known: &[u8],
    host: &Refs,
    travel: &mut Travel,
) -> Result<()> {
    let folder = fresh(session, "check")?;
    quarantine(&folder, repository)?;
    let incoming = take_pack(made, out, &folder)?;
    let ids = |list: &mut dyn Iterator<Item = &ObjectId>| -> Vec<u8> {
        list.flat_map(|id| format!("{id}\n").into_bytes()).collect()
    };
    let tips = travel
        .moves
        .iter()
        .filter_map(|m| m.to.as_ref())
        .chain(&travel.tip);
    write(&folder.join("tips"), &ids(&mut tips.clone()))?;
    write(&folder.join("stash"), &ids(&mut travel.stash.iter()))?;
    write(&folder.join("known"), known)?;
    let ends: Vec<&ObjectId> = host.tip().into_iter().chain(&travel.tip).collect();
    let ends = if ends.len() == 2 {
        ids(&mut ends.into_iter())
    } else {
        Vec::new()
    };
    write(&folder.join("ends"), &ends)?;
    let job = Job {
        folder: &folder,
        shown: vec![(repository.common.join("objects"), OBJECTS.into())],
        script: CHECK,
    };
    run(confined, &job, "check what was committed inside")?;
    let done = Tree::open(&folder).at("open", &folder)?;
    let facts = Facts::read(&done, &folder)?;
    facts.types(travel);
    facts.judge(travel).ok_or_else(|| Error::Git {
        what: "read what was committed inside",
        why: "the list of its changes does not read".to_owned(),
    })?;
    travel.packs = incoming.then(|| folder.join("q/objects/pack"));
    Ok(())
}

/// A bare repository of ours, with the host's objects to read.
fn quarantine(folder: &Path, repository: &Repository) -> Result<()> {
    let q = folder.join("q");
    for part in ["objects/info", "objects/pack", "refs/heads"] {
        folder_at(&q.join(part))?;
    }
    write(&q.join("HEAD"), b"ref: refs/heads/main\n")?;
    write(&q.join("config"), format_of(repository).as_bytes())?;
    write(
        &q.join("objects/info/alternates"),
        format!("{OBJECTS}\n").as_bytes(),
    )?;
    let shallow = repository.common.join("shallow");
    match std::fs::read(&shallow) {
        Ok(list) => write(&q.join("shallow"), &list),
        Err(_) => Ok(()),
    }
}

/// A configuration that says the object format and nothing else.
fn format_of(repository: &Repository) -> &'static str {
    let config = Tree::open(&repository.common)
        .ok()
        .and_then(|t| read(&t, Path::new("config")).ok().flatten());
    let inert = config.and_then(|c| super::config::inert(&c)).unwrap_or_default();
    let long = String::from_utf8_lossy(&inert)
        .lines()
        .any(|l| l.trim() == "objectformat = sha256");
    if long {
        "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
    } else {
        "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
    }
}

/// Copies the pack; whether it holds anything (gitformat-pack(5): "PACK", version, number of objects).
fn take_pack(made: &Tree, out: &Path, folder: &Path) -> Result<bool> {
    let path = out.join("pack");
    let mut pack = beneath::open_file(made.top(), "pack".as_ref()).at("open", &path)?;
    let mut head = [0u8; 12];
    pack.read_exact(&mut head).at("read", &path)?;
    let [.., a, b, c, d] = head;
    if u32::from_be_bytes([a, b, c, d]) == 0 {
        return Ok(false);
    }
    let incoming = folder.join("incoming");
    let mut to = std::fs::File::create_new(&incoming).at("make", &incoming)?;
    let all = std::io::Read::chain(&head[..], pack);
    let written = std::io::copy(&mut all.take(MOST_PACK + 1), &mut to).at("copy", &path)?;
    if written > MOST_PACK {
        return Err(Error::Git {
            what: "bring out what was committed inside",
            why: "it is more than 4 GiB; use `--live` for it".to_owned(),
        });
    }
    Ok(true)
}

/// What the second job said.
struct Facts {
    types: Vec<u8>,
    commits: Vec<u8>,
    stashed: Vec<u8>,
    subjects: Vec<u8>,
    changes: Vec<u8>,
    ends: Vec<u8>,
    blobs: Vec<u8>,
}

impl Facts {
    fn read(done: &Tree, folder: &Path) -> Result<Facts> {
        let text = |name: &str, most| {
            bounded(done, name, most).at("read what the sandbox wrote:", &folder.join(name))
        };
        Ok(Facts {
            types: text("types", MOST_NAMES)?,
            commits: text("commits", MOST_NAMES)?,
            stashed: text("stashed", MOST_NAMES)?,
            subjects: text("subjects", MOST_NAMES)?,
            changes: text("changes", MOST_CHANGES)?,
            ends: text("differ", MOST_CHANGES)?,
            blobs: text("blobs", MOST_CONTENT)?,
        })
    }

    /// A branch leads to a commit, or stays.
    fn types(&self, travel: &mut Travel) {
        let is_commit = |id: &ObjectId| {
            let line = format!("{id} commit");
            self.types.split(|b| *b == b'\n').any(|l| l == line.as_bytes())
        };
        let fits = |m: &Move| !m.name.is_branch() || m.to.as_ref().is_none_or(is_commit);
        let (go, stay): (Vec<Move>, Vec<Move>) = travel.moves.drain(..).partition(fits);
        travel.moves = go;
        travel.stays.extend(
            stay.iter()
                .map(|m| format!("{} leads to no commit", m.name.short())),
        );
    }

    /// Findings of every new commit, and of each ref that reaches one.
    fn judge(&self, travel: &mut Travel) -> Option<()> {
        let blobs = listing::blobs(&self.blobs)?;
        let parents = listing::parents(&self.commits)?;
        let stashed = listing::parents(&self.stashed)?;
        let mut all = parents.clone();
        all.extend(stashed.iter().map(|(id, n)| (id.clone(), *n)));
        let found = judged(&listing::commits(&self.changes, &all)?, &blobs);
        let order = self
            .commits
            .split(|b| *b == b'\n')
            .filter_map(|l| ObjectId::parse(l.split(|b| *b == b' ').next()?));
        let subjects = subjects(&self.subjects);
        travel.commits = order
            .map(|id| NewCommit {
                subject: subjects.get(&id).cloned().unwrap_or_default(),
                found: found.get(&id).cloned().unwrap_or_default(),
                id,
            })
            .collect();
        travel.stash_held = first_findings(stashed.keys().filter_map(|id| found.get(id)));
        // A ref may lead to any of them: which commits it reaches is not asked again.
        let held = first_findings(travel.commits.iter().map(|c| &c.found));
        for m in travel.moves.iter_mut().filter(|m| m.to.is_some()) {
            m.held.extend(held.iter().cloned());
        }
        travel.paths = listing::changes(&self.ends)?
            .into_iter()
            .map(|raw| raw.path)
            .collect();
        Some(())
    }
}

type Found = Vec<(PathBuf, Vec<Finding>)>;

fn judged(commits: &[Commit], blobs: &HashMap<ObjectId, &[u8]>) -> BTreeMap<ObjectId, Found> {
    let mut all = BTreeMap::new();
    for commit in commits {
        let changes: Vec<_> = commit
            .changes
            .iter()
            .map(|raw| (raw, listing::as_change(raw, blobs)))
            .collect();
        let list: Vec<_> = changes.iter().map(|(_, change)| change.clone()).collect();
        let judge = Judge::of(&list);
        let content = |id: &ObjectId| blobs.get(id).copied();
        let found: Found = changes
            .iter()
            .map(|(raw, change)| {
                let before = content(&raw.before.id);
                (
                    raw.path.clone(),
                    judge.judge(change, before, content(&raw.after.id)),
                )
            })
            .filter(|(_, found)| !found.is_empty())
            .collect();
        all.extend(commit.id.clone().map(|id| (id, found)));
    }
    all
}

/// One finding of each name, its path in front.
fn first_findings<'a>(found: impl Iterator<Item = &'a Found>) -> Vec<Finding> {
    let mut first: Vec<Finding> = Vec::new();
    for (path, findings) in found.flatten() {
        for f in findings {
            if !first.iter().any(|have| have.name == f.name) {
                let path = fumehood_policy::Escaped::from(path.as_path());
                first.push(Finding {
                    name: f.name.clone(),
                    why: format!("{path}: {}", f.why),
                });
            }
        }
    }
    first
}

/// `ID SUBJECT` of each, NUL between them.
fn subjects(bytes: &[u8]) -> HashMap<ObjectId, Vec<u8>> {
    let one = |line: &[u8]| {
        let at = line.iter().position(|b| *b == b' ')?;
        Some((ObjectId::parse(line.get(..at)?)?, line.get(at + 1..)?.to_vec()))
    };
    bytes.split(|b| *b == 0).filter_map(one).collect()
}
