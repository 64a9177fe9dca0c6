//! `fumehood run`: from the command line and the configuration to a run, and from its outcome to
//! an exit status (DESIGN §8).

mod about;
mod caches;
mod called;
mod credentials;
mod detached;
mod edits;
mod ending;
mod flags;
mod home;
mod narrow;
mod network;
mod pushes;
mod record;
mod recording;
mod request;
mod staged;
mod turn;

pub(crate) use called::check_name;
pub(crate) use detached::{output, outputs};
pub(crate) use flags::variable;
pub(crate) use home::forget_homes;
pub(crate) use narrow::{DATABASE, GET, by_get};
pub(crate) use network::{network, publish, weaker};
pub(crate) use request::hidden_in_history;
pub(crate) use staged::{TORN, rests};

use crate::FAILED;
use crate::arguments::{HoldsMode, Isolation, RunArguments, ToolUse};
use crate::configuration::{Places, profile};
use crate::events::Events;
use crate::say;
use credentials::Credentials;
use fumehood_audit::new_session_id;
use fumehood_limits::Ceilings;
use fumehood_monitor::hold::{Mode, Settings};
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;
use fumehood_policy::profile::Profile;
use fumehood_policy::value::Apply;
use fumehood_sandbox::Level;
use fumehood_session::{
    Asking, Detached, End, Facts, Home, Host, Outcome, PrepareError, ProgramError, Project, Request, Run,
    RunError, Scratch, check_streams, prepare, project_of, remedy,
};
pub(crate) use record::root as log_root;
pub(crate) use recording::recording;
use request::Wanted;
use staged::Kept;
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Runs the command; returns the exit status of the contract.
pub(crate) fn run(arguments: &RunArguments) -> u8 {
    if arguments.detach {
        return detached::start(arguments);
    }
    match attempt(arguments, None) {
        Ok(code) => code,
        Err(Failure { text, code }) => {
            say::error(&text);
            code
        }
    }
}

/// What is said and with which status it ends.
struct Failure {
    text: String,
    code: u8,
}

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure {
            text: error.to_string(),
            code: FAILED,
        }
    }
}

/// `begun` is where a run that goes on without its terminal says that it runs.
fn attempt(arguments: &RunArguments, begun: Option<OwnedFd>) -> Result<u8, Failure> {
    check_streams()?;
    if begun.is_none() {
        called::check(arguments)?;
    }
    let mut events = Events::open(arguments.events.as_deref())?;
    if arguments.tool.is_some() {
        // Who called it may be killed: the call ends with it.
        let _kept_by_the_pipe =
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
        if arguments.events.is_some() {
            events.take_words()?;
        }
    }
    let host = Host::look()?;
    let directory = directory(arguments.directory.as_deref())?;
    let project = Project::open(&project_of(&directory, &host.user.home), &host.user.home)?;
    let flags = flags::parse(arguments, &directory)?;
    let places = Places {
        home: host.user.home.clone(),
        project: project.path().to_owned(),
        start: directory.clone(),
        instead: arguments.config.clone(),
    };
    let folders = places.folders();
    let root = folders.first().map_or(&[][..], |top| &top.names);
    let command = arguments.command.first().cloned().unwrap_or_default();
    let (mut profile, policy) = profile(&places, &flags, &command, &folders)?;
    if arguments.tool.is_some() {
        narrow::narrow(&mut profile, arguments.reach.as_deref())?;
    }
    let wishes = crate::configuration::audit_wishes(&places)?;
    let id = new_session_id().map_err(|e| format!("name the session: {e}"))?;
    let mut swept = Swept {
        state: places.state(),
        id: id.to_string(),
        begun: false,
    };
    let asked = (wishes.record_terminal, profile.isolation.value);
    let mut recording = recording::begin(arguments, asked, (&swept.state, &swept.id))?;
    let credentials = credentials::open(&mut profile, &places, recording.as_mut())?;
    let Wanted {
        mut request,
        limits,
        unheld,
        slot: _slot, // to the end of the run
        notes,
    } = request::request(arguments, &host, project, directory, &places, &profile, root)?;
    credentials.place(&mut request);
    let scratch = match request.level {
        Level::Landlock => Some(Scratch::make(&places.state())?),
        Level::Namespace => None,
    };
    if let Some(scratch) = &scratch {
        scratch.lead_to(&host.user.home, request.shown.iter().map(|s| s.at.as_path()))?;
    }
    let kept = staged::begin(&host, &mut request, &profile, (&places, policy), arguments)?;
    // Before the session's authority is there, which no other process is to have.
    let (kept, turns) = match kept {
        None => (None, None),
        Some(mut kept) => {
            let turns = kept.turner()?;
            (Some(kept), turns)
        }
    };
    let trust = network::trust(&profile.network)?;
    request.trust = trust.as_ref().map(|trust| trust.inside.clone());
    request.scratch = scratch.as_ref().map(|s| s.path().to_owned());
    record::hide(&mut request, &places)?;
    let downloads = caches::layer(&host, &mut request, &profile, &places);
    let spec = prepare(&host, &request).map_err(not_found)?;
    unheld
        .iter()
        .for_each(|path| say::line(&format!("not held: {path}")));
    notes.iter().for_each(|note| say::line(note));
    second_wall(&host, request.level)
        .iter()
        .for_each(|note| say::line(note));
    begin(arguments, &request, &profile, &credentials, &mut events);
    let ceilings = ceilings(request.level);
    let start = record::session(
        &request,
        &profile,
        &places,
        policy,
        kept.as_ref().map(|k| k.session.id()),
        host.landlock,
        (id, &credentials.names()),
    )?;
    let detached = begun
        .map(|begun| {
            detached::let_go(&places.state(), start.id.as_str()).map(|output| Detached { begun, output })
        })
        .transpose()?;
    called::entitle(arguments, kept.as_ref().map(|k| k.session.path()), &start)?;
    let run = Run {
        spec,
        turns,
        edits: kept.as_ref().map(Kept::edits),
        about: about::about(
            arguments,
            &start,
            &request,
            &profile,
            kept.as_ref().map(|k| k.session.id()),
        )?,
        detached,
        limits: limits.clone(),
        ceilings,
        network: network::begin(
            &profile.network,
            pushes::pushes(&profile.pushes, request.project.path()),
            arguments.boundary,
            credentials.broker,
            trust,
        )?,
        title: title(&request),
        tell: Some(say::line),
        gives_streams: true,
        written: written(&request),
        session: Some(start),
        must_record: wishes.fail_closed,
        recording,
        asking: Some(Asking {
            folder: crate::holds::folder(&places.state()),
            settings: settings(arguments),
        }),
    };
    let limits = ceilings.fill(&limits);
    let before = request.protected.clone();
    let mut outcome = fumehood_session::run(run).map_err(with_remedy)?;
    drop(downloads);
    if let Some(recorded) = &outcome.recording {
        swept.begun = true;
        let tell = arguments.verbose || std::io::stderr().is_terminal();
        recording::end(recorded, &swept.id, tell);
    }
    let mut end = |outcome: &mut Outcome| {
        let code = ending::end(&request.command, &limits, outcome, &mut events);
        crate::audit::after_run(&places, outcome.log.let_go());
        code
    };
    if let Some((report, way)) = &outcome.network {
        network::end(report, *way, arguments.verbose || std::io::stderr().is_terminal());
    }
    if let Some(kept) = kept {
        let frozen = matches!(outcome.end, End::Frozen);
        let thrown_away = arguments.tool == Some(ToolUse::Read);
        kept.end(&mut outcome.log, frozen, thrown_away);
        return Ok(end(&mut outcome));
    }
    request::new_protected(request.project.path(), &before)
        .iter()
        .for_each(|path| {
            let path = Escaped::from(path.as_path());
            say::line(&format!(
                "new since the start, and obeyed by programs outside: {path}; look at it first"
            ));
        });
    Ok(end(&mut outcome))
}

/// The recording of a run that did not take place, removed.
struct Swept {
    state: PathBuf,
    id: String,
    /// What there is, the log knows of.
    begun: bool,
}

impl Drop for Swept {
    fn drop(&mut self) {
        if !self.begun {
            recording::sweep(&self.state, &self.id);
        }
    }
}

/// What is said where the kernel lacks the second wall: nobody learns it otherwise who does not ask `doctor`.
fn second_wall(host: &Host, level: Level) -> Option<&'static str> {
    match host.landlock {
        _ if level == Level::Landlock => None, // it is the first there, and cannot be missing
        0 => Some(
            "weaker: this kernel has no Landlock, or it is switched off (boot option lsm=): one wall fewer, and \
             fumehood's own helpers are held by their lists of system calls alone",
        ),
        1 => Some(
            "weaker: this kernel's Landlock cannot hold files without forbidding every rename between folders: one \
             wall fewer (Linux 5.19 has the next version)",
        ),
        _ => None,
    }
}

/// How holds of this run behave. At level landlock the desk's socket is kept away by seccomp alone, so what is
/// critical is not released on this machine.
fn settings(arguments: &RunArguments) -> Settings {
    Settings {
        mode: match arguments.holds {
            HoldsMode::Wait => Mode::Wait,
            HoldsMode::Deny => Mode::Deny,
        },
        local_critical: arguments.isolation != Some(Isolation::Landlock),
        ..Settings::default()
    }
}

/// At level `landlock` all processes of the account would count, so only `--pids` sets a limit there.
pub(crate) fn ceilings(level: Level) -> Ceilings {
    match level {
        Level::Namespace => Ceilings::of_machine(),
        Level::Landlock => Ceilings {
            pids: None,
            ..Ceilings::of_machine()
        },
    }
}

/// A sandbox that could not be built says what to do.
pub(crate) fn with_remedy(error: RunError) -> String {
    match &error {
        RunError::Start(start) => format!("{error}; {}", remedy(start, Facts::look())),
        _ => error.to_string(),
    }
}

fn directory(given: Option<&Path>) -> Result<PathBuf, String> {
    let here = given.unwrap_or(Path::new("."));
    let shown = Escaped::from(here);
    std::fs::canonicalize(here).map_err(|e| {
        let why = e.to_string().to_lowercase();
        format!(
            "{shown}: {}; name a directory that you can enter with -C",
            why.split(" (os").next().unwrap_or(&why)
        )
    })
}

fn not_found(error: PrepareError) -> Failure {
    let (code, hint) = match &error {
        PrepareError::Program(ProgramError::NotOnPath(_)) => (127, "; install it, or give its path"),
        PrepareError::Program(ProgramError::Missing(_)) => (127, "; check the path"),
        PrepareError::Program(ProgramError::NotExecutable { .. }) => {
            (126, "; chmod +x it, or run its interpreter")
        }
        _ => (FAILED, ""),
    };
    Failure {
        text: format!("{error}{hint}"),
        code,
    }
}

/// The folders of the host that the program may fill.
fn written(request: &Request) -> Vec<PathBuf> {
    let upper = request
        .layers
        .as_ref()
        .map(|l| PathBuf::from(OsStr::from_bytes(l.upper.as_bytes())));
    let mut folders = vec![upper.unwrap_or_else(|| request.project.path().to_owned())];
    folders.extend(
        request
            .shown
            .iter()
            .filter(|s| s.writable)
            .map(|s| s.from.clone()),
    );
    if let Home::Kept(home) = &request.home {
        folders.push(home.clone());
    }
    let upper = |l: &fumehood_sandbox::Layers| PathBuf::from(OsStr::from_bytes(l.upper.as_bytes()));
    folders.extend(request.layered.iter().map(|(_, layers)| upper(layers)));
    folders
}

/// What the status row says.
fn title(request: &Request) -> String {
    let name = request.project.path().file_name().unwrap_or_default();
    Escaped::from(name).at_most(40).to_string()
}

/// The start: one line for a person, an event for a program. Notices are always said.
fn begin(
    arguments: &RunArguments,
    request: &Request,
    profile: &Profile,
    credentials: &Credentials,
    events: &mut Events,
) {
    let presets: Vec<String> = profile.presets.iter().map(ToString::to_string).collect();
    for notice in &profile.notices {
        say::line(&notice.to_string());
    }
    if !profile.waiting.is_empty() {
        let first = profile
            .waiting
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        let count = profile.waiting.len();
        say::line(&format!(
            "fumehood.toml asks to {first}{}; see `fumehood trust`",
            more(count)
        ));
    }
    if arguments.verbose || std::io::stderr().is_terminal() {
        let network = network::words(&profile.network) + &credentials.words();
        say::line(&summary(request, profile, &presets, &network));
    }
    let project = Escaped::from(request.project.path()).to_string();
    let presets = Json::List(profile.presets.iter().map(|p| Json::text(p.entry.name)).collect());
    let secrets = Json::List(credentials.names().into_iter().map(Json::text).collect());
    let start = vec![
        ("project", Json::text(project)),
        ("presets", presets),
        ("secrets", secrets),
    ];
    events.write("start", start);
}

fn more(count: usize) -> String {
    if count > 1 {
        format!(" (and {} more)", count - 1)
    } else {
        String::new()
    }
}

fn summary(request: &Request, profile: &Profile, presets: &[String], network: &str) -> String {
    let level = match (request.level, request.nested) {
        (Level::Landlock, _) => "isolation landlock (weaker: names visible, no pid namespace)",
        (_, true) => "nested (weaker: namespaces and mounts stay possible inside)",
        _ => "isolation namespace",
    };
    let presets = if presets.is_empty() {
        "no presets".to_owned()
    } else {
        presets.join(", ")
    };
    if request.layers.is_some() {
        let project = Escaped::from(request.project.path());
        let when = match profile.apply {
            Apply::Turn => "reach it at each pause, what has a finding waits",
            _ => "are kept back until `fumehood apply`",
        };
        return format!("changes to {project} {when}, {network}, {level}; {presets}");
    }
    let held = request.protected.len();
    format!(
        "{} live (weaker: no undo, nothing waits), {network}, {level}; {presets}; {held} protected paths are read-only until the host replaces them, \
         new ones and hard links are not held",
        Escaped::from(request.project.path())
    )
}
