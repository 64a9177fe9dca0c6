use std::sync::Arc;

use super::cluster::{Kube, Postgres};
use super::governance::{Audit, Deny, Environment, Grant, OutLimit, Require, Rule, Service, bytes_out};
use super::network::{Network, Secret};
use super::sandbox::{EnvSection, Filesystem, Git, Limits, Workspace};
use super::tool::{Offer, Tool};
use super::upstream::Upstream;
use super::{Fields, Node};
use crate::finding::Pos;
use crate::origin::{At, Layer, Origin, Sourced};
use crate::preset;
use crate::suggest;
use crate::value::{Date, EnvName, Isolation, Label, Mode, Rate, Span, ToolName, Word};

/// One configuration file. The keys are documented in the README of this crate, with what
/// each may do in which file.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Whose file it is.
    pub layer: Layer,
    /// Its name in messages.
    pub name: Arc<str>,
    /// `presets`, beside those chosen by command and files.
    pub presets: Vec<At<Label>>,
    /// `isolation`, the level to use.
    pub isolation: Option<At<Isolation>>,
    /// `nested`: whether programs may make sandboxes of their own.
    pub nested: Option<At<bool>>,
    /// `[filesystem]`
    pub filesystem: Filesystem,
    /// `[env]`
    pub env: EnvSection,
    /// `[workspace]`
    pub workspace: Workspace,
    /// `[git]`
    pub git: Git,
    /// `[limits]`
    pub limits: Limits,
    /// `[[deny]]`
    pub deny: Vec<At<Deny>>,
    /// `[[rule]]`
    pub rules: Vec<At<Rule>>,
    /// `[network]`
    pub network: Network,
    /// `[secret.NAME]`
    pub secrets: Vec<(At<EnvName>, Secret)>,
    /// `[postgres.NAME]`
    pub postgres: Vec<(At<Label>, Postgres)>,
    /// `[kube.NAME]`
    pub kube: Vec<(At<Label>, Kube)>,
    /// `[tool.NAME]`
    pub tools: Vec<(At<ToolName>, Tool)>,
    /// `offer`, of what is offered only where a file says so.
    pub offer: Vec<At<Offer>>,
    /// `[mcp.NAME]`
    pub upstreams: Vec<(At<ToolName>, Upstream)>,
    /// `[require]`
    pub require: Require,
    /// `[services]`
    pub services: Vec<(At<Label>, Service)>,
    /// `[environments.NAME]`
    pub environments: Vec<(At<Label>, Environment)>,
    /// `[bytes_out]`
    pub bytes_out: Vec<(At<OutLimit>, Rate)>,
    /// `[[grant]]`, machine only.
    pub grants: Vec<At<Grant>>,
    /// `[audit]`, not in a project's file.
    pub audit: Option<At<Audit>>,
    /// `serial`, machine only: a lower one than seen before is refused.
    pub serial: Option<At<u64>>,
    /// `expires`, machine only: the last day on which the policy holds.
    pub expires: Option<At<Date>>,
    /// `grace`, machine only: how long after that sessions still start.
    pub grace: Option<At<Span>>,
    /// `mode`, not in a project's file.
    pub mode: Option<At<Mode>>,
}

impl Config {
    /// The origin of something in this file.
    pub fn origin(&self, pos: Pos) -> Origin {
        Origin::File {
            layer: self.layer,
            name: self.name.clone(),
            pos,
        }
    }

    /// A value of this file with its origin.
    pub fn sourced<T: Clone>(&self, at: &At<T>) -> Sourced<T> {
        Sourced {
            value: at.value.clone(),
            origin: self.origin(at.pos),
        }
    }

    pub(super) fn decode(f: &mut Fields<'_>, layer: Layer, name: Arc<str>) -> Option<Self> {
        f.need("version", "begin the file with `version = 1`", version);
        Some(Self {
            layer,
            name,
            presets: f.get("presets", |n| n.list(preset_name)).unwrap_or_default(),
            isolation: f.take("isolation", Node::parse),
            nested: f.take("nested", Node::flag),
            filesystem: f.get("filesystem", Filesystem::decode).unwrap_or_default(),
            env: f.get("env", EnvSection::decode).unwrap_or_default(),
            workspace: f.get("workspace", Workspace::decode).unwrap_or_default(),
            git: f.get("git", Git::decode).unwrap_or_default(),
            limits: f.get("limits", Limits::decode).unwrap_or_default(),
            deny: f.get("deny", |n| n.list(Deny::decode)).unwrap_or_default(),
            rules: f.get("rule", |n| n.list(Rule::decode)).unwrap_or_default(),
            network: f.get("network", Network::decode).unwrap_or_default(),
            secrets: f.get("secret", |n| n.entries(Secret::decode)).unwrap_or_default(),
            postgres: f
                .get("postgres", |n| n.entries(Postgres::decode))
                .unwrap_or_default(),
            kube: f.get("kube", |n| n.entries(Kube::decode)).unwrap_or_default(),
            tools: f.get("tool", |n| n.entries(Tool::decode)).unwrap_or_default(),
            offer: f
                .get("offer", |n| {
                    n.list(|o| o.text().and_then(|t| o.check(Offer::from_word(t))))
                })
                .unwrap_or_default(),
            upstreams: f.get("mcp", |n| n.entries(Upstream::decode)).unwrap_or_default(),
            require: f.get("require", Require::decode).unwrap_or_default(),
            services: f
                .get("services", |n| n.entries(Service::decode))
                .unwrap_or_default(),
            environments: f
                .get("environments", |n| n.entries(Environment::decode))
                .unwrap_or_default(),
            bytes_out: f.get("bytes_out", bytes_out).unwrap_or_default(),
            grants: f
                .machine("grant", |n| n.list(Grant::decode))
                .map(|at| at.value)
                .unwrap_or_default(),
            audit: f.take("audit", |n| Audit::decode(n, layer)),
            serial: f.machine("serial", |n| n.integer(1..=i64::MAX).map(i64::unsigned_abs)),
            expires: f.machine("expires", Node::date),
            grace: f.machine("grace", Node::parse),
            mode: f.take("mode", |n| mode(n, layer)),
        })
    }
}

fn version(node: &Node<'_>) -> Option<()> {
    let number = node.integer(1..=i64::MAX)?;
    if number > 1 {
        node.error(
            format_args!("format {number} is newer than this fumehood knows"),
            "update fumehood, or write version = 1",
        );
    }
    Some(())
}

fn preset_name(node: &Node<'_>) -> Option<Label> {
    let name: Label = node.parse()?;
    if preset::is_known(name.as_str()) {
        return Some(name);
    }
    let help = match suggest::nearest(name.as_str(), preset::names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {}", preset::names().collect::<Vec<_>>().join(", ")),
    };
    node.error(format_args!("there is no preset `{name}`"), &help);
    None
}

/// Recording instead of enforcing is not the project's to ask for.
fn mode(node: &Node<'_>, layer: Layer) -> Option<Mode> {
    let mode: Mode = node.parse()?;
    if mode == Mode::Observe && layer == Layer::Project {
        node.error(
            "a project cannot turn enforcement off",
            "put `mode` into your own configuration",
        );
        return None;
    }
    Some(mode)
}
