//! One apply on disk: what is to be done, in order, and the files it takes.
//!
//! ```text
//! applies/<project>/3/
//!   state     ready, done, undoing, undone; none: nothing of the project was touched yet
//!   journal   the steps
//!   after     which version each path had when it was done
//!   0.new     what step 0 installs, until it is installed
//!   0.old     what stood there, until it is put back
//! ```

use crate::bases::{Base, identity_with, with_identity};
use crate::beneath::Identity;
use crate::error::{At, Error, Result};
use crate::record::{self, Line};
use crate::session::{Owner, project_key};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// One step at one path, relative to the project. Doing it twice is doing it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A file or link goes.
    Remove(Identity),
    /// An empty directory of this mode goes.
    RemoveDirectory(u32),
    /// A directory comes; its mode is set by a later step.
    MakeDirectory,
    /// A file or link comes, in place of this version or of nothing.
    Put {
        /// Inode of the staged copy.
        staged: u64,
        /// What stands there.
        before: Option<Identity>,
        /// How much of the session's version it is.
        share: Share,
    },
    /// Permission bits, from and to.
    Mode(u32, u32),
}

/// What an installed file is of what the session has, and so what is noted of it afterwards ([`crate::bases`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// All of it.
    Whole,
    /// Some of it: the rest waits.
    Part,
    /// Some of what was merged: all is to be merged again.
    PartOfMerged,
    /// This version of the session's, merged with the host's; and what was noted before.
    Merged(Identity, Option<Base>),
    /// All of it, over what the host had changed; and what was noted before.
    Over(Option<Base>),
}

/// Where an apply stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Everything is staged; steps may have been taken.
    Ready,
    /// All steps were taken.
    Done,
    /// Steps may have been taken back.
    Undoing,
    /// All steps were taken back.
    Undone,
}

impl State {
    const WORDS: [(&'static str, State); 4] = [
        ("ready", State::Ready),
        ("done", State::Done),
        ("undoing", State::Undoing),
        ("undone", State::Undone),
    ];
}

/// What one apply is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Journal {
    pub(crate) session: String,
    pub(crate) owner: Owner,
    pub(crate) steps: Vec<(PathBuf, Step)>,
}

impl Journal {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut lines = vec![
            Line::default()
                .with("session", &self.session)
                .number("uid", self.owner.uid)
                .number("gid", self.owner.gid),
        ];
        lines.extend(self.steps.iter().map(|(path, step)| encode_step(path, step)));
        record::encode("journal", &lines)
    }

    pub(crate) fn load(folder: &Path) -> Result<Journal> {
        let path = folder.join("journal");
        let bytes = std::fs::read(&path).at("read", &path)?;
        let lines = record::read("journal", &bytes, &path)?;
        decode(&lines).ok_or(Error::Damaged {
            path,
            what: "a step that does not read",
        })
    }
}

fn encode_step(path: &Path, step: &Step) -> Line {
    let line = Line::default().path("path", path);
    match step {
        Step::Remove(before) => with_identity(line.with("do", "remove"), "", Some(*before)),
        Step::RemoveDirectory(mode) => line.with("do", "rmdir").number("mode", mode),
        Step::MakeDirectory => line.with("do", "mkdir"),
        Step::Put {
            staged,
            before,
            share,
        } => {
            let line = with_identity(line.with("do", "put").number("staged", staged), "", *before);
            encode_share(line, *share)
        }
        Step::Mode(from, to) => line.with("do", "mode").number("from", from).number("to", to),
    }
}

fn encode_share(line: Line, share: Share) -> Line {
    let was = |line: Line, base: Option<Base>| match base {
        Some(base) => base.write(line.number("was", 1), "was-"),
        None => line,
    };
    match share {
        Share::Whole => line,
        Share::Part => line.with("share", "part"),
        Share::PartOfMerged => line.with("share", "part-of-merged"),
        Share::Over(base) => was(line.with("share", "over"), base),
        Share::Merged(layer, base) => {
            let line = with_identity(line.with("share", "merged"), "layer-", Some(layer));
            was(line, base)
        }
    }
}

fn decode_share(line: &Line) -> Option<Share> {
    let was = || line.get("was").map(|_| Base::read(line, "was-"));
    Some(match line.text("share") {
        None => Share::Whole,
        Some("part") => Share::Part,
        Some("part-of-merged") => Share::PartOfMerged,
        Some("over") => Share::Over(was()),
        Some("merged") => Share::Merged(identity_with(line, "layer-")?, was()),
        Some(_) => return None,
    })
}

fn decode(lines: &[Line]) -> Option<Journal> {
    let (first, steps) = lines.split_first()?;
    Some(Journal {
        session: first.text("session")?.to_owned(),
        owner: Owner {
            uid: first.parsed("uid")?,
            gid: first.parsed("gid")?,
        },
        steps: steps
            .iter()
            .map(|l| Some((l.path_of("path")?, decode_step(l)?)))
            .collect::<Option<_>>()?,
    })
}

fn decode_step(line: &Line) -> Option<Step> {
    Some(match line.text("do")? {
        "remove" => Step::Remove(identity_with(line, "")?),
        "rmdir" => Step::RemoveDirectory(line.parsed("mode")?),
        "mkdir" => Step::MakeDirectory,
        "put" => Step::Put {
            staged: line.parsed("staged")?,
            before: identity_with(line, ""),
            share: decode_share(line)?,
        },
        "mode" => Step::Mode(line.parsed("from")?, line.parsed("to")?),
        _ => return None,
    })
}

/// All applies of one project; nobody else changes them while this lives.
#[derive(Debug)]
pub(crate) struct Applies {
    folder: PathBuf,
    _lock: File,
}

impl Applies {
    pub(crate) fn open(place: &Path, project: &Path) -> Result<Applies> {
        let folder = Applies::made(place, project)?;
        let lock = crate::lock::alone(&folder)?;
        Ok(Applies { folder, _lock: lock })
    }

    fn made(place: &Path, project: &Path) -> Result<PathBuf> {
        let folder = place.join("applies").join(project_key(project));
        private(&folder, true)?;
        Ok(folder)
    }

    /// The file by which others are kept out: who only waits for its turn needs nothing else of the folder.
    pub(crate) fn lock(place: &Path, project: &Path) -> Result<PathBuf> {
        crate::lock::made(&Applies::made(place, project)?)
    }

    /// Numbers, oldest first.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>> {
        let entries = std::fs::read_dir(&self.folder).at("list", &self.folder)?;
        let mut numbers: Vec<u64> = entries
            .flatten()
            .filter_map(|e| e.file_name().to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(crate) fn folder(&self, number: u64) -> PathBuf {
        self.folder.join(number.to_string())
    }

    pub(crate) fn next(&self) -> Result<(u64, PathBuf)> {
        let number = self.numbers()?.last().map_or(1, |n| n + 1);
        let folder = self.folder(number);
        private(&folder, false)?;
        Ok((number, folder))
    }
}

fn private(folder: &Path, recursive: bool) -> Result<()> {
    std::fs::DirBuilder::new()
        .mode(0o700)
        .recursive(recursive)
        .create(folder)
        .at("make", folder)
}

/// Where an apply stands; `None` if it never began.
pub(crate) fn state(folder: &Path) -> Result<Option<State>> {
    let path = folder.join("state");
    let bytes = match std::fs::read(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.at("read", &path)?,
    };
    let lines = record::read("state", &bytes, &path)?;
    let word = lines.first().and_then(|l| l.text("is"));
    let found = State::WORDS.iter().find(|(w, _)| Some(*w) == word);
    found.map(|(_, s)| Some(*s)).ok_or(Error::Damaged {
        path,
        what: "an unknown state",
    })
}

pub(crate) fn set_state(folder: &Path, state: State) -> Result<()> {
    let path = folder.join("state");
    let word = State::WORDS
        .iter()
        .find(|(_, s)| *s == state)
        .map_or("", |(w, _)| w);
    record::replace(
        &path,
        &record::encode("state", &[Line::default().with("is", word)]),
    )
    .at("write", &path)
}

/// Which version each step's path had when the apply was done.
pub(crate) fn save_after(folder: &Path, after: &[Option<Identity>]) -> Result<()> {
    let path = folder.join("after");
    let lines: Vec<Line> = after
        .iter()
        .enumerate()
        .map(|(n, identity)| with_identity(Line::default().number("step", n), "", *identity))
        .collect();
    record::replace(&path, &record::encode("after", &lines)).at("write", &path)
}

pub(crate) fn load_after(folder: &Path) -> Result<Vec<Option<Identity>>> {
    let path = folder.join("after");
    let bytes = std::fs::read(&path).at("read", &path)?;
    let lines = record::read("after", &bytes, &path)?;
    Ok(lines.iter().map(|l| identity_with(l, "")).collect())
}
