//! Which presets a run gets, and what they let in.

use fumehood_tests::World;
use std::fs;

/// Tools look for their files upwards from where they are started, and so are presets chosen.
#[test]
fn chosen_by_the_folders_from_the_top_to_the_start() {
    let world = World::with_repository();
    let deep = world.project().join("apps/tool/src");
    fs::create_dir_all(&deep).unwrap();
    fs::create_dir_all(world.project().join("apps/web")).unwrap();
    fs::write(world.project().join("apps/tool/Cargo.toml"), "").unwrap();
    fs::write(world.project().join("apps/web/package.json"), "{}").unwrap();
    fs::write(world.project().join("pom.xml"), "").unwrap();
    let events = world.own("state").join("events");
    let presets = |folder: &std::path::Path| {
        let run = world.sandbox().directory(folder);
        let run = run.flags([std::ffi::OsStr::new("--events"), events.as_os_str()]);
        run.run(&["true"]).ended(0);
        let text = fs::read_to_string(&events).unwrap();
        fs::remove_file(&events).unwrap();
        let start = text.lines().next().unwrap_or_default();
        let list = start.split(r#""presets":["#).nth(1).unwrap_or_default();
        list.split(']').next().unwrap_or_default().to_owned()
    };
    assert_eq!(presets(&world.project()), r#""java","git""#);
    assert_eq!(presets(&deep), r#""rust","java","git""#);
    let said = world
        .sandbox()
        .directory(&deep)
        .flags(["--verbose"])
        .run(&["true"]);
    assert!(
        said.errors()
            .contains("rust (apps/tool/Cargo.toml), java (pom.xml)"),
        "{}",
        said.errors()
    );
}

/// Options that name code or passwords stay outside, word by word; what is typed passes.
#[test]
fn variables_of_presets_are_looked_at() {
    let world = World::new();
    fs::write(world.project().join("package.json"), "{}").unwrap();
    fs::write(world.project().join("pom.xml"), "").unwrap();
    let run = world
        .sandbox()
        .env("NODE_OPTIONS", "--require /outside/boot.js --no-warnings")
        .env(
            "JAVA_TOOL_OPTIONS",
            "-Xmx1g -Dhttps.proxyPassword=canary-password -javaagent:/x.jar",
        )
        .env("NODE_PATH", "https://ann:canary-password@example.invalid/");
    let out = run.run(&["env"]);
    let inside = out.ended(0);
    assert!(inside.contains("NODE_OPTIONS=--no-warnings\n"), "{inside}");
    assert!(inside.contains("JAVA_TOOL_OPTIONS=-Xmx1g\n"), "{inside}");
    assert!(
        !inside.contains("canary") && !inside.contains("NODE_PATH"),
        "{inside}"
    );
    let said = out.errors();
    for name in ["NODE_OPTIONS", "NODE_PATH", "JAVA_TOOL_OPTIONS"] {
        assert!(said.contains(&format!("--env {name} passes it")), "{said}");
    }
    assert!(!said.contains("canary"), "{said}");
    let typed = run.flags(["--env", "NODE_OPTIONS"]).run(&["env"]).ended(0);
    assert!(
        typed.contains("NODE_OPTIONS=--require /outside/boot.js --no-warnings\n"),
        "{typed}"
    );
}

/// Plugins are seen, their servers' keys are not; a mail password keeps git's settings out.
#[test]
fn settings_beside_plugins_are_looked_through() {
    let mut world = World::new();
    let plugin = world.home().join(".claude/plugins/a");
    fs::create_dir_all(&plugin).unwrap();
    fs::write(
        plugin.join(".mcp.json"),
        r#"{ "mcpServers": { "x": { "env": { "API_TOKEN": "canary-key" } } } }"#,
    )
    .unwrap();
    fs::write(plugin.join("plugin.json"), r#"{ "name": "a" }"#).unwrap();
    fs::write(
        world.home().join(".gitconfig"),
        "[sendemail]\n\tsmtpPass = canary-key\n",
    )
    .unwrap();
    world.remember();
    let script = "cat ~/.claude/plugins/a/plugin.json && ! cat ~/.claude/plugins/a/.mcp.json && ! cat ~/.gitconfig \
        && ! grep -rqs canary-key ~";
    let run = world.sandbox().flags(["--preset", "claude-code"]);
    assert_eq!(run.sh(script).ended(0), r#"{ "name": "a" }"#);
    let kept = run.flags(["--apply", "ask"]);
    assert_eq!(kept.sh(script).ended(0), r#"{ "name": "a" }"#);
}
