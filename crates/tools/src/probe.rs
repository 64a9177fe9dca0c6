//! Hostile values tried on a tool, without running it: what is refused, and what would reach the command as data.

use crate::argv::compile;
use crate::call::Arguments;
use crate::kind::Value;
use crate::manifest::Manifest;
use fumehood_policy::Escaped;
use fumehood_policy::config::Argument;
use serde_json::{Map, Value as Json};

/// Values of the catalogue of hostile inputs (docs/tools.md), by what they try.
const HOSTILE: &[&str] = &[
    "-rf",
    "--output=/tmp/x",
    "--upload-pack=x",
    "-oProxyCommand=x",
    "--config=x",
    "../../etc/passwd",
    "/etc/passwd",
    "a/../../b",
    ".git/hooks/pre-commit",
    ".mcp.json",
    "a\0b",
    "a\nb",
    "a\rb",
    "a\u{1b}[2Jb",
    "a\u{202e}b",
    "a\u{e0041}b",
    "a\u{200b}b",
    "; rm -rf x",
    "$(x)",
    "`x`",
    "a|b",
    "@args",
    "SHELL=x",
    "ext::sh -c x",
    "file:///etc/passwd",
    "http://169.254.169.254/",
    "https://a@b/",
    "**/**/**/**/*",
    "(a+)+$",
    r"\x{10FFFF}{1000}{1000}",
    "раypal.com",
    "",
];

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Calls that were refused.
    pub refused: usize,
    /// Calls whose value stood in the command as one word, in its place.
    pub data: usize,
    /// Calls whose value did more, in words.
    pub broken: Vec<String>,
}

/// Tries each value on each parameter.
#[must_use]
pub fn probe(tool: &Manifest) -> Report {
    let mut report = Report::default();
    for (name, parameter) in tool.parameters() {
        for value in HOSTILE {
            let one = Json::from(*value);
            let sent = if parameter.many.is_some() {
                Json::Array(vec![one])
            } else {
                one
            };
            let mut object = Map::new();
            object.insert(name.as_str().to_owned(), sent);
            // Parameters that must be there, other than this, are left out: their absence is no refusal of this.
            let missing = |(n, p): &&(_, fumehood_policy::config::Parameter)| {
                n != name && !p.optional && p.default.is_none()
            };
            if tool.parameters().iter().any(|p| missing(&p)) {
                let wrong = crate::kind::check(&parameter.kind, tool.network(), &Json::from(*value)).is_err();
                if wrong {
                    report.refused += 1
                } else {
                    report.data += 1
                }
                continue;
            }
            let words =
                Arguments::of(tool, &object).and_then(|a| compile(&tool.tool().argv, &a).map(|w| (a, w)));
            match words {
                Err(_) => report.refused += 1,
                Ok((arguments, words)) => {
                    report.data += 1;
                    let words: Vec<String> = words.iter().map(|w| w.to_string_lossy().into_owned()).collect();
                    if let Some(why) = broken(tool, &arguments, &words) {
                        let shown = Escaped::from(*value);
                        report.broken.push(format!("{name}: `{shown}`: {why}"));
                    }
                }
            }
        }
    }
    report
}

/// A word that neither the template nor a value accounts for, or a value that begins with `-`.
fn broken(tool: &Manifest, arguments: &Arguments, words: &[String]) -> Option<String> {
    let values: Vec<&Value> = arguments.iter().flat_map(|(_, v)| v).collect();
    for word in words {
        let template = tool.tool().argv.iter().any(|a| has(&a.value, word, &values));
        if !template {
            return Some(format!(
                "makes the word `{}`",
                Escaped::from(word.as_str()).at_most(60)
            ));
        }
    }
    None
}

fn has(argument: &Argument, word: &str, values: &[&Value]) -> bool {
    match argument {
        Argument::Literal(text) => text == word,
        Argument::Parameter(_) => values
            .iter()
            .any(|v| v.as_str() == word && !v.is_like_an_option()),
        Argument::Prefixed(prefix, _) => word
            .strip_prefix(prefix.as_str())
            .is_some_and(|rest| values.iter().any(|v| v.as_str() == rest)),
        Argument::Group(parts) => parts.iter().any(|p| has(p, word, values)),
    }
}
