//! GraphQL requests: which root fields, of which operation, with which arguments.
//!
//! Executable documents of the GraphQL specification (October 2021), as far as they decide what
//! happens: operations, root fields through aliases, fragments and inline fragments, arguments with
//! variables filled in. A document with definitions of types, or one that is not understood to its
//! last byte, is an error; a request without a document (a persisted query) is unreadable.

mod lexer;
mod parser;

use crate::body;
use crate::condition::Held;
use crate::request::{Body, Reading};
use serde_json::Value;

/// The three kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// Reads.
    Query,
    /// Changes.
    Mutation,
    /// Streams.
    Subscription,
}

/// One operation of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it does.
    pub kind: OperationKind,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its root fields, fragments expanded.
    pub fields: Vec<RootField>,
}

/// A field of the root type, by its own name and never its alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootField {
    /// The field's name.
    pub name: String,
    /// Scalars of its arguments, at any depth: the innermost key, and the value as text; none where
    /// it is a variable that was not sent.
    pub(crate) arguments: Vec<(String, Option<String>)>,
}

impl RootField {
    /// The values given for a key at any depth of the arguments. None: one of the arguments is not
    /// known, so neither are these.
    pub fn values(&self, key: &str) -> Option<Vec<&str>> {
        let mut all = Vec::new();
        for (name, value) in &self.arguments {
            let value = value.as_deref()?;
            if name == key {
                all.push(value);
            }
        }
        Some(all)
    }
}

/// Why a document is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphqlError {
    /// Longer, deeper or with more parts than is read.
    #[error("the document is too large to be read")]
    TooLarge,
    /// Not of the grammar.
    #[error("the document is not GraphQL")]
    Syntax,
    /// A spread of a fragment that is not there, or of itself.
    #[error("a fragment is missing, or contains itself")]
    Fragment,
}

/// The operations of a document. All of them, whichever the request names: which one a server runs
/// is its own choice where it is lenient.
///
/// # Errors
/// The document is not understood whole.
pub fn operations(document: &str, variables: &Value) -> Result<Vec<Operation>, GraphqlError> {
    parser::operations(lexer::tokens(document)?, variables)
}

/// The operations of a request: of its body, and of its query.
pub(crate) fn of_request(reading: &Reading<'_>) -> Result<Vec<Operation>, Held> {
    let request = reading.request;
    let mut all = Vec::new();
    for (name, text) in body::form(request.query.as_bytes()) {
        if name == "query" {
            all.extend(read(&text, &Value::Null)?);
        }
    }
    if request.header("content-type").any(is_plain) {
        let Body::Bytes(bytes) = &request.body else {
            return Err(Held::Unreadable);
        };
        let text = std::str::from_utf8(bytes).map_err(|_| Held::Unreadable)?;
        all.extend(read(text, &Value::Null)?);
        return Ok(all);
    }
    match reading.document() {
        Ok(Value::Array(batch)) => {
            for one in batch {
                all.extend(of_object(one)?);
            }
        }
        Ok(one) => all.extend(of_object(one)?),
        Err(Held::No) => {}
        Err(held) => return Err(held),
    }
    Ok(all)
}

fn is_plain(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/graphql")
}

/// One request of a batch. Without a document it is a persisted query, whose text only the server has.
fn of_object(one: &Value) -> Result<Vec<Operation>, Held> {
    match one.get("query") {
        Some(Value::String(text)) => read(text, one.get("variables").unwrap_or(&Value::Null)),
        _ => Err(Held::Unreadable),
    }
}

fn read(text: &str, variables: &Value) -> Result<Vec<Operation>, Held> {
    operations(text, variables).map_err(|_| Held::Unreadable)
}
