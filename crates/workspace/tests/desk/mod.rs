//! A session whose layer is written by hand.

#![allow(dead_code, reason = "each suite uses a part")]

use fumehood_workspace::apply::{Applied, Options, Steps, apply};
use fumehood_workspace::changes::{Changes, read};
use fumehood_workspace::{About, Error, Session, identity};
use rustix::fs::{CWD, FileType, Mode};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A project, a place for sessions, and one session.
pub(crate) struct Desk {
    _top: tempfile::TempDir,
    pub(crate) project: PathBuf,
    pub(crate) place: PathBuf,
    pub(crate) session: Session,
}

pub(crate) fn desk(fill: impl Fn(&Path)) -> Desk {
    desk_at(tempfile::tempdir().unwrap(), None, fill)
}

pub(crate) fn desk_at(top: tempfile::TempDir, project: Option<&Path>, fill: impl Fn(&Path)) -> Desk {
    let project = project.map_or_else(|| top.path().join("project"), Path::to_owned);
    let place = top.path().join("state");
    fs::create_dir_all(&project).unwrap();
    fs::create_dir(&place).unwrap();
    fill(&project);
    // The layers must be younger than what they lie over, by more than a tick of the kernel's clock.
    std::thread::sleep(std::time::Duration::from_millis(12));
    let (identity, owner) = identity(&project).unwrap();
    let about = About {
        project: project.clone(),
        identity,
        repository: None,
        owner,
        inside: owner,
        apply: "ask".into(),
        policy: String::new(),
        scratch: vec![b"target/**".to_vec()],
        hidden: vec![".env".into()],
        masked: Vec::new(),
        since: 0,
    };
    let session = Session::create(&place, &about).unwrap();
    Desk {
        _top: top,
        project,
        place,
        session,
    }
}

impl Desk {
    pub(crate) fn upper(&self, path: &str) -> PathBuf {
        let at = self.session.upper().join(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        at
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        fs::write(self.upper(path), content).unwrap();
    }

    pub(crate) fn whiteout(&self, path: &str) {
        rustix::fs::mknodat(CWD, self.upper(path), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
    }

    pub(crate) fn changes(&self) -> Changes {
        read(&self.session).unwrap()
    }

    pub(crate) fn apply(&self, steps: &Steps) -> Result<Applied, Error> {
        apply(&self.place, &self.session, &self.changes(), None, &all(), steps)
    }
}

pub(crate) fn all() -> Options {
    Options {
        with_findings: true,
        ..Options::default()
    }
}

/// Everything of a tree that a user sees.
pub(crate) fn picture(top: &Path) -> BTreeMap<PathBuf, String> {
    let mut seen = BTreeMap::new();
    let mut waiting = vec![top.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let m = fs::symlink_metadata(&path).unwrap();
            let text = if m.is_dir() {
                waiting.push(path.clone());
                format!("directory {:o}", m.mode())
            } else if m.is_symlink() {
                format!("link {:?}", fs::read_link(&path).unwrap())
            } else {
                format!("{:o} {:?}", m.mode(), fs::read_to_string(&path).unwrap())
            };
            seen.insert(path.strip_prefix(top).unwrap().to_owned(), text);
        }
    }
    seen
}
