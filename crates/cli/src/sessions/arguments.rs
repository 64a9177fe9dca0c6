//! The command lines of these verbs.

use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct PsArguments {
    /// Only those with this label
    #[arg(long, value_name = "K[=V]")]
    pub(crate) label: Option<String>,
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
