//! What rules on effects (`deny`, `rule`) say of what wants to happen: they narrow, whatever is allowed otherwise. Pure.

use crate::hold::{Proof, Requirement};
use fumehood_destination::{Destination, other_protocol};
use fumehood_effect::{Decision, EffectKind, Reason};
use fumehood_policy::config::Approval;
use fumehood_policy::profile::EffectRule;
use fumehood_policy::value::{Decide, HostName, Proof as Wanted};
use std::cell::RefCell;

/// An effect that something is, or could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Which.
    pub(crate) kind: EffectKind,
    /// Whether what was read shows it; else it cannot be told from what it could be.
    pub(crate) shown: bool,
}

impl Seen {
    pub(crate) const fn is(kind: EffectKind) -> Seen {
        Seen { kind, shown: true }
    }

    pub(crate) const fn could_be(kind: EffectKind) -> Seen {
        Seen { kind, shown: false }
    }
}

/// What the rules say. Where none says anything there is nothing to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It waits for a person, as this one effect.
    Hold(EffectKind, Requirement, Reason),
    /// It never happens.
    Deny(Reason),
}

/// Rules on effects: those in force, and those that are only observed, with what they would have said.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    rules: Vec<EffectRule>,
    would: RefCell<Vec<Would>>,
}

/// Something happened, or waited for another reason, that a rule would have held or denied if it were in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Would {
    /// Which effect; of those that it has or could have, the one that the rule names.
    pub kind: EffectKind,
    /// Where to, where it goes somewhere.
    pub to: Option<Destination>,
    /// Hold or deny.
    pub decide: Decide,
    /// By which rule, and why.
    pub reason: Reason,
}

impl From<Vec<EffectRule>> for Effects {
    fn from(rules: Vec<EffectRule>) -> Effects {
        Effects {
            rules,
            would: RefCell::default(),
        }
    }
}

impl Effects {
    /// What the rules in force say. What observed ones would have said besides is kept for [`Effects::would`].
    pub(crate) fn said(&self, seen: &[Seen], to: Option<&Destination>) -> Option<Said> {
        let enforced = self.enforced(seen, to);
        if !matches!(enforced, Some(Said::Deny(_))) {
            self.would.borrow_mut().extend(self.observed(seen, to));
        }
        enforced
    }

    /// As [`Effects::said`], of something that was told already.
    pub(crate) fn enforced(&self, seen: &[Seen], to: Option<&Destination>) -> Option<Said> {
        said(self.rules.iter().filter(|rule| !rule.observed), seen, to)
    }

    pub(crate) fn observed(&self, seen: &[Seen], to: Option<&Destination>) -> Option<Would> {
        let observed = |seen: &[Seen]| said(self.rules.iter().filter(|rule| rule.observed), seen, to);
        let (kind, decide, reason) = match observed(seen)? {
            Said::Hold(kind, _, reason) => (kind, Decide::Hold, reason),
            Said::Deny(reason) => {
                let denied = |one: &&Seen| matches!(observed(&[**one]), Some(Said::Deny(of)) if of == reason);
                (seen.iter().find(denied)?.kind, Decide::Deny, reason)
            }
        };
        Some(Would {
            kind,
            to: to.cloned(),
            decide,
            reason,
        })
    }

    /// What all say together, as if all were in force.
    pub(crate) fn all(&self, seen: &[Seen], to: Option<&Destination>) -> Option<Said> {
        said(self.rules.iter(), seen, to)
    }

    /// What observed rules would have said since this was asked last.
    pub fn would(&self) -> Vec<Would> {
        self.would.take()
    }

    /// How much [`Effects::would`] has, for [`Effects::forget`].
    pub(crate) fn mark(&self) -> usize {
        self.would.borrow().len()
    }

    /// What was said since will be said again.
    pub(crate) fn forget(&self, mark: usize) {
        self.would.borrow_mut().truncate(mark);
    }

    /// What the rules say of an effect that goes to no host, and who may release it where it waits. What no rule names
    /// flies.
    #[must_use]
    pub fn decide(&self, kind: EffectKind) -> (Decision, Requirement) {
        match self.said(&[Seen::is(kind)], None) {
            None => {
                let rule = format!("no rule names {kind}");
                (Decision::Allow { rule }, Requirement::default())
            }
            Some(Said::Hold(_, requirement, reason)) => (Decision::Hold(reason), requirement),
            Some(Said::Deny(reason)) => (Decision::Deny(reason), Requirement::default()),
        }
    }
}

/// Asks every rule about every effect. What one denies is denied; who must release is what all that hold ask for
/// together.
fn said<'r>(
    rules: impl Iterator<Item = &'r EffectRule>,
    seen: &[Seen],
    to: Option<&Destination>,
) -> Option<Said> {
    let here = |rule: &&EffectRule| {
        let of = |to: &Destination| {
            rule.hosts
                .as_ref()
                .is_none_or(|hosts| hosts.iter().any(|h| h.matches(&to.host)))
        };
        // What goes to no host of its own is in no environment.
        to.map_or(rule.hosts.is_none(), of)
    };
    let matching = |rule: &EffectRule| {
        let named = |one: &&Seen| rule.effects.iter().any(|e| e.matches(one.kind.name()));
        seen.iter().find(named).copied()
    };
    let mut held: Option<(EffectKind, Requirement, Reason)> = None;
    for rule in rules.filter(here) {
        let Some(one) = matching(rule) else { continue };
        match (rule.decide, &mut held) {
            (Decide::Deny, _) => return Some(Said::Deny(reason(rule, one, "is denied"))),
            (Decide::Hold, None) => {
                let wanted = requirement(&rule.by);
                held = Some((one.kind, wanted, reason(rule, one, "waits for a person")));
            }
            (Decide::Hold, Some((_, wanted, _))) => *wanted = both(wanted, &requirement(&rule.by)),
        }
    }
    held.map(|(kind, wanted, reason)| Said::Hold(kind, wanted, reason))
}

/// Of a rule that matched: why, which, and how to ask.
fn reason(rule: &EffectRule, one: Seen, decided: &str) -> Reason {
    let because = rule.because.as_ref().map_or_else(String::new, |words| {
        format!(": {}", fumehood_policy::Escaped::from(words.as_str()))
    });
    let kind = one.kind;
    let why = if one.shown {
        format!("{kind} {decided}{because}")
    } else {
        format!("it could be {kind}, which {decided}{because}")
    };
    Reason {
        why,
        rule: named(rule),
        remedy: format!(
            "if it is meant, ask whoever keeps {} outside the sandbox",
            rule.origin
        ),
    }
}

fn named(rule: &EffectRule) -> String {
    format!("{} of {}", rule.key, rule.origin)
}

fn requirement(by: &Approval) -> Requirement {
    Requirement {
        group: by.group.as_ref().map(ToString::to_string),
        count: by.count.unwrap_or(1),
        not_requester: by.not_requester,
        proof: match by.proof {
            None | Some(Wanted::Account) => Proof::Account,
            // Neither can be shown on this machine.
            Some(Wanted::Passkey | Wanted::Team) => Proof::Passkey,
        },
        approval: by
            .ttl
            .map(|ttl| u64::try_from(ttl.duration().as_millis()).unwrap_or(u64::MAX)),
    }
}

/// Of two groups the first is asked for: no answer of this machine has either.
fn both(one: &Requirement, two: &Requirement) -> Requirement {
    Requirement {
        group: one.group.clone().or_else(|| two.group.clone()),
        count: one.count.max(two.count),
        not_requester: one.not_requester || two.not_requester,
        proof: one.proof.max(two.proof),
        approval: match (one.approval, two.approval) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
    }
}

/// What a connection is before anything passed.
pub(crate) fn connecting(to: &Destination) -> Vec<Seen> {
    let mut seen = vec![Seen::is(EffectKind::NetConnect)];
    if matches!(to.host, HostName::Name(_)) {
        seen.push(Seen::is(EffectKind::DnsResolve));
    }
    seen
}

/// What bytes that nobody reads are, and could be: of a port of another protocol what is said in that, else anything
/// that leaves by a network.
pub(crate) fn unread(to: &Destination) -> Vec<Seen> {
    let mut seen = connecting(to);
    seen.push(Seen::is(EffectKind::HttpTunnel));
    if other_protocol(to.port.get()) == Some("SSH") {
        seen.push(Seen::is(EffectKind::SshConnect));
    }
    let families = families(to);
    let could = EffectKind::all().filter(|kind| families.iter().any(|f| kind.name().starts_with(f)));
    seen.extend(could.map(Seen::could_be));
    seen
}

fn families(to: &Destination) -> &'static [&'static str] {
    match other_protocol(to.port.get()) {
        Some("SSH") => &["ssh.", "git."],
        Some("git") => &["git."],
        Some("SQL Server" | "Oracle" | "MySQL" | "PostgreSQL" | "Cassandra" | "MongoDB") => &["sql."],
        Some("SMTP" | "SMTP over TLS" | "mail submission") => &["message."],
        Some("AMQP" | "AMQP over TLS" | "MQTT" | "MQTT over TLS" | "Kafka" | "NATS") => &["message."],
        Some("Redis" | "Redis over TLS" | "memcached" | "FTP" | "FTP over TLS" | "rsync") => &["storage."],
        Some("Subversion") => &["git."],
        Some(_) => &[],
        None => ANYTHING,
    }
}

const ANYTHING: &[&str] = &[
    "cloud.",
    "cluster.",
    "deploy.",
    "forge.",
    "git.",
    "http.",
    "identity.",
    "message.",
    "model.",
    "money.",
    "package.",
    "sql.",
    "ssh.",
    "storage.",
];

#[cfg(test)]
mod tests;
