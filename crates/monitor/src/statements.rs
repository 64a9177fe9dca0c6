//! Statements to databases: which fly, with which bound, and which wait for a person.

use crate::effects::{Said as Ruled, Seen};
use crate::hold::Requirement;
use crate::message::{FlowId, OpenDatabase, STATEMENTS, Said, Statement, ToBroker, ToGateway};
use crate::monitor::{Action, Monitor};
use crate::request::Held;
use crate::told::Sent;
use fumehood_destination::Destination;
use fumehood_effect::{Effect, EffectKind, Fact, Facts, Reason, Resource};
use fumehood_http::Denial;
use fumehood_policy::config::PostgresVerdicts;
use fumehood_policy::value::Verdict;
use std::collections::HashMap;
use std::net::IpAddr;

/// How many rows one statement of a session's ordinary work may change or delete.
pub const ORDINARY: u64 = 100;
/// How many it may add: what is added is easily found and taken away again.
pub const ORDINARY_ADDED: u64 = 10_000;
/// How many statements may wait at a time.
const MAX_WAITING: usize = 64;
/// Characters of a statement that are shown.
const SHOWN: usize = 2000;

/// A database whose connections are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// What the configuration calls it.
    pub name: String,
    /// Where it listens.
    pub destination: Destination,
    /// As whom; anybody, where none is named.
    pub user: Option<String>,
    /// Which database.
    pub database: String,
    /// What is to happen to statements.
    pub on: PostgresVerdicts,
    /// Who says so: a place in a file.
    pub origin: String,
}

impl Database {
    /// Whether it is this machine's.
    #[must_use]
    pub fn is_here(&self) -> bool {
        crate::monitor::is_loopback(&self.destination.host)
    }

    /// Whether a destination is this one, whichever of this machine's names it has.
    fn is_at(&self, to: &Destination) -> bool {
        let here = self.is_here() && crate::monitor::is_loopback(&to.host);
        self.destination == *to || (here && self.destination.port == to.port)
    }
}

/// Statements that wait for a person.
#[derive(Debug, Default)]
pub(crate) struct Statements(HashMap<FlowId, Statement>);

impl Monitor {
    /// The database behind a destination, if one is named there.
    pub(crate) fn database(&self, to: &Destination) -> Option<&Database> {
        self.policy.databases.iter().find(|d| d.is_at(to))
    }

    /// A connection to a database: where addresses of this machine are meant, it is this machine's.
    pub(crate) fn open_database(
        &mut self,
        flow: FlowId,
        to: &Destination,
        most: Option<u64>,
    ) -> Option<Action> {
        let database = self.database(to)?;
        let rule = format!("postgres.{} of {}", database.name, database.origin);
        self.ledger.allowed(flow, Some(to.clone()), &rule);
        Some(Action::Gateway(ToGateway::Database { flow, most }))
    }

    /// The gateway serves a client of it: the other end goes to the broker.
    pub(crate) fn serve_database(&mut self, flow: FlowId) -> Option<Action> {
        let to = self.serving(flow)?;
        let database = self.database(&to)?;
        let reads = self
            .policy
            .effects
            .all(&[Seen::is(EffectKind::SqlRead)], Some(&to));
        let open = OpenDatabase {
            flow,
            permitted: self.permitted_of_database(&to),
            name: database.name.clone(),
            user: database.user.clone(),
            database: database.database.clone(),
            ask_reads: reads.is_some() || !matches!(database.on.read, None | Some(Verdict::Allow)),
            destination: to,
        };
        Some(Action::Lane(ToBroker::Database(Box::new(open))))
    }

    fn permitted_of_database(&self, to: &Destination) -> Vec<IpAddr> {
        if crate::monitor::is_loopback(&to.host) {
            return vec![
                IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
                IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
            ];
        }
        self.permitted(to)
    }

    /// The broker asks about a statement.
    pub(crate) fn statement(&mut self, statement: Statement) -> Option<Action> {
        let request = statement.request;
        let to = self.serving(statement.flow)?;
        let known = &self.statements.0;
        if request < STATEMENTS || known.contains_key(&request) {
            return None;
        }
        let Some(database) = self.database(&to) else {
            return Some(no(
                request,
                Denial::new(403, "its database is not allowed any more"),
            ));
        };
        let of_kind = match statement.kind {
            EffectKind::SqlRead => database.on.read,
            EffectKind::SqlWrite => database.on.write,
            EffectKind::SqlDdl => database.on.ddl,
            EffectKind::SqlDestroy => database.on.destroy,
            _ => None,
        };
        let rule = format!("postgres.{} of {}", database.name, database.origin);
        let bound = bound(&statement);
        let fits = statement
            .rows
            .is_none_or(|rows| bound.is_none_or(|most| rows <= most));
        let remedy = "ask for it outside the sandbox".to_owned();
        let own = match of_kind {
            Some(Verdict::Deny) => {
                let why = format!("{} is denied: {}", statement.kind, statement.why);
                return Some(self.deny_statement(&to, request, Reason { why, rule, remedy }));
            }
            Some(Verdict::Allow) => Ok(None),
            None if statement.ordinary && fits => Ok(bound),
            None | Some(Verdict::Hold) => Err(()),
        };
        let ruled = self.policy.effects.said(&seen(statement.kind), Some(&to));
        let why = reason(&statement, rule);
        match (ruled, own) {
            (Some(Ruled::Deny(reason)), _) => Some(self.deny_statement(&to, request, reason)),
            (None, Ok(most)) => {
                self.tell_statement(&to, &statement);
                Some(go(request, most))
            }
            (Some(Ruled::Hold(_, requirement, reason)), _) => {
                Some(self.hold_statement(&to, statement, requirement, reason))
            }
            (None, Err(())) => Some(self.hold_statement(&to, statement, Requirement::default(), why)),
        }
    }

    fn hold_statement(
        &mut self,
        to: &Destination,
        statement: Statement,
        by: Requirement,
        why: Reason,
    ) -> Action {
        let request = statement.request;
        if statement.countable && statement.rows.is_none() {
            return Action::Broker(ToBroker::Statement(request, Said::Count));
        }
        if self.statements.0.len() >= MAX_WAITING {
            return no(request, Denial::new(503, "too many statements wait at a time"));
        }
        let Some(effect) = self.effect_of(to, &statement) else {
            return no(
                request,
                Denial::new(403, format!("{}; nobody can be asked in this run", why.why)),
            );
        };
        self.statements.0.insert(request, statement);
        Action::Hold(request, Box::new(Held::of(effect, why).only_by(by)))
    }

    fn effect_of(&self, to: &Destination, statement: &Statement) -> Option<Effect> {
        let database = self.database(to)?;
        let mut facts = Facts::new();
        let mut text = |name: &str, text: String| facts.insert(name.to_owned(), Fact::Text(text));
        text("statement", crate::hold::ends(&statement.text, SHOWN));
        text("user", statement.user.clone());
        match statement.rows {
            Some(rows) => drop(facts.insert("rows".to_owned(), Fact::Number(rows))),
            None => drop(text("rows", "not counted".to_owned())),
        }
        Some(Effect {
            kind: statement.kind,
            resource: Resource {
                // In one spelling, whichever of this machine's addresses was dialled.
                system: format!("postgres://{}/{}", database.destination, database.database),
                name: if statement.names.is_empty() {
                    "what is not known".to_owned()
                } else {
                    statement.names.clone()
                },
            },
            facts,
            tier: statement.kind.tier(),
            content: statement.content,
            session: self.session.clone()?,
        })
    }

    fn deny_statement(&mut self, to: &Destination, request: FlowId, why: Reason) -> Action {
        self.ledger.refused(to, &why.why);
        self.counts
            .block(to, format!("{}; {}", why.why, why.remedy), None);
        let Reason {
            why: reason,
            rule,
            remedy,
        } = why;
        no(
            request,
            Denial {
                status: 403,
                reason,
                rule,
                remedy,
            },
        )
    }

    fn tell_statement(&mut self, to: &Destination, statement: &Statement) {
        let sent = Sent::of_statement(to, statement);
        self.ledger.sent(match self.effect_of(to, statement) {
            Some(effect) => sent.of_effect(&effect),
            None => sent,
        });
    }

    /// A person allowed it: rules are asked again, and the very statement is released, with the rows that were shown
    /// as its bound.
    pub(crate) fn allowed_statement(&mut self, request: FlowId) -> Option<Action> {
        let statement = self.statements.0.remove(&request)?;
        let Some(to) = self.serving(statement.flow) else {
            return Some(no(request, Denial::new(403, "its connection is over")));
        };
        if let Some(Ruled::Deny(reason)) = self.policy.effects.enforced(&seen(statement.kind), Some(&to)) {
            return Some(self.deny_statement(&to, request, reason));
        }
        self.tell_statement(&to, &statement);
        let most = statement.rows.filter(|_| statement.bounded);
        Some(go(request, most))
    }

    pub(crate) fn refused_statement(&mut self, request: FlowId, denial: &Denial) -> Option<Action> {
        let statement = self.statements.0.remove(&request)?;
        if let Some(to) = self.serving(statement.flow) {
            self.ledger.refused(&to, &denial.reason);
            self.counts
                .block(&to, format!("{}; {}", denial.reason, denial.remedy), None);
        }
        Some(no(request, denial.clone()))
    }

    /// What a client of a held statement may be told.
    pub(crate) fn waiting_statement(&self, request: FlowId, words: &str) -> Option<Action> {
        let waits = self.statements.0.contains_key(&request);
        waits.then(|| Action::Broker(ToBroker::Statement(request, Said::Waiting(words.to_owned()))))
    }

    /// Whoever sent it is gone.
    pub(crate) fn statement_gone(&mut self, request: FlowId) -> Option<Action> {
        self.statements.0.remove(&request).map(|_| Action::Gone(request))
    }
}

/// What code that nobody sees into does can be anything a statement does.
fn seen(kind: EffectKind) -> Vec<Seen> {
    let mut seen = vec![Seen::is(kind)];
    if kind == EffectKind::SqlRun {
        let any = EffectKind::all().filter(|k| k.name().starts_with("sql.") && *k != kind);
        seen.extend(any.map(Seen::could_be));
    }
    seen
}

fn bound(statement: &Statement) -> Option<u64> {
    let adds = statement.why == "adds rows";
    statement
        .bounded
        .then_some(if adds { ORDINARY_ADDED } else { ORDINARY })
}

fn reason(statement: &Statement, rule: String) -> Reason {
    let rows = statement
        .rows
        .map_or_else(String::new, |rows| format!(" ({rows} rows)"));
    Reason {
        why: format!("{}{rows}: {}", statement.why, statement.names)
            .trim_end_matches([':', ' '])
            .to_owned(),
        rule,
        remedy: "a person has to see it first".to_owned(),
    }
}

fn go(request: FlowId, most: Option<u64>) -> Action {
    Action::Broker(ToBroker::Statement(request, Said::Go(most)))
}

fn no(request: FlowId, denial: Denial) -> Action {
    Action::Broker(ToBroker::Statement(request, Said::No(denial)))
}

#[cfg(test)]
mod tests;
