//! A strict hand-written decoder over the parsed TOML: it reports every problem with its
//! place and goes on, and an unknown key is a problem. A decoder that gives `None` has
//! reported why.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::rc::Rc;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::lines::Lines;
use crate::escape::Escaped;
use crate::finding::{Finding, Pos, Severity};
use crate::origin::{At, Layer};
use crate::suggest;
use crate::value::Invalid;

/// Problems reported of one file; more help nobody.
const MAX_FINDINGS: usize = 50;
/// Entries of one list.
const MAX_ENTRIES: usize = 4096;

/// One file being decoded.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    file: &'a str,
    pub(super) layer: Layer,
    lines: Lines<'a>,
    findings: RefCell<Vec<Finding>>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(file: &'a str, layer: Layer, text: &'a str) -> Self {
        Self {
            file,
            layer,
            lines: Lines::new(text),
            findings: RefCell::default(),
        }
    }

    pub(crate) fn report(
        &self,
        severity: Severity,
        offset: usize,
        key: &str,
        message: impl Display,
        help: &str,
    ) {
        let mut findings = self.findings.borrow_mut();
        if findings.len() < MAX_FINDINGS {
            findings.push(Finding {
                severity,
                file: self.file.to_owned(),
                pos: self.lines.pos(offset),
                key: Escaped::from(key).at_most(200).to_string(),
                message: message.to_string(),
                help: (!help.is_empty()).then(|| help.to_owned()),
            });
        }
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        let mut findings = self.findings.into_inner();
        findings.sort_by(Finding::reading_order);
        findings
    }
}

/// One value with the key that leads to it.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(super) doc: &'a Document<'a>,
    key: Rc<str>,
    // An entry of the list that `key` names: formatted only where something is wrong.
    index: Option<usize>,
    value: &'a DeValue<'a>,
    span: Range<usize>,
}

impl<'a> Node<'a> {
    pub(super) fn pos(&self) -> Pos {
        self.doc.lines.pos(self.span.start)
    }

    /// Reports an error at this value.
    pub(crate) fn error(&self, message: impl Display, help: &str) {
        self.report(Severity::Error, message, help);
    }

    pub(super) fn warn(&self, message: impl Display, help: &str) {
        self.report(Severity::Warning, message, help);
    }

    fn report(&self, severity: Severity, message: impl Display, help: &str) {
        let index = self.index.map_or_else(String::new, |i| format!("[{i}]"));
        let key = format!("{}{index}", self.key);
        self.doc.report(severity, self.span.start, &key, message, help);
    }

    /// Reports an invalid value at this value.
    pub(crate) fn check<T>(&self, parsed: Result<T, Invalid>) -> Option<T> {
        parsed.map_err(|invalid| self.error(&invalid, &invalid.help)).ok()
    }

    fn mismatch(&self, wanted: &str) {
        self.error(format_args!("expected {wanted}, found {}", kind(self.value)), "");
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text),
            _ => {
                self.mismatch("a text in quotes");
                None
            }
        }
    }

    pub(crate) fn parse<T: FromStr<Err = Invalid>>(&self) -> Option<T> {
        self.text().and_then(|text| self.check(text.parse()))
    }

    /// A number that may be written with or without quotes.
    pub(super) fn amount<T: FromStr<Err = Invalid>>(&self) -> Option<T> {
        match self.value {
            DeValue::Integer(number) if number.radix() == 10 => self.check(number.as_str().parse()),
            DeValue::Float(number) => self.check(number.as_str().parse()),
            _ => self.parse(),
        }
    }

    pub(crate) fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let DeValue::Integer(number) = self.value else {
            self.mismatch("a whole number");
            return None;
        };
        let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let inside = parsed.filter(|n| range.contains(n));
        if inside.is_none() {
            let (low, high) = range.into_inner();
            self.error("the number is out of range", &format!("from {low} to {high}"));
        }
        inside
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(*value),
            _ => {
                self.mismatch("true or false");
                None
            }
        }
    }

    pub(super) fn date(&self) -> Option<crate::value::Date> {
        let date = match self.value {
            DeValue::Datetime(d) if d.time.is_none() && d.offset.is_none() => d.date,
            _ => None,
        };
        if date.is_none() {
            self.mismatch("a date without quotes, such as 2027-03-01");
        }
        date.map(|d| crate::value::Date {
            year: d.year,
            month: d.month,
            day: d.day,
        })
    }

    /// Every entry decoded; one that is wrong is reported and left out.
    pub(crate) fn list<T>(&self, mut each: impl FnMut(&Node<'a>) -> Option<T>) -> Option<Vec<At<T>>> {
        let DeValue::Array(entries) = self.value else {
            self.mismatch("a list");
            return None;
        };
        if entries.len() > MAX_ENTRIES {
            self.error("the list is too long", &format!("{MAX_ENTRIES} entries at most"));
            return None;
        }
        let nodes = entries.iter().enumerate().map(|(i, entry)| self.entry(i, entry));
        Some(
            nodes
                .filter_map(|node| {
                    each(&node).map(|value| At {
                        value,
                        pos: node.pos(),
                    })
                })
                .collect(),
        )
    }

    /// A list, or one entry without the brackets.
    pub(super) fn one_or_more<T>(&self, mut each: impl FnMut(&Node<'a>) -> Option<T>) -> Option<Vec<At<T>>> {
        match self.value {
            DeValue::Array(entries) if entries.is_empty() => {
                self.error(
                    "an empty list can never match",
                    "name at least one, or leave the key out",
                );
                None
            }
            DeValue::Array(_) => self.list(each),
            _ => each(self).map(|value| {
                vec![At {
                    value,
                    pos: self.pos(),
                }]
            }),
        }
    }

    /// A list of texts of one type, without the same one twice.
    pub(crate) fn texts<T>(&self) -> Option<Vec<At<T>>>
    where
        T: FromStr<Err = Invalid> + PartialEq + Clone,
    {
        let mut seen: Vec<T> = Vec::new();
        self.list(|node| {
            let value: T = node.parse()?;
            if seen.contains(&value) {
                node.warn("listed twice", "remove one");
            } else {
                seen.push(value.clone());
            }
            Some(value)
        })
    }

    /// A table with the keys that `decode` takes and no other.
    pub(crate) fn table<T>(&self, decode: impl FnOnce(&mut Fields<'a>) -> Option<T>) -> Option<T> {
        let DeValue::Table(table) = self.value else {
            self.mismatch("a table");
            return None;
        };
        let mut fields = Fields::new(self.doc, self.key.clone(), table, self.span.start);
        let value = decode(&mut fields);
        fields.finish();
        value
    }

    /// A table whose keys are names of the writer's choice.
    pub(crate) fn entries<K, T>(
        &self,
        mut each: impl FnMut(&Node<'a>) -> Option<T>,
    ) -> Option<Vec<(At<K>, T)>>
    where
        K: FromStr<Err = Invalid>,
    {
        let DeValue::Table(table) = self.value else {
            self.mismatch("a table");
            return None;
        };
        let mut found = Vec::new();
        for (name, value) in table.iter() {
            let key_node = Node {
                span: name.span(),
                ..self.child(name.get_ref(), value)
            };
            let parsed = key_node.check(name.get_ref().parse::<K>());
            let decoded = each(&self.child(name.get_ref(), value));
            if let (Some(key), Some(value)) = (parsed, decoded) {
                found.push((
                    At {
                        value: key,
                        pos: key_node.pos(),
                    },
                    value,
                ));
            }
        }
        found.sort_by_key(|(key, _)| key.pos);
        Some(found)
    }

    /// Whether the value is a text: for keys that take a short and a long form.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.value, DeValue::String(_))
    }

    /// Likewise a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.value, DeValue::Array(_))
    }

    fn entry(&self, index: usize, value: &'a Spanned<DeValue<'a>>) -> Node<'a> {
        Node {
            doc: self.doc,
            key: self.key.clone(),
            index: Some(index),
            value: value.get_ref(),
            span: value.span(),
        }
    }

    fn child(&self, name: &str, value: &'a Spanned<DeValue<'a>>) -> Node<'a> {
        child(self.doc, &self.key, name, value)
    }
}

fn child<'a>(doc: &'a Document<'a>, key: &str, name: &str, value: &'a Spanned<DeValue<'a>>) -> Node<'a> {
    let dot = if key.is_empty() || name.starts_with('[') {
        ""
    } else {
        "."
    };
    Node {
        doc,
        key: format!("{key}{dot}{name}").into(),
        index: None,
        value: value.get_ref(),
        span: value.span(),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The keys of one table. What was not taken when it is finished is unknown.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    doc: &'a Document<'a>,
    key: Rc<str>,
    table: &'a DeTable<'a>,
    start: usize,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(doc: &'a Document<'a>, key: Rc<str>, table: &'a DeTable<'a>, start: usize) -> Self {
        Self {
            doc,
            key,
            table,
            start,
            known: Vec::new(),
        }
    }

    /// The decoded value of `name` with its place, if the key is there and right.
    pub(crate) fn take<T>(
        &mut self,
        name: &'static str,
        decode: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<At<T>> {
        self.known.push(name);
        let node = child(self.doc, &self.key, name, self.table.get(name)?);
        decode(&node).map(|value| At {
            value,
            pos: node.pos(),
        })
    }

    /// Likewise where the place is of no interest.
    pub(crate) fn get<T>(
        &mut self,
        name: &'static str,
        decode: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<T> {
        self.take(name, decode).map(|at| at.value)
    }

    /// A key without which the table means nothing.
    pub(crate) fn need<T>(
        &mut self,
        name: &'static str,
        help: &str,
        decode: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<At<T>> {
        if !self.table.contains_key(name) {
            self.error(format_args!("`{name}` is missing"), help);
        }
        self.take(name, decode)
    }

    /// A key that only the machine's policy may hold: elsewhere its author has no say in it.
    pub(crate) fn machine<T>(
        &mut self,
        name: &'static str,
        decode: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<At<T>> {
        let layer = self.doc.layer;
        self.take(name, |node| {
            if layer != Layer::Machine {
                node.error(
                    format_args!("`{name}` belongs to the machine's policy"),
                    "put it in /etc/fumehood/policy.toml",
                );
                return None;
            }
            decode(node)
        })
    }

    /// Reports an error about the table as a whole.
    pub(crate) fn error(&self, message: impl Display, help: &str) {
        self.doc
            .report(Severity::Error, self.start, &self.key, message, help);
    }

    pub(crate) fn finish(self) {
        for (name, _) in self.table.iter() {
            if !self.known.contains(&name.get_ref().as_ref()) {
                self.unknown(name.get_ref(), name.span().start);
            }
        }
    }

    fn unknown(&self, name: &str, offset: usize) {
        let help = match suggest::nearest(name, self.known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of {}", self.known.join(", ")),
        };
        let message = format!("unknown key `{}`", Escaped::from(name).at_most(60));
        self.doc
            .report(Severity::Error, offset, &self.key, message, &help);
    }
}
