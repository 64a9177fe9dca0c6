//! The command lines of these verbs.

use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct PsArguments {
    /// Also those that have ended and keep changes back
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Only those with this label
    #[arg(long, value_name = "K[=V]")]
    pub(crate) label: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AttachArguments {
    /// Which: its id or name; the newest of this project otherwise
    pub(crate) session: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OpenArguments {
    /// Which: its id or name; otherwise the newest of this project that runs, or that keeps changes back
    pub(crate) session: Option<String>,
    /// Open this file, as it is called inside, with $VISUAL, $EDITOR or vi
    #[arg(long, value_name = "FILE")]
    pub(crate) edit: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CpArguments {
    /// What: a path here, or SESSION:PATH for one inside; there are two of them, one of each
    #[arg(value_name = "FROM")]
    pub(crate) from: OsString,
    /// Where to: a folder that is there, or a name that is not
    #[arg(value_name = "TO")]
    pub(crate) to: OsString,
    /// Of what comes out of a session, so much at most
    #[arg(long, value_name = "SIZE", default_value = "4G")]
    pub(crate) most: String,
}

#[derive(Debug, Args)]
pub(crate) struct PortArguments {
    /// Which: its id or name; the newest of this project otherwise
    pub(crate) session: Option<String>,
    /// Open a port of the sandbox on this machine, until the session ends
    #[arg(short, long, value_name = "[ADDR:]PORT[:PORT]")]
    pub(crate) publish: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    /// Which: its id or name, also of one that has ended; the newest of this project otherwise
    pub(crate) session: Option<String>,
    /// Go on until the session ends
    #[arg(short, long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// Which: its id or name, also of one that has ended; the newest of this project that runs otherwise
    pub(crate) session: Option<String>,
    /// Go on until the session ends
    #[arg(short, long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// Which: its id, the beginning of one, or the place of its changes; the newest of this project otherwise
    pub(crate) session: Option<String>,
    /// So many times as fast as it was
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub(crate) speed: f64,
    /// A pause takes no longer than this
    #[arg(long, value_name = "TIME")]
    pub(crate) idle: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// Which: its name, or its id in the state directory's `sessions`
    pub(crate) session: String,
    #[command(flatten)]
    pub(crate) run: crate::arguments::RunArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RmArguments {
    /// Which: its name, or its id
    #[arg(required_unless_present = "home", conflicts_with = "home")]
    pub(crate) session: Option<String>,
    /// Instead: what this agent, or any, keeps between runs in this project: conversations, histories
    #[arg(long, value_name = "AGENT", num_args = 0..=1, conflicts_with = "force")]
    pub(crate) home: Option<Option<String>>,
    /// Also the changes that it kept back and nobody applied
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckpointArguments {
    /// Of which session: its name or id; the newest of this project that keeps changes back otherwise
    pub(crate) session: Option<String>,
    /// Show those that there are
    #[arg(long, conflicts_with = "why")]
    pub(crate) list: bool,
    /// A few words to know it by
    #[arg(long, value_name = "WORDS")]
    pub(crate) why: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ForkArguments {
    /// Which session: its name or id; the newest of this project that keeps changes back otherwise
    pub(crate) session: Option<String>,
    /// As it was at this checkpoint, instead of now
    #[arg(long, value_name = "NUMBER")]
    pub(crate) at: Option<u64>,
    /// Call the new one so
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArguments {
    /// Only what began longer ago than this, such as 30d
    #[arg(long, value_name = "TIME")]
    pub(crate) older_than: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// Which: its id or name; the newest of this project otherwise
    pub(crate) session: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArguments {
    /// Which: its id or name; the newest of this project otherwise
    pub(crate) session: Option<String>,
    /// Give up after this long, with status 124
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StopArguments {
    /// Which: its id or name; the newest of this project otherwise
    pub(crate) session: Option<String>,
    /// How long its command may take to end by itself
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub(crate) time: String,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArguments {
    /// Start in this directory inside; where the session's command started otherwise
    #[arg(short = 'C', value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Set a variable, or pass the caller's; otherwise the session's command's are there
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<OsString>,
    /// Time at most, such as 90s or 1h30m; then it ends with status 124
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
    /// Which session: its id or name
    pub(crate) session: String,
    /// The command and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    pub(crate) command: Vec<OsString>,
}
