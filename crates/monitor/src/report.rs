//! What a run's network did, for the one who started it.

use fumehood_destination::Destination;
use fumehood_model::Usage;
use std::collections::BTreeMap;

/// How many destinations are told apart; of more, only the number is known.
const MAX_LINES: usize = 256;

/// Something that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Where it wanted to go.
    pub destination: Destination,
    /// Why not, to be read after a colon.
    pub why: String,
    /// Whether a rule could allow it: the exact words for `--allow`.
    pub allow: Option<String>,
    /// Whether it was allowed, and did not answer.
    pub failed: bool,
    /// How often.
    pub times: u64,
}

/// Bytes that passed and that nobody read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Where.
    pub destination: Destination,
    /// Connections.
    pub times: u64,
    /// Bytes that left.
    pub sent: u64,
    /// Bytes that came back.
    pub received: u64,
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was refused, by destination and reason.
    pub blocked: Vec<Blocked>,
    /// What passed unread, by destination.
    pub tunnels: Vec<Tunnel>,
    /// Refusals beyond those listed.
    pub more: u64,
    /// Tokens that models' answers say were used.
    pub tokens: Usage,
    /// Credentials that were put into requests, and into how many.
    pub credentials: BTreeMap<String, u64>,
    /// Which process died, taking the network with it.
    pub lost: Option<&'static str>,
}

/// Counts, bounded.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    blocked: BTreeMap<(Destination, String), Blocked>,
    tunnels: BTreeMap<Destination, Tunnel>,
    more: u64,
    tokens: Usage,
    credentials: BTreeMap<String, u64>,
}

impl Counts {
    pub(crate) fn block(&mut self, destination: &Destination, why: String, allow: Option<String>) {
        self.add(destination, why, allow, false);
    }

    pub(crate) fn fail(&mut self, destination: &Destination, why: String) {
        self.add(destination, why, None, true);
    }

    fn add(&mut self, destination: &Destination, why: String, allow: Option<String>, failed: bool) {
        let key = (destination.clone(), why.clone());
        if let Some(known) = self.blocked.get_mut(&key) {
            known.times += 1;
        } else if self.blocked.len() < MAX_LINES {
            let one = Blocked {
                destination: destination.clone(),
                why,
                allow,
                failed,
                times: 1,
            };
            self.blocked.insert(key, one);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn tunnel(&mut self, destination: &Destination, sent: u64, received: u64) {
        let room = self.tunnels.len() < MAX_LINES || self.tunnels.contains_key(destination);
        if !room {
            return;
        }
        let empty = || Tunnel {
            destination: destination.clone(),
            times: 0,
            sent: 0,
            received: 0,
        };
        let tunnel = self.tunnels.entry(destination.clone()).or_insert_with(empty);
        tunnel.times += 1;
        tunnel.sent = tunnel.sent.saturating_add(sent);
        tunnel.received = tunnel.received.saturating_add(received);
    }

    pub(crate) fn used(&mut self, usage: Usage) {
        self.tokens.input = self.tokens.input.saturating_add(usage.input);
        self.tokens.output = self.tokens.output.saturating_add(usage.output);
    }

    pub(crate) fn credential(&mut self, name: &str) {
        if self.credentials.len() < MAX_LINES || self.credentials.contains_key(name) {
            *self.credentials.entry(name.to_owned()).or_default() += 1;
        }
    }

    pub(crate) fn report(&self) -> Report {
        Report {
            blocked: self.blocked.values().cloned().collect(),
            tunnels: self.tunnels.values().cloned().collect(),
            more: self.more,
            tokens: self.tokens,
            credentials: self.credentials.clone(),
            lost: None,
        }
    }
}
