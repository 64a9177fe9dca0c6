//! Checkpoints: what a session had written at a moment, kept beside it; taken back to, and forked from.
//!
//! ```text
//! sessions/3f9a…-12/checkpoints/4/
//!   about       when and why (a record, written last: without it there is no checkpoint)
//!   upper git   the layer and the git directory, build outputs left out
//!   bases …     the records beside them
//! ```
//! Files are copied, their blocks shared where the filesystem can: what is written to the session afterwards,
//! through whatever was open, does not reach them. The cost grows with what the session changed.

use crate::apply::Steps;
use crate::attributes;
use crate::bases::{Bases, Restored};
use crate::beneath::{self, Kind, Tree};
use crate::changes::Rules;
use crate::copy;
use crate::error::{At, Error, Result};
use crate::record::{self, Line};
use crate::session::{About, Session, remove_if_there};
use crate::{git, quiet};
use rustix::fs::{CWD, FileType, Mode};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Trees of a session that are taken, and records beside them.
const TREES: [&str; 2] = ["upper", "git"];
const RECORDS: [&str; 5] = ["bases", "undone", "refs", "stash", "restored"];
/// The most that are kept of those that were asked for, and of those that were not: the oldest go.
const MOST: usize = 50;
const MOST_BY_ITSELF: usize = 20;
/// One that nobody asked for is not taken of a layer with more names, longer ones together, or more bytes.
const NAMES_BY_ITSELF: u64 = 5_000;
const PATHS_BY_ITSELF: u64 = 1 << 20;
const BYTES_BY_ITSELF: u64 = 256 << 20;
/// How often it is tried to see a running session stand still.
const TRIES: u32 = 3;

/// One checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its number in the session.
    pub number: u64,
    /// Seconds since 1970.
    pub since: u64,
    /// Why it was taken.
    pub why: String,
    /// Whether programs wrote while it was taken: files may be of different moments.
    pub moving: bool,
    /// Whether nobody asked for it.
    pub by_itself: bool,
}

/// What came of a checkpoint that nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByItself {
    /// It was taken.
    Taken(Checkpoint),
    /// Nothing was written, or nothing since the last one.
    Unchanged,
    /// The layer holds so many names and bytes that a copy would take long.
    TooLarge(u64, u64),
}

/// Takes one before something that may want to be taken back, unless the last one is the same.
///
/// # Errors
/// As [`take`].
pub fn take_by_itself(session: &Session, why: &str, now: u64) -> Result<ByItself> {
    let look = quiet::look(session);
    let all = session.path().join("checkpoints");
    let last = list(session)?.into_iter().next_back();
    let same = |c: Checkpoint| look_of(&all.join(c.number.to_string())) == Some(look.hash);
    if look.names == 0 && !git::moved(session.path()) || last.is_some_and(same) {
        return Ok(ByItself::Unchanged);
    }
    let many = look.names > NAMES_BY_ITSELF || look.paths > PATHS_BY_ITSELF;
    if many || look.bytes > BYTES_BY_ITSELF {
        return Ok(ByItself::TooLarge(look.names, look.bytes));
    }
    take_one(session, why, now, true).map(ByItself::Taken)
}

/// What the layer looked like when a checkpoint was taken of it, standing still.
fn look_of(checkpoint: &Path) -> Option<u64> {
    let path = checkpoint.join("about");
    let lines = record::read("checkpoint", &std::fs::read(&path).ok()?, &path).ok()?;
    lines.first()?.parsed("look")
}

/// Nobody else takes one, or goes back to one, while this lives.
fn lock(all: &Path) -> Result<File> {
    private().recursive(true).create(all).at("make", all)?;
    crate::lock::alone(all)
}

/// Takes one. A session that runs may write meanwhile; it is tried a few times to see it stand still.
///
/// # Errors
/// Something of the session cannot be read, or not be kept. Nothing is left then.
pub fn take(session: &Session, why: &str, now: u64) -> Result<Checkpoint> {
    take_one(session, why, now, false)
}

fn take_one(session: &Session, why: &str, now: u64, by_itself: bool) -> Result<Checkpoint> {
    let all = session.path().join("checkpoints");
    let _alone = lock(&all)?;
    let number = numbers(&all)?.last().map_or(1, |n| n + 1);
    let path = all.join(number.to_string());
    let mut moving = true;
    let mut look = quiet::look(session);
    for _ in 0..TRIES {
        remove_if_there(&path)?;
        copy_session(session, &path)?;
        let before = std::mem::replace(&mut look, quiet::look(session));
        moving = look != before;
        if !moving {
            break;
        }
    }
    let about = Line::default()
        .number("since", now)
        .with("why", why)
        .number("moving", u8::from(moving))
        .number("by-itself", u8::from(by_itself));
    let about = if moving {
        about
    } else {
        about.number("look", look.hash)
    };
    let record = path.join("about");
    record::write(&record, &record::encode("checkpoint", &[about])).at("write", &record)?;
    let whole = list(session)?;
    for (asked, most) in [(true, MOST), (false, MOST_BY_ITSELF)] {
        let alike = whole.iter().rev().filter(|c| c.by_itself != asked);
        for old in alike.skip(most) {
            forget(&all.join(old.number.to_string()))?;
        }
    }
    // What was being taken when somebody was killed, or half removed.
    for number in numbers(&all)? {
        let path = all.join(number.to_string());
        if !path.join("about").exists() {
            remove_if_there(&path)?;
        }
    }
    Ok(Checkpoint {
        number,
        since: now,
        why: why.to_owned(),
        moving,
        by_itself,
    })
}

/// Removes one so that what is left of it, if that is stopped, is none.
fn forget(checkpoint: &Path) -> Result<()> {
    let record = checkpoint.join("about");
    std::fs::remove_file(&record).at("remove", &record)?;
    remove_if_there(checkpoint)
}

/// All that are whole, the oldest first.
///
/// # Errors
/// They cannot be listed.
pub fn list(session: &Session) -> Result<Vec<Checkpoint>> {
    let all = session.path().join("checkpoints");
    let read = |number: u64| {
        let path = all.join(number.to_string()).join("about");
        let bytes = std::fs::read(&path).ok()?;
        let lines = record::read("checkpoint", &bytes, &path).ok()?;
        let line = lines.first()?;
        Some(Checkpoint {
            number,
            since: line.parsed("since")?,
            why: line.text("why")?.to_owned(),
            moving: line.parsed::<u8>("moving")? != 0,
            by_itself: line.parsed::<u8>("by-itself").unwrap_or(0) != 0,
        })
    };
    Ok(numbers(&all)?.into_iter().filter_map(read).collect())
}

fn numbers(all: &Path) -> Result<Vec<u64>> {
    let entries = match std::fs::read_dir(all) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.at("list", all)?,
    };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let mut found: Vec<u64> = entries.flatten().filter_map(number).collect();
    found.sort_unstable();
    Ok(found)
}

/// The one of this number, or the last that was asked for; where none was, the last.
fn chosen(session: &Session, number: Option<u64>) -> Result<Checkpoint> {
    let all = list(session)?;
    let found = match number {
        Some(number) => all.into_iter().find(|c| c.number == number),
        None => {
            let asked = all.iter().rposition(|c| !c.by_itself);
            let last = asked.or(all.len().checked_sub(1));
            last.and_then(|n| all.into_iter().nth(n))
        }
    };
    found.ok_or_else(|| Error::NoCheckpoint {
        number,
        id: session.id().to_owned(),
    })
}

/// Takes a session back to a checkpoint, the last that was asked for if none is named. What it was before is a checkpoint of its
/// own, whose number is given back. Build outputs stay as they are. The session must be in nobody's use.
///
/// # Errors
/// There is none, or a step was refused; what the session had is in the checkpoint made before.
pub fn restore(session: &Session, number: Option<u64>, now: u64) -> Result<(Checkpoint, Checkpoint)> {
    restore_by(session, number, now, &Steps::default())
}

fn restore_by(
    session: &Session,
    number: Option<u64>,
    now: u64,
    steps: &Steps,
) -> Result<(Checkpoint, Checkpoint)> {
    let to = chosen(session, number)?;
    let from = session.path().join("checkpoints").join(to.number.to_string());
    let aside = session.path().join(ASIDE);
    remove_if_there(&aside)?;
    private().create(&aside).at("make", &aside)?;
    fill(&from, &aside, session.about())?;
    steps.next()?;
    // Not earlier: it may displace the oldest, which may be the one that is gone back to.
    let before = take_one(session, "before undo", now, true)?;
    let has = TREES
        .iter()
        .chain(&RECORDS)
        .filter(|name| exists(&aside.join(name)));
    let lines: Vec<Line> = has.map(|name| Line::default().with("has", name)).collect();
    let ready = aside.join(READY);
    record::replace(&ready, &record::encode("restoring", &lines)).at("write", &ready)?;
    steps.next()?;
    finish(session, steps)?;
    Ok((to, before))
}

/// Where a session is prepared that goes back; with the record in it, it goes.
const ASIDE: &str = "restoring";
const READY: &str = "ready";

/// Whether somebody was stopped while a session went back.
pub(crate) fn is_unfinished(session: &Path) -> bool {
    session.join(ASIDE).join(READY).exists()
}

/// Puts what was prepared in its place. Each step can be done again after a stop anywhere in it.
pub(crate) fn finish(session: &Session, steps: &Steps) -> Result<()> {
    let aside = session.path().join(ASIDE);
    let ready = aside.join(READY);
    let bytes = std::fs::read(&ready).at("read", &ready)?;
    let lines = record::read("restoring", &bytes, &ready)?;
    for name in TREES.iter().chain(&RECORDS) {
        let comes = lines.iter().any(|l| l.text("has") == Some(name));
        let (new, old, here) = (
            aside.join(name),
            aside.join(format!("{name}.old")),
            session.path().join(name),
        );
        if comes && !exists(&new) {
            continue; // it is there already
        }
        if exists(&here) && !exists(&old) {
            std::fs::rename(&here, &old).at("rename", &here)?;
            steps.next()?;
        }
        if comes {
            std::fs::rename(&new, &here).at("rename", &new)?;
            steps.next()?;
        }
    }
    keep_outputs(&aside.join("upper.old"), session)?;
    remove_if_there(&session.path().join("settled"))?;
    steps.next()?;
    std::fs::remove_file(&ready).at("remove", &ready)?;
    steps.next()?;
    remove_if_there(&aside)
}

/// Makes a new session that begins with what another had at a checkpoint, or, if none is named, has now.
///
/// # Errors
/// There is none, or a step was refused; nothing is left of the new session then.
pub fn fork(place: &Path, session: &Session, number: Option<u64>, now: u64) -> Result<Session> {
    let from = match number {
        Some(_) => chosen(session, number)?,
        None => take(session, "fork", now)?,
    };
    let from = session.path().join("checkpoints").join(from.number.to_string());
    let mut about = session.about().clone();
    about.since = now;
    let made = Session::create(place, &about)?;
    match begin(&from, &made) {
        Ok(()) => Ok(made),
        Err(error) => {
            let _first_error_counts = made.discard();
            Err(error)
        }
    }
}

fn begin(from: &Path, made: &Session) -> Result<()> {
    let upper = made.upper();
    std::fs::remove_dir(&upper).at("remove", &upper)?;
    fill(from, made.path(), made.about())?;
    if made.path().join("git").exists() {
        git::pin(&made.repository(), made.id())?;
    }
    Ok(())
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Everything of a session that is taken, as it is at this moment.
fn copy_session(session: &Session, to: &Path) -> Result<()> {
    private().create(to).at("make", to)?;
    let rules = Rules::of(session);
    let mut oldest = Oldest::of(session)?;
    for name in TREES {
        let from = session.path().join(name);
        let rules = (name == "upper").then_some(&rules);
        if from.is_dir() {
            Copying::begin(&from, &to.join(name), session.about(), rules)?.all(&mut oldest)?;
        }
    }
    for name in RECORDS {
        let from = session.path().join(name);
        if from.exists() {
            std::fs::copy(&from, to.join(name)).at("copy", &from)?;
        }
    }
    oldest.save(&to.join("oldest"))
}

/// Fills a folder with what a checkpoint holds, and notes when that was taken from the host.
fn fill(from: &Path, to: &Path, about: &About) -> Result<()> {
    let begun = marker(&to.join("begun"))?;
    for name in TREES {
        let tree = from.join(name);
        if tree.is_dir() {
            Copying::begin(&tree, &to.join(name), about, None)?.all(&mut Oldest::default())?;
        }
    }
    for name in RECORDS {
        let record = from.join(name);
        if record.exists() {
            std::fs::copy(&record, to.join(name)).at("copy", &record)?;
        }
    }
    if !from.join("about").exists() {
        // Displaced meanwhile: what was copied may be a part of it.
        let number = from.file_name().and_then(|n| n.to_str()?.parse().ok());
        let session = from.ancestors().nth(2).and_then(Path::file_name);
        let id = session.unwrap_or_default().to_string_lossy().into_owned();
        return Err(Error::NoCheckpoint { number, id });
    }
    let ended = marker(&to.join("ended"))?;
    let taken = Oldest::load(&from.join("oldest"))?;
    match (begun, ended, taken.0) {
        (Some(from), Some(until), Some(taken)) => Restored { from, until, taken }.save(to),
        // Where there are no times of birth everything that the host has is a conflict already.
        _ => Ok(()),
    }
}

/// When a file that is made now was born; the file goes.
fn marker(path: &Path) -> Result<Option<(i64, u32)>> {
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .at("make", path)?;
    let born = beneath::facts_of(&file).at("look at", path)?.born;
    std::fs::remove_file(path).at("remove", path)?;
    Ok(born)
}

/// When the first of what a layer holds was taken from the host.
#[derive(Debug, Default)]
struct Oldest(Option<(i64, u32)>, Option<Bases>);

impl Oldest {
    fn of(session: &Session) -> Result<Oldest> {
        Ok(Oldest(None, Some(Bases::load(session.path())?)))
    }

    fn saw(&mut self, born: Option<(i64, u32)>) {
        let taken = self.1.as_ref().map_or(born, |bases| bases.taken(born));
        self.0 = self.0.into_iter().chain(taken).min();
    }

    fn save(&self, path: &Path) -> Result<()> {
        let Some((seconds, nanos)) = self.0 else {
            return Ok(());
        };
        let line = Line::default().number("seconds", seconds).number("nanos", nanos);
        record::write(path, &record::encode("oldest", &[line])).at("write", path)
    }

    fn load(path: &Path) -> Result<Oldest> {
        let bytes = match std::fs::read(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Oldest::default()),
            other => other.at("read", path)?,
        };
        let lines = record::read("oldest", &bytes, path)?;
        let time = lines
            .first()
            .and_then(|l| Some((l.parsed("seconds")?, l.parsed("nanos")?)));
        Ok(Oldest(time, None))
    }
}

/// A tree that is copied: the source may be changed by others meanwhile, the target is ours alone.
struct Copying<'a> {
    from: Tree,
    to: PathBuf,
    about: &'a About,
    rules: Option<&'a Rules<'a>>,
    /// Names of one file, by its number.
    links: HashMap<u64, PathBuf>,
}

impl<'a> Copying<'a> {
    fn begin(from: &Path, to: &Path, about: &'a About, rules: Option<&'a Rules<'a>>) -> Result<Copying<'a>> {
        Ok(Copying {
            from: Tree::open_layer(from).at("open", from)?,
            to: to.to_owned(),
            about,
            rules,
            links: HashMap::new(),
        })
    }

    fn all(mut self, oldest: &mut Oldest) -> Result<()> {
        let to = self.to.clone();
        private().create(&to).at("make", &to)?;
        let mut waiting = vec![PathBuf::new()];
        let mut folders = Vec::new();
        while let Some(folder) = waiting.pop() {
            self.folder(&folder, &mut waiting, oldest)?;
            folders.push(folder);
        }
        // What they hold is there: now their modes, which may keep us out, and their times.
        for folder in folders.iter().rev() {
            self.finish(folder)?;
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path, waiting: &mut Vec<PathBuf>, oldest: &mut Oldest) -> Result<()> {
        let Ok(open) = self.from.directory(folder) else {
            return Err(Error::Unreadable(folder.to_owned()));
        };
        for name in beneath::names(&open).at("list", folder)? {
            let path = folder.join(&name);
            if self.rules.is_some_and(|rules| rules.is_scratch(&path)) {
                continue;
            }
            let Some(facts) = beneath::facts(&open, &name).at("look at", &path)? else {
                continue; // gone meanwhile
            };
            oldest.saw(facts.born);
            let at = self.to.join(&path);
            match facts.kind {
                Kind::Directory => {
                    private().create(&at).at("make", &at)?;
                    waiting.push(path);
                    continue;
                }
                Kind::Link => {
                    let target = beneath::target(&open, &name).at("read the link", &path)?;
                    std::os::unix::fs::symlink(target, &at).at("make a link", &at)?;
                }
                Kind::File if facts.links > 1 && self.links.contains_key(&facts.identity.inode) => {
                    let first = self.links.get(&facts.identity.inode).cloned().unwrap_or_default();
                    std::fs::hard_link(self.to.join(first), &at).at("link", &at)?;
                    continue;
                }
                Kind::File => {
                    self.file(&open, &name, &path, &at)?;
                    if facts.links > 1 {
                        self.links.insert(facts.identity.inode, path.clone());
                    }
                }
                Kind::Other if facts.is_whiteout() => {
                    // Character device 0:0, which needs no privilege (Linux 5.8).
                    let made = rustix::fs::mknodat(CWD, &at, FileType::CharacterDevice, Mode::empty(), 0);
                    made.at("make a whiteout", &at)?;
                }
                Kind::Other => continue, // sockets and pipes are nothing without who made them
            }
            self.give(&at)?;
        }
        Ok(())
    }

    fn file(&self, folder: &std::os::fd::OwnedFd, name: &OsStr, path: &Path, at: &Path) -> Result<()> {
        let from = match beneath::open_file(folder, name) {
            Ok(from) => from,
            // Gone or replaced meanwhile: it is tried again.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::INVAL | rustix::io::Errno::LOOP) => {
                return Ok(());
            }
            Err(rustix::io::Errno::ACCESS) => return Err(Error::Unreadable(path.to_owned())),
            Err(e) => return Err(e).at("open", path),
        };
        let mut options = File::options();
        let to = options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(at)
            .at("make", at)?;
        copy::file(&from, &to).at("copy", path)?;
        Ok(())
    }

    /// Mode, times, attributes and owner of a folder, as those of what it was copied from.
    fn finish(&self, folder: &Path) -> Result<()> {
        let at = self.to.join(folder);
        let Ok(from) = self.from.directory(folder) else {
            return Ok(()); // gone meanwhile
        };
        let to = File::open(&at).at("open", &at)?;
        let copied = attributes::of(&from).and_then(|all| attributes::set(&to, &all));
        copied.at("copy the attributes of", &at)?;
        if attributes::is_opaque(&from).at("read the attributes of", &at)? {
            attributes::make_opaque(&to).at("mark", &at)?;
        }
        let facts = beneath::facts_of(&from).at("look at", &at)?;
        self.give(&at)?;
        copy::like(&to, &facts).at("set the mode of", &at)
    }

    /// As root, what is in the layers belongs to who runs inside.
    fn give(&self, at: &Path) -> Result<()> {
        if rustix::process::geteuid().is_root() {
            let inside = self.about.inside;
            std::os::unix::fs::lchown(at, Some(inside.uid), Some(inside.gid)).at("give away", at)?;
        }
        Ok(())
    }
}

/// Build outputs of the layer before go back to where they were, if their folder is there.
fn keep_outputs(before: &Path, session: &Session) -> Result<()> {
    let rules = Rules::of(session);
    let Ok(tree) = Tree::open_layer(before) else {
        return Ok(());
    };
    let mut waiting = vec![PathBuf::new()];
    while let Some(folder) = waiting.pop() {
        let Ok(open) = tree.directory(&folder) else {
            continue;
        };
        for name in beneath::names(&open).at("list", &folder)? {
            let path = folder.join(&name);
            if rules.is_scratch(&path) {
                let to = session.upper().join(&path);
                let there = to.parent().is_some_and(is_folder) && !exists(&to);
                if there {
                    std::fs::rename(before.join(&path), &to).at("rename", &to)?;
                }
            } else if is_folder(&before.join(&path)) {
                waiting.push(path);
            }
        }
    }
    Ok(())
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|m| m.is_dir())
}

#[cfg(test)]
mod tests;
