//! A request that is hard to undo, as what a person is asked.

use super::plain;
use crate::hold::Requirement;
use fumehood_catalogue::{Body, Classified, Row, Tier as Grave};
use fumehood_effect::{Digest, Effect, EffectKind, Fact, Facts, Reason, Resource, SessionId, Tier};
use fumehood_http::{Denial, RequestHead, Scheme};

/// Characters of a body that are shown.
const SHOWN: usize = 2000;

/// What waits for a person: bound to the typed head and every byte of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    kind: EffectKind,
    tier: Tier,
    resource: Resource,
    facts: Facts,
    content: Digest,
    reason: Reason,
    requirement: Requirement,
}

impl Held {
    /// From what the catalogue says. `None` where the body is longer than what is kept: nobody could see it, and
    /// what is sent in the end could be something else.
    pub(super) fn new(head: &RequestHead, body: &Body, found: &Classified<'_>) -> Option<Held> {
        let bytes: &[u8] = match body {
            Body::Absent => b"",
            Body::Bytes(bytes) => bytes,
            Body::Unread | Body::TooLong => return None,
        };
        let (row, seen) = first(found)?;
        let what = if seen {
            row.what.clone()
        } else {
            format!("could be what {}, and its body cannot be read", row.what)
        };
        let path = head.target.split('?').next().unwrap_or_default();
        Some(Held {
            // A row names a kind (a test of the shipped table); a name that is none is still held.
            kind: row.effect.parse().unwrap_or(EffectKind::HttpMutate),
            tier: tier(row.tier),
            resource: Resource {
                system: Held::system(head),
                name: path.to_owned(),
            },
            facts: facts(head, bytes, found),
            content: content(head, bytes),
            reason: Reason {
                why: what,
                rule: format!("catalogue {}", row.id),
                remedy: "a person has to see it first".to_owned(),
            },
            requirement: Requirement::default(),
        })
    }

    /// Of a request that nothing but a rule speaks against. `None` as for [`Held::new`].
    pub(super) fn ruled(kind: EffectKind, head: &RequestHead, body: &Body, reason: Reason) -> Option<Held> {
        let bytes: &[u8] = match body {
            Body::Absent => b"",
            Body::Bytes(bytes) => bytes,
            Body::Unread | Body::TooLong => return None,
        };
        let path = head.target.split('?').next().unwrap_or_default();
        Some(Held {
            kind,
            tier: kind.tier(),
            resource: Resource {
                system: Held::system(head),
                name: path.to_owned(),
            },
            facts: facts(head, bytes, &Classified::default()),
            content: content(head, bytes),
            reason,
            requirement: Requirement::default(),
        })
    }

    /// Released only by who meets this too.
    pub(super) fn by(mut self, requirement: Requirement, reason: &Reason) -> Held {
        self.reason.rule = format!("{}, {}", reason.rule, self.reason.rule);
        self.requirement = requirement;
        self
    }

    /// Released only by who meets this.
    pub(crate) fn only_by(mut self, requirement: Requirement) -> Held {
        self.requirement = requirement;
        self
    }

    /// Of an effect that was decoded elsewhere.
    pub(crate) fn of(effect: Effect, reason: Reason) -> Held {
        let Effect {
            kind,
            resource,
            facts,
            tier,
            content,
            session: _,
        } = effect;
        Held {
            kind,
            tier,
            resource,
            facts,
            content,
            reason,
            requirement: Requirement::default(),
        }
    }

    /// Where a request goes, as a resource names it.
    pub(super) fn system(head: &RequestHead) -> String {
        let scheme = match head.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}", head.destination)
    }

    /// The effect, in a session.
    #[must_use]
    pub fn effect(&self, session: &SessionId) -> Effect {
        Effect {
            kind: self.kind,
            resource: self.resource.clone(),
            facts: self.facts.clone(),
            tier: self.tier,
            content: self.content,
            session: session.clone(),
        }
    }

    /// What it does.
    #[must_use]
    pub const fn kind(&self) -> EffectKind {
        self.kind
    }

    /// Who may release it.
    #[must_use]
    pub const fn requirement(&self) -> &Requirement {
        &self.requirement
    }

    /// Why it is held.
    #[must_use]
    pub const fn reason(&self) -> &Reason {
        &self.reason
    }
}

/// What a request's digest covers: the typed head that the broker writes from, and the body.
pub(super) fn content(head: &RequestHead, body: &[u8]) -> Digest {
    let mut out = crate::wire::Writer::new(b'\n');
    out.bytes(b"fumehood http 1").bytes(&head.encode()).bytes(body);
    Digest::of(&out.finish())
}

/// The row that decides, and whether it was seen to match.
fn first<'a>(found: &Classified<'a>) -> Option<(&'a Row, bool)> {
    let seen = found.effects.first().map(|row| (*row, true));
    seen.or_else(|| found.uninspectable.first().map(|row| (*row, false)))
}

const fn tier(grave: Grave) -> Tier {
    match grave {
        Grave::Medium => Tier::Medium,
        Grave::High => Tier::High,
        Grave::Critical => Tier::Critical,
    }
}

fn facts(head: &RequestHead, body: &[u8], found: &Classified<'_>) -> Facts {
    let mut facts = Facts::new();
    let mut text = |name: &str, text: String| facts.insert(name.to_owned(), Fact::Text(text));
    text("method", plain(&head.method));
    if let Some((_, query)) = head.target.split_once('?') {
        text("query", query.to_owned());
    }
    let ids: Vec<&str> = found
        .effects
        .iter()
        .chain(&found.uninspectable)
        .map(|row| row.id.as_str())
        .collect();
    if !ids.is_empty() {
        text("catalogue", ids.join(" "));
    }
    if !body.is_empty() {
        let shown = match std::str::from_utf8(body) {
            Ok(all) => crate::hold::ends(all, SHOWN),
            Err(_) => "not text".to_owned(),
        };
        text("body", shown);
        facts.insert("bytes".to_owned(), Fact::Number(body.len() as u64));
    }
    facts
}

/// For a request that no person could be asked about.
pub(super) fn denial(head: &RequestHead, found: &Classified<'_>) -> Denial {
    let what = match first(found) {
        Some((row, true)) => format!("{}: {}", row.effect, row.what),
        Some((row, false)) => format!("{}: it could be what {}", row.effect, row.what),
        None => "its path has more than one meaning".to_owned(),
    };
    Denial {
        status: 403,
        reason: format!(
            "{} {}: {what}, and nobody can be shown it whole",
            plain(&head.method),
            head.destination
        ),
        rule: first(found).map_or_else(String::new, |(row, _)| format!("catalogue {}", row.id)),
        remedy: "send it in smaller parts, or from outside the sandbox".to_owned(),
    }
}
