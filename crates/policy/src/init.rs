//! The text of a first `fumehood.toml`, for what is found in a project. Pure.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::PathBuf;

use crate::choose::{Folder, choose};
use crate::preset::Entry;

/// What `fumehood init` found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The names in the project's root.
    pub root_names: &'a [OsString],
}

/// Names that usually hold secrets, as patterns to hide. Templates of them are not secret.
const SECRETS: &[(&str, &str)] = &[
    (".env", "**/.env"),
    (".env.local", "**/.env.local"),
    (".env.production", "**/.env.production"),
    (".env.development", "**/.env.development"),
    (".npmrc", ".npmrc"),
    (".netrc", ".netrc"),
    (".pypirc", ".pypirc"),
    ("secrets", "secrets"),
    ("credentials.json", "credentials.json"),
    ("service-account.json", "service-account.json"),
];

/// Endings of names that usually hold keys.
const KEY_ENDINGS: &[(&str, &str)] = &[
    (".pem", "**/*.pem"),
    (".key", "**/*.key"),
    (".p12", "**/*.p12"),
    (".pfx", "**/*.pfx"),
];

/// A commented file that names what was found. It has no request that needs trust, and parses
/// without a finding.
pub fn init(found: &Found<'_>) -> String {
    let root = Folder {
        at: PathBuf::new(),
        names: found.root_names.to_vec(),
    };
    let presets: Vec<&'static Entry> = choose(OsStr::new(""), &[root], &[])
        .iter()
        .map(|c| c.entry)
        .collect();
    let mut text = HEAD.to_owned();
    write_presets(&mut text, &presets);
    write_filesystem(&mut text, &hidden(found.root_names));
    text.push_str(REST);
    text
}

const HEAD: &str = "\
# What a sandbox of this project may see and use. `fumehood policy check` checks it.
#
# Restrictions hold at once. Requests (marked) wait until whoever runs it has said
# `fumehood trust`, again after each change.
version = 1

";

const REST: &str = "\
[limits]
# memory = \"8G\"         # all processes together
# cpus = 4
# pids = 1024
# timeout = \"1h\"

# Request: variables of your own environment.
# [env]
# pass = [\"RUST_LOG\"]

# [[deny]]
# effect = \"package.publish\"
# because = \"releases come from CI\"
";

fn write_presets(text: &mut String, presets: &[&'static Entry]) {
    let names: Vec<String> = presets
        .iter()
        .map(|entry| format!("\"{}\"", entry.name))
        .collect();
    text.push_str("# Found here by their files; they are chosen without this line too.\n");
    let _ = writeln!(text, "presets = [{}]\n", names.join(", "));
}

fn write_filesystem(text: &mut String, patterns: &[&str]) {
    text.push_str(
        "[filesystem]\n# Absent inside. In live mode as long as nothing on the host replaces the file.\n",
    );
    let quoted: Vec<String> = patterns.iter().map(|p| format!("\"{p}\"")).collect();
    let _ = match patterns {
        [] => writeln!(text, "# hide = [\"**/.env\"]"),
        _ => writeln!(text, "hide = [{}]", quoted.join(", ")),
    };
    text.push_str(
        "# Request: paths outside the project.\n# ro = [\"../shared\"]\n# rw = [\"~/data/out\"]\n\n",
    );
}

/// Patterns for what is there, each once. They are ours, not the found names themselves: a
/// hostile name gets into no file.
fn hidden(root_names: &[OsString]) -> Vec<&'static str> {
    let there = |wanted: &str| {
        root_names
            .iter()
            .any(|name| name.as_os_str() == OsStr::new(wanted))
    };
    let ends = |ending: &str| {
        root_names
            .iter()
            .any(|name| name.to_string_lossy().ends_with(ending))
    };
    let by_name = SECRETS
        .iter()
        .filter(|(name, _)| there(name))
        .map(|(_, pattern)| *pattern);
    let by_ending = KEY_ENDINGS
        .iter()
        .filter(|(ending, _)| ends(ending))
        .map(|(_, pattern)| *pattern);
    by_name.chain(by_ending).collect()
}

/// So that a pattern that no longer parses is noticed where it is written.
#[cfg(test)]
fn all_patterns() -> impl Iterator<Item = Result<crate::glob::Glob, crate::value::Invalid>> {
    SECRETS
        .iter()
        .chain(KEY_ENDINGS)
        .map(|(_, pattern)| pattern.parse())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asks::asks;
    use crate::config::parse;
    use crate::origin::Layer;
    use proptest::prelude::*;

    fn for_names(names: &[&str]) -> String {
        let names: Vec<OsString> = names.iter().map(OsString::from).collect();
        init(&Found { root_names: &names })
    }

    #[test]
    fn a_project_with_secrets() {
        insta::assert_snapshot!(for_names(&["Cargo.toml", ".git", ".env", ".env.example", "server.key"]), @r#"
        # What a sandbox of this project may see and use. `fumehood policy check` checks it.
        #
        # Restrictions hold at once. Requests (marked) wait until whoever runs it has said
        # `fumehood trust`, again after each change.
        version = 1

        # Found here by their files; they are chosen without this line too.
        presets = ["rust", "git"]

        [filesystem]
        # Absent inside. In live mode as long as nothing on the host replaces the file.
        hide = ["**/.env", "**/*.key"]
        # Request: paths outside the project.
        # ro = ["../shared"]
        # rw = ["~/data/out"]

        [limits]
        # memory = "8G"         # all processes together
        # cpus = 4
        # pids = 1024
        # timeout = "1h"

        # Request: variables of your own environment.
        # [env]
        # pass = ["RUST_LOG"]

        # [[deny]]
        # effect = "package.publish"
        # because = "releases come from CI"
        "#);
    }

    #[test]
    fn patterns_are_good() {
        assert!(all_patterns().all(|p| p.is_ok()));
    }

    proptest! {
        #[test]
        fn it_is_good_and_asks_for_nothing(names in proptest::collection::vec("Cargo\\.toml|package\\.json|\\.env|x\\.pem|secrets|\\PC{0,8}", 0..8)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let parsed = parse(Layer::Project, "fumehood.toml", for_names(&names).as_bytes());
            prop_assert!(parsed.findings.0.is_empty(), "{}", parsed.findings);
            prop_assert!(asks(&parsed.config.unwrap()).is_empty());
        }
    }

    #[test]
    fn what_is_commented_out_is_good_too() {
        for names in [&[][..], &["Cargo.toml", ".env"]] {
            let text = for_names(names);
            let uncommented = |line: &str| match line.strip_prefix("# ") {
                Some(rest) if rest.starts_with('[') || rest.contains(" = ") => rest.to_owned(),
                _ => line.to_owned(),
            };
            let text: Vec<String> = text.lines().map(uncommented).collect();
            let parsed = parse(Layer::Project, "fumehood.toml", text.join("\n").as_bytes());
            assert!(parsed.findings.0.is_empty(), "{}", parsed.findings);
            assert_eq!(parsed.config.unwrap().deny.len(), 1);
        }
    }
}
