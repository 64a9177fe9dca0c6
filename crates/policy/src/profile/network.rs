//! What may be reached, and what reaches in: configuration, flags, presets, the clients' own registries.

use super::effects::{self, BytesOut, EffectRule};
use super::{Inputs, Notice, Refusal};
use crate::config::{Allow, Postgres};
use crate::expand::Environment;
use crate::origin::{Origin, Sourced};
use crate::preset::{Preset, RegistryClient};
use crate::registry::{self, Source};
use crate::value::{HostName, HostPattern, HostPort, Isolation, Label, PathTemplate, Port, Publish};

/// What of the network is wanted.
#[derive(Clone, Debug, Default)]
pub struct NetworkWishes {
    /// Hosts that configuration, flags and presets allow.
    pub allow: Vec<Sourced<Allow>>,
    /// Ports to publish.
    pub publish: Vec<Sourced<Publish>>,
    /// Databases whose connections are read, and what each is called.
    pub databases: Vec<Sourced<(Label, Postgres)>>,
    /// Ports of the host's loopback.
    pub host_ports: Vec<Sourced<Port>>,
    /// What every layer says of effects, whatever is allowed.
    pub rules: Vec<EffectRule>,
    /// How much may leave.
    pub bytes_out: Vec<BytesOut>,
    /// Further hosts that speak like a service whose effects are known: its name, and patterns.
    pub services: Vec<Sourced<(String, Vec<String>)>>,
}

impl NetworkWishes {
    /// Whether nothing is reached and nothing reaches in.
    pub fn is_empty(&self) -> bool {
        let reached = self.allow.is_empty() && self.host_ports.is_empty() && self.databases.is_empty();
        reached && self.publish.is_empty()
    }
}

/// Ports of this machine through which its programs are controlled: whoever reaches one owns the machine,
/// or the program. They come in only by `network.control` or `--control`.
const CONTROL: &[(u16, u16, &str)] = &[
    (1234, 1234, "gdbserver"),
    (2375, 2377, "Docker"),
    (2379, 2380, "etcd"),
    (2345, 2345, "Delve"),
    (4444, 4444, "WebDriver"),
    (5005, 5005, "Java's debugger"),
    (5037, 5037, "adb"),
    (5555, 5555, "adb"),
    (5678, 5678, "debugpy"),
    (5858, 5858, "Node's debugger"),
    (6000, 6063, "X11"),
    (6443, 6443, "Kubernetes"),
    (8001, 8001, "kubectl proxy"),
    (9222, 9222, "Chrome's debugger"),
    (9229, 9230, "Node's debugger"),
    (10250, 10255, "kubelet"),
    (16443, 16443, "Kubernetes"),
];

/// Adds everything up.
pub(super) fn network(
    inputs: &Inputs<'_>,
    presets: &[(&'static str, Preset)],
    env: &impl Environment,
    isolation: Isolation,
    refusals: &mut Vec<Refusal>,
    notices: &mut Vec<Notice>,
) -> NetworkWishes {
    let mut wishes = asked(inputs, refusals);
    wishes.databases = databases(inputs, &wishes, refusals, notices);
    wishes.rules = effects::rules(inputs, refusals);
    wishes.bytes_out = effects::bytes_out(inputs);
    wishes.services = effects::services(inputs);
    if !inputs.support.requests {
        wishes.allow.retain(|allow| whole(allow, notices));
    }
    let explicit = first_origin(&wishes);
    of_presets(presets, env, &mut wishes);
    if wishes.is_empty() {
        return wishes;
    }
    let Some((key, message)) = kept_off(inputs, isolation) else {
        return wishes;
    };
    // What nobody asked for by name need not be told apart from a version without a network.
    if let Some((_, origin)) = explicit {
        notices.push(Notice { key, origin, message });
    }
    NetworkWishes::default()
}

fn first_origin(wishes: &NetworkWishes) -> Option<(&'static str, Origin)> {
    let allow = wishes.allow.first().map(|s| ("network.allow", &s.origin));
    let host = wishes.host_ports.first().map(|s| ("network.host", &s.origin));
    let publish = wishes.publish.first().map(|s| ("network.publish", &s.origin));
    let database = wishes.databases.first().map(|s| ("postgres", &s.origin));
    allow
        .or(database)
        .or(host)
        .or(publish)
        .map(|(key, origin)| (key, origin.clone()))
}

/// Why there is no network after all.
fn kept_off(inputs: &Inputs<'_>, isolation: Isolation) -> Option<(&'static str, String)> {
    if !inputs.support.gateway {
        return Some(("network", "the network is off in this version".to_owned()));
    }
    if isolation == Isolation::Landlock {
        let message = "the network is off: isolation landlock has none by name";
        return Some(("network", message.to_owned()));
    }
    None
}

fn asked(inputs: &Inputs<'_>, refusals: &mut Vec<Refusal>) -> NetworkWishes {
    let mut wishes = NetworkWishes::default();
    let mut control = Vec::new();
    for config in inputs.requesting() {
        let network = &config.network;
        wishes
            .allow
            .extend(network.allow.iter().map(|at| config.sourced(at)));
        let publish = network.publish.iter().map(|at| Sourced {
            value: Publish::same(at.value),
            origin: config.origin(at.pos),
        });
        wishes.publish.extend(publish);
        wishes
            .host_ports
            .extend(network.host.iter().map(|at| config.sourced(at)));
        control.extend(network.control.iter().map(|at| config.sourced(at)));
    }
    let of_flag = |value: &HostPort| Sourced {
        value: Allow::host(value.clone()),
        origin: Origin::Flag("--allow"),
    };
    wishes.allow.extend(inputs.flags.allow.iter().map(of_flag));
    wishes
        .publish
        .extend(inputs.flags.publish.iter().map(|value| Sourced {
            value: value.clone(),
            origin: Origin::Flag("-p"),
        }));
    control.extend(inputs.flags.control.iter().map(|value| Sourced {
        value: *value,
        origin: Origin::Flag("--control"),
    }));
    loopback_is_the_hosts(&mut wishes, refusals);
    wishes.host_ports.retain(|port| ordinary(port, refusals));
    wishes.host_ports.extend(control);
    wishes
}

/// Databases, the word that counts more first. Two names for one server would leave open whose password is meant.
fn databases(
    inputs: &Inputs<'_>,
    wishes: &NetworkWishes,
    refusals: &mut Vec<Refusal>,
    notices: &mut Vec<Notice>,
) -> Vec<Sourced<(Label, Postgres)>> {
    let mut all: Vec<Sourced<(Label, Postgres)>> = Vec::new();
    let mut files: Vec<_> = inputs.requesting().collect();
    files.sort_by_key(|config| std::cmp::Reverse(config.origin(crate::finding::Pos::START).authority()));
    for config in files {
        for (name, database) in &config.postgres {
            let origin = config.origin(name.pos);
            if let Some(first) = all.iter().find(|d| d.value.0 == name.value) {
                if first.value.1 != *database {
                    notices.push(Notice {
                        key: "postgres",
                        message: format!("{} is what {} says", name.value, first.origin),
                        origin,
                    });
                }
                continue;
            }
            let same = |d: &&Sourced<(Label, Postgres)>| {
                (&d.value.1.at.host, d.value.1.at.port) == (&database.at.host, database.at.port)
            };
            let unread = is_loopback(&HostPattern::Exact(database.at.host.clone()))
                && wishes.host_ports.iter().any(|p| p.value == database.at.port);
            if let Some(other) = all.iter().find(same) {
                refusals.push(Refusal {
                    key: "postgres",
                    reason: format!("{} and {} are at one server", name.value, other.value.0),
                    help: "leave one out of this run".to_owned(),
                    origin,
                });
            } else if unread {
                refusals.push(Refusal {
                    key: "postgres",
                    reason: format!(
                        "port {} of this machine would pass unread as well",
                        database.at.port
                    ),
                    help: "leave it out of [network] host and --allow".to_owned(),
                    origin,
                });
            } else {
                all.push(Sourced {
                    value: (name.value.clone(), database.clone()),
                    origin,
                });
            }
        }
    }
    all
}

/// A rule for some requests only would let all of them through, since nobody reads them yet.
fn whole(allow: &Sourced<Allow>, notices: &mut Vec<Notice>) -> bool {
    let rule = &allow.value;
    let whole =
        rule.methods.is_empty() && rule.paths.is_empty() && rule.query.is_empty() && rule.headers.is_empty();
    if !whole {
        notices.push(Notice {
            key: "network.allow",
            origin: allow.origin.clone(),
            message: format!(
                "`{}` is not allowed at all: this version cannot tell requests apart; `tunnel = true` passes them unread",
                rule.host
            ),
        });
    }
    whole
}

/// `localhost:5432` means the host's port.
fn loopback_is_the_hosts(wishes: &mut NetworkWishes, refusals: &mut Vec<Refusal>) {
    let (local, rest) = std::mem::take(&mut wishes.allow)
        .into_iter()
        .partition(|a| is_loopback(&a.value.host.host));
    wishes.allow = rest;
    let local: Vec<Sourced<Allow>> = local;
    for allow in local {
        match allow.value.host.port {
            Some(port) => wishes.host_ports.push(Sourced {
                value: port,
                origin: allow.origin,
            }),
            None => refusals.push(Refusal {
                key: "network.allow",
                origin: allow.origin,
                reason: format!("`{}` names no port of this machine", allow.value.host),
                help: "add one, such as localhost:5432".to_owned(),
            }),
        }
    }
}

fn is_loopback(host: &HostPattern) -> bool {
    match host {
        HostPattern::Exact(HostName::Name(name)) => name == "localhost",
        HostPattern::Exact(HostName::Address(address)) => address.is_loopback(),
        HostPattern::Below(_) => false,
    }
}

fn ordinary(port: &Sourced<Port>, refusals: &mut Vec<Refusal>) -> bool {
    let number = port.value.get();
    let found = CONTROL.iter().find(|(a, b, _)| (*a..=*b).contains(&number));
    let Some((.., what)) = found else { return true };
    refusals.push(Refusal {
        key: "network.host",
        origin: port.origin.clone(),
        reason: format!("port {number} of this machine controls programs of it ({what})"),
        help: format!("if that is meant, write --control {number}"),
    });
    false
}

fn of_presets(presets: &[(&'static str, Preset)], env: &impl Environment, wishes: &mut NetworkWishes) {
    for (name, preset) in presets {
        // An agent's own endpoint is asked by POST; what its provider would do besides is judged by the body.
        let endpoints = preset.hosts.iter().cloned().map(Allow::endpoint);
        let registries = preset.registry_from.map(|client| registries(client, env));
        let registries = registries.into_iter().flatten().map(Allow::host);
        for allow in endpoints.chain(registries) {
            let said = |a: &Sourced<Allow>| {
                a.value.host == allow.host && (!a.value.says_nothing() || allow.says_nothing())
            };
            if wishes.allow.iter().any(said) || is_loopback(&allow.host.host) {
                continue; // said already, perhaps more narrowly
            }
            wishes.allow.push(Sourced {
                value: allow,
                origin: Origin::Preset(name),
            });
        }
    }
}

/// The hosts that a client's own configuration names; not the project's, which is untrusted.
fn registries(client: RegistryClient, env: &impl Environment) -> Vec<HostPort> {
    let own = registry::sources(client)
        .iter()
        .filter(|s| !s.is_of_the_project());
    let texts = own.filter_map(|source| Some((*source, text(*source, env)?)));
    texts
        .flat_map(|(source, text)| registry::origins(client, source, &text))
        .map(|origin| HostPort {
            host: HostPattern::Exact(origin.host),
            port: origin
                .port
                .or_else(|| Port::new(if origin.tls { 443 } else { 80 })),
        })
        .collect()
}

fn text(source: Source, env: &impl Environment) -> Option<Vec<u8>> {
    match source {
        Source::Variable(name) => Some(env.var(name)?.into_encoded_bytes()),
        Source::File(template) => {
            let path: PathTemplate = template.parse().ok()?;
            env.read(&crate::expand::place(&path, env)?)
        }
    }
}
