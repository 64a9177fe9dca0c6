//! Values that no type takes, or only one that holds them.

use crate::bench::{call, load};
use fumehood_policy::config;
use fumehood_policy::origin::Layer;

const KINDS: &[&str] = &[
    "RelPath", "Glob", "GitRef", "PkgName", "TestId", "Ident", "Host", "Url", "Regex",
];

fn taken(kind: &str, value: &str) -> bool {
    let tool = load(&format!(
        "params = {{ p = {{ type = \"{kind}\" }} }}\nargv = [\"true\", \"{{p}}\"]\nnetwork = [\"ok.example\", \"*.good.example\"]"
    ))
    .unwrap();
    let json = serde_json::json!({ "p": value }).to_string();
    call(&tool, json.as_bytes()).is_ok()
}

#[test]
fn magic_links_are_not_below_the_project() {
    for path in [
        "/proc/self/root/etc/passwd",
        "/dev/fd/3",
        "/dev/tcp/127.0.0.1/1",
        "/proc/self/environ",
    ] {
        assert!(!taken("RelPath", path), "{path}");
    }
}

#[test]
fn what_cannot_be_seen() {
    let hidden = "\0\u{1}\u{7}\u{8}\r\n\t\u{1b}\u{7f}\u{85}\u{9b}\u{a0}\u{ad}\u{115f}\u{200b}\u{200d}\u{200f}\u{2028}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\u{e0001}\u{e0041}\u{e007f}\u{e0100}";
    for c in hidden.chars() {
        for kind in KINDS {
            for value in [format!("a{c}b"), format!("{c}a"), format!("a{c}")] {
                assert!(!taken(kind, &value), "{kind} takes U+{:04X}", u32::from(c));
            }
        }
    }
}

#[test]
fn look_alikes() {
    for value in [
        "р\u{430}ypal",
        "\u{435}x\u{435}c",
        "ｍain",
        "a\u{301}b",
        "\u{212a}",
    ] {
        for kind in ["GitRef", "PkgName", "TestId", "Ident", "Host", "Url"] {
            assert!(!taken(kind, value), "{kind} takes {value}");
        }
    }
    // Dots and a slash of full width stay what they are: a name in the project, if there is one.
    assert!(taken("RelPath", "．．／x"));
}

#[test]
fn protected_paths() {
    let tool =
        load("params = { p = { type = \"RelPath\", write = true } }\nargv = [\"true\", \"{p}\"]").unwrap();
    for path in [
        ".claude/settings.json",
        ".claude/settings.local.json",
        ".mcp.json",
        ".codex/config.toml",
        ".vscode/tasks.json",
        ".envrc",
        ".husky/pre-push",
        ".github/workflows/ci.yml",
        ".git/config",
        ".git/hooks/post-checkout",
        ".GIT/config",
        "GIT~1/config",
        ".git",
        ".Vscode/Tasks.json",
        ".cargo/config.toml",
        ".cargo",
        ".cursor/mcp.json",
        ".gemini/settings.json",
    ] {
        let json = serde_json::json!({ "p": path }).to_string();
        assert!(call(&tool, json.as_bytes()).is_err(), "{path}");
    }
}

#[test]
fn options_of_programs_that_are_not_here() {
    for value in ["-exec=x", "-toolexec=x", "-o=x", "-vettool=x", "-run", "--test"] {
        for kind in KINDS {
            assert!(!taken(kind, value), "{kind} takes {value}");
        }
    }
}

#[test]
fn hosts() {
    assert!(taken("Url", "https://ok.example/x") && taken("Host", "a.good.example"));
    for value in [
        "http://127.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/",
        "http://localhost/",
        "https://ok.example@evil.example/",
        "https://ok.example\\@evil.example/",
        "//evil.example/",
        "https://ok.example\t/",
        "https://ok.example\r\n/",
        "https://ok.example.evil.example/",
        "https://evilok.example/",
        "https://ok.example./",
        "https://*/",
        "https://good.example/",
        "https://xgood.example/",
        "https://ok.example:22/",
        "javascript:alert(1)",
        "https:ok.example",
        "https://ok.example%2eevil.example/",
    ] {
        assert!(!taken("Url", value), "{value}");
    }
}

#[test]
fn patterns() {
    for value in [
        "**/**/**/**/*",
        "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
        "../**",
        "/etc/*",
    ] {
        assert!(!taken("Glob", value), "{value}");
    }
    assert!(!taken("Regex", r"\x{10FFFF}{1000}{1000}"));
    assert!(!taken("Regex", &"a".repeat(1025)));
    // Linear in the text: a backtracking engine would not come back from this.
    assert!(taken("Regex", "(a+)+$"));
    let engine = regex_lite::Regex::new("(a+)+$").unwrap();
    assert!(!engine.is_match(&format!("{}!", "a".repeat(50_000))));
}

#[test]
fn names_of_tools() {
    for name in [
        "\"run_tests \"",
        "\"run\u{2011}tests\"",
        "\"Run\"",
        "\"\u{435}x\"",
        "\"a.b\"",
        "\"../x\"",
        "\"\"",
    ] {
        let text = format!("version = 1\n[tool.{name}]\ndescription = \"d\"\nargv = [\"true\"]\n");
        assert!(
            config::parse(Layer::User, "c", text.as_bytes()).config.is_none(),
            "{name}"
        );
    }
    let twice = "version = 1\n[tool.a]\ndescription = \"d\"\nargv = [\"true\"]\n[tool.a]\ndescription = \"e\"\nargv = [\"true\"]\n";
    assert!(config::parse(Layer::User, "c", twice.as_bytes()).config.is_none());
}
