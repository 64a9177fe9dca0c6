//! Where the files are, and all of them read and parsed: what every verb begins with.

use std::path::{Path, PathBuf};

use crate::config::{Config, parse};
use crate::finding::Findings;
use crate::origin::Layer;
use crate::read::{self, Owner, ReadError};
use crate::value::Variables;

/// The machine's policy.
pub const MACHINE: &str = "/etc/fumehood/policy.toml";
/// The project's file, in its root.
pub const PROJECT: &str = "fumehood.toml";

/// `$XDG_CONFIG_HOME/fumehood/config.toml`. As the XDG specification says, a relative value
/// counts as unset.
pub fn user_config(variables: &impl Variables) -> Option<PathBuf> {
    base(variables, "XDG_CONFIG_HOME", ".config").map(|base| base.join("fumehood/config.toml"))
}

/// `$XDG_STATE_HOME/fumehood`, the state directory.
pub fn state(variables: &impl Variables) -> Option<PathBuf> {
    base(variables, "XDG_STATE_HOME", ".local/state").map(|base| base.join("fumehood"))
}

fn base(variables: &impl Variables, name: &str, below_home: &str) -> Option<PathBuf> {
    let set = variables
        .var(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    set.or_else(|| variables.home().map(|home| home.join(below_home)))
}

/// A configuration file that was found and is good.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// Its content, for trust.
    pub bytes: Vec<u8>,
    /// The file itself, without links: the path that trust is given to.
    pub path: PathBuf,
    /// Whether a link led to it: worth saying.
    pub was_link: bool,
    /// Warnings.
    pub findings: Findings,
}

/// Why a configuration file cannot be used. The run must not start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read or is not to be believed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is wrong.
    #[error(transparent)]
    Wrong(#[from] Findings),
}

/// Reads and parses one file; none if it does not exist. `name` is what messages call it.
/// Only root's file counts for the machine; the user's must be theirs.
pub fn load(layer: Layer, path: &Path, name: &str) -> Result<Option<Loaded>, LoadError> {
    let owner = match layer {
        Layer::Machine => Owner::Only(0),
        Layer::User => Owner::User(rustix::process::geteuid().as_raw()),
        Layer::Project | Layer::CommandLine => Owner::Anyone,
    };
    let Some(file) = read::config(path, owner)? else {
        return Ok(None);
    };
    let parsed = parse(layer, name, &file.bytes);
    let Some(config) = parsed.config else {
        return Err(LoadError::Wrong(parsed.findings));
    };
    let was_link = file.resolved.is_some();
    let path = file.resolved.unwrap_or_else(|| path.to_owned());
    Ok(Some(Loaded {
        config,
        bytes: file.bytes,
        path,
        was_link,
        findings: parsed.findings,
    }))
}
