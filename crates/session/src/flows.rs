//! The network's connections in the log: each when it is decided, with the rule, and when it is over, with its bytes.

use crate::log::Log;
use fumehood_audit::{Entry, Kind, Ticket};
use fumehood_monitor::{Ending, FlowId, Sent, Told, Would};
use fumehood_policy::value::Decide;
use std::collections::{BTreeMap, HashMap};

/// Connections whose end is still to be recorded.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    open: HashMap<FlowId, Ticket>,
    /// Records of requests that were sent: what becomes of them names them. The newest of them, by their numbers.
    sent: BTreeMap<FlowId, Ticket>,
    /// Records of releases, of requests that are about to be sent.
    released: HashMap<FlowId, Ticket>,
}

impl Flows {
    /// A request is sent because of this.
    pub(crate) fn released(&mut self, request: FlowId, by: Ticket) {
        self.released.insert(request, by);
    }

    /// Records what the monitor told.
    pub(crate) fn record(&mut self, told: Vec<Told>, log: &mut Log) {
        for told in told {
            // What a session does is done by its command, if nothing nearer led to it.
            let entry = entry(&told).caused_by(Ticket::START);
            match told {
                Told::Allowed { flow, .. } => {
                    let ticket = log.record(entry);
                    self.open.extend(ticket.map(|ticket| (flow, ticket)));
                }
                Told::Refused { .. } | Told::Would(_) => drop(log.record(entry)),
                Told::Sent(sent) => {
                    let by = self.released.remove(&sent.request);
                    let ticket = log.record(entry.caused_by(by.unwrap_or(Ticket::START)));
                    self.sent.extend(ticket.map(|ticket| (sent.request, ticket)));
                    if self.sent.len() > REMEMBERED {
                        self.sent.pop_first();
                    }
                }
                Told::Used { request, .. } | Told::Failed { request, .. } => {
                    let led = self.sent.get(&request).copied();
                    log.record(entry.caused_by(led.unwrap_or(Ticket::START)));
                }
                Told::Ended { flow, .. } => {
                    let entry = match self.open.remove(&flow) {
                        Some(begun) => entry.caused_by(begun),
                        None => entry,
                    };
                    log.record(entry);
                }
            }
        }
    }
}

/// Of how many requests the records are remembered.
const REMEMBERED: usize = 4096;

fn entry(told: &Told) -> Entry {
    let (entry, destination) = match told {
        Told::Allowed {
            destination, rule, ..
        } => {
            let entry = Entry::new(Kind::Flow)
                .text("decision", "allow")
                .text("rule", rule);
            (entry, destination)
        }
        Told::Refused {
            destination,
            rule,
            times,
        } => {
            let entry = Entry::new(Kind::Flow).text("decision", "deny").text("rule", rule);
            (entry.number("times", *times), destination)
        }
        Told::Sent(sent) => return request(sent),
        Told::Would(would) => return observed(would),
        Told::Used { names, .. } => return Entry::new(Kind::CredentialUse).text("names", names.join(" ")),
        Told::Failed { why, .. } => return Entry::new(Kind::EffectFailed).text("error", why),
        Told::Ended { destination, how, .. } => (ended(how), destination),
    };
    match destination {
        Some(to) => entry.text("host", &to.host).number("port", to.port.get().into()),
        None => entry,
    }
}

/// What an observed rule would have said.
pub(crate) fn observed(would: &Would) -> Entry {
    let entry = Entry::new(Kind::PolicyObserved)
        .text(
            "decision",
            match would.decide {
                Decide::Hold => "would hold",
                Decide::Deny => "would deny",
            },
        )
        .text("kind", would.kind)
        .text("rule", &would.reason.rule)
        .text("why", &would.reason.why);
    match &would.to {
        Some(to) => entry.text("host", &to.host).number("port", to.port.get().into()),
        None => entry,
    }
}

fn request(sent: &Sent) -> Entry {
    let to = &sent.destination;
    let entry = Entry::new(Kind::Effect)
        .text("kind", sent.kind)
        .text("decision", "allow")
        .text("host", &to.host)
        .number("port", to.port.get().into())
        .text("method", &sent.method)
        .text("path", &sent.path)
        .digest("target.digest", sent.target);
    let entry = match &sent.effect {
        Some((name, digest)) => entry.text("name", name).digest("effect", *digest),
        None => entry,
    };
    let entry = match &sent.outline {
        Some(outline) => entry.text("body.outline", outline),
        None => entry,
    };
    match &sent.body {
        Some(body) => entry
            .digest("body.digest", body.digest)
            .number("body.length", body.length),
        None => entry,
    }
}

fn ended(how: &Ending) -> Entry {
    let entry = Entry::new(Kind::FlowEnd);
    match how {
        Ending::Closed { sent, received } => entry.number("sent", *sent).number("received", *received),
        Ending::Failed(why) => entry.text("error", why),
        Ending::Cut => entry.flag("cut", true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fumehood_audit::Client;

    /// The end of a connection names its beginning, and nothing is kept of one that is over.
    #[test]
    fn an_end_names_its_beginning() {
        let (client, _writer) = Client::pair().unwrap();
        let mut log = Log::of_client(client);
        let mut flows = Flows::default();
        let rule = "example.com".to_owned();
        let begun = Told::Allowed {
            flow: 7,
            destination: None,
            rule,
        };
        flows.record(vec![begun], &mut log);
        assert_eq!(flows.open.len(), 1);
        let (flow, how) = (7, Ending::Cut);
        let over = Told::Ended {
            flow,
            destination: None,
            how,
        };
        flows.record(vec![over], &mut log);
        assert!(flows.open.is_empty() && log.failure().is_none());
    }
}
