//! What is said about a request: by the rules, by what its endpoint is for, by the catalogue. Pure.

mod git;
mod held;
mod seen;

pub use held::Held;

use crate::effects::{Effects, Said, Seen};
use crate::pushes::Pushes;
use fumehood_catalogue::{Body, Catalogue};
use fumehood_destination::{Access, Decision, Denied, Destination, Request, RequestPath, Rules};
use fumehood_effect::{Effect, EffectKind, Reason, SessionId};
use fumehood_http::{Denial, Length, RequestHead};
use fumehood_model::{Endpoint, Provider, endpoint, provider};
use fumehood_policy::value::HostName;
use git::{Pushed, Smart};

/// What is to happen with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It may be sent.
    Release(Terms),
    /// It may be sent, and is an effect that was decoded: the session's ordinary work.
    Own(Terms, Box<Effect>),
    /// The body decides, and is not here yet: at most so many bytes of it are looked at.
    Body(u64),
    /// It is hard to undo: a person is asked.
    Hold(Box<Held>),
    /// It may not be sent.
    Deny(Denial),
}

/// How it may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The most bytes of the body.
    pub most: Option<u64>,
    /// The body is one for a model, and is read while it passes.
    pub model: Option<Provider>,
}

/// Methods that a server may take in place of the one in the request line (A35).
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// The longest body that is looked at, but for a push.
pub const MAX_BODY: u64 = 64 * 1024;

/// Whose request it is, where somebody can be asked about it.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The session.
    pub session: &'a SessionId,
    /// Which of its pushes fly.
    pub pushes: &'a Pushes,
}

/// Judges a request by what is allowed, by rules on effects, and by the catalogue; `body` is [`Body::Unread`] until it was
/// asked for.
#[must_use]
pub fn judge(
    rules: &Rules,
    effects: &Effects,
    catalogue: &Catalogue,
    head: &RequestHead,
    body: Body,
    standing: Option<Standing<'_>>,
) -> Judgement {
    let terms = match terms(rules, head) {
        Err(denial) => return Judgement::Deny(denial),
        Ok(terms) => terms,
    };
    match (smart(head), &body) {
        (Smart::Push(_), Body::Unread) if head.body != Length::Empty => Judgement::Body(git::MAX_PUSH),
        (Smart::Push(to), Body::Bytes(bytes)) => pushed(head, &to, bytes, standing, terms, effects),
        (Smart::Push(to), Body::Absent) => pushed(head, &to, b"", standing, terms, effects),
        (Smart::Push(to), Body::Unread) => pushed(head, &to, b"", standing, terms, effects),
        (Smart::Push(_), Body::TooLong) => {
            let reason = format!(
                "git push to {}: it is longer than {} MiB, which is the most that is read",
                head.destination,
                git::MAX_PUSH >> 20
            );
            Judgement::Deny(Denial::new(403, reason).remedy("push it in parts, or from outside the sandbox"))
        }
        _ => classified(effects, catalogue, head, body, terms),
    }
}

fn pushed(
    head: &RequestHead,
    to: &str,
    body: &[u8],
    standing: Option<Standing<'_>>,
    terms: Terms,
    effects: &Effects,
) -> Judgement {
    let here = Some(&head.destination);
    let seen = |kinds: Vec<EffectKind>| -> Vec<Seen> { kinds.into_iter().map(Seen::is).collect() };
    match git::pushed(head, to, body, standing) {
        Pushed::Nothing => Judgement::Release(terms),
        Pushed::Own(effect, kinds) => match effects.said(&seen(kinds), here) {
            None => Judgement::Own(terms, effect),
            Some(Said::Deny(reason)) => Judgement::Deny(forbidden(head, reason)),
            Some(Said::Hold(_, requirement, reason)) => {
                Judgement::Hold(Box::new(Held::of(*effect, reason).only_by(requirement)))
            }
        },
        Pushed::Held(held, kinds) => held_too(effects, head, &seen(kinds), *held),
        Pushed::Denied(denial) => Judgement::Deny(denial),
    }
}

/// What is held in any case, with what rules say of it besides.
fn held_too(effects: &Effects, head: &RequestHead, seen: &[Seen], held: Held) -> Judgement {
    Judgement::Hold(Box::new(match effects.said(seen, Some(&head.destination)) {
        None => held,
        Some(Said::Hold(_, requirement, reason)) => held.by(requirement, &reason),
        Some(Said::Deny(reason)) => return Judgement::Deny(forbidden(head, reason)),
    }))
}

/// What a rule on effects denies.
pub(crate) fn forbidden(head: &RequestHead, reason: Reason) -> Denial {
    Denial {
        status: 403,
        reason: format!("{} {}: {}", plain(&head.method), head.destination, reason.why),
        rule: reason.rule,
        remedy: reason.remedy,
    }
}

fn smart(head: &RequestHead) -> Smart {
    let overridden = OVERRIDES
        .iter()
        .any(|name| head.fields.values(name).next().is_some());
    git::smart(head, overridden)
}

/// What rules and endpoint say, whatever the catalogue does.
///
/// # Errors
/// They allow no such request.
pub(crate) fn terms(rules: &Rules, head: &RequestHead) -> Result<Terms, Denial> {
    Ok(Terms {
        most: permitted(rules, head)?,
        model: model(head)?,
    })
}

/// By the rules: the line's own method, and each that a field would put in its place. Gives the most bytes of
/// a body.
fn permitted(rules: &Rules, head: &RequestHead) -> Result<Option<u64>, Denial> {
    let path = RequestPath::parse(head.target.as_bytes()).map_err(|why| Denial::new(400, why.to_string()))?;
    let headers: Vec<(&str, &[u8])> = head
        .fields
        .iter()
        .map(|f| (f.name.as_str(), f.value.as_slice()))
        .collect();
    let length = match head.body {
        Length::Empty => Some(0),
        Length::Known(bytes) => Some(bytes),
        Length::Unknown => None,
    };
    // A fetch reads, whatever its method; what it has and wants is longer than what other reading needs.
    let fetches = smart(head) == Smart::Fetch;
    let length = length.filter(|length| !fetches || *length > git::MAX_FETCH);
    let others = OVERRIDES.iter().flat_map(|name| head.fields.values(name));
    let others = others.map(|value| String::from_utf8_lossy(value).into_owned());
    let mut most = None;
    for method in std::iter::once(head.method.clone()).chain(others) {
        let request = Request {
            method: &method,
            path: &path,
            headers: &headers,
            body: length,
        };
        let mut decision = rules.request(&head.destination, &request);
        let reading = fetches && decision.verdict == Err(Denied::Method);
        if reading {
            decision = rules.request(
                &head.destination,
                &Request {
                    method: "GET",
                    ..request
                },
            );
        }
        if let Err(why) = &decision.verdict {
            return Err(denied(head, &method, &decision, why));
        }
        if let Some(Access::Http(http)) = decision.rule.map(fumehood_destination::Rule::access) {
            if asks_a_resolver(head) && !http.names_paths() {
                return Err(resolver(head, &decision));
            }
            let body = http.limits().body;
            let body = if reading { Some(git::MAX_FETCH) } else { body };
            most = most.into_iter().chain(body).min();
        }
    }
    Ok(most)
}

/// Media types of questions for names and of their answers (RFC 8484, RFC 9230, and the JSON that some resolvers speak).
const OF_NAMES: [&str; 3] = [
    "application/dns-message",
    "application/oblivious-dns-message",
    "application/dns-json",
];

/// Whether a request is one over HTTPS for a name (A23): by its types, or by the path that resolvers have. A page of
/// that name elsewhere is none.
fn asks_a_resolver(head: &RequestHead) -> bool {
    let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
    let of_a_resolver = path == "/dns-query" || path.ends_with("/dns-query") && query.contains("dns=");
    let types = ["content-type", "accept"].map(|name| head.fields.members(name));
    let is_of_names =
        |member: &String| OF_NAMES.contains(&member.split(';').next().unwrap_or_default().trim());
    types.iter().flatten().any(is_of_names) || of_a_resolver
}

/// Names are answered inside; a host that is allowed for what it holds need not be a way around that.
fn resolver(head: &RequestHead, decision: &Decision<'_>) -> Denial {
    let host = &head.destination;
    Denial {
        status: 403,
        reason: format!(
            "{} {host}: asks a resolver of names over HTTPS, and the rule for this host names no paths",
            plain(&head.method)
        ),
        rule: decision
            .rule
            .map_or_else(String::new, |rule| format!("network.allow {rule}")),
        remedy: format!(
            "names are answered inside without it; else, outside the sandbox, in fumehood.toml: [network] allow = [{{ host = \"{host}\", paths = [\"/dns-query\"] }}]"
        ),
    }
}

fn denied(head: &RequestHead, method: &str, decision: &Decision<'_>, why: &Denied) -> Denial {
    let host = &head.destination;
    let remedy = match why {
        Denied::Host | Denied::Port => format!("outside the sandbox: fumehood run --allow {host}"),
        Denied::Method => format!(
            "outside the sandbox, in fumehood.toml: [network] allow = [{{ host = \"{host}\", methods = [\"{}\"] }}]",
            plain(method)
        ),
        Denied::Path | Denied::Query(_) | Denied::Header(_) => {
            "outside the sandbox, in fumehood.toml: widen this rule of [network] allow, or add another"
                .to_owned()
        }
        Denied::Target(_) | Denied::Body(_) => {
            "outside the sandbox, in fumehood.toml: name the methods in this rule of [network] allow"
                .to_owned()
        }
        Denied::Address(_) => String::new(),
    };
    Denial {
        status: 403,
        reason: format!("{} {host}: {why}", plain(method)),
        rule: decision
            .rule
            .map_or_else(String::new, |rule| format!("network.allow {rule}")),
        remedy,
    }
}

/// A method as it may be shown: it is a token, but its length is the client's.
pub(crate) fn plain(method: &str) -> String {
    method.chars().filter(char::is_ascii_graphic).take(20).collect()
}

/// What the path of a provider's host is for.
fn model(head: &RequestHead) -> Result<Option<Provider>, Denial> {
    let HostName::Name(name) = &head.destination.host else {
        return Ok(None);
    };
    let Some(provider) = provider(name) else {
        return Ok(None);
    };
    if head.upgrade {
        // What is asked in messages of a WebSocket nobody would read. Clients go on with `POST` after this status.
        return Err(Denial {
            status: 426,
            ..remote(
                head,
                "asks for a WebSocket, in which what the provider is to do is not read",
            )
        });
    }
    let path = head.target.split('?').next().unwrap_or_default();
    match endpoint(provider, &head.method, path) {
        Endpoint::Invoke => match head.fields.members("content-encoding").as_slice() {
            [] => Ok(Some(provider)),
            [one] if one == "identity" => Ok(Some(provider)),
            _ => Err(Denial::new(
                415,
                "a body for a model is read while it passes, and this one is coded",
            )),
        },
        Endpoint::Read => Ok(None),
        Endpoint::Unknown if matches!(head.method.as_str(), "GET" | "HEAD" | "OPTIONS") => Ok(None),
        Endpoint::Remote => Err(remote(head, "keeps or runs something at the provider")),
        Endpoint::Unknown => Err(remote(
            head,
            "is at no endpoint that is known to only ask a model",
        )),
    }
}

fn remote(head: &RequestHead, what: &str) -> Denial {
    Denial {
        status: 403,
        reason: format!(
            "model.remote: {} {} {what}",
            plain(&head.method),
            head.destination
        ),
        rule: "model.remote is denied".to_owned(),
        remedy: "send it from outside the sandbox".to_owned(),
    }
}

/// By the catalogue of effects that are hard to undo, and by rules on effects.
fn classified(
    effects: &Effects,
    catalogue: &Catalogue,
    head: &RequestHead,
    body: Body,
    terms: Terms,
) -> Judgement {
    let unread = body == Body::Unread && head.body != Length::Empty;
    let request = request(head, body);
    let found = catalogue.classify(&request);
    if found.flies() {
        let seen = seen::plain(catalogue, head, terms.model.is_some());
        return match effects.said(&seen, Some(&head.destination)) {
            None => Judgement::Release(terms),
            Some(Said::Deny(reason)) => Judgement::Deny(forbidden(head, reason)),
            Some(Said::Hold(..)) if unread => Judgement::Body(MAX_BODY),
            Some(Said::Hold(kind, requirement, reason)) => {
                ruled(head, &request.body, kind, requirement, reason)
            }
        };
    }
    // A person allows bytes, so those of the body have to be here whatever decides.
    if unread && !found.ambiguous_path {
        return Judgement::Body(MAX_BODY);
    }
    match Held::new(head, &request.body, &found).filter(|_| !found.ambiguous_path) {
        Some(held) => held_too(effects, head, &seen::listed(&found), held),
        None => Judgement::Deny(held::denial(head, &found)),
    }
}

/// Which effects a request is, or could be.
pub(crate) fn kinds_of_request(catalogue: &Catalogue, head: &RequestHead, body: Body) -> Vec<EffectKind> {
    let found = catalogue.classify(&request(head, body));
    let seen = seen::plain(catalogue, head, false).into_iter();
    seen.chain(seen::listed(&found)).map(|seen| seen.kind).collect()
}

/// Held by a rule alone.
fn ruled(
    head: &RequestHead,
    body: &Body,
    kind: EffectKind,
    requirement: crate::hold::Requirement,
    reason: Reason,
) -> Judgement {
    match Held::ruled(kind, head, body, reason.clone()) {
        Some(held) => Judgement::Hold(Box::new(held.only_by(requirement))),
        None => {
            let why = format!("{}, and its body is too long to be shown", reason.why);
            Judgement::Deny(forbidden(head, Reason { why, ..reason }))
        }
    }
}

fn request(head: &RequestHead, body: Body) -> fumehood_catalogue::Request {
    let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    fumehood_catalogue::Request {
        method: head.method.clone(),
        host: head.destination.host.to_string(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: head
            .fields
            .iter()
            .map(|f| (f.name.to_ascii_lowercase(), text(&f.value)))
            .collect(),
        body: if head.body == Length::Empty {
            Body::Absent
        } else {
            body
        },
    }
}

/// What a provider would fetch or do on behalf of a body (`model.remote`): by the same rules as if the
/// sandbox did it.
///
/// # Errors
/// No rule allows it, or one on effects forbids it.
pub fn judge_remote(
    rules: &Rules,
    effects: &Effects,
    of: &Destination,
    what: &str,
    host: Option<&Destination>,
) -> Result<(), Denial> {
    let denial = |to: String, rule: &str| Denial {
        status: 403,
        reason: format!("model.remote: the body has {of} do this: {what}{to}"),
        rule: rule.to_owned(),
        remedy: "leave it out, or allow the host it goes to".to_owned(),
    };
    const SAME: &str = "model.remote is judged as if the sandbox did it";
    let host = host.ok_or_else(|| denial(String::new(), SAME))?;
    for to in [of, host] {
        // A body that is on its way waits for nobody.
        if let Some(Said::Hold(_, _, reason) | Said::Deny(reason)) =
            effects.said(&[Seen::is(EffectKind::ModelRemote)], Some(to))
        {
            return Err(Denial {
                remedy: reason.remedy,
                ..denial(format!(", from {host}: {}", reason.why), &reason.rule)
            });
        }
    }
    rules
        .connect(host)
        .verdict
        .map_err(|why| denial(format!(", from {host}: {why}"), SAME))
}

#[cfg(test)]
mod tests;
