//! The tools that come with fumehood, on projects of their kind whose tests fail, and whose settings have programs of the
//! repository's run (rows 14 and 33 of the catalogue of hostile input): they run, inside, and leave nothing.

use fumehood_tests::{Output, World};
use std::fs;
use std::path::PathBuf;

fn call(world: &World, name: &str, json: &str) -> Output {
    world.sandbox().verb(&["tool", "call", name, json, "--json"])
}

/// A file outside that hostile code would make, and shell code that makes it, and one in the project.
fn hostile(world: &World) -> (PathBuf, String) {
    let canary = world.own("canary");
    let made = world.project().join("ran");
    let code = format!("touch '{}'; echo ran >'{}'", canary.display(), made.display());
    (canary, code)
}

/// It ran inside, where its output says so; of what it wrote nothing is left.
fn stayed_inside(world: &World, canary: &std::path::Path, out: &Output) {
    assert!(out.text().contains("ran inside"), "{}", out.text());
    assert!(!canary.exists() && !world.project().join("ran").exists());
}

#[test]
fn row_14_npm_and_its_settings() {
    let world = World::new();
    let (canary, code) = hostile(&world);
    let project = world.project();
    fs::write(
        project.join("package.json"),
        r#"{ "name": "p", "version": "1.0.0", "scripts": { "pretest": "echo pretest", "test": "node --test" } }"#,
    )
    .unwrap();
    fs::write(
        project.join("a.test.js"),
        "const { test } = require('node:test');\ntest('good', () => {});\ntest('bad', () => { throw new Error('wanted'); });\n",
    )
    .unwrap();
    let shell = project.join("shell.sh");
    fs::write(
        &shell,
        format!("#!/bin/sh\n({code}) 2>/dev/null\necho ran inside\nexec /bin/sh \"$@\"\n"),
    )
    .unwrap();
    fs::set_permissions(&shell, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(
        project.join(".npmrc"),
        format!("script-shell={}\n", shell.display()),
    )
    .unwrap();
    let out = call(&world, "npm_test", "{}");
    out.ended(1);
    assert!(
        out.text().contains("pretest") && out.text().contains("wanted"),
        "{}",
        out.text()
    );
    stayed_inside(&world, &canary, &out);
    let missing = call(&world, "npm_lint", "{}");
    assert!(missing.text().contains("lint"), "{}", missing.text());
}

#[test]
fn row_14_pytest_and_its_settings() {
    let world = World::new();
    let (canary, code) = hostile(&world);
    let project = world.project();
    fs::write(project.join("pytest.ini"), "[pytest]\naddopts = -p evil -s\n").unwrap();
    fs::write(
        project.join("evil.py"),
        format!("import os\nos.system({code:?} + ' 2>/dev/null')\nprint('ran inside', flush=True)\n"),
    )
    .unwrap();
    fs::write(
        project.join("test_a.py"),
        "def test_good():\n    pass\n\n\ndef test_bad():\n    assert 1 + 1 == 3\n",
    )
    .unwrap();
    let out = call(&world, "pytest", "{}");
    out.ended(1);
    stayed_inside(&world, &canary, &out);
    let text = out.text();
    assert!(
        text.contains(r#""passed":1"#) && text.contains(r#""failed":1"#),
        "{text}"
    );
    assert!(text.contains("test_a.py::test_bad"), "{text}");
    call(&world, "pytest", r#"{"test": "test_a.py::test_good"}"#).ended(0);
    // What would be an option of pytest is no test.
    let refused = call(&world, "pytest", r#"{"test": "-pevil"}"#);
    refused.ended(125);
    assert!(refused.errors().contains("`test`"), "{}", refused.errors());
}

#[test]
fn row_33_make_and_its_file() {
    let world = World::new();
    let (canary, code) = hostile(&world);
    let project = world.project();
    fs::write(
        project.join("Makefile"),
        format!("X := $(shell {code}; true)\nall:\n\t@echo ran inside\nbad:\n\t@echo ran inside; exit 3\n"),
    )
    .unwrap();
    let out = call(&world, "make", "{}");
    out.ended(0);
    stayed_inside(&world, &canary, &out);
    let bad = call(&world, "make", r#"{"target": "bad"}"#);
    bad.ended(2);
    stayed_inside(&world, &canary, &bad);
    for target in ["SHELL=x", "--eval=x", "-f"] {
        let refused = call(&world, "make", &format!(r#"{{"target": "{target}"}}"#));
        refused.ended(125);
        assert!(refused.errors().contains("`target`"), "{}", refused.errors());
    }
}
