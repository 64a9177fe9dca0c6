//! `fumehood policy suggest`: what a session was refused, as the narrowest rules that would let it through. It writes
//! nothing: whoever reads it decides.

use super::{Here, event, find, print};
use fumehood_audit::{Kind, Question, Record};
use fumehood_destination::other_protocol;
use fumehood_policy::json::Json;
use fumehood_policy::value::{HostName, Port};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// The most hosts that are suggested.
const HOSTS: usize = 256;
/// What a refusal says where no rule is for the host and port (`fumehood_destination::Denied`).
const NO_RULE: [&str; 2] = [
    "no rule allows this host",
    "the rule for this host is for another port",
];
/// The same for a method, after it.
const NO_METHOD: &str = ": the rule does not allow this method";

/// What could be let through, and what no rule of a host could.
#[derive(Debug, Default)]
struct Suggested {
    /// By host and port: methods that were refused, and how often in all.
    hosts: BTreeMap<(HostName, Port), (BTreeSet<String>, u64)>,
    /// Sentences.
    others: BTreeSet<String>,
}

/// Prints it; whether there was anything.
pub(super) fn suggest(here: &Here, named: Option<&str>, json: bool) -> Result<bool, String> {
    let id = find::session(here, named)?;
    let question = Question {
        kinds: vec![Kind::Flow],
        ..Question::default()
    };
    let mut found = Suggested::default();
    find::each(here, &id, &question, |record| {
        found.take(&record);
        Ok(ControlFlow::Continue(()))
    })?;
    let text = if json {
        format!("{}\n", found.json())
    } else {
        found.toml(&id)
    };
    print(&text)
}

impl Suggested {
    fn take(&mut self, record: &Record) {
        let get = |name: &str| event::text(record, name);
        if get("decision").as_deref() != Some("deny") {
            return;
        }
        let (Some(host), Some(port), Some(rule)) = (get("host"), get("port"), get("rule")) else {
            return;
        };
        let place = host
            .parse::<HostName>()
            .ok()
            .zip(port.parse().ok().and_then(Port::new));
        let Some((host, port)) = place else { return };
        // The last record of a refusal has the number of all.
        let times = get("times").and_then(|t| t.parse().ok()).unwrap_or(1);
        let method = rule.strip_suffix(NO_METHOD).filter(|m| is_method(m));
        if method.is_none() && !NO_RULE.contains(&rule.as_str()) {
            self.others.insert(format!("{host}:{port}: {rule}"));
            return;
        }
        let full = self.hosts.len() >= HOSTS;
        if full && !self.hosts.contains_key(&(host.clone(), port)) {
            return;
        }
        let (methods, seen) = self.hosts.entry((host, port)).or_default();
        methods.extend(method.map(str::to_owned));
        *seen = times.max(*seen);
    }

    fn toml(&self, id: &str) -> String {
        if self.hosts.is_empty() && self.others.is_empty() {
            return format!("session {id} was refused nothing\n");
        }
        let mut out = format!(
            "# session {id}: what it was refused, as the narrowest rules that would let it through.\n\
             # Look at each: what is allowed is allowed to whatever runs inside.\n"
        );
        if !self.hosts.is_empty() {
            out.push_str("[network]\nallow = [\n");
            for ((host, port), (methods, times)) in &self.hosts {
                let rule = rule(host, *port, methods);
                let unread = if methods.is_empty() && other_protocol(port.get()).is_some() {
                    ", passes unread"
                } else {
                    ""
                };
                out.push_str(&format!("    {rule},    # refused {times} times{unread}\n"));
            }
            out.push_str("]\n");
        }
        for other in &self.others {
            out.push_str(&format!("# not by a rule for a host: {other}\n"));
        }
        out
    }

    fn json(&self) -> Json {
        let hosts = self.hosts.iter().map(|((host, port), (methods, times))| {
            Json::Object(vec![
                ("host", Json::text(host)),
                ("port", Json::Number(port.get().into())),
                ("methods", Json::List(methods.iter().map(Json::text).collect())),
                ("times", Json::Number(*times)),
            ])
        });
        Json::Object(vec![
            ("allow", Json::List(hosts.collect())),
            ("others", Json::List(self.others.iter().map(Json::text).collect())),
        ])
    }
}

fn rule(host: &HostName, port: Port, methods: &BTreeSet<String>) -> String {
    let named = if port.get() == 443 {
        host.to_string()
    } else {
        format!("{host}:{port}")
    };
    if methods.is_empty() {
        return format!("\"{named}\"");
    }
    let methods: Vec<String> = methods.iter().map(|m| format!("\"{m}\"")).collect();
    format!("{{ host = \"{named}\", methods = [{}] }}", methods.join(", "))
}

/// One that a rule can name; others came from inside, and are no words of ours.
fn is_method(text: &str) -> bool {
    ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"].contains(&text)
}
