//! One typed model of every configuration file: the project's `fumehood.toml`, the user's
//! `config.toml`, the machine's `policy.toml`. [`parse`] is pure: bytes in, a [`Config`] or
//! all that is wrong with them out. Reading files is [`crate::read`]'s.

mod argument;
mod cluster;
mod decode;
mod governance;
mod lines;
mod model;
mod network;
mod parameter;
mod parse;
mod sandbox;
mod tool;
mod upstream;

pub use argument::Argument;
pub use cluster::{Kube, KubeVerdicts, Postgres, PostgresVerdicts};
pub use governance::{Approval, Audit, Deny, Environment, Examples, Grant, OutLimit, Require, Rule, Service};
pub use model::Config;
pub use network::{Allow, Method, Network, Secret, SecretFile, UrlPattern};
pub use parameter::{Parameter, ParameterKind};
pub use parse::{MAX_BYTES, Parsed, parse};
pub use sandbox::{EnvSection, Filesystem, Git, History, Limits, Workspace};
pub use tool::{Offer, Output, Summary, Tool, ToolNetwork, ToolWorkspace, runs_others};
pub use upstream::{Pass, Upstream};

pub(crate) use decode::{Document, Fields, Node};
