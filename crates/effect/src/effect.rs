//! One effect, and its canonical bytes.

use crate::canonical::Canonical;
use crate::{Digest, EffectKind, SessionId, Tier};
use std::collections::BTreeMap;

/// What is acted on: a system and a name in it, both canonical before they come here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// Where: `https://api.example:443`, `postgres://db.example:5432`, empty for this machine.
    pub system: String,
    /// What there: `acme/api refs/heads/main`, `public.orders`, a path.
    pub name: String,
}

/// One decoded fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// A text.
    Text(String),
    /// A count or an amount in the smallest unit.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// A digest of content that is kept elsewhere.
    Digest(Digest),
}

/// Decoded facts by name, sorted: what an approver sees and what a release is bound to.
pub type Facts = BTreeMap<String, Fact>;

/// An action at the boundary, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// What it does.
    pub kind: EffectKind,
    /// To what.
    pub resource: Resource,
    /// As decoded.
    pub facts: Facts,
    /// How grave; at least the kind's own.
    pub tier: Tier,
    /// Digest of the exact bytes that would be performed.
    pub content: Digest,
    /// Whose.
    pub session: SessionId,
}

impl Effect {
    /// The canonical bytes, version 1 (docs/effect.md §2).
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Canonical::begin("fumehood effect 1");
        out.field(self.kind.name().as_bytes());
        out.field(self.resource.system.as_bytes());
        out.field(self.resource.name.as_bytes());
        out.field(self.tier.name().as_bytes());
        out.field(self.session.as_str().as_bytes());
        out.field(self.content.as_bytes());
        out.number(self.facts.len() as u64);
        for (name, fact) in &self.facts {
            out.field(name.as_bytes());
            match fact {
                Fact::Text(text) => tagged(&mut out, b"t", text.as_bytes()),
                Fact::Number(number) => tagged(&mut out, b"n", &number.to_be_bytes()),
                Fact::Flag(flag) => tagged(&mut out, b"f", &[u8::from(*flag)]),
                Fact::Digest(digest) => tagged(&mut out, b"d", digest.as_bytes()),
            }
        }
        out.finish()
    }

    /// What an approval is bound to: the SHA-256 of the canonical bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.canonical())
    }
}

fn tagged(out: &mut Canonical, tag: &[u8; 1], bytes: &[u8]) {
    out.field(tag);
    out.field(bytes);
}
