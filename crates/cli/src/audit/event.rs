//! One record for people and for programs.

use fumehood_audit::{Clock, Kind, Record, Value};
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;

/// `SESSION:NUMBER`
pub(super) fn name(session: &str, record: &Record) -> String {
    format!("{session}:{}", record.sequence)
}

/// One JSON object: the record with all its fields.
pub(super) fn json(session: &str, record: &Record) -> String {
    let mut out = format!(
        "{{\"session\":{},\"sequence\":{},\"time\":{},\"kind\":{}",
        Json::text(session),
        record.sequence,
        Json::text(Clock::of_nanos(record.time)),
        Json::text(record.kind.name()),
    );
    if let Some(cause) = record.cause {
        out.push_str(&format!(",\"cause\":{cause}"));
    }
    let fields = record.fields.iter();
    let fields: Vec<String> = fields
        .map(|(name, value)| format!("{}:{}", Json::text(name), value_json(value)))
        .collect();
    out.push_str(&format!(",\"fields\":{{{}}}}}", fields.join(",")));
    out
}

/// A value: bytes that are no text are written as base64, in an object that says so.
pub(super) fn value_json(value: &Value) -> Json {
    match value {
        Value::Text(text) => Json::text(text),
        Value::Number(number) => Json::Number(*number),
        Value::Flag(flag) => Json::Bool(*flag),
        Value::Digest(digest) => Json::text(digest),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Json::text(text),
            Err(_) => Json::Object(vec![("base64", Json::Text(base64(bytes)))]),
        },
    }
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let number = three
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0usize, |n, b| n << 8 | usize::from(*b));
        for at in 0..4 {
            let digit = DIGITS.get(number >> (18 - 6 * at) & 63).copied().unwrap_or(b'=');
            out.push(if at > three.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

/// A field as a text, escaped.
pub(super) fn text(record: &Record, name: &str) -> Option<String> {
    Some(match record.fields.get(name)? {
        Value::Text(text) => Escaped::from(text.as_str()).to_string(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Digest(digest) => digest.to_string(),
        Value::Bytes(bytes) => words(bytes),
    })
}

/// Bytes in which each word ends with a NUL byte, as a line; other bytes as they are, escaped.
fn words(bytes: &[u8]) -> String {
    let Some(bytes) = bytes.strip_suffix(b"\0") else {
        return Escaped::bytes(bytes).to_string();
    };
    let words = bytes.split(|b| *b == 0).map(|word| {
        let shown = Escaped::bytes(word).to_string();
        if shown.is_empty() || shown.contains(' ') {
            format!("'{shown}'")
        } else {
            shown
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What the record says, in a line. Fields that no sentence here knows are listed.
pub(super) fn sentence(record: &Record) -> String {
    let get = |name: &str| text(record, name).unwrap_or_default();
    match record.kind {
        Kind::SessionStart => format!("{} in {}", get("command"), get("directory")),
        Kind::SessionEnd if record.fields.contains_key("error") => format!("failed: {}", get("error")),
        Kind::SessionEnd => format!("status {}, by {}", get("status"), get("origin")),
        Kind::LimitStruck => format!("the limit of {} was reached", get("limit")),
        Kind::ProgramExec => format!("[{}] {}{}", get("pid"), get("argv"), became(record)),
        Kind::ProgramExit if record.fields.contains_key("pid") => {
            let (status, signal) = (text(record, "status"), text(record, "signal"));
            let how = status.map(|status| format!("status {status}"));
            let how = how.or(signal.map(|signal| format!("signal {signal}")));
            format!("[{}] ended: {}", get("pid"), how.unwrap_or_default())
        }
        Kind::Flow | Kind::FlowEnd => flow(record),
        Kind::Effect if record.fields.contains_key("method") => format!(
            "{} {} {} {}:{}{}",
            get("decision"),
            get("kind"),
            get("method"),
            get("host"),
            get("port"),
            get("path")
        ),
        Kind::PolicyObserved => observed(record),
        Kind::CredentialUse => format!("credentials in the request: {}", get("names")),
        Kind::EffectFailed => format!("not sent, or without an answer: {}", get("error")),
        Kind::WorkspaceApply | Kind::WorkspaceUndo | Kind::WorkspaceDiscard => changed(record),
        Kind::WorkspaceBoth => format!("{} was changed here and inside", get("path")),
        Kind::Terminal if get("what") == "begin" => "what the terminal shows is recorded".to_owned(),
        Kind::Terminal if !record.fields.contains_key("digest") => {
            format!("the recording of the terminal broke off: {}", get("ended"))
        }
        Kind::Terminal => format!(
            "the recording of the terminal is over ({}): {} bytes, {} secrets taken out, SHA-256 {}",
            get("ended"),
            get("bytes"),
            get("replaced"),
            get("digest")
        ),
        Kind::WorkspaceStage => format!("{} changes wait in {}", get("changes"), get("workspace")),
        _ => listed(record),
    }
}

/// How a program ended that was over when it was recorded; well is not worth a word.
fn became(record: &Record) -> String {
    match (text(record, "status").as_deref(), text(record, "signal")) {
        (None | Some("0"), None) => String::new(),
        (Some(status), _) => format!(" \u{2192} status {status}"),
        (None, Some(signal)) => format!(" \u{2192} signal {signal}"),
    }
}

/// Changes that landed, were taken back, or were forgotten; the first of their paths.
fn changed(record: &Record) -> String {
    const PATHS: usize = 6;
    let get = |name: &str| text(record, name).unwrap_or_default();
    let mut out = match record.kind {
        Kind::WorkspaceApply => format!("apply {}: {} paths", get("apply"), get("paths")),
        Kind::WorkspaceUndo => format!("apply {} taken back: {} paths", get("apply"), get("paths")),
        _ => format!("{} changes of {} forgotten", get("paths"), get("workspace")),
    };
    if let Some(Value::Bytes(list)) = record.fields.get("list").filter(|_| get("paths") != "0") {
        let mut entries = list.split(|b| *b == 0).filter(|entry| !entry.is_empty());
        let first: Vec<String> = entries.by_ref().take(PATHS).map(entry).collect();
        let more = if entries.next().is_some() { ", …" } else { "" };
        out.push_str(&format!(": {}{more}", first.join(", ")));
    }
    out
}

/// `put SHA-256 PATH` with a short digest.
fn entry(entry: &[u8]) -> String {
    let mut words = entry.splitn(3, |b| *b == b' ');
    match (words.next(), words.next(), words.next()) {
        (Some(b"put"), Some(digest), Some(path)) => {
            let digest = digest.get(..12).unwrap_or(digest);
            format!("put {} ({})", Escaped::bytes(path), Escaped::bytes(digest))
        }
        _ => Escaped::bytes(entry).to_string(),
    }
}

/// A connection: where, and by which rule, or how it ended.
fn flow(record: &Record) -> String {
    let get = |name: &str| text(record, name);
    let at = match (get("host"), get("port")) {
        (Some(host), Some(port)) if host.contains(':') => format!("[{host}]:{port}"),
        (Some(host), Some(port)) => format!("{host}:{port}"),
        _ if get("decision").as_deref() == Some("deny") => "other destinations".to_owned(),
        _ => "from outside".to_owned(),
    };
    let rule = get("rule").unwrap_or_default();
    match (
        get("decision").as_deref(),
        get("error"),
        get("sent"),
        get("received"),
    ) {
        (Some("deny"), ..) => match get("times").filter(|times| times != "1") {
            Some(times) => format!("deny {at}: {rule} ({times} times until now)"),
            None => format!("deny {at}: {rule}"),
        },
        (Some(decision), ..) => format!("{decision} {at}: rule {rule}"),
        (_, Some(why), ..) => format!("no connection to {at}: {why}"),
        (_, _, Some(sent), Some(received)) => format!("{at}: {sent} bytes out, {received} in"),
        _ => format!("{at}: cut off, nobody knows how many bytes passed"),
    }
}

/// What a rule would have done, and what it is about.
fn observed(record: &Record) -> String {
    let get = |name: &str| text(record, name);
    let to = match (get("host"), get("port")) {
        (Some(host), Some(port)) => format!(" to {host}:{port}"),
        _ => String::new(),
    };
    let word = |name| get(name).unwrap_or_default();
    format!("{} {}{to}: {}", word("decision"), word("kind"), word("rule"))
}

fn listed(record: &Record) -> String {
    // The weightiest first; the rest by name.
    const FIRST: [&str; 6] = ["decision", "effect", "host", "port", "rule", "who"];
    let first = FIRST.iter().filter(|name| record.fields.contains_key(**name));
    let rest = record.fields.keys().map(String::as_str);
    let rest = rest.filter(|name| !FIRST.contains(name));
    let parts = first.copied().chain(rest).filter_map(|name| {
        let value = text(record, name)?;
        let name = Escaped::from(name);
        Some(if name.to_string() == "decision" {
            value
        } else {
            format!("{name}={value}")
        })
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// A line of a table.
pub(super) fn line(session: &str, record: &Record) -> String {
    let time = Clock::of_nanos(record.time).to_string();
    format!(
        "{time}  {:<26}  {:<16}  {}\n",
        name(session, record),
        record.kind.name(),
        sentence(record)
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_is_that_of_the_rfc() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in vectors {
            assert_eq!(super::base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_connection_is_told_with_its_rule_and_its_bytes() {
        use fumehood_audit::{Kind, Record, Value};
        let text = |text: &str| Value::Text(text.to_owned());
        let told = |kind, fields: &[(&str, Value)]| {
            super::sentence(&Record {
                sequence: 0,
                time: 0,
                cause: None,
                blind: [0; 16],
                kind,
                fields: fields.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect(),
            })
        };
        let (host, port) = (("host", text("a.example")), ("port", Value::Number(443)));
        let decided = |decision, times| {
            let fields = [
                host.clone(),
                port.clone(),
                ("decision", text(decision)),
                ("rule", text("r")),
                ("times", Value::Number(times)),
            ];
            told(Kind::Flow, &fields)
        };
        assert_eq!(decided("allow", 1), "allow a.example:443: rule r");
        assert_eq!(decided("deny", 1), "deny a.example:443: r");
        assert_eq!(decided("deny", 4), "deny a.example:443: r (4 times until now)");
        let (sent, received) = (("sent", Value::Number(1)), ("received", Value::Number(2)));
        let ended = told(Kind::FlowEnd, &[host.clone(), port.clone(), sent, received]);
        assert_eq!(ended, "a.example:443: 1 bytes out, 2 in");
        let failed = told(Kind::FlowEnd, &[host, port, ("error", text("gone"))]);
        assert_eq!(failed, "no connection to a.example:443: gone");
    }

    #[test]
    fn words_are_shown_apart_and_escaped() {
        assert_eq!(super::words(b"sh\0-c\0a b\0\0"), "sh -c 'a b' ''");
        assert!(!super::words(b"\x1b[2J\0").contains('\x1b'));
    }
}
