//! What is decided about each flow and how it ended, for the log. A program that tries the same refused destination
//! again and again is told of ever more rarely, so that it cannot fill a disk; what passes is told each time.

use crate::effects::Would;
use crate::message::{BodyOf, FlowId, Statement};
use fumehood_destination::Destination;
use fumehood_effect::{Digest, Effect};
use fumehood_http::RequestHead;
use std::collections::HashMap;

/// How many refused destinations are told apart; attempts to reach others are counted together.
const MAX_REFUSED: usize = 4096;

/// Something that belongs into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A flow may begin.
    Allowed {
        /// The flow, whose end follows.
        flow: FlowId,
        /// Where; none where it comes from outside to a published port.
        destination: Option<Destination>,
        /// The rule that allows it, as it was written.
        rule: String,
    },
    /// A flow was refused.
    Refused {
        /// Where it wanted to go; none where too many were refused to tell them apart.
        destination: Option<Destination>,
        /// Why, or which rule came nearest.
        rule: String,
        /// How often until now, this time included. Told at 1, 2, 4, 8 … and at the end.
        times: u64,
    },
    /// An observed rule would have held or denied something.
    Would(Box<Would>),
    /// A request that was read is sent.
    Sent(Box<Sent>),
    /// Credentials were put into a request.
    Used {
        /// Which request.
        request: FlowId,
        /// The names of the credentials.
        names: Vec<String>,
    },
    /// A request that was released was not sent, or has no whole answer.
    Failed {
        /// Which request.
        request: FlowId,
        /// Why.
        why: String,
    },
    /// A flow that was allowed is over.
    Ended {
        /// The flow.
        flow: FlowId,
        /// Where; as when it began.
        destination: Option<Destination>,
        /// How.
        how: Ending,
    },
}

/// A request that is sent. Of its target the query is not told, where clients put what is nobody's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Which request.
    pub request: FlowId,
    /// What it does, as far as its method says.
    pub kind: &'static str,
    /// Where to.
    pub destination: Destination,
    /// Its method.
    pub method: String,
    /// The beginning of its path, without a query.
    pub path: String,
    /// Of the whole target.
    pub target: Digest,
    /// Of its body, where that was read before it was sent.
    pub body: Option<BodyOf>,
    /// The outline of that body: names of its fields, and how long is what they hold.
    pub outline: Option<String>,
    /// What it does to what, where that was decoded.
    pub effect: Option<(String, Digest)>,
}

/// The longest part of a path that is told, bytes.
const PATH: usize = 512;

impl Sent {
    pub(crate) fn new(request: FlowId, head: &RequestHead, body: Option<BodyOf>, model: bool) -> Self {
        let path = head.target.split('?').next().unwrap_or_default();
        let reads = ["GET", "HEAD", "OPTIONS"].contains(&head.method.as_str());
        Self {
            request,
            kind: match (model, reads) {
                (true, _) => "model.invoke",
                (false, true) => "http.read",
                (false, false) => "http.mutate",
            },
            destination: head.destination.clone(),
            method: head.method.clone(),
            path: path.chars().take(PATH).collect(),
            target: Digest::of(head.target.as_bytes()),
            body,
            outline: None,
            effect: None,
        }
    }

    pub(crate) fn outlined(self, outline: Option<String>) -> Self {
        Self { outline, ..self }
    }

    /// A statement to a database.
    pub(crate) fn of_statement(to: &Destination, statement: &Statement) -> Self {
        Self {
            request: statement.request,
            kind: statement.kind.name(),
            destination: to.clone(),
            method: "SQL".to_owned(),
            path: statement.names.chars().take(PATH).collect(),
            target: statement.content,
            body: None,
            effect: None,
            outline: None,
        }
    }

    /// The same, of which is known what it does.
    pub(crate) fn of_effect(self, effect: &Effect) -> Self {
        Self {
            kind: effect.kind.name(),
            effect: Some((effect.resource.name.clone(), effect.digest())),
            ..self
        }
    }
}

/// How a flow that was allowed ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its connection was made, and closed.
    Closed {
        /// Bytes that left.
        sent: u64,
        /// Bytes that came back.
        received: u64,
    },
    /// There was no connection.
    Failed(String),
    /// The sandbox ended first: how many bytes passed nobody knows.
    Cut,
}

/// What waits to be told.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    waiting: Vec<Told>,
    refused: HashMap<(Destination, String), u64>,
    others: u64,
}

impl Ledger {
    pub(crate) fn allowed(&mut self, flow: FlowId, destination: Option<Destination>, rule: &str) {
        let rule = rule.to_owned();
        self.waiting.push(Told::Allowed {
            flow,
            destination,
            rule,
        });
    }

    pub(crate) fn ended(&mut self, flow: FlowId, destination: Option<Destination>, how: Ending) {
        self.waiting.push(Told::Ended {
            flow,
            destination,
            how,
        });
    }

    pub(crate) fn sent(&mut self, sent: Sent) {
        self.waiting.push(Told::Sent(Box::new(sent)));
    }

    pub(crate) fn used(&mut self, request: FlowId, names: Vec<String>) {
        self.waiting.push(Told::Used { request, names });
    }

    pub(crate) fn failed(&mut self, request: FlowId, why: String) {
        self.waiting.push(Told::Failed { request, why });
    }

    pub(crate) fn refused(&mut self, destination: &Destination, why: &str) {
        let key = (destination.clone(), why.to_owned());
        let known = self.refused.len() < MAX_REFUSED || self.refused.contains_key(&key);
        if !known {
            self.others += 1;
            self.waiting
                .extend(rarely(self.others).then(|| others(self.others)));
            return;
        }
        let times = self.refused.entry(key).or_default();
        *times += 1;
        let told = rarely(*times).then(|| refused(destination, why, *times));
        self.waiting.extend(told);
    }

    /// What was not told yet.
    pub(crate) fn take(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.waiting)
    }

    /// Nothing follows: attempts that were not told yet are.
    pub(crate) fn close(&mut self) {
        let mut left: Vec<_> = self
            .refused
            .drain()
            .filter(|(_, times)| !rarely(*times))
            .collect();
        left.sort();
        let left = left.iter().map(|((to, why), times)| refused(to, why, *times));
        self.waiting.extend(left);
        if self.others > 0 && !rarely(self.others) {
            self.waiting.push(others(self.others));
        }
    }
}

const fn rarely(times: u64) -> bool {
    times.is_power_of_two()
}

fn refused(destination: &Destination, why: &str, times: u64) -> Told {
    Told::Refused {
        destination: Some(destination.clone()),
        rule: why.to_owned(),
        times,
    }
}

fn others(times: u64) -> Told {
    Told::Refused {
        destination: None,
        rule: format!("more than {MAX_REFUSED} destinations were refused; these are counted together"),
        times,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(text: &str) -> Destination {
        Destination::authority(text.as_bytes(), None).unwrap()
    }

    fn times(told: &[Told]) -> Vec<u64> {
        let times = |told: &Told| match told {
            Told::Refused { times, .. } => Some(*times),
            _ => None,
        };
        told.iter().filter_map(times).collect()
    }

    /// A flood costs the log no more than the logarithm of its length, and is counted to the end.
    #[test]
    fn a_flood_is_told_rarely_and_to_its_end() {
        let mut ledger = Ledger::default();
        (0..1000).for_each(|_| ledger.refused(&to("evil.example:443"), "no"));
        assert_eq!(times(&ledger.take()), [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        ledger.close();
        assert_eq!(times(&ledger.take()), [1000]);
    }

    #[test]
    fn of_too_many_destinations_the_number_is_told() {
        let mut ledger = Ledger::default();
        for n in 0..MAX_REFUSED + 5 {
            ledger.refused(&to(&format!("n{n}.example:443")), "no");
        }
        let told = ledger.take();
        assert_eq!(told.len(), MAX_REFUSED + 3, "1, 2 and 4 of the others");
        ledger.close();
        let last = ledger.take();
        assert!(
            matches!(
                last.as_slice(),
                [Told::Refused {
                    destination: None,
                    times: 5,
                    ..
                }]
            ),
            "{last:?}"
        );
    }
}
