//! A call: the arguments checked, the command run in a sandbox of its own, its output on its way into bounds.
//!
//! The sandbox is made by `fumehood run`, as a program of its own: this process reads what a tool prints, and holds
//! nothing of the sandbox's but a pipe. What fumehood does itself has none (`super::files`).

use super::offered::{Executed, Offered, folder};
use super::result::CallResult;
use super::{CallArguments, Edits};
use crate::configuration::Places;
use crate::policy::places;
use crate::run::{DATABASE, GET};
use fumehood_output::window::DEFAULT_BUDGET;
use fumehood_output::{Output, Store};
use fumehood_policy::config::{Tool, ToolNetwork, ToolWorkspace};
use fumehood_redact::Forbidden;
use fumehood_sandbox::Stamp;
use fumehood_tools::{Arguments, Deed, Guarded, Manifest, Reach, compile, guard};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of all outputs that are kept of one session.
const MOST_KEPT: u64 = 1024 * 1024 * 1024;
/// How long a tool runs whose manifest does not say.
const TIMEOUT: &str = "10m";

/// Who looks on while a call runs.
pub(crate) trait Watch {
    /// It runs, as this process.
    fn begun(&mut self, _process: u32) {}
    /// So many bytes were printed.
    fn printed(&mut self, _bytes: u64) {}
    /// It ends by itself: its process is waited for now, and its number free after.
    fn over(&mut self) {}
    /// Whether nobody waits for it any more.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Nobody.
struct Alone;

impl Watch for Alone {}

/// Why a call gives no result.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The caller's arguments: it can do better.
    Refused(String),
    /// The machine's, or the manifest's.
    Failed(String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallError::Refused(why) | CallError::Failed(why) => f.write_str(why),
        }
    }
}

impl From<std::io::Error> for CallError {
    fn from(e: std::io::Error) -> CallError {
        CallError::Failed(e.to_string())
    }
}

/// Where the outputs of calls are kept.
pub(crate) fn store(places: &Places, session: &str) -> Result<Store, String> {
    Store::open(&places.state().join("outputs"), session).map_err(|e| format!("outputs cannot be kept: {e}"))
}

/// `fumehood tool call`.
pub(super) fn by_hand(arguments: &CallArguments) -> Result<(String, u8), String> {
    let places = places()?;
    let mut offered = Offered::here(&places)?;
    offered.load(&places, |t| t.name().as_str() == arguments.name);
    let tool = offered.find(&arguments.name)?;
    let store = store(&places, "hand")?;
    let edits = Edits::default();
    let result = guard(arguments.arguments.as_bytes())
        .map_err(|e| CallError::Refused(e.to_string()))
        .and_then(|json| Prepared::new(tool, &json))
        .and_then(|call| call.perform((tool, &offered), &places, (&store, &edits), &mut Alone))
        .map_err(|e| match e {
            CallError::Refused(text) | CallError::Failed(text) => text,
        })?;
    let text = match arguments.json {
        true => format!("{}\n", result.json()),
        false => result.text(),
    };
    if let Some(said) = edits.over() {
        crate::say::line(&said);
    }
    Ok((text, result.status()))
}

/// A call whose arguments are of their types.
pub(crate) enum Prepared {
    /// A command's words.
    Command(Vec<OsString>),
    /// What fumehood does itself.
    Deed(Deed, Arguments),
}

impl Prepared {
    /// Checks the arguments.
    pub(crate) fn new(tool: &Manifest, json: &Guarded) -> Result<Prepared, CallError> {
        let refused = |e: fumehood_tools::Refused| CallError::Refused(e.to_string());
        let checked = Arguments::check(tool, json).map_err(refused)?;
        match tool.deed() {
            Some(deed) => Ok(Prepared::Deed(deed, checked)),
            None => compile(&tool.tool().argv, &checked)
                .map(Prepared::Command)
                .map_err(refused),
        }
    }

    /// Does it.
    pub(crate) fn perform(
        self,
        (tool, offered): (&Manifest, &Offered),
        places: &Places,
        (store, edits): (&Store, &Edits),
        watch: &mut impl Watch,
    ) -> Result<CallResult, CallError> {
        match self {
            Prepared::Command(words) => {
                let executed = offered.executed(tool).map_err(CallError::Failed)?;
                run(tool, words, (executed, places), store, watch)
            }
            Prepared::Deed(deed, arguments) => {
                super::files::perform(tool, deed, &arguments, places, (store, edits), &|| {
                    watch.is_cancelled()
                })
            }
        }
    }
}

/// Of a result, in bytes.
pub(super) fn budget(tool: &Manifest) -> usize {
    let wanted = tool.tool().output.budget;
    wanted
        .and_then(|b| usize::try_from(b.bytes()).ok())
        .unwrap_or(DEFAULT_BUDGET)
}

/// Runs the command of a call.
fn run(
    tool: &Manifest,
    mut words: Vec<OsString>,
    (executed, places): (Executed<'_>, &Places),
    store: &Store,
    watch: &mut impl Watch,
) -> Result<CallResult, CallError> {
    let changed = |e| {
        CallError::Failed(format!(
            "not called: {e}; if that is as it should be, load the tools anew"
        ))
    };
    let stamp = executed.program.check().map_err(changed)?;
    if let Some(first) = words.first_mut() {
        *first = executed.program.path().into();
    }
    let reach = match tool.reach() {
        Reach::Named => None,
        Reach::Get => Some(GET.to_owned()),
        Reach::Database(name) => Some(format!("{DATABASE}{name}")),
    };
    let ran = Ran {
        words,
        reach,
        known: stamp.map(|stamp| (stamp, executed.search)),
    };
    let events = EventsFile::make(places)?;
    let (mut from, to) = std::io::pipe()?;
    let mut command = sandboxed(
        tool.name().as_str(),
        tool.tool(),
        Some(TIMEOUT),
        ran,
        places,
        Some(&events.0),
    )?;
    command.stdin(Stdio::null()).stdout(to.try_clone()?).stderr(to);
    let mut child = command.spawn()?;
    drop(command); // it holds the pipe's other end
    watch.begun(child.id());
    let nothing = Arc::new(Forbidden::new(std::iter::empty()));
    let mut output = Output::new(budget(tool), nothing, tool.tool().output.parser).kept_in(store)?;
    let is_whole = gather(&mut from, &mut output, &mut child, watch);
    watch.over();
    let status = child.wait()?;
    let is_whole = is_whole?;
    let finished = output.finish(Some(store))?;
    prune(store);
    let told = std::fs::read_to_string(&events.0)?;
    CallResult::new(tool, status, &told, finished, is_whole).map_err(CallError::Failed)
}

/// Forgets the oldest outputs where there are too many; where that fails, the next call tries again.
pub(super) fn prune(store: &Store) {
    let _the_next_call_tries_again = store.prune(MOST_KEPT);
}

/// All that is printed; false where there was more than is kept, and the tool was ended for it.
fn gather(
    from: &mut impl Read,
    output: &mut Output,
    child: &mut Child,
    watch: &mut impl Watch,
) -> Result<bool, CallError> {
    let mut bytes = 0;
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(n) => {
                output.push(&buffer[..n]);
                bytes += n as u64;
                watch.printed(bytes);
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
        if output.is_full() {
            child.kill()?; // with it the sandbox ends
            return Ok(false);
        }
    }
}

/// A command, and where its program was looked at: what that is known by, and the search path inside.
pub(crate) struct Ran<'a> {
    pub(crate) words: Vec<OsString>,
    /// What it reaches beside what the manifest names, as `run --reach` takes it.
    pub(crate) reach: Option<String>,
    pub(crate) known: Option<(Stamp, &'a OsStr)>,
}

/// `fumehood run` with what the manifest says, and nothing that it does not. `default` is how long it runs where that does
/// not say.
#[expect(
    clippy::disallowed_methods,
    reason = "it is fumehood itself, which makes the sandbox"
)]
pub(crate) fn sandboxed(
    name: &str,
    manifest: &Tool,
    default: Option<&str>,
    ran: Ran<'_>,
    places: &Places,
    events: Option<&Path>,
) -> Result<Command, CallError> {
    let mut command = Command::new("/proc/self/exe");
    let usage = match manifest.workspace {
        ToolWorkspace::Read => "read",
        ToolWorkspace::Write => "write",
        ToolWorkspace::None => {
            return Err(CallError::Failed(format!(
                "tool {name}: workspace = \"none\" is not available in this version; write \"read\""
            )));
        }
    };
    command.args([
        "run", "--apply", "never", "--new", "--holds", "deny", "--tool", usage,
    ]);
    if let Some(events) = events {
        command.arg("--events").arg(events);
    }
    command.arg("-C").arg(folder(manifest, places));
    match (&manifest.network, &ran.reach) {
        (_, Some(reach)) => {
            command.args(["--reach", reach]);
        }
        (ToolNetwork::Hosts(hosts), None) => hosts.iter().for_each(|h| {
            command.args(["--allow", &h.value.to_string()]);
        }),
        (ToolNetwork::None, None) => {}
    }
    for secret in &manifest.secrets {
        command.args(["--secret", secret.value.as_str()]);
    }
    for name in &manifest.env.pass {
        command.args(["--env", &name.value.to_string()]);
    }
    for (name, value) in &manifest.env.set {
        command.args(["--env", &format!("{}={value}", name.value)]);
    }
    let limits = &manifest.limits;
    let timeout = limits.timeout.map(|t| t.value.to_string());
    let timeout = timeout.or_else(|| Some(default?.to_owned()));
    let mut set: Vec<(&str, String)> = timeout.map(|t| ("--timeout", t)).into_iter().collect();
    set.extend(limits.memory.map(|l| ("--memory", l.value.to_string())));
    set.extend(limits.cpus.map(|l| ("--cpus", l.value.to_string())));
    set.extend(limits.pids.map(|l| ("--pids", l.value.to_string())));
    set.extend(limits.disk.map(|l| ("--disk", l.value.to_string())));
    set.extend(limits.open_files.map(|l| ("--open-files", l.value.to_string())));
    for (flag, value) in set {
        command.args([flag, &value]);
    }
    if let Some((stamp, search)) = ran.known {
        command.args(["--program-is", &stamp.to_string()]);
        command.env("PATH", search);
    }
    command.arg("--").args(ran.words);
    Ok(command)
}

/// The file in which the run says how it went; gone with this value.
struct EventsFile(PathBuf);

impl EventsFile {
    fn make(places: &Places) -> Result<EventsFile, CallError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = places.state().join("calls");
        std::fs::create_dir_all(&folder)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number}", std::process::id()));
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
        std::fs::File::create_new(&path)?;
        Ok(EventsFile(path))
    }
}

impl Drop for EventsFile {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}
