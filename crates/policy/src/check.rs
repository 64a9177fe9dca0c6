//! What `fumehood policy check` prints: for people, and as JSON.

use crate::asks::{Ask, asks};
use crate::config::Config;
use crate::escape::Escaped;
use crate::finding::{Finding, Findings};
use crate::json::Json;
use crate::profile::{Profile, Refused};

/// The result of checking one file.
#[derive(Clone, Debug)]
pub struct FileReport<'a> {
    /// The file's name as given.
    pub file: &'a str,
    /// What is wrong with it.
    pub findings: &'a Findings,
    /// The file, if it is good.
    pub config: Option<&'a Config>,
    /// Whether its requests count; for the project's file.
    pub trusted: Option<bool>,
}

impl FileReport<'_> {
    /// What the file asks for while it is not trusted.
    fn waiting(&self) -> Vec<Ask> {
        let untrusted = self.trusted == Some(false);
        self.config.filter(|_| untrusted).map(asks).unwrap_or_default()
    }

    /// Lines for people.
    pub fn human(&self) -> String {
        let mut lines: Vec<String> = self.findings.0.iter().map(ToString::to_string).collect();
        if lines.is_empty() {
            lines.push(format!("{}: good", Escaped::from(self.file)));
        }
        let waiting = self.waiting();
        if !waiting.is_empty() {
            lines.push("it asks, and waits for `fumehood trust`, to".to_owned());
            lines.extend(waiting.iter().map(|ask| format!("  {ask}  ({})", ask.key)));
        }
        lines.join("\n")
    }

    /// The same as JSON.
    pub fn json(&self) -> Json {
        Json::Object(vec![
            ("file", Json::text(self.file)),
            ("good", Json::Bool(self.config.is_some())),
            ("trusted", self.trusted.map_or(Json::Null, Json::Bool)),
            (
                "findings",
                Json::List(self.findings.0.iter().map(finding).collect()),
            ),
            ("waiting", Json::List(self.waiting().iter().map(ask).collect())),
        ])
    }
}

fn finding(finding: &Finding) -> Json {
    Json::Object(vec![
        ("severity", Json::text(finding.severity.word())),
        ("file", Json::text(&finding.file)),
        ("line", Json::Number(finding.pos.line.into())),
        ("column", Json::Number(finding.pos.column.into())),
        ("key", Json::text(&finding.key)),
        ("message", Json::text(&finding.message)),
        ("help", finding.help.as_ref().map_or(Json::Null, Json::text)),
    ])
}

fn ask(ask: &Ask) -> Json {
    Json::Object(vec![
        ("key", Json::text(ask.key)),
        ("words", Json::text(&ask.words)),
        ("line", Json::Number(ask.pos.line.into())),
        ("column", Json::Number(ask.pos.column.into())),
    ])
}

/// What a run with these files would be told: lines for people.
pub fn outlook(assembled: &Result<Profile, Refused>) -> String {
    match assembled {
        Err(refused) => format!("a run would be refused:\n{refused}"),
        Ok(profile) => {
            let presets: Vec<String> = profile.presets.iter().map(ToString::to_string).collect();
            let mut lines = vec![format!(
                "presets: {}",
                if presets.is_empty() {
                    "none".to_owned()
                } else {
                    presets.join(", ")
                }
            )];
            lines.extend(profile.notices.iter().map(ToString::to_string));
            lines.join("\n")
        }
    }
}

/// The same as JSON.
pub fn outlook_json(assembled: &Result<Profile, Refused>) -> Json {
    let line = |key: &str, origin: &crate::Origin, text: &str| {
        Json::Object(vec![
            ("key", Json::text(key)),
            ("origin", Json::text(origin)),
            ("message", Json::text(text)),
        ])
    };
    match assembled {
        Err(refused) => Json::Object(vec![
            ("runs", Json::Bool(false)),
            (
                "refused",
                Json::List(
                    refused
                        .0
                        .iter()
                        .map(|r| line(r.key, &r.origin, &format!("{}; {}", r.reason, r.help)))
                        .collect(),
                ),
            ),
        ]),
        Ok(profile) => Json::Object(vec![
            ("runs", Json::Bool(true)),
            (
                "presets",
                Json::List(profile.presets.iter().map(|c| Json::text(c.entry.name)).collect()),
            ),
            (
                "notices",
                Json::List(
                    profile
                        .notices
                        .iter()
                        .map(|n| line(n.key, &n.origin, &n.message))
                        .collect(),
                ),
            ),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::origin::Layer;

    fn report(text: &str, trusted: bool) -> (String, String) {
        let parsed = parse(Layer::Project, "a\u{202e}b.toml", text.as_bytes());
        let report = FileReport {
            file: "a\u{202e}b.toml",
            findings: &parsed.findings,
            config: parsed.config.as_ref(),
            trusted: Some(trusted),
        };
        (report.human(), report.json().to_string())
    }

    #[test]
    fn a_wrong_file() {
        let (human, json) = report("version = 1\n\"\\u001b[2J\" = 1\n", false);
        insta::assert_snapshot!(human, @r"a\u{202e}b.toml:2:1: error: unknown key `\x1b[2J`; one of version, presets, isolation, nested, filesystem, env, workspace, git, limits, deny, rule, network, secret, postgres, kube, tool, offer, mcp, require, services, environments, bytes_out, grant, audit, serial, expires, grace, mode");
        insta::assert_snapshot!(json, @r#"{"file":"a\u202eb.toml","good":false,"trusted":false,"findings":[{"severity":"error","file":"a\u202eb.toml","line":2,"column":1,"key":"","message":"unknown key `\\x1b[2J`","help":"one of version, presets, isolation, nested, filesystem, env, workspace, git, limits, deny, rule, network, secret, postgres, kube, tool, offer, mcp, require, services, environments, bytes_out, grant, audit, serial, expires, grace, mode"}],"waiting":[]}"#);
    }

    #[test]
    fn a_file_that_asks() {
        let (human, json) = report("version = 1\nnested = true\n", false);
        insta::assert_snapshot!(human, @r"
        a\u{202e}b.toml: good
        it asks, and waits for `fumehood trust`, to
          let programs make sandboxes of their own (file rules of the second wall off)  (nested)
        ");
        insta::assert_snapshot!(json, @r#"{"file":"a\u202eb.toml","good":true,"trusted":false,"findings":[],"waiting":[{"key":"nested","words":"let programs make sandboxes of their own (file rules of the second wall off)","line":2,"column":10}]}"#);
        insta::assert_snapshot!(report("version = 1\nnested = true\n", true).0, @r"a\u{202e}b.toml: good");
    }
}
