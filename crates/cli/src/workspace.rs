//! `fumehood diff`, `apply`, `discard`, `undo`: what a session changed, and the user's own files.

mod pick;

use crate::FAILED;
use crate::arguments::{ApplyArguments, DiffArguments, DiscardArguments, RescueArguments, UndoArguments};
use crate::job::Jobs;
use crate::policy::places;
use crate::recorded;
use crate::say;
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;
use fumehood_workspace::apply::{Options, Steps};
use fumehood_workspace::changes::{Change, Changes, read};
use fumehood_workspace::diff::{Colours, body, contents, name_status, stat_line, unified};
use fumehood_workspace::finding::{Finding, Judge};
use fumehood_workspace::git::{Head, Travel, bring_out, moved};
use fumehood_workspace::{Session, Use, find_place, keep};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Shows what a session changed.
pub(crate) fn diff(arguments: &DiffArguments) -> u8 {
    ended(attempt_diff(arguments))
}

/// Brings changes to the project.
pub(crate) fn apply(arguments: &ApplyArguments) -> u8 {
    ended(attempt_apply(arguments))
}

/// Forgets a session.
pub(crate) fn discard(arguments: &DiscardArguments) -> u8 {
    ended(attempt_discard(arguments))
}

/// Takes an apply back.
pub(crate) fn undo(arguments: &UndoArguments) -> u8 {
    ended(attempt_undo(arguments))
}

/// Copies a session's files out.
pub(crate) fn rescue(arguments: &RescueArguments) -> u8 {
    ended(attempt_rescue(arguments))
}

fn ended(done: Result<bool, String>) -> u8 {
    match done {
        Ok(whole) => u8::from(!whole),
        Err(text) => {
            say::error(&text);
            FAILED
        }
    }
}

/// Where sessions lie: the state directory, or what stands in for it on a machine whose home is on an
/// overlay; that is said.
pub(crate) fn place(state: &Path) -> Result<PathBuf, String> {
    let uid = fumehood_session::user_id();
    let mut stand_ins = vec![
        PathBuf::from(format!("/var/tmp/fumehood-{uid}")),
        PathBuf::from(format!("/dev/shm/fumehood-{uid}")),
    ];
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        stand_ins.insert(0, runtime.join("fumehood"));
    }
    let found = find_place(state, &stand_ins).map_err(|e| e.to_string())?;
    if let Some(why) = &found.instead {
        say::line(&format!(
            "{why}: changes are kept in {}",
            Escaped::from(found.path.as_path())
        ));
    }
    Ok(found.path)
}

/// `1 change`, `2 changes`.
pub(crate) fn plural(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

struct Here {
    state: PathBuf,
    place: PathBuf,
    project: PathBuf,
}

fn here() -> Result<Here, String> {
    if std::env::var_os("FUMEHOOD").is_some() {
        return Err("changes are looked at and applied outside: this is a sandbox".to_owned());
    }
    let places = places()?;
    // Checked, as everything that uses state does first.
    fumehood_session::check_state(&places.state()).map_err(|e| e.to_string())?;
    Ok(Here {
        state: places.state(),
        place: place(&places.state())?,
        project: places.project,
    })
}

/// The session named, or the newest of this project that changed something.
fn session(here: &Here, id: Option<&str>, how: Use) -> Result<Session, String> {
    let open = |id: &str| {
        let session = Session::open(&here.place, id, how).map_err(|e| e.to_string())?;
        if session.is_torn() && fumehood_workspace::waits(session.path()) {
            say::line(crate::run::TORN);
        }
        Ok::<_, String>(session)
    };
    if let Some(named) = id {
        let id = fumehood_workspace::called(&here.place, named).or_else(|why| living_place(named).ok_or(why));
        return open(&id.map_err(|e| e.to_string())?);
    }
    let ids = Session::of_project(&here.place, &here.project).map_err(|e| e.to_string())?;
    for id in ids.iter().rev() {
        let session = open(id)?;
        if fumehood_workspace::waits(session.path()) {
            return Ok(session);
        }
    }
    Err("no session here kept changes back; `fumehood run --apply ask` starts one".to_owned())
}

/// Where the changes of a session that runs are kept.
fn living_place(named: &str) -> Option<String> {
    crate::sessions::find(Some(named)).ok()?.about.workspace
}

/// Paths of the command line, relative to the project.
fn relative(here: &Here, paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let current = std::env::current_dir().map_err(|e| format!("the current directory: {e}"))?;
    let one = |path: &PathBuf| {
        let mut plain = PathBuf::new();
        for part in current.join(path).components() {
            match part {
                std::path::Component::ParentDir => drop(plain.pop()),
                std::path::Component::CurDir => {}
                other => plain.push(other),
            }
        }
        let shown = Escaped::from(path.as_path());
        plain
            .strip_prefix(&here.project)
            .map(Path::to_owned)
            .map_err(|_| format!("{shown} is not in the project"))
    };
    paths.iter().map(one).collect()
}

fn print(text: &str) {
    let _closed = write!(std::io::stdout(), "{text}");
}

/// What was committed inside, if anything was and no paths are asked for but refs.
pub(crate) fn travel(session: &Session) -> Result<Option<Travel>, String> {
    if !moved(session.path()) {
        return Ok(None);
    }
    bring_out(session, &session.repository(), &Jobs)
        .map(Some)
        .map_err(|e| e.to_string())
}

/// Whether a list of paths leaves room for commits: it is empty, or names a ref.
fn asks_for_commits(paths: &[PathBuf]) -> bool {
    paths.is_empty() || paths.iter().any(|p| p.starts_with("refs"))
}

/// What a session changed; the host's side of it is kept, for a merge.
fn looked(session: &Session) -> Result<Changes, String> {
    let found = read(session).map_err(|e| e.to_string())?;
    keep(session, &found).map_err(|e| e.to_string())?;
    Ok(found)
}

fn attempt_diff(arguments: &DiffArguments) -> Result<bool, String> {
    let here = here()?;
    let session = session(&here, arguments.session.as_deref(), Use::Looking)?;
    let paths = relative(&here, &arguments.paths)?;
    let mut found = looked(&session)?;
    let travel = if asks_for_commits(&paths) {
        travel(&session)?
    } else {
        None
    };
    if !paths.is_empty() {
        found.list.retain(|c| paths.iter().any(|p| c.path.starts_with(p)));
    }
    if arguments.json {
        print(&format!("{}\n", json(&session, &found, travel.as_ref())));
    } else if arguments.name_status {
        print(&name_status(&found));
        print(&travel.as_ref().map(commits_shown).unwrap_or_default());
    } else {
        print(&travel.as_ref().map(commits_shown).unwrap_or_default());
        let judge = Judge::of(&found.list);
        for change in &found.list {
            let both = contents(&session, change).map_err(|e| e.to_string())?;
            if arguments.stat {
                print(&format!("{}\n", stat_line(&change.path, &body(change, &both))));
            } else {
                print(&unified(change, &both, colours()));
                let findings = judge.judge(change, both.before(), both.after());
                if !findings.is_empty() {
                    print(&format!("finding: {}\n", reasons(&findings)));
                }
            }
        }
        if arguments.stat {
            print(&format!(" {}\n", plural(found.list.len(), "change")));
        }
    }
    left(&found);
    travel.iter().for_each(stays);
    Ok(true)
}

fn stays(travel: &Travel) {
    for words in &travel.stays {
        say::line(&format!("stays inside: {words}"));
    }
}

/// Refs that moved and the commits the host does not have, one line each.
fn commits_shown(travel: &Travel) -> String {
    let mut text = String::new();
    for m in &travel.moves {
        let name = Escaped::from(m.name.as_str());
        text += &match (&m.from, &m.to) {
            (Some(from), Some(to)) => format!("ref {name}: {} to {}\n", from.short(), to.short()),
            (None, Some(to)) => format!("ref {name}: new, {}\n", to.short()),
            (_, None) => format!("ref {name}: deleted\n"),
        };
    }
    if let Some((_, Head::Branch(name))) = &travel.head {
        text += &format!("HEAD: {}\n", Escaped::from(name.short()));
    }
    for commit in &travel.commits {
        let subject = String::from_utf8_lossy(&commit.subject);
        text += &format!(
            "commit {} {}\n",
            commit.id.short(),
            Escaped::from(&*subject).at_most(100)
        );
        for (path, found) in &commit.found {
            text += &format!("finding: {}: {}\n", Escaped::from(path.as_path()), reasons(found));
        }
    }
    if !travel.stash.is_empty() {
        text += &format!(
            "stash: {}\n",
            plural(travel.stash.len(), "entry").replace("entrys", "entries")
        );
    }
    text
}

fn commits_json(travel: &Travel) -> Json {
    let refs = travel.moves.iter().map(|m| {
        let id = |id: &Option<fumehood_workspace::git::ObjectId>| {
            id.as_ref().map_or(Json::Null, |id| Json::text(id.as_str()))
        };
        Json::Object(vec![
            ("name", Json::text(Escaped::from(m.name.as_str()))),
            ("from", id(&m.from)),
            ("to", id(&m.to)),
            (
                "held",
                Json::List(m.held.iter().map(|f| Json::text(&f.why)).collect()),
            ),
        ])
    });
    let commits = travel.commits.iter().map(|c| {
        Json::Object(vec![
            ("id", Json::text(c.id.as_str())),
            (
                "subject",
                Json::text(Escaped::from(&*String::from_utf8_lossy(&c.subject))),
            ),
        ])
    });
    Json::Object(vec![
        ("refs", Json::List(refs.collect())),
        ("commits", Json::List(commits.collect())),
        ("stays", Json::List(travel.stays.iter().map(Json::text).collect())),
    ])
}

fn colours() -> Colours {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    Colours(wanted && std::io::stdout().is_terminal())
}

fn left(found: &Changes) {
    for left in &found.left {
        let path = Escaped::from(left.path.as_path());
        say::line(&format!("stays inside: {path}: {}", left.why.words()));
    }
    if found.scratch > 0 {
        say::line(&format!(
            "build outputs are passed over: {}",
            plural(found.scratch, "path")
        ));
    }
}

fn json(session: &Session, found: &Changes, travel: Option<&Travel>) -> Json {
    let change = |c: &Change| {
        Json::Object(vec![
            ("path", Json::text(Escaped::from(c.path.as_path()))),
            ("status", Json::text(c.status().letter())),
            ("directory", Json::Bool(c.is_directory())),
            ("conflict", Json::Bool(c.conflict)),
        ])
    };
    let left = found.left.iter().map(|l| {
        Json::Object(vec![
            ("path", Json::text(Escaped::from(l.path.as_path()))),
            ("why", Json::text(l.why.words())),
        ])
    });
    Json::Object(vec![
        ("session", Json::text(session.id())),
        ("changes", Json::List(found.list.iter().map(change).collect())),
        ("left", Json::List(left.collect())),
        ("scratch", Json::Number(found.scratch as u64)),
        ("git", travel.map_or(Json::Null, commits_json)),
    ])
}

fn attempt_apply(arguments: &ApplyArguments) -> Result<bool, String> {
    let here = here()?;
    let session = session(&here, arguments.session.as_deref(), Use::Looking)?;
    let mut options = Options {
        paths: relative(&here, &arguments.paths)?,
        over_conflicts: arguments.force,
        with_findings: arguments.all,
        picked: None,
    };
    let found = looked(&session)?;
    if arguments.patch {
        let list = found.list.iter();
        let named =
            |c: &&Change| options.paths.is_empty() || options.paths.iter().any(|p| c.path.starts_with(p));
        let asked = list.filter(named).collect::<Vec<_>>();
        options.picked = Some(pick::pick(&session, &asked, arguments.force, colours())?);
    }
    let travel = if options.picked.is_none() && asks_for_commits(&options.paths) {
        travel(&session)?
    } else {
        None
    };
    crate::sessions::before(&session, "apply");
    let done = fumehood_workspace::apply::apply(
        &here.place,
        &session,
        &found,
        travel.as_ref(),
        &options,
        &Steps::default(),
    )
    .map_err(|e| e.to_string())?;
    if let Some(number) = done.number {
        let entry = recorded::apply(&here.place, &here.project, number, "apply");
        recorded::in_index(&here.state, entry);
    }
    if arguments.json {
        let number = done.number.map_or(Json::Null, Json::Number);
        print(&format!(
            "{}\n",
            outcome(number, &done.paths, &done.conflicts, &done.failed, &done.held)
        ));
    } else {
        match done.number {
            Some(n) => print(&format!(
                "applied {} as number {n}; `fumehood undo` takes it back\n",
                plural(done.paths.len(), "path")
            )),
            None if done.conflicts.is_empty() && done.held.is_empty() && done.git_waits.is_empty() => {
                print("nothing to apply\n");
            }
            None => {}
        }
        done.git
            .iter()
            .for_each(|words| print(&format!("git: {words}\n")));
        merged(&done.merged);
        left(&found);
        travel.iter().for_each(stays);
        git_waits(&done.git_waits);
        held(&done.held);
        told(
            &done.conflicts,
            "the project changed it too, nothing was done; look with `fumehood diff`, apply it with --force",
            &done.failed,
        );
    }
    let whole = done.conflicts.is_empty() && done.failed.is_empty();
    Ok(whole && done.held.is_empty() && done.git_waits.is_empty())
}

fn git_waits(waits: &[(String, String)]) {
    for (name, why) in waits {
        say::line(&format!("waits: {}: {why}", Escaped::from(name.as_str())));
    }
}

/// Applies everything of a session that has no finding, before a run: for who was asked and said so.
pub(crate) fn apply_all_of(state: &Path, place: &Path, session: &Session) -> Result<(), String> {
    let found = read(session).map_err(|e| e.to_string())?;
    let travel = travel(session)?;
    let (options, steps) = (Options::default(), Steps::default());
    let done = fumehood_workspace::apply::apply(place, session, &found, travel.as_ref(), &options, &steps)
        .map_err(|e| e.to_string())?;
    if let Some(number) = done.number {
        let entry = recorded::apply(place, &session.about().project, number, "start");
        recorded::in_index(state, entry);
    }
    say::line(&format!("applied {}", plural(done.paths.len(), "path")));
    merged(&done.merged);
    held(&done.held);
    git_waits(&done.git_waits);
    told(
        &done.conflicts,
        "the project changed it too, nothing was done",
        &done.failed,
    );
    Ok(())
}

fn merged(paths: &[PathBuf]) {
    for path in paths {
        let path = Escaped::from(path.as_path());
        say::line(&format!(
            "merged: {path}: the project changed it too, elsewhere in the file"
        ));
    }
}

fn held(held: &[(PathBuf, Vec<Finding>)]) {
    for (path, found) in held {
        say::line(&format!(
            "waits: {}: {}; look at it, then name it: fumehood apply PATH",
            Escaped::from(path.as_path()),
            reasons(found)
        ));
    }
}

fn reasons(found: &[Finding]) -> String {
    let words: Vec<&str> = found.iter().map(|f| f.why.as_str()).collect();
    words.join(", ")
}

fn told(conflicts: &[PathBuf], what: &str, failed: &[(PathBuf, String)]) {
    for path in conflicts {
        say::line(&format!("conflict: {}: {what}", Escaped::from(path.as_path())));
    }
    for (path, why) in failed {
        say::line(&format!("failed: {}: {why}", Escaped::from(path.as_path())));
    }
}

fn outcome(
    number: Json,
    paths: &[PathBuf],
    conflicts: &[PathBuf],
    failed: &[(PathBuf, String)],
    held: &[(PathBuf, Vec<Finding>)],
) -> Json {
    let list = |paths: &[PathBuf]| {
        Json::List(
            paths
                .iter()
                .map(|p| Json::text(Escaped::from(p.as_path())))
                .collect(),
        )
    };
    let failed: Vec<PathBuf> = failed.iter().map(|(p, _)| p.clone()).collect();
    Json::Object(vec![
        ("number", number),
        ("paths", list(paths)),
        ("conflicts", list(conflicts)),
        ("failed", list(&failed)),
        ("held", Json::List(held.iter().map(waiting).collect())),
    ])
}

fn attempt_discard(arguments: &DiscardArguments) -> Result<bool, String> {
    let here = here()?;
    let session = session(&here, arguments.session.as_deref(), Use::Running)?;
    forget(&here.state, session)?;
    print("forgotten\n");
    Ok(true)
}

/// Forgets a session, on the record.
pub(crate) fn forget(state: &Path, session: Session) -> Result<(), String> {
    let project = session.about().project.clone();
    let entry = recorded::discard(&project, session.id(), read(&session).ok().as_ref());
    session.discard().map_err(|e| e.to_string())?;
    recorded::in_index(state, entry);
    Ok(())
}

fn waiting((path, found): &(PathBuf, Vec<Finding>)) -> Json {
    let names = found.iter().map(|f| Json::text(&f.name)).collect();
    Json::Object(vec![
        ("path", Json::text(Escaped::from(path.as_path()))),
        ("findings", Json::List(names)),
    ])
}

fn attempt_rescue(arguments: &RescueArguments) -> Result<bool, String> {
    let here = here()?;
    let ids = Session::of_project(&here.place, &here.project).map_err(|e| e.to_string())?;
    let newest = || {
        ids.last()
            .cloned()
            .ok_or("no session here; name one with --session".to_owned())
    };
    let id = arguments.session.clone().map_or_else(newest, Ok)?;
    let done =
        fumehood_workspace::rescue::rescue(&here.place, &id, &arguments.to).map_err(|e| e.to_string())?;
    print(&format!(
        "copied {} of session {} to {}\n",
        plural(done.files, "file"),
        Escaped::from(id.as_str()),
        Escaped::from(arguments.to.as_path())
    ));
    for path in &done.deleted {
        print(&format!("deleted inside: {}\n", Escaped::from(path.as_path())));
    }
    told(&[], "", &done.left);
    Ok(done.left.is_empty())
}

fn attempt_undo(arguments: &UndoArguments) -> Result<bool, String> {
    let here = here()?;
    let done =
        fumehood_workspace::apply::undo(&here.place, &here.project, arguments.number, &Steps::default())
            .map_err(|e| e.to_string())?;
    recorded::in_index(&here.state, recorded::undo(&here.project, &done));
    if arguments.json {
        let number = Json::Number(done.number);
        print(&format!(
            "{}\n",
            outcome(number, &done.paths, &done.conflicts, &done.failed, &[])
        ));
    } else {
        print(&format!(
            "took back apply {}: {}\n",
            done.number,
            plural(done.paths.len(), "path")
        ));
        done.git
            .iter()
            .for_each(|words| print(&format!("git: {words}\n")));
        told(&done.conflicts, "changed since, left as it is", &done.failed);
        git_waits(&done.git_waits);
    }
    Ok(done.conflicts.is_empty() && done.failed.is_empty() && done.git_waits.is_empty())
}
