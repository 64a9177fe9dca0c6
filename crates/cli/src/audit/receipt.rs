//! `fumehood audit receipt`: what a session did, on one card, from its log, which is verified first.

use super::{Here, event, find, print, show, verify};
use crate::workspace::plural;
use fumehood_audit::{Clock, Kind, Question, Record, Value, sign_receipt};
use fumehood_policy::json::Json;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// How many hosts, and how many refused destinations, are named.
const NAMED: usize = 12;

/// What is counted of a destination.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traffic {
    connections: u64,
    requests: u64,
    sent: u64,
    received: u64,
}

/// The card.
#[derive(Debug, Default)]
struct Card {
    command: String,
    begun: u64,
    last: u64,
    ended: Option<String>,
    programs: u64,
    /// Programs whose end is known and was not well.
    failed: u64,
    hosts: BTreeMap<String, Traffic>,
    refused: BTreeSet<String>,
    secrets: Vec<String>,
    /// Credentials that were put into requests, and into how many.
    used: BTreeMap<String, u64>,
    /// Requests that were allowed and not sent, or broke off.
    undone: u64,
    holds: u64,
    allowed: u64,
    denied: u64,
    released: u64,
    limits: Vec<String>,
    /// Applies by number: how many paths each brought.
    applied: BTreeMap<u64, u64>,
    taken_back: BTreeSet<u64>,
    /// How many changes waited at the end, and what became of them since.
    waiting: u64,
    since: Option<&'static str>,
}

impl Card {
    fn take(&mut self, record: &Record) {
        let get = |name: &str| event::text(record, name);
        let number = |name: &str| match record.fields.get(name) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        };
        let is = |name: &str, value: &str| get(name).as_deref() == Some(value);
        self.last = self.last.max(record.time);
        match record.kind {
            Kind::SessionStart => {
                self.command = get("command").unwrap_or_default();
                self.begun = record.time;
                let secrets = get("secrets").unwrap_or_default();
                self.secrets = secrets.split_whitespace().map(str::to_owned).collect();
            }
            Kind::SessionEnd => self.ended = Some(event::sentence(record)),
            Kind::LimitStruck => self.limits.extend(get("limit")),
            Kind::ProgramExec => {
                self.programs += 1;
                self.failed += u64::from(ended_badly(record));
            }
            Kind::ProgramExit => self.failed += u64::from(ended_badly(record)),
            Kind::Flow if is("decision", "deny") => {
                self.refused
                    .insert(at(record).unwrap_or_else(|| "others".to_owned()));
            }
            Kind::Flow => self.host(record).connections += 1,
            Kind::FlowEnd => {
                let (sent, received) = (number("sent"), number("received"));
                let host = self.host(record);
                host.sent = host.sent.saturating_add(sent);
                host.received = host.received.saturating_add(received);
            }
            Kind::Effect if record.fields.contains_key("method") => self.host(record).requests += 1,
            Kind::Effect => self.released += u64::from(is("decision", "release")),
            Kind::CredentialUse => {
                for name in get("names").unwrap_or_default().split_whitespace() {
                    *self.used.entry(name.to_owned()).or_default() += 1;
                }
            }
            Kind::EffectFailed => self.undone += 1,
            Kind::Hold => self.holds += 1,
            Kind::Approval => {
                self.allowed += u64::from(is("answer", "allow"));
                self.denied += u64::from(is("answer", "deny"));
            }
            Kind::WorkspaceStage => self.waiting = number("changes"),
            Kind::WorkspaceApply => {
                // A turn is told twice: at its time, and with its list at the end.
                let paths = self.applied.entry(number("apply")).or_default();
                *paths = number("paths").max(*paths);
                if self.ended.is_some() {
                    self.since = Some("applied since");
                }
                if record.fields.contains_key("waits") {
                    self.waiting = number("waits");
                }
            }
            Kind::WorkspaceUndo => drop(self.taken_back.insert(number("apply"))),
            Kind::WorkspaceDiscard => self.since = Some("forgotten since"),
            _ => {}
        }
    }

    fn host(&mut self, record: &Record) -> &mut Traffic {
        let at = at(record).unwrap_or_else(|| "from outside".to_owned());
        self.hosts.entry(at).or_default()
    }

    /// Credentials that the session had, and that were put into no request.
    fn unused(&self) -> impl Iterator<Item = &String> {
        self.secrets.iter().filter(|name| !self.used.contains_key(*name))
    }

    /// What a person can take back, and with which words.
    fn undo(&self) -> Option<String> {
        let landed: Vec<String> = self
            .applied
            .keys()
            .filter(|number| !self.taken_back.contains(number))
            .map(u64::to_string)
            .collect();
        let landed = (!landed.is_empty()).then(|| {
            format!(
                "`fumehood undo` takes back what was applied ({})",
                landed.join(", ")
            )
        });
        let waits = (self.waiting > 0 && self.since.is_none())
            .then(|| "`fumehood discard` forgets what waits, if it still does".to_owned());
        let words: Vec<String> = landed.into_iter().chain(waits).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, words: String| out.push_str(&format!("  {name:<12}{words}\n"));
        line("command", self.command.clone());
        let took = self.last.saturating_sub(self.begun) / 1_000_000;
        let ended = self
            .ended
            .clone()
            .unwrap_or_else(|| "no end is recorded".to_owned());
        line("time", format!("{}, {took} ms", Clock::of_nanos(self.begun)));
        line("end", ended);
        let of = |count: u64, word: &str| plural(usize::try_from(count).unwrap_or(usize::MAX), word);
        let failed = match self.failed {
            0 => String::new(),
            failed => format!(", {failed} of them ended by a signal or with another status than 0"),
        };
        line("programs", format!("{}{failed}", self.programs));
        for (at, traffic) in self.hosts.iter().take(NAMED) {
            line("host", format!("{at}: {}", traffic.words()));
        }
        if self.hosts.len() > NAMED {
            line("host", format!("and {} more", self.hosts.len() - NAMED));
        }
        if !self.refused.is_empty() {
            let named: Vec<&str> = self.refused.iter().take(NAMED).map(String::as_str).collect();
            let more = if self.refused.len() > NAMED { ", …" } else { "" };
            line("refused", format!("{}{more}", named.join(", ")));
        }
        if self.undone > 0 {
            line(
                "not sent",
                format!("{} that had been allowed", of(self.undone, "request")),
            );
        }
        for (name, requests) in &self.used {
            line(
                "credential",
                format!("{name}: put into {}", of(*requests, "request")),
            );
        }
        let unused: Vec<&str> = self.unused().map(String::as_str).collect();
        if !unused.is_empty() {
            line("credential", format!("not used: {}", unused.join(", ")));
        }
        if self.holds > 0 {
            let (holds, allowed, denied, released) = (self.holds, self.allowed, self.denied, self.released);
            line(
                "holds",
                format!(
                    "{holds}: {allowed} allowed, {denied} denied; {} sent",
                    of(released, "request")
                ),
            );
        }
        for limit in &self.limits {
            line("limit", format!("{limit} was reached"));
        }
        for (number, paths) in &self.applied {
            let undone = if self.taken_back.contains(number) {
                ", taken back"
            } else {
                ""
            };
            line("files", format!("apply {number}: {}{undone}", of(*paths, "path")));
        }
        if self.waiting > 0 {
            let since = self.since.map(|since| format!(", {since}")).unwrap_or_default();
            line(
                "files",
                format!("{} waited at the end{since}", of(self.waiting, "change")),
            );
        }
        if let Some(words) = self.undo() {
            line("undo", words);
        }
        out
    }

    fn json(&self) -> Vec<(&'static str, Json)> {
        let texts = |all: &mut dyn Iterator<Item = &String>| Json::List(all.map(Json::text).collect());
        let hosts = self.hosts.iter().map(|(at, traffic)| {
            Json::Object(vec![
                ("host", Json::text(at)),
                ("connections", Json::Number(traffic.connections)),
                ("requests", Json::Number(traffic.requests)),
                ("sent", Json::Number(traffic.sent)),
                ("received", Json::Number(traffic.received)),
            ])
        });
        let used = self.used.iter().map(|(name, requests)| {
            Json::Object(vec![
                ("name", Json::text(name)),
                ("requests", Json::Number(*requests)),
            ])
        });
        let applied = self.applied.iter().map(|(number, paths)| {
            Json::Object(vec![
                ("apply", Json::Number(*number)),
                ("paths", Json::Number(*paths)),
                ("undone", Json::Bool(self.taken_back.contains(number))),
            ])
        });
        vec![
            ("command", Json::text(&self.command)),
            ("end", self.ended.as_ref().map_or(Json::Null, Json::text)),
            ("programs", Json::Number(self.programs)),
            ("failed", Json::Number(self.failed)),
            ("hosts", Json::List(hosts.collect())),
            ("refused", texts(&mut self.refused.iter())),
            ("credentials", Json::List(used.collect())),
            ("unused", texts(&mut self.unused())),
            ("undone", Json::Number(self.undone)),
            ("holds", Json::Number(self.holds)),
            ("allowed", Json::Number(self.allowed)),
            ("denied", Json::Number(self.denied)),
            ("released", Json::Number(self.released)),
            ("limits", texts(&mut self.limits.iter())),
            ("applied", Json::List(applied.collect())),
            (
                "waiting",
                Json::Number(if self.since.is_some() { 0 } else { self.waiting }),
            ),
        ]
    }
}

impl Traffic {
    fn words(&self) -> String {
        let of = |count: u64, word: &str| {
            (count > 0).then(|| plural(usize::try_from(count).unwrap_or(usize::MAX), word))
        };
        let bytes = (self.connections > 0).then(|| format!("{} bytes out, {} in", self.sent, self.received));
        let parts = [
            of(self.connections, "connection"),
            of(self.requests, "request"),
            bytes,
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

fn ended_badly(record: &Record) -> bool {
    let status = matches!(record.fields.get("status"), Some(Value::Number(status)) if *status > 0);
    // Of a program that was asked for there is another record, by who watches programs.
    !record.fields.contains_key("asked") && (status || record.fields.contains_key("signal"))
}

fn at(record: &Record) -> Option<String> {
    let (host, port) = (event::text(record, "host")?, event::text(record, "port")?);
    Some(if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    })
}

/// Prints the card of a session; no where its log does not verify: then it is not signed either.
pub(super) fn receipt(here: &Here, named: Option<&str>, signed: bool, json: bool) -> Result<bool, String> {
    let id = find::session(here, named)?;
    let verified = verify::of_session(here, &id)?;
    let mut card = Card::default();
    find::each(here, &id, &Question::default(), |record| {
        card.take(&record);
        Ok(ControlFlow::Continue(()))
    })?;
    let last = card.last;
    for record in show::later(here, find::start(here, &id).as_ref())? {
        card.take(&record);
    }
    card.last = last; // the session's own end, not what was done with its changes
    if json {
        let mut fields = vec![("session", Json::text(&id)), ("good", Json::Bool(verified.good))];
        fields.extend(card.json());
        fields.push(("log", Json::text(&verified.says)));
        fields.push(("head", Json::text(&verified.note)));
        print(&format!("{}\n", Json::Object(fields)))?;
    } else {
        let note: String = verified
            .note
            .lines()
            .map(|line| format!("    {line}\n"))
            .collect();
        let card = format!(
            "receipt of session {id}\n{}  {:<12}{}, by this head:\n{note}",
            card.text(),
            "log",
            verified.says
        );
        if signed && !verified.good {
            return Err(format!("{id}: {}; a receipt of it is not signed", verified.says));
        }
        let card = if signed {
            sign_receipt(&here.root, &card).map_err(|e| format!("sign the receipt: {e}"))?
        } else {
            card
        };
        print(&card)?;
    }
    Ok(verified.good)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: Kind, fields: &[(&str, Value)]) -> Record {
        Record {
            sequence: 0,
            time: 5_000_000,
            cause: None,
            blind: [0; 16],
            kind,
            fields: fields.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect(),
        }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn a_card_counts_what_was_recorded_and_says_how_to_take_it_back() {
        let number = Value::Number;
        let to = [("host", text("a.example")), ("port", number(443))];
        let with = |more: &[(&'static str, Value)]| [&to[..], more].concat();
        let all = [
            record(
                Kind::SessionStart,
                &[
                    ("command", Value::Bytes(b"sh\0".to_vec())),
                    ("secrets", text("one two")),
                ],
            ),
            record(Kind::ProgramExec, &[("status", number(0))]),
            record(Kind::ProgramExec, &[("signal", number(9))]),
            record(Kind::ProgramExit, &[("pid", number(7)), ("status", number(1))]),
            record(Kind::ProgramExit, &[("asked", number(1)), ("status", number(1))]),
            record(Kind::Flow, &with(&[("decision", text("allow"))])),
            record(
                Kind::FlowEnd,
                &with(&[("sent", number(u64::MAX)), ("received", number(2))]),
            ),
            record(
                Kind::FlowEnd,
                &with(&[("sent", number(3)), ("received", number(2))]),
            ),
            record(
                Kind::Flow,
                &[
                    ("decision", text("deny")),
                    ("host", text("::1")),
                    ("port", number(1)),
                ],
            ),
            record(Kind::Flow, &[("decision", text("deny"))]),
            record(
                Kind::Effect,
                &with(&[("decision", text("allow")), ("method", text("GET"))]),
            ),
            record(Kind::CredentialUse, &[("names", text("two"))]),
            record(Kind::CredentialUse, &[("names", text("two three"))]),
            record(Kind::EffectFailed, &[("error", text("no"))]),
            record(Kind::Hold, &[]),
            record(Kind::Approval, &[("answer", text("allow"))]),
            record(Kind::Effect, &[("decision", text("release"))]),
            record(
                Kind::WorkspaceApply,
                &[("apply", number(1)), ("paths", number(2)), ("waits", number(1))],
            ),
            record(
                Kind::WorkspaceApply,
                &[("apply", number(1)), ("paths", number(2))],
            ),
            record(
                Kind::WorkspaceApply,
                &[("apply", number(2)), ("paths", number(1))],
            ),
            record(Kind::WorkspaceUndo, &[("apply", number(1))]),
            record(
                Kind::SessionEnd,
                &[("status", number(0)), ("origin", text("command"))],
            ),
        ];
        let mut card = Card::default();
        all.iter().for_each(|record| card.take(record));
        let told = card.text();
        for words in [
            "programs    2, 2 of them ended by a signal",
            "host        a.example:443: 1 connection, 1 request, 18446744073709551615 bytes out, 4 in",
            "refused     [::1]:1, others",
            "not sent    1 request that had been allowed",
            "credential  two: put into 2 requests",
            "credential  not used: one",
            "holds       1: 1 allowed, 0 denied; 1 request sent",
            "files       apply 1: 2 paths, taken back",
            "files       1 change waited at the end",
            "undo        `fumehood undo` takes back what was applied (2); `fumehood discard` forgets",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
        card.take(&record(Kind::WorkspaceUndo, &[("apply", number(2))]));
        card.take(&record(Kind::WorkspaceDiscard, &[]));
        assert_eq!(card.undo(), None);
    }

    /// What programs inside choose reaches the terminal escaped.
    #[test]
    fn a_card_shows_no_escapes() {
        let mut card = Card::default();
        let hostile = "\u{1b}[2J\n  undo        none";
        card.take(&record(
            Kind::SessionStart,
            &[("command", Value::Bytes(hostile.as_bytes().to_vec()))],
        ));
        let fields = [("host", text(hostile)), ("port", Value::Number(1))];
        card.take(&record(Kind::Flow, &fields));
        let told = card.text();
        assert!(!told.contains('\u{1b}') && told.lines().count() == 5, "{told}");
    }
}
