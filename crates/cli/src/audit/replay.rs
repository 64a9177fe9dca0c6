//! `fumehood policy test --replay 14d`: what the present policy would have decided otherwise of what was recorded.
//!
//! The log keeps no bodies, so what is asked again is what needs none: which host is reached, and what rules on effects say
//! of what something was. What the catalogue holds by a request's content is held as before.

use super::{Here, event, find, print};
use fumehood_audit::{Clock, Kind, Question, Record, sessions};
use fumehood_destination::Destination;
use fumehood_effect::EffectKind;
use fumehood_monitor::{Answer, Policy};
use fumehood_policy::json::Json;
use fumehood_policy::value::{HostName, Port};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

/// The most lines; of more that differ, only the number is told.
const LINES: usize = 256;

/// Of how many that waited the digests are remembered.
const REMEMBERED: usize = 65_536;

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Then {
    Passed,
    /// For a person, by a rule of a file.
    Waited,
    /// For a person, by what ships, which is not asked again.
    WaitedAnyway,
    Refused,
}

impl Then {
    const fn words(self) -> &'static str {
        match self {
            Then::Passed => "passed",
            Then::Waited | Then::WaitedAnyway => "waited",
            Then::Refused => "was refused",
        }
    }
}

/// Something that happened, or did not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Past {
    kind: EffectKind,
    to: Option<Destination>,
    then: Then,
}

/// What differs: of which kind, where, what became of it, and what would.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    kind: &'static str,
    place: String,
    then: Then,
    now: &'static str,
    why: String,
    rule: String,
}

#[derive(Debug, Default)]
struct Replayed {
    /// Digests of what waited: that it was sent afterwards is no decision of the policy's.
    waited: BTreeSet<String>,
    asked: u64,
    differ: u64,
    /// How often, and the last record of it.
    lines: BTreeMap<Line, (u64, String)>,
}

/// Prints what would be decided otherwise.
pub(super) fn replay(here: &Here, policy: &Policy, back: Duration, json: bool) -> Result<(), String> {
    let back = u64::try_from(back.as_nanos()).unwrap_or(u64::MAX);
    let from = Clock::now().nanos().saturating_sub(back);
    let question = Question {
        from,
        kinds: vec![Kind::Flow, Kind::Effect, Kind::Hold],
        ..Question::default()
    };
    let mut found = Replayed::default();
    let of_project: Vec<String> = sessions(&here.root)
        .into_iter()
        .filter(|id| find::is_of_project(here, id))
        .collect();
    for id in &of_project {
        // Another session's effect of this digest is another one.
        found.waited.clear();
        find::each(here, id, &question, |record| {
            found.record(policy, &record, id);
            Ok(ControlFlow::Continue(()))
        })?;
    }
    let since = Clock::of_nanos(from).to_string();
    let text = if json {
        format!("{}\n", found.json(of_project.len(), &since))
    } else {
        found.human(of_project.len(), &since)
    };
    print(&text).map(drop)
}

/// What a record tells, if it is one that can be asked again.
fn past(record: &Record) -> Option<Past> {
    let get = |name: &str| event::text(record, name);
    let decision = get("decision")?;
    let place = |host: String, port: Option<String>| {
        let port = port.map_or(Some(443), |p| p.parse().ok()).and_then(Port::new)?;
        let host = host.parse::<HostName>().ok()?;
        Some(Destination { host, port })
    };
    let to = get("host").and_then(|host| place(host, get("port")));
    match record.kind {
        Kind::Flow => Some(Past {
            kind: EffectKind::NetConnect,
            then: match decision.as_str() {
                "allow" => Then::Passed,
                "deny" => Then::Refused,
                _ => return None,
            },
            // One from outside, to a published port, goes nowhere.
            to: Some(to?),
        }),
        Kind::Effect => Some(Past {
            kind: get("kind")?.parse().ok()?,
            then: match decision.as_str() {
                "allow" => Then::Passed,
                "deny" => Then::Refused,
                _ => return None,
            },
            to,
        }),
        // Whatever the person said, or nobody.
        Kind::Hold => Some(Past {
            kind: get("kind")?.parse().ok()?,
            then: if of_a_file(&get("rule")?) {
                Then::Waited
            } else {
                Then::WaitedAnyway
            },
            to: get("system").and_then(|at| Destination::authority(at.as_bytes(), Port::new(443)).ok()),
        }),
        _ => None,
    }
}

/// `rule of FILE:LINE:COLUMN`, as the monitor names entries of files.
fn of_a_file(rule: &str) -> bool {
    rule.starts_with("rule of ") || rule.starts_with("deny of ")
}

impl Replayed {
    fn record(&mut self, policy: &Policy, record: &Record, session: &str) {
        let digest = event::text(record, "effect");
        let waited = digest.as_ref().is_some_and(|digest| self.waited.contains(digest));
        match (record.kind, digest) {
            (Kind::Hold, Some(digest)) if self.waited.len() < REMEMBERED => drop(self.waited.insert(digest)),
            (Kind::Effect, _) if waited => return,
            _ => {}
        }
        if let Some(past) = past(record) {
            self.take(policy, &past, || event::name(session, record));
        }
    }

    fn take(&mut self, policy: &Policy, past: &Past, name: impl Fn() -> String) {
        self.asked += 1;
        let Some(now) = otherwise(policy.rules_say(past.kind, past.to.as_ref()), past.then) else {
            return;
        };
        self.differ += 1;
        let line = Line {
            kind: past.kind.name(),
            place: past.to.as_ref().map_or_else(String::new, ToString::to_string),
            then: past.then,
            now: now.decision,
            why: now.reason.why,
            rule: now.reason.rule,
        };
        if self.lines.len() < LINES || self.lines.contains_key(&line) {
            let entry = self.lines.entry(line).or_default();
            *entry = (entry.0 + 1, name());
        }
    }

    /// The most frequent first.
    fn sorted(&self) -> Vec<(&Line, u64, &str)> {
        let mut all: Vec<_> = self
            .lines
            .iter()
            .map(|(l, (n, name))| (l, *n, name.as_str()))
            .collect();
        all.sort_by_key(|(line, times, _)| (std::cmp::Reverse(*times), *line));
        all
    }

    fn human(&self, sessions: usize, since: &str) -> String {
        let mut out = String::new();
        for (line, times, name) in self.sorted() {
            let at = if line.place.is_empty() {
                String::new()
            } else {
                format!(" at {}", line.place)
            };
            let by = if line.rule.is_empty() {
                String::new()
            } else {
                format!(" (by {})", line.rule)
            };
            out.push_str(&format!(
                "{times} x {}{at} {}; now {}: {}{by}; last: {name}\n",
                line.kind,
                line.then.words(),
                line.now,
                line.why
            ));
        }
        out.push_str(&format!(
            "{} recorded decisions of {sessions} sessions since {since}; {} would be decided otherwise\n",
            self.asked, self.differ
        ));
        out
    }

    fn json(&self, sessions: usize, since: &str) -> Json {
        let lines = self.sorted().into_iter().map(|(line, times, name)| {
            Json::Object(vec![
                ("effect", Json::text(line.kind)),
                ("destination", Json::text(line.place.as_str())),
                ("then", Json::text(line.then.words())),
                ("now", Json::text(line.now)),
                ("why", Json::text(line.why.as_str())),
                ("rule", Json::text(line.rule.as_str())),
                ("times", Json::Number(times)),
                ("last", Json::text(name)),
            ])
        });
        let lines = Json::List(lines.collect());
        Json::Object(vec![
            ("since", Json::text(since)),
            ("sessions", Json::Number(sessions as u64)),
            ("decisions", Json::Number(self.asked)),
            ("otherwise", Json::Number(self.differ)),
            ("differences", lines),
        ])
    }
}

/// What would become of it now, where that is something else.
fn otherwise(now: Answer, then: Then) -> Option<Answer> {
    let same = match then {
        Then::Passed => now.decision == "allow",
        Then::Waited => now.decision == "hold",
        Then::WaitedAnyway => now.decision != "deny",
        Then::Refused => now.decision == "deny",
    };
    (!same).then_some(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fumehood_audit::Value;

    fn record(kind: Kind, fields: &[(&str, &str)]) -> Record {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), Value::Text((*value).to_owned()));
        Record {
            sequence: 7,
            time: 0,
            cause: None,
            blind: Default::default(),
            kind,
            fields: fields.iter().map(text).collect(),
        }
    }

    #[test]
    fn what_is_asked_again_is_what_was_decided() {
        let flow = |decision| {
            record(
                Kind::Flow,
                &[("decision", decision), ("host", "a.example"), ("port", "443")],
            )
        };
        let past = |record: &Record| past(record).map(|p| (p.kind, p.to.map(|to| to.to_string()), p.then));
        let at = Some("a.example".to_owned());
        let connects = |then| {
            Some((
                EffectKind::NetConnect,
                at.clone().map(|a| format!("{a}:443")),
                then,
            ))
        };
        assert_eq!(past(&flow("allow")), connects(Then::Passed));
        assert_eq!(past(&flow("deny")), connects(Then::Refused));
        let published = record(Kind::Flow, &[("decision", "allow"), ("rule", "a published port")]);
        assert_eq!(past(&published), None);
        let called = record(Kind::Effect, &[("decision", "allow"), ("kind", "tool.call")]);
        assert_eq!(past(&called), Some((EffectKind::ToolCall, None, Then::Passed)));
        // Whether by a file or by what ships is told apart, and the end of a call is no decision.
        let held = |rule| {
            record(
                Kind::Hold,
                &[("decision", "wait"), ("kind", "git.ref.force"), ("rule", rule)],
            )
        };
        let waited = |then| Some((EffectKind::GitRefForce, None, then));
        assert_eq!(past(&held("git git.ref.force")), waited(Then::WaitedAnyway));
        assert_eq!(past(&held("rule of fumehood.toml:3:1")), waited(Then::Waited));
        let ended = record(Kind::Effect, &[("decision", "ended"), ("kind", "tool.call")]);
        assert_eq!(past(&ended), None);
        let other = record(
            Kind::Effect,
            &[("decision", "allow"), ("kind", "of a later version")],
        );
        assert_eq!(past(&other), None);
    }

    /// What waited and was then sent is told once, as what waited; what ships holds is held as before.
    #[test]
    fn what_waited_is_told_once() {
        let policy = Policy::default();
        let differ = |rule: &str, then: &[(&str, &str)]| {
            let held = [
                ("decision", "wait"),
                ("kind", "http.mutate"),
                ("rule", rule),
                ("effect", "d1"),
            ];
            let mut all = Replayed::default();
            all.record(&policy, &record(Kind::Hold, &held), "s");
            all.record(&policy, &record(Kind::Effect, then), "s");
            (all.asked, all.differ)
        };
        let sent = [("decision", "allow"), ("kind", "http.mutate"), ("effect", "d1")];
        assert_eq!(differ("rule of fumehood.toml:3:1", &sent), (1, 1));
        assert_eq!(differ("catalogue cargo.publish", &sent), (1, 0));
        let other = [("decision", "allow"), ("kind", "http.mutate"), ("effect", "d2")];
        assert_eq!(differ("catalogue cargo.publish", &other), (2, 0));
    }

    #[test]
    fn lines_are_counted_and_bounded() {
        let policy = Policy::default();
        let mut all = Replayed::default();
        for n in 0..2 * LINES {
            let to = Destination::authority(format!("h{n}.example").as_bytes(), Port::new(443)).ok();
            let past = Past {
                kind: EffectKind::NetConnect,
                to,
                then: Then::Passed,
            };
            all.take(&policy, &past, || format!("s:{n}"));
            all.take(&policy, &past, || format!("s:{n}"));
        }
        assert_eq!((all.asked, all.differ), (4 * LINES as u64, 4 * LINES as u64));
        assert_eq!(all.lines.len(), LINES);
        let said = all.human(1, "then");
        let first = "2 x net.connect at h0.example:443 passed; now deny: the host is not reached: ";
        assert!(said.starts_with(first), "{said}");
        assert!(said.ends_with(
            "1024 recorded decisions of 1 sessions since then; 1024 would be decided otherwise\n"
        ));
    }
}
