//! What a person describes in words, as the wire would have it: for those who ask what policy says. Pure.

use crate::effects::{Said, Seen};
use crate::monitor::{Policy, is_loopback};
use crate::request::{Judgement, judge, kinds_of_request};
use fumehood_catalogue::{Body, Catalogue, parse_example};
use fumehood_destination::Destination;
use fumehood_effect::{EffectKind, Reason};
use fumehood_http::h1::read_request;
use fumehood_http::{RequestHead, Scheme};
use fumehood_policy::command::effects_of;
use fumehood_policy::value::Port;

/// Something that could happen.
#[derive(Clone, Debug)]
pub enum Described {
    /// Effects, and where, if a host is named.
    Effects(Vec<EffectKind>, Option<Destination>),
    /// A request and its body.
    Request(Box<RequestHead>, Vec<u8>),
}

/// What policy says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `allow`, `hold` or `deny`.
    pub decision: &'static str,
    /// Why, by which rule, and how to ask.
    pub reason: Reason,
}

impl Described {
    /// Reads `git.ref.force [HOST[:PORT]]`, `METHOD https://host/path` with header lines and a body as in the catalogue's
    /// examples, or a usual command line. `None`: nothing that is known.
    #[must_use]
    pub fn read(text: &str) -> Option<Described> {
        let text = text.trim();
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        if let Ok(kind) = first.parse::<EffectKind>() {
            let to = match rest.trim() {
                "" => None,
                host => Some(Destination::authority(host.as_bytes(), Port::new(443)).ok()?),
            };
            return Some(Described::Effects(vec![kind], to));
        }
        if rest.starts_with("https://") || rest.starts_with("http://") {
            return request(text);
        }
        let kinds = effects_of(text)?
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        Some(Described::Effects(kinds, None))
    }

    /// Which effects it is, or could be.
    #[must_use]
    pub fn kinds(&self, policy: &Policy) -> Vec<EffectKind> {
        match self {
            Described::Effects(kinds, _) => kinds.clone(),
            Described::Request(head, body) => {
                let catalogue = catalogue(&policy.services);
                kinds_of_request(&catalogue, head, body_of(body))
            }
        }
    }

    /// What this policy says of it.
    #[must_use]
    pub fn answer(&self, policy: &Policy) -> Answer {
        match self {
            Described::Effects(kinds, to) => of_effects(kinds, to.as_ref(), policy),
            Described::Request(head, body) => of_request(head, body, policy),
        }
    }
}

/// The services of which `[services]` can name further hosts.
#[must_use]
pub fn known_services() -> Vec<String> {
    let shipped = Catalogue::shipped().unwrap_or_default();
    shipped.services().map(str::to_owned).collect()
}

fn catalogue(services: &[(String, Vec<String>)]) -> Catalogue {
    let mut shipped = Catalogue::shipped().unwrap_or_default();
    for (service, hosts) in services {
        let _unknown = shipped.set_hosts(service, hosts); // refused where configuration is taken
    }
    shipped
}

fn body_of(body: &[u8]) -> Body {
    if body.is_empty() {
        Body::Absent
    } else {
        Body::Bytes(body.to_vec())
    }
}

fn request(text: &str) -> Option<Described> {
    let read = parse_example(text).ok()?;
    let (first, _) = text.split_once('\n').unwrap_or((text, ""));
    let (_, url) = first.split_once(' ')?;
    let (scheme, rest) = url.split_once("://")?;
    let (scheme, port) = match scheme {
        "https" => (Scheme::Https, 443),
        _ => (Scheme::Http, 80),
    };
    let authority = rest.split('/').next()?.trim();
    let to = Destination::authority(authority.as_bytes(), Port::new(port)).ok()?;
    let body = match read.body {
        Body::Bytes(bytes) => bytes,
        _ => Vec::new(),
    };
    let query = if read.query.is_empty() {
        String::new()
    } else {
        format!("?{}", read.query)
    };
    let path = if read.path.is_empty() { "/" } else { &read.path };
    let mut head = format!("{} {path}{query} HTTP/1.1\r\nHost: {authority}\r\n", read.method);
    for (name, value) in &read.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let parsed = read_request(head.as_bytes(), scheme, &to).ok()??;
    Some(Described::Request(Box::new(parsed.head), body))
}

fn answer(decision: &'static str, reason: Reason) -> Answer {
    Answer { decision, reason }
}

fn of_effects(kinds: &[EffectKind], to: Option<&Destination>, policy: &Policy) -> Answer {
    let seen: Vec<Seen> = kinds.iter().copied().map(Seen::is).collect();
    let answer = policy.rules(kinds, to).unwrap_or_else(|| shipped(kinds));
    match policy
        .effects
        .observed(&seen, to)
        .filter(|_| answer.decision != "deny")
    {
        None => answer,
        Some(would) => Answer {
            reason: Reason {
                why: format!(
                    "{}; observed only: {} ({})",
                    answer.reason.why, would.reason.why, would.reason.rule
                ),
                ..answer.reason
            },
            ..answer
        },
    }
}

impl Policy {
    /// What rules say of something that has this effect, there: those on effects, observed ones as if they were in force, and
    /// which hosts are reached. It is allowed where none says anything; what ships holds some of it all the same.
    #[must_use]
    pub fn rules_say(&self, kind: EffectKind, to: Option<&Destination>) -> Answer {
        match self.effects.all(&[Seen::is(kind)], to) {
            Some(Said::Deny(reason)) => answer("deny", reason),
            Some(Said::Hold(_, _, reason)) => answer("hold", reason),
            None => self.rules(&[kind], to).unwrap_or_else(nothing),
        }
    }

    fn rules(&self, kinds: &[EffectKind], to: Option<&Destination>) -> Option<Answer> {
        let seen: Vec<Seen> = kinds.iter().copied().map(Seen::is).collect();
        match self.effects.enforced(&seen, to) {
            Some(Said::Deny(reason)) => return Some(answer("deny", reason)),
            Some(Said::Hold(_, _, reason)) => return Some(answer("hold", reason)),
            None => {}
        }
        let to = to.filter(|to| !self.is_reached_otherwise(to))?;
        let why = self.rules.connect(to).verdict.err()?;
        Some(answer(
            "deny",
            Reason {
                why: format!("the host is not reached: {why}"),
                rule: "network.allow".to_owned(),
                remedy: "name it in network.allow, or with --allow".to_owned(),
            },
        ))
    }

    /// A port of this machine's, or a database.
    fn is_reached_otherwise(&self, to: &Destination) -> bool {
        let port = is_loopback(&to.host) && self.host.contains(&to.port);
        port || self.databases.iter().any(|database| database.destination == *to)
    }
}

fn nothing() -> Answer {
    answer(
        "allow",
        Reason {
            why: "no rule says anything of it; a host still has to be allowed".to_owned(),
            rule: String::new(),
            remedy: String::new(),
        },
    )
}

/// What holds where no rule of anybody's says anything.
fn shipped(kinds: &[EffectKind]) -> Answer {
    let catalogue = catalogue(&[]);
    let rows: Vec<&str> = catalogue
        .rows()
        .iter()
        .filter(|row| kinds.iter().any(|kind| kind.name() == row.effect))
        .map(|row| row.id.as_str())
        .collect();
    let pushed = kinds
        .iter()
        .find(|kind| kind.name().starts_with("git.") && **kind != EffectKind::GitRead);
    let remedy = "a person has to see it first".to_owned();
    match (pushed, rows.as_slice()) {
        (Some(kind @ (EffectKind::GitRefCreate | EffectKind::GitRefUpdate)), _) => answer(
            "hold",
            Reason {
                why: format!(
                    "{kind} waits for a person, unless the branch is the session's own (docs/git.md)"
                ),
                rule: format!("git {kind}"),
                remedy: "name branches in git.own, and what a push starts in git.ci".to_owned(),
            },
        ),
        (Some(kind), _) => answer(
            "hold",
            Reason {
                why: format!("it {}", kind.what()),
                rule: format!("git {kind}"),
                remedy,
            },
        ),
        (None, [_, ..]) => answer(
            "hold",
            Reason {
                why: "what is hard to undo waits for a person, where the catalogue knows the request"
                    .to_owned(),
                rule: format!("catalogue {}", rows.join(" ")),
                remedy,
            },
        ),
        (None, []) => nothing(),
    }
}

fn of_request(head: &RequestHead, body: &[u8], policy: &Policy) -> Answer {
    let catalogue = catalogue(&policy.services);
    match judge(
        &policy.rules,
        &policy.effects,
        &catalogue,
        head,
        body_of(body),
        None,
    ) {
        Judgement::Hold(held) => answer("hold", held.reason().clone()),
        Judgement::Deny(denial) => answer(
            "deny",
            Reason {
                why: denial.reason,
                rule: denial.rule,
                remedy: denial.remedy,
            },
        ),
        Judgement::Release(_) | Judgement::Own(..) | Judgement::Body(_) => {
            let rule = policy.rules.connect(&head.destination).rule;
            let rule = rule.map_or_else(String::new, |rule| format!("network.allow {rule}"));
            answer(
                "allow",
                Reason {
                    why: "it is sent, and recorded".to_owned(),
                    rule,
                    remedy: String::new(),
                },
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<&'static str> {
        let described = Described::read(text).unwrap_or_else(|| panic!("{text} is not known"));
        let kinds = described.kinds(&Policy::default());
        kinds.into_iter().map(EffectKind::name).collect()
    }

    #[test]
    fn effects_requests_and_commands_are_read() {
        assert_eq!(read("git.ref.force"), ["git.ref.force"]);
        assert_eq!(read("git.ref.force forge.example:8443"), ["git.ref.force"]);
        assert_eq!(read("cargo publish"), ["package.publish"]);
        assert_eq!(read("cargo package"), Vec::<&str>::new());
        assert!(read("PUT https://registry.example/api/v1/crates/new").contains(&"package.publish"));
        let merge = "PUT https://api.github.com/repos/a/b/pulls/7/merge\n\n{}";
        assert!(read(merge).contains(&"forge.pull.merge"));
        for unknown in [
            "frobnicate",
            "",
            "PUT https://",
            "GET https:///x",
            "git.ref.forced",
        ] {
            assert!(Described::read(unknown).is_none(), "{unknown}");
        }
    }

    /// Without a rule: what ships. Nothing is reached that no rule of the network names.
    #[test]
    fn what_ships_is_told() {
        let policy = Policy::default();
        let says = |text: &str| Described::read(text).unwrap().answer(&policy);
        assert_eq!(says("git.ref.force").decision, "hold");
        assert_eq!(says("git.read").decision, "allow");
        assert!(says("cargo publish").reason.rule.contains("cargo.publish"));
        let unreached = says("http.read forge.example");
        assert_eq!(
            (unreached.decision, unreached.reason.rule.as_str()),
            ("deny", "network.allow")
        );
        assert_eq!(says("GET https://forge.example/").decision, "deny");
    }
}
