//! Rules on effects, and how much may leave: what every layer says, for whoever judges the wire. All layers hold: a rule
//! only narrows, so that none can undo another's.

use super::{Inputs, Refusal};
use crate::config::{Approval, Config, OutLimit};
use crate::finding::Pos;
use crate::origin::{Layer, Origin, Sourced};
use crate::value::{Decide, EffectPattern, HostPattern, Label, Mode, Rate};

/// A `deny` or `rule` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectRule {
    /// `deny` or `rule`, as it is written.
    pub key: &'static str,
    /// Which effects.
    pub effects: Vec<EffectPattern>,
    /// Only at these hosts: those of its environment. Without, everywhere.
    pub hosts: Option<Vec<HostPattern>>,
    /// Whether they wait for a person or never happen.
    pub decide: Decide,
    /// Who may release what waits.
    pub by: Approval,
    /// Told to agent and human.
    pub because: Option<String>,
    /// What it would have held or denied is recorded, and happens: of a file with `mode = "observe"`.
    pub observed: bool,
    /// Who says so.
    pub origin: Origin,
}

/// An entry of `bytes_out`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BytesOut {
    /// Whose: the limits of one layer name different hosts, those of several hold together.
    pub layer: Layer,
    /// What is counted.
    pub of: OutLimit,
    /// How much.
    pub rate: Rate,
    /// Who says so.
    pub origin: Origin,
}

/// The rules of all layers, the widest authority first.
pub(super) fn rules(inputs: &Inputs<'_>, refusals: &mut Vec<Refusal>) -> Vec<EffectRule> {
    let mut rules = Vec::new();
    for config in inputs.layers() {
        for at in &config.deny {
            let deny = &at.value;
            rules.push(EffectRule {
                key: "deny",
                effects: deny.effects.clone(),
                hosts: hosts(inputs, config, "deny", at.pos, deny.env.as_ref(), refusals),
                decide: Decide::Deny,
                by: Approval::default(),
                because: deny.because.clone(),
                observed: observed(config),
                origin: config.origin(at.pos),
            });
        }
        for at in &config.rules {
            let rule = &at.value;
            rules.push(EffectRule {
                key: "rule",
                effects: rule.effects.clone(),
                hosts: hosts(inputs, config, "rule", at.pos, rule.env.as_ref(), refusals),
                decide: rule.decide,
                by: rule.by.clone().unwrap_or_default(),
                because: rule.because.clone(),
                observed: observed(config),
                origin: config.origin(at.pos),
            });
        }
    }
    rules
}

fn observed(config: &Config) -> bool {
    config.mode.is_some_and(|mode| mode.value == Mode::Observe)
}

/// The hosts of an environment, as all layers together name them: a lower one can only add some.
fn hosts(
    inputs: &Inputs<'_>,
    config: &Config,
    key: &'static str,
    pos: Pos,
    env: Option<&Label>,
    refusals: &mut Vec<Refusal>,
) -> Option<Vec<HostPattern>> {
    let env = env?;
    let (mut hosts, mut defined) = (Vec::new(), false);
    for layer in inputs.layers() {
        for (_, environment) in layer.environments.iter().filter(|(name, _)| name.value == *env) {
            defined = true;
            hosts.extend(environment.hosts.iter().map(|at| at.value.clone()));
            let named = environment.credentials.iter().map(|at| at.value.as_str());
            hosts.extend(named.flat_map(|credential| of_credential(inputs, credential)));
        }
    }
    for (_, database) in inputs.layers().flat_map(|config| &config.postgres) {
        if database.env.as_ref() == Some(env) {
            defined = true;
            hosts.push(HostPattern::Exact(database.at.host.clone()));
        }
    }
    if !defined {
        refusals.push(Refusal {
            key,
            origin: config.origin(pos),
            reason: format!("there is no environment `{env}`, so that this could never match"),
            help: format!("say which hosts it has: [environments.{env}] hosts = [\"*.{env}.example.com\"]"),
        });
    }
    Some(hosts)
}

/// Where `secret.NAME` may go.
fn of_credential(inputs: &Inputs<'_>, credential: &str) -> Vec<HostPattern> {
    if let Some(name) = credential.strip_prefix("postgres.") {
        let databases = inputs.layers().flat_map(|config| &config.postgres);
        let named = databases.filter(|(at, _)| at.value.as_str() == name);
        return named
            .map(|(_, database)| HostPattern::Exact(database.at.host.clone()))
            .collect();
    }
    let Some(name) = credential.strip_prefix("secret.") else {
        return Vec::new();
    };
    let secrets = inputs.layers().flat_map(|config| &config.secrets);
    let named = secrets.filter(|(at, _)| at.value.as_str() == name);
    named
        .flat_map(|(_, secret)| secret.hosts.iter().map(|to| to.host.clone()))
        .collect()
}

/// The budgets of all layers.
pub(super) fn bytes_out(inputs: &Inputs<'_>) -> Vec<BytesOut> {
    let entry = |config: &Config| -> Vec<BytesOut> {
        let of_layer = config.bytes_out.iter().map(|(at, rate)| BytesOut {
            layer: config.layer,
            of: at.value.clone(),
            rate: *rate,
            origin: config.origin(at.pos),
        });
        of_layer.collect()
    };
    inputs.layers().flat_map(entry).collect()
}

/// Of all layers: whoever says that a host is a forge only has more of it known.
pub(super) fn services(inputs: &Inputs<'_>) -> Vec<Sourced<(String, Vec<String>)>> {
    let of = |config: &Config| -> Vec<_> {
        let entries = config.services.iter().map(|(name, service)| {
            let hosts = service.hosts.iter().map(|at| at.value.to_string());
            Sourced {
                value: (name.value.to_string(), hosts.collect()),
                origin: config.origin(name.pos),
            }
        });
        entries.collect()
    };
    inputs.layers().flat_map(of).collect()
}
