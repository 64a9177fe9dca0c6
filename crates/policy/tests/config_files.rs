//! Configuration files: what is understood, and what is said about what is not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use fumehood_policy::config::{Argument, Config, Parsed, parse};
use fumehood_policy::value::{Apply, Isolation};
use fumehood_policy::{Layer, Severity};
use proptest::prelude::*;

fn read(layer: Layer, text: &str) -> Parsed {
    parse(layer, "fumehood.toml", text.as_bytes())
}

fn good(layer: Layer, text: &str) -> Config {
    let parsed = read(layer, text);
    assert!(parsed.findings.0.is_empty(), "{}", parsed.findings);
    parsed.config.unwrap()
}

/// What is said about a text, one finding a line.
fn said(text: &str) -> String {
    let parsed = read(Layer::Project, text);
    assert_eq!(parsed.config.is_none(), parsed.findings.has_errors());
    parsed.findings.to_string()
}

#[test]
fn an_allowed_host_can_be_narrowed_by_query_and_header_fields_and_is_shown_so() {
    let text = r#"
version = 1
[[network.allow]]
host = "git.example.com"
query = { service = "git-upload-pack" }
headers = { X-Version = ["1", "2"] }
"#;
    let config = good(Layer::Project, text);
    let allow = &config.network.allow[0].value;
    assert_eq!(
        allow.headers,
        [("x-version".to_owned(), vec!["1".to_owned(), "2".to_owned()])]
    );
    assert_eq!(
        allow.to_string(),
        "git.example.com, reading only, service=git-upload-pack, x-version=1|2"
    );
}

#[test]
fn the_documented_examples_are_understood() {
    let cli = good(Layer::Project, include_str!("config/rust-cli.toml"));
    assert_eq!(cli.workspace.apply.map(|a| a.value), Some(Apply::Turn));
    assert_eq!(cli.limits.memory.map(|m| m.value.bytes()), Some(8 << 30));
    assert_eq!(
        cli.deny[0].value.because.as_deref(),
        Some("releases come from CI")
    );
    assert_eq!((cli.deny[0].pos.line, cli.deny[0].pos.column), (7, 1));

    let web = good(Layer::Project, include_str!("config/web.toml"));
    assert_eq!(
        web.network.allow[0].value.to_string(),
        "api.stripe.com, GET POST /v1/**"
    );
    assert_eq!(web.secrets[0].1.from.to_string(), "op://dev/stripe-test/key");

    let kube = good(Layer::Project, include_str!("config/kubernetes.toml"));
    assert_eq!(kube.kube.len(), 2);

    let team = good(Layer::Machine, include_str!("config/team.toml"));
    assert_eq!(
        team.require.isolation.map(|i| i.value),
        Some(Isolation::Namespace)
    );
    assert_eq!(team.serial.map(|s| s.value), Some(42));
    assert_eq!(
        team.expires.map(|e| e.value.to_string()).as_deref(),
        Some("2027-03-01")
    );
    assert_eq!(team.bytes_out.len(), 2);

    let tool = good(Layer::Project, include_str!("config/tool.toml"));
    let argv = &tool.tools[0].1.argv;
    assert_eq!(argv[0].value, Argument::Literal("cargo".into()));
    assert_eq!(argv[5].value.to_string(), "{filter}");

    good(Layer::User, include_str!("config/every-key.toml"));
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion() {
    insta::assert_snapshot!(said("version = 1\nnetwrok = {}\n"), @"fumehood.toml:2:1: error: unknown key `netwrok`; did you mean `network`?");
    insta::assert_snapshot!(said("version = 1\n[limits]\nmem = \"2G\"\n"), @"fumehood.toml:3:1: error: unknown key `mem`; one of memory, cpus, pids, disk, open_files, timeout");
    insta::assert_snapshot!(said("version = 1\n[limits]\nbanana = 2\n"), @"fumehood.toml:3:1: error: unknown key `banana`; one of memory, cpus, pids, disk, open_files, timeout");
    insta::assert_snapshot!(said("version = 1\npresets = [\"ruts\"]\n"), @"fumehood.toml:2:12: error: there is no preset `ruts`; did you mean `rust`?");
    insta::assert_snapshot!(said("version = 1\n[tool.x]\ndescription=\"d\"\nargv=[\"a\"]\nparams.p={type=\"Txt\"}\n"), @"fumehood.toml:5:16: error: `Txt` is not a parameter's type; did you mean `Text`?");
}

#[test]
fn every_problem_is_reported_at_once() {
    insta::assert_snapshot!(said(
        r#"
presets = "rust"
isolation = "namespaces"
nested = "yes"

[limits]
memory = "2 gigs"
cpus = 0
pids = 0
timeout = 90

[filesystem]
ro = ["/", "~"]
rw = ["/data/*"]
hide = ["a//b"]
"#
    ), @r#"
    fumehood.toml:1:1: error: `version` is missing; begin the file with `version = 1`
    fumehood.toml:2:11: error: expected a list, found a text
    fumehood.toml:3:13: error: `namespaces` is not an isolation level; did you mean `namespace`?
    fumehood.toml:4:10: error: expected true or false, found a text
    fumehood.toml:7:10: error: `2 gigs` is not a size; write a number with K, M, G or T, such as "2G"
    fumehood.toml:8:8: error: `0` is not a number of processors; write a number of processors from 0.01 to 4096, such as 2 or 1.5
    fumehood.toml:9:8: error: the number is out of range; from 1 to 4194304
    fumehood.toml:10:11: error: expected a text in quotes, found a whole number
    fumehood.toml:13:7: error: `/` shows far more than a program needs; name the directories below it
    fumehood.toml:13:12: error: `~` shows far more than a program needs; name the directories below it
    fumehood.toml:14:7: error: `/data/*` is not a path but a pattern; name the directory; it is shown with all below it
    fumehood.toml:15:9: error: a pattern with an empty name can never match; remove one of two slashes in a row
    "#);
}

#[test]
fn what_can_never_hold_is_an_error() {
    insta::assert_snapshot!(said(
        r#"
version = 1
[filesystem]
ro = ["/data"]
rw = ["/data"]
[env]
pass = ["*"]
set = { HOME = "/x", "A B" = "c" }
[[deny]]
effect = "git.ref.forced"
[[deny]]
effect = []
[[rule]]
effect = "sql.*"
decide = "deny"
by = { group = "sre" }
[[rule]]
effect = "sql.*"
decide = "allow"
match = ["x"]
not_match = ["x"]
[network]
publish = [0, 70000]
allow = [{ host = "example.com", methods = ["GET"], tunnel = true }, "https://example.com/x"]
[environments.prod]
[tool.t]
description = "d"
argv = ["{x}", "a{b}", "{nope}"]
params = { n = { type = "Int", min = 3, max = 1 }, unused = { type = "Ident" } }
"#
    ), @r#"
    fumehood.toml:3:1: error: `/data` is in `ro` and in `rw`; keep one
    fumehood.toml:6:1: error: `HOME` is set by fumehood; remove it
    fumehood.toml:7:9: error: `*` would pass every variable, keys and tokens too; name those that are needed, such as `LC_*`
    fumehood.toml:8:22: error: `A B` is not a variable's name; use letters, digits and `_`, such as `RUST_LOG`
    fumehood.toml:10:10: error: `git.ref.forced` is not an effect; did you mean `git.ref.force`?
    fumehood.toml:12:10: error: an empty list can never match; name at least one, or leave the key out
    fumehood.toml:13:1: error: nobody releases what is denied: `by` can never apply; remove `by` or write decide = "hold"
    fumehood.toml:17:1: error: an example is in `match` and in `not_match`: both cannot hold; keep one
    fumehood.toml:19:10: error: `allow` is not what a rule decides; one of hold, deny
    fumehood.toml:23:12: error: `0` is not a port; write a number from 1 to 65535
    fumehood.toml:23:15: error: `70000` is not a port; write a number from 1 to 65535
    fumehood.toml:24:10: error: `tunnel` passes bytes unread, so `methods`, `paths`, `query` and `headers` can never match; keep one of them
    fumehood.toml:24:70: error: `https://example.com/x` is not a host; name the host alone, without scheme and path
    fumehood.toml:25:1: error: an environment of nothing can never match; name its hosts or credentials
    fumehood.toml:26:1: error: `{nope}` is no parameter; declare it in `params`
    fumehood.toml:26:1: error: `{x}` is no parameter; did you mean `{n}`?
    fumehood.toml:26:1: error: parameter `n` is never used; put it into `argv` or remove it
    fumehood.toml:26:1: error: parameter `unused` is never used; put it into `argv` or remove it
    fumehood.toml:26:1: error: the program itself cannot be a parameter; write its name
    fumehood.toml:28:16: error: an argument is a fixed text or one `{parameter}`, not both; split it in two, or write `--option={parameter}` or `./{parameter}`
    fumehood.toml:29:16: error: `min` is above `max`: no number can match; swap them
    "#);
}

#[test]
fn a_layer_holds_only_what_is_its_own() {
    insta::assert_snapshot!(said("version = 1\nserial = 2\nmode = \"observe\"\n[[grant]]\nwho = \"group:a\"\nmay_grant = \"*\"\n"), @r"
    fumehood.toml:2:10: error: `serial` belongs to the machine's policy; put it in /etc/fumehood/policy.toml
    fumehood.toml:3:8: error: a project cannot turn enforcement off; put `mode` into your own configuration
    fumehood.toml:4:1: error: `grant` belongs to the machine's policy; put it in /etc/fumehood/policy.toml
    ");
}

#[test]
fn text_that_is_no_toml() {
    insta::assert_snapshot!(said("version = 1\n[limits\nmemory = \n"), @"fumehood.toml:2:8: error: unclosed table, expected `]`");
    insta::assert_snapshot!(said("version = 1\nversion = 1\n"), @"fumehood.toml:2:1: error: duplicate key");
    insta::assert_snapshot!(said("version = 2\n"), @"fumehood.toml:1:11: error: format 2 is newer than this fumehood knows; update fumehood, or write version = 1");
    insta::assert_snapshot!(said(""), @"fumehood.toml:1:1: error: `version` is missing; begin the file with `version = 1`");
}

#[test]
fn bytes_that_are_no_text() {
    let of = |bytes: &[u8]| parse(Layer::Project, "a\nb.toml", bytes).findings.to_string();
    insta::assert_snapshot!(of(b"version = 1\n# caf\xe9\n"), @r"a\nb.toml:2:6: error: the file is not UTF-8; save it as UTF-8");
    insta::assert_snapshot!(of(&vec![b'#'; 1024 * 1024 + 1]), @r"a\nb.toml:1:1: error: the file is larger than 1 MiB; configuration is short; is this the right file?");
}

#[test]
fn terminal_attacks_in_a_file_are_shown_as_text() {
    let said = said("version = 1\n\"\\u001b]0;pwn\\u0007\" = 1\n[limits]\nmemory = \"\\u202e2G\"\n");
    insta::assert_snapshot!(said, @r#"
    fumehood.toml:2:1: error: unknown key `\x1b]0;pwn\x07`; one of version, presets, isolation, nested, filesystem, env, workspace, git, limits, deny, rule, network, secret, postgres, kube, tool, offer, mcp, require, services, environments, bytes_out, grant, audit, serial, expires, grace, mode
    fumehood.toml:4:10: error: `\u{202e}2G` is not a size; write a number with K, M, G or T, such as "2G"
    "#);
    assert!(
        !said
            .chars()
            .any(|c| c != '\n' && fumehood_policy::escape::acts_or_hides(c))
    );
}

#[test]
fn a_secret_in_a_file_has_a_place_in_it() {
    let table = |rest: &str| {
        let text = format!("version = 1\n[secret.A]\nfrom = \"env:A\"\nfor = \"x.example\"\n{rest}");
        parse(Layer::User, "config.toml", text.as_bytes()).into_result()
    };
    let file = |rest: &str| table(rest).unwrap().secrets[0].1.file.clone();
    assert_eq!(file(""), None);
    let plain = file("file = \"~/.token\"").unwrap();
    assert_eq!(
        (plain.path.as_str(), plain.content("X").as_str()),
        ("~/.token", "X")
    );
    let shaped = file("file = \"~/.npmrc\"\ntext = \"//x.example/:_authToken={}\\n\"").unwrap();
    assert_eq!(shaped.content("X"), "//x.example/:_authToken=X\n");
    for (rest, why) in [
        ("text = \"{}\"", "`file` names none"),
        (
            "file = \"~/.npmrc\"\ntext = \"token\"",
            "no place for the placeholder",
        ),
    ] {
        let error = table(rest).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_pasted_secret_is_not_repeated() {
    let said = said(
        "version = 1\n[secret.A]\nfrom = \"sk_live_abc123\"\nfor = \"x.example\"\n[postgres.p]\nat = \"u:hunter2@h:1/d\"\n",
    );
    assert!(!said.contains("sk_live") && !said.contains("hunter2"), "{said}");
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = format!("version = 1\na = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(said(&deep).lines().count() <= 50);
    let keys: String = (0..20_000).map(|i| format!("k{i} = 1\n")).collect();
    assert_eq!(said(&format!("version = 1\n{keys}")).lines().count(), 50);
    let long = format!("version = 1\npresets = [{}]", "\"git\",".repeat(5000));
    insta::assert_snapshot!(said(&long), @"fumehood.toml:2:11: error: the list is too long; 4096 entries at most");
    let dotted = format!("version = 1\n{}z = 1", "a.".repeat(50_000));
    assert!(read(Layer::Project, &dotted).config.is_none());
}

#[test]
fn twice_the_same_is_a_warning() {
    let parsed = read(Layer::User, "version = 1\nenv = { pass = [\"A\", \"A\"] }\n");
    assert!(parsed.config.is_some());
    assert_eq!(parsed.findings.0[0].severity, Severity::Warning);
}

#[test]
fn a_large_file_is_read_in_time() {
    let rule = "[[deny]]\neffect = \"package.publish\"\n";
    let text = format!("version = 1\n{}", rule.repeat(4000));
    let begin = std::time::Instant::now();
    good(Layer::Project, &text);
    assert!(begin.elapsed().as_secs() < 5);
}

proptest! {
    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse(Layer::Machine, "x", &bytes);
    }

    /// Pieces of real files in any order reach the decoders more often than random bytes do.
    #[test]
    fn any_mixture_is_judged(pieces in proptest::collection::vec(0usize..200, 0..30), layer in 0usize..3) {
        let all: Vec<&str> = [include_str!("config/web.toml"), include_str!("config/team.toml"), include_str!("config/tool.toml"), include_str!("config/every-key.toml")]
            .iter().flat_map(|text| text.split_inclusive(['\n', '=', ',', '{'])).collect();
        let text: String = pieces.iter().map(|i| all[i % all.len()]).collect();
        let layer = [Layer::Machine, Layer::User, Layer::Project][layer];
        let parsed = parse(layer, "x", text.as_bytes());
        prop_assert!(!parsed.findings.to_string().chars().any(|c| c != '\n' && fumehood_policy::escape::acts_or_hides(c)));
    }
}

/// The keys of a table are those that its error message lists.
fn keys_of(text: &str) -> Vec<String> {
    let said = said(text);
    let (_, list) = said.split_once("one of ").unwrap();
    list.lines()
        .next()
        .unwrap()
        .split(", ")
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_key_has_a_row_in_the_readme() {
    let readme = include_str!("../README.md");
    let (_, table) = readme.split_once("## Every key").unwrap();
    let sections = ["filesystem", "env", "workspace", "git"];
    for key in keys_of("version = 1\n\"?\" = 1\n") {
        assert!(
            table.contains(&format!("`{key}`")) || table.contains(&format!("`{key}.")),
            "{key}"
        );
    }
    for section in sections {
        for key in keys_of(&format!("version = 1\n[{section}]\n\"?\" = 1\n")) {
            assert!(
                table.contains(&format!("`{section}.{key}`")) || table.contains(&format!("`.{key}`")),
                "{section}.{key}"
            );
        }
    }
}

#[test]
fn a_tool_places_values_where_they_stay_values() {
    let tool = |lines: &str| said(&format!("version = 1\n[tool.t]\ndescription = \"d\"\n{lines}\n"));
    assert_eq!(
        tool(
            "params = { p = { type = \"PkgName\", optional = true }, f = { type = \"RelPath\", many = 9 }, d = { type = \"RelPath\", default = \"src\" } }\n\
             argv = [\"cargo\", [\"--package={p}\", \"-q\"], \"./{d}\", \"{f}\"]\ncwd = \"a/b\"\nenv = { set = { RUST_BACKTRACE = \"1\" } }\noutput = { budget = \"8K\", parser = \"go-test\" }"
        ),
        ""
    );
    insta::assert_snapshot!(tool(
        "params = { p = { type = \"Ident\" } }\nargv = [\"sh\", \"-c\", \"echo {p}\", \"-x{p}\", \"--{p}\", \"=--a={p}\", \"{p}{p}\", [\"-q\"], \"p}\"]"
    ), @r"
    fumehood.toml:2:1: error: parameter `p` is never used; put it into `argv` or remove it
    fumehood.toml:5:21: error: an argument is a fixed text or one `{parameter}`, not both; split it in two, or write `--option={parameter}` or `./{parameter}`
    fumehood.toml:5:33: error: an argument is a fixed text or one `{parameter}`, not both; split it in two, or write `--option={parameter}` or `./{parameter}`
    fumehood.toml:5:42: error: an argument is a fixed text or one `{parameter}`, not both; split it in two, or write `--option={parameter}` or `./{parameter}`
    fumehood.toml:5:51: error: an argument is a fixed text or one `{parameter}`, not both; split it in two, or write `--option={parameter}` or `./{parameter}`
    fumehood.toml:5:63: error: an argument is a fixed text or one `{parameter}`, not both; split it in two, or write `--option={parameter}` or `./{parameter}`
    fumehood.toml:5:73: error: a group stands or falls with a parameter in it; put a `{parameter}` into it, or leave its brackets out
    fumehood.toml:5:81: error: a `}` without its `{`; write a fixed text, or one `{parameter}`
    ");
    insta::assert_snapshot!(tool(
        "argv = [\"true\"]\ncwd = \"../x\"\nenv = { set = { LD_PRELOAD = \"x.so\" }, pass = [\"NODE_OPTIONS\", \"LC_*\", \"L*\", \"LD_PRE*\", \"GIT_*\"] }\noutput = { budget = \"1M\", parser = \"pytst\" }"
    ), @r"
    fumehood.toml:5:7: error: a pattern with `.` or `..` can never match: paths are resolved first; write the path without
    fumehood.toml:6:7: error: by `GIT_*` a program is told what else to run; leave it out; write an option into `argv` instead
    fumehood.toml:6:7: error: by `L*` a program is told what else to run; leave it out; write an option into `argv` instead
    fumehood.toml:6:7: error: by `LD_PRE*` a program is told what else to run; leave it out; write an option into `argv` instead
    fumehood.toml:6:7: error: by `LD_PRELOAD` a program is told what else to run; leave it out; write an option into `argv` instead
    fumehood.toml:6:7: error: by `NODE_OPTIONS` a program is told what else to run; leave it out; write an option into `argv` instead
    fumehood.toml:7:21: error: a tool gives back 1K to 64K; the rest is kept, and can be paged
    fumehood.toml:7:36: error: `pytst` is not a parser of output; did you mean `pytest`?
    ");
}

#[test]
fn a_server_behind_the_gateway_has_a_sandbox_and_is_asked_for() {
    let text = "version = 1\n[mcp.files]\ncommand = [\"npx\", \"server\", \"{x}\"]\nnetwork = [\"api.example.com\"]\nsecrets = [\"KEY\"]\ntools = [\"read_file\"]\nrename = { read_file = \"read\" }\nhold = [\"write_file\"]\ntimeout = \"30s\"\n";
    let config = good(Layer::Project, text);
    let (name, upstream) = &config.upstreams[0];
    assert_eq!(name.value.as_str(), "files");
    assert_eq!(upstream.command().collect::<Vec<_>>(), ["npx", "server", "{x}"]);
    let asks: Vec<String> = fumehood_policy::asks::asks(&config)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        asks,
        ["offer the tools of the server files: npx server {x}, reaching api.example.com, with KEY"]
    );
    let wrong = said(
        "version = 1\n[mcp.x]\ncommand = []\nprefix = \"a b\"\ntools = [\"-x\"]\nenv.set.LD_PRELOAD = \"x\"\n",
    );
    insta::assert_snapshot!(wrong, @r"
    fumehood.toml:2:1: error: `command` is empty; list the program and its arguments
    fumehood.toml:4:10: error: a prefix has at most 32 letters, digits, `_` and `-`; shorten it
    fumehood.toml:5:10: error: `-x` is not a tool's name; use letters, digits, `_`, `-` and `.`
    fumehood.toml:6:1: error: by `LD_PRELOAD` a program is told what else to run; leave it out; write an option into `argv` instead
    ");
}
