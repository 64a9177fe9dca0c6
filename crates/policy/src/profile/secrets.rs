//! Which secrets a run has. Only names, sources and hosts are known here; no value ever is.

use super::{EffectRule, Inputs, NetworkWishes, Notice, Refusal};
use crate::config;
use crate::finding::Pos;
use crate::origin::{Layer, Origin, Sourced};
use crate::preset::{Login, Preset};
use crate::value::{EnvName, HostName, HostPattern, HostPort, Place, Port, SecretSource};

/// A secret that a run is to have: the value outside, a placeholder inside.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretWish {
    /// The variable in which programs look for it.
    pub name: EnvName,
    /// Where its value lies and where it may go; without, the store of `fumehood secret add` knows both.
    pub secret: Option<config::Secret>,
    /// An agent's own key: the run goes on without it where its variable is not set.
    pub optional: bool,
    /// Who wants it.
    pub origin: Origin,
}

/// How many secrets one run has at most.
const MOST: usize = 64;
/// The port of a host that names none.
const HTTPS: u16 = 443;

/// Gathers them, and refuses those that could not be kept or could go nowhere.
pub(super) fn secrets(
    inputs: &Inputs<'_>,
    presets: &[(&'static str, Preset)],
    network: &NetworkWishes,
    refusals: &mut Vec<Refusal>,
    notices: &mut Vec<Notice>,
) -> Vec<SecretWish> {
    let mut wishes = configured(inputs, notices);
    of_flags(inputs, &mut wishes);
    of_agents(inputs, presets, &mut wishes);
    if !(inputs.support.requests && inputs.support.secrets) {
        refuse_unread(&wishes, refusals);
        return Vec::new();
    }
    wishes.retain(|wish| has_a_way(wish, network, refusals, notices));
    wishes.retain(|wish| may_be_used(wish, network, refusals, notices));
    for wish in &wishes {
        refuse_plain(wish, inputs, refusals);
    }
    if let Some(wish) = wishes.get(MOST) {
        refusals.push(refusal(
            wish,
            format!("a run has at most {MOST} secrets"),
            "leave some out",
        ));
    }
    wishes
}

/// Of files. Where two name the same, the one whose word counts more: a project cannot send elsewhere what the
/// user's own configuration names.
fn configured(inputs: &Inputs<'_>, notices: &mut Vec<Notice>) -> Vec<SecretWish> {
    let mut wishes: Vec<SecretWish> = Vec::new();
    let mut files: Vec<_> = inputs.requesting().collect();
    files.sort_by_key(|config| std::cmp::Reverse(config.origin(Pos::START).authority()));
    for config in files {
        for (name, secret) in &config.secrets {
            let origin = config.origin(name.pos);
            match wishes.iter().find(|w| w.name == name.value) {
                Some(first) if first.secret.as_ref() != Some(secret) => notices.push(Notice {
                    key: "secret",
                    message: format!("{} is what {} says", name.value, first.origin),
                    origin,
                }),
                Some(_) => {}
                None => wishes.push(SecretWish {
                    name: name.value.clone(),
                    secret: Some(secret.clone()),
                    optional: false,
                    origin,
                }),
            }
        }
    }
    wishes
}

/// `--secret`: what a file says of it, else what the store knows. Asked for by name, it has to be of use.
fn of_flags(inputs: &Inputs<'_>, wishes: &mut Vec<SecretWish>) {
    for name in &inputs.flags.secrets {
        let origin = Origin::Flag("--secret");
        match wishes.iter_mut().find(|w| w.name == *name) {
            Some(wish) => wish.origin = origin,
            None => wishes.push(SecretWish {
                name: name.clone(),
                secret: None,
                optional: false,
                origin,
            }),
        }
    }
}

/// The keys of agents, unless somebody said something of them: also `--env`, by which the value itself goes
/// inside.
fn of_agents(inputs: &Inputs<'_>, presets: &[(&'static str, Preset)], wishes: &mut Vec<SecretWish>) {
    let keys = presets
        .iter()
        .filter_map(|(name, preset)| Some((*name, preset.agent.as_ref()?)))
        .flat_map(|(name, agent)| agent.keys.iter().map(move |key| (name, key)));
    for (preset, key) in keys {
        if wishes.iter().any(|w| w.name == key.env) || is_given(inputs, &key.env) {
            continue;
        }
        wishes.push(SecretWish {
            name: key.env.clone(),
            secret: Some(config::Secret {
                from: SecretSource::Env(key.env.clone()),
                hosts: key.hosts.clone(),
                methods: Vec::new(),
                paths: Vec::new(),
                places: vec![Place::Header],
                require: None,
                file: None,
            }),
            optional: true,
            origin: Origin::Preset(preset),
        });
    }
}

/// A rule on `secret.use` keeps a secret out altogether: of one use nobody can be asked.
fn may_be_used(
    wish: &SecretWish,
    network: &NetworkWishes,
    refusals: &mut Vec<Refusal>,
    notices: &mut Vec<Notice>,
) -> bool {
    // Where the store alone knows where it may go, it could be anywhere.
    let hosts = wish.secret.as_ref().map(|s| s.hosts.as_slice());
    let Some(rule) = against(network, hosts) else {
        return true;
    };
    let message = format!("{} is not used: `{}` of {}", wish.name, rule.key, rule.origin);
    if matches!(wish.origin, Origin::Flag(_)) {
        refusals.push(refusal(wish, message, "leave --secret out, or change that rule"));
    } else {
        notices.push(Notice {
            key: "secret",
            origin: wish.origin.clone(),
            message,
        });
    }
    false
}

/// The rule by which no secret is used at one of these hosts.
fn against<'n>(network: &'n NetworkWishes, hosts: Option<&[HostPort]>) -> Option<&'n EffectRule> {
    let at = |patterns: &[HostPattern]| {
        hosts.is_none_or(|hosts| hosts.iter().any(|to| patterns.iter().any(|p| p.meets(&to.host))))
    };
    network.rules.iter().find(|rule| {
        rule.effects.iter().any(|e| e.matches("secret.use")) && rule.hosts.as_deref().is_none_or(at)
    })
}

/// Logins of the chosen agents; none where requests are not read, nothing may be reached, or a rule keeps secrets out.
pub(super) fn logins(
    inputs: &Inputs<'_>,
    presets: &[(&'static str, Preset)],
    network: &NetworkWishes,
    notices: &mut Vec<Notice>,
) -> Vec<Sourced<Login>> {
    if !(inputs.support.requests && inputs.support.secrets) || network.allow.is_empty() {
        return Vec::new();
    }
    let agents = presets
        .iter()
        .filter_map(|(name, preset)| Some((*name, preset.agent.as_ref()?)));
    let sourced = |name, login: &Login| Sourced {
        value: login.clone(),
        origin: Origin::Preset(name),
    };
    let mut logins: Vec<_> = agents
        .flat_map(|(name, agent)| agent.logins.iter().map(move |login| sourced(name, login)))
        .collect();
    logins.retain(|login| {
        let hosts: Vec<HostPort> = login
            .value
            .hosts
            .iter()
            .chain(&login.value.issuers)
            .cloned()
            .collect();
        let rule = against(network, Some(&hosts));
        notices.extend(rule.map(|rule| Notice {
            key: "secret",
            origin: login.origin.clone(),
            message: format!(
                "the login {} is not used: `{}` of {}",
                login.value.file, rule.key, rule.origin
            ),
        }));
        rule.is_none()
    });
    logins
}

fn is_given(inputs: &Inputs<'_>, name: &EnvName) -> bool {
    inputs.flags.env.iter().any(|(given, _)| given == name.as_str())
}

fn refusal(wish: &SecretWish, reason: String, help: &str) -> Refusal {
    Refusal {
        key: "secret",
        origin: wish.origin.clone(),
        reason,
        help: help.to_owned(),
    }
}

/// While requests pass unread there is no place to put a secret in. Agents' keys stay outside as they did.
fn refuse_unread(wishes: &[SecretWish], refusals: &mut Vec<Refusal>) {
    let asked = wishes.iter().filter(|w| !w.optional);
    refusals.extend(asked.map(|wish| {
        let reason = format!(
            "{} could not be put into a request: this version passes them as they are",
            wish.name
        );
        refusal(wish, reason, "leave it out")
    }));
}

/// Why a secret is of no use in a run, or would be unsafe in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoWay {
    /// No rule reaches any of its hosts.
    Nowhere,
    /// Bytes to one of its hosts pass unread, so nobody could keep it from coming back.
    Tunnel(Origin, HostPort),
}

/// Whether requests can carry a secret for these hosts in a run with this network; `unread` says to what a rule lets
/// bytes pass as they are.
///
/// # Errors
/// Why they cannot.
pub fn way(
    hosts: &[HostPort],
    network: &NetworkWishes,
    unread: impl Fn(&config::Allow) -> bool,
) -> Result<(), NoWay> {
    let meets = |allow: &&Sourced<config::Allow>| hosts.iter().any(|h| overlap(h, &allow.value.host));
    let met: Vec<_> = network.allow.iter().filter(meets).collect();
    if let Some(tunnel) = met.iter().find(|allow| unread(&allow.value)) {
        return Err(NoWay::Tunnel(tunnel.origin.clone(), tunnel.value.host.clone()));
    }
    // What goes to a port of this machine is not read.
    for host in hosts.iter().filter(|h| is_loopback(&h.host)) {
        if let Some(port) = network.host_ports.iter().find(|p| p.value.get() == number(host)) {
            return Err(NoWay::Tunnel(port.origin.clone(), host.clone()));
        }
    }
    if met.is_empty() {
        return Err(NoWay::Nowhere);
    }
    Ok(())
}

fn is_loopback(host: &HostPattern) -> bool {
    match host {
        HostPattern::Exact(HostName::Name(name)) => name == "localhost",
        HostPattern::Exact(HostName::Address(address)) => address.is_loopback(),
        HostPattern::Below(_) => false,
    }
}

fn number(host: &HostPort) -> u16 {
    host.port.map_or(HTTPS, Port::get)
}

/// Whether a host exists that both mean.
fn overlap(one: &HostPort, other: &HostPort) -> bool {
    let below = |inner: &str, outer: &str| inner == outer || inner.ends_with(&format!(".{outer}"));
    number(one) == number(other)
        && match (&one.host, &other.host) {
            (HostPattern::Exact(name), pattern) | (pattern, HostPattern::Exact(name)) => {
                pattern.matches(name)
            }
            (HostPattern::Below(a), HostPattern::Below(b)) => below(a, b) || below(b, a),
        }
}

/// What a run does about a secret that requests cannot carry, in the words of a refusal: the reason, the help.
#[must_use]
pub fn no_way(name: &EnvName, hosts: &[HostPort], why: &NoWay) -> (String, String) {
    match why {
        NoWay::Nowhere => {
            let first = hosts.first().map(ToString::to_string).unwrap_or_default();
            let shown: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            let reason = format!("{name} is for {}, which no rule allows", shown.join(", "));
            (reason, format!("add --allow {first}, or leave the secret out"))
        }
        NoWay::Tunnel(origin, host) => (
            format!("{name} is for `{host}`, to which bytes pass unread ({origin})"),
            "let requests to it be read, or leave the secret out".to_owned(),
        ),
    }
}

/// What the user asked for by name is refused where it is of no use; what files name for any run is left out of
/// this one. A tunnel to a host that holds a credential is always refused (review F7).
fn has_a_way(
    wish: &SecretWish,
    network: &NetworkWishes,
    refusals: &mut Vec<Refusal>,
    notices: &mut Vec<Notice>,
) -> bool {
    let Some(secret) = &wish.secret else {
        // Its hosts are in the store: they are looked at once it is open.
        let nothing = network.allow.is_empty() && network.host_ports.is_empty();
        if nothing {
            let reason = format!("{} can go nowhere: this run has no network", wish.name);
            refusals.push(refusal(
                wish,
                reason,
                "name its host with --allow, or leave it out",
            ));
        }
        return !nothing;
    };
    let Err(why) = way(&secret.hosts, network, |allow| allow.tunnel) else {
        return true;
    };
    let (reason, help) = no_way(&wish.name, &secret.hosts, &why);
    match (&why, wish.optional, &wish.origin) {
        (NoWay::Tunnel(..), false, _) | (_, _, Origin::Flag(_)) => {
            refusals.push(refusal(wish, reason, &help));
        }
        (NoWay::Tunnel(..), true, _)
        | (
            _,
            false,
            Origin::File {
                layer: Layer::Project,
                ..
            },
        ) => {
            notices.push(Notice {
                key: "secret",
                origin: wish.origin.clone(),
                message: format!("{reason}; it stays outside"),
            });
        }
        (NoWay::Nowhere, ..) => {}
    }
    false
}

/// A value that `--env` passes is no secret any more.
fn refuse_plain(wish: &SecretWish, inputs: &Inputs<'_>, refusals: &mut Vec<Refusal>) {
    let source = match wish.secret.as_ref().map(|s| &s.from) {
        Some(SecretSource::Env(source)) => Some(source),
        _ => None,
    };
    let plain = [Some(&wish.name), source]
        .into_iter()
        .flatten()
        .find(|name| is_given(inputs, name));
    if let Some(name) = plain {
        let reason = format!(
            "--env {name} would show inside what the secret {} keeps outside",
            wish.name
        );
        refusals.push(refusal(wish, reason, "leave one of the two out"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_both_mean() {
        for (one, other, both) in [
            ("a.example.com", "a.example.com", true),
            ("a.example.com", "a.example.com:443", true),
            ("a.example.com", "a.example.com:8443", false),
            ("a.example.com", "b.example.com", false),
            ("a.example.com", "*.example.com", true),
            ("example.com", "*.example.com", false),
            ("*.example.com", "*.a.example.com", true),
            ("*.a.example.com", "*.example.com", true),
            ("*.notexample.com", "*.example.com", false),
            ("*.example.com", "*.example.com", true),
        ] {
            let (one, other): (HostPort, HostPort) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(overlap(&one, &other), both, "{one} {other}");
            assert_eq!(overlap(&other, &one), both, "{other} {one}");
        }
    }
}
