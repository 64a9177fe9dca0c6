//! A tool's program is found and hashed when the tools are loaded: what is executed is that file, or nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{McpClient, World, host_program, text_of, tool_call};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

fn program(at: &Path, text: &str) {
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    let new = at.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, at).unwrap();
}

/// A tool with this command, in a server's configuration.
fn tool(argv0: &Path) -> String {
    format!(
        "[tool.mine]\ndescription = \"d\"\nargv = [\"{}\"]\nlimits = {{ timeout = \"20s\", memory = \"1G\" }}",
        argv0.display()
    )
}

/// Where a program lies that is no one's but the user's.
fn own(world: &World) -> PathBuf {
    world.own("kept/bin/mine")
}

const GOOD: &str = "#!/bin/sh\necho the-good-one\n";
const EVIL: &str = "#!/bin/sh\necho the-evil-one\n";

/// What takes its place meanwhile is not executed, and the refusal says what changed; put back as it was, it is.
#[test]
fn a_program_that_changed_is_not_executed() {
    let world = World::new();
    let at = own(&world);
    program(&at, GOOD);
    let mut client = McpClient::with(&world, &tool(&at), &[]);
    let good = |answer: &str| answer.contains("the-good-one") && answer.contains(r#""isError":false"#);
    let first = client.ask(&tool_call(1, "mine", "{}"));
    assert!(good(&first), "{first}");

    program(&at, EVIL);
    let refused = client.ask(&tool_call(2, "mine", "{}"));
    let sums = [GOOD, EVIL].map(|text| sum(&world, text));
    assert!(
        refused.contains(r#""isError":true"#)
            && refused.contains("not called:")
            && refused.contains(&format!("is {}, and was {} when", sums[1], sums[0]))
            && !refused.contains("the-evil-one"),
        "{refused}"
    );
    // Written in place, of the same length.
    program(&at, GOOD);
    assert!(good(&client.ask(&tool_call(3, "mine", "{}"))));
    fs::write(&at, EVIL).unwrap();
    let refused = client.ask(&tool_call(4, "mine", "{}"));
    assert!(
        refused.contains("not called:") && !refused.contains("the-evil-one"),
        "{refused}"
    );
    // A name that leads elsewhere.
    fs::remove_file(&at).unwrap();
    let gone = client.ask(&tool_call(5, "mine", "{}"));
    assert!(gone.contains("was there when the tools were loaded"), "{gone}");
    let other = at.with_file_name("other");
    program(&other, EVIL);
    symlink(&other, &at).unwrap();
    let elsewhere = client.ask(&tool_call(6, "mine", "{}"));
    assert!(
        elsewhere.contains("leads to")
            && elsewhere.contains("bin/other")
            && !elsewhere.contains("the-evil-one"),
        "{elsewhere}"
    );
    fs::remove_file(&at).unwrap();
    program(&at, GOOD);
    assert!(good(&client.ask(&tool_call(7, "mine", "{}"))));
    client.leave();
}

/// SHA-256 by a program of the system's.
fn sum(world: &World, text: &str) -> String {
    let file = world.own("summed");
    fs::write(&file, text).unwrap();
    let out = host_program("sha256sum").arg(&file).output().unwrap();
    String::from_utf8(out.stdout).unwrap()[..64].to_owned()
}

/// The interpreter of a script is executed too, so it is known too.
#[test]
fn an_interpreter_that_changed_is_not_executed() {
    let world = World::new();
    let at = own(&world);
    let shell = at.with_file_name("interpreter");
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::copy("/bin/sh", &shell).unwrap();
    program(&at, &format!("#!{}\necho the-good-one\n", shell.display()));
    let mut client = McpClient::with(&world, &tool(&at), &[]);
    let first = client.ask(&tool_call(1, "mine", "{}"));
    assert!(first.contains("the-good-one"), "{first}");
    program(&shell, EVIL);
    let refused = client.ask(&tool_call(2, "mine", "{}"));
    assert!(
        refused.contains("bin/interpreter")
            && refused.contains("and was")
            && !refused.contains("the-evil-one"),
        "{refused}"
    );
    client.leave();
}

/// The check that counts is made on the open file that is executed: between the first look and that, another could
/// take its place.
#[test]
fn another_file_than_the_one_looked_at_is_not_executed() {
    let world = World::new();
    let at = own(&world);
    program(&at, "#!/bin/sh\necho ran >here\necho ran\n");
    for stamp in ["1:2:3:4:5:6", "0:0:0:0:0:0"] {
        let flags = ["--live", "--program-is", stamp];
        let out = world.sandbox().flags(flags).run(&[&at]);
        assert_eq!(out.text(), "");
        out.refused(126, &["another file has taken its place", "nothing ran"]);
        assert!(!world.project().join("here").exists());
    }
    let out = world.sandbox().flags(["--program-is", "1:2:3"]).run(&[&at]);
    out.refused(125, &["six whole numbers"]);
    assert!(
        world
            .sandbox()
            .flags(["--live"])
            .run(&[&at])
            .ended(0)
            .contains("ran")
    );
    assert!(world.project().join("here").exists());
}

/// A program of the project's own, below the layer in which the call writes: known there too.
#[test]
fn a_program_of_the_project_is_known_in_its_layer() {
    let world = World::new();
    let at = world.project().join("scripts/mine");
    for usage in ["read", "write"] {
        program(&at, GOOD);
        let text = format!("{}\nworkspace = \"{usage}\"", tool(Path::new("scripts/mine")));
        let mut client = McpClient::with(&world, &text, &[]);
        let first = client.ask(&tool_call(1, "mine", "{}"));
        assert!(first.contains("the-good-one"), "{first}");
        program(&at, EVIL);
        let refused = client.ask(&tool_call(2, "mine", "{}"));
        assert!(
            refused.contains("not called:") && !refused.contains("the-evil-one"),
            "{refused}"
        );
        client.leave();
    }
}

/// A folder of the project on the caller's PATH, by whatever name, is none that programs come from: neither the tool's
/// own nor those that it finds by name inside.
#[test]
fn the_projects_path_is_not_consulted() {
    let world = World::with_repository();
    let canary = world.own("canary");
    let inside = world.project().join("node_modules/.bin");
    for name in ["git", "sh", "sort"] {
        program(
            &inside.join(name),
            &format!("#!/bin/sh\n: >'{}'\necho the-evil-one\n", canary.display()),
        );
    }
    let link = world.own("tools");
    symlink(&inside, &link).unwrap();
    let search = format!(
        "{}:node_modules/.bin:{}:/usr/local/bin:/usr/bin:/bin",
        inside.display(),
        link.display()
    );
    let config = world.own("config/fumehood");
    fs::create_dir_all(&config).unwrap();
    fs::write(
        config.join("config.toml"),
        "version = 1\n[tool.mine]\ndescription = \"d\"\nargv = [\"sh\", \"-c\", \"echo one | sort; git --version\"]\n",
    )
    .unwrap();
    // The attack: whoever takes this PATH as it is runs what the project holds.
    let out = host_program("/usr/bin/env")
        .arg("git")
        .env("PATH", &search)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&out.stdout).contains("the-evil-one"));
    assert!(canary.exists());
    fs::remove_file(&canary).unwrap();

    let verb = |words: &[&str]| world.sandbox().env("PATH", &search).verb(words).ended(0);
    let said = verb(&["tool", "call", "mine", "{}", "--json"]);
    assert!(
        said.contains("one\\ngit version") && !said.contains("the-evil-one"),
        "{said}"
    );
    let said = verb(&["tool", "call", "git_status", "{}", "--json"]);
    assert_eq!(text_of(&said, "origin").as_deref(), Some("command"), "{said}");
    assert!(!said.contains("the-evil-one") && !canary.exists(), "{said}");
    let said = verb(&["tool", "explain", "git_status"]);
    assert!(!said.contains(".bin") && said.contains(" sha256 "), "{said}");
    // Nor does a manifest bring it back.
    fs::write(
        config.join("config.toml"),
        "version = 1\n[tool.mine]\ndescription = \"d\"\nargv = [\"true\"]\nenv = { set = { PATH = \"node_modules/.bin\" } }\n",
    )
    .unwrap();
    let refused = world.sandbox().verb(&["tool", "list"]);
    refused.refused(125, &["by `PATH` a program is told what else to run"]);
}

/// What would be executed is shown with its digest, and a tool without its program is not offered.
#[test]
fn programs_are_shown_and_missed() {
    let world = World::new();
    let at = own(&world);
    program(&at, GOOD);
    let missing = "\n[tool.none]\ndescription = \"d\"\nargv = [\"nowhere-to-be-found\"]";
    let mut client = McpClient::with(&world, &(tool(&at) + missing), &[]);
    let list = client.ask(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert!(
        list.contains("\"name\":\"mine\"") && !list.contains("\"name\":\"none\""),
        "{list}"
    );
    client.leave();

    let sum = sum(&world, GOOD);
    let said = world.sandbox().verb(&["tool", "explain", "mine"]).ended(0);
    let real = fs::canonicalize(&at).unwrap();
    assert!(
        said.contains(&format!("{} sha256 {sum}", real.display())),
        "{said}"
    );
    let said = world.sandbox().verb(&["tool", "lint"]).text();
    assert!(
        said.contains(&format!("program {} sha256 {sum}", real.display()))
            && said.contains("tool none: \"nowhere-to-be-found\": not found on PATH"),
        "{said}"
    );
    let said = world.sandbox().verb(&["tool", "list"]).ended(0);
    assert!(said.contains("not offered: tool none: "), "{said}");
    world
        .sandbox()
        .verb(&["tool", "call", "none", "{}"])
        .refused(125, &["nowhere-to-be-found", "not found on PATH"]);
}
