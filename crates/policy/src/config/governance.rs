//! Who may, who must approve, and what is written down: `[[deny]]`, `[[rule]]`, `[[grant]]`,
//! `[require]`, `[environments.NAME]`, `[services]`, `[bytes_out]`, `[audit]`.

use super::{Fields, Node};
use crate::origin::{At, Layer};
use crate::value::{
    Apply, Decide, EffectPattern, HostPattern, Isolation, Label, Party, Proof, Rate, Sink, Span, VersionReq,
    WitnessKey,
};

/// Command lines that a rule must match and must not, run by `fumehood policy test`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples {
    /// Must match.
    pub matching: Vec<At<String>>,
    /// Must not.
    pub not_matching: Vec<At<String>>,
}

impl Examples {
    fn decode(f: &mut Fields<'_>) -> Self {
        let texts = |n: &Node<'_>| n.list(|e| e.text().map(str::to_owned));
        let examples = Self {
            matching: f.get("match", texts).unwrap_or_default(),
            not_matching: f.get("not_match", texts).unwrap_or_default(),
        };
        let both = |e: &&At<String>| examples.not_matching.iter().any(|n| n.value == e.value);
        if examples.matching.iter().any(|e| both(&e)) {
            f.error(
                "an example is in `match` and in `not_match`: both cannot hold",
                "keep one",
            );
        }
        examples
    }
}

const EFFECT_HELP: &str = "such as \"package.publish\" or [\"cluster.*\", \"sql.write\"]";

fn effects(f: &mut Fields<'_>, name: &'static str) -> Option<Vec<EffectPattern>> {
    let list = f.need(name, EFFECT_HELP, |n| n.one_or_more(Node::parse))?;
    Some(list.value.into_iter().map(|e| e.value).collect())
}

fn sentence(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    if text.chars().count() > 500 {
        node.error("a reason has 500 characters at most", "shorten it");
        return None;
    }
    Some(text.to_owned())
}

/// `[[deny]]`: effects that never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deny {
    /// Which.
    pub effects: Vec<EffectPattern>,
    /// Only in this environment.
    pub env: Option<Label>,
    /// Told to agent and human.
    pub because: Option<String>,
    /// Tests.
    pub examples: Examples,
}

impl Deny {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let effects = effects(f, "effect");
            let env = f.get("env", Node::parse);
            let because = f.get("because", sentence);
            let examples = Examples::decode(f);
            Some(Self {
                effects: effects?,
                env,
                because,
                examples,
            })
        })
    }
}

/// `[[rule]]`: effects that are held or denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which.
    pub effects: Vec<EffectPattern>,
    /// Only in this environment.
    pub env: Option<Label>,
    /// Held or denied.
    pub decide: Decide,
    /// Who releases what is held.
    pub by: Option<Approval>,
    /// Told to agent and human.
    pub because: Option<String>,
    /// Tests.
    pub examples: Examples,
}

/// Who may release a hold, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// The group that may.
    pub group: Option<Label>,
    /// How many of it.
    pub count: Option<u32>,
    /// Whether the one who started the session is excluded.
    pub not_requester: bool,
    /// What proves them.
    pub proof: Option<Proof>,
    /// How long an approval is good for.
    pub ttl: Option<Span>,
}

impl Rule {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let effects = effects(f, "effect");
            let env = f.get("env", Node::parse);
            let decide = f.need("decide", "\"hold\" or \"deny\"", Node::parse);
            let by = f.get("by", Approval::decode);
            let because = f.get("because", sentence);
            let examples = Examples::decode(f);
            let decide = decide?.value;
            if decide == Decide::Deny && by.is_some() {
                f.error(
                    "nobody releases what is denied: `by` can never apply",
                    "remove `by` or write decide = \"hold\"",
                );
            }
            Some(Self {
                effects: effects?,
                env,
                decide,
                by,
                because,
                examples,
            })
        })
    }
}

impl Approval {
    fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            Some(Self {
                group: f.get("group", Node::parse),
                count: f
                    .get("count", |n| n.integer(1..=16))
                    .and_then(|n| u32::try_from(n).ok()),
                not_requester: f.get("not_requester", Node::flag).unwrap_or(false),
                proof: f.get("proof", Node::parse),
                ttl: f.get("ttl", Node::parse),
            })
        })
    }
}

/// `[[grant]]`: who may give effects to sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who.
    pub who: Party,
    /// Which effects.
    pub may_grant: Vec<EffectPattern>,
    /// For how long at most.
    pub max: Option<Span>,
}

impl Grant {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let who = f.need("who", "group:NAME or user:NAME", Node::parse);
            let may_grant = effects(f, "may_grant");
            let max = f.get("max", Node::parse);
            Some(Self {
                who: who?.value,
                may_grant: may_grant?,
                max,
            })
        })
    }
}

/// `[require]`: without these nothing runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Require {
    /// At least this release.
    pub fumehood: Option<At<VersionReq>>,
    /// At least this isolation.
    pub isolation: Option<At<Isolation>>,
    /// The widest way in which changes may land; anything below `live` forbids `--live`.
    pub apply_max: Option<At<Apply>>,
}

impl Require {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            Some(Self {
                fumehood: f.take("fumehood", Node::parse),
                isolation: f.take("isolation", Node::parse),
                apply_max: f.take("apply_max", Node::parse),
            })
        })
    }
}

/// `[environments.NAME]`: what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Hosts.
    pub hosts: Vec<At<HostPattern>>,
    /// Credentials, `kube.prod`.
    pub credentials: Vec<At<String>>,
}

impl Environment {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let hosts: Vec<_> = f.get("hosts", Node::texts).unwrap_or_default();
            let credentials = f.get("credentials", |n| n.list(credential)).unwrap_or_default();
            if hosts.is_empty() && credentials.is_empty() {
                f.error(
                    "an environment of nothing can never match",
                    "name its hosts or credentials",
                );
            }
            Some(Self { hosts, credentials })
        })
    }
}

const CREDENTIAL_KINDS: &[&str] = &["kube", "postgres", "secret"];

fn credential(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    let known = text
        .split_once('.')
        .is_some_and(|(kind, name)| CREDENTIAL_KINDS.contains(&kind) && !name.is_empty());
    if !known {
        node.error(
            format_args!("`{}` is not a credential", crate::Escaped::from(text).at_most(60)),
            "write kube.NAME, postgres.NAME or secret.NAME",
        );
        return None;
    }
    Some(text.to_owned())
}

/// `[services]`: hosts that speak like a known one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Which hosts.
    pub hosts: Vec<At<HostPattern>>,
}

impl Service {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        Some(Self {
            hosts: node.one_or_more(Node::parse)?,
        })
    }
}

/// The key of `[bytes_out]`: what the rate is counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OutLimit {
    /// `*`: all together.
    All,
    /// `model`: model endpoints.
    Model,
    /// One host or those below a name.
    Host(HostPattern),
}

impl std::str::FromStr for OutLimit {
    type Err = crate::value::Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "*" => Ok(Self::All),
            "model" => Ok(Self::Model),
            host => host.parse().map(Self::Host),
        }
    }
}

/// `[bytes_out]`: how much may leave.
pub(super) fn bytes_out(node: &Node<'_>) -> Option<Vec<(At<OutLimit>, Rate)>> {
    node.entries(Node::parse)
}

/// `[audit]`: where records go. A project's file has no say in it; sinks are the machine's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// To these.
    pub sinks: Vec<At<Sink>>,
    /// How long records wait for a sink that cannot be reached.
    pub buffer: Option<At<Span>>,
    /// Who countersigns the log's heads.
    pub witness: Vec<At<WitnessKey>>,
    /// How long what sessions recorded is kept.
    pub keep: Option<At<Span>>,
    /// Whether a run that cannot be recorded does not take place.
    pub fail_closed: Option<At<bool>>,
    /// Whether what the terminals of runs show is recorded.
    pub record_terminal: Option<At<bool>>,
}

impl Audit {
    pub(super) fn decode(node: &Node<'_>, layer: Layer) -> Option<Self> {
        if layer == Layer::Project {
            node.error(
                "a project has no say in how runs are recorded",
                "put `[audit]` into your own configuration",
            );
            return None;
        }
        node.table(|f| {
            let witness = f.get("witness", Node::texts).unwrap_or_default();
            let keep = f.take("keep", Node::parse);
            let fail_closed = f.take("fail_closed", Node::flag);
            let record_terminal = f.take("record_terminal", Node::flag);
            if layer == Layer::User {
                return Some(Self {
                    witness,
                    keep,
                    fail_closed,
                    record_terminal,
                    ..Self::default()
                });
            }
            let sinks = f.get("sinks", Node::texts).unwrap_or_default();
            Some(Self {
                sinks,
                witness,
                keep,
                fail_closed,
                record_terminal,
                buffer: f.take("buffer", Node::parse),
            })
        })
    }
}
