//! Edits of the host, brought inside while a session runs.
//!
//! An overlay shows of a changed lower file what its caches hold: written in place it is new inside but no watcher is
//! told, replaced by a rename it stays what it was (research/review-users.md §1, rows 1–3). So the project's folders are
//! watched, and what changed there is written once more through what the session sees: that is fresh for every program
//! inside, and their watchers hear of it. What was written so is noted as known to both sides ([`crate::bases`]), and is
//! no change of the session's.
//!
//! What the session changed itself is left alone, and told ([`Both`]). Writing begins at the open top of the session's
//! view, follows no link and enters no other mount; what is read is the host's own file.

mod watched;
mod writing;

use crate::bases::{Base, Bases};
use crate::beneath::{self, Facts, Kind, Tree};
use crate::changes::{self, Rules, is_git};
use crate::error::{At, Error, Result};
use crate::journal::Applies;
use crate::session::{Session, Use};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use watched::{Heard, Watched};
use writing::{View, Written};

/// What a name of ours begins with, which is there while a file is replaced.
pub(crate) const PASSING: &[u8] = b".fumehood-passing-";
/// A path is brought inside when it rested for so long,
const REST: Duration = Duration::from_millis(60);
/// or when it waited for so long.
const LONGEST: Duration = Duration::from_millis(600);
/// The most paths of one turn; the rest comes in the next.
const AT_ONCE: usize = 2_048;

/// The most files in [`WORDS_EVERY`] of which watchers are told that they changed, where the session sees the change anyway: each is
/// copied for it, and who changes thousands (a checkout, an installation) makes programs look at everything again.
const WORDS: usize = 1_024;
const WORDS_EVERY: Duration = Duration::from_secs(10);

/// A file that host and session both changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Both {
    /// Relative to the project.
    pub path: PathBuf,
    /// Whether an apply merges it; else it is a conflict.
    pub merges: bool,
}

/// Inode, and change time.
type Version = (u64, (i64, u32));

/// A session's project, watched.
#[derive(Debug)]
pub struct Edits {
    place: PathBuf,
    session: Session,
    project: Tree,
    view: View,
    watched: Watched,
    pending: BTreeMap<PathBuf, (Instant, Instant)>,
    told: BTreeSet<(PathBuf, Option<Version>)>,
    /// How many files more are copied only that watchers hear of them, and since when.
    words: (usize, Instant),
}

/// What bringing edits inside needs of the disk, besides the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Read: the project, and what git has of it elsewhere.
    pub looks: Vec<PathBuf>,
    /// Files in it are read, made, replaced and removed: the session's directory.
    pub notes: PathBuf,
    /// This file is locked: whoever applies or undoes is waited for.
    pub lock: PathBuf,
}

impl Needs {
    /// Those of a session, by its folder, its project and the git directory of its own. The lock is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn of(place: &Path, session: &Path, project: &Path, repository: &Path) -> Result<Needs> {
        let mut looks = vec![project.to_owned()];
        if !repository.starts_with(project) {
            looks.push(repository.to_owned());
        }
        Ok(Needs {
            looks,
            notes: session.to_owned(),
            lock: Applies::lock(place, project)?,
        })
    }
}

/// What is to be brought inside, the last first.
#[derive(Debug)]
struct Agenda {
    waiting: Vec<PathBuf>,
    /// Folders whose names were put on it already.
    emptied: BTreeSet<PathBuf>,
    /// How many files more are copied only that watchers hear of them.
    words: usize,
}

impl Agenda {
    fn new(mut paths: Vec<PathBuf>, words: usize) -> Agenda {
        paths.reverse();
        Agenda {
            waiting: paths,
            emptied: BTreeSet::new(),
            words,
        }
    }
}

/// Whose a path of the session's layer is.
enum Ground {
    /// Nothing of the session's covers it; the layer's own entry, if there is one.
    Shown(Option<Facts>),
    /// The session replaced, or removed, a folder on the way.
    Covered,
}

impl Edits {
    /// Begins to watch for a session that runs `since` then. `view` is the top of what it sees of the project.
    ///
    /// # Errors
    /// The session is not there, the project is gone, or nothing can be watched.
    pub fn open(place: &Path, id: &str, view: OwnedFd, since: SystemTime) -> Result<Edits> {
        let session = Session::open(place, id, Use::Looking)?;
        let project = session.project()?;
        let mut edits = Edits {
            place: place.to_owned(),
            view: View::new(view, session.about().inside),
            watched: Watched::new(&session.about().project, since)?,
            project,
            session,
            pending: BTreeMap::new(),
            told: BTreeSet::new(),
            words: (WORDS, Instant::now()),
        };
        // What the host changed since an earlier run.
        let bases = Bases::load(edits.session.path())?;
        bases.synced().for_each(|path| edits.wait_for(path));
        Ok(edits)
    }

    /// Readable when there is something to hear.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.watched.descriptor()
    }

    /// Why not all of the project is watched, where it is not.
    #[must_use]
    pub fn unwatched(&self) -> Option<&'static str> {
        self.watched.unwatched()
    }

    /// How long nothing is to be done; `None` until there is something to hear.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        let now = Instant::now();
        let walking = self.watched.is_walking().then_some(watched::PAUSE);
        let due = self.pending.values().map(|times| due(*times)).min();
        let due = due.map(|due| due.saturating_duration_since(now));
        walking.into_iter().chain(due).min()
    }

    /// Hears, and brings inside what rests; what both sides changed, each version once.
    ///
    /// # Errors
    /// The project is gone ([`Error::Vanished`]); or our own files, or what the session changes in this moment, cannot be read,
    /// which is tried again with the next turn. A path that fails is left as it is.
    pub fn turn(&mut self) -> Result<Vec<Both>> {
        self.hear();
        let now = Instant::now();
        let ready = self.pending.iter().filter(|(_, times)| due(**times) <= now);
        let ready: Vec<PathBuf> = ready.map(|(path, _)| path.clone()).take(AT_ONCE).collect();
        if ready.is_empty() {
            return Ok(Vec::new());
        }
        self.pending.retain(|path, _| ready.binary_search(path).is_err());
        let done = self.bring(ready.clone());
        if done.is_err() {
            // The session may have changed in this moment what was looked at; they are tried again.
            ready.into_iter().for_each(|path| self.wait_for(path));
        }
        done
    }

    fn wait_for(&mut self, path: PathBuf) {
        let now = Instant::now();
        self.pending.entry(path).or_insert((now, now)).1 = now;
    }

    fn hear(&mut self) {
        let rules = Rules::of(&self.session);
        let wanted = |path: &Path| is_wanted(&rules, path);
        let mut heard = self.watched.hear();
        heard.extend(self.watched.walk(&self.project, &wanted));
        let paths: Vec<PathBuf> = heard
            .into_iter()
            .map(|heard| match heard {
                Heard::Changed(path) => path,
                Heard::Folder(path) => {
                    if wanted(&path) {
                        self.watched.visit(&path);
                    }
                    path
                }
            })
            .filter(|path| wanted(path))
            .collect();
        paths.into_iter().for_each(|path| self.wait_for(path));
    }

    fn bring(&mut self, paths: Vec<PathBuf>) -> Result<Vec<Both>> {
        let _nobody_applies = Applies::open(&self.place, &self.session.about().project)?;
        self.session.project()?;
        let upper = self.session.upper();
        let layer = Tree::open_layer(&upper).at("open", &upper)?;
        let mut bases = Bases::load(self.session.path())?;
        let before = bases.clone();
        let mut both = Vec::new();
        if self.words.1.elapsed() > WORDS_EVERY {
            self.words = (WORDS, Instant::now());
        }
        let mut agenda = Agenda::new(paths, self.words.0);
        while let Some(path) = agenda.waiting.pop() {
            match self.one(&layer, &path, &mut bases, &mut agenda) {
                Ok(true) => both.push(path),
                Ok(false) => {}
                // Gone meanwhile, or closed: what is heard next, or the next apply, tells.
                Err(Error::Io { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        self.words.0 = agenda.words;
        if bases != before {
            bases.save(self.session.path())?;
        }
        self.tell(both)
    }

    /// Brings one path inside; whether both sides changed it.
    fn one(&self, layer: &Tree, path: &Path, bases: &mut Bases, agenda: &mut Agenda) -> Result<bool> {
        let Ground::Shown(mine) = ground(layer, path, bases)? else {
            return Ok(false);
        };
        let host = self.project.facts(path).at("look at", path)?;
        let is_folder = |facts: &Facts| facts.kind == Kind::Directory;
        if let (Some(mine), Some(host)) = (&mine, &host)
            && is_folder(mine)
            && is_folder(host)
        {
            return Ok(false);
        }
        let version = mine.filter(|m| !m.is_whiteout()).map(|m| m.identity);
        let noted = bases.of(path);
        let host_has = host.map(|h| h.identity);
        if let Some(noted) = noted
            && noted.host == host_has
            && !bases.is_from_host(path)
            && !host.as_ref().is_some_and(is_folder)
        {
            return Ok(false);
        }
        let own = mine.is_some_and(|mine| match mine.kind {
            // Whether the session made it is told by what lies in it.
            Kind::Directory => false,
            _ => noted.is_some_and(|b| b.apart) || !bases.is_applied(path, version),
        });
        if own {
            let taken = mine.and_then(|m| m.born);
            return Ok(bases.moved_on(path, host.as_ref(), taken));
        }
        match self
            .view
            .write(&self.project, path, host, (noted, mine), agenda)?
        {
            Written::Whole(facts) => note(layer, &self.project, path, &facts, bases)?,
            Written::Link(facts, target) => note_link(layer, path, &facts, &target, bases)?,
            Written::Gone => {
                let left = layer.facts(path).at("look at", path)?;
                if left.is_some_and(|l| l.is_whiteout()) {
                    bases.note(path, None);
                    bases.note_applied(path, None);
                } else {
                    bases.set(path, None);
                }
            }
            Written::Folder => bases.set(path, Some(Base::of_folder())),
            Written::Nothing => {}
            Written::Refused => return Ok(true),
        }
        Ok(false)
    }

    fn tell(&mut self, paths: Vec<PathBuf>) -> Result<Vec<Both>> {
        let mut new = BTreeSet::new();
        for path in paths {
            let facts = self.project.facts(&path).at("look at", &path)?;
            let version = facts.map(|f| (f.identity.inode, f.identity.changed));
            if self.told.insert((path.clone(), version)) {
                new.insert(path);
            }
        }
        if new.is_empty() {
            return Ok(Vec::new());
        }
        // What is the same on both sides is no change, and what lies apart is merged.
        let found = match changes::read(&self.session) {
            Ok(found) => found,
            Err(e) => {
                self.told.retain(|(path, _)| !new.contains(path));
                return Err(e);
            }
        };
        let told = found.list.iter().filter(|c| new.contains(&c.path));
        Ok(told
            .filter(|c| c.conflict || c.is_merged())
            .map(|c| Both {
                path: c.path.clone(),
                merges: c.is_merged(),
            })
            .collect())
    }
}

fn due((first, last): (Instant, Instant)) -> Instant {
    (last + REST).min(first + LONGEST)
}

fn is_wanted(rules: &Rules<'_>, path: &Path) -> bool {
    !path.as_os_str().is_empty()
        && !path.iter().any(is_git)
        && !rules.is_hidden(path)
        && !path
            .ancestors()
            .any(|p| !p.as_os_str().is_empty() && rules.is_scratch(p))
}

/// Notes what both sides have now, if the session has what was written: what it changed meanwhile stays its change. What is
/// written has the host's time, of one of the moments between `read`, when it was opened, and now; a program that writes
/// leaves the time at which it did.
fn note(layer: &Tree, project: &Tree, path: &Path, read: &Facts, bases: &mut Bases) -> Result<()> {
    let mine = layer.facts(path).at("look at", path)?;
    let now = project.facts(path).at("look at", path)?;
    let latest = now.map_or(read.modified, |now| now.modified.max(read.modified));
    let is_ours = |mine: &Facts| mine.kind == Kind::File && (read.modified..=latest).contains(&mine.modified);
    bases.note(path, Some(read.identity));
    if let Some(mine) = mine.filter(is_ours) {
        bases.note_applied(path, Some(mine.identity));
    }
    Ok(())
}

/// As [`note`], of a link: where it leads is all there is to it.
fn note_link(layer: &Tree, path: &Path, read: &Facts, target: &OsStr, bases: &mut Bases) -> Result<()> {
    let mine = layer.facts(path).at("look at", path)?;
    bases.note(path, Some(read.identity));
    if let Some(mine) = mine.filter(|mine| mine.kind == Kind::Link) {
        let (folder, name) = layer.parent(path).at("open", path)?;
        if beneath::target(&folder, name).at("read the link", path)? == target {
            bases.note_applied(path, Some(mine.identity));
        }
    }
    Ok(())
}

fn ground(layer: &Tree, path: &Path, bases: &Bases) -> Result<Ground> {
    let folders: Vec<&Path> = path.ancestors().skip(1).collect();
    let mut folders = folders.into_iter().rev();
    let _top = folders.next();
    for folder in folders {
        let Some(facts) = layer.facts(folder).at("look at", folder)? else {
            return Ok(Ground::Shown(None));
        };
        if facts.kind != Kind::Directory {
            let ours = facts.is_whiteout() && bases.is_applied(folder, None);
            return Ok(if ours {
                Ground::Shown(None)
            } else {
                Ground::Covered
            });
        }
        let open = layer.directory(folder).at("open", folder)?;
        let opaque = crate::attributes::is_opaque(&open).at("read the attributes of", folder)?;
        if opaque && !bases.is_from_host(folder) {
            return Ok(Ground::Covered);
        }
    }
    match layer.parent(path) {
        Ok((folder, name)) => Ok(Ground::Shown(beneath::facts(&folder, name).at("look at", path)?)),
        Err(rustix::io::Errno::NOENT) => Ok(Ground::Shown(None)),
        Err(e) => Err(e).at("open", path),
    }
}
