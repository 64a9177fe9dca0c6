//! Decides about flows and requests: a message in, actions out. No I/O.

use crate::budget::{Budgets, Share};
use crate::effects::{Effects, Said, Seen, connecting, unread};
use crate::exchanges::Exchanges;
use crate::message::{DialError, FlowId, FromBroker, FromGateway, MAX_ADDRESSES, ToBroker, ToGateway};
use crate::pushes::Pushes;
use crate::report::{Counts, Report};
use crate::request::Held;
use crate::statements::{Database, Statements};
use crate::told::{Ending, Ledger, Told};
use fumehood_destination::{Access, Class, Denied, Destination, Rules, class};
use fumehood_effect::{EffectKind, Reason, SessionId};
use fumehood_http::Denial;
use fumehood_policy::profile::BytesOut;
use fumehood_policy::value::{HostName, Port};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many flows may be open at a time: beyond it they are refused. The gateway keeps to less by itself.
const MAX_FLOWS: usize = 1024;

/// What is allowed.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Allow rules.
    pub rules: Rules,
    /// Ports of this machine's loopback that appear on the sandbox's.
    pub host: Vec<Port>,
    /// Which pushes fly.
    pub pushes: Pushes,
    /// Rules on effects, which narrow all this.
    pub effects: Effects,
    /// How much may leave.
    pub bytes_out: Vec<BytesOut>,
    /// Databases whose connections are read.
    pub databases: Vec<Database>,
    /// Further hosts of services that the catalogue knows: a name, and patterns.
    pub services: Vec<(String, Vec<String>)>,
}

impl Policy {
    /// Whether nothing can be reached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.host.is_empty() && self.databases.is_empty()
    }
}

/// What is to be done about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell the gateway. With [`ToGateway::Tunnel`] goes the descriptor that came from the broker, with
    /// [`ToGateway::Inside`] one of the sandbox's.
    Gateway(ToGateway),
    /// Release.
    Broker(ToBroker),
    /// Release to the broker first, then tell the gateway.
    Release(ToBroker, ToGateway),
    /// The descriptor that came from the gateway goes to the broker, with this.
    Lane(ToBroker),
    /// Ask a person about this request; [`Monitor::allowed`] or [`Monitor::refused`] is the answer.
    Hold(FlowId, Box<Held>),
    /// Whoever waited for a person's answer about this request is gone.
    Gone(FlowId),
    /// Ask the sandbox for a socket, for this flow.
    Inside(FlowId),
}

/// The reference monitor of one session's network.
#[derive(Debug)]
pub struct Monitor {
    pub(crate) policy: Policy,
    /// Whose branches are its own.
    pub(crate) session: Option<SessionId>,
    flows: HashMap<FlowId, Flow>,
    pub(crate) exchanges: Exchanges,
    pub(crate) counts: Counts,
    pub(crate) ledger: Ledger,
    pub(crate) budgets: Budgets,
    pub(crate) statements: Statements,
}

#[derive(Debug)]
struct Flow {
    destination: Option<Destination>,
    open: bool,
    /// What of a budget was set aside for it.
    share: Option<Share>,
    /// How it was let through: unread, or request by request.
    unread: bool,
    /// It is one to a database.
    database: bool,
}

/// The rule of what comes from outside.
const PUBLISHED: &str = "a published port";

impl Monitor {
    /// Begins with what is allowed.
    #[must_use]
    pub fn new(policy: Policy) -> Monitor {
        Monitor {
            budgets: Budgets::new(policy.bytes_out.clone()),
            policy,
            session: None,
            flows: HashMap::new(),
            exchanges: Exchanges::default(),
            counts: Counts::default(),
            ledger: Ledger::default(),
            statements: Statements::default(),
        }
    }

    /// Says whose network it is.
    #[must_use]
    pub fn of_session(mut self, session: Option<SessionId>) -> Monitor {
        self.session = session;
        self
    }

    /// Changes what is allowed, at once: flows that no rule lets through any more, or not in the same way, are cut.
    /// Requests of those that go on are judged by the new rules.
    pub fn set_rules(&mut self, rules: Rules) -> Vec<Action> {
        self.policy.rules = rules;
        let still = |flow: &Flow| {
            let outside = |to: &&Destination| !is_loopback(&to.host) && !flow.database;
            let Some(to) = flow.destination.as_ref().filter(outside) else {
                return true;
            };
            let decision = self.policy.rules.connect(to);
            let unread = decision.rule.map(|rule| matches!(rule.access(), Access::Tunnel));
            decision.verdict.is_ok() && unread == Some(flow.unread)
        };
        let mut over: Vec<FlowId> = self
            .flows
            .iter()
            .filter(|(_, flow)| !still(flow))
            .map(|(id, _)| *id)
            .collect();
        over.sort_unstable();
        over.into_iter().map(|flow| self.cut(flow)).collect()
    }

    /// One that is not connected yet is refused; of one that is, the gateway says how much passed.
    fn cut(&mut self, flow: FlowId) -> Action {
        let known = self.flows.get(&flow);
        let dialling = known.is_some_and(|f| f.unread && !f.open);
        if let Some(to) = known.and_then(|f| f.destination.clone()) {
            let why = "the rule that let it through is gone";
            self.ledger.refused(&to, why);
            self.counts.block(&to, why.to_owned(), Some(words(&to)));
        }
        if !dialling {
            return Action::Gateway(ToGateway::Cut { flow });
        }
        let cut = self.flows.remove(&flow);
        if let Some(cut) = cut {
            self.ledger.ended(flow, cut.destination, Ending::Cut);
            if let Some(share) = &cut.share {
                self.budgets.give_back(share, 0);
            }
        }
        let denial = Denial::new(403, "the rule that let it through is gone");
        Action::Gateway(ToGateway::Refused { flow, denial })
    }

    /// Whether rules may be widened while the session runs.
    ///
    /// # Errors
    /// A rule on effects speaks against it.
    pub fn may_widen(&self) -> Result<(), Reason> {
        let grant = [
            Seen::is(EffectKind::GrantCreate),
            Seen::is(EffectKind::PolicyChange),
        ];
        match self.policy.effects.said(&grant, None) {
            Some(Said::Hold(_, _, reason) | Said::Deny(reason)) => Err(reason),
            None => Ok(()),
        }
    }

    /// Whether a port of the sandbox may be made reachable, and reached: not where a rule denies it or would have somebody
    /// asked, since nobody is asked about each connection.
    ///
    /// # Errors
    /// The rule, and its reason.
    pub fn may_publish(&self) -> Result<(), Reason> {
        match self
            .policy
            .effects
            .said(&[Seen::is(EffectKind::NetPublish)], None)
        {
            Some(Said::Hold(_, _, reason) | Said::Deny(reason)) => Err(reason),
            None => Ok(()),
        }
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.policy.rules
    }

    /// Says what time it is, on a clock that does not go back: before a message is handed in.
    pub fn at(&mut self, now: std::time::Duration) {
        self.budgets.at(now);
    }

    /// How many flows are open.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.flows.len()
    }

    /// What happened so far.
    #[must_use]
    pub fn report(&self) -> Report {
        self.counts.report()
    }

    /// What belongs into the log since this was asked last, in order.
    pub fn told(&mut self) -> Vec<Told> {
        let mut told = self.ledger.take();
        let would = self.policy.effects.would();
        told.extend(would.into_iter().map(|would| Told::Would(Box::new(would))));
        told
    }

    /// The network is gone: flows that are open are cut, and nothing follows.
    pub fn close(&mut self) {
        let mut left: Vec<_> = self.flows.drain().collect();
        left.sort_by_key(|(flow, _)| *flow);
        for (flow, cut) in left {
            self.ledger.ended(flow, cut.destination, Ending::Cut);
        }
        self.ledger.close();
    }

    /// What the gateway claims. A number used twice, or never given, is answered with nothing: an honest
    /// gateway does not send it.
    pub fn from_gateway(&mut self, message: FromGateway) -> Option<Action> {
        match message {
            FromGateway::Open { flow, destination } => self.open(flow, destination),
            FromGateway::Enter { flow } => {
                self.begin(flow, None)?;
                if let Err(why) = self.may_publish() {
                    let ended = Ending::Failed(format!("{} ({})", why.why, why.rule));
                    self.ledger.ended(flow, None, ended);
                    return Some(self.refuse(flow, Denial::new(403, why.why)));
                }
                self.ledger.allowed(flow, None, PUBLISHED);
                Some(Action::Inside(flow))
            }
            FromGateway::Broken { destination, why } => {
                self.ledger.refused(&destination, &why.to_string());
                self.counts.block(&destination, why.to_string(), None);
                None
            }
            FromGateway::Closed { flow, sent, received } => {
                let ended = self.flows.remove(&flow)?;
                if let Some(share) = &ended.share {
                    self.budgets.give_back(share, sent);
                }
                let how = Ending::Closed { sent, received };
                self.ledger.ended(flow, ended.destination.clone(), how);
                if let (Some(destination), true) = (ended.destination, ended.open) {
                    self.counts.tunnel(&destination, sent, received);
                }
                None
            }
            FromGateway::Ask { request, head } => Some(self.ask(request, *head)),
            FromGateway::Part { request, bytes } => self.part(request, &bytes),
            FromGateway::Show { request, body } => self.show(request, body),
            FromGateway::Remote {
                question,
                request,
                what,
                host,
            } => self.remote(question, request, &what, host.as_ref()),
            FromGateway::Used { request, usage } => {
                self.used(request, usage);
                None
            }
            FromGateway::Done { request } => self.done(request),
            FromGateway::Lane => Some(Action::Lane(ToBroker::Lane)),
            FromGateway::Database { flow } => self.serve_database(flow),
        }
    }

    fn begin(&mut self, flow: FlowId, destination: Option<Destination>) -> Option<()> {
        if self.flows.contains_key(&flow) || self.flows.len() >= MAX_FLOWS {
            return None;
        }
        let begun = Flow {
            destination,
            open: false,
            share: None,
            unread: false,
            database: false,
        };
        self.flows.insert(flow, begun);
        Some(())
    }

    fn open(&mut self, flow: FlowId, destination: Destination) -> Option<Action> {
        if self.begin(flow, Some(destination.clone())).is_none() {
            self.ledger.refused(
                &destination,
                "too many connections at a time, or a number used twice",
            );
            let denial = Denial::new(503, "too many connections at a time");
            return Some(Action::Gateway(ToGateway::Refused { flow, denial }));
        }
        if self.database(&destination).is_some() {
            return self.connect_database(flow, &destination);
        }
        if is_loopback(&destination.host) {
            return Some(self.open_host_port(flow, destination));
        }
        let decision = self.policy.rules.connect(&destination);
        let allowed = match (decision.verdict, decision.rule) {
            (Ok(()), Some(rule)) => Ok((rule.to_string(), matches!(rule.access(), Access::Tunnel))),
            (Err(why), _) => Err(why),
            (Ok(()), None) => Err(Denied::Host),
        };
        Some(match allowed {
            Err(why) => self.deny(flow, &destination, &why),
            Ok((rule, false)) => match self.spoken_against(&connecting(&destination), &destination) {
                Some(why) => self.forbid(flow, &destination, &why),
                None => {
                    self.ledger.allowed(flow, Some(destination), &rule);
                    Action::Gateway(ToGateway::Inspect { flow })
                }
            },
            Ok((rule, true)) => {
                let permitted = self.permitted(&destination);
                self.dial(flow, destination, &rule, permitted)
            }
        })
    }

    /// What is said on it is read, so only the connection itself is judged here.
    fn connect_database(&mut self, flow: FlowId, destination: &Destination) -> Option<Action> {
        if let Some(why) = self.spoken_against(&connecting(destination), destination) {
            return Some(self.forbid(flow, destination, &why));
        }
        let most = match (self.budgets.share(destination, None), self.flows.get_mut(&flow)) {
            (Err(spent), _) => {
                let why = Reason {
                    why: spent.why(),
                    rule: spent.rule,
                    remedy: "wait, or ask whoever set it".to_owned(),
                };
                return Some(self.forbid(flow, destination, &why));
            }
            (Ok(share), Some(begun)) => {
                let most = share.as_ref().map(|share| share.bytes);
                (begun.share, begun.database) = (share, true);
                most
            }
            (Ok(_), None) => None,
        };
        self.open_database(flow, destination, most)
    }

    /// Where a flow leads that is one to a database.
    pub(crate) fn serving(&self, flow: FlowId) -> Option<Destination> {
        let flow = self.flows.get(&flow).filter(|f| f.database)?;
        flow.destination.clone()
    }

    fn open_host_port(&mut self, flow: FlowId, destination: Destination) -> Action {
        if !self.policy.host.contains(&destination.port) {
            return self.deny(flow, &destination, &Denied::Port);
        }
        let rule = words(&destination);
        let permitted = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        self.dial(flow, destination, &rule, permitted)
    }

    /// Bytes are going to pass unread.
    fn dial(&mut self, flow: FlowId, destination: Destination, rule: &str, permitted: Vec<IpAddr>) -> Action {
        if let Some(why) = self.spoken_against(&unread(&destination), &destination) {
            return self.forbid(flow, &destination, &why);
        }
        match (self.budgets.share(&destination, None), self.flows.get_mut(&flow)) {
            (Err(spent), _) => {
                let why = Reason {
                    why: spent.why(),
                    rule: spent.rule,
                    remedy: "wait, or ask whoever set it".to_owned(),
                };
                return self.forbid(flow, &destination, &why);
            }
            (Ok(share), Some(begun)) => {
                begun.share = share;
                begun.unread = true;
            }
            (Ok(_), None) => {}
        }
        self.ledger.allowed(flow, Some(destination.clone()), rule);
        Action::Broker(ToBroker::Dial {
            flow,
            destination,
            permitted,
        })
    }

    /// By a rule on effects. A connection waits for nobody: what is to be held is refused.
    fn spoken_against(&self, seen: &[Seen], destination: &Destination) -> Option<Reason> {
        match self.policy.effects.said(seen, Some(destination))? {
            Said::Deny(reason) => Some(reason),
            Said::Hold(_, _, reason) => Some(Reason {
                why: format!("{}, and a connection cannot wait for a person", reason.why),
                ..reason
            }),
        }
    }

    fn forbid(&mut self, flow: FlowId, destination: &Destination, why: &Reason) -> Action {
        let text = format!("{} ({})", why.why, why.rule);
        self.ledger.refused(destination, &text);
        self.counts
            .block(destination, format!("{text}; {}", why.remedy), None);
        let denial = Denial {
            status: 403,
            reason: format!("{destination}: {}", why.why),
            rule: why.rule.clone(),
            remedy: why.remedy.clone(),
        };
        self.refuse(flow, denial)
    }

    /// Addresses that may be dialled for a destination though they are not of the Internet.
    pub(crate) fn permitted(&self, destination: &Destination) -> Vec<IpAddr> {
        let mut permitted = self.policy.rules.addresses(destination.port);
        permitted.truncate(MAX_ADDRESSES);
        permitted
    }

    fn deny(&mut self, flow: FlowId, destination: &Destination, why: &Denied) -> Action {
        self.ledger.refused(destination, &why.to_string());
        self.counts
            .block(destination, why.to_string(), Some(words(destination)));
        let remedy = format!("outside the sandbox: fumehood run --allow {}", words(destination));
        self.refuse(
            flow,
            Denial::new(403, format!("{destination}: {why}")).remedy(remedy),
        )
    }

    fn refuse(&mut self, flow: FlowId, denial: Denial) -> Action {
        self.flows.remove(&flow);
        Action::Gateway(ToGateway::Refused { flow, denial })
    }

    /// What the broker answers. For a flow that is no longer open: nothing, and what came with it is
    /// closed.
    pub fn from_broker(&mut self, message: &FromBroker) -> Option<Action> {
        match message {
            FromBroker::Connected { flow, .. } => {
                let known = self.flows.get_mut(flow).filter(|f| !f.open)?;
                known.open = true;
                Some(Action::Gateway(ToGateway::Tunnel {
                    flow: *flow,
                    most: known.share.as_ref().map(|share| share.bytes),
                }))
            }
            FromBroker::Failed { flow, why } => {
                let known = self.flows.get(flow).filter(|f| !f.open)?;
                let destination = known.destination.clone();
                if let Some(share) = &known.share {
                    self.budgets.give_back(share, 0);
                }
                self.ledger
                    .ended(*flow, destination.clone(), Ending::Failed(why.to_string()));
                let status = if matches!(why, DialError::Address(_)) {
                    403
                } else {
                    502
                };
                let to = destination
                    .as_ref()
                    .map_or_else(String::new, |to| format!("{to}: "));
                let denial = Denial::new(status, format!("{to}{why}"));
                if let Some(destination) = destination {
                    self.failed(&destination, *why);
                }
                Some(self.refuse(*flow, denial))
            }
            FromBroker::Unreached { destination, why } => {
                self.failed(destination, *why);
                None
            }
            FromBroker::Statement(statement) => self.statement((**statement).clone()),
            FromBroker::StatementGone(request) => self.statement_gone(*request),
            FromBroker::Passed { request, bytes, over } => {
                self.passed(*request, *bytes, *over);
                None
            }
            FromBroker::Used { request, names } => {
                let shown = |name: &String| fumehood_policy::Escaped::from(name.as_str()).to_string();
                let names: Vec<String> = names.iter().map(shown).collect();
                names.iter().for_each(|name| self.counts.credential(name));
                self.ledger.used(*request, names);
                None
            }
            FromBroker::Undone { request, why } => {
                let why = fumehood_policy::Escaped::from(why.as_str()).to_string();
                self.ledger.failed(*request, why);
                None
            }
            FromBroker::Withheld { destination, why } => {
                // The broker reads what servers send: its words are shown as anybody's.
                let why = fumehood_policy::Escaped::from(why.as_str()).to_string();
                self.ledger.refused(destination, &why);
                self.counts.block(destination, why, None);
                None
            }
        }
    }

    fn failed(&mut self, destination: &Destination, why: DialError) {
        match why {
            DialError::Address(address) => {
                self.ledger.refused(destination, &why.to_string());
                let words = to_address(address, destination.port);
                self.counts.block(destination, why.to_string(), words);
            }
            _ => self.counts.fail(destination, why.to_string()),
        }
    }

    /// The sandbox gave a socket for a flow, or could not.
    pub fn inside(&mut self, flow: FlowId, given: bool) -> Option<Action> {
        let known = self.flows.get_mut(&flow).filter(|f| !f.open)?;
        known.open = true;
        Some(if given {
            Action::Gateway(ToGateway::Inside { flow })
        } else {
            let why = "the sandbox gave no socket".to_owned();
            self.ledger.ended(flow, None, Ending::Failed(why.clone()));
            self.refuse(flow, Denial::new(503, why))
        })
    }
}

pub(crate) fn is_loopback(host: &HostName) -> bool {
    match host {
        HostName::Name(name) => name == "localhost",
        HostName::Address(address) => address.is_loopback(),
    }
}

/// What to write after `--allow`.
fn words(destination: &Destination) -> String {
    let Destination { host, port } = destination;
    if is_loopback(host) {
        format!("localhost:{port}")
    } else if port.get() == 443 {
        host.to_string()
    } else {
        destination.to_string()
    }
}

/// The words that name an address; none for those that no rule can name.
fn to_address(address: IpAddr, port: Port) -> Option<String> {
    let host = HostName::Address(address);
    let nobody = matches!(
        class(address),
        Class::Loopback | Class::Unspecified | Class::Multicast
    );
    (!nobody).then(|| words(&Destination { host, port }))
}

#[cfg(test)]
mod tests;
