use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::choose::Folder;
use crate::config::Config;
use crate::origin::Origin;
use crate::preset::Entry;
use crate::support::Support;
use crate::value::{Apply, ByteSize, Cpus, EnvName, HidePattern, HostPort, Isolation, Port, Publish, Span};

/// All that a profile is made of. Every part was parsed before; assembling reads nothing but
/// through [`crate::expand::Environment`].
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// `/etc/fumehood/policy.toml`
    pub machine: Option<&'a Config>,
    /// The user's `config.toml`.
    pub user: Option<&'a Config>,
    /// The project's `fumehood.toml`.
    pub project: Option<Project<'a>>,
    /// The flags of this run.
    pub flags: &'a CommandLine,
    /// The command as given, for choosing presets.
    pub command: &'a OsStr,
    /// The project's directory, without links.
    pub project_dir: &'a Path,
    /// What it holds, and what the folders hold between it and where the run starts.
    pub folders: &'a [Folder],
    /// What can be enforced.
    pub support: Support,
    /// Seconds since 1970, for policies that expire.
    pub now: i64,
    /// The highest `serial` of a machine policy seen before.
    pub last_serial: Option<u64>,
}

/// The project's file and whether its requests count.
#[derive(Clone, Copy, Debug)]
pub struct Project<'a> {
    /// The file.
    pub config: &'a Config,
    /// Whether the user trusts exactly this content.
    pub trusted: bool,
}

/// The flags of `run` that are policy, parsed. Paths are as typed: the shell has expanded
/// them, and any bytes are a path.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    /// `--preset`
    pub presets: Vec<&'static Entry>,
    /// `--apply`, or [`Apply::Live`] for `--live`.
    pub apply: Option<Apply>,
    /// Whether a person at a terminal watches the run.
    pub watched: bool,
    /// `--isolation`
    pub isolation: Option<Isolation>,
    /// `--ro`
    pub ro: Vec<PathBuf>,
    /// `--rw`
    pub rw: Vec<PathBuf>,
    /// The directory that `ro` and `rw` are relative to.
    pub cwd: PathBuf,
    /// `--hide`
    pub hide: Vec<HidePattern>,
    /// `--env NAME` and `--env NAME=VALUE`
    pub env: Vec<(OsString, Option<OsString>)>,
    /// `--memory`
    pub memory: Option<ByteSize>,
    /// `--cpus`
    pub cpus: Option<Cpus>,
    /// `--pids`
    pub pids: Option<u32>,
    /// `--disk`
    pub disk: Option<ByteSize>,
    /// `--timeout`
    pub timeout: Option<Span>,
    /// `--allow`
    pub allow: Vec<HostPort>,
    /// `--control`
    pub control: Vec<Port>,
    /// `-p`
    pub publish: Vec<Publish>,
    /// `--secret`
    pub secrets: Vec<EnvName>,
}

impl<'a> Inputs<'a> {
    /// Files whose restrictions hold: all of them.
    pub(super) fn layers(&self) -> impl Iterator<Item = &'a Config> + use<'a> {
        [self.machine, self.user, self.project.map(|p| p.config)]
            .into_iter()
            .flatten()
    }

    /// Files whose requests count: the project's only if trusted.
    pub(super) fn requesting(&self) -> impl Iterator<Item = &'a Config> + use<'a> {
        let project = self.project.filter(|p| p.trusted).map(|p| p.config);
        [self.machine, self.user, project].into_iter().flatten()
    }

    /// The presets that someone named and may name.
    pub(super) fn asked_presets(&self) -> Vec<(&'static Entry, Origin)> {
        let flags = self
            .flags
            .presets
            .iter()
            .map(|entry| (*entry, Origin::Flag("--preset")));
        let trusted = self.project.is_none_or(|p| p.trusted);
        let files = self.layers().flat_map(|config| {
            let may_ask = trusted || config.layer != crate::Layer::Project;
            let named = config.presets.iter().map(move |name| (config, name));
            named.filter_map(move |(config, name)| {
                let entry = crate::preset::find(name.value.as_str())?;
                (may_ask || entry.harmless).then(|| (entry, config.origin(name.pos)))
            })
        });
        flags.chain(files).collect()
    }
}
