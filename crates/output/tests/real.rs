//! Summaries of what real programs print.

use fumehood_output::{Format, Output, Summary};
use fumehood_redact::Forbidden;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// What the program prints, summed up.
#[expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the programs whose output is read"
)]
fn run(dir: &Path, format: Format, words: &[&str]) -> Option<Summary> {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .current_dir(dir)
        .env("CARGO_TERM_COLOR", "always")
        .env("CARGO_TARGET_DIR", dir.join("target"));
    command
        .env_remove("RUSTFLAGS")
        .env_remove("RUST_BACKTRACE")
        .env("CARGO_NET_OFFLINE", "true");
    let done = command.output().unwrap();
    let mut output = Output::new(8192, Arc::new(Forbidden::new(std::iter::empty())), Some(format));
    output.push(&done.stdout);
    output.push(&done.stderr);
    output.finish(None).unwrap().summary
}

#[expect(clippy::unwrap_used, reason = "test")]
fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

const CARGO: &str =
    "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\ndoctest = false\n";

#[test]
fn libtest_of_cargo() {
    let code = "#[test]\nfn good() {}\n#[test]\nfn bad() {\n    assert_eq!(1, 2, \"sums\");\n}\n#[test]\n#[ignore]\nfn later() {}\n";
    let dir = project(&[("Cargo.toml", CARGO), ("src/lib.rs", code)]);
    let summary = run(dir.path(), Format::Libtest, &[env!("CARGO"), "test", "--offline"]).unwrap();
    assert_eq!(
        (
            summary.count("passed"),
            summary.count("failed"),
            summary.count("ignored")
        ),
        (1, 1, 1)
    );
    let failure = &summary.failures[0];
    assert_eq!(
        (failure.name.as_str(), failure.place.as_deref()),
        ("bad", Some("src/lib.rs:5:5"))
    );
    assert!(failure.detail.iter().any(|l| l.contains("sums")), "{failure:?}");
}

#[test]
fn messages_and_diagnostics_of_cargo() {
    let code = "pub fn a() -> u32 {\n    let _x = (1);\n    \"x\"\n}\n";
    let dir = project(&[("Cargo.toml", CARGO), ("src/lib.rs", code)]);
    let json = run(
        dir.path(),
        Format::Cargo,
        &[env!("CARGO"), "check", "--offline", "--message-format=json"],
    )
    .unwrap();
    let plain = run(
        dir.path(),
        Format::Diagnostics,
        &[env!("CARGO"), "check", "--offline"],
    )
    .unwrap();
    for summary in [&json, &plain] {
        assert_eq!(
            (summary.count("errors"), summary.count("warnings")),
            (1, 1),
            "{summary}"
        );
        assert_eq!(summary.failures[0].place.as_deref(), Some("src/lib.rs:3:5"));
        assert!(summary.failures[0].name.contains("mismatched types"), "{summary}");
    }
    assert_eq!(json.notes, ["the build failed"]);
}

#[test]
fn diagnostics_of_gcc() {
    let dir = project(&[("a.c", "int main(void) {\n  int x;\n  return y;\n}\n")]);
    let summary = run(
        dir.path(),
        Format::Diagnostics,
        &["gcc", "-Wall", "-fdiagnostics-color=always", "-c", "a.c"],
    )
    .unwrap();
    assert_eq!(
        (summary.count("errors"), summary.count("warnings")),
        (1, 1),
        "{summary}"
    );
    assert_eq!(summary.failures[0].place.as_deref(), Some("a.c:3:10"));
}

#[test]
fn pytest_and_its_junit() {
    let code = "import pytest, time\n\ndef test_good():\n    time.sleep(0.05)\n\ndef test_bad():\n    assert 1 == 2\n\n@pytest.mark.skip\ndef test_later():\n    pass\n";
    let dir = project(&[("test_a.py", code)]);
    let words = [
        "/usr/bin/python3",
        "-m",
        "pytest",
        "-rA",
        "--durations=3",
        "--color=yes",
        "--junitxml=out.xml",
    ];
    let summary = run(dir.path(), Format::Pytest, &words).unwrap();
    assert_eq!(
        (
            summary.count("passed"),
            summary.count("failed"),
            summary.count("skipped")
        ),
        (1, 1, 1),
        "{summary}"
    );
    assert_eq!(summary.failures[0].name, "test_a.py::test_bad");
    assert_eq!(summary.failures[0].detail, ["assert 1 == 2"]);
    assert_eq!(summary.slowest[0].0, "test_a.py::test_good");

    let junit = run(dir.path(), Format::Junit, &["cat", "out.xml"]).unwrap();
    assert_eq!(
        (
            junit.count("passed"),
            junit.count("failed"),
            junit.count("skipped")
        ),
        (1, 1, 1),
        "{junit}"
    );
    assert_eq!(junit.failures[0].name, "test_a::test_bad");
    assert_eq!(junit.failures[0].detail[0], "assert 1 == 2");
}

#[test]
fn tap_of_node() {
    let code = "const test = require('node:test'); const assert = require('assert');\ntest('good', () => {});\ntest('bad', () => assert.strictEqual(1, 2));\ntest('later', { skip: true }, () => {});\n";
    let dir = project(&[("a.test.js", code)]);
    let summary = run(
        dir.path(),
        Format::Tap,
        &["node", "--test-reporter=tap", "a.test.js"],
    )
    .unwrap();
    assert_eq!(
        (
            summary.count("passed"),
            summary.count("failed"),
            summary.count("skipped")
        ),
        (1, 1, 1),
        "{summary}"
    );
    assert_eq!(summary.failures[0].name, "bad");
}

#[test]
fn a_diff_of_git() {
    let dir = project(&[("a.txt", "1\n2\n3\n"), ("new/ b.txt", "-- x\n++ y\n")]);
    for words in [&["git", "init", "-q"][..], &["git", "add", "a.txt"]] {
        run(dir.path(), Format::Diff, words);
    }
    std::fs::write(dir.path().join("a.txt"), "1\n--- two\n3\n4\n").expect("written");
    run(dir.path(), Format::Diff, &["git", "add", "-N", "new/ b.txt"]);
    let summary = run(dir.path(), Format::Diff, &["git", "diff"]).unwrap();
    assert_eq!(
        (
            summary.count("files"),
            summary.count("lines added"),
            summary.count("lines removed")
        ),
        (2, 4, 1),
        "{summary}"
    );
    assert_eq!(summary.notes, ["a.txt +2 -1", "new/ b.txt +2 -0"]);
}
