//! Any bytes as the arguments of a call: refused in a short line, or the words are the template's and each value one
//! word of its type; what passes is JSON for another parser too, with the same meaning.
#![no_main]

use fumehood_policy::config;
use fumehood_policy::origin::Layer;
use fumehood_tools::{Arguments, Manifest, compile, guard};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const TOOL: &str = r#"
version = 1
[tool.t]
description = "d"
params = { a = { type = "RelPath", optional = true }, b = { type = "Text", max = 50, multiline = true, optional = true }, c = { type = "Regex", optional = true }, d = { type = "GitRef", many = 4, optional = true }, e = { type = "Url", optional = true }, f = { type = "Glob", optional = true }, g = { type = "Int", min = -5, max = 5, optional = true }, h = { type = "RelPath", write = true, optional = true } }
argv = ["prog", "{a}", ["-m", "{b}"], "--re={c}", "{d}", "{e}", "{f}", ["-n", "--n={g}"], "./{h}", "end"]
network = ["*.example.com"]
"#;

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    let config = config::parse(Layer::User, "c", TOOL.as_bytes())
        .into_result()
        .expect("it parses");
    Manifest::of_config(&config).expect("it loads").remove(0)
});

fuzz_target!(|data: &[u8]| {
    if let Ok(json) = guard(data) {
        let other: serde_json::Value = serde_json::from_slice(data).expect("JSON elsewhere too");
        assert_eq!(json.value(), &other);
        assert_eq!(guard(json.to_string().as_bytes()).as_ref(), Ok(&json));
    }
    let manifest = &*MANIFEST;
    let words = Arguments::parse(manifest, data).and_then(|a| compile(&manifest.tool().argv, &a));
    match words {
        Err(refused) => {
            assert!(refused.text().len() <= 512);
            assert!(!refused.text().chars().any(fumehood_policy::escape::acts_or_hides));
        }
        Ok(words) => {
            assert_eq!(words[0], "prog");
            assert_eq!(words[words.len() - 1], "end");
            let mut after_m = false;
            for word in &words {
                let text = word.to_str().expect("UTF-8");
                let ours =
                    ["-m", "-n"].contains(&text) || text.starts_with("--re=") || text.starts_with("--n=");
                assert!(ours || !text.starts_with('-'), "{text}");
                let hides =
                    |c: char| fumehood_policy::escape::acts_or_hides(c) && !(after_m && "\n\t".contains(c));
                assert!(!text.chars().any(hides), "{text:?}");
                after_m = text == "-m";
            }
        }
    }
});
