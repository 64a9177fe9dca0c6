//! The types of parameters: from a text that a model wrote to a value that may stand in a command.
//!
//! A [`Value`] is made by [`check`] alone, and [`crate::argv`] takes nothing else: no text reaches an argument
//! without having been one of these.

mod name;
mod path;
mod pattern;
mod text;
mod web;

use crate::refused::Wrong;
use fumehood_policy::config::{ParameterKind, ToolNetwork};
use serde_json::Value as Json;

/// A value of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    text: String,
    /// It may begin with `-`: the manifest's own author listed it.
    listed: bool,
}

impl Value {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it could be taken for an option where it stands alone.
    pub(crate) fn is_like_an_option(&self) -> bool {
        self.text.starts_with('-') && !self.listed
    }
}

/// A value of this type, for a tool that may reach this network.
pub(crate) fn check(kind: &ParameterKind, network: &ToolNetwork, value: &Json) -> Result<Value, Wrong> {
    if let ParameterKind::Int { min, max } = kind {
        return integer(value, *min, *max);
    }
    let Json::String(text) = value else {
        return Err(Wrong::new(
            format!("a text is wanted, {} came", word(value)),
            "send a string",
        ));
    };
    check_text(kind, network, text)
}

/// Likewise of a default, which the manifest writes as text.
pub(crate) fn check_text(kind: &ParameterKind, network: &ToolNetwork, text: &str) -> Result<Value, Wrong> {
    match kind {
        ParameterKind::RelPath { write } => path::relative(text, *write),
        ParameterKind::Glob => path::glob(text),
        ParameterKind::GitRef => name::git_ref(text),
        ParameterKind::PkgName => name::package(text),
        ParameterKind::TestId => name::test(text),
        ParameterKind::Ident => name::identifier(text),
        ParameterKind::Enum(values) => one_of(text, values),
        ParameterKind::Host => web::host(text, network),
        ParameterKind::Url => web::url(text, network),
        ParameterKind::Regex => pattern::regex(text),
        ParameterKind::Text { max, multiline } => text::text(text, *max, *multiline),
        ParameterKind::Sql { max } => text::sql(text, *max),
        ParameterKind::Int { .. } => return Err(Wrong::new("a number is wanted", "send a whole number")),
    }?;
    Ok(Value {
        text: text.to_owned(),
        listed: matches!(kind, ParameterKind::Enum(_)),
    })
}

fn integer(value: &Json, min: i64, max: i64) -> Result<Value, Wrong> {
    let help = || format!("send a whole number from {min} to {max}, without quotes");
    let number = value
        .as_i64()
        .ok_or_else(|| Wrong::new(format!("a whole number is wanted, {} came", word(value)), help()))?;
    if !(min..=max).contains(&number) {
        return Err(Wrong::new(format!("{number} is out of range"), help()));
    }
    Ok(Value {
        text: number.to_string(),
        listed: false,
    })
}

fn one_of(text: &str, values: &[String]) -> Result<(), Wrong> {
    if values.iter().any(|v| v == text) {
        return Ok(());
    }
    let all = values
        .iter()
        .map(|v| fumehood_policy::Escaped::from(v.as_str()).to_string())
        .collect::<Vec<_>>()
        .join(", ");
    Err(Wrong::of(text, "is none of the values", format!("one of {all}")))
}

/// What kind of JSON value it is, for a message.
pub(crate) fn word(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(n) if n.is_f64() => "a fraction",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// The first character that acts on what shows it, or cannot be seen.
fn hidden(text: &str) -> Option<Wrong> {
    let found = text
        .chars()
        .find(|c| fumehood_policy::escape::acts_or_hides(*c))?;
    Some(Wrong::of(
        text,
        &format!("holds U+{:04X}, which cannot be seen", u32::from(found)),
        "leave it out",
    ))
}

fn not_empty(text: &str) -> Result<(), Wrong> {
    if text.is_empty() {
        return Err(Wrong::new(
            "an empty text means nothing here",
            "leave the parameter out",
        ));
    }
    Ok(())
}

fn at_most(text: &str, most: usize) -> Result<(), Wrong> {
    if text.len() > most {
        return Err(Wrong::of(
            text,
            &format!("has {} bytes", text.len()),
            format!("at most {most}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
