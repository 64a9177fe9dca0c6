//! Bringing changes to the project, and taking them back.
//!
//! Everything is staged first: each file is copied once from the layer into the journal, and that copy
//! is what is installed, by renaming. What stood there is kept in the journal. An apply that was
//! stopped at any moment is finished by whoever comes next, an undo likewise. There is no protection
//! against a loss of power between a rename and the disk beyond what the filesystem gives.

mod earlier;
mod place;
mod stage;

use crate::bases::{Base, Bases};
use crate::beneath::{Facts, Identity, Tree};
use crate::changes::{Change, Changes};
use crate::error::{At, Error, Result};
use crate::finding::{Finding, Judge};
use crate::git::land::{Ground, Landing};
use crate::git::{Repository, Travel};
use crate::journal::{self, Applies, Journal, Share, State, Step};
use crate::kept;
use crate::session::{Session, remove_tree};
use place::{Hands, Refused};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is wanted of an apply.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only these paths and what is below them; all if empty.
    pub paths: Vec<PathBuf>,
    /// Also where the host changed the file too; its version is kept for `undo`.
    pub over_conflicts: bool,
    /// Also what has a finding; without it only where `paths` names that very file.
    pub with_findings: bool,
    /// Nothing but these, instead of `paths`; findings were seen.
    pub picked: Option<BTreeMap<PathBuf, Picked>>,
}

/// How much of a change was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picked {
    /// All of it, as it is now.
    Whole,
    /// All of it, as it was seen.
    Seen(Vec<u8>),
    /// The host's text with some of the session's changes ([`crate::hunk`]); the rest waits.
    Part(Vec<u8>),
}

/// What an apply did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Its number, for `undo`; `None` if there was nothing to do.
    pub number: Option<u64>,
    /// Paths that were changed.
    pub paths: Vec<PathBuf>,
    /// Paths that both sides changed; nothing was done there.
    pub conflicts: Vec<PathBuf>,
    /// Paths, among those that were changed, into which both sides' changes went.
    pub merged: Vec<PathBuf>,
    /// Paths where the system refused, and its words.
    pub failed: Vec<(PathBuf, String)>,
    /// Paths that wait to be named, and why.
    pub held: Vec<(PathBuf, Vec<Finding>)>,
    /// What moved in the repository: refs, HEAD, stash, in words.
    pub git: Vec<String>,
    /// What did not, and why.
    pub git_waits: Vec<(String, String)>,
}

/// What an undo did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Which apply.
    pub number: u64,
    /// Paths that are as they were.
    pub paths: Vec<PathBuf>,
    /// Paths that were changed since, and left as they are.
    pub conflicts: Vec<PathBuf>,
    /// Paths where the system refused, and its words.
    pub failed: Vec<(PathBuf, String)>,
    /// What moved back in the repository, in words.
    pub git: Vec<String>,
    /// What of the repository was not taken back, and why.
    pub git_waits: Vec<(String, String)>,
}

/// Counts steps, and stops at one as a kill would: for tests.
#[derive(Debug, Default)]
pub struct Steps {
    taken: Cell<u64>,
    stop_at: Option<u64>,
}

impl Steps {
    /// Stops at the n-th step.
    #[must_use]
    pub fn stopping_at(n: u64) -> Steps {
        Steps {
            taken: Cell::new(0),
            stop_at: Some(n),
        }
    }

    pub(crate) fn next(&self) -> Result<()> {
        let n = self.taken.get();
        self.taken.set(n + 1);
        if self.stop_at == Some(n) {
            Err(Error::Stopped(n))
        } else {
            Ok(())
        }
    }
}

/// Applies what a session changed, and what it committed if that was brought out.
///
/// # Errors
/// Nothing was changed, or (with [`Error::Stopped`] and errors of our own files) [`recover`] goes on.
pub fn apply(
    place: &Path,
    session: &Session,
    changes: &Changes,
    travel: Option<&Travel>,
    options: &Options,
    steps: &Steps,
) -> Result<Applied> {
    let applies = Applies::open(place, &session.about().project)?;
    let project = session.project()?;
    recover_in(&applies, place, (&project, &session.about().project), steps)?;
    let chosen = picked(changes, options);
    let changes = chosen.as_ref().unwrap_or(changes);
    let (wanted, conflicts) = choose(changes, options);
    if wanted.is_empty() && travel.is_none_or(Travel::is_empty) {
        return Ok(Applied {
            conflicts,
            ..Applied::default()
        });
    }
    let (number, folder) = applies.next()?;
    let seen = options.with_findings || options.picked.is_some();
    let accepted = |path: &Path| seen || options.paths.iter().any(|p| p == path);
    let judge = Judge::of(&changes.list);
    let staged = stage::stage(session, &wanted, &folder, (&judge, &accepted), steps).and_then(|staged| {
        let waiting = staged.1.iter().map(|(p, _)| p).chain(&conflicts);
        let git = git_part(session, &folder, travel, options, waiting)?;
        Ok((staged, git))
    });
    let ((journal, held), (landing, git_waits)) = match staged {
        Ok(staged) => staged,
        Err(e @ Error::Stopped(_)) => return Err(e),
        Err(e) => {
            let _swept_later = remove_tree(&folder);
            return Err(e);
        }
    };
    if journal.steps.is_empty() && landing.is_none() {
        remove_tree(&folder).at("remove", &folder)?;
        return Ok(Applied {
            conflicts,
            held,
            git_waits,
            ..Applied::default()
        });
    }
    journal::set_state(&folder, State::Ready)?;
    steps.next()?;
    let mut done = forward(
        place,
        &folder,
        (&project, &session.about().project),
        &journal,
        steps,
    )?;
    let bases = note_applied(session.path(), changes, &done)?;
    kept::keep_applied(session, &project, &done.paths, &bases)?;
    let merged = changes
        .list
        .iter()
        .filter(|c| c.is_merged() && done.paths.contains(&c.path));
    done.merged = merged.map(|c| c.path.clone()).collect();
    done.number = Some(number);
    done.held = held;
    done.conflicts.extend(conflicts);
    done.git_waits.extend(git_waits);
    each_once(&mut done.conflicts);
    Ok(done)
}

/// Which of the session's versions the host has now.
fn note_applied(session: &Path, changes: &Changes, done: &Applied) -> Result<Bases> {
    let mut bases = Bases::load(session)?;
    // Sorted, both; failures are few.
    let given = |path: &PathBuf| {
        let failed = done.failed.iter().any(|(p, _)| p == path);
        done.paths.binary_search(path).is_ok() && !failed && done.conflicts.binary_search(path).is_err()
    };
    let files = changes
        .list
        .iter()
        .filter(|c| !c.is_directory() && c.text.as_ref().is_none_or(|t| !t.merged && !t.part));
    for change in files.filter(|c| given(&c.path)) {
        bases.note_applied(&change.path, change.layer.map(|l| l.identity));
    }
    bases.save(session)?;
    Ok(bases)
}

/// The changes that were picked by hand, as far as they were.
fn picked(changes: &Changes, options: &Options) -> Option<Changes> {
    let picked = options.picked.as_ref()?;
    let one = |change: &Change| {
        // A new file needs the new directories it lies in.
        let leads = || {
            change.is_directory()
                && change.before.is_none()
                && picked.keys().any(|p| p.starts_with(&change.path))
        };
        match picked.get(&change.path) {
            Some(Picked::Seen(bytes)) => Some(change.with_text(bytes, false)),
            Some(Picked::Part(bytes)) => Some(change.with_text(bytes, true)),
            Some(Picked::Whole) => Some(change.clone()),
            None => leads().then(|| change.clone()),
        }
    };
    Some(Changes {
        list: changes.list.iter().filter_map(one).collect(),
        ..Changes::default()
    })
}

/// Names of a repository that do not land, and why.
type Waits = Vec<(String, String)>;

/// What of the repository lands with it, written down beside the journal.
fn git_part<'a>(
    session: &Session,
    folder: &Path,
    travel: Option<&Travel>,
    options: &Options,
    mut waiting: impl Iterator<Item = &'a PathBuf>,
) -> Result<(Option<Landing>, Waits)> {
    let Some(travel) = travel.filter(|t| !t.is_empty()) else {
        return Ok((None, Vec::new()));
    };
    let named = |name: &str| options.paths.iter().any(|p| p == Path::new(name));
    let repository = session.repository();
    let wanted = |name: &str| options.paths.is_empty() || named(name);
    let accepted = |name: &str| options.with_findings || named(name);
    let waits = options.paths.is_empty() && waiting.any(|p| travel.paths.contains(p));
    let (landing, said) = Landing::choose(travel, &repository, waits, (&wanted, &accepted))?;
    if landing.is_empty() {
        return Ok((None, said));
    }
    if let Some(packs) = &travel.packs {
        let to = folder.join("packs");
        std::fs::rename(packs, &to).at("keep", &to)?;
    }
    landing.save(folder)?;
    Ok((Some(landing), said))
}

/// What is to be applied, and what both sides changed.
fn choose<'a>(changes: &'a Changes, options: &Options) -> (Vec<&'a Change>, Vec<PathBuf>) {
    let chosen = |path: &Path| options.paths.is_empty() || options.paths.iter().any(|p| path.starts_with(p));
    // A new file needs the new directories it lies in.
    let leads = |c: &Change| {
        c.is_directory() && c.before.is_none() && options.paths.iter().any(|p| p.starts_with(&c.path))
    };
    let all = changes.list.iter().filter(|c| chosen(&c.path) || leads(c));
    let (conflicts, wanted): (Vec<&Change>, Vec<&Change>) =
        all.partition(|c| c.conflict && !options.over_conflicts);
    let conflicts: Vec<PathBuf> = conflicts.into_iter().map(|c| c.path.clone()).collect();
    // What stays keeps the directories it lies in.
    let stays =
        |c: &Change| c.after.is_none() && conflicts.iter().any(|p| p != &c.path && p.starts_with(&c.path));
    let wanted = wanted.into_iter().filter(|c| !stays(c)).collect();
    (wanted, conflicts)
}

fn forward(
    place: &Path,
    folder: &Path,
    (project, project_path): (&Tree, &Path),
    journal: &Journal,
    steps: &Steps,
) -> Result<Applied> {
    let hands = Hands::new(project, folder, journal)?;
    let mut done = Applied::default();
    let mut put = Vec::new();
    for (n, (path, step)) in journal.steps.iter().enumerate() {
        let taken = hands.take(n, path, step, steps);
        put.push(taken.as_ref().ok().copied().flatten());
        match taken {
            Ok(_) => done.paths.push(path.clone()),
            Err(Refused::Stopped(n)) => return Err(Error::Stopped(n)),
            Err(Refused::Changed) => done.conflicts.push(path.clone()),
            Err(Refused::System(e)) => done.failed.push((path.clone(), e.to_string())),
        }
    }
    each_once(&mut done.paths);
    each_once(&mut done.conflicts);
    let mut after = Vec::new();
    for ((path, step), put) in journal.steps.iter().zip(put) {
        let now = project.facts(path).at("look at", path)?;
        // What stands where something went, and nothing of ours came, is the host's.
        let again = |(p, s): &(PathBuf, Step)| p == path && !matches!(s, Step::Remove(_));
        let gone = matches!(step, Step::Remove(_)) && now.is_some() && !journal.steps.iter().any(again);
        after.push(left_there(put, now.filter(|_| !gone)));
    }
    journal::save_after(folder, &after)?;
    steps.next()?;
    let undone = |path: &PathBuf| {
        done.conflicts.binary_search(path).is_ok() || done.failed.iter().any(|(p, _)| p == path)
    };
    let taken = journal
        .steps
        .iter()
        .zip(&after)
        .filter(|((path, _), _)| !undone(path));
    note_bases(
        place,
        journal,
        taken.map(|((path, step), identity)| (path.as_path(), noted(step, *identity))),
    )?;
    steps.next()?;
    if let Some(landing) = Landing::load(folder)? {
        let ground = ground(project_path, &landing.repository, journal);
        ground.install(&folder.join("packs"))?;
        steps.next()?;
        done.git_waits = ground.take(&landing)?;
        done.git = landing.words();
        landing.note(&session_of(place, journal))?;
        steps.next()?;
    }
    journal::set_state(folder, State::Done)?;
    let packs = folder.join("packs");
    if packs.exists() {
        remove_tree(&packs).at("remove", &packs)?;
    }
    Ok(done)
}

/// Which version the apply left at a path. Its later steps change the time of a file that it put there; who else changes
/// the file meanwhile changes more, and that is not ours.
fn left_there(put: Option<Facts>, now: Option<Facts>) -> Option<Identity> {
    let same = |put: &Facts, now: &Facts| {
        (put.identity.inode, put.modified, put.size) == (now.identity.inode, now.modified, now.size)
    };
    match (put, now) {
        (Some(put), now) if !now.is_some_and(|now| same(&put, &now)) => Some(put.identity),
        (_, now) => now.map(|f| f.identity),
    }
}

fn ground<'a>(project: &'a Path, repository: &'a Repository, journal: &Journal) -> Ground<'a> {
    Ground {
        project,
        repository,
        owner: journal.owner,
    }
}

fn session_of(place: &Path, journal: &Journal) -> PathBuf {
    place.join("sessions").join(&journal.session)
}

fn each_once(list: &mut Vec<PathBuf>) {
    list.sort();
    list.dedup();
}

/// Keeps what was taken back from being applied again by itself.
fn note_undone(place: &Path, journal: &Journal, undone: &Undone, landing: Option<&Landing>) -> Result<()> {
    let session = session_of(place, journal);
    if !session.join("session").exists() {
        return Ok(()); // discarded meanwhile
    }
    let upper = session.join("upper");
    let layer = Tree::open_layer(&upper).at("open", &upper)?;
    let mut list = crate::undone::Undone::load(&session)?;
    for path in &undone.paths {
        let facts = layer.facts(path).at("look at", path)?;
        list.note(path, facts.filter(|f| !f.is_whiteout()).map(|f| f.identity));
    }
    for (name, id) in landing.map(Landing::targets).unwrap_or_default() {
        list.note_ref(name, id);
    }
    list.save(&session)
}

/// Numbers of the applies of a session after a number, and of all paths they changed.
///
/// # Errors
/// Our own files cannot be read.
pub fn since(place: &Path, session: &Session, number: u64) -> Result<Vec<(u64, usize)>> {
    let applies = Applies::open(place, &session.about().project)?;
    let mut found = Vec::new();
    for n in applies.numbers()?.into_iter().filter(|n| *n > number) {
        let folder = applies.folder(n);
        if journal::state(&folder)? == Some(State::Done) {
            let journal = Journal::load(&folder)?;
            if journal.session == session.id() {
                found.push((n, journal.steps.len()));
            }
        }
    }
    Ok(found)
}

/// The number of a project's last apply; 0 if there was none.
///
/// # Errors
/// Our own files cannot be read.
pub fn last(place: &Path, project: &Path) -> Result<u64> {
    Ok(Applies::open(place, project)?
        .numbers()?
        .last()
        .copied()
        .unwrap_or(0))
}

/// What is to be noted of a path; `None` where that stays as it is.
type Noted = Option<Option<Base>>;

/// What the host has now is no edit of the host's, for the session whose change it is.
fn noted(step: &Step, host: Option<Identity>) -> Noted {
    let base = Base {
        host,
        ..Base::default()
    };
    match step {
        Step::Put {
            share: Share::PartOfMerged,
            ..
        } => None,
        Step::Put {
            share: Share::Merged(layer, _),
            ..
        } => Some(Some(Base {
            layer: Some(*layer),
            apart: true,
            ..base
        })),
        _ => Some(Some(base)),
    }
}

/// Once taken back, an edit of the host's that was there before is one again.
fn noted_back(step: &Step, host: Option<Identity>) -> Noted {
    match step {
        Step::Put {
            share: Share::Merged(_, was) | Share::Over(was),
            ..
        } => Some(*was),
        step => noted(step, host),
    }
}

fn note_bases<'a>(
    place: &Path,
    journal: &Journal,
    now: impl Iterator<Item = (&'a Path, Noted)>,
) -> Result<()> {
    let session = place.join("sessions").join(&journal.session);
    if !session.join("session").exists() {
        return Ok(()); // discarded meanwhile
    }
    let mut bases = Bases::load(&session)?;
    for (path, noted) in now {
        if let Some(base) = noted {
            bases.set(path, base);
        }
    }
    bases.save(&session)
}

/// Finishes what was stopped: an apply goes forward, an undo goes back. Says what was found.
///
/// # Errors
/// It cannot be finished.
pub fn recover(place: &Path, project_path: &Path) -> Result<Vec<String>> {
    if !place.join("applies").is_dir() {
        return Ok(Vec::new());
    }
    let applies = Applies::open(place, project_path)?;
    let project = Tree::open(project_path).at("open", project_path)?;
    recover_in(&applies, place, (&project, project_path), &Steps::default())
}

fn recover_in(
    applies: &Applies,
    place: &Path,
    (project, path): (&Tree, &Path),
    steps: &Steps,
) -> Result<Vec<String>> {
    let mut said = Vec::new();
    for number in applies.numbers()? {
        let folder = applies.folder(number);
        match journal::state(&folder)? {
            None => {
                remove_tree(&folder).at("remove", &folder)?;
                said.push(format!("apply {number} had not begun and was forgotten"));
            }
            Some(State::Ready) => {
                forward(place, &folder, (project, path), &Journal::load(&folder)?, steps)?;
                said.push(format!("apply {number} had been stopped and was finished"));
            }
            Some(State::Undoing) => {
                let journal = Journal::load(&folder)?;
                back(place, applies, (project, path), &journal, number, steps)?;
                said.push(format!(
                    "undo of apply {number} had been stopped and was finished"
                ));
            }
            Some(State::Done | State::Undone) => {}
        }
    }
    Ok(said)
}

/// Takes an apply back: the last one that was not, or the one of this number.
///
/// # Errors
/// There is none, or our own files cannot be read.
pub fn undo(place: &Path, project_path: &Path, number: Option<u64>, steps: &Steps) -> Result<Undone> {
    let applies = Applies::open(place, project_path)?;
    let project = Tree::open(project_path).at("open", project_path)?;
    recover_in(&applies, place, (&project, project_path), steps)?;
    let mut done = Vec::new();
    for n in applies.numbers()? {
        if journal::state(&applies.folder(n))? == Some(State::Done) {
            done.push(n);
        }
    }
    let number = match number {
        None => done.last().copied(),
        Some(n) => done.into_iter().find(|d| *d == n),
    };
    let number = number.ok_or(Error::NothingToUndo)?;
    let folder = applies.folder(number);
    let journal = Journal::load(&folder)?;
    journal::set_state(&folder, State::Undoing)?;
    steps.next()?;
    back(place, &applies, (&project, project_path), &journal, number, steps)
}

fn back(
    place: &Path,
    applies: &Applies,
    (project, project_path): (&Tree, &Path),
    journal: &Journal,
    number: u64,
    steps: &Steps,
) -> Result<Undone> {
    let folder = &applies.folder(number);
    let hands = Hands::new(project, folder, journal)?;
    let after = journal::load_after(folder)?;
    let mut undone = Undone {
        number,
        ..Undone::default()
    };
    if let Some(landing) = Landing::load(folder)? {
        let ground = ground(project_path, &landing.repository, journal);
        undone.git_waits = ground.take_back(&landing)?;
        if undone.git_waits.is_empty() {
            undone.git = landing.reversed().words();
        }
        landing.reversed().note(&session_of(place, journal))?;
        steps.next()?;
    }
    for (n, (path, step)) in journal.steps.iter().enumerate().rev() {
        match hands.take_back(n, path, step, after.get(n).copied().flatten(), steps) {
            Ok(()) => undone.paths.push(path.clone()),
            Err(Refused::Stopped(n)) => return Err(Error::Stopped(n)),
            Err(Refused::Changed) => undone.conflicts.push(path.clone()),
            Err(Refused::System(e)) => undone.failed.push((path.clone(), e.to_string())),
        }
    }
    each_once(&mut undone.paths);
    each_once(&mut undone.conflicts);
    let mut now = Vec::new();
    for (path, step) in &journal.steps {
        let host = project.facts(path).at("look at", path)?.map(|f| f.identity);
        now.push((path.as_path(), noted_back(step, host)));
    }
    note_undone(place, journal, &undone, Landing::load(folder)?.as_ref())?;
    let kept = |path: &&Path| !undone.conflicts.iter().any(|c| c == path);
    note_bases(place, journal, now.into_iter().filter(|(path, _)| kept(path)))?;
    steps.next()?;
    earlier::tell(applies, number, journal, project)?;
    steps.next()?;
    journal::set_state(folder, State::Undone)?;
    Ok(undone)
}
