//! Bringing refs, HEAD, index and stash to the host's repository, and taking them back. The host's own
//! git does it, in the host's own repository, which no sandbox could write; every ref moves by
//! compare-and-swap. Each step can be done again after a stop anywhere.

use super::name::{Head, ObjectId, RefName};
use super::out::Travel;
use super::refs::{Refs, Repository};
use super::{head_of_others, read};
use crate::beneath::Tree;
use crate::error::{At, Error, Result};
use crate::record::{self, Line};
use crate::session::Owner;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What of a session's repository one apply brings: a record in the apply's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Landing {
    /// Where.
    pub repository: Repository,
    /// Name, before, after.
    pub moves: Vec<(RefName, Option<ObjectId>, Option<ObjectId>)>,
    /// HEAD, before and after.
    pub head: Option<(Head, Head)>,
    /// The commits between whose trees the index moves.
    pub index: Option<(Option<ObjectId>, ObjectId)>,
    /// Stash entries, oldest first.
    pub stash: Vec<ObjectId>,
}

/// Whether a ref of this name is one.
pub(crate) type Says<'a> = &'a dyn Fn(&str) -> bool;

impl Landing {
    fn at(repository: &Repository) -> Landing {
        Landing {
            repository: repository.clone(),
            moves: Vec::new(),
            head: None,
            index: None,
            stash: Vec::new(),
        }
    }

    /// What may land: nothing held but what was accepted, nothing that the host moved too. Gives what does
    /// not land, and why, by name.
    pub(crate) fn choose(
        travel: &Travel,
        repository: &Repository,
        project_waits: bool,
        (wanted, accepted): (Says<'_>, Says<'_>),
    ) -> Result<(Landing, Vec<(String, String)>)> {
        let host = Refs::read(repository)?;
        let others = head_of_others(repository);
        let mut landing = Landing::at(repository);
        let mut waits = Vec::new();
        for m in travel.moves.iter().filter(|m| wanted(m.name.as_str())) {
            let name = m.name.as_str();
            let now = host.list.get(&m.name);
            let reason = if now == m.to.as_ref() {
                continue; // there already
            } else if now != m.from.as_ref() {
                Some("the project moved it too; nothing was done there".to_owned())
            } else if others.contains(&m.name) {
                Some("it is checked out in another worktree".to_owned())
            } else if !m.held.is_empty() && !accepted(name) {
                let words: Vec<&str> = m.held.iter().map(|f| f.why.as_str()).collect();
                Some(format!(
                    "{}; look at it, then name it: fumehood apply {name}",
                    words.join(", ")
                ))
            } else if project_waits && host.head.as_ref() == Some(&Head::Branch(m.name.clone())) {
                Some("its files wait; it comes with them".to_owned())
            } else {
                None
            };
            match reason {
                Some(why) => waits.push((name.to_owned(), why)),
                None => landing.moves.push((m.name.clone(), m.from.clone(), m.to.clone())),
            }
        }
        landing.choose_head(travel, &host, (project_waits, wanted("HEAD")), &mut waits);
        if !wanted("refs/stash") {
            return Ok((landing, waits));
        }
        if travel.stash_held.is_empty() || accepted("refs/stash") {
            landing.stash.clone_from(&travel.stash);
        } else if !travel.stash.is_empty() {
            let words: Vec<&str> = travel.stash_held.iter().map(|f| f.why.as_str()).collect();
            waits.push((
                "refs/stash".into(),
                format!("{}; name it: fumehood apply refs/stash", words.join(", ")),
            ));
        }
        Ok((landing, waits))
    }

    /// HEAD follows the session if the host's is where the session began, and what it leads to is there.
    fn choose_head(
        &mut self,
        travel: &Travel,
        host: &Refs,
        (project_waits, wanted): (bool, bool),
        waits: &mut Vec<(String, String)>,
    ) {
        let lands = |name: &RefName| self.moves.iter().find(|(n, ..)| n == name);
        let after = |head: &Head| match head {
            Head::Detached(id) => Some(id.clone()),
            Head::Branch(name) => {
                lands(name).map_or_else(|| host.list.get(name).cloned(), |(_, _, to)| to.clone())
            }
        };
        let Some(now) = host.head.clone() else { return };
        let goes = match travel.head.as_ref().filter(|_| wanted) {
            None => now.clone(),
            Some((from, to)) => {
                let why = if *from != now {
                    Some("the project's HEAD moved too".to_owned())
                } else if project_waits {
                    Some("files wait; it comes with them".to_owned())
                } else if after(to).as_ref() != travel.tip.as_ref() {
                    Some("what it leads to waits".to_owned())
                } else {
                    None
                };
                match why {
                    Some(why) => {
                        waits.push(("HEAD".to_owned(), why));
                        now.clone()
                    }
                    None => to.clone(),
                }
            }
        };
        let (was, is) = (host.tip().cloned(), after(&goes));
        if goes != now {
            self.head = Some((now, goes));
        }
        if let Some(is) = is.filter(|is| Some(is) != was.as_ref()) {
            self.index = Some((was, is));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.head.is_none() && self.stash.is_empty()
    }

    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        let id = |line: Line, key: &str, id: &Option<ObjectId>| match id {
            Some(id) => line.with(key, id.as_str()),
            None => line,
        };
        let mut lines: Vec<Line> = vec![self.repository.record()];
        for (name, from, to) in &self.moves {
            lines.push(id(
                id(Line::default().with("move", name.as_str()), "from", from),
                "to",
                to,
            ));
        }
        if let Some((from, to)) = &self.head {
            lines.push(
                Line::default()
                    .with("head", from.to_string())
                    .with("to", to.to_string()),
            );
        }
        if let Some((from, to)) = &self.index {
            lines.push(id(Line::default().with("index", to.as_str()), "from", from));
        }
        lines.extend(
            self.stash
                .iter()
                .map(|id| Line::default().with("stash", id.as_str())),
        );
        let path = folder.join("git");
        record::replace(&path, &record::encode("git", &lines)).at("write", &path)
    }

    /// Of an apply that brings any.
    pub(crate) fn load(folder: &Path) -> Result<Option<Landing>> {
        let path = folder.join("git");
        let bytes = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.at("read", &path)?,
        };
        let lines = record::read("git", &bytes, &path)?;
        decode(&lines).map(Some).ok_or(Error::Damaged {
            path,
            what: "a step of git that does not read",
        })
    }

    /// What lands, in words.
    pub(crate) fn words(&self) -> Vec<String> {
        let one = |(name, from, to): &(RefName, Option<ObjectId>, Option<ObjectId>)| {
            let short = fumehood_policy::Escaped::from(name.short()).to_string();
            match (from, to) {
                (None, Some(to)) => format!("{short} is new, at {}", to.short()),
                (Some(from), Some(to)) => format!("{short} {} to {}", from.short(), to.short()),
                (_, None) => format!("{short} deleted"),
            }
        };
        let mut words: Vec<String> = self.moves.iter().map(one).collect();
        if let Some((_, to)) = &self.head {
            let to = match to {
                Head::Branch(name) => name.short(),
                Head::Detached(id) => id.short(),
            };
            words.push(format!("HEAD is {}", fumehood_policy::Escaped::from(to)));
        }
        if !self.stash.is_empty() {
            words.push(format!("{} stashed", self.stash.len()));
        }
        words
    }

    /// Names and where they went; nothing for a deletion.
    pub(crate) fn targets(&self) -> Vec<(String, String)> {
        let id = |to: &Option<ObjectId>| to.as_ref().map(ToString::to_string).unwrap_or_default();
        let moves = self.moves.iter().map(|(name, _, to)| (name.to_string(), id(to)));
        let stash = self
            .stash
            .iter()
            .map(|id| ("refs/stash".to_owned(), id.to_string()));
        moves.chain(stash).collect()
    }

    /// What the host has now is where the session goes on from.
    pub(crate) fn note(&self, session: &Path) -> Result<()> {
        if !session.join("refs").exists() {
            return Ok(()); // discarded meanwhile
        }
        let mut base = Refs::load(session)?;
        for (name, _, to) in &self.moves {
            match to {
                Some(to) => base.list.insert(name.clone(), to.clone()),
                None => base.list.remove(name),
            };
        }
        if let Some((_, to)) = &self.head {
            base.head = Some(to.clone());
        }
        if !self.stash.is_empty() {
            let path = session.join("stash");
            let mut log = std::fs::read(&path).unwrap_or_default();
            for id in &self.stash {
                log.extend(format!("{id} {id} applied\n").into_bytes());
            }
            record::replace(&path, &log).at("write", &path)?;
        }
        base.save(session)
    }

    /// The same backwards.
    pub(crate) fn reversed(&self) -> Landing {
        Landing {
            repository: self.repository.clone(),
            moves: self
                .moves
                .iter()
                .map(|(n, from, to)| (n.clone(), to.clone(), from.clone()))
                .collect(),
            head: self.head.clone().map(|(from, to)| (to, from)),
            index: None,
            stash: Vec::new(),
        }
    }
}

fn decode(lines: &[Line]) -> Option<Landing> {
    let (first, rest) = lines.split_first()?;
    let mut landing = Landing::at(&Repository::of_record(first)?);
    for line in rest {
        let id = |key: &str| match line.get(key) {
            None => Some(None),
            Some(text) => ObjectId::parse(text).map(Some),
        };
        if let Some(name) = line.get("move") {
            landing
                .moves
                .push((RefName::parse(name)?, id("from")?, id("to")?));
        } else if let Some(from) = line.get("head") {
            landing.head = Some((Head::parse(from)?, Head::parse(line.get("to")?)?));
        } else if line.get("index").is_some() {
            landing.index = Some((id("from")?, id("index")??));
        } else {
            landing.stash.push(id("stash")??);
        }
    }
    Some(landing)
}

/// The host's repository and who owns it.
#[derive(Debug)]
pub(crate) struct Ground<'a> {
    pub project: &'a Path,
    pub repository: &'a Repository,
    pub owner: Owner,
}

impl Ground<'_> {
    /// Copies the checked pack and its index to the host's objects: the pack first, since git looks for
    /// indices.
    pub(crate) fn install(&self, packs: &Path) -> Result<()> {
        if !packs.exists() {
            return Ok(());
        }
        let to = self.repository.common.join("objects/pack");
        let tree = Tree::open(packs).at("open", packs)?;
        let mut names = crate::beneath::names(tree.top()).at("list", packs)?;
        names.retain(|n| is_pack(n.as_encoded_bytes()));
        names.sort_by_key(|n| n.as_encoded_bytes().ends_with(b".idx"));
        for name in names {
            let there = to.join(&name);
            if there.exists() {
                continue;
            }
            let mut from = crate::beneath::open_file(tree.top(), &name).at("open", &packs.join(&name))?;
            let temporary = to.join(format!("tmp_fumehood_{}", std::process::id()));
            let mut file = std::fs::File::create(&temporary).at("make", &temporary)?;
            std::io::copy(&mut from, &mut file).at("copy", &temporary)?;
            file.set_permissions(PermissionsExt::from_mode(0o444))
                .at("set the mode of", &temporary)?;
            file.sync_all().at("write", &temporary)?;
            if rustix::process::geteuid().is_root() {
                std::os::unix::fs::lchown(&temporary, Some(self.owner.uid), Some(self.owner.gid))
                    .at("give away", &temporary)?;
            }
            std::fs::rename(&temporary, &there).at("rename", &there)?;
        }
        Ok(())
    }

    /// Takes the steps that are not taken yet. Gives those that could not be, and why. Index and refs
    /// move together or not at all.
    pub(crate) fn take(&self, landing: &Landing) -> Result<Vec<(String, String)>> {
        let now = Refs::read(self.repository)?;
        let mut todo = String::new();
        for (name, from, to) in &landing.moves {
            let here = now.list.get(name);
            if here == to.as_ref() {
                continue;
            }
            if here != from.as_ref() {
                return Ok(vec![(name.to_string(), "it was moved meanwhile".to_owned())]);
            }
            todo += &command(name, from.as_ref(), to.as_ref());
        }
        if let Some((from, to)) = &landing.index
            && let Err(why) = self.index(from.as_ref(), to)
        {
            let why = format!("what is staged outside stands in its way: {why}");
            return Ok(vec![("HEAD".to_owned(), why)]);
        }
        if !todo.is_empty() {
            let words = ["update-ref", "--no-deref", "-m", "fumehood: applied", "--stdin"];
            if let Err(why) = self.git(&words, todo.as_bytes()) {
                if let Some((Some(from), to)) = &landing.index {
                    let _as_it_was = self.index(Some(to), from);
                }
                return Ok(vec![("refs".to_owned(), why)]);
            }
        }
        let mut refused = Vec::new();
        if let Some((from, to)) = &landing.head
            && now.head.as_ref() == Some(from)
        {
            refused.extend(self.point(to).err().map(|why| ("HEAD".to_owned(), why)));
        }
        let stashed = self.stash_list();
        for id in landing.stash.iter().filter(|id| !stashed.contains(id)) {
            let stored = self.git(&["stash", "store", "-m", "made in a sandbox", id.as_str()], b"");
            refused.extend(stored.err().map(|why| ("refs/stash".to_owned(), why)));
        }
        Ok(refused)
    }

    fn point(&self, to: &Head) -> std::result::Result<(), String> {
        let words = match to {
            Head::Branch(name) => ["symbolic-ref", "-m", "fumehood: applied", "HEAD", name.as_str()],
            Head::Detached(id) => [
                "update-ref",
                "--no-deref",
                "-mfumehood: applied",
                "HEAD",
                id.as_str(),
            ],
        };
        self.git(&words, b"").map(drop)
    }

    /// Takes everything back that is as it was left.
    pub(crate) fn take_back(&self, landing: &Landing) -> Result<Vec<(String, String)>> {
        for id in &landing.stash {
            if let Some(n) = self.stash_list().iter().position(|have| have == id) {
                let _stays = self.git(&["stash", "drop", "-q", &format!("stash@{{{n}}}")], b"");
            }
        }
        let mut back = landing.reversed();
        back.index = match &landing.index {
            Some((Some(was), is)) => Some((Some(is.clone()), was.clone())),
            _ => None,
        };
        if let Some((None, _)) = &landing.index {
            let _stays = self.git(&["read-tree", "--empty"], b"");
        }
        self.take(&back)
    }

    /// Moves the entries of the index that are as `from` has them to what `to` has; those that are
    /// neither make it fail, and nothing is moved (git-read-tree(1), "Two Tree Merge").
    fn index(&self, from: Option<&ObjectId>, to: &ObjectId) -> std::result::Result<(), String> {
        let mut words = vec!["read-tree", "-i", "-m"];
        words.extend(from.map(ObjectId::as_str));
        words.push(to.as_str());
        self.git(&words, b"").map(drop)
    }

    fn stash_list(&self) -> Vec<ObjectId> {
        let log = Tree::open(&self.repository.common)
            .ok()
            .and_then(|t| read(&t, Path::new("logs/refs/stash")).ok().flatten());
        let log = log.unwrap_or_default();
        let second = |line: &[u8]| ObjectId::parse(line.split(|b| *b == b' ').nth(1)?);
        let mut list: Vec<ObjectId> = log.split(|b| *b == b'\n').filter_map(second).collect();
        list.reverse();
        list
    }

    pub(super) fn git(&self, words: &[&str], input: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let failed = |e: std::io::Error| format!("git: {e}");
        let mut child = self.command(words).spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input).map_err(failed)?;
        }
        let done = child.wait_with_output().map_err(failed)?;
        if done.status.success() {
            return Ok(done.stdout);
        }
        let words = String::from_utf8_lossy(&done.stderr);
        let line = words.lines().find(|l| !l.is_empty()).unwrap_or("git failed");
        let line = line.trim_start_matches("fatal: ").trim_start_matches("error: ");
        Err(fumehood_policy::Escaped::from(line).to_string())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the host's own git, in the host's own repository, as its owner; hooks and monitors off"
    )]
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.env_clear();
        for (name, value) in std::env::vars_os() {
            let kept = ["HOME", "XDG_CONFIG_HOME", "LANG", "USER", "LOGNAME"];
            if kept.iter().any(|k| *k == name) {
                command.env(name, value);
            }
        }
        command
            .env("PATH", self.search())
            .env("GIT_DIR", &self.repository.own)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"])
            .args(["-c", "gc.auto=0", "-c", "safe.directory=*"])
            .args(words)
            .current_dir(self.project)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if rustix::process::geteuid().is_root() && self.owner.uid != 0 {
            command
                .uid(self.owner.uid)
                .gid(self.owner.gid)
                .env_remove("HOME")
                .env_remove("XDG_CONFIG_HOME");
        }
        command
    }

    /// The caller's search path without the project's own folders.
    fn search(&self) -> OsString {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let kept: Vec<PathBuf> = std::env::split_paths(&path)
            .filter(|p| p.is_absolute() && !p.starts_with(self.project))
            .collect();
        std::env::join_paths(kept).unwrap_or_else(|_| "/usr/bin:/bin".into())
    }
}

/// One line of `git update-ref --stdin`: the old value is compared when the new one is set.
fn command(name: &RefName, from: Option<&ObjectId>, to: Option<&ObjectId>) -> String {
    match (from, to) {
        (None, Some(to)) => format!("create {name} {to}\n"),
        (Some(from), Some(to)) => format!("update {name} {to} {from}\n"),
        (Some(from), None) => format!("delete {name} {from}\n"),
        (None, None) => String::new(),
    }
}

fn is_pack(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"pack-") else {
        return false;
    };
    let stem = rest.strip_suffix(b".pack").or_else(|| rest.strip_suffix(b".idx"));
    stem.is_some_and(|s| ObjectId::parse(s).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_landing_is_written_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let id = |c: &str| ObjectId::parse(c.repeat(40).as_bytes()).unwrap();
        let name = |n: &str| RefName::parse(n.as_bytes()).unwrap();
        let landing = Landing {
            repository: Repository::of(Path::new("/p")),
            moves: vec![
                (name("refs/heads/a"), None, Some(id("a"))),
                (name("refs/heads/b"), Some(id("b")), None),
            ],
            head: Some((Head::Branch(name("refs/heads/a")), Head::Detached(id("c")))),
            index: Some((None, id("d"))),
            stash: vec![id("e")],
        };
        assert_eq!(Landing::load(folder.path()).unwrap(), None);
        landing.save(folder.path()).unwrap();
        assert_eq!(Landing::load(folder.path()).unwrap(), Some(landing));
    }

    #[test]
    fn only_packs_and_their_indices_are_installed() {
        let id = "0".repeat(40);
        assert!(
            is_pack(format!("pack-{id}.pack").as_bytes()) && is_pack(format!("pack-{id}.idx").as_bytes())
        );
        for name in [
            format!("pack-{id}.keep"),
            format!("pack-{id}.promisor"),
            "pack-../../x.pack".into(),
            format!("x{id}.pack"),
        ] {
            assert!(!is_pack(name.as_bytes()), "{name}");
        }
    }
}
