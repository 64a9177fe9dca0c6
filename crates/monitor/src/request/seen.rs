//! Which effects a request is, and could be, as rules name them.

use super::git::{Smart, asks_for_refs};
use super::{OVERRIDES, smart};
use crate::effects::Seen;
use fumehood_catalogue::{Catalogue, Classified};
use fumehood_destination::RequestPath;
use fumehood_effect::EffectKind;
use fumehood_http::RequestHead;

/// Of a request that the catalogue does not know.
pub(super) fn plain(catalogue: &Catalogue, head: &RequestHead, model: bool) -> Vec<Seen> {
    let mut seen = vec![Seen::is(EffectKind::NetConnect)];
    if model {
        seen.push(Seen::is(EffectKind::ModelInvoke));
        return seen;
    }
    if head.upgrade {
        seen.push(Seen::is(EffectKind::HttpStream));
    }
    if smart(head) == Smart::Fetch || asks_for_refs(head) {
        seen.push(Seen::is(EffectKind::GitRead));
        return seen;
    }
    let reads = |method: &str| matches!(method, "GET" | "HEAD" | "OPTIONS");
    let overridden = OVERRIDES.iter().flat_map(|name| head.fields.values(name));
    let others = overridden.map(|value| String::from_utf8_lossy(value).into_owned());
    if !std::iter::once(head.method.clone())
        .chain(others)
        .all(|m| reads(&m))
    {
        seen.push(Seen::is(EffectKind::HttpMutate));
        return seen;
    }
    seen.push(Seen::is(EffectKind::HttpRead));
    // Reading has no rows of its own: what it could be is told by where.
    let host = head.destination.host.to_string();
    seen.push(Seen::could_be(EffectKind::PackageFetch));
    if of_cluster(head) {
        seen.push(Seen::could_be(EffectKind::ClusterRead));
    }
    for (family, kind) in [
        ("cloud.", EffectKind::CloudRead),
        ("storage.", EffectKind::StorageRead),
    ] {
        if catalogue.knows_there(&host, family) {
            seen.push(Seen::could_be(kind));
        }
    }
    seen
}

/// Of one that it knows, or might.
pub(super) fn listed(found: &Classified<'_>) -> Vec<Seen> {
    let kind = |effect: &str| effect.parse().unwrap_or(EffectKind::HttpMutate);
    let sure = found.effects.iter().map(|row| Seen::is(kind(&row.effect)));
    let perhaps = found
        .uninspectable
        .iter()
        .map(|row| Seen::could_be(kind(&row.effect)));
    sure.chain(perhaps).collect()
}

/// The paths of Kubernetes' interface (its API concepts): objects are below these two.
fn of_cluster(head: &RequestHead) -> bool {
    let path = RequestPath::parse(head.target.as_bytes());
    path.is_ok_and(|path| path.segments().any(|s| matches!(s, b"api" | b"apis")))
}
