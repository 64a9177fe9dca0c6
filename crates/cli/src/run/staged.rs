//! A run whose changes are kept back: its session on disk before, what waits after.

use super::turn::{Turner, turn};
use crate::arguments::RunArguments;
use crate::configuration::{Places, now};
use crate::say;
use crate::workspace::{place, plural};
use fumehood_audit::{Entry, Kind};
use fumehood_effect::Digest;
use fumehood_policy::Escaped;
use fumehood_policy::profile::Profile;
use fumehood_policy::value::Apply;
use fumehood_sandbox::{Layers, Level};
use fumehood_session::{Host, Log, OwnGit, Request, StartEdits, worktree};
use fumehood_workspace::{About, Owner, Session, Use, changes, git, identity, keep, mounts_below, waits};
use std::ffi::CString;
use std::io::IsTerminal;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A run whose changes are kept back.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) session: Session,
    place: PathBuf,
    by_turns: bool,
    turner: Option<Turner>,
    /// The project's last apply before the run.
    before: u64,
}

/// Makes the session, if changes are to be kept back, and puts its layers into the request.
pub(super) fn begin(
    host: &Host,
    request: &mut Request,
    profile: &Profile,
    (places, policy): (&Places, Digest),
    arguments: &RunArguments,
) -> Result<Option<Kept>, String> {
    if let Some(mask) = profile.mask.first()
        && (profile.apply == Apply::Live || request.level == Level::Landlock)
    {
        return Err(format!(
            "{}: workspace.mask: files can be masked only where changes are kept back, at isolation level namespace; leave \
             --live out, or say filesystem.hide",
            mask.origin
        ));
    }
    let masked = super::request::masked(profile, request.project.path(), &host.user.home)?;
    unrecorded(request.project.path(), &masked, profile)?;
    if profile.apply == Apply::Live {
        return if arguments.resume || arguments.resumed.is_some() {
            Err("--live writes to the project itself: there is nothing to resume".to_owned())
        } else {
            Ok(None)
        };
    }
    if request.level == Level::Landlock {
        return Err(
            "isolation level landlock cannot keep changes back; say --live, or use namespace".to_owned(),
        );
    }
    let project = request.project.path().to_owned();
    if let Some(mount) = mounts_below(&project).map_err(|e| e.to_string())?.first() {
        return Err(format!(
            "{} is mounted inside the project, and cannot be kept back; say --live, or start below it",
            Escaped::from(mount.as_path())
        ));
    }
    let place = place(&places.state())?;
    if place.starts_with(&project) {
        return Err(
            "the state directory lies in the project; set XDG_STATE_HOME to another place".to_owned(),
        );
    }
    let mut about = about(host, request, profile, &masked)?;
    about.policy = policy.to_string();
    let session = match arguments.resumed.as_deref() {
        Some(named) => super::called::resumed(&place, &about, named)?,
        None => session((&places.state(), &place), &about, wanted(arguments))?,
    };
    let mask = session.make_mask().map_err(|e| e.to_string())?;
    let seen = Owner {
        uid: host.inside.uid,
        gid: host.inside.gid,
    };
    request.git = match session.make_git(seen).map_err(|e| e.to_string())? {
        Ok(own) => own.map(|from| {
            let repository = session.repository();
            OwnGit {
                from,
                at: repository.own,
                objects: repository.common.join("objects"),
                objects_at: git::OBJECTS.into(),
            }
        }),
        Err(why) => {
            say::line(&format!(
                "commits made outside meanwhile can confuse git inside: {}",
                why.0
            ));
            None
        }
    };
    // Those in the project are absent; those elsewhere stay covered.
    request.hidden.retain(|path| !path.starts_with(&project));
    request.protected.clear();
    request.layers = Some(Layers {
        mask: mask.map(|m| text(&m)),
        upper: text(&session.upper()),
        work: text(&session.work()),
        handed_out: true,
    });
    session.begin().map_err(|e| e.to_string())?;
    let before = fumehood_workspace::apply::last(&place, &project).map_err(|e| e.to_string())?;
    Ok(Some(Kept {
        session,
        place,
        by_turns: profile.apply == Apply::Turn,
        turner: None,
        before,
    }))
}

/// Of a session whose last writes the disk may not have.
pub(crate) const TORN: &str =
    "the machine went down while the session ran: what was written last may be missing or incomplete";

/// Which session a run is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// The newest in which something waits.
    Resumed,
    /// A new one.
    New,
    /// A person at a terminal says, where something waits.
    Asked,
}

fn wanted(arguments: &RunArguments) -> Wanted {
    let person = std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !arguments.detach;
    match (arguments.resume, arguments.new, person) {
        (true, ..) => Wanted::Resumed,
        (_, false, true) => Wanted::Asked,
        _ => Wanted::New,
    }
}

/// A new session, one that is gone on with, or one that holds nothing, or build outputs made under the same
/// configuration only.
fn session((state, place): (&Path, &Path), about: &About, wanted: Wanted) -> Result<Session, String> {
    let ids = Session::of_project(place, &about.project).map_err(|e| e.to_string())?;
    let mut outputs = None;
    let mut waiting = None;
    for id in ids.iter().rev() {
        // One that runs, or is damaged, is left alone.
        let Ok(session) = Session::open(place, id, Use::Running) else {
            continue;
        };
        if rests(&session) {
            // One with a name stays for who asks for it.
            let named = fumehood_workspace::title(session.path()).is_some_and(|t| t.name.is_some());
            outputs = outputs.or(Some(session).filter(|_| !named));
        } else if waits(session.path()) && waiting.is_none() {
            waiting = Some(session);
        }
    }
    let resume = |mut session: Session| -> Result<Session, String> {
        if session.is_torn() && !session.is_untouched() {
            say::line(TORN);
        }
        session.resume(about).map_err(|e| e.to_string())?;
        Ok(session)
    };
    match (waiting, wanted) {
        (Some(session), Wanted::Resumed) => return resume(session),
        (None, Wanted::Resumed) => {
            return Err("no session here kept changes back; leave --resume out".to_owned());
        }
        (Some(session), Wanted::Asked) => match ask(&session)? {
            Answer::Resume => return resume(session),
            Answer::Apply => crate::workspace::apply_all_of(state, place, &session)?,
            Answer::New => {}
        },
        _ => {}
    }
    match outputs {
        // Outputs that may be half written are built again.
        Some(session) if serves(&session, about) && (session.is_untouched() || !session.is_torn()) => {
            resume(session)
        }
        Some(session) => {
            session.discard().map_err(|e| e.to_string())?;
            Session::create(place, about).map_err(|e| e.to_string())
        }
        None => Session::create(place, about).map_err(|e| e.to_string()),
    }
}

/// Whether a session in which nothing waits is fit for another run: it is of this very folder, not of one that had
/// its name; what was built in it was built under the same configuration, or nothing was, and it hides no other
/// names.
fn serves(session: &Session, about: &About) -> bool {
    let old = session.about();
    let same = old.policy == about.policy && old.scratch == about.scratch;
    let fits = same || (session.is_untouched() && old.hidden == about.hidden && old.masked == about.masked);
    old.identity == about.identity && fits
}

/// Whether nothing of a session waits any more; its layer then holds build outputs at most.
pub(crate) fn rests(session: &Session) -> bool {
    let settle = |session: &Session| session.settle(&changes::read(session)?);
    fumehood_workspace::settled(session.path()) || session.is_untouched() || settle(session).unwrap_or(false)
}

/// What to do with changes that wait.
enum Answer {
    Resume,
    Apply,
    New,
}

fn ask(session: &Session) -> Result<Answer, String> {
    let found = changes::read(session).map_err(|e| e.to_string())?;
    let commits = if git::moved(session.path()) {
        " and commits"
    } else {
        ""
    };
    let count = plural(found.list.len(), "change");
    loop {
        say::question(&format!(
            "{count}{commits} of an earlier session wait here: [r]esume it, [a]pply them, begin [n]ew? "
        ));
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        match line.trim() {
            "r" | "resume" => return Ok(Answer::Resume),
            "a" | "apply" => return Ok(Answer::Apply),
            "n" | "new" => return Ok(Answer::New),
            _ if !matches!(read, Ok(n) if n > 0) => return Ok(Answer::New),
            _ => {}
        }
    }
}

/// What git has cannot be masked: its values are in the objects, and a commit made inside would have the placeholder.
fn unrecorded(project: &Path, masked: &[(PathBuf, bool)], profile: &Profile) -> Result<(), String> {
    let paths: Vec<PathBuf> = masked.iter().map(|(path, _)| path.clone()).collect();
    let found = super::request::in_git(project, &paths);
    let (Some(first), Some(mask)) = (found.first(), profile.mask.first()) else {
        return Ok(());
    };
    Err(format!(
        "{}: workspace.mask: git has {}, and its values with it; take it out of git (git rm --cached), or out of the patterns",
        mask.origin,
        Escaped::from(first.as_path())
    ))
}

fn about(
    host: &Host,
    request: &Request,
    profile: &Profile,
    masked: &[(PathBuf, bool)],
) -> Result<About, String> {
    let project = request.project.path();
    let (identity, owner) = identity(project).map_err(|e| e.to_string())?;
    let inside = host.private.map_or(owner, |ids| Owner {
        uid: ids.uid,
        gid: ids.gid,
    });
    let hidden = request
        .hidden
        .iter()
        .filter_map(|path| path.strip_prefix(project).ok());
    let below = |is_folder: bool| {
        let all = masked.iter().filter(move |(_, folder)| *folder == is_folder);
        all.filter_map(|(path, _)| Some(path.strip_prefix(project).ok()?.to_owned()))
    };
    // A folder's files are of no form that its name says: absent.
    let hidden = hidden.map(Path::to_owned).chain(below(true));
    Ok(About {
        project: project.to_owned(),
        identity,
        repository: worktree(project).map(|w| git::Repository {
            own: w.own,
            common: w.git,
        }),
        owner,
        inside,
        apply: profile.apply.to_string(),
        policy: String::new(), // the caller's
        scratch: profile
            .scratch
            .iter()
            .map(|s| s.value.as_bytes().to_vec())
            .collect(),
        hidden: hidden.collect(),
        masked: below(false).collect(),
        since: u64::try_from(now()).unwrap_or(0),
    })
}

impl Kept {
    /// Starts the process that applies, where changes land by turns; gives what tells of each turn.
    pub(super) fn turner(&mut self) -> Result<Option<OwnedFd>, String> {
        if !self.by_turns {
            return Ok(None);
        }
        let (turner, turns) = Turner::start(&self.place, self.session.id())?;
        self.turner = Some(turner);
        Ok(Some(turns))
    }

    /// What begins to bring the host's edits inside.
    pub(super) fn edits(&self) -> StartEdits {
        let of = super::edits::Of::new(&self.place, &self.session);
        StartEdits(Box::new(move |view| super::edits::start(&of, view)))
    }

    /// The last turn, and what waits; a session that changed nothing is forgotten.
    /// Nothing more leaves a session that was frozen.
    pub(super) fn end(mut self, log: &mut Log, frozen: bool, thrown_away: bool) {
        if thrown_away {
            if let Err(e) = self.session.discard() {
                say::line(&format!("what was changed could not be thrown away: {e}"));
            }
            return;
        }
        let turned = self.turner.take().map(|turner| {
            turner.finish();
            (!frozen).then(|| turn(&self.place, &self.session))
        });
        if let Some(Some(Err(e))) = &turned {
            say::line(&format!("what waits was not applied: {e}"));
        }
        self.landed(log);
        if let Err(e) = self.rest(log) {
            say::line(&format!("what was changed cannot be read: {e}"));
        }
    }

    /// Says what reached the project meanwhile.
    fn landed(&self, log: &mut Log) {
        let all = fumehood_workspace::apply::since(&self.place, &self.session, self.before);
        let all = all.unwrap_or_default();
        if all.is_empty() {
            return;
        }
        for (number, _) in &all {
            let project = &self.session.about().project;
            log.record(crate::recorded::apply(&self.place, project, *number, "end"));
        }
        let steps = all.iter().map(|(_, steps)| steps).sum();
        say::line(&format!(
            "{} applied in {}; `fumehood undo` takes the last one back",
            plural(steps, "change"),
            plural(all.len(), "turn")
        ));
    }

    fn rest(self, log: &mut Log) -> Result<(), fumehood_workspace::Error> {
        let session = self.session;
        let found = changes::read(&session)?;
        let moved = git::moved(session.path());
        if found.list.is_empty() && found.left.is_empty() && !moved {
            return forget(&self.place, session, &found);
        }
        session.make_durable()?;
        // What the host changes from now on can then be merged.
        keep(&session, &found)?;
        let commits = if moved { " and commits" } else { "" };
        log.record(
            Entry::new(Kind::WorkspaceStage)
                .text("workspace", session.id())
                .number("changes", found.list.len() as u64)
                .flag("commits", moved),
        );
        say::line(&format!(
            "{}{commits} kept back: `fumehood diff` shows, `fumehood apply` brings, `fumehood discard` forgets",
            plural(found.list.len(), "change")
        ));
        Ok(())
    }
}

/// Of the sessions of a project in which nothing waits one is kept: the next run begins in it, without making
/// a directory. Build outputs stay as well; edits of the host that were brought inside do not.
fn forget(place: &Path, session: Session, found: &changes::Changes) -> Result<(), fumehood_workspace::Error> {
    if !is_empty(&session.upper()) {
        session.settle(found)?;
        if !is_empty(&session.upper()) {
            return Ok(());
        }
    }
    match session.discard_beside_others(place)? {
        Some(session) if !session.is_untouched() => session.settle(found).map(drop),
        _ => Ok(()),
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut d| d.next().is_none())
}

fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default() // the system's paths hold no NUL
}
