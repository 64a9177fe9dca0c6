//! What the monitor is told of a call, and what it says: `fumehood mcp` is a session of its own, with a log and a desk.

use super::gateway::{Given, Tool, Upstream};
use crate::arguments::HoldsMode;
use crate::configuration::{Places, profile};
use crate::run::log_root;
use crate::say;
use crate::tool::result::CallResult;
use fumehood_audit::{Clock, Entry, Kind, Session, new_session_id};
use fumehood_effect::{Digest, EffectKind, Fact, Facts, Reason, Resource};
use fumehood_monitor::desk::About;
use fumehood_monitor::hold::{Mode, Settings};
use fumehood_policy::Escaped;
use fumehood_policy::profile::CommandLine;
use fumehood_session::{Asking, Called, Leave, Pinned, Standing, ToolCalls};
use fumehood_tools::Manifest;
use fumehood_tools::mcp::Asked;
use serde_json::{Map, Value, json};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Receiver;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of arguments that a person is shown.
const SHOWN: usize = 4000;

pub(super) struct Monitor(ToolCalls);

impl Monitor {
    /// Begins the session, under the rules that hold here. A byte on `frozen` says that a person froze it.
    pub(super) fn start(places: &Places, holds: HoldsMode, frozen: UnixStream) -> Result<Monitor, String> {
        let (profile, policy) = profile(places, &CommandLine::default(), OsStr::new(""), &places.folders())?;
        let project = places.project.as_os_str().as_bytes();
        let start = Entry::new(Kind::SessionStart)
            .bytes("command", b"fumehood\0mcp\0")
            .bytes("directory", places.start.as_os_str().as_bytes())
            .bytes("project", project)
            .text("isolation", "none: calls have sandboxes of their own")
            .digest("policy", policy)
            .number("uid", u64::from(fumehood_session::user_id()))
            .number("pid", u64::from(std::process::id()))
            .text("version", env!("CARGO_PKG_VERSION"));
        let session = Session {
            root: log_root(&places.state()),
            begun: Clock::now(),
            id: new_session_id().map_err(|e| format!("name the session: {e}"))?,
            start,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let about = About {
            id: session.id.to_string(),
            project: project.to_vec(),
            directory: places.start.as_os_str().as_bytes().to_vec(),
            command: b"fumehood\0mcp\0".to_vec(),
            isolation: "tools".to_owned(),
            apply: "never".to_owned(),
            pid: u64::from(std::process::id()),
            since: u64::try_from(now.as_millis()).unwrap_or(0),
            ..About::default()
        };
        let asking = Asking {
            folder: crate::holds::folder(&places.state()),
            settings: Settings {
                mode: match holds {
                    HoldsMode::Wait => Mode::Wait,
                    HoldsMode::Deny => Mode::Deny,
                },
                ..Settings::default()
            },
        };
        let calls = ToolCalls::start(&session, about, &asking, profile.network.rules.into(), frozen);
        calls.map(Monitor).map_err(|e| e.to_string())
    }

    pub(super) fn ask(&self, called: Called) -> (u64, Receiver<Standing>) {
        self.0.ask(called)
    }

    pub(super) fn gone(&self, number: u64) {
        self.0.gone(number);
    }

    /// What came of a call.
    pub(super) fn ended(&self, leave: Leave, result: &CallResult) {
        let (counts, origin, output) = result.record();
        self.0.ended(leave, counts, origin, Some(output));
    }

    /// What another's server gave.
    pub(super) fn given(&self, leave: Leave, given: &Given) {
        let counts = vec![("failed", u64::from(given.failed)), ("bytes", given.bytes)];
        self.0.ended(leave, counts, "command", Some(given.digest));
    }

    /// What another's server has beside tools.
    pub(super) fn passed(&self, leave: Leave, result: &Value) {
        let text = result.to_string();
        let counts = vec![("bytes", text.len() as u64)];
        self.0
            .ended(leave, counts, "command", Some(Digest::of(text.as_bytes())));
    }

    /// Nothing came of it.
    pub(super) fn failed(&self, leave: Leave) {
        self.0.ended(leave, Vec::new(), "fumehood", None);
    }

    /// The session is over.
    pub(super) fn over(&self) {
        if let Some(why) = self.0.over(0) {
            say::line(&format!("this session was not recorded to its end: {why}"));
        }
    }
}

/// A call of a tool of ours: what runs is bound by the digest of its definition, and that of its program.
pub(super) fn own(tool: &Manifest, program: Option<&Pinned>, arguments: &Map<String, Value>) -> Called {
    let definition = Digest::from_bytes(tool.digest());
    let class = tool.effect().to_string();
    let mut called = called("fumehood", tool.name().as_str(), definition, arguments, &class);
    if let Some((path, digest)) = program.and_then(|p| p.files().next()) {
        let path = Escaped::from(path).to_string();
        called.facts.insert("program".to_owned(), Fact::Text(path));
        called
            .facts
            .insert("program.sha256".to_owned(), Fact::Digest(digest));
    }
    called
}

/// A call of a tool of another's server.
pub(super) fn another(tool: &Tool, arguments: &Map<String, Value>) -> Called {
    let upstream = &tool.upstream;
    let system = format!("mcp:{}", upstream.name);
    let definition = Digest::from_bytes(tool.definition.digest);
    let name = &tool.definition.name;
    let mut called = called(&system, name, definition, arguments, upstream.class());
    if upstream.holds(name) {
        called.held = Some(Reason {
            why: format!("{} of the server {} waits for a person", name, upstream.name),
            rule: format!("mcp.{}.hold", upstream.name),
            remedy: "a person has to see it first".to_owned(),
        });
    }
    called
}

/// Something else that is asked of another's server.
pub(super) fn beside(upstream: &Upstream, asked: &Asked) -> Called {
    let system = format!("mcp:{}", upstream.name);
    let definition = Digest::of(asked.method.as_bytes());
    called(
        &system,
        &asked.method,
        definition,
        &asked.params,
        upstream.class(),
    )
}

/// A call, as a person is shown it and as it is digested.
fn called(
    system: &str,
    name: &str,
    definition: Digest,
    arguments: &Map<String, Value>,
    class: &str,
) -> Called {
    let canonical = Value::Object(arguments.clone()).to_string();
    let content = json!({"arguments": arguments, "definition": definition.to_string(), "tool": name});
    let mut facts = Facts::new();
    facts.insert("class".to_owned(), Fact::Text(class.to_owned()));
    facts.insert("definition".to_owned(), Fact::Digest(definition));
    let shown = fumehood_monitor::hold::ends(&canonical, SHOWN);
    facts.insert("arguments".to_owned(), Fact::Text(shown));
    Called {
        kind: EffectKind::ToolCall,
        resource: Resource {
            system: system.to_owned(),
            name: name.to_owned(),
        },
        facts,
        tier: EffectKind::ToolCall.tier(),
        content: content.to_string().into_bytes(),
        held: None,
    }
}
