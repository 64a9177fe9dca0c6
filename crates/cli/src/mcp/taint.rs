//! What a session has read, and what its user said: by both a call is held that no rule names.

use super::gateway::Tool;
use fumehood_effect::{Fact, Reason};
use fumehood_session::Called;
use fumehood_tools::provenance::{Words, unsaid};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of values that a person is shown.
const SHOWN: usize = 1000;

/// Labels only grow: what was read is not unread.
pub(super) struct Taint {
    words: Words,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    /// Whose words came in that are not the user's.
    untrusted: BTreeSet<String>,
    /// Whose words came in that are not for everybody.
    private: BTreeSet<String>,
}

impl Taint {
    pub(super) fn new(words: Words) -> Taint {
        Taint {
            words,
            read: Mutex::default(),
        }
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something came from there.
    pub(super) fn came(&self, from: &str, private: bool) {
        let mut read = self.read();
        read.untrusted.insert(from.to_owned());
        if private {
            read.private.insert(from.to_owned());
        }
    }

    /// A call of another's tool: values that nobody said, and the rule of two.
    pub(super) fn look(&self, mut called: Called, tool: &Tool, arguments: &Map<String, Value>) -> Called {
        let unsaid = unsaid(arguments, tool.upstream.sinks(&tool.definition.name), &self.words);
        if !unsaid.is_empty() {
            let values = fumehood_monitor::hold::ends(&unsaid.join("; "), SHOWN);
            called.facts.insert("not.said".to_owned(), Fact::Text(values));
            held(&mut called, "values that the user did not say", "mcp sinks");
        }
        self.two(called, tool.upstream.class() == "outward")
    }

    /// Untrusted words, private ones, and something that leaves: never all three without a person.
    pub(super) fn two(&self, mut called: Called, outward: bool) -> Called {
        let read = self.read();
        for (name, from) in [("untrusted", &read.untrusted), ("private", &read.private)] {
            if !from.is_empty() {
                let all: Vec<&str> = from.iter().map(String::as_str).collect();
                called
                    .facts
                    .insert(format!("read.{name}"), Fact::Text(all.join(" ")));
            }
        }
        if outward && !read.untrusted.is_empty() && !read.private.is_empty() {
            drop(read);
            held(
                &mut called,
                "it reaches out, and the session has read what is private and what is not the user's",
                "rule of two",
            );
        }
        called
    }
}

fn held(called: &mut Called, why: &str, rule: &str) {
    let (before, of) = called.held.take().map_or_else(Default::default, |r| {
        (format!("{}; ", r.why), format!("{}, ", r.rule))
    });
    called.held = Some(Reason {
        why: format!("{before}{why}"),
        rule: format!("{of}{rule}"),
        remedy: "a person has to see it first".to_owned(),
    });
}
