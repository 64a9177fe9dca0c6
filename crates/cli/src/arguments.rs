//! The command line, as types.

use clap::{Args, Command, FromArgMatches, Parser, Subcommand, ValueEnum};
use fumehood_policy::value::Span;
use fumehood_sandbox::Stamp;
use std::ffi::OsString;
use std::path::PathBuf;

/// Run agents, and the code they write, where letting them act is safe.
#[derive(Debug, Parser)]
#[command(
    name = "fumehood",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Reads this process's command line.
pub(crate) fn read() -> Result<Verb, clap::Error> {
    let words: Vec<OsString> = std::env::args_os().collect();
    if words.get(1).is_some_and(|verb| verb == RUN) {
        return read_run(words);
    }
    Arguments::try_parse_from(words).map(|arguments| arguments.verb)
}

/// The verb that these words would be on the command line.
pub(crate) fn verb(words: &[&std::ffi::OsStr]) -> Result<Verb, clap::Error> {
    let words = std::iter::once(std::ffi::OsStr::new("fumehood")).chain(words.iter().copied());
    Arguments::try_parse_from(words).map(|arguments| arguments.verb)
}

const RUN: &str = "run";
const RUN_ABOUT: &str = "Run a command in a sandbox around this project";

/// The one verb whose start counts in microseconds: all verbs' definitions together take longer to
/// put together than this one's command line to read.
fn read_run(words: Vec<OsString>) -> Result<Verb, clap::Error> {
    let matches = run_alone().try_get_matches_from(words)?;
    let run = matches.subcommand().map(|(_, run)| run).unwrap_or(&matches);
    RunArguments::from_arg_matches(run).map(|run| Verb::Run(Box::new(run)))
}

fn run_alone() -> Command {
    let run = RunArguments::augment_args(Command::new(RUN).about(RUN_ABOUT));
    Command::new("fumehood")
        .max_term_width(100)
        .disable_help_subcommand(true)
        .subcommand(run)
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(about = RUN_ABOUT)]
    Run(Box<RunArguments>),
    /// Show what the last session here changed
    Diff(DiffArguments),
    /// Bring changes of the last session here to the project
    Apply(ApplyArguments),
    /// Forget the changes of the last session here
    Discard(DiscardArguments),
    /// Take the last apply back, or the one of this number
    Undo(UndoArguments),
    /// Copy what a session wrote to a new directory, also when its records are damaged
    Rescue(RescueArguments),
    /// Say which isolation works on this machine, why not, and the fix
    Doctor(DoctorArguments),
    /// Answer a hook of a coding agent: inside nobody is asked twice, outside nothing happens unbounded
    Hook(crate::hook::HookArguments),
    /// Write a commented fumehood.toml for what is found here
    Init(InitArguments),
    /// Check and explain configuration
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Show what waits for you, in every session of yours, or one hold whole
    Holds(HoldsArguments),
    /// Let what is held happen: once, or as many times as requests wait
    Allow(AllowArguments),
    /// Refuse what is held, and tell the agent why
    Deny(DenyArguments),
    /// Stop a session: nothing more leaves it, its programs end, its files stay
    Freeze(FreezeArguments),
    /// Run a command in a session that goes on without this terminal: as `run -d`
    Create(Box<RunArguments>),
    /// Connect this terminal with that of a session; Ctrl-\ leaves
    Attach(crate::sessions::AttachArguments),
    /// Look around in a session: a shell where it works, or your editor with a file of it
    Open(crate::sessions::OpenArguments),
    /// Show which ports of a session are open on this machine, or open one
    Port(crate::sessions::PortArguments),
    /// Copy files and folders out of a session, or into one
    Cp(crate::sessions::CpArguments),
    /// Print what was recorded of a session, a JSON object a line
    Events(crate::sessions::EventsArguments),
    /// Show what a session that was started with -d printed
    Logs(crate::sessions::LogsArguments),
    /// Play what a session's terminal showed, where it was recorded (`run --record`)
    Replay(crate::sessions::ReplayArguments),
    /// Run a command in a session that has ended, with the changes it kept back
    Resume(Box<crate::sessions::ResumeArguments>),
    /// Keep what a session has written as it is now
    Checkpoint(crate::sessions::CheckpointArguments),
    /// Begin a new session with the files of another
    Fork(crate::sessions::ForkArguments),
    /// Remove a session that has ended, and what is kept of it
    Rm(crate::sessions::RmArguments),
    /// Remove sessions that have ended and in which nothing waits
    Prune(crate::sessions::PruneArguments),
    /// List the sessions that run
    Ps(crate::sessions::PsArguments),
    /// Say what a session is
    Inspect(crate::sessions::InspectArguments),
    /// Run a further program in a session, behind the same walls
    Exec(crate::sessions::ExecArguments),
    /// Wait for a session's end, and end as it did
    Wait(crate::sessions::WaitArguments),
    /// Ask a session's command to end, and end it if it does not
    Stop(crate::sessions::StopArguments),
    /// Tools that a model may call instead of a shell
    #[command(subcommand)]
    Tool(crate::tool::ToolVerb),
    /// Offer this project's tools to an MCP client, on standard input and output or over HTTP
    Mcp(crate::mcp::McpArguments),
    /// Accept what this project's fumehood.toml asks for
    Trust(TrustArguments),
    /// What was recorded of runs, and whether it is whole
    #[command(subcommand)]
    Audit(crate::audit::AuditVerb),
    /// Keep secrets for `[secret.NAME]` and `--secret NAME`
    #[command(subcommand)]
    Secret(SecretVerb),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Isolation {
    /// Namespaces, own file tree, Landlock, seccomp (the default)
    Namespace,
    /// Landlock and seccomp only; weaker, and named so
    Landlock,
}

/// How connections reach the boundary at best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Boundary {
    /// By nf_tables' redirect
    Redirect,
    /// By a listener for each port that rules name
    Ports,
}

/// When changes reach the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// Whenever the program pauses, what has no finding; `fumehood undo` takes it back
    Turn,
    /// When you say `fumehood apply`, also during the run
    Ask,
    /// As `ask`, and nothing reminds you of it: for scripts
    Never,
}

/// What a tool may do to the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ToolUse {
    /// What it changes is gone with it
    Read,
    /// What it changes is kept back
    Write,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Start in this directory
    #[arg(short = 'C', value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Use this file instead of the project's fumehood.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Use this preset too
    #[arg(long = "preset", value_name = "NAME")]
    pub(crate) presets: Vec<String>,
    /// When changes reach the project: `turn` at a terminal, `never` otherwise
    #[arg(long, value_enum, value_name = "WHEN", conflicts_with = "live")]
    pub(crate) apply: Option<When>,
    /// Go on where the last session here that kept changes back ended
    #[arg(long, conflicts_with_all = ["live", "new"])]
    pub(crate) resume: bool,
    /// Begin a new session, whatever waits here
    #[arg(long)]
    pub(crate) new: bool,
    /// Write to the project itself, at once; weaker: no undo, and what exists is protected only
    #[arg(long)]
    pub(crate) live: bool,
    /// How strong
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(crate) isolation: Option<Isolation>,
    /// Let the program bring a sandbox of its own; weaker, and named so
    #[arg(long)]
    pub(crate) nested: bool,
    /// Show this path, read-only
    #[arg(long = "ro", value_name = "PATH")]
    pub(crate) read_only: Vec<PathBuf>,
    /// Show this path, writable
    #[arg(long = "rw", value_name = "PATH")]
    pub(crate) read_write: Vec<PathBuf>,
    /// Cover files of the project that match
    #[arg(long, value_name = "GLOB")]
    pub(crate) hide: Vec<OsString>,
    /// Set a variable, or pass the caller's
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<OsString>,
    /// Let this host be reached, by its port 443 if none is named; localhost:PORT is this machine's port
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) allow: Vec<String>,
    /// Let in a port of this machine through which a program of it is controlled, such as a debugger's
    #[arg(long, value_name = "PORT")]
    pub(crate) control: Vec<String>,
    /// Go without what the kernel has, to see what a lesser one would do
    #[arg(long, value_enum, value_name = "WAY", hide = true)]
    pub(crate) boundary: Option<Boundary>,
    /// Open a port of the sandbox on this machine
    #[arg(short, long, value_name = "[ADDR:]PORT[:PORT]")]
    pub(crate) publish: Vec<String>,
    /// Use this secret: a placeholder inside, the value only in requests to the hosts that it is for
    #[arg(long = "secret", value_name = "NAME")]
    pub(crate) secrets: Vec<String>,
    /// Memory at most, such as 2G
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// Processors at most, such as 1.5
    #[arg(long, value_name = "N")]
    pub(crate) cpus: Option<String>,
    /// Processes and threads at most
    #[arg(long, value_name = "N")]
    pub(crate) pids: Option<String>,
    /// Size of private files, and of any one file, at most
    #[arg(long, value_name = "SIZE")]
    pub(crate) disk: Option<String>,
    /// Open files at most, in each process
    #[arg(long, value_name = "N")]
    pub(crate) open_files: Option<String>,
    /// Time at most, such as 90s or 1h30m
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
    /// The agent does not ask before it acts: what is hard to undo waits at the boundary, the rest can be undone
    #[arg(long, conflicts_with = "live")]
    pub(crate) no_prompts: bool,
    /// What a hold does: wait for your answer, or refuse at once with a ticket, where nobody is there
    #[arg(long, value_enum, value_name = "HOW", default_value = "wait")]
    pub(crate) holds: HoldsMode,
    /// The user inside, a number; never has privilege, 0 included
    #[arg(long, value_name = "UID", value_parser = clap::value_parser!(u32).range(0..=4_294_967_294))]
    pub(crate) user: Option<u32>,
    /// Go on without this terminal; its name is printed (docs/sessions.md)
    #[arg(short, long, conflicts_with = "events")]
    pub(crate) detach: bool,
    /// Record what the terminal shows, for `fumehood replay`; what is typed is not recorded (docs/sessions.md)
    #[arg(long)]
    pub(crate) record: bool,
    /// With -d: on a terminal of its own, for `fumehood attach`
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Call the session so, for verbs that take one
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Give the session a label; `fumehood ps --label` finds it
    #[arg(long = "label", value_name = "K=V")]
    pub(crate) labels: Vec<String>,
    /// End the session after this long, as --timeout does
    #[arg(long, value_name = "TIME")]
    pub(crate) ttl: Option<String>,
    /// Which session --resume means, where it was named
    #[arg(skip)]
    pub(crate) resumed: Option<String>,
    /// Write events as JSON lines to this descriptor or file
    #[arg(long, value_name = "FD|FILE")]
    pub(crate) events: Option<OsString>,
    /// As a call of a tool: reach only what flags name, say everything as events, and keep what is changed or not
    #[arg(long, value_enum, value_name = "USE", hide = true)]
    pub(crate) tool: Option<ToolUse>,
    /// With --tool: reach what may be read by GET (`get`), or a database (`postgres.NAME`), read only
    #[arg(long, value_name = "REACH", requires = "tool", hide = true)]
    pub(crate) reach: Option<String>,
    /// Execute the command's file only if it is known by this
    #[arg(long, value_name = "STAMP", hide = true)]
    pub(crate) program_is: Option<Stamp>,
    /// Say what is done, on standard error
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// The command and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Do the one privileged step that is missing, after asking
    #[arg(long)]
    pub(crate) fix: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Tell an MCP client of this project's tools instead
    #[arg(long, value_name = "CLIENT", conflicts_with = "force")]
    pub(crate) mcp: Option<crate::init::McpClient>,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Say what becomes of an effect, a request or a usual command, by which rule, and how to ask
    Why {
        /// `git.ref.force [HOST]`, `METHOD https://host/path`, or a command
        #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
        what: Vec<String>,
        /// The body of a request
        #[arg(long)]
        body: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run the examples beside the rules of all files that apply here
    Test {
        /// Say instead what these rules would have decided otherwise of what this project's sessions did, so far back:
        /// 14d, 36h
        #[arg(long, value_name = "TIME")]
        replay: Option<Span>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check the configuration files that apply here
    Check {
        /// Check this file instead
        file: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Suggest rules for what a session was refused, from its record
    Suggest {
        /// Which: its name in the log, or the beginning of it; the newest of this project otherwise
        session: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// Accept without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// Of this session instead of the newest here
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Numbers only
    #[arg(long)]
    pub(crate) stat: bool,
    /// Names only
    #[arg(long, conflicts_with = "stat")]
    pub(crate) name_status: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Only these paths
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// Of this session instead of the newest here
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Also where the project changed meanwhile; `undo` brings its version back
    #[arg(long)]
    pub(crate) force: bool,
    /// Also what has a finding; otherwise it waits until you name that very path
    #[arg(long)]
    pub(crate) all: bool,
    /// Ask about each change, and each part of a text, at this terminal
    #[arg(short, long, conflicts_with_all = ["all", "json"])]
    pub(crate) patch: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Only these paths
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DiscardArguments {
    /// This session instead of the newest here
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UndoArguments {
    /// The number that `fumehood apply` said; with --in, of a checkpoint
    pub(crate) number: Option<u64>,
    /// Take this session back to its last checkpoint, or that one, instead of the project
    #[arg(long = "in", value_name = "SESSION")]
    pub(crate) session: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RescueArguments {
    /// The session: a name in the state directory's `sessions`, or the newest here
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// A directory that does not exist yet
    pub(crate) to: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretVerb {
    /// Store a secret; its value is read from standard input
    Add(SecretAddArguments),
    /// Say which secrets are stored, and for which hosts
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a secret
    Rm {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SecretAddArguments {
    /// The variable under which programs look for it
    pub(crate) name: String,
    /// It is for this host, and no other
    #[arg(long = "for", value_name = "HOST[:PORT]", required = true)]
    pub(crate) hosts: Vec<String>,
    /// Refuse a value that does not match this regular expression, such as ^sk_test_
    #[arg(long, value_name = "REGEX")]
    pub(crate) require: Option<String>,
}

/// What a hold does to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HoldsMode {
    /// The request waits
    Wait,
    /// A refusal with a ticket, at once
    Deny,
}

#[derive(Debug, Args)]
pub(crate) struct HoldsArguments {
    /// Show this hold whole
    pub(crate) id: Option<u64>,
    /// Serve a page on which all are answered, to a browser of this machine, until it is ended
    #[arg(long, conflicts_with_all = ["id", "session", "json"])]
    pub(crate) page: bool,
    /// Say each thing that begins to wait, in any session, until it is ended
    #[arg(long, conflicts_with_all = ["id", "session", "json", "page"])]
    pub(crate) watch: bool,
    /// Watching, tell the desktop too (notify-send): that something waits, and where
    #[arg(long, requires = "watch")]
    pub(crate) desktop: bool,
    /// Watching, tell a server too: that something waits, and where, signed
    #[arg(long, value_name = "URL", requires = "webhook_key")]
    pub(crate) webhook: Option<String>,
    /// The file of the webhook's key: whsec_ and base64, readable by you alone
    #[arg(long, value_name = "FILE", requires = "webhook")]
    pub(crate) webhook_key: Option<PathBuf>,
    /// Of this session
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AllowArguments {
    /// The hold's number; or a host that may be reached from now on, HOST or HOST:PORT
    #[arg(value_name = "ID|HOST")]
    pub(crate) what: String,
    /// The code that `fumehood holds` shows beside it; asked for otherwise, under the whole card
    pub(crate) code: Option<String>,
    /// Of this session
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// How often, where several identical requests wait
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) times: u32,
    /// Allow what is like it too, for names that match
    #[arg(long, value_name = "GLOB", requires = "span")]
    pub(crate) like: Option<String>,
    /// For this long at most, such as 30m: a host, or with --like
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) span: Option<String>,
    /// With --like: so many at most
    #[arg(long, value_name = "N", default_value_t = 20, requires = "like")]
    pub(crate) uses: u32,
}

#[derive(Debug, Args)]
pub(crate) struct DenyArguments {
    /// The hold's number; or a host that may not be reached any more, as its rule is written
    #[arg(value_name = "ID|HOST")]
    pub(crate) what: String,
    /// A sentence for the agent
    pub(crate) words: Vec<String>,
    /// Of this session
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct FreezeArguments {
    /// Which; may be left out while one runs
    pub(crate) session: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn run_alone_is_run_as_all_verbs_have_it() {
        let long = |mut all: Command| {
            all.build();
            all.find_subcommand_mut(RUN)
                .unwrap()
                .render_long_help()
                .to_string()
        };
        assert_eq!(long(run_alone()), long(Arguments::command()));
    }
}
