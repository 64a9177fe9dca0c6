//! A session on disk: one directory each, `sessions/<project>-<number>/`.
//!
//! ```text
//! sessions/3f9a…-12/
//!   session     what it is (a record, written once)
//!   lock        locked while a supervisor or an apply uses it
//!   bases       what the host had after our own last step, by path
//!   upper work  the overlay's layers
//!   git         a git directory of its own, where the project has one
//!   spare       the same between two runs, if nothing was committed
//!   title       how it was called, if it was (crate::title)
//!   mask        names that are absent inside, and placeholders, if any
//! ```
//! `<project>` is 16 digits of a hash of the project's path, so the newest session of a directory is the
//! highest number after them: found by one listing, without opening anything.

use crate::apply::Steps;
use crate::beneath::Tree;
use crate::checkpoint;
use crate::error::{At, Error, Result};
use crate::git::{self, Unfit};
use crate::journal::Applies;
use crate::record::{self, Line};
use rustix::fs::FlockOperation;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A numeric user and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The project's real path.
    pub project: PathBuf,
    /// The project's filesystem and inode: another folder of the same name is another project.
    pub identity: (u64, u64),
    /// Its repository, if that lies elsewhere: a linked worktree's.
    pub repository: Option<git::Repository>,
    /// Whose files the applied ones become.
    pub owner: Owner,
    /// Who owns them in the layers.
    pub inside: Owner,
    /// When changes land: `never`, `ask`, `turn`.
    pub apply: String,
    /// What the configuration in force says, as a digest: build outputs are shared by runs of one only.
    pub policy: String,
    /// Patterns of build outputs that never land.
    pub scratch: Vec<Vec<u8>>,
    /// Paths that are absent inside, relative to the project.
    pub hidden: Vec<PathBuf>,
    /// Files of which only the structure is inside, relative to the project.
    pub masked: Vec<PathBuf>,
    /// Seconds since 1970.
    pub since: u64,
}

/// A session's directory, locked for as long as this lives.
#[derive(Debug)]
pub struct Session {
    id: String,
    path: PathBuf,
    about: About,
    tracked: OnceCell<BTreeSet<PathBuf>>,
    _lock: File,
}

/// Whether another process may use the session meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Runs in it: nobody else does.
    Running,
    /// Looks at it, also while it runs.
    Looking,
}

/// 16 hexadecimal digits that stand for a project's path: FNV-1a, which need not resist anybody, since
/// the record names the path and is compared.
#[must_use]
pub fn project_key(project: &Path) -> String {
    let hash = project
        .as_os_str()
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}

/// What lies in the directory of a session in which nothing was kept.
const UNTOUCHED: [&str; 8] = [
    "session",
    "lock",
    "upper",
    "work",
    "mask",
    "settled",
    SPARE,
    crate::power::RUNNING,
];

/// A git directory that a run left, or one that is being made: nothing in it is believed.
const SPARE: &str = "spare";

/// From how many sessions on those of projects that are gone are looked for.
const MANY: usize = 64;
/// How many are removed at one start.
const AT_ONCE: usize = 16;

/// Removes sessions in which nothing is, whose projects are gone: one of each project is kept otherwise.
fn forget_vanished(place: &Path) {
    let entries = std::fs::read_dir(place.join("sessions")).into_iter().flatten();
    let ids: Vec<String> = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .collect();
    if ids.len() < MANY {
        return;
    }
    // One that runs, or does not read, is left alone.
    let open = |id: &String| Session::open(place, id, Use::Running).ok();
    let gone = |session: &Session| !session.about.project.exists() && session.is_untouched();
    for session in ids.iter().filter_map(open).filter(gone).take(AT_ONCE) {
        let _next_time = session.discard();
    }
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

impl Session {
    /// Makes a new one, in use from now on. As root the layers belong to who runs inside.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn create(place: &Path, about: &About) -> Result<Session> {
        let sessions = place.join("sessions");
        private()
            .recursive(true)
            .create(&sessions)
            .at("make", &sessions)?;
        let key = project_key(&about.project);
        let mut number = numbers(&sessions, &key)?.last().map_or(1, |n| n + 1);
        let path = loop {
            let path = sessions.join(format!("{key}-{number}"));
            match private().create(&path) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
                other => {
                    other.at("make", &path)?;
                    break path;
                }
            }
        };
        for name in ["upper", "work"] {
            let layer = path.join(name);
            private().create(&layer).at("make", &layer)?;
            give(&layer, about.inside)?;
        }
        let session = Session {
            id: format!("{key}-{number}"),
            _lock: lock(&path, Use::Running, &key)?,
            path,
            about: about.clone(),
            tracked: OnceCell::new(),
        };
        session.take_mode()?;
        let record = session.path.join("session");
        record::write(&record, &encode(about)).at("write", &record)?;
        forget_vanished(place);
        Ok(session)
    }

    /// Opens one by its id.
    ///
    /// # Errors
    /// It is not there, is running, or its record does not read.
    pub fn open(place: &Path, id: &str, how: Use) -> Result<Session> {
        let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let path = place.join("sessions").join(id);
        let record = path.join("session");
        if !plain || !record.exists() {
            return Err(Error::NoSession(fumehood_policy::Escaped::from(id).to_string()));
        }
        let lock = lock(&path, how, id)?;
        let bytes = std::fs::read(&record).at("read", &record)?;
        let about = decode(&record::read("session", &bytes, &record)?).ok_or(Error::Damaged {
            path: record,
            what: "a field is missing",
        })?;
        let session = Session {
            id: id.to_owned(),
            path,
            about,
            tracked: OnceCell::new(),
            _lock: lock,
        };
        session.go_back(how)?;
        Ok(session)
    }

    /// Finishes going back to a checkpoint, where somebody was stopped at it.
    fn go_back(&self, how: Use) -> Result<()> {
        if !checkpoint::is_unfinished(&self.path) {
            return Ok(());
        }
        let _alone = match how {
            Use::Running => None,
            Use::Looking => Some(lock(&self.path, Use::Running, &self.id)?),
        };
        // Whoever was at it may have finished meanwhile.
        if checkpoint::is_unfinished(&self.path) {
            checkpoint::finish(self, &Steps::default())?;
        }
        Ok(())
    }

    /// Goes on in it, as somebody else perhaps: root's sandboxes get a new private id each time, and the
    /// layers become its. What is hidden or masked only grows.
    ///
    /// # Errors
    /// The project is another one, or the layers cannot be given away.
    pub fn resume(&mut self, wanted: &About) -> Result<()> {
        self.project()?;
        if self.about.inside != wanted.inside {
            for name in ["upper", "work", "mask", "git"] {
                give_tree(&self.path.join(name), self.about.inside, wanted.inside)?;
            }
        }
        let mut about = wanted.clone();
        let more = self.about.hidden.iter().filter(|h| !wanted.hidden.contains(h));
        about.hidden.extend(more.cloned());
        let more = self.about.masked.iter().filter(|m| !wanted.masked.contains(m));
        about.masked.extend(more.cloned());
        about.since = self.about.since;
        if self.is_untouched() {
            self.take_mode()?;
            about.since = wanted.since;
        }
        let _none = std::fs::remove_file(self.path.join("settled"));
        // When it began is of no use where nothing is in it: not worth a write at each start.
        let same = About {
            since: self.about.since,
            ..about.clone()
        } == self.about;
        if !same {
            let record = self.path.join("session");
            record::replace(&record, &encode(&about)).at("write", &record)?;
        }
        self.about = about;
        Ok(())
    }

    /// Whether nothing was ever kept in it, or nothing is left: it then serves the next run as it is.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        let plain = |name: &std::ffi::OsString| UNTOUCHED.iter().any(|n| name == n);
        let names = |path: &Path| {
            let tree = Tree::open(path).ok()?;
            crate::beneath::names(tree.top()).ok()
        };
        names(&self.path).is_some_and(|all| all.iter().all(plain))
            && names(&self.upper()).is_some_and(|all| all.is_empty())
    }

    /// The top of the merged view shows the upper's mode.
    fn take_mode(&self) -> Result<()> {
        let (project, upper) = (&self.about.project, self.upper());
        let wanted = std::fs::symlink_metadata(project).at("look at", project)?.mode() & 0o7777;
        let has = std::fs::symlink_metadata(&upper).at("look at", &upper)?.mode() & 0o7777;
        if wanted != has {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(wanted);
            std::fs::set_permissions(&upper, mode).at("set the mode of", &upper)?;
        }
        Ok(())
    }

    /// Ids of a project's sessions, oldest first.
    ///
    /// # Errors
    /// The directory of sessions cannot be listed.
    pub fn of_project(place: &Path, project: &Path) -> Result<Vec<String>> {
        let key = project_key(project);
        let numbers = numbers(&place.join("sessions"), &key)?;
        Ok(numbers.into_iter().map(|n| format!("{key}-{n}")).collect())
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The project's repository, if it has one.
    #[must_use]
    pub fn repository(&self) -> git::Repository {
        let ordinary = || git::Repository::of(&self.about.project);
        self.about.repository.clone().unwrap_or_else(ordinary)
    }

    /// Paths of the host's index, as it was when it was first asked for, of those that `wanted` says.
    pub(crate) fn tracked(&self, wanted: impl Fn(&Path) -> bool) -> &BTreeSet<PathBuf> {
        self.tracked
            .get_or_init(|| git::tracked(&self.repository(), wanted))
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The upper layer.
    #[must_use]
    pub fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }

    /// The kernel's working directory.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// The project's tree, if it is the folder that the session was made for.
    ///
    /// # Errors
    /// It is gone, or another one.
    pub fn project(&self) -> Result<Tree> {
        let path = &self.about.project;
        let same = std::fs::symlink_metadata(path)
            .is_ok_and(|m| m.is_dir() && (m.dev(), m.ino()) == self.about.identity);
        if !same {
            return Err(Error::Vanished {
                path: path.clone(),
                id: self.id.clone(),
            });
        }
        Tree::open(path).at("open", path)
    }

    /// Hides and masks names: a layer with whiteouts and placeholders, read below the upper one. Directories on the way show what
    /// the project's show.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make_mask(&self) -> Result<Option<PathBuf>> {
        if self.about.hidden.is_empty() && self.about.masked.is_empty() {
            return Ok(None);
        }
        let mask = self.path.join("mask");
        for path in &self.about.hidden {
            self.mask_folders(&mask, path)?;
            let at = mask.join(path);
            let none = rustix::fs::Mode::empty();
            // Character device 0:0, which needs no privilege (Linux 5.8).
            rustix::fs::mknodat(
                rustix::fs::CWD,
                &at,
                rustix::fs::FileType::CharacterDevice,
                none,
                0,
            )
            .or_else(|e| {
                if e == rustix::io::Errno::EXIST {
                    Ok(())
                } else {
                    Err(e)
                }
            })
            .at("make a whiteout", &at)?;
        }
        let is_absent = |path: &&PathBuf| self.about.hidden.iter().any(|h| path.starts_with(h));
        for path in self.about.masked.iter().filter(|path| !is_absent(path)) {
            self.mask_folders(&mask, path)?;
            self.mask_file(&mask.join(path), &self.about.project.join(path))?;
        }
        Ok(Some(mask))
    }

    fn mask_folders(&self, mask: &Path, path: &Path) -> Result<()> {
        let folders: Vec<&Path> = path.ancestors().skip(1).collect();
        folders
            .into_iter()
            .rev()
            .try_for_each(|folder| self.mask_folder(&mask.join(folder), &self.about.project.join(folder)))
    }

    /// Made anew at each start: the host's may have other names in it by now.
    fn mask_file(&self, at: &Path, like: &Path) -> Result<()> {
        remove_if_there(at)?;
        let mode = std::fs::symlink_metadata(like).map_or(0o600, |m| m.mode() & 0o777);
        std::fs::write(at, crate::masked::of_file(like)).at("write", at)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(at, mode).at("set the mode of", at)?;
        give(at, self.about.inside)
    }

    fn mask_folder(&self, at: &Path, like: &Path) -> Result<()> {
        if at.is_dir() {
            return Ok(());
        }
        private().create(at).at("make", at)?;
        let found = std::fs::symlink_metadata(like).at("look at", like)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(found.mode() & 0o777);
        std::fs::set_permissions(at, mode).at("set the mode of", at)?;
        give(at, self.about.inside)
    }

    /// The session's own git directory, made at the first start; the reason if the repository is
    /// overlaid with the rest instead, and nothing where there is none. `seen` is whom the session sees as the
    /// owner of the project's files.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make_git(&self, seen: Owner) -> Result<std::result::Result<Option<PathBuf>, Unfit>> {
        let own = self.path.join("git");
        if own.join("HEAD").exists() {
            return Ok(Ok(Some(own)));
        }
        let there = std::fs::symlink_metadata(self.about.project.join(".git"));
        // A session that began without one keeps what it has in its layer.
        if there.is_err() || self.path.join("upper/.git").symlink_metadata().is_ok() {
            return Ok(Ok(None));
        }
        let repository = self.repository();
        let mut wanted = match git::wanted(&repository)? {
            Ok(wanted) => wanted,
            Err(unfit) => return Ok(Err(unfit)),
        };
        let owner = rustix::process::geteuid().is_root().then_some(self.about.inside);
        if owner.is_some() {
            wanted.seen_as(self.about.owner, seen);
        }
        let spare = self.path.join(SPARE);
        wanted.make(&spare, owner)?;
        wanted.refs().save(&self.path)?;
        if let Some(stash) = wanted.stash() {
            let kept = self.path.join("stash");
            std::fs::write(&kept, stash).at("write", &kept)?;
        }
        git::pin(&repository, &self.id)?;
        // Of one whose HEAD was removed inside: it may lead anywhere.
        remove_if_there(&own)?;
        // Last: one that is there is whole.
        std::fs::rename(&spare, &own).at("rename", &spare)?;
        Ok(Ok(Some(own)))
    }

    /// Puts the git directory aside for the next run, which makes it what the host's is by then. One in which there is
    /// much that the host's has not is removed.
    ///
    /// # Errors
    /// It cannot be renamed or removed.
    pub(crate) fn spare_git(&self) -> Result<()> {
        let (git, spare) = (self.path.join("git"), self.path.join(SPARE));
        if git.symlink_metadata().is_err() {
            return Ok(());
        }
        if !git::is_small(&git) {
            return remove_if_there(&git);
        }
        remove_if_there(&spare)?;
        std::fs::rename(&git, &spare).at("rename", &git)
    }

    /// Forgets it, unless it is the last one of its project: of several that do so at a time one stays.
    ///
    /// # Errors
    /// As [`Session::discard`].
    pub fn discard_beside_others(self, place: &Path) -> Result<Option<Session>> {
        let is_last = || Session::of_project(place, &self.about.project).map(|all| all.len() < 2);
        if is_last()? {
            return Ok(Some(self));
        }
        let _one_at_a_time = Applies::open(place, &self.about.project)?;
        if is_last()? {
            return Ok(Some(self));
        }
        self.discard().map(|()| None)
    }

    /// Forgets the changes: the layers are emptied and the session is gone.
    ///
    /// # Errors
    /// Something cannot be removed; what is left is not a session any more.
    pub fn discard(self) -> Result<()> {
        let record = self.path.join("session");
        std::fs::remove_file(&record).at("remove", &record)?;
        git::unpin(&self.repository(), &self.id);
        remove_tree(&self.path).at("remove", &self.path)
    }
}

pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    remove_tree(path).at("remove", path)
}

/// Removes a tree of ours, whatever a session made of it.
pub(crate) fn remove_tree(path: &Path) -> std::io::Result<()> {
    fumehood_tree::remove_path(path)
}

/// Gives everything of a tree that was one's to another; no link is followed.
fn give_tree(top: &Path, from: Owner, to: Owner) -> Result<()> {
    // Nothing was hidden, or there is no repository.
    if std::fs::symlink_metadata(top).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
        return Ok(());
    }
    give(top, to)?;
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(to.uid),
        rustix::fs::Gid::from_raw(to.gid),
    );
    let gave = fumehood_tree::each(top, |folder, name, facts| {
        if facts.st_uid != from.uid {
            return Ok(());
        }
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(folder, name, Some(uid), Some(gid), flags)
    });
    gave.map_err(std::io::Error::from).at("give away", top)
}

fn give(path: &Path, to: Owner) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(path, Some(to.uid), Some(to.gid)).at("give away", path)?;
    }
    Ok(())
}

fn lock(session: &Path, how: Use, id: &str) -> Result<File> {
    let path = session.join("lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(0o2_000_000) // O_CLOEXEC
        .open(&path)
        .at("open", &path)?;
    if how == Use::Running {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(Error::Running(id.to_owned())),
            other => other.at("lock", &path)?,
        }
    }
    Ok(file)
}

fn numbers(sessions: &Path, key: &str) -> Result<Vec<u64>> {
    let entries = match std::fs::read_dir(sessions) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.at("list", sessions)?,
    };
    let number = |name: std::ffi::OsString| -> Option<u64> {
        name.to_str()?.strip_prefix(key)?.strip_prefix('-')?.parse().ok()
    };
    let mut found: Vec<u64> = entries.flatten().filter_map(|e| number(e.file_name())).collect();
    found.sort_unstable();
    Ok(found)
}

fn encode(about: &About) -> Vec<u8> {
    let mut lines = vec![
        Line::default()
            .path("project", &about.project)
            .number("device", about.identity.0)
            .number("inode", about.identity.1)
            .number("uid", about.owner.uid)
            .number("gid", about.owner.gid)
            .number("inside-uid", about.inside.uid)
            .number("inside-gid", about.inside.gid)
            .with("apply", &about.apply)
            .with("policy", &about.policy)
            .number("since", about.since),
    ];
    if let Some(repository) = &about.repository {
        lines.push(repository.record());
    }
    lines.extend(about.scratch.iter().map(|s| Line::default().with("scratch", s)));
    lines.extend(about.hidden.iter().map(|h| Line::default().path("hidden", h)));
    lines.extend(about.masked.iter().map(|m| Line::default().path("masked", m)));
    record::encode("session", &lines)
}

fn decode(lines: &[Line]) -> Option<About> {
    let first = lines.first()?;
    Some(About {
        project: first.path_of("project").filter(|p| p.is_absolute())?,
        identity: (first.parsed("device")?, first.parsed("inode")?),
        repository: lines.iter().find_map(git::Repository::of_record),
        owner: Owner {
            uid: first.parsed("uid")?,
            gid: first.parsed("gid")?,
        },
        inside: Owner {
            uid: first.parsed("inside-uid")?,
            gid: first.parsed("inside-gid")?,
        },
        apply: first.text("apply")?.to_owned(),
        policy: first.text("policy").unwrap_or_default().to_owned(),
        since: first.parsed("since")?,
        scratch: lines
            .iter()
            .filter_map(|l| Some(l.get("scratch")?.to_vec()))
            .collect(),
        hidden: lines.iter().filter_map(|l| l.path_of("hidden")).collect(),
        masked: lines.iter().filter_map(|l| l.path_of("masked")).collect(),
    })
}

/// Whether a session holds nothing but build outputs.
#[must_use]
pub fn settled(session: &Path) -> bool {
    session.join("settled").exists()
}

/// Whether a session's directory holds anything of the user's: cheap, for a summary that mostly says
/// nothing.
#[must_use]
pub fn waits(session: &Path) -> bool {
    if settled(session) {
        return false;
    }
    let upper = Tree::open_layer(&session.join("upper")).ok();
    let changed = upper
        .and_then(|t| crate::beneath::names(t.top()).ok())
        .is_some_and(|names| !names.is_empty());
    changed || git::moved(session)
}

/// The identity by which a project is known again.
///
/// # Errors
/// It cannot be looked at.
pub fn identity(project: &Path) -> Result<((u64, u64), Owner)> {
    let m = std::fs::symlink_metadata(project).at("look at", project)?;
    let owner = Owner {
        uid: m.uid(),
        gid: m.gid(),
    };
    Ok(((m.dev(), m.ino()), owner))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn about(project: &Path) -> About {
        let (identity, owner) = identity(project).unwrap();
        About {
            project: project.to_owned(),
            identity,
            repository: Some(git::Repository {
                own: "/a b/.git/worktrees/x".into(),
                common: "/a b/.git".into(),
            }),
            owner,
            inside: owner,
            apply: "never".into(),
            policy: "p".into(),
            scratch: vec![b"target/**".to_vec()],
            hidden: vec!["a b/.env".into(), ".env".into()],
            masked: Vec::new(),
            since: 7,
        }
    }

    #[test]
    fn sessions_are_numbered_found_and_read_back() {
        let (place, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let about = about(project.path());
        let first = Session::create(place.path(), &about).unwrap();
        let second = Session::create(place.path(), &about).unwrap();
        let ids = Session::of_project(place.path(), project.path()).unwrap();
        assert_eq!(ids, [first.id(), second.id()]);
        assert!(matches!(
            Session::open(place.path(), first.id(), Use::Running),
            Err(Error::Running(_))
        ));
        let (id, _) = (first.id().to_owned(), drop(first));
        let again = Session::open(place.path(), &id, Use::Running).unwrap();
        assert_eq!(*again.about(), about);
        again.discard().unwrap();
        assert_eq!(
            Session::of_project(place.path(), project.path()).unwrap().len(),
            1
        );
    }

    #[test]
    fn of_several_that_go_at_a_time_one_stays() {
        let (place, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut about = about(project.path());
        about.hidden.clear();
        about.repository = None;
        for _ in 0..20 {
            let make = |_| Session::create(place.path(), &about).unwrap();
            let sessions: Vec<Session> = (0..3).map(make).collect();
            let (place, together) = (place.path(), std::sync::Barrier::new(sessions.len()));
            let together = &together;
            let left: Vec<Session> = std::thread::scope(|scope| {
                let go = |session: Session| {
                    scope.spawn(move || {
                        together.wait();
                        session.discard_beside_others(place).unwrap()
                    })
                };
                let all: Vec<_> = sessions.into_iter().map(go).collect();
                all.into_iter().filter_map(|one| one.join().unwrap()).collect()
            });
            let there = Session::of_project(place, project.path()).unwrap();
            assert_eq!(there, left.iter().map(Session::id).collect::<Vec<_>>());
            assert_eq!(there.len(), 1);
            left.into_iter().for_each(|session| session.discard().unwrap());
        }
    }

    #[test]
    fn one_in_which_nothing_is_serves_again_and_shows_the_projects_mode() {
        use std::os::unix::fs::PermissionsExt;
        let (place, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut about = about(project.path());
        about.hidden.clear();
        let mut session = Session::create(place.path(), &about).unwrap();
        assert!(session.is_untouched());
        let mode = |m| std::fs::set_permissions(project.path(), std::fs::Permissions::from_mode(m)).unwrap();
        mode(0o751);
        let record = std::fs::metadata(session.path().join("session")).unwrap().ino();
        let (id, later) = (
            session.id().to_owned(),
            About {
                since: 9,
                ..about.clone()
            },
        );
        session.resume(&later).unwrap();
        assert_eq!((session.id(), session.about()), (&*id, &later));
        let is = std::fs::metadata(session.upper()).unwrap().mode() & 0o7777;
        assert_eq!(is, 0o751);
        // Nothing was written for that.
        assert_eq!(
            std::fs::metadata(session.path().join("session")).unwrap().ino(),
            record
        );
        let other = About {
            policy: "q".into(),
            ..about
        };
        session.resume(&other).unwrap();
        drop(session);
        let mut session = Session::open(place.path(), &id, Use::Running).unwrap();
        assert_eq!(session.about().policy, "q");
        // What waits is left as it is, mode included.
        std::fs::write(session.upper().join("x"), "").unwrap();
        assert!(!session.is_untouched());
        mode(0o700);
        session.resume(&other).unwrap();
        assert_eq!(std::fs::metadata(session.upper()).unwrap().mode() & 0o7777, 0o751);
        std::fs::remove_file(session.upper().join("x")).unwrap();
        assert!(session.is_untouched());
        std::fs::write(session.path().join("bases"), "").unwrap();
        assert!(!session.is_untouched());
    }

    #[test]
    fn those_of_vanished_projects_are_removed_where_there_are_many() {
        let (place, top) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let make = |n: usize| {
            let project = top.path().join(n.to_string());
            std::fs::create_dir(&project).unwrap();
            let mut about = about(&project);
            about.hidden.clear();
            about.repository = None;
            let session = Session::create(place.path(), &about).unwrap();
            if n == 1 {
                std::fs::write(session.upper().join("kept"), "").unwrap();
            }
            if n != 0 {
                std::fs::remove_dir(&project).unwrap();
            }
        };
        (0..MANY - 1).for_each(make);
        let count = || std::fs::read_dir(place.path().join("sessions")).unwrap().count();
        assert_eq!(count(), MANY - 1);
        (MANY..MANY + 20).for_each(make);
        assert!(count() < MANY, "{}", count());
        // Not one whose project is there, nor one in which something waits.
        for n in [0, 1] {
            let project = top.path().join(n.to_string());
            assert_eq!(Session::of_project(place.path(), &project).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_project_that_vanished_is_told() {
        let (place, top) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let project = top.path().join("p");
        std::fs::create_dir(&project).unwrap();
        let session = Session::create(place.path(), &about(&project)).unwrap();
        assert!(session.project().is_ok());
        std::fs::rename(&project, top.path().join("q")).unwrap();
        assert!(matches!(session.project(), Err(Error::Vanished { .. })));
        std::fs::create_dir(&project).unwrap();
        assert!(matches!(session.project(), Err(Error::Vanished { .. })));
    }

    #[test]
    fn ids_lead_nowhere_else() {
        let place = tempfile::tempdir().unwrap();
        for id in ["", "..", "../x", "/etc", "a/b", "x\n"] {
            assert!(matches!(
                Session::open(place.path(), id, Use::Looking),
                Err(Error::NoSession(_))
            ));
        }
    }

    #[test]
    fn a_damaged_record_is_told() {
        let (place, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let session = Session::create(place.path(), &about(project.path())).unwrap();
        let (id, record) = (session.id().to_owned(), session.path().join("session"));
        drop(session);
        for bytes in [
            &b""[..],
            b"fumehood=session version=1\nend=1\n",
            b"\xff\n",
            b"fumehood=session version=1\nx",
        ] {
            std::fs::write(&record, bytes).unwrap();
            let opened = Session::open(place.path(), &id, Use::Looking);
            assert!(
                matches!(opened, Err(Error::Damaged { .. })),
                "{bytes:?} {opened:?}"
            );
        }
    }
}
