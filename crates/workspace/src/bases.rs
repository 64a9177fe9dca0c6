//! What the host had at a path after our own last step there. Where nothing is noted, the base of a
//! change is the host's file as it was when the session copied it up.

use crate::beneath::{Facts, Identity};
use crate::error::{At, Result};
use crate::record::{self, Line};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// By path: which version the host had, `None` if no file; and which version of the session's that was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bases(BTreeMap<PathBuf, Base>, Option<Restored>);

/// A layer that was filled from a checkpoint: what was made meanwhile was taken from the host long before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Restored {
    /// When filling it began.
    pub(crate) from: (i64, u32),
    /// When it ended.
    pub(crate) until: (i64, u32),
    /// When the first of it was taken: no change of the host is missed, and some are asked about that need not be.
    pub(crate) taken: (i64, u32),
}

impl Restored {
    const FILE: &str = "restored";

    pub(crate) fn save(self, session: &Path) -> Result<()> {
        let path = session.join(Restored::FILE);
        let line = |name: &str, (seconds, nanos): (i64, u32)| {
            Line::default()
                .with("what", name)
                .number("seconds", seconds)
                .number("nanos", nanos)
        };
        let all = [("from", self.from), ("until", self.until), ("taken", self.taken)];
        let lines: Vec<Line> = all.map(|(name, time)| line(name, time)).to_vec();
        record::replace(&path, &record::encode("restored", &lines)).at("write", &path)
    }

    fn load(session: &Path) -> Result<Option<Restored>> {
        let path = session.join(Restored::FILE);
        let bytes = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.at("read", &path)?,
        };
        let lines = record::read("restored", &bytes, &path)?;
        let time = |name: &str| {
            let line = lines.iter().find(|l| l.text("what") == Some(name))?;
            Some((line.parsed("seconds")?, line.parsed("nanos")?))
        };
        let all = time("from").zip(time("until")).zip(time("taken"));
        let restored = all.map(|((from, until), taken)| Restored { from, until, taken });
        restored.map(Some).ok_or(crate::Error::Damaged {
            path,
            what: "a time is missing",
        })
    }
}

/// What is noted of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) host: Option<Identity>,
    /// The session's that was applied, while that is what the host was given last.
    pub(crate) layer: Option<Identity>,
    /// What the host has holds more than the session's, which was merged into it: whatever the session makes of it
    /// next is to be merged, too.
    pub(crate) apart: bool,
}

impl Base {
    pub(crate) fn write(self, line: Line, prefix: &str) -> Line {
        let line = with_identity(line, prefix, self.host);
        let line = with_identity(line, &format!("{prefix}layer-"), self.layer);
        if self.apart {
            line.number(&format!("{prefix}apart"), 1)
        } else {
            line
        }
    }

    pub(crate) fn read(line: &Line, prefix: &str) -> Base {
        Base {
            host: identity_with(line, prefix),
            layer: identity_with(line, &format!("{prefix}layer-")),
            apart: line.get(&format!("{prefix}apart")).is_some(),
        }
    }

    /// Of a folder that the host made, and that was made inside for it.
    pub(crate) fn of_folder() -> Base {
        Base {
            host: None,
            layer: Some(FOLDER),
            apart: false,
        }
    }

    /// The version whose content both sides began with.
    pub(crate) fn common(&self) -> Option<Identity> {
        if self.apart { self.layer } else { self.host }
    }
}

/// Stands for a deletion, whose whiteout has no identity of its own: they share one inode.
const GONE: Identity = Identity {
    inode: 0,
    changed: (0, 0),
};

/// Stands for a folder that was brought inside, whatever is in it.
const FOLDER: Identity = Identity {
    inode: 1,
    changed: (0, 0),
};

impl Bases {
    /// Whether a folder of the layer was made because the host has it: what it does not show is no deletion.
    pub(crate) fn is_from_host(&self, folder: &Path) -> bool {
        self.0.get(folder).is_some_and(|base| base.layer == Some(FOLDER))
    }

    /// Whether the session was given what the host has there.
    pub(crate) fn is_given(&self, path: &Path) -> bool {
        self.0.get(path).is_some_and(|base| base.layer.is_some())
    }

    /// Paths at which both sides had the same.
    pub(crate) fn synced(&self) -> impl Iterator<Item = PathBuf> {
        let synced = |(path, base): (&PathBuf, &Base)| base.layer.map(|_| path.clone());
        self.0.iter().filter_map(synced)
    }

    /// Reads a session's; none were noted if there is no file.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub(crate) fn load(session: &Path) -> Result<Bases> {
        let path = session.join("bases");
        let bytes = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Bases(BTreeMap::new(), Restored::load(session)?));
            }
            other => other.at("read", &path)?,
        };
        let lines = record::read("bases", &bytes, &path)?;
        let restored = Restored::load(session)?;
        Ok(Bases(
            lines
                .iter()
                .filter_map(|l| Some((l.path_of("path")?, Base::read(l, ""))))
                .collect(),
            restored,
        ))
    }

    /// When something of the layer that was born then was taken from the host.
    pub(crate) fn taken(&self, born: Option<(i64, u32)>) -> Option<(i64, u32)> {
        match (born, self.1) {
            (Some(born), Some(r)) if (r.from..=r.until).contains(&born) => Some(r.taken),
            (born, _) => born,
        }
    }

    pub(crate) fn save(&self, session: &Path) -> Result<()> {
        let path = session.join("bases");
        let line = |(path, base): (&PathBuf, &Base)| base.write(Line::default().path("path", path), "");
        let lines: Vec<Line> = self.0.iter().map(line).collect();
        record::replace(&path, &record::encode("bases", &lines)).at("write", &path)
    }

    pub(crate) fn note(&mut self, path: &Path, now: Option<Identity>) {
        let base = Base {
            host: now,
            ..Base::default()
        };
        self.0.insert(path.to_owned(), base);
    }

    /// What is noted of a path.
    pub(crate) fn of(&self, path: &Path) -> Option<Base> {
        self.0.get(path).copied()
    }

    /// Notes that, or nothing any more.
    pub(crate) fn set(&mut self, path: &Path, base: Option<Base>) {
        match base {
            Some(base) => drop(self.0.insert(path.to_owned(), base)),
            None => drop(self.0.remove(path)),
        }
    }

    /// Forgets what is noted of paths that were not on the host nor applied, unless `keep` says so.
    pub(crate) fn forget_new(&mut self, keep: impl Fn(&Path) -> bool) {
        self.0
            .retain(|path, base| base.host.is_some() || base.layer.is_some() || keep(path));
    }

    /// The session's version that a path was just given; `None`: it was deleted.
    pub(crate) fn note_applied(&mut self, path: &Path, layer: Option<Identity>) {
        if let Some(base) = self.0.get_mut(path) {
            base.layer = Some(layer.unwrap_or(GONE));
        }
    }

    /// Whether the session has done nothing to a path since it was applied: what the host makes of it after
    /// that is no change of the session's.
    pub(crate) fn is_applied(&self, path: &Path, layer: Option<Identity>) -> bool {
        let noted = self.0.get(path).and_then(|base| base.layer);
        noted.is_some() && noted == Some(layer.unwrap_or(GONE))
    }

    /// Whether the host's file was changed by somebody else since the session took it as its base.
    /// `taken` is when that was, for paths that nothing is noted of.
    pub(crate) fn moved_on(&self, path: &Path, host: Option<&Facts>, taken: Option<(i64, u32)>) -> bool {
        match (self.0.get(path), host, self.taken(taken)) {
            (Some(base), host, _) => base.apart || base.host != host.map(|h| h.identity),
            (None, Some(host), Some(taken)) => host.identity.changed > taken,
            (None, None, _) => false,
            // A filesystem without birth times cannot tell: say so rather than overwrite.
            (None, Some(_), None) => true,
        }
    }
}

pub(crate) fn with_identity(line: Line, prefix: &str, identity: Option<Identity>) -> Line {
    match identity {
        None => line,
        Some(i) => line
            .number(&format!("{prefix}inode"), i.inode)
            .number(&format!("{prefix}changed"), i.changed.0)
            .number(&format!("{prefix}nanos"), i.changed.1),
    }
}

pub(crate) fn identity_with(line: &Line, prefix: &str) -> Option<Identity> {
    Some(Identity {
        inode: line.parsed(&format!("{prefix}inode"))?,
        changed: (
            line.parsed(&format!("{prefix}changed"))?,
            line.parsed(&format!("{prefix}nanos"))?,
        ),
    })
}
