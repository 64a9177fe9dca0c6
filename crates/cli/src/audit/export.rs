//! `fumehood audit export`: records for other programs.
//!
//! `--otel` is the JSON form of OTLP log records (opentelemetry-proto, logs/v1; protobuf's JSON mapping: 64-bit
//! numbers are strings). `--ocsf` gives events of OCSF 1.8's classes where one fits, and otherwise
//! Application Lifecycle; what OCSF has no place for is in `unmapped`.

use super::arguments::ExportArguments;
use super::{Here, event, find, print};
use fumehood_audit::{Kind, Question, Record, Value};
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
        Kind::Effect | Kind::Hold => (6, 6003, 99), // API Activity: Other
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
    if class == 1007 {
        let get = |name: &str| Json::text(event::text(record, name).unwrap_or_default());
        let pid = event::text(record, "pid").and_then(|pid| pid.parse().ok());
        let pid = Json::Number(pid.unwrap_or_default());
        out.push_str(&format!(
            ",\"process\":{{\"pid\":{pid},\"cmd_line\":{},\"session\":{{\"uid\":{}}}}}",
            get("argv"),
            Json::text(session)
        ));
    }
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
