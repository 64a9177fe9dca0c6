//! `fumehood audit export`: records for other programs.
//!
//! `--otel` is the JSON form of OTLP log records (opentelemetry-proto, logs/v1; protobuf's JSON mapping: 64-bit
//! numbers are strings). `--ocsf` gives events of OCSF 1.8's classes where one fits, and otherwise
//! Application Lifecycle; what OCSF has no place for is in `unmapped`.

use super::arguments::ExportArguments;
use super::{Here, event, find, print};
use fumehood_audit::{Kind, Question, Record, Value};
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;
use std::ops::ControlFlow;

/// Prints every record of the sessions asked for.
pub(super) fn export(here: &Here, arguments: &ExportArguments) -> Result<bool, String> {
    let ids = match &arguments.session {
        Some(named) => vec![find::session(here, Some(named))?],
        None => find::all(here),
    };
    let form = match arguments {
        ExportArguments { otel: true, .. } => otel,
        ExportArguments { ocsf: true, .. } => ocsf,
        _ => event::json,
    };
    let mut open = true;
    for id in &ids {
        find::each(here, id, &Question::default(), |record| {
            if arguments.session.is_none() && find::is_of_index(id, &record) {
                return Ok(ControlFlow::Continue(()));
            }
            open = print(&format!("{}\n", form(id, &record)))?;
            Ok(if open {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        if !open {
            break;
        }
    }
    Ok(true)
}

fn is(record: &Record, name: &str, value: &str) -> bool {
    event::text(record, name).is_some_and(|text| text == value)
}

/// One line of OTLP JSON: a request with one log record, which a collector's file receiver takes.
fn otel(session: &str, record: &Record) -> String {
    let denied = is(record, "decision", "deny") || is(record, "decision", "hold");
    // SeverityNumber: INFO 9, WARN 13.
    let (severity, number) = if denied { ("WARN", 13) } else { ("INFO", 9) };
    let value = |json: Json| match json {
        Json::Number(number) => format!("{{\"intValue\":\"{number}\"}}"),
        Json::Bool(flag) => format!("{{\"boolValue\":{flag}}}"),
        Json::Text(text) => format!("{{\"stringValue\":{}}}", Json::Text(text)),
        other => format!("{{\"stringValue\":{}}}", Json::text(other)),
    };
    let attribute = |(name, json): (String, Json)| {
        let name = Json::text(name);
        format!("{{\"key\":{name},\"value\":{}}}", value(json))
    };
    let mut attributes = vec![
        ("session.id".to_owned(), Json::text(session)),
        ("fumehood.sequence".to_owned(), Json::Number(record.sequence)),
    ];
    attributes.extend(
        record
            .cause
            .map(|cause| ("fumehood.cause".to_owned(), Json::Number(cause))),
    );
    let fields = record.fields.iter();
    attributes.extend(fields.map(|(name, value)| (format!("fumehood.{name}"), event::value_json(value))));
    let attributes: Vec<String> = attributes.into_iter().map(attribute).collect();
    format!(
        "{{\"resourceLogs\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\"value\":{{\"stringValue\":\
         \"fumehood\"}}}}]}},\"scopeLogs\":[{{\"scope\":{{\"name\":\"fumehood.audit\"}},\"logRecords\":[{{\
         \"timeUnixNano\":\"{}\",\"severityNumber\":{number},\"severityText\":\"{severity}\",\"eventName\":{},\
         \"body\":{{\"stringValue\":{}}},\"attributes\":[{}]}}]}}]}}]}}",
        record.time,
        Json::text(format!("fumehood.{}", record.kind.name())),
        Json::text(event::sentence(record)),
        attributes.join(","),
    )
}

/// The machine's name: the log has none, and lies where it was written. Of what type it is nobody says (0).
fn machine() -> &'static str {
    static NAME: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    NAME.get_or_init(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = Escaped::from(name.trim()).to_string();
        if name.is_empty() {
            "localhost".to_owned()
        } else {
            name
        }
    })
}

/// What its class wants of an event beside what all have (tests/steps/66-log-exports.sh holds it against the schema).
fn required(class: u64, session: &str, record: &Record) -> String {
    let number = |name: &str| {
        let number = event::text(record, name).and_then(|number| number.parse().ok());
        Json::Number(number.unwrap_or_default())
    };
    let get = |name: &str| Json::text(event::text(record, name).unwrap_or_default());
    let uid = Json::text(session);
    let process = format!("\"process\":{{\"pid\":{}}}", number("parent"));
    let who = format!(
        ",\"actor\":{{{process},\"session\":{{\"uid\":{uid}}}}},\"device\":{{\"type_id\":0,\"hostname\":{}}}",
        Json::text(machine())
    );
    match class {
        1001 => format!(
            "{who},\"file\":{{\"name\":{0},\"path\":{0},\"type_id\":2}}",
            get("project")
        ),
        1007 => format!(
            "{who},\"process\":{{\"pid\":{},\"cmd_line\":{}}}",
            number("pid"),
            get("argv")
        ),
        3005 => format!(
            ",\"user\":{{\"uid\":{}}},\"privileges\":[{}]",
            get("peer.uid"),
            get("card")
        ),
        4001 => format!(",\"src_endpoint\":{{\"uid\":{uid}}}"),
        6002 => ",\"app\":{\"name\":\"fumehood\",\"vendor_name\":\"fumehood\"}".to_owned(),
        6003 => format!(
            ",\"actor\":{{\"session\":{{\"uid\":{uid}}}}},\"api\":{{\"operation\":{}}},\"src_endpoint\":{{\"uid\":{uid}}}",
            get("kind")
        ),
        _ => String::new(),
    }
}

/// Category, class and activity (schema.ocsf.io 1.8).
struct Class {
    category: u64,
    class: u64,
    activity: u64,
}

fn class(record: &Record) -> Class {
    let (category, class, activity) = match record.kind {
        Kind::ProgramExec => (1, 1007, 1), // Process Activity: Launch
        Kind::ProgramExit => (1, 1007, 2), // Process Activity: Terminate
        Kind::Flow if is(record, "decision", "deny") => (4, 4001, 5), // Network Activity: Refuse
        Kind::Flow => (4, 4001, 1),        // Network Activity: Open
        Kind::FlowEnd if record.fields.contains_key("error") => (4, 4001, 4), // Network Activity: Fail
        Kind::FlowEnd => (4, 4001, 2),     // Network Activity: Close
        Kind::Effect | Kind::EffectFailed | Kind::CredentialUse | Kind::PolicyObserved | Kind::Hold => {
            (6, 6003, 99)
        } // API Activity: Other
        Kind::Approval | Kind::Grant => (3, 3005, 1), // User Access Management: Assign Privileges
        Kind::WorkspaceStage | Kind::WorkspaceApply | Kind::WorkspaceUndo => (1, 1001, 3), // File System Activity: Update
        Kind::WorkspaceDiscard => (1, 1001, 4), // File System Activity: Delete
        Kind::SessionStart => (6, 6002, 3),     // Application Lifecycle: Start
        Kind::SessionEnd => (6, 6002, 4),       // Application Lifecycle: Stop
        _ => (6, 6002, 99),                     // Application Lifecycle: Other
    };
    Class {
        category,
        class,
        activity,
    }
}

fn ocsf(session: &str, record: &Record) -> String {
    let Class {
        category,
        class,
        activity,
    } = class(record);
    let denied = is(record, "decision", "deny");
    let mut out = format!(
        "{{\"time\":{},\"category_uid\":{category},\"class_uid\":{class},\"activity_id\":{activity},\"type_uid\":{},\
         \"severity_id\":{},\"status_id\":{},\"message\":{},\"metadata\":{{\"version\":\"1.8.0\",\"uid\":{},\"sequence\":{},\
         \"product\":{{\"name\":\"fumehood\",\"vendor_name\":\"fumehood\"}}}}",
        record.time / 1_000_000,
        class * 100 + activity,
        if denied { 3 } else { 1 },
        if denied { 2 } else { 1 },
        Json::text(event::sentence(record)),
        Json::text(event::name(session, record)),
        record.sequence,
    );
    out.push_str(&required(class, session, record));
    if let (4001, Some(host)) = (class, event::text(record, "host")) {
        let port = event::text(record, "port").and_then(|port| port.parse().ok());
        let port = Json::Number(port.unwrap_or_default());
        out.push_str(&format!(
            ",\"dst_endpoint\":{{\"hostname\":{},\"port\":{port}}}",
            Json::text(host)
        ));
    }
    if let (Kind::FlowEnd, Some(Value::Number(sent)), Some(Value::Number(received))) = (
        record.kind,
        record.fields.get("sent"),
        record.fields.get("received"),
    ) {
        out.push_str(&format!(
            ",\"traffic\":{{\"bytes_out\":{sent},\"bytes_in\":{received}}}"
        ));
    }
    let fields = record.fields.iter();
    let fields: Vec<String> = fields
        .map(|(name, value)| format!("{}:{}", Json::text(name), event::value_json(value)))
        .collect();
    out.push_str(&format!(",\"unmapped\":{{{}}}}}", fields.join(",")));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a test of its own: an event of each kind in each form, for readers that are not ours
    /// (tests/steps/66-log-exports.sh).
    #[test]
    #[ignore = "samples for the readers"]
    fn samples() {
        let Some(folder) = std::env::var_os("FUMEHOOD_EXPORT_SAMPLES") else {
            return;
        };
        let text = |text: &str| Value::Text(text.to_owned());
        let digest = Value::Digest(fumehood_effect::Digest::of(b"x"));
        let all = [
            ("argv", Value::Bytes(b"sh\0-c\0\xff\0".to_vec())),
            ("card", digest.clone()),
            ("decision", text("allow")),
            ("effect", digest),
            ("host", text("a\u{1b}\".example")),
            ("kind", text("git.ref.force")),
            ("nested", Value::Flag(true)),
            ("parent", Value::Number(1)),
            ("peer.uid", Value::Number(1000)),
            ("pid", Value::Number(7)),
            ("port", Value::Number(443)),
            ("project", Value::Bytes(b"/home/x/p".to_vec())),
            ("received", Value::Number(7)),
            ("sent", Value::Number(u64::MAX >> 1)),
        ];
        // As they come, and with nothing: what a class wants is there all the same.
        let fields = [Vec::from(all), Vec::new()];
        for (name, form) in [
            ("otel", otel as fn(&str, &Record) -> String),
            ("ocsf", ocsf),
            ("jsonl", event::json),
        ] {
            let mut out = String::new();
            for (at, kind) in Kind::ALL.iter().enumerate() {
                for fields in &fields {
                    let record = Record {
                        sequence: at as u64,
                        time: 1_800_000_000_000_000_000,
                        cause: Some(0),
                        blind: [0; 16],
                        kind: *kind,
                        fields: fields.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect(),
                    };
                    out.push_str(&form("20261127-000000000-abcd", &record));
                    out.push('\n');
                }
            }
            std::fs::write(std::path::Path::new(&folder).join(name), out).unwrap();
        }
    }
}
