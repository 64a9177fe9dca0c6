//! The arguments of a call, checked in the order size, encoding, depth, repeated keys, names, types.

use crate::guard::{Guarded, guard};
use crate::kind::{self, Value};
use crate::manifest::Manifest;
use crate::refused::{Refused, Wrong};
use fumehood_policy::Escaped;
use fumehood_policy::config::Parameter;
use fumehood_policy::value::ToolName;
use serde_json::{Map, Value as Json};

/// What was given for one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    name: ToolName,
    values: Vec<Value>,
}

impl Given {
    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }
}

/// The arguments of one call, each of its type. There is no other way to make one than from a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments(Vec<Given>);

impl Arguments {
    /// Reads them from the JSON that a client sent.
    ///
    /// # Errors
    /// They are not what the manifest takes; the message says which, why, and what to send instead.
    pub fn parse(manifest: &Manifest, json: &[u8]) -> Result<Arguments, Refused> {
        Self::check(manifest, &guard(json)?)
    }

    /// Likewise of JSON that was let through already.
    ///
    /// # Errors
    /// As [`Arguments::parse`].
    pub fn check(manifest: &Manifest, json: &Guarded) -> Result<Arguments, Refused> {
        let Json::Object(object) = json.value() else {
            return Err(Refused::call(
                format_args!("the arguments are {}", kind::word(json.value())),
                "send one object, such as {}",
            ));
        };
        Self::of(manifest, object)
    }

    /// Likewise of an object out of JSON that was let through.
    ///
    /// # Errors
    /// As [`Arguments::parse`].
    pub fn of(manifest: &Manifest, object: &Map<String, Json>) -> Result<Arguments, Refused> {
        let params = manifest.parameters();
        if let Some(name) = object
            .keys()
            .find(|k| !params.iter().any(|(n, _)| n.as_str() == k.as_str()))
        {
            return Err(unknown(name, params));
        }
        let mut out = Vec::new();
        for (name, parameter) in params {
            let value = object.get(name.as_str());
            let values = values(manifest, parameter, value)
                .map_err(|wrong| Refused::parameter(name.as_str(), &wrong))?;
            out.push(Given {
                name: name.clone(),
                values,
            });
        }
        Ok(Arguments(out))
    }

    pub(crate) fn given(&self, name: &ToolName) -> Option<&Given> {
        self.0.iter().find(|g| g.name == *name)
    }

    /// Each parameter that has a value, with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Value])> {
        self.0.iter().map(|g| (g.name.as_str(), g.values.as_slice()))
    }
}

fn unknown(name: &str, params: &[(ToolName, Parameter)]) -> Refused {
    let known: Vec<&str> = params.iter().map(|(n, _)| n.as_str()).collect();
    let help = if known.is_empty() {
        "this tool takes no parameters".to_owned()
    } else {
        format!("it takes {}", known.join(", "))
    };
    let name = Escaped::from(name).at_most(60);
    Refused::call(format_args!("there is no parameter `{name}`"), &help)
}

fn values(manifest: &Manifest, parameter: &Parameter, value: Option<&Json>) -> Result<Vec<Value>, Wrong> {
    let check = |value: &Json| kind::check(&parameter.kind, manifest.network(), value);
    match (value, parameter.many) {
        (None, _) => match &parameter.default {
            Some(text) => kind::check_text(&parameter.kind, manifest.network(), text).map(|v| vec![v]),
            None if parameter.optional => Ok(Vec::new()),
            None => Err(Wrong::new("it is missing", "send a value for it")),
        },
        (Some(value), None) => check(value).map(|v| vec![v]),
        (Some(Json::Array(list)), Some(most)) if list.len() > usize::from(most) => Err(Wrong::new(
            format!("{} values are too many", list.len()),
            format!("at most {most}"),
        )),
        (Some(Json::Array(list)), Some(_)) if list.is_empty() && !parameter.optional => {
            Err(Wrong::new("the list is empty", "send at least one value"))
        }
        (Some(Json::Array(list)), Some(_)) => list.iter().map(check).collect(),
        (Some(other), Some(_)) => Err(Wrong::new(
            format!("a list is wanted, {} came", kind::word(other)),
            "send a list of values",
        )),
    }
}
