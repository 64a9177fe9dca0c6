//! JUnit's XML, as test runners write it: `testcase` elements, and what is in them.
//!
//! Only as much of XML is read as that takes: tags with attributes, text between, CDATA. There are no entities but the
//! five of XML itself, no document types, nothing that is fetched.

use super::{Failure, Reader, Summary, detail, short};

/// Bytes of one tag or one text.
const LONGEST: usize = 32 * 1024;

#[derive(Debug, Default)]
pub(super) struct Junit {
    /// Text not read yet: a tag that is not ended.
    rest: String,
    case: Option<Case>,
    cases: u64,
    in_cdata: bool,
}

#[derive(Debug, Default)]
struct Case {
    name: String,
    outcome: &'static str,
    message: String,
    text: String,
}

impl Reader for Junit {
    fn line(&mut self, line: &str, to: &mut Summary) {
        self.rest.push_str(line);
        self.rest.push('\n');
        while self.step(to) {}
        if self.rest.len() > LONGEST {
            self.rest.clear();
            self.in_cdata = false;
        }
    }

    fn end(&mut self, to: &mut Summary) -> bool {
        self.close(to);
        self.cases > 0
    }
}

impl Junit {
    /// Reads a tag, or text up to one; false if there is none whole.
    fn step(&mut self, to: &mut Summary) -> bool {
        if self.in_cdata {
            let Some(end) = self.rest.find("]]>") else {
                return false;
            };
            let text: String = self.rest.drain(..end).collect();
            self.rest.drain(..3);
            self.text(&text);
            self.in_cdata = false;
            return true;
        }
        let Some(begin) = self.rest.find('<') else {
            let text = std::mem::take(&mut self.rest);
            self.text(&unescaped(&text));
            return false;
        };
        if begin > 0 {
            let text: String = self.rest.drain(..begin).collect();
            self.text(&unescaped(&text));
        }
        if self.rest.starts_with("<![CDATA[") {
            self.rest.drain(.."<![CDATA[".len());
            self.in_cdata = true;
            return true;
        }
        let Some(end) = tag_end(&self.rest) else {
            return false;
        };
        let tag: String = self.rest.drain(..=end).collect();
        self.tag(tag.trim_start_matches('<').trim_end_matches('>'), to);
        true
    }

    fn text(&mut self, text: &str) {
        if let Some(case) = self
            .case
            .as_mut()
            .filter(|c| !c.outcome.is_empty() && c.text.len() < LONGEST)
        {
            case.text.push_str(text);
        }
    }

    fn tag(&mut self, tag: &str, to: &mut Summary) {
        let name = tag
            .split(|c: char| c.is_whitespace() || c == '/')
            .next()
            .unwrap_or_default();
        match name {
            "testcase" => {
                self.close(to);
                self.cases += 1;
                let class = attribute(tag, "classname").filter(|c| !c.is_empty());
                let name = attribute(tag, "name").unwrap_or_default();
                let name = class.map_or_else(|| name.clone(), |class| format!("{class}::{name}"));
                let seconds = attribute(tag, "time").and_then(|t| t.parse::<f64>().ok());
                to.took(&name, seconds.unwrap_or(0.0));
                self.case = Some(Case {
                    name,
                    ..Case::default()
                });
                if tag.ends_with('/') {
                    self.close(to);
                }
            }
            "failure" | "error" | "skipped" => {
                if let Some(case) = &mut self.case {
                    case.outcome = match name {
                        "failure" => "failed",
                        "error" => "errors",
                        _ => "skipped",
                    };
                    case.message = attribute(tag, "message").unwrap_or_default();
                }
            }
            "" if tag.starts_with("/testcase") => self.close(to),
            _ => {}
        }
    }

    fn close(&mut self, to: &mut Summary) {
        let Some(case) = self.case.take() else { return };
        match case.outcome {
            "" => to.add("passed", 1),
            "skipped" => to.add("skipped", 1),
            outcome => {
                to.add(outcome, 1);
                let lines = case.message.lines().chain(case.text.lines());
                to.fail(Failure {
                    name: short(&case.name),
                    place: None,
                    detail: detail(lines),
                });
            }
        }
    }
}

/// Where a tag ends: the first `>` outside quotes.
fn tag_end(text: &str) -> Option<usize> {
    if text.starts_with("<!--") {
        return text.find("-->").map(|at| at + 2);
    }
    let mut quote = None;
    text.bytes().enumerate().find_map(|(at, b)| {
        match (quote, b) {
            (None, b'"' | b'\'') => quote = Some(b),
            (Some(q), b) if q == b => quote = None,
            (None, b'>') => return Some(at),
            _ => {}
        }
        None
    })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let at = rest.find(name)?;
        let before = rest[..at].chars().next_back();
        let after = rest[at + name.len()..].trim_start();
        let value = after.strip_prefix('=').map(str::trim_start);
        if let (Some(value), true) = (value, before.is_none_or(char::is_whitespace)) {
            let quote = value.chars().next().filter(|q| matches!(q, '"' | '\''))?;
            let inner = &value[1..];
            return inner.find(quote).map(|end| unescaped(&inner[..end]));
        }
        rest = &rest[at + name.len()..];
    }
}

/// The five entities of XML, and line breaks in attributes.
fn unescaped(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#10;", "\n"),
        ("&#xA;", "\n"),
        ("&amp;", "&"),
    ];
    pairs
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
