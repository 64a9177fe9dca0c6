//! Requests that are asked about: each is judged by its typed head, and by its body where that decides.

use crate::budget::{Share, Spent};
use crate::effects::{Said, Seen};
use crate::message::{BodyOf, FlowId, Released, STATEMENTS, ToBroker, ToGateway};
use crate::monitor::{Action, Monitor};
use crate::preview::outline;
use crate::request::{Held, Judgement, Standing, Terms, forbidden, judge, judge_remote, plain, terms};
use crate::told::Sent;
use fumehood_catalogue::{Body, Catalogue};
use fumehood_destination::Destination;
use fumehood_effect::{Effect, EffectKind};
use fumehood_http::{Denial, Length, RequestHead};
use fumehood_model::Usage;
use std::collections::{BTreeMap, HashMap};

/// How many requests may be remembered at a time, for their body, a person or a model: beyond it they are refused.
const MAX_REQUESTS: usize = 512;
/// The most bytes of bodies that are here at a time, of all requests.
const MAX_SHOWN: usize = 40 << 20;
/// How many shares of a budget are remembered.
const MAX_SHARES: usize = 4096;
/// Characters of what a provider would do that are told.
const MAX_WORDS: usize = 200;

/// Requests that are not over.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    catalogue: Option<Catalogue>,
    open: HashMap<FlowId, Open>,
    /// What of a budget was set aside for requests without an end.
    shares: BTreeMap<FlowId, (Destination, Share)>,
}

/// What stays of a body that was looked at.
#[derive(Debug)]
struct Shown {
    body: BodyOf,
    outline: Option<String>,
}

impl Shown {
    fn of(bytes: &[u8]) -> Self {
        Self {
            body: BodyOf::bytes(bytes),
            outline: outline(bytes),
        }
    }
}

#[derive(Debug)]
enum Open {
    /// Its body was asked for, at most so much of it; what is here.
    Asked(Box<RequestHead>, u64, Vec<u8>),
    /// A person is asked.
    Held(Box<RequestHead>, Shown, EffectKind),
    /// Its body goes to a model there.
    Model(Destination),
}

impl Open {
    fn shown(&self) -> usize {
        match self {
            Open::Asked(_, _, shown) => shown.len(),
            _ => 0,
        }
    }
}

impl Exchanges {
    /// The table, read when the first request comes. A test shows that the shipped one can be read.
    fn catalogue(&mut self, services: &[(String, Vec<String>)]) -> Option<&Catalogue> {
        if self.catalogue.is_none() {
            let mut shipped = Catalogue::shipped().ok()?;
            for (service, hosts) in services {
                // Of a service that no row is about there is nothing to know; a run with one does not start.
                let _unknown = shipped.set_hosts(service, hosts);
            }
            self.catalogue = Some(shipped);
        }
        self.catalogue.as_ref()
    }
}

impl Monitor {
    pub(crate) fn ask(&mut self, request: FlowId, head: RequestHead) -> Action {
        let open = &self.exchanges.open;
        if request >= STATEMENTS || open.contains_key(&request) || open.len() >= MAX_REQUESTS {
            return denied(request, Denial::new(503, "too many requests wait at a time"));
        }
        self.judged(request, head, Body::Unread)
    }

    /// The body of a request that was asked for it; of another nothing is said.
    pub(crate) fn show(&mut self, request: FlowId, body: Option<Vec<u8>>) -> Option<Action> {
        match self.exchanges.open.remove(&request)? {
            Open::Asked(head, most, mut shown) => {
                let fits = |shown: &Vec<u8>| shown.len() as u64 <= most;
                let body = body.map(|body| {
                    shown.extend_from_slice(&body);
                    shown
                });
                let body = body.filter(fits);
                Some(self.judged(request, *head, body.map_or(Body::TooLong, Body::Bytes)))
            }
            other => {
                self.exchanges.open.insert(request, other);
                None
            }
        }
    }

    /// More of a body that was asked for. One that is longer than what was asked for is given up.
    pub(crate) fn part(&mut self, request: FlowId, bytes: &[u8]) -> Option<Action> {
        let here: usize = self.exchanges.open.values().map(Open::shown).sum();
        let Some(Open::Asked(_, most, shown)) = self.exchanges.open.get_mut(&request) else {
            return None;
        };
        let fits = (shown.len() + bytes.len()) as u64 <= *most && here + bytes.len() <= MAX_SHOWN;
        if fits {
            shown.extend_from_slice(bytes);
            return None;
        }
        self.exchanges.open.remove(&request);
        Some(denied(
            request,
            Denial::new(503, "too many bytes wait to be looked at"),
        ))
    }

    fn judged(&mut self, request: FlowId, head: RequestHead, body: Body) -> Action {
        let shown = match &body {
            Body::Bytes(bytes) => Some(Shown::of(bytes)),
            _ => None,
        };
        let Some(catalogue) = self.exchanges.catalogue(&self.policy.services) else {
            let why = "the catalogue of what is hard to undo cannot be read, so nothing is sent";
            return denied(request, Denial::new(503, why));
        };
        let pushes = &self.policy.pushes;
        let session = self.session.as_ref();
        let standing = session.map(|session| Standing { session, pushes });
        let (rules, effects) = (&self.policy.rules, &self.policy.effects);
        let told = effects.mark();
        match judge(rules, effects, catalogue, &head, body, standing) {
            Judgement::Release(terms) => self.release(request, head, shown, terms, None),
            Judgement::Own(terms, effect) => self.release(request, head, shown, terms, Some(&effect)),
            Judgement::Body(most) => {
                self.policy.effects.forget(told);
                let asked = Open::Asked(Box::new(head), most, Vec::new());
                self.exchanges.open.insert(request, asked);
                Action::Gateway(ToGateway::Body { request, most })
            }
            Judgement::Hold(held) => self.hold(request, head, shown, held),
            Judgement::Deny(denial) => self.deny_request(request, &head, denial),
        }
    }

    fn hold(&mut self, request: FlowId, head: RequestHead, shown: Option<Shown>, held: Box<Held>) -> Action {
        let shown = match (shown, head.body) {
            (Some(shown), _) => shown,
            (None, Length::Empty) => Shown::of(b""),
            // Held without its bytes: it could not be compared with what is sent.
            (None, _) => return denied(request, Denial::new(403, "its body was not seen")),
        };
        self.exchanges
            .open
            .insert(request, Open::Held(Box::new(head), shown, held.kind()));
        Action::Hold(request, held)
    }

    /// What the client of a held request may be told while a person is asked. Nothing if nobody waits for it any more.
    #[must_use]
    pub fn waiting(&self, request: FlowId, words: String) -> Option<Action> {
        if request >= STATEMENTS {
            return self.waiting_statement(request, &words);
        }
        let held = matches!(self.exchanges.open.get(&request), Some(Open::Held(..)));
        held.then_some(Action::Gateway(ToGateway::Waiting { request, words }))
    }

    /// A person allowed what was held: policy is asked again, and the very bytes are released. Nothing if nobody
    /// waits for it any more.
    pub fn allowed(&mut self, request: FlowId) -> Option<Action> {
        if request >= STATEMENTS {
            return self.allowed_statement(request);
        }
        match self.exchanges.open.remove(&request)? {
            Open::Held(head, shown, kind) => Some(match self.still(&head, kind) {
                Ok(terms) => self.release(request, *head, Some(shown), terms, None),
                Err(denial) => self.deny_request(request, &head, denial),
            }),
            other => {
                self.exchanges.open.insert(request, other);
                None
            }
        }
    }

    /// What policy says now of a request that a person allowed.
    fn still(&self, head: &RequestHead, kind: EffectKind) -> Result<Terms, Denial> {
        match self
            .policy
            .effects
            .enforced(&[Seen::is(kind)], Some(&head.destination))
        {
            Some(Said::Deny(reason)) => Err(forbidden(head, reason)),
            _ => terms(&self.policy.rules, head),
        }
    }

    /// What was held is not sent. Nothing if nobody waits for it any more.
    pub fn refused(&mut self, request: FlowId, denial: Denial) -> Option<Action> {
        if request >= STATEMENTS {
            return self.refused_statement(request, &denial);
        }
        match self.exchanges.open.remove(&request)? {
            Open::Held(head, ..) => Some(self.deny_request(request, &head, denial)),
            other => {
                self.exchanges.open.insert(request, other);
                None
            }
        }
    }

    fn release(
        &mut self,
        request: FlowId,
        head: RequestHead,
        shown: Option<Shown>,
        terms: Terms,
        own: Option<&Effect>,
    ) -> Action {
        let Terms { mut most, model } = terms;
        let (body, outline) = shown.map(|shown| (shown.body, shown.outline)).unzip();
        let share = match self.afford(&head, body, most) {
            Ok(share) => share,
            Err(spent) => return self.deny_request(request, &head, over(&head, spent)),
        };
        let budget = share.as_ref().map(|(_, rule)| rule.clone());
        if let Some((share, _)) = share {
            most = Some(most.map_or(share.bytes, |most| most.min(share.bytes)));
            while self.exchanges.shares.len() >= MAX_SHARES {
                // Of one that never ended the share stays spent.
                self.exchanges.shares.pop_first();
            }
            let kept = (head.destination.clone(), share);
            self.exchanges.shares.insert(request, kept);
        }
        let sent = Sent::new(request, &head, body, model.is_some()).outlined(outline.flatten());
        self.ledger.sent(match own {
            Some(effect) => sent.of_effect(effect),
            None => sent,
        });
        if model.is_some() {
            let to = head.destination.clone();
            self.exchanges.open.insert(request, Open::Model(to));
        }
        let released = Released {
            request,
            permitted: self.permitted(&head.destination),
            // An empty body needs no comparison: its head says that there is none.
            body: body.filter(|_| head.body != Length::Empty),
            head,
            most,
            budget,
        };
        Action::Release(
            ToBroker::Send(Box::new(released)),
            ToGateway::Released { request, model },
        )
    }

    /// Counts a request before it is sent: what is known of it at once, and of what has no end yet a share.
    fn afford(
        &mut self,
        head: &RequestHead,
        body: Option<BodyOf>,
        most: Option<u64>,
    ) -> Result<Option<(Share, String)>, Spent> {
        let known = match (body, head.body) {
            (Some(body), _) => Some(body.length),
            (None, Length::Empty) => Some(0),
            (None, Length::Known(bytes)) => Some(bytes),
            (None, Length::Unknown) => None,
        };
        let to = &head.destination;
        self.budgets
            .take(to, written(head).saturating_add(known.unwrap_or(0)))?;
        if known.is_some() && !head.upgrade {
            return Ok(None);
        }
        let share = self.budgets.share(to, most)?;
        Ok(share.map(|share| (share, self.budgets.rule(to))))
    }

    /// A request that was released with a share is over: so many bytes of its body left.
    pub(crate) fn passed(&mut self, request: FlowId, bytes: u64, ended: bool) {
        let Some((to, share)) = self.exchanges.shares.remove(&request) else {
            return;
        };
        self.budgets.give_back(&share, bytes.min(share.bytes));
        if ended {
            let rule = self.budgets.rule(&to);
            let why = format!("it was ended where its share of a budget was ({rule})");
            self.ledger.refused(&to, &why);
            self.counts.block(&to, why, None);
        }
    }

    fn deny_request(&mut self, request: FlowId, head: &RequestHead, denial: Denial) -> Action {
        let named = format!(" {}: ", head.destination);
        let said = denial
            .reason
            .split_once(&named)
            .filter(|(method, _)| !method.contains(' '));
        let method = plain(&head.method);
        // The method that was judged may be one that a field put in the place of the line's own.
        let (method, why) = said.unwrap_or((&method, &denial.reason));
        self.ledger
            .refused(&head.destination, &format!("{method}: {why}"));
        let remedy = if denial.remedy.is_empty() {
            String::new()
        } else {
            format!("; {}", denial.remedy)
        };
        self.counts
            .block(&head.destination, format!("{method}: {why}{remedy}"), None);
        denied(request, denial)
    }

    pub(crate) fn remote(
        &mut self,
        question: FlowId,
        request: FlowId,
        what: &str,
        host: Option<&Destination>,
    ) -> Option<Action> {
        let Some(Open::Model(of)) = self.exchanges.open.get(&request) else {
            return None;
        };
        let what: String = what
            .chars()
            .filter(|c| c.is_ascii_graphic() || *c == ' ')
            .take(MAX_WORDS)
            .collect();
        Some(
            match judge_remote(&self.policy.rules, &self.policy.effects, of, &what, host) {
                Ok(()) => Action::Gateway(ToGateway::Permitted { question }),
                Err(denial) => {
                    self.ledger.refused(of, &denial.reason);
                    self.counts
                        .block(of, format!("{}; {}", denial.reason, denial.remedy), None);
                    denied(question, denial)
                }
            },
        )
    }

    pub(crate) fn used(&mut self, request: FlowId, usage: Usage) {
        if let Some(Open::Model(_)) = self.exchanges.open.get(&request) {
            self.counts.used(usage);
        }
    }

    pub(crate) fn done(&mut self, request: FlowId) -> Option<Action> {
        match self.exchanges.open.remove(&request)? {
            Open::Held(..) => Some(Action::Gone(request)),
            _ => None,
        }
    }
}

/// Bytes of a head, about as they are written: the request line counts too.
fn written(head: &RequestHead) -> u64 {
    let fields: usize = head.fields.iter().map(|f| f.name.len() + f.value.len() + 4).sum();
    (head.method.len() + head.target.len() + fields + 16) as u64
}

/// A budget is used up. 429 (RFC 6585 §4), which clients take for a reason to wait.
fn over(head: &RequestHead, spent: Spent) -> Denial {
    Denial {
        status: 429,
        reason: format!("{} {}: {}", plain(&head.method), head.destination, spent.why()),
        rule: spent.rule,
        remedy: "wait, or ask outside the sandbox whoever set it".to_owned(),
    }
}

fn denied(request: FlowId, denial: Denial) -> Action {
    Action::Gateway(ToGateway::Denied { request, denial })
}

#[cfg(test)]
mod tests;
