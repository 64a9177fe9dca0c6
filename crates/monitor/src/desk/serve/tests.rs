use super::*;
use crate::desk::peer::Stat;
use crate::desk::{Caller, CallerError, sessions};
use crate::hold::{Ask, Requirement, Settings, Verdict};
use fumehood_effect::{Decision, Effect, EffectKind, Facts, Reason, Resource};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// A machine where this test has a terminal and no session above it.
#[derive(Debug)]
struct Terminal;

impl Processes for Terminal {
    fn stat(&self, _: i32) -> Option<Stat> {
        Some(Stat {
            name: "sh".into(),
            parent: 1,
            leader: 2,
            terminal: 3,
            started: 4,
        })
    }
    fn program(&self, _: i32) -> Option<PathBuf> {
        None
    }
    fn namespace(&self, _: i32) -> Option<PathBuf> {
        Some("one".into())
    }
}

fn session() -> SessionId {
    "s".parse().unwrap()
}

fn effect(name: &str) -> Effect {
    Effect {
        kind: EffectKind::StorageDelete,
        resource: Resource {
            system: "https://s3.example:443".into(),
            name: name.into(),
        },
        facts: Facts::new(),
        tier: EffectKind::StorageDelete.tier(),
        content: Digest::of(b""),
        session: session(),
    }
}

fn ask(name: &str, waiter: u64) -> Ask {
    let reason = Reason {
        why: "deletes".into(),
        rule: "shipped".into(),
        remedy: "ask".into(),
    };
    Ask {
        effect: effect(name),
        decision: Decision::Hold(reason),
        requirement: Requirement::default(),
        waiter: Some(waiter),
        kept: false,
        words: None,
    }
}

/// Runs `talks` beside a desk; gives what was told at it.
fn beside<T: Send>(holds: &mut Holds, talks: impl FnOnce(&Path) -> T + Send) -> (T, Vec<Told>) {
    let top = tempfile::tempdir().unwrap();
    let folder = top.path().join("holds");
    let mut desk = Desk::open(&folder, &session(), "ann").unwrap();
    desk.processes = &Terminal;
    let (over, mut told) = (AtomicBool::new(false), Vec::new());
    let said = std::thread::scope(|scope| {
        let talking = scope.spawn(|| {
            let said = talks(&folder);
            over.store(true, Ordering::SeqCst);
            said
        });
        while !over.load(Ordering::SeqCst) && !talking.is_finished() {
            told.extend(desk.turn(holds, Time(1000)).0);
            std::thread::yield_now();
        }
        talking.join().unwrap()
    });
    drop(desk);
    assert!(
        sessions(&folder).unwrap().is_empty(),
        "the socket goes with the desk"
    );
    (said, told)
}

fn held(names: &[String]) -> Holds {
    let mut holds = Holds::new(session(), "ann", [1; 32], Settings::default());
    for (n, name) in names.iter().enumerate() {
        assert!(matches!(
            holds.ask(ask(name, n as u64), Time(0)),
            Verdict::Wait(_)
        ));
    }
    holds
}

#[test]
fn a_burst_is_read_whole_and_allowed_by_what_was_read() {
    let names: Vec<String> = (0..200)
        .map(|n| format!("bucket/{}{n}", "x".repeat(900)))
        .collect();
    let mut holds = held(&names);
    let (lines, told) = beside(&mut holds, |folder| {
        assert_eq!(sessions(folder).unwrap(), [session()]);
        let caller = Caller::connect(folder, &session()).unwrap();
        let heads = caller.list().unwrap();
        assert_eq!((heads.len(), heads[0].waiting), (1, 200));
        let (lines, card) = caller.card(heads[0].id).unwrap();
        assert_eq!(card, heads[0].card);
        assert_eq!(caller.allow(heads[0].id, card, 1, None).unwrap(), "allowed");
        let again = caller.allow(heads[0].id, card, 1, None).unwrap_err().to_string();
        assert!(again.contains("no hold 1"), "{again}");
        lines
    });
    assert_eq!(lines.iter().filter(|l| l.starts_with("  - bucket/")).count(), 200);
    let [
        Told {
            said: Said::Allow(id, _),
            wakes,
            ..
        },
    ] = told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!((id.0, wakes.len()), (1, 200));
}

#[test]
fn denying_and_freezing() {
    let mut holds = held(&["a".into()]);
    let ((), told) = beside(&mut holds, |folder| {
        let caller = Caller::connect(folder, &session()).unwrap();
        let head = caller.list().unwrap().remove(0);
        let wrong = caller.deny(head.id, Digest::of(b"other"), None).unwrap_err();
        assert!(matches!(wrong, CallerError::Refused(_)), "{wrong}");
        assert_eq!(
            caller
                .deny(head.id, head.card, Some("use a branch".into()))
                .unwrap(),
            "denied"
        );
        caller.freeze().unwrap();
    });
    assert_eq!(told.len(), 2);
    assert!(matches!(&told[0].wakes[..], [Wake::Refuse(0, r)] if r.to_string().ends_with("use a branch")));
    assert!(holds.is_frozen());
}

#[test]
fn bytes_that_are_no_message_end_the_connection_and_nothing_else() {
    let mut holds = held(&["a".into()]);
    let (heard, told) = beside(&mut holds, |folder| {
        let caller = Caller::connect(folder, &session()).unwrap();
        let strange = caller.say_bytes(&[9; 64], None, 10);
        let fine = Caller::connect(folder, &session()).unwrap().list().unwrap().len();
        (strange.unwrap_err().to_string(), fine)
    });
    assert_eq!(
        heard,
        (
            "not understood: this session speaks version 1 of the desk".to_owned(),
            1
        )
    );
    assert!(told.is_empty());
}

#[test]
fn a_program_without_a_terminal_is_told_so_and_heard_in_nothing() {
    let top = tempfile::tempdir().unwrap();
    let folder = top.path().join("holds");
    let mut desk = Desk::open(&folder, &session(), "ann").unwrap();
    let mut holds = held(&["a".into()]);
    let caller = Caller::connect(&folder, &session()).unwrap();
    let said = std::thread::spawn(move || caller.list());
    let mut told = Vec::new();
    while !said.is_finished() {
        told.extend(desk.turn(&mut holds, Time(1)).0);
        std::thread::yield_now();
    }
    // Under a terminal the test itself is the desk's process, and so its own descendant's parent.
    assert!(matches!(said.join().unwrap(), Err(CallerError::Refused(_))) || has_terminal());
    assert!(told.is_empty() && !holds.cards().is_empty());
}

/// A machine where this test has no terminal.
#[derive(Debug)]
struct Script;

impl Processes for Script {
    fn stat(&self, pid: i32) -> Option<Stat> {
        let stat = Terminal.stat(pid)?;
        Some(Stat { terminal: 0, ..stat })
    }
    fn program(&self, _: i32) -> Option<PathBuf> {
        None
    }
    fn namespace(&self, _: i32) -> Option<PathBuf> {
        Some("one".into())
    }
}

/// Who may list and drive a session may not widen its rules: that takes a terminal, as an answer does.
#[test]
fn rules_are_not_changed_without_a_terminal() {
    let heard = |processes: &'static (dyn Processes + Sync)| {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("holds");
        let mut desk = Desk::open(&folder, &session(), "ann").unwrap();
        desk.processes = processes;
        let caller = Caller::connect(&folder, &session()).unwrap();
        let ask = |ask| caller.ask(ask, None).unwrap();
        ask(super::super::ask::Ask::About);
        ask(super::super::ask::Ask::Reach {
            host: "a.example".to_owned(),
            allow: true,
            span: None,
        });
        let mut holds = held(&[]);
        let heard = desk.turn(&mut holds, Time(0)).1;
        heard.into_iter().filter(|h| matches!(h, Heard::Ask(..))).count()
    };
    assert_eq!((heard(&Terminal), heard(&Script)), (2, 1));
}

fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

#[test]
fn a_folder_that_others_may_enter_or_that_is_a_link_is_none() {
    use std::os::unix::fs::PermissionsExt;
    let top = tempfile::tempdir().unwrap();
    let folder = top.path().join("holds");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(
        Desk::open(&folder, &session(), "ann"),
        Err(DeskError::Folder(Errno::ACCESS))
    ));
    let link = top.path().join("link");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    assert!(Desk::open(&link, &session(), "ann").is_err());
    let long = top.path().join("l".repeat(200));
    assert!(
        Desk::open(&long, &session(), "ann").is_ok(),
        "a path longer than an address is no matter"
    );
}
