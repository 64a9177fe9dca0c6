//! Documents (GraphQL specification, sections 2.2 to 2.12).

use super::lexer::Token;
use super::{GraphqlError, Operation, OperationKind, RootField};
use serde_json::Value;
use std::collections::BTreeMap;

/// Selections and values nest at most so deep.
const DEEPEST: usize = 64;
/// Root fields of a document, fragments expanded, and scalars of arguments.
const MOST_FIELDS: usize = 1000;

pub(super) fn operations(tokens: Vec<Token>, variables: &Value) -> Result<Vec<Operation>, GraphqlError> {
    let mut parser = Parser {
        tokens: tokens.into_iter().peekable(),
        variables,
        scalars: 0,
    };
    let document = parser.document()?;
    document.expanded()
}

/// What stands in a selection set of the root type, or of a fragment, which may be one of it.
enum Selection {
    Field(RootField),
    Spread(String),
}

struct Draft {
    kind: OperationKind,
    name: Option<String>,
    selections: Vec<Selection>,
}

struct Document {
    operations: Vec<Draft>,
    fragments: BTreeMap<String, Vec<Selection>>,
}

impl Document {
    fn expanded(&self) -> Result<Vec<Operation>, GraphqlError> {
        if self.operations.is_empty() {
            return Err(GraphqlError::Syntax);
        }
        let mut budget = MOST_FIELDS;
        self.operations
            .iter()
            .map(|draft| {
                let mut fields = Vec::new();
                self.expand(&draft.selections, 0, &mut budget, &mut fields)?;
                Ok(Operation {
                    kind: draft.kind,
                    name: draft.name.clone(),
                    fields,
                })
            })
            .collect()
    }

    fn expand(
        &self,
        selections: &[Selection],
        depth: usize,
        budget: &mut usize,
        into: &mut Vec<RootField>,
    ) -> Result<(), GraphqlError> {
        for selection in selections {
            *budget = budget.checked_sub(1).ok_or(GraphqlError::TooLarge)?;
            match selection {
                Selection::Field(field) => into.push(field.clone()),
                Selection::Spread(name) => {
                    let fragment = self.fragments.get(name).ok_or(GraphqlError::Fragment)?;
                    if depth > self.fragments.len() {
                        return Err(GraphqlError::Fragment);
                    }
                    self.expand(fragment, depth + 1, budget, into)?;
                }
            }
        }
        Ok(())
    }
}

struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    variables: &'a Value,
    scalars: usize,
}

type Arguments = Vec<(String, Option<String>)>;

impl Parser<'_> {
    fn document(&mut self) -> Result<Document, GraphqlError> {
        let mut document = Document {
            operations: Vec::new(),
            fragments: BTreeMap::new(),
        };
        while self.tokens.peek().is_some() {
            if self.is_next("fragment") {
                self.fragment(&mut document)?;
            } else {
                document.operations.push(self.operation()?);
            }
        }
        Ok(document)
    }

    fn fragment(&mut self, document: &mut Document) -> Result<(), GraphqlError> {
        self.tokens.next();
        let name = self.name()?;
        self.word("on")?;
        self.name()?;
        self.directives()?;
        let selections = self.selections(0, true)?;
        match document.fragments.insert(name, selections) {
            None => Ok(()),
            Some(_) => Err(GraphqlError::Fragment),
        }
    }

    fn operation(&mut self) -> Result<Draft, GraphqlError> {
        if self.peeks('{') {
            return Ok(Draft {
                kind: OperationKind::Query,
                name: None,
                selections: self.selections(0, true)?,
            });
        }
        let kind = match self.name()?.as_str() {
            "query" => OperationKind::Query,
            "mutation" => OperationKind::Mutation,
            "subscription" => OperationKind::Subscription,
            _ => return Err(GraphqlError::Syntax),
        };
        let name = match self.tokens.peek() {
            Some(Token::Name(_)) => Some(self.name()?),
            _ => None,
        };
        self.variable_definitions()?;
        self.directives()?;
        Ok(Draft {
            kind,
            name,
            selections: self.selections(0, true)?,
        })
    }

    /// Skips them, defaults included: a variable that is not sent counts as not known.
    fn variable_definitions(&mut self) -> Result<(), GraphqlError> {
        if !self.takes('(') {
            return Ok(());
        }
        while !self.takes(')') {
            self.mark('$')?;
            self.name()?;
            self.mark(':')?;
            self.type_reference(0)?;
            if self.takes('=') {
                self.value("", 0, &mut Vec::new())?;
            }
            self.directives()?;
        }
        Ok(())
    }

    fn type_reference(&mut self, depth: usize) -> Result<(), GraphqlError> {
        deep(depth)?;
        if self.takes('[') {
            self.type_reference(depth + 1)?;
            self.mark(']')?;
        } else {
            self.name()?;
        }
        self.takes('!');
        Ok(())
    }

    fn directives(&mut self) -> Result<(), GraphqlError> {
        while self.takes('@') {
            self.name()?;
            self.arguments()?;
        }
        Ok(())
    }

    /// A selection set; below the root it is only checked.
    fn selections(&mut self, depth: usize, root: bool) -> Result<Vec<Selection>, GraphqlError> {
        deep(depth)?;
        self.mark('{')?;
        let mut all = Vec::new();
        while !self.takes('}') {
            let found = if matches!(self.tokens.peek(), Some(Token::Spread)) {
                self.tokens.next();
                self.spread(depth, root)?
            } else {
                vec![Selection::Field(self.field(depth)?)]
            };
            if root {
                all.extend(found);
            }
        }
        Ok(all)
    }

    fn spread(&mut self, depth: usize, root: bool) -> Result<Vec<Selection>, GraphqlError> {
        let named = matches!(self.tokens.peek(), Some(Token::Name(name)) if name != "on");
        if named {
            let name = self.name()?;
            self.directives()?;
            return Ok(vec![Selection::Spread(name)]);
        }
        if self.is_next("on") {
            self.tokens.next();
            self.name()?;
        }
        self.directives()?;
        self.selections(depth + 1, root)
    }

    fn field(&mut self, depth: usize) -> Result<RootField, GraphqlError> {
        let mut name = self.name()?;
        if self.takes(':') {
            name = self.name()?;
        }
        let arguments = self.arguments()?;
        self.directives()?;
        if self.peeks('{') {
            self.selections(depth + 1, false)?;
        }
        Ok(RootField { name, arguments })
    }

    fn arguments(&mut self) -> Result<Arguments, GraphqlError> {
        let mut all = Vec::new();
        if self.takes('(') {
            while !self.takes(')') {
                let name = self.name()?;
                self.mark(':')?;
                self.value(&name, 0, &mut all)?;
            }
        }
        Ok(all)
    }

    fn value(&mut self, key: &str, depth: usize, into: &mut Arguments) -> Result<(), GraphqlError> {
        deep(depth)?;
        match self.tokens.next().ok_or(GraphqlError::Syntax)? {
            Token::Mark('$') => self.variable(key, into),
            Token::Mark('[') => {
                while !self.takes(']') {
                    self.value(key, depth + 1, into)?;
                }
                Ok(())
            }
            Token::Mark('{') => {
                while !self.takes('}') {
                    let name = self.name()?;
                    self.mark(':')?;
                    self.value(&name, depth + 1, into)?;
                }
                Ok(())
            }
            Token::Name(text) | Token::Number(text) | Token::Text(text) => self.scalar(key, Some(text), into),
            _ => Err(GraphqlError::Syntax),
        }
    }

    fn variable(&mut self, key: &str, into: &mut Arguments) -> Result<(), GraphqlError> {
        let name = self.name()?;
        match self.variables.get(&name) {
            None => self.scalar(key, None, into),
            Some(value) => self.sent(key, value, into),
        }
    }

    /// A variable's value as sent. Nesting is bounded by the JSON reader.
    fn sent(&mut self, key: &str, value: &Value, into: &mut Arguments) -> Result<(), GraphqlError> {
        match value {
            Value::Array(all) => all.iter().try_for_each(|v| self.sent(key, v, into)),
            Value::Object(map) => map.iter().try_for_each(|(k, v)| self.sent(k, v, into)),
            Value::String(text) => self.scalar(key, Some(text.clone()), into),
            other => self.scalar(key, Some(other.to_string()), into),
        }
    }

    fn scalar(&mut self, key: &str, value: Option<String>, into: &mut Arguments) -> Result<(), GraphqlError> {
        self.scalars += 1;
        if self.scalars > MOST_FIELDS {
            return Err(GraphqlError::TooLarge);
        }
        into.push((key.to_owned(), value));
        Ok(())
    }

    fn peeks(&mut self, mark: char) -> bool {
        self.tokens.peek() == Some(&Token::Mark(mark))
    }

    fn takes(&mut self, mark: char) -> bool {
        self.tokens.next_if_eq(&Token::Mark(mark)).is_some()
    }

    fn is_next(&mut self, word: &str) -> bool {
        matches!(self.tokens.peek(), Some(Token::Name(name)) if name == word)
    }

    fn mark(&mut self, mark: char) -> Result<(), GraphqlError> {
        self.takes(mark).then_some(()).ok_or(GraphqlError::Syntax)
    }

    fn word(&mut self, word: &str) -> Result<(), GraphqlError> {
        (self.name()? == word).then_some(()).ok_or(GraphqlError::Syntax)
    }

    fn name(&mut self) -> Result<String, GraphqlError> {
        match self.tokens.next() {
            Some(Token::Name(name)) => Ok(name),
            _ => Err(GraphqlError::Syntax),
        }
    }
}

fn deep(depth: usize) -> Result<(), GraphqlError> {
    if depth > DEEPEST {
        return Err(GraphqlError::TooLarge);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use serde_json::json;

    fn fields(text: &str) -> Vec<String> {
        operations(text, &Value::Null)
            .unwrap()
            .into_iter()
            .filter(|o| o.kind == OperationKind::Mutation)
            .flat_map(|o| o.fields)
            .map(|f| f.name)
            .collect()
    }

    #[test]
    fn a_field_is_seen_through_every_disguise() {
        for text in [
            "mutation { deleteRef(input: {refId: \"x\"}) { clientMutationId } }",
            "mutation M($a: ID! = \"x\") @d(if: true) { harmless: deleteRef(input: {refId: $a}) { x } }",
            "mutation { ...F } fragment F on Mutation { deleteRef }",
            "mutation { ... on Mutation { ... @include(if: true) { deleteRef } } }",
            "mutation { ...A } fragment A on Mutation { ...B } fragment B on Mutation { x: deleteRef }",
            "query Q { viewer { login } } mutation { deleteRef }",
            "#mutation{\nmutation,{,,deleteRef,}",
            "\u{feff}mutation { a: deleteRef(x: \"\"\" } \\\"\"\" \"\"\") }",
        ] {
            assert_eq!(fields(text), ["deleteRef"], "{text}");
        }
    }

    #[test]
    fn a_mutations_name_in_text_is_not_one() {
        for text in [
            "{ search(query: \"mutation { deleteRef }\") { x } }",
            "query mutation { deleteRef: viewer { deleteRef } }",
            "# mutation { deleteRef }\n{ viewer }",
        ] {
            assert!(fields(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn arguments_are_known_at_any_depth_or_said_not_to_be() {
        let one =
            |text: &str, variables: Value| operations(text, &variables).unwrap().remove(0).fields.remove(0);
        let inline = one(
            "mutation { r(input: {event: APPROVE, body: \"x\"}) }",
            Value::Null,
        );
        assert_eq!(inline.values("event").unwrap(), ["APPROVE"]);
        let sent = one(
            "mutation($i: I!) { r(input: $i) }",
            json!({"i": {"event": "APPROVE", "n": [1, {"event": null}]}}),
        );
        assert_eq!(sent.values("event").unwrap(), ["APPROVE", "null"]);
        let missing = one("mutation($e: E) { r(input: {event: $e}) }", Value::Null);
        assert_eq!(missing.values("event"), None);
    }

    #[test]
    fn what_is_not_understood_whole_is_an_error() {
        let error = |text: &str| operations(text, &Value::Null).unwrap_err();
        for text in [
            "",
            "mutation",
            "mutation {",
            "{ a } }",
            "type A { b: C }",
            "{ a(b: ) }",
            "{ a \u{0} }",
            "{ \"a\" }",
        ] {
            assert_eq!(error(text), GraphqlError::Syntax, "{text}");
        }
        assert_eq!(error("{ ...A }"), GraphqlError::Fragment);
        assert_eq!(error("{ ...A } fragment A on T { ...A }"), GraphqlError::Fragment);
        let deep = format!("{}{}", "{ a ".repeat(100), "}".repeat(100));
        assert_eq!(error(&deep), GraphqlError::TooLarge);
        let wide = format!("{{ {} }}", "a ".repeat(2000));
        assert_eq!(error(&wide), GraphqlError::TooLarge);
        // Sixteen doublings of fragments: bounded by fields, not by patience.
        let mut bomb = String::from("{ ...F0 }");
        for n in 0..30 {
            bomb.push_str(&format!(" fragment F{n} on T {{ ...F{} ...F{} }}", n + 1, n + 1));
        }
        bomb.push_str(" fragment F30 on T { a }");
        assert_eq!(error(&bomb), GraphqlError::TooLarge);
    }
}
