//! The profile: what all layers, presets and flags add up to for one run.
//!
//! Machine, user, project, command line: a lower layer can only narrow what a layer above
//! restricts, and a flag is the lowest. Requests of the project's file count once its exact
//! content is trusted. [`assemble`] gives a profile that keeps every restriction, or says
//! which one it cannot keep: there is no profile that silently does less.

mod assemble;
mod effects;
mod environment;
mod files;
mod inputs;
mod limits;
mod network;
mod pushes;
mod requests;
mod restrictions;
mod secrets;
mod walls;

pub use assemble::assemble;
pub use effects::{BytesOut, EffectRule};
pub use environment::{EnvItem, EnvMatch, EnvPlan, Inside};
pub use inputs::{CommandLine, Inputs, Project};
pub use limits::RunLimits;
pub use network::NetworkWishes;
pub use pushes::PushWishes;
pub use secrets::{NoWay, SecretWish, no_way, way};

use std::fmt;
use std::path::PathBuf;

use crate::asks::Ask;
use crate::choose::Chosen;
use crate::expand::{Cache, Shown};
use crate::glob::Glob;
use crate::origin::{Origin, Sourced};
use crate::preset::{KeptSettings, Key, Login};
use crate::value::{Apply, HidePattern, Isolation};

/// What one run may see and use.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The presets, each with the reason, for the line that a run prints.
    pub presets: Vec<Chosen>,
    /// Paths visible beside the project and the system; a directory comes before what is
    /// below it.
    pub shown: Vec<Shown>,
    /// Files below them that look as if they held a credential: absent inside.
    pub covered: Vec<PathBuf>,
    /// Directories that the sandbox has for itself.
    pub caches: Vec<Cache>,
    /// What is absent inside.
    pub hide: Vec<Sourced<HidePattern>>,
    /// Of what only the structure is inside: patterns below the project.
    pub mask: Vec<Sourced<HidePattern>>,
    /// Environment variables.
    pub env: EnvPlan,
    /// Caps.
    pub limits: RunLimits,
    /// The isolation level to use, and who chose it.
    pub isolation: Sourced<Isolation>,
    /// Whether programs may make sandboxes of their own, and who says so.
    pub nested: Sourced<bool>,
    /// When changes reach the host.
    pub apply: Apply,
    /// Build outputs: never in a diff.
    pub scratch: Vec<Sourced<Glob>>,
    /// Private homes of agents.
    pub homes: Vec<AgentHome>,
    /// What of the network is wanted, for the gateway.
    pub network: NetworkWishes,
    /// Which pushes fly.
    pub pushes: PushWishes,
    /// Secrets, for the broker.
    pub secrets: Vec<SecretWish>,
    /// Logins of agents, for the broker, each with the preset that names it; used where their files are there.
    pub logins: Vec<Sourced<Login>>,
    /// What is less than was asked for, and why. For people; the run goes on.
    pub notices: Vec<Notice>,
    /// Requests of the project's file that wait for trust.
    pub waiting: Vec<Ask>,
}

/// The private home of one agent.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentHome {
    /// The preset's name; the home is kept for each (project, agent).
    pub agent: &'static str,
    /// What is kept from one run to the next.
    pub state: Vec<PathBuf>,
    /// What a session writes here is not carried over.
    pub guarded: Vec<PathBuf>,
    /// JSON files of which only some keys go on: each file's place, and its rules.
    pub settings: Vec<(PathBuf, KeptSettings)>,
    /// Keys that the broker will hold.
    pub keys: Vec<Key>,
    /// Arguments with which it does not ask by itself; none where it has no such way.
    pub unprompted: Vec<String>,
}

/// Something that was asked for and is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The key, `network.allow`.
    pub key: &'static str,
    /// Who asked.
    pub origin: Origin,
    /// A lower-case fragment.
    pub message: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.key, self.message)
    }
}

/// A restriction that cannot be kept, or a path that cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The key, `workspace.apply`.
    pub key: &'static str,
    /// Who demands it.
    pub origin: Origin,
    /// Why not: a lower-case fragment.
    pub reason: String,
    /// What to do.
    pub help: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}; {}", self.origin, self.key, self.reason, self.help)
    }
}

/// Every reason for which a run must not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<Refusal>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Refused {}
