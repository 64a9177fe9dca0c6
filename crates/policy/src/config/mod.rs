//! One typed model of every configuration file: the project's `fumehood.toml`, the user's
//! `config.toml`, the machine's `policy.toml`. [`parse`] is pure: bytes in, a [`Config`] or
//! all that is wrong with them out. Reading files is [`crate::read`]'s.

mod cluster;
mod decode;
mod governance;
mod lines;
mod model;
mod network;
mod parse;
mod sandbox;
mod tool;

pub use cluster::{Kube, KubeVerdicts, Postgres, PostgresVerdicts};
pub use governance::{Approval, Audit, Deny, Environment, Examples, Grant, OutLimit, Require, Rule, Service};
pub use model::Config;
pub use network::{Allow, Method, Network, Secret, UrlPattern};
pub use parse::{MAX_BYTES, Parsed, parse};
pub use sandbox::{EnvSection, Filesystem, Git, History, Limits, Workspace};
pub use tool::{Argument, Output, Parameter, ParameterKind, Tool, ToolNetwork, ToolWorkspace};

pub(crate) use decode::{Document, Fields, Node};
