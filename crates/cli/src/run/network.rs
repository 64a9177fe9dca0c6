//! The network of a run: from what policy allows to rules, and afterwards what was blocked, with the words
//! that would allow it.

use crate::arguments::Boundary;
use crate::say;
use fumehood_destination::{Access, Destination, Rule, Rules};
use fumehood_monitor::{Database, Policy, Pushes, Report, known_services};
use fumehood_policy::config::{Allow, Postgres};
use fumehood_policy::origin::Sourced;
use fumehood_policy::profile::NetworkWishes;
use fumehood_policy::value::{Label, Publish};
use fumehood_sandbox::Way;
use fumehood_session::{Broker, Network, Published, Trust};

/// How many destinations are listed at the end.
const LISTED: usize = 12;

/// The same, in no better way than this.
pub(super) fn begin(
    wishes: &NetworkWishes,
    pushes: Pushes,
    best: Option<Boundary>,
    broker: Option<Broker>,
    trust: Option<Trust>,
) -> Result<Network, String> {
    let best = match best {
        None => Way::Transparent,
        Some(Boundary::Redirect) => Way::Redirected,
        Some(Boundary::Ports) => Way::Ports,
    };
    let mut network = network(wishes)?;
    network.policy.pushes = pushes;
    Ok(Network {
        best,
        broker,
        trust: trust.map(|trust| (trust.kept, trust.roots)),
        ..network
    })
}

/// Whose certificates programs inside are shown, where a rule has requests read.
pub(super) fn trust(wishes: &NetworkWishes) -> Result<Option<Trust>, String> {
    let reads = rules(wishes)?
        .iter()
        .any(|rule| matches!(rule.access(), Access::Http(_)));
    // A client of a database may want TLS too.
    let reads = reads || !wishes.databases.is_empty();
    let trust = reads.then(Trust::new);
    trust.transpose().map_err(|e| e.to_string())
}

/// A name that no row of the catalogue is about would have its hosts judged as any other's, and nobody told.
fn services_are_known(wishes: &NetworkWishes) -> Result<(), String> {
    if wishes.services.is_empty() {
        return Ok(());
    }
    let known = known_services();
    match wishes.services.iter().find(|s| !known.contains(&s.value.0)) {
        None => Ok(()),
        Some(unknown) => Err(format!(
            "{}: services: the catalogue knows no service {}; it knows {}",
            unknown.origin,
            fumehood_policy::Escaped::from(unknown.value.0.as_str()).at_most(60),
            known.join(", ")
        )),
    }
}

fn rules(wishes: &NetworkWishes) -> Result<Vec<Rule>, String> {
    let rule = |allow: &fumehood_policy::origin::Sourced<_>| {
        Rule::new(&allow.value).map_err(|e| format!("{}: network.allow: {e}", allow.origin))
    };
    wishes.allow.iter().map(rule).collect()
}

/// The network that a profile wants.
pub(crate) fn network(wishes: &NetworkWishes) -> Result<Network, String> {
    services_are_known(wishes)?;
    let rules = rules(wishes)?;
    let mut host: Vec<_> = wishes.host_ports.iter().map(|p| p.value).collect();
    host.sort_unstable();
    host.dedup();
    let both = wishes.publish.iter().find(|p| host.contains(&p.value.inside));
    if let Some(both) = both {
        let port = both.value.inside;
        return Err(format!(
            "{}: port {port} cannot be the host's inside and the sandbox's outside; choose one of the two",
            both.origin
        ));
    }
    Ok(Network {
        policy: Policy {
            rules: Rules::new(rules).map_err(|e| format!("network.allow: {e}"))?,
            host,
            pushes: Pushes::default(),
            effects: wishes.rules.clone().into(),
            bytes_out: wishes.bytes_out.clone(),
            databases: wishes.databases.iter().map(database).collect(),
            services: wishes.services.iter().map(|s| s.value.clone()).collect(),
        },
        published: wishes
            .publish
            .iter()
            .map(|p| publish(&p.value))
            .collect::<Result<_, _>>()?,
        best: Way::default(),
        broker: None,
        trust: None,
    })
}

fn database(wanted: &Sourced<(Label, Postgres)>) -> Database {
    let (name, config) = &wanted.value;
    Database {
        name: name.to_string(),
        destination: Destination {
            host: config.at.host.clone(),
            port: config.at.port,
        },
        user: config.at.user.as_ref().map(ToString::to_string),
        database: config.at.database.to_string(),
        on: config.on.clone(),
        origin: wanted.origin.to_string(),
    }
}

pub(crate) fn publish(wanted: &Publish) -> Result<Published, String> {
    let (outside, inside) = (wanted.outside.get(), wanted.inside.get());
    Published::open(wanted.address, outside, inside).map_err(|e| {
        let why = e.to_string().to_lowercase();
        let why = why.split(" (os").next().unwrap_or(&why).to_owned();
        format!(
            "-p {wanted}: {why}; name another port, such as -p {}:{inside}",
            other(outside)
        )
    })
}

fn other(port: u16) -> u16 {
    if port < 1024 {
        8000 + port % 1000
    } else {
        port.checked_add(1).unwrap_or(8080)
    }
}

/// The network in the words of the line that a run begins with.
pub(super) fn words(wishes: &NetworkWishes) -> String {
    if wishes.is_empty() {
        return "network off".to_owned();
    }
    let mut parts = Vec::new();
    let mut hosts: Vec<String> = wishes.allow.iter().map(|a| host(&a.value)).collect();
    hosts.dedup();
    let more = hosts.len().saturating_sub(4);
    hosts.truncate(4);
    if !hosts.is_empty() {
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        parts.push(format!("{}{more}", hosts.join(" ")));
    }
    let ports = |list: Vec<String>, what: &str| format!("{what} {}", list.join(" "));
    if !wishes.host_ports.is_empty() {
        let list = wishes.host_ports.iter().map(|p| p.value.to_string()).collect();
        parts.push(ports(list, "this machine's port"));
    }
    if !wishes.databases.is_empty() {
        let list = wishes
            .databases
            .iter()
            .map(|d| d.value.1.at.to_string())
            .collect();
        parts.push(ports(list, "database"));
    }
    if !wishes.publish.is_empty() {
        let list = wishes.publish.iter().map(|p| p.value.to_string()).collect();
        parts.push(ports(list, "published"));
    }
    format!("network: {}", parts.join("; "))
}

/// A host, and whether what goes there is read.
fn host(allow: &Allow) -> String {
    let unread = Rule::new(allow).is_ok_and(|rule| matches!(rule.access(), Access::Tunnel));
    let unread = if unread { " (uninspected)" } else { "" };
    format!("{}{unread}", allow.host)
}

/// What is said at the end.
pub(super) fn end(report: &Report, way: Option<Way>, told: bool) {
    if let Some(which) = report.lost {
        say::line(&format!(
            "the {which} process was ended from outside: from then on there was no network; run again"
        ));
    }
    if let Some(Way::Redirected | Way::Ports) = way {
        say::line(weaker(way));
    }
    for blocked in report.blocked.iter().take(LISTED) {
        let times = times(blocked.times);
        let allow = blocked
            .allow
            .as_ref()
            .map_or_else(String::new, |words| format!("; --allow {words}"));
        let what = if blocked.failed {
            "no answer from"
        } else {
            "blocked"
        };
        say::line(&format!(
            "{what} {}{times}: {}{allow}",
            blocked.destination, blocked.why
        ));
    }
    let more = report.blocked.len().saturating_sub(LISTED) as u64 + report.more;
    if more > 0 {
        say::line(&format!("blocked {more} more destinations"));
    }
    if told {
        for tunnel in report.tunnels.iter().take(LISTED) {
            say::line(&format!(
                "uninspected {}{}: {} bytes out, {} in",
                tunnel.destination,
                times(tunnel.times),
                tunnel.sent,
                tunnel.received
            ));
        }
        let tokens = report.tokens;
        if tokens.input + tokens.output > 0 {
            say::line(&format!(
                "models: {} tokens in, {} out",
                tokens.input, tokens.output
            ));
        }
    }
}

/// What a lesser way means, for `doctor` too.
pub(crate) fn weaker(way: Option<Way>) -> &'static str {
    match way {
        Some(Way::Transparent) => "every port, by nf_tables' tproxy",
        Some(Way::Redirected) => {
            "every port, by nf_tables' redirect and connection tracking (the kernel has no nft_tproxy)"
        }
        Some(Way::Ports) => "only ports that rules name (the kernel has neither nft_tproxy nor nft_redir)",
        None => "none",
    }
}

fn times(n: u64) -> String {
    if n == 1 {
        String::new()
    } else {
        format!(" ({n} times)")
    }
}
