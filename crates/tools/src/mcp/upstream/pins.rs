//! What of a server's tools a person has seen: by name and digest. What is another is not offered until it is looked at
//! (hostile input 65: a tool whose words change once it is trusted).

use super::definition::Definition;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Version of the file.
const VERSION: u64 = 1;

/// Why a file of pins is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file of pins does not read ({0}); remove it to begin anew, and look at what is offered then")]
pub struct PinsError(String);

/// The tools of one server that are offered, as they were when a person agreed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pins {
    tools: BTreeMap<String, Value>,
}

/// How a tool stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It is what it was.
    Pinned,
    /// It was not there.
    New,
    /// It was this.
    Changed(Value),
}

impl Pins {
    /// Reads the file.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(bytes: &[u8]) -> Result<Pins, PinsError> {
        let guarded = crate::guard::guard_at_most(bytes, super::MAX_MESSAGE);
        let value = guarded.map_err(|e| PinsError(e.to_string()))?.into_value();
        if value.get("version").and_then(Value::as_u64) != Some(VERSION) {
            return Err(PinsError("another version".to_owned()));
        }
        let Some(Value::Object(tools)) = value.get("tools") else {
            return Err(PinsError("no tools".to_owned()));
        };
        Ok(Pins {
            tools: tools.clone().into_iter().collect(),
        })
    }

    /// The file.
    #[must_use]
    pub fn text(&self) -> String {
        let tools: Map<String, Value> = self.tools.clone().into_iter().collect();
        format!("{}\n", json!({"version": VERSION, "tools": tools}))
    }

    /// The first time: all of them.
    #[must_use]
    pub fn first(tools: &[Definition]) -> Pins {
        let mut pins = Pins::default();
        tools.iter().for_each(|tool| pins.pin(tool));
        pins
    }

    /// How a tool stands.
    #[must_use]
    pub fn standing(&self, tool: &Definition) -> Standing {
        match self.tools.get(&tool.name) {
            Some(pinned) if *pinned == tool.whole => Standing::Pinned,
            Some(pinned) => Standing::Changed(pinned.clone()),
            None => Standing::New,
        }
    }

    /// A person has seen it.
    pub fn pin(&mut self, tool: &Definition) {
        self.tools.insert(tool.name.clone(), tool.whole.clone());
    }
}
