//! What a row asks of a request beyond host, method and path.

use crate::body;
use crate::graphql::{Operation, OperationKind};
use crate::pattern::{Word, like};
use crate::request::{Body, Reading, Request};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything listed must hold. An empty list of values asks only that the name is there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Condition {
    /// Parameters of the query or of a form body.
    pub(crate) param: BTreeMap<String, Vec<String>>,
    /// Header fields.
    pub(crate) header: BTreeMap<String, Vec<String>>,
    /// Fields of a JSON body, by path: `a.b`; arrays are looked into.
    pub(crate) json: BTreeMap<String, Vec<Value>>,
    /// Root fields of GraphQL mutations: `name`, or `name(argument = VALUE)`; `*` in either.
    pub(crate) graphql: Vec<Mutation>,
}

/// One root field of a mutation.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Mutation {
    field: Word,
    argument: Option<(String, Word)>,
}

impl TryFrom<String> for Mutation {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some((field, rest)) = text.split_once('(') else {
            return Ok(Mutation {
                field: Word::new(text.trim()),
                argument: None,
            });
        };
        let wrong = || format!("not `name(argument = VALUE)`: {text}");
        let inner = rest.trim_end().strip_suffix(')').ok_or_else(wrong)?;
        let (name, value) = inner.split_once('=').ok_or_else(wrong)?;
        Ok(Mutation {
            field: Word::new(field.trim()),
            argument: Some((name.trim().to_owned(), Word::new(value.trim()))),
        })
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Yes,
    No,
    /// The body would tell and has not been read.
    NeedsBody,
    /// The body would tell and cannot be read.
    Unreadable,
}

/// How many values of a name must be as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// One is enough: what makes an effect.
    Any,
    /// All: what makes a request harmless.
    Every,
}

impl Quantity {
    fn of(self, values: &[&str], wanted: &[String]) -> bool {
        if values.is_empty() {
            return false;
        }
        let fits = |value: &&str| {
            wanted.is_empty()
                || wanted.iter().any(|w| match self {
                    Quantity::Any => like(w, value),
                    Quantity::Every => w == value,
                })
        };
        match self {
            Quantity::Any => values.iter().any(fits),
            Quantity::Every => values.iter().all(fits),
        }
    }
}

impl Condition {
    pub(crate) fn is_empty(&self) -> bool {
        self.param.is_empty() && self.header.is_empty() && self.json.is_empty() && self.graphql.is_empty()
    }

    pub(crate) fn holds(&self, reading: &Reading<'_>, quantity: Quantity) -> Held {
        let mut worst = Held::Yes;
        for step in [
            Condition::headers,
            Condition::parameters,
            Condition::fields,
            Condition::mutations,
        ] {
            match (step(self, reading, quantity), worst) {
                // Whatever the others say.
                (Held::No, _) => return Held::No,
                (Held::Unreadable, _) | (_, Held::Unreadable) => worst = Held::Unreadable,
                (Held::NeedsBody, _) => worst = Held::NeedsBody,
                (Held::Yes, _) => {}
            }
        }
        worst
    }

    fn headers(&self, reading: &Reading<'_>, quantity: Quantity) -> Held {
        let request = reading.request;
        truth(self.header.iter().all(|(name, wanted)| {
            let values: Vec<&str> = request.header(name).collect();
            quantity.of(&values, wanted)
        }))
    }

    fn parameters(&self, reading: &Reading<'_>, quantity: Quantity) -> Held {
        if self.param.is_empty() {
            return Held::Yes;
        }
        let all = reading.parameters();
        let found = self.param.iter().all(|(name, wanted)| {
            let values: Vec<&str> = all
                .iter()
                .filter(|(n, _)| n == name)
                .map(|(_, value)| value.as_str())
                .collect();
            quantity.of(&values, wanted)
        });
        let unseen = unseen(reading.request);
        match (found, unseen, quantity) {
            // What the query says, a body cannot take back.
            (true, _, Quantity::Any) | (true, Held::No, Quantity::Every) => Held::Yes,
            _ if all.len() >= body::MOST_FIELDS => Held::Unreadable,
            (false, Held::No, _) => Held::No,
            _ => unseen,
        }
    }

    fn fields(&self, reading: &Reading<'_>, quantity: Quantity) -> Held {
        if self.json.is_empty() {
            return Held::Yes;
        }
        match reading.document() {
            Err(held) => held,
            Ok(json) => truth(self.json.iter().all(|(path, wanted)| {
                let names: Vec<&str> = path.split('.').collect();
                let mut values = Vec::new();
                collect(json, &names, &mut values);
                fits(&values, wanted, quantity)
            })),
        }
    }

    fn mutations(&self, reading: &Reading<'_>, _: Quantity) -> Held {
        if self.graphql.is_empty() {
            return Held::Yes;
        }
        match reading.operations() {
            Err(held) => held,
            Ok(operations) => truth(self.graphql.iter().any(|m| m.is_in(operations))),
        }
    }
}

impl Mutation {
    fn is_in(&self, operations: &[Operation]) -> bool {
        operations
            .iter()
            .filter(|o| o.kind == OperationKind::Mutation)
            .flat_map(|o| &o.fields)
            .filter(|f| self.field.matches(&f.name))
            .any(|f| match &self.argument {
                None => true,
                // A value that cannot be known counts as the one that is looked for.
                Some((name, word)) => f
                    .values(name)
                    .is_none_or(|all| all.iter().any(|v| word.matches(v))),
            })
    }
}

fn truth(holds: bool) -> Held {
    if holds { Held::Yes } else { Held::No }
}

/// Whether there is a body that was not seen: `No` if all there is was seen.
fn unseen(request: &Request) -> Held {
    match &request.body {
        Body::Absent => Held::No,
        Body::Unread => Held::NeedsBody,
        Body::TooLong => Held::Unreadable,
        Body::Bytes(_) if request.is_coded() => Held::Unreadable,
        Body::Bytes(_) => Held::No,
    }
}

/// The JSON body; an absent one is `No`, one that is not JSON is unreadable.
pub(crate) fn document(request: &Request) -> Result<Value, Held> {
    match (unseen(request), &request.body) {
        (Held::No, Body::Bytes(bytes)) if bytes.is_empty() => Err(Held::No),
        (Held::No, Body::Bytes(bytes)) => body::json(bytes).ok_or(Held::Unreadable),
        (held, _) => Err(held),
    }
}

/// All values at a path; arrays on the way are looked into.
fn collect<'a>(value: &'a Value, names: &[&str], into: &mut Vec<&'a Value>) {
    match (value, names) {
        (Value::Array(all), _) => all.iter().for_each(|v| collect(v, names, into)),
        (Value::Object(map), [first, rest @ ..]) => {
            if let Some(v) = map.get(*first) {
                collect(v, rest, into);
            }
        }
        (value, []) => into.push(value),
        _ => {}
    }
}

fn fits(values: &[&Value], wanted: &[Value], quantity: Quantity) -> bool {
    if values.is_empty() {
        return false;
    }
    let fit = |value: &&Value| {
        wanted.is_empty()
            || wanted.iter().any(|w| match (w, value) {
                (Value::String(w), Value::String(v)) if quantity == Quantity::Any => like(w, v),
                // Servers that take "true" for true exist.
                (Value::Bool(w), Value::String(v)) if quantity == Quantity::Any => {
                    v.eq_ignore_ascii_case(if *w { "true" } else { "false" })
                }
                (w, v) => *w == **v,
            })
    };
    match quantity {
        Quantity::Any => values.iter().any(fit),
        Quantity::Every => values.iter().all(fit),
    }
}
