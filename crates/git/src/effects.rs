//! What a push is, as an effect.

use crate::ancestry::{Ancestry, ancestry};
use crate::name::{RefKind, RefName};
use crate::oid::ObjectId;
use crate::ours::Ours;
use crate::pack::{Commits, Objects};
use crate::pipelines::{Base, Defined, defined};
use crate::push::{Command, Push};
use fumehood_effect::{Digest, Effect, EffectKind, Fact, Facts, Resource, SessionId, Tier};
use fumehood_policy::Escaped;

/// What a push to a repository starts there (review-security F5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ci {
    /// Nothing.
    None,
    /// Pipelines that hold no secret.
    WithoutSecrets,
    /// Pipelines that do, or nobody knows.
    #[default]
    WithSecrets,
}

impl Ci {
    const fn words(self) -> &'static str {
        match self {
            Ci::None => "none",
            Ci::WithoutSecrets => "without secrets",
            Ci::WithSecrets => "with secrets, as far as is known",
        }
    }
}

/// Where a push goes, and whose it is.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The host: `https://forge.example:443`.
    pub system: &'a str,
    /// The repository there: `acme/api`.
    pub repository: &'a str,
    /// The session.
    pub session: &'a SessionId,
    /// Its own branches.
    pub ours: &'a Ours,
    /// What a push starts.
    pub ci: Ci,
    /// What the session started from.
    pub base: Option<&'a Base>,
}

/// A push, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The effect: of the gravest command, with all of them as facts.
    pub effect: Effect,
    /// What its commands do, each of them, and what the push starts.
    pub kinds: Vec<EffectKind>,
    /// Whether it is a session's ordinary work: one branch of its own, created or proven to move forward, with
    /// nothing asked besides, where that starts no pipeline with secrets and defines none that the base has not.
    pub own: bool,
}

/// Options that ask for less, not for more.
const HARMLESS: &[&[u8]] = &[b"ci.skip"];

/// Judges a push by its commands and the objects of its pack (none, where the pack could not be read).
/// `content` is the digest of the whole request. `None` for a probe, which changes nothing.
#[must_use]
pub fn judge(push: &Push, objects: &Objects, content: Digest, context: &Context<'_>) -> Option<Judged> {
    let moves: Vec<Move<'_>> = push
        .commands
        .iter()
        .map(|c| Move::of(c, &objects.commits))
        .collect();
    let gravest = moves.iter().max_by_key(|m| (m.tier, m.kind.tier()))?;
    let asked = push.options.iter().any(|o| !HARMLESS.contains(&o.as_slice()));
    let ordinary = |m: &Move<'_>| {
        matches!(m.kind, EffectKind::GitRefCreate | EffectKind::GitRefUpdate) && context.ours.covers(m.name)
    };
    let single = moves.len() == 1 && !asked && ordinary(gravest);
    let defined = match context.ci {
        Ci::WithSecrets => Defined::Unknown,
        _ => defined(objects, gravest.command.new, context.base),
    };
    let own = single && context.ci != Ci::WithSecrets && defined == Defined::Same;
    let (kind, mut tier) = match single {
        true if !own => (EffectKind::GitCiStart, EffectKind::GitCiStart.tier()),
        _ => (gravest.kind, gravest.tier),
    };
    if moves.len() > 1 || asked {
        tier = tier.max(Tier::High);
    }
    let refs = match moves.as_slice() {
        [one] => one.name.to_string(),
        many => format!("{} refs", many.len()),
    };
    let effect = Effect {
        kind,
        resource: Resource {
            system: context.system.to_owned(),
            name: format!("{} {refs}", Escaped::from(context.repository)),
        },
        facts: facts(push, &moves, context, single.then_some(&defined)),
        tier,
        content,
        session: context.session.clone(),
    };
    let mut kinds: Vec<EffectKind> = moves.iter().map(|m| m.kind).collect();
    // Where it is not known, it could.
    if context.ci == Ci::WithSecrets || defined != Defined::Same {
        kinds.push(EffectKind::GitCiStart);
    }
    Some(Judged { effect, kinds, own })
}

fn facts(push: &Push, moves: &[Move<'_>], context: &Context<'_>, defined: Option<&Defined>) -> Facts {
    let mut facts = Facts::new();
    let mut text = |name: String, text: String| facts.insert(name, Fact::Text(text));
    for (n, each) in moves.iter().enumerate() {
        let key = |name: &str| {
            if moves.len() == 1 {
                name.to_owned()
            } else {
                format!("{:04}.{name}", n + 1)
            }
        };
        if moves.len() > 1 {
            text(key("ref"), format!("{}: {}", each.name, each.kind.what()));
        }
        text(key("old"), shown(each.command.old));
        text(key("new"), shown(each.command.new));
        if let Some(words) = each.proof {
            text(key("proof"), words.to_owned());
        }
    }
    if !push.options.is_empty() {
        let all: Vec<String> = push
            .options
            .iter()
            .map(|o| Escaped::bytes(o).to_string())
            .collect();
        text("options".to_owned(), all.join(" · "));
    }
    text("ci".to_owned(), context.ci.words().to_owned());
    let defines = match (context.ci, defined) {
        (Ci::None | Ci::WithoutSecrets, Some(Defined::Other(name))) => {
            Some(format!("new or changed: {name}"))
        }
        (Ci::None | Ci::WithoutSecrets, Some(Defined::Unknown)) => {
            Some("not shown by what is pushed".to_owned())
        }
        _ => None,
    };
    if let Some(words) = defines {
        text("pipelines".to_owned(), words);
    }
    if push.signed {
        facts.insert("signed".to_owned(), Fact::Flag(true));
    }
    if !push.shallow.is_empty() {
        facts.insert("shallow".to_owned(), Fact::Flag(true));
    }
    facts
}

fn shown(id: ObjectId) -> String {
    if id.is_none() {
        "nothing".to_owned()
    } else {
        id.to_string()
    }
}

/// One command, as what it does.
struct Move<'a> {
    command: &'a Command,
    name: &'a RefName,
    kind: EffectKind,
    tier: Tier,
    proof: Option<&'static str>,
}

impl<'a> Move<'a> {
    fn of(command: &'a Command, commits: &Commits) -> Move<'a> {
        let (kind, proof) = kind(command, commits);
        let odd = command.name.kind() == RefKind::Odd;
        // A tag such as v1.2 is a release to many: of Go modules it is the release itself.
        let release = kind == EffectKind::GitTagCreate && command.name.as_bytes().starts_with(b"refs/tags/v");
        let tier = if odd || release {
            kind.tier().max(Tier::High)
        } else {
            kind.tier()
        };
        Move {
            command,
            name: &command.name,
            kind,
            tier,
            proof,
        }
    }
}

fn kind(command: &Command, commits: &Commits) -> (EffectKind, Option<&'static str>) {
    let (created, deleted) = (command.old.is_none(), command.new.is_none());
    match (command.name.kind(), created, deleted) {
        (RefKind::Tag, true, false) => (EffectKind::GitTagCreate, None),
        (RefKind::Tag, ..) => (EffectKind::GitTagMove, None),
        (_, _, true) => (EffectKind::GitRefDelete, None),
        (_, true, false) => (EffectKind::GitRefCreate, None),
        (_, false, false) => match ancestry(commits, command.old, command.new) {
            Ancestry::Forward => (
                EffectKind::GitRefUpdate,
                Some("the pushed commits lead from new to old"),
            ),
            Ancestry::Diverged => (
                EffectKind::GitRefForce,
                Some("the pushed history does not have the old commit"),
            ),
            Ancestry::Unknown => (
                EffectKind::GitRefForce,
                Some("the pushed commits do not show that the old commit is kept"),
            ),
        },
    }
}
