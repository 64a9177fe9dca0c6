//! Going back, stopped at every step; what is kept and what is displaced.

use super::*;
use crate::session::{Use, identity};
use std::collections::BTreeMap;
use std::fs;

struct Desk {
    _top: tempfile::TempDir,
    place: PathBuf,
    session: Session,
}

fn desk() -> Desk {
    let top = tempfile::tempdir().unwrap();
    let (project, place) = (top.path().join("project"), top.path().join("state"));
    fs::create_dir(&project).unwrap();
    let (identity, owner) = identity(&project).unwrap();
    let about = About {
        project,
        identity,
        repository: None,
        owner,
        inside: owner,
        apply: "ask".into(),
        policy: String::new(),
        scratch: vec![b"target/**".to_vec()],
        hidden: Vec::new(),
        masked: Vec::new(),
        since: 0,
    };
    let session = Session::create(&place, &about).unwrap();
    Desk {
        _top: top,
        place,
        session,
    }
}

impl Desk {
    fn write(&self, path: &str, text: &str) {
        let at = self.session.path().join(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    }

    /// Everything that belongs together.
    fn picture(&self) -> BTreeMap<String, String> {
        let files = [
            "upper/a",
            "upper/b",
            "upper/target/x",
            "git/HEAD",
            "bases",
            "undone",
        ];
        let text = |name: &str| fs::read_to_string(self.session.path().join(name)).ok();
        files
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), text(name)?)))
            .collect()
    }

    /// What the next process finds.
    fn opened_anew(self) -> Desk {
        let id = self.session.id().to_owned();
        drop(self.session);
        let session = Session::open(&self.place, &id, Use::Looking).unwrap();
        Desk { session, ..self }
    }
}

#[test]
fn stopped_at_every_step_a_session_is_as_before_or_as_then() {
    let made = || {
        let desk = desk();
        desk.write("upper/a", "then");
        desk.write("git/HEAD", "then");
        desk.write("bases", "fumehood=bases version=1\nend=1\n");
        take(&desk.session, "test", 1).unwrap();
        let then = desk.picture();
        desk.write("upper/a", "now");
        desk.write("upper/b", "now");
        desk.write("upper/target/x", "built");
        desk.write("undone", "fumehood=undone version=1\nend=1\n");
        fs::remove_dir_all(desk.session.path().join("git")).unwrap();
        let now = desk.picture();
        (desk, then, now)
    };
    let mut outcomes = [0, 0];
    for n in 0.. {
        let (desk, mut then, now) = made();
        then.insert("upper/target/x".into(), "built".into());
        let stopped = restore_by(&desk.session, Some(1), 2, &Steps::stopping_at(n));
        let desk = desk.opened_anew();
        let is = desk.picture();
        // Its copies have other times, which is noted beside them.
        assert!(is == then || is == now, "stopped at {n}: {is:?}");
        outcomes[usize::from(is == then)] += 1;
        assert!(!is_unfinished(desk.session.path()));
        if stopped.is_ok() {
            break;
        }
    }
    assert!(outcomes[0] >= 1 && outcomes[1] >= 6, "{outcomes:?}");
}

#[test]
fn the_oldest_can_be_gone_back_to_when_there_are_many() {
    let desk = desk();
    for n in 0..MOST {
        desk.write("upper/a", &n.to_string());
        take(&desk.session, "test", 1).unwrap();
    }
    restore(&desk.session, Some(1), 2).unwrap();
    assert_eq!(desk.picture()["upper/a"], "0");
}

#[test]
fn those_nobody_asked_for_are_taken_of_what_changed_and_displace_none_that_was() {
    let desk = desk();
    let by_itself = || take_by_itself(&desk.session, "test", 1).unwrap();
    assert_eq!(by_itself(), ByItself::Unchanged, "nothing was written");
    desk.write("upper/a", "kept");
    let asked = take(&desk.session, "asked for", 1).unwrap();
    assert_eq!(by_itself(), ByItself::Unchanged, "the last one is the same");
    for n in 0..MOST_BY_ITSELF + 5 {
        desk.write("upper/a", &format!("{n}, of another length{}", "!".repeat(n)));
        assert!(matches!(by_itself(), ByItself::Taken(_)));
    }
    let all = list(&desk.session).unwrap();
    assert_eq!(all.len(), MOST_BY_ITSELF + 1);
    assert_eq!(all[0], asked);
    let sparse = File::create(desk.session.upper().join("large")).unwrap();
    sparse.set_len(BYTES_BY_ITSELF + 1).unwrap();
    assert!(matches!(by_itself(), ByItself::TooLarge(2, bytes) if bytes > BYTES_BY_ITSELF));
}

#[test]
fn what_is_left_of_one_that_was_being_taken_is_removed_by_the_next() {
    let desk = desk();
    desk.write("checkpoints/7/upper/a", "half");
    desk.write("upper/a", "whole");
    let taken = take(&desk.session, "test", 1).unwrap();
    assert_eq!(taken.number, 8);
    assert!(!desk.session.path().join("checkpoints/7").exists());
}
