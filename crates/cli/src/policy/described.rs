//! `fumehood policy why` and `fumehood policy test`: what policy says of something that a person describes.

use super::places;
use crate::FAILED;
use crate::configuration::assembled;
use crate::say;
use fumehood_monitor::{Answer, Described, Policy};
use fumehood_policy::Escaped;
use fumehood_policy::config::{Config, Examples};
use fumehood_policy::json::Json;
use fumehood_policy::profile::CommandLine;
use fumehood_policy::value::{EffectPattern, Span};
use std::ffi::OsStr;
use std::io::Write;

/// What is not known, and what would be.
const UNKNOWN: &str =
    "write an effect such as git.ref.force, a request such as \"PUT https://host/path\", or a usual command";

/// The configuration that applies here, and the policy that a run would have of it.
fn here() -> Result<(Vec<Config>, Policy), String> {
    let places = places()?;
    let files = places.files()?;
    let mut configs = Vec::new();
    for file in &files {
        configs.push(file.parsed().into_result().map_err(|f| f.to_string())?);
    }
    let flags = CommandLine {
        cwd: places.project.clone(),
        ..CommandLine::default()
    };
    let (folders, command) = (places.folders(), OsStr::new(""));
    let profile = assembled(&places, &flags, command, &folders, &files, &configs)?;
    let mut wishes = profile.map_err(|refused| refused.to_string())?.network;
    wishes.publish.clear(); // nothing is opened for a question
    Ok((configs, crate::run::network(&wishes)?.policy))
}

/// Says what becomes of it.
pub(crate) fn why(what: &[String], body: Option<&str>, json: bool) -> u8 {
    let mut text = what.join(" ");
    if let Some(body) = body {
        text = format!("{text}\n\n{body}");
    }
    let Some(described) = Described::read(&text) else {
        let text = Escaped::from(text.as_str()).at_most(100).to_string();
        say::error(&format!("{text}: nothing that is known; {UNKNOWN}"));
        return FAILED;
    };
    match here() {
        Ok((_, policy)) => {
            let answer = described.answer(&policy);
            let text = if json {
                of_json(&answer).to_string()
            } else {
                of_human(&answer)
            };
            let _closed = writeln!(std::io::stdout(), "{text}");
            0
        }
        Err(text) => {
            say::error(&text);
            FAILED
        }
    }
}

fn of_human(answer: &Answer) -> String {
    let mut lines = vec![format!("{}: {}", answer.decision, answer.reason.why)];
    if !answer.reason.rule.is_empty() {
        lines.push(format!("  by {}", answer.reason.rule));
    }
    if !answer.reason.remedy.is_empty() {
        lines.push(format!("  {}", answer.reason.remedy));
    }
    lines.join("\n")
}

fn of_json(answer: &Answer) -> Json {
    Json::Object(vec![
        ("decision", Json::text(answer.decision)),
        ("why", Json::text(answer.reason.why.as_str())),
        ("rule", Json::text(answer.reason.rule.as_str())),
        ("remedy", Json::text(answer.reason.remedy.as_str())),
    ])
}

/// An example that does not hold.
struct Failure {
    origin: String,
    words: String,
}

/// What of the last days would be decided otherwise now.
pub(crate) fn replay(back: Span, json: bool) -> u8 {
    let asked = here().and_then(|(_, policy)| crate::audit::replay(&policy, back.duration(), json));
    match asked {
        Ok(()) => 0,
        Err(text) => {
            say::error(&text);
            FAILED
        }
    }
}

/// Runs the examples beside the rules; 1 where one does not hold.
pub(crate) fn test(json: bool) -> u8 {
    let (configs, policy) = match here() {
        Ok(here) => here,
        Err(text) => {
            say::error(&text);
            return FAILED;
        }
    };
    let (mut count, mut failures) = (0, Vec::new());
    for config in &configs {
        let deny = config
            .deny
            .iter()
            .map(|at| (&at.value.effects, &at.value.examples));
        let rule = config
            .rules
            .iter()
            .map(|at| (&at.value.effects, &at.value.examples));
        for (effects, examples) in deny.chain(rule) {
            count += examples.matching.len() + examples.not_matching.len();
            failures.extend(failing(config, effects, examples, &policy));
        }
    }
    let text = if json {
        let failed = failures.iter().map(|f| {
            Json::Object(vec![
                ("at", Json::text(f.origin.as_str())),
                ("failure", Json::text(f.words.as_str())),
            ])
        });
        let failed = Json::List(failed.collect());
        Json::Object(vec![
            ("examples", Json::Number(count as u64)),
            ("failures", failed),
        ])
        .to_string()
    } else {
        let mut lines: Vec<String> = failures
            .iter()
            .map(|f| format!("{}: {}", f.origin, f.words))
            .collect();
        lines.push(format!(
            "{count} examples, {} of them do not hold",
            failures.len()
        ));
        lines.join("\n")
    };
    let _closed = writeln!(std::io::stdout(), "{text}");
    u8::from(!failures.is_empty())
}

fn failing(config: &Config, effects: &[EffectPattern], examples: &Examples, policy: &Policy) -> Vec<Failure> {
    let wanted = examples.matching.iter().map(|at| (at, true));
    let unwanted = examples.not_matching.iter().map(|at| (at, false));
    let fails = |(at, matches): (&fumehood_policy::origin::At<String>, bool)| {
        let words = match Described::read(&at.value) {
            None => format!("nothing that is known; {UNKNOWN}"),
            Some(described) => {
                let kinds = described.kinds(policy);
                let hit = kinds
                    .iter()
                    .find(|kind| effects.iter().any(|e| e.matches(kind.name())));
                match (hit, matches) {
                    (Some(_), true) | (None, false) => return None,
                    (Some(kind), false) => format!("it is {kind}, which this matches"),
                    (None, true) => {
                        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                        format!("it is {}, which this does not match", or_nothing(&names))
                    }
                }
            }
        };
        let shown = Escaped::from(at.value.as_str()).at_most(100).to_string();
        Some(Failure {
            origin: config.origin(at.pos).to_string(),
            words: format!("`{shown}`: {words}"),
        })
    };
    wanted.chain(unwanted).filter_map(fails).collect()
}

fn or_nothing(names: &[&str]) -> String {
    if names.is_empty() {
        "no effect".to_owned()
    } else {
        names.join(", ")
    }
}
