//! From the text of a configuration file and the JSON of a call to the words of a command.

use fumehood_policy::config;
use fumehood_policy::origin::Layer;
use fumehood_tools::{Arguments, Effect, Manifest, compile, lint, schema};
use proptest::prelude::*;
use std::ffi::OsString;

fn load(tool: &str) -> Result<Manifest, String> {
    let text = format!("version = 1\n[tool.t]\ndescription = \"d\"\n{tool}\n");
    let config = config::parse(Layer::User, "config.toml", text.as_bytes())
        .into_result()
        .map_err(|e| e.to_string())?;
    let mut all = Manifest::of_config(&config).map_err(|e| e.to_string())?;
    Ok(all.remove(0))
}

fn call(manifest: &Manifest, json: &str) -> Result<Vec<String>, String> {
    let arguments = Arguments::parse(manifest, json.as_bytes()).map_err(|e| e.to_string())?;
    let words = compile(&manifest.tool().argv, &arguments).map_err(|e| e.to_string())?;
    Ok(words
        .into_iter()
        .map(|w| w.to_string_lossy().into_owned())
        .collect())
}

const TESTS: &str = r#"
params = { package = { type = "PkgName", optional = true }, folder = { type = "RelPath", default = "src" }, filter = { type = "TestId", many = 3, optional = true }, level = { type = "Enum", values = ["-v", "-q"], optional = true }, n = { type = "Int", min = -9, max = 9, optional = true } }
argv = ["cargo", "test", ["--package={package}"], ["-n", "--threads={n}"], "{level}", "./{folder}", "--", "{filter}"]
"#;

#[test]
fn values_take_their_places() {
    let tool = load(TESTS).unwrap();
    let words = |json: &str| call(&tool, json).map(|w| w.join(" "));
    assert_eq!(words("{}").unwrap(), "cargo test ./src --");
    assert_eq!(
        words(r#"{"package":"serde","folder":"-x","filter":["a::b","c d"],"level":"-v","n":-3}"#).unwrap(),
        "cargo test --package=serde -n --threads=-3 -v ./-x -- a::b c d"
    );
    assert_eq!(
        call(&tool, r#"{"filter":["a b;$(c)"]}"#)
            .unwrap_err()
            .split(';')
            .next(),
        Some("`filter`: `a b")
    );
    assert_eq!(
        call(&tool, r#"{"filter":["c d"]}"#).unwrap().last().unwrap(),
        "c d"
    );
}

#[test]
fn refusals_say_what_to_send_instead() {
    let tool = load(TESTS).unwrap();
    let said = |json: &str| call(&tool, json).unwrap_err();
    insta::assert_snapshot!(said("[]"), @"the arguments are a list; send one object, such as {}");
    insta::assert_snapshot!(said(r#"{"pakage":"x"}"#), @"there is no parameter `pakage`; it takes package, folder, filter, level, n");
    insta::assert_snapshot!(said(r#"{"__proto__":{}}"#), @"there is no parameter `__proto__`; it takes package, folder, filter, level, n");
    insta::assert_snapshot!(said(r#"{"folder":"../x"}"#), @"`folder`: `../x` leaves the project; write a path below the project, such as src/main.rs");
    insta::assert_snapshot!(said(r#"{"folder":7}"#), @"`folder`: a text is wanted, a number came; send a string");
    insta::assert_snapshot!(said(r#"{"level":"-x"}"#), @"`level`: `-x` is none of the values; one of -v, -q");
    insta::assert_snapshot!(said(r#"{"n":99}"#), @"`n`: 99 is out of range; send a whole number from -9 to 9, without quotes");
    insta::assert_snapshot!(said(r#"{"filter":["a","b","c","d"]}"#), @"`filter`: 4 values are too many; at most 3");
    insta::assert_snapshot!(said(r#"{"filter":"a"}"#), @"`filter`: a list is wanted, a text came; send a list of values");
    insta::assert_snapshot!(said(r#"{"n":1,"n":2}"#), @"the call is refused as JSON: the key `n` is there twice at line 1 column 10; send one JSON value that reads in one way");
    let needs = load("params = { p = { type = \"RelPath\" } }\nargv = [\"cat\", \"--\", \"{p}\"]").unwrap();
    insta::assert_snapshot!(call(&needs, "{}").unwrap_err(), @"`p`: it is missing; send a value for it");
    insta::assert_snapshot!(call(&needs, r#"{"p":"-rf"}"#).unwrap_err(), @"`p`: `-rf` would be read as an option; begin with another character");
}

#[test]
fn a_value_that_would_be_a_program_keeps_the_tool_from_being_offered() {
    for argv in [
        r#"["sh", "-c", "{p}"]"#,
        r#"["/bin/bash", "{p}"]"#,
        r#"["python3", "-c", "{p}"]"#,
        r#"["python3.12", "{p}"]"#,
        r#"["node", "--eval={p}"]"#,
        r#"["env", "{p}"]"#,
        r#"["xargs", "{p}"]"#,
        r#"["sed", "{p}", "x"]"#,
        r#"["awk", ["{p}"]]"#,
        r#"["ssh", "{p}"]"#,
    ] {
        let tool = load(&format!(
            "params = {{ p = {{ type = \"Ident\" }} }}\nargv = {argv}"
        ));
        assert!(
            tool.as_ref()
                .is_err_and(|e| e.contains("runs what stands in its arguments")),
            "{argv}: {tool:?}"
        );
    }
    assert!(load("params = { p = { type = \"TestId\" } }\nargv = [\"python3\", \"-m\", \"pytest\", \"--\", \"{p}\"]").is_ok());
    let wrong = load("params = { p = { type = \"RelPath\", default = \"../x\" } }\nargv = [\"ls\", \"{p}\"]")
        .unwrap_err();
    insta::assert_snapshot!(wrong, @"config.toml:2:7: tool `t`: the default of `p`: `../x` leaves the project; write a path below the project, such as src/main.rs");
}

#[test]
fn the_class_is_that_of_the_sandbox() {
    let effect = |lines: &str| load(&format!("argv = [\"x\"]\n{lines}")).unwrap().effect();
    assert_eq!(effect(""), Effect::Observe);
    assert_eq!(effect("scratch = [\"target/**\"]"), Effect::SandboxWrite);
    assert_eq!(effect("workspace = \"write\""), Effect::SandboxWrite);
    assert_eq!(effect("network = [\"example.com\"]"), Effect::Outward);
    assert_eq!(effect("secrets = [\"TOKEN\"]"), Effect::Outward);
}

#[test]
fn a_tool_is_known_by_all_that_is_told_and_run() {
    let base = "argv = [\"x\", \"a\"]\nlimits = { timeout = \"1m\" }";
    let digest = |lines: &str| load(lines).unwrap().digest();
    assert_eq!(digest(base), digest(&format!("\n\n{base}")));
    for other in [
        "argv = [\"x\", \"b\"]\nlimits = { timeout = \"1m\" }",
        "argv = [\"x\", \"a\"]\nlimits = { timeout = \"2m\" }",
        "argv = [\"x\", \"a\"]\nlimits = { timeout = \"1m\" }\nworkspace = \"write\"",
        "argv = [\"x\", \"a\"]\nlimits = { timeout = \"1m\" }\nenv = { set = { A = \"1\" } }",
        "argv = [\"x\", \"a\"]\nlimits = { timeout = \"1m\" }\ncwd = \"sub\"",
    ] {
        assert_ne!(digest(base), digest(other), "{other}");
    }
}

#[test]
fn lints() {
    let tool = load("params = { p = { type = \"RelPath\" } }\nargv = [\"rg\", \"{p}\"]").unwrap();
    let all: Vec<String> = lint::lint(&tool).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(all.join("\n"), @r#"
    `{p}` stands where options are read; put "--" before it, or write `--option={parameter}`
    it may run for ever; set limits.timeout
    it may take all memory; set limits.memory
    "#);
}

#[test]
fn what_a_client_is_told() {
    let tool = load(TESTS).unwrap();
    insta::assert_snapshot!(schema::definition(&tool), @r#"{"annotations":{"destructiveHint":false,"openWorldHint":false,"readOnlyHint":true},"description":"d","inputSchema":{"$schema":"https://json-schema.org/draft/2020-12/schema","additionalProperties":false,"properties":{"filter":{"items":{"maxLength":512,"minLength":1,"pattern":"^[A-Za-z0-9_][A-Za-z0-9_./:\\[\\]<>,=+# -]*$","type":"string"},"maxItems":3,"minItems":0,"type":"array"},"folder":{"default":"src","maxLength":1024,"minLength":1,"pattern":"^[^/~]","type":"string"},"level":{"enum":["-v","-q"],"type":"string"},"n":{"maximum":9,"minimum":-9,"type":"integer"},"package":{"maxLength":430,"minLength":1,"pattern":"^(@[A-Za-z0-9_][A-Za-z0-9._-]*/)?[A-Za-z0-9_][A-Za-z0-9._-]*$","type":"string"}},"required":[],"type":"object"},"name":"t","outputSchema":{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"bytes":{"minimum":0,"type":"integer"},"cleaned":{"type":"object"},"definition":{"type":"string"},"handle":{"type":["string","null"]},"kept_whole":{"type":"boolean"},"left_out":{"type":["object","null"]},"limit":{"type":["string","null"]},"lines":{"minimum":0,"type":"integer"},"notes":{"items":{"type":"string"},"type":"array"},"origin":{"type":"string"},"output":{"type":"string"},"redacted":{"minimum":0,"type":"integer"},"status":{"maximum":255,"minimum":0,"type":"integer"},"summary":{"type":["object","null"]},"timed_out":{"type":"boolean"},"tool":{"type":"string"},"untrusted":{"type":"boolean"}},"required":["bytes","cleaned","definition","handle","kept_whole","left_out","limit","lines","notes","origin","output","redacted","status","summary","timed_out","tool","untrusted"],"type":"object"}}"#);
}

const ALL: &str = r#"
params = { a = { type = "RelPath", optional = true }, b = { type = "Text", max = 50, multiline = true, optional = true }, c = { type = "Regex", optional = true }, d = { type = "PkgName", many = 4, optional = true } }
argv = ["prog", "one", "{a}", ["-m", "{b}"], "--re={c}", "two", "{d}", "end"]
"#;

proptest! {
    /// Whatever a model sends, the fixed words stand where they stood, in order, and nothing that is not the
    /// template's begins with `-`.
    #[test]
    fn the_template_holds(
        a in proptest::option::of("[a/.-]{1,6}"),
        b in proptest::option::of(any::<String>()),
        c in proptest::option::of("[a-c()+*-]{1,6}"),
        d in proptest::collection::vec("[@a-c/-]{1,5}", 0..5),
    ) {
        let tool = load(ALL).unwrap();
        let mut object = serde_json::Map::new();
        for (name, value) in [("a", &a), ("b", &b), ("c", &c)] {
            if let Some(value) = value {
                object.insert(name.to_owned(), value.as_str().into());
            }
        }
        object.insert("d".to_owned(), d.clone().into());
        let json = serde_json::Value::Object(object).to_string();
        let Ok(arguments) = Arguments::parse(&tool, json.as_bytes()) else { return Ok(()) };
        let Ok(words) = compile(&tool.tool().argv, &arguments) else { return Ok(()) };
        let mut expected: Vec<OsString> = vec!["prog".into(), "one".into()];
        expected.extend(a.map(OsString::from));
        if let Some(b) = b {
            expected.extend(["-m".into(), b.into()]);
        }
        expected.extend(c.map(|c| OsString::from(format!("--re={c}"))));
        expected.push("two".into());
        expected.extend(d.into_iter().map(OsString::from));
        expected.push("end".into());
        prop_assert_eq!(&words, &expected);
        let fixed = ["-m"];
        for word in &words {
            let text = word.to_str().unwrap();
            prop_assert!(!text.starts_with('-') || fixed.contains(&text) || text.starts_with("--re="), "{}", text);
        }
    }
}
