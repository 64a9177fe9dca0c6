//! `fumehood audit report`: one page about a session, that needs nothing but itself.
//!
//! Everything in it that was recorded is escaped, there is no script, and its policy (CSP) forbids the
//! reader's browser to load or run anything.

use super::{Here, event, find, print};
use fumehood_audit::{Clock, Kind, Question, Record, State, inspect_index, inspect_session};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;

/// The most rows of a table; the rest is counted.
const ROWS: usize = 2_000;

/// Writes the page.
pub(super) fn report(here: &Here, named: Option<&str>) -> Result<bool, String> {
    let id = find::session(here, named)?;
    let mut records = Vec::new();
    let mut more = 0usize;
    find::each(here, &id, &Question::default(), |record| {
        if records.len() < 10 * ROWS {
            records.push(record);
        } else {
            more += 1;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let (good, verdict) = verdict(here, &id);
    print(&page(&id, &records, more, good, &verdict))
}

/// What verifying says, with what it rests on, and whether that is good.
fn verdict(here: &Here, id: &str) -> (bool, String) {
    let (index, known) = match inspect_index(&here.root, &[]) {
        Ok(inspected) => inspected,
        Err(error) => return (false, format!("The log does not verify: {error}")),
    };
    let state = inspect_session(&here.root, id, known.get(id));
    let text = match &state {
        State::Whole(report) => format!("Verified: {} records, to the end.", report.signed),
        State::Running(report) => format!("Verified: {} records; still running.", report.signed),
        State::Broken(report) => {
            let signed = report.signed;
            format!("Verified: {signed} records; the writer died before the end.")
        }
        State::Wrong(error) => format!("This log does NOT verify: {error}."),
        _ => "Nothing of this log is vouched for.".to_owned(),
    };
    (state.is_good(), format!("{text} Anchor: {}.", index.anchor()))
}

/// A text in HTML; the characters that mean something there are named.
fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;\
color:#1c2326;background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}code,td,th{font-size:.85rem}\
code,td{font-family:ui-monospace,monospace;overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #e4e8ea}\
th{font-family:inherit}.verdict{border-left:4px solid #2f7d5b;padding:.4rem .8rem;background:#f2f7f5}\
.bad{border-color:#b3261e;background:#fbeeed}.deny{color:#b3261e}.hold{color:#96620a}\
@media (prefers-color-scheme:dark){body{color:#dfe5e7;background:#14181a}td,th{border-color:#2c3336}\
.verdict{background:#1a2622}.bad{background:#2c1b1a}text{fill:#dfe5e7}}";

fn page(id: &str, records: &[Record], more: usize, good: bool, verdict: &str) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Session {0}</title><style>{STYLE}</style></head><body>\n<h1>Session \
         {0}</h1>\n",
        html(id)
    );
    let bad = if good { "" } else { " bad" };
    let _string = writeln!(out, "<p class=\"verdict{bad}\">{}</p>", html(verdict));
    out.push_str(&facts(records));
    out.push_str("<h2>Timeline</h2>\n");
    out.push_str(&timeline(records));
    let of =
        |kinds: &[Kind]| -> Vec<&Record> { records.iter().filter(|r| kinds.contains(&r.kind)).collect() };
    out.push_str(&destinations(&of(&[Kind::Flow, Kind::FlowEnd])));
    out.push_str(&table("Effects, holds and approvals", &of(&ACTED)));
    let changed = [
        Kind::WorkspaceStage,
        Kind::WorkspaceApply,
        Kind::WorkspaceUndo,
        Kind::WorkspaceDiscard,
    ];
    out.push_str(&table("Changes", &of(&changed)));
    out.push_str(&table(
        "Processes",
        &of(&[Kind::SessionAsk, Kind::ProgramExec, Kind::ProgramExit]),
    ));
    out.push_str(&table("Limits", &of(&[Kind::LimitStruck])));
    if more > 0 {
        let _string = writeln!(out, "<p>{more} more records are not on this page.</p>");
    }
    out.push_str("</body></html>\n");
    out
}

fn facts(records: &[Record]) -> String {
    let Some(start) = records.first() else {
        return "<p>Nothing of it is there.</p>\n".to_owned();
    };
    let get = |name: &str| event::text(start, name).unwrap_or_default();
    let end = records.iter().rev().find(|r| r.kind == Kind::SessionEnd);
    let last = records.last().map_or(start.time, |r| r.time);
    let seconds = last.saturating_sub(start.time) as f64 / 1e9;
    let rows = [
        ("Command", get("command")),
        ("Directory", get("directory")),
        ("Began", Clock::of_nanos(start.time).to_string()),
        ("Took", format!("{seconds:.3} s")),
        ("Ended", end.map(event::sentence).unwrap_or_default()),
        ("Isolation", get("isolation")),
        ("Limits held by", get("enforced")),
        ("Changes", get("apply")),
        ("Presets", get("presets")),
        ("Policy, SHA-256", get("policy")),
        ("Walls, SHA-256", get("plan")),
    ];
    let mut out = "<table>".to_owned();
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _string = write!(out, "<tr><th>{name}</th><td>{}</td></tr>", html(value));
    }
    out.push_str("</table>\n");
    out
}

/// What was done at the boundary.
const ACTED: [Kind; 7] = [
    Kind::Effect,
    Kind::EffectFailed,
    Kind::CredentialUse,
    Kind::PolicyObserved,
    Kind::Hold,
    Kind::Approval,
    Kind::Grant,
];

/// Kinds that have a row of the picture, with its colour.
const LANES: [(&str, &[Kind], &str); 5] = [
    ("programs", &[Kind::ProgramExec], "#3d6fb4"),
    ("connections", &[Kind::Flow, Kind::FlowEnd], "#2f7d5b"),
    ("effects", &ACTED, "#96620a"),
    (
        "changes",
        &[
            Kind::WorkspaceStage,
            Kind::WorkspaceApply,
            Kind::WorkspaceUndo,
            Kind::WorkspaceDiscard,
        ],
        "#7a4ea3",
    ),
    ("limits", &[Kind::LimitStruck], "#b3261e"),
];

const WIDTH: u64 = 860;
const LEFT: u64 = 110;
const LANE: u64 = 26;

/// One mark a record, at its time; marks on one spot are one mark.
fn timeline(records: &[Record]) -> String {
    let first = records.first().map_or(0, |r| r.time);
    let last = records.iter().map(|r| r.time).max().unwrap_or(first);
    let span = last.saturating_sub(first).max(1);
    let height = LANE * LANES.len() as u64 + 24;
    let mut out = format!(
        "<svg viewBox=\"0 0 {} {height}\" width=\"100%\" role=\"img\" aria-label=\"what happened when\">",
        LEFT + WIDTH + 10
    );
    for (row, (name, kinds, colour)) in (0..).zip(LANES) {
        let middle = row * LANE + LANE / 2;
        let _string = write!(
            out,
            "<text x=\"0\" y=\"{}\" font-size=\"12\" font-family=\"sans-serif\">{name}</text><line x1=\"{LEFT}\" \
             x2=\"{}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"#b9c2c6\"/>",
            middle + 4,
            LEFT + WIDTH
        );
        let mut marks: BTreeMap<u64, (usize, &Record)> = BTreeMap::new();
        for record in records.iter().filter(|r| kinds.contains(&r.kind)) {
            let since = u128::from(record.time.saturating_sub(first));
            let at = LEFT + u64::try_from(since * u128::from(WIDTH) / u128::from(span)).unwrap_or(WIDTH);
            marks.entry(at).or_insert((0, record)).0 += 1;
        }
        for (at, (count, record)) in marks {
            let said: String = event::sentence(record).chars().take(120).collect();
            let more = if count > 1 {
                format!(" (and {} more)", count - 1)
            } else {
                String::new()
            };
            let _string = write!(
                out,
                "<circle cx=\"{at}\" cy=\"{middle}\" r=\"{}\" fill=\"{colour}\"><title>{}{more}</title></circle>",
                (3 + count.ilog2()).min(9),
                html(&said)
            );
        }
    }
    let seconds = span as f64 / 1e9;
    let _string = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{0}\" font-size=\"11\" font-family=\"sans-serif\">0 s</text><text x=\"{1}\" y=\"{0}\" \
         font-size=\"11\" text-anchor=\"end\" font-family=\"sans-serif\">{seconds:.3} s</text></svg>",
        height - 6,
        LEFT + WIDTH
    );
    out
}

fn class(record: &Record) -> &'static str {
    match event::text(record, "decision").as_deref() {
        Some("deny") => "deny",
        Some("hold") => "hold",
        _ => "",
    }
}

fn table(title: &str, records: &[&Record]) -> String {
    if records.is_empty() {
        return String::new();
    }
    let mut out = format!("<h2>{title}</h2>\n<table><tr><th>#</th><th>Time</th><th>Kind</th><th></th></tr>");
    for record in records.iter().take(ROWS) {
        let time = Clock::of_nanos(record.time).to_string();
        let _string = write!(
            out,
            "<tr class=\"{}\"><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            class(record),
            record.sequence,
            html(time.split('T').next_back().unwrap_or_default()),
            record.kind.name(),
            html(&event::sentence(record)),
        );
    }
    out.push_str("</table>\n");
    if let Some(more) = records.len().checked_sub(ROWS).filter(|more| *more > 0) {
        let _string = writeln!(out, "<p>And {more} more.</p>");
    }
    out
}

#[derive(Debug, Default)]
struct Destination {
    rule: String,
    count: u64,
    sent: u64,
    received: u64,
}

/// Connections by host: how many, decided how, by which rule, how many bytes.
fn destinations(flows: &[&Record]) -> String {
    let mut hosts: BTreeMap<(String, String), Destination> = BTreeMap::new();
    for flow in flows {
        let get = |name: &str| event::text(flow, name).unwrap_or_default();
        let number = |name: &str| get(name).parse::<u64>().unwrap_or(0);
        let host = match get("port") {
            port if port.is_empty() => get("host"),
            port => format!("{}:{port}", get("host")),
        };
        if flow.kind == Kind::FlowEnd {
            let at = hosts.entry((host, "allow".to_owned())).or_default();
            at.sent = at.sent.saturating_add(number("sent"));
            at.received = at.received.saturating_add(number("received"));
            continue;
        }
        let at = hosts.entry((host, get("decision"))).or_default();
        at.rule = get("rule");
        // Refusals say how often until then.
        at.count = number("times").max(at.count + u64::from(!flow.fields.contains_key("times")));
    }
    if hosts.is_empty() {
        return String::new();
    }
    let mut out =
        "<h2>Destinations</h2>\n<table><tr><th>Host</th><th>Decision</th><th>Rule</th><th>Connections</th>\
                   <th>Sent</th><th>Received</th></tr>"
            .to_owned();
    for ((host, decision), at) in hosts.iter().take(ROWS) {
        let class = if decision == "deny" { "deny" } else { "" };
        let _string = write!(
            out,
            "<tr class=\"{class}\"><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            html(host),
            html(decision),
            html(&at.rule),
            at.count,
            at.sent,
            at.received
        );
    }
    out.push_str("</table>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use fumehood_audit::Value;

    fn record(sequence: u64, kind: Kind, fields: &[(&str, Value)]) -> Record {
        Record {
            sequence,
            time: 1_000_000_000 + sequence * 1_000,
            cause: None,
            blind: [0; 16],
            kind,
            fields: fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        }
    }

    #[test]
    fn nothing_that_was_recorded_becomes_markup() {
        let hostile = "</td><script>alert(1)</script>\"'><img src=x onerror=y>&";
        let bytes = Value::Bytes(format!("{hostile}\0").into_bytes());
        let records = [
            record(0, Kind::SessionStart, &[("command", bytes.clone())]),
            record(1, Kind::ProgramExec, &[("argv", bytes.clone())]),
            record(2, Kind::Flow, &[("host", Value::Text(hostile.to_owned()))]),
            record(3, Kind::Effect, &[(hostile, Value::Text(hostile.to_owned()))]),
        ];
        let page = page(hostile, &records, 0, false, hostile);
        let tags = page.matches('<').count();
        // Every tag is one of ours.
        let ours = [
            "!doctype", "html", "/html", "head", "/head", "meta", "title", "/title", "style", "/style",
            "body", "/body", "h1", "/h1", "h2", "/h2", "p", "/p", "table", "/table", "tr", "/tr", "td",
            "/td", "th", "/th", "svg", "/svg", "text", "/text", "line", "circle", "/circle",
        ];
        let named = page.split('<').skip(1).filter(|tag| {
            let name: String = tag
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "/!".contains(*c))
                .collect();
            ours.contains(&name.as_str())
        });
        assert_eq!(named.count(), tags, "{page}");
        assert!(!page.contains("<script") && !page.contains("<img"));
        assert!(page.contains("default-src 'none'"));
    }
}
