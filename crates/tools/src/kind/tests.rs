use super::*;
use proptest::prelude::*;

const NONE: ToolNetwork = ToolNetwork::None;

fn reaching(hosts: &[&str]) -> ToolNetwork {
    let at = |text: &&str| fumehood_policy::origin::At {
        value: text.parse().unwrap(),
        pos: fumehood_policy::finding::Pos::START,
    };
    ToolNetwork::Hosts(hosts.iter().map(at).collect())
}

fn all_kinds() -> Vec<ParameterKind> {
    vec![
        ParameterKind::RelPath { write: false },
        ParameterKind::RelPath { write: true },
        ParameterKind::Glob,
        ParameterKind::GitRef,
        ParameterKind::PkgName,
        ParameterKind::TestId,
        ParameterKind::Ident,
        ParameterKind::Host,
        ParameterKind::Url,
        ParameterKind::Regex,
        ParameterKind::Text {
            max: 100,
            multiline: true,
        },
        ParameterKind::Sql { max: 100 },
    ]
}

#[track_caller]
fn good(kind: &ParameterKind, network: &ToolNetwork, texts: &[&str]) {
    for text in texts {
        let checked = check_text(kind, network, text);
        assert_eq!(checked.map(|v| v.as_str().to_owned()), Ok((*text).to_owned()));
    }
}

#[track_caller]
fn wrong(kind: &ParameterKind, network: &ToolNetwork, texts: &[&str]) {
    for text in texts {
        assert!(
            check_text(kind, network, text).is_err(),
            "{kind:?} takes {text:?}"
        );
    }
}

#[test]
fn paths_are_below_the_project_and_spelled_once() {
    let read = ParameterKind::RelPath { write: false };
    good(
        &read,
        &NONE,
        &[
            ".",
            "src/main.rs",
            "a b/ü.txt",
            "...",
            "@types/x",
            ".git/config",
            "a;b",
            "$(x)",
        ],
    );
    wrong(
        &read,
        &NONE,
        &[
            "",
            "/etc/passwd",
            "../../etc/passwd",
            "a/../b",
            "a/..",
            "a//b",
            "a/",
            "./a",
            "~/x",
            "a\0b",
            "a\nb",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{7f}",
            "/proc/self/root/x",
            "/dev/fd/3",
            &"x/".repeat(600),
            &"y".repeat(256),
        ],
    );
    let write = ParameterKind::RelPath { write: true };
    good(
        &write,
        &NONE,
        &["src/main.rs", "README.md", ".gitignore", "docs/.x"],
    );
    wrong(
        &write,
        &NONE,
        &[
            ".git",
            ".git/hooks/pre-commit",
            ".GIT/config",
            ".Git/Hooks/x",
            "GIT~1/config",
            ".claude/settings.json",
            ".mcp.json",
            ".codex/config.toml",
            ".vscode/tasks.json",
            ".envrc",
            ".husky/pre-commit",
            ".github/workflows/x.yml",
            ".cargo/config.toml",
            ".vscode",
        ],
    );
}

#[test]
fn patterns_cost_what_they_are_long() {
    good(&ParameterKind::Glob, &NONE, &["src/**/*.rs", "*.{js,ts}", "a"]);
    wrong(
        &ParameterKind::Glob,
        &NONE,
        &[
            "",
            "/x",
            "../x",
            "a/../../b",
            "**/**/**/**/*",
            "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
            "a\nb",
        ],
    );
    good(&ParameterKind::Regex, &NONE, &["(a+)+$", r"fn \w+", "^$"]);
    wrong(
        &ParameterKind::Regex,
        &NONE,
        &["", r"\x{10FFFF}{1000}{1000}", "(", &"a".repeat(1025), "a\0"],
    );
}

#[test]
fn names_have_a_shape() {
    let refs = ["main", "v1.2", "HEAD~3", "feat/x", "a..b", "HEAD@{1}", "0123abc"];
    good(&ParameterKind::GitRef, &NONE, &refs);
    wrong(
        &ParameterKind::GitRef,
        &NONE,
        &[
            "",
            "-n",
            "--output=x",
            "main\n",
            "a b",
            "a:b",
            "ext::sh",
            "@{-1}",
            "/x",
            "$(x)",
            "a;b",
            "m\u{430}in",
        ],
    );
    good(
        &ParameterKind::PkgName,
        &NONE,
        &["serde", "serde_json", "@types/node", "a.b-c"],
    );
    wrong(
        &ParameterKind::PkgName,
        &NONE,
        &[
            "",
            "-p",
            "../x",
            "a/b",
            "@a",
            "@a/b/c",
            "a@1",
            "git+ssh://x",
            "file:x",
            "a..b",
            "a b",
            "s\u{435}rde",
        ],
    );
    let tests = [
        "net::tests::dials",
        "tests/test_a.py::TestX::test_y[1-a]",
        "TestX/sub",
        "adds 1 + 2",
    ];
    good(&ParameterKind::TestId, &NONE, &tests);
    wrong(
        &ParameterKind::TestId,
        &NONE,
        &[
            "",
            "-p",
            "--junitxml=x",
            "@args",
            "../x.py::t",
            "a::../x",
            "/x.py",
            "a\nb",
            "a;b",
            "a`b`",
            "a$b",
        ],
    );
    good(&ParameterKind::Ident, &NONE, &["users", "_a1"]);
    wrong(
        &ParameterKind::Ident,
        &NONE,
        &[
            "",
            "1a",
            "users; DROP TABLE x",
            "a\"\"b",
            "a.b",
            "a-b",
            "\u{435}xec",
            &"a".repeat(64),
        ],
    );
}

#[test]
fn hosts_and_urls_are_those_the_tool_may_reach() {
    let net = reaching(&["ok.com", "*.example.com", "127.0.0.1:8080"]);
    good(
        &ParameterKind::Host,
        &net,
        &["ok.com", "a.example.com", "127.0.0.1"],
    );
    wrong(
        &ParameterKind::Host,
        &net,
        &[
            "ok.com.evil.com",
            "evilok.com",
            "ok.com.",
            "OK.com",
            "*",
            "127.1",
            "0x7f000001",
            "169.254.169.254",
            "[::ffff:10.0.0.1]",
            "\u{440}aypal.com",
            "localhost",
            "example.com",
            "",
        ],
    );
    good(
        &ParameterKind::Url,
        &net,
        &[
            "https://ok.com",
            "https://ok.com/a?b=c%20d",
            "http://127.0.0.1:8080/x",
            "http://ok.com:80/",
        ],
    );
    wrong(
        &ParameterKind::Url,
        &net,
        &[
            "https://ok.com@evil.com/",
            "https://ok.com\\@evil.com/",
            "//evil.com",
            "https://ok.com\t/",
            "file:///etc/passwd",
            "https://ok.com:8443/",
            "https://evil.com/",
            "http://127.1:8080/",
            "http://0x7f000001:8080/",
            "http://[::ffff:127.0.0.1]:9/",
            "http://169.254.169.254/",
            "https://OK.com/",
            "https://ok.com./",
            "ftp://ok.com",
            "https://",
            "https:///x",
            "https://ok.com/#x",
            "https://ok.com:/",
            "gopher://ok.com",
            "-o",
            "https://ok.com\r\nX: y",
        ],
    );
    wrong(&ParameterKind::Url, &NONE, &["https://ok.com"]);
    wrong(&ParameterKind::Host, &NONE, &["ok.com"]);
}

#[test]
fn numbers_are_not_coerced() {
    let kind = ParameterKind::Int { min: 0, max: 600 };
    let check = |json: &str| {
        let value: Json = serde_json::from_str(json).unwrap();
        check(&kind, &NONE, &value).map(|v| v.as_str().to_owned())
    };
    assert_eq!(check("7"), Ok("7".to_owned()));
    for wrong in [
        "-1",
        "601",
        "1e12",
        "1.0",
        "-0",
        "\"7\"",
        "9007199254740993",
        "18446744073709551615",
        "null",
        "[7]",
        "true",
    ] {
        assert!(check(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn text_shows_all_that_it_holds() {
    let one = ParameterKind::Text {
        max: 20,
        multiline: false,
    };
    good(&one, &NONE, &["fix: a", "", "; rm -rf $(x) `y`"]);
    wrong(
        &one,
        &NONE,
        &[
            "a\nb",
            "a\u{202e}",
            "a\u{e0041}",
            "a\u{1b}[2J",
            "a\u{200b}",
            "a\u{3164}",
            "a\0",
            &"x".repeat(21),
        ],
    );
    let many = ParameterKind::Text {
        max: 20,
        multiline: true,
    };
    good(&many, &NONE, &["a\n\tb"]);
    wrong(&many, &NONE, &["a\rb", "a\u{b}b"]);
}

proptest! {
    /// Whatever passes has no character that acts or hides, but line breaks and tabs of a text.
    #[test]
    fn nothing_passes_that_acts(text in any::<String>()) {
        let net = reaching(&["*.example.com"]);
        for kind in all_kinds() {
            if let Ok(value) = check_text(&kind, &net, &text) {
                let allowed = |c: char| matches!(kind, ParameterKind::Text { .. } | ParameterKind::Sql { .. }) && matches!(c, '\n' | '\t');
                prop_assert!(!value.as_str().chars().any(|c| fumehood_policy::escape::acts_or_hides(c) && !allowed(c)));
            }
        }
    }

    /// Joined to a root, no path that passes is elsewhere by its spelling.
    #[test]
    fn no_path_leaves(text in "[a./~-]{0,12}") {
        if let Ok(value) = check_text(&ParameterKind::RelPath { write: false }, &NONE, &text) {
            let mut depth = 0i32;
            for part in std::path::Path::new(value.as_str()).components() {
                match part {
                    std::path::Component::Normal(_) => depth += 1,
                    std::path::Component::CurDir => {}
                    other => prop_assert!(false, "{:?}", other),
                }
                prop_assert!(depth >= 0);
            }
        }
    }

    /// What the URL type takes, another reading of the authority takes for the same host.
    #[test]
    fn a_url_has_one_host(text in "https?://[a-z@:\\\\/?#.%0-9\\[\\]]{0,24}") {
        let net = reaching(&["*.example.com", "a.b"]);
        if check_text(&ParameterKind::Url, &net, &text).is_ok() {
            // As a browser reads it: `\` is `/`, the last `@` ends the user.
            let rest = text.split_once("//").map_or("", |(_, r)| r).replace('\\', "/");
            let authority = rest.split(['/', '?', '#']).next().unwrap_or("").to_owned();
            let host = authority.rsplit('@').next().unwrap_or("").split(':').next().unwrap_or("").to_owned();
            prop_assert!(host == "a.b" || host.ends_with(".example.com"), "{}", text);
        }
    }
}
