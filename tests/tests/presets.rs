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

/// A run as Claude Code's home sees it, with a shell in the agent's place.
fn as_claude<'w>(world: &'w World) -> fumehood_tests::Sandboxed<'w> {
    world.sandbox().flags(["--preset", "claude-code"])
}

/// What a hijacked session leaves in the agent's home, the next one does not find: servers, helpers, trusted
/// folders, instructions, programs. Its history it does.
#[test]
fn what_a_session_plants_in_the_agents_home_is_not_believed() {
    let world = World::with_repository();
    let plant = r#"
        mkdir -p ~/.claude/projects/p/memory ~/.claude/hooks ~/.claude/skills/s ~/.local/bin
        echo evil > ~/.claude/projects/p/memory/MEMORY.md; echo evil > ~/.claude/hooks/h; echo evil > ~/.claude/settings.json
        echo evil > ~/.local/bin/git; echo talk > ~/.claude/projects/p/session.jsonl; echo said > ~/.claude/history.jsonl
        cat > ~/.claude.json <<END
        { "numStartups": 7, "mcpServers": { "x": { "command": "/bin/evil" } }, "apiKeyHelper": "evil", "bypassPermissionsModeAccepted": true,
          "projects": { "$PWD": { "hasTrustDialogAccepted": true, "allowedTools": ["Bash"], "lastSessionId": "abc", "mcpServers": { "y": {} } } } }
END
    "#;
    as_claude(&world).sh(plant).ended(0);
    let next = as_claude(&world).sh(
        "cat ~/.claude.json; echo; cat ~/.claude/projects/p/session.jsonl ~/.claude/history.jsonl; grep -rl evil ~",
    );
    let seen = next.text();
    assert_eq!(
        seen,
        format!(
            "{{\"numStartups\":7,\"projects\":{{\"{}\":{{\"lastSessionId\":\"abc\"}}}}}}\ntalk\nsaid",
            world.project().display()
        )
    );
    let said = next.errors();
    assert_eq!(
        said.lines().filter(|l| l.contains("not carried over")).count(),
        1,
        "{said}"
    );
    for name in [".claude/projects/p/memory", "mcpServers", "apiKeyHelper", " more"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    let third = as_claude(&world).sh("true").errors();
    assert!(!third.contains("not carried over"), "{third}");
}

/// The user's own trust in this folder counts inside, their login does not.
#[test]
fn the_users_own_answers_count_inside() {
    let mut world = World::with_repository();
    let own = format!(
        r#"{{ "theme": "light", "oauthAccount": {{ "accessToken": "canary-token" }}, "mcpServers": {{ "x": {{}} }},
            "projects": {{ "{}": {{ "hasTrustDialogAccepted": true }}, "/other": {{ "hasTrustDialogAccepted": true }} }} }}"#,
        world.project().display()
    );
    fs::write(world.home().join(".claude.json"), own).unwrap();
    world.remember();
    let seen = as_claude(&world).sh("cat ~/.claude.json").ended(0);
    let expected = format!(
        r#"{{"projects":{{"{}":{{"hasTrustDialogAccepted":true}}}},"theme":"light"}}"#,
        world.project().display()
    );
    assert_eq!(seen, expected);
}

/// Two sessions of one agent at a time do not write where the other reads, and both are there afterwards.
#[test]
fn two_sessions_of_one_agent_do_not_meet() {
    let world = World::with_repository();
    as_claude(&world)
        .sh("mkdir -p ~/.claude/projects/p; echo old > ~/.claude/projects/p/old.jsonl; echo one > ~/.claude/history.jsonl")
        .ended(0);
    let script = "echo own > ~/.claude/settings.json; echo a > ~/.claude/projects/p/a.jsonl; echo two >> ~/.claude/history.jsonl
        touch ready; while [ ! -e go ]; do sleep 0.05; done; cat ~/.claude/settings.json; ls ~/.claude/projects/p";
    let first = as_claude(&world).flags(["--live"]).start(&["sh", "-c", script]);
    let ready = world.project().join("ready");
    let begun = std::time::Instant::now();
    while !ready.exists() {
        assert!(begun.elapsed().as_secs() < 15, "the first did not begin");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let second = as_claude(&world).sh(
        "cat ~/.claude/projects/p/old.jsonl ~/.claude/history.jsonl; ls ~/.claude/settings.json
         echo b > ~/.claude/projects/p/b.jsonl; echo three >> ~/.claude/history.jsonl; rm ~/.claude/projects/p/old.jsonl; true",
    );
    assert_eq!(second.ended(0), "old\none\ntwo");
    assert!(
        second
            .errors()
            .contains("another session of claude-code runs in this project"),
        "{}",
        second.errors()
    );
    fs::write(world.project().join("go"), "x").unwrap();
    // Its own settings are untouched by the second's start.
    assert_eq!(first.wait().ended(0), "own\na.jsonl\nold.jsonl");
    let third = as_claude(&world)
        .sh("ls ~/.claude/projects/p; cat ~/.claude/history.jsonl; ls ~/.claude/settings.json");
    assert_eq!(third.text(), "a.jsonl\nb.jsonl\nold.jsonl\none\ntwo\nthree");
    let homes = fs::read_dir(world.own("state").join("fumehood/homes")).unwrap();
    let folders = homes.filter(|e| e.as_ref().unwrap().file_type().unwrap().is_dir());
    assert_eq!(folders.count(), 1, "the copy is gone");
}

/// What an agent keeps in a project can be forgotten, unless a session is at it.
#[test]
fn what_an_agent_keeps_is_forgotten_on_request() {
    let world = World::with_repository();
    let forget = |words: &[&str]| world.sandbox().verb(words);
    forget(&["rm", "--home"]).refused(125, &["no agent keeps anything in"]);
    as_claude(&world)
        .sh("mkdir -p ~/.claude; echo old > ~/.claude/history.jsonl")
        .ended(0);
    forget(&["rm", "--home", "codex"]).refused(125, &["codex keeps nothing in"]);
    let script = "cat ~/.claude/history.jsonl; echo x > ready; while [ ! -e go ]; do sleep 0.05; done";
    let mut running = as_claude(&world).flags(["--live"]).start(&["sh", "-c", script]);
    running.await_file(&world.project().join("ready"));
    forget(&["rm", "--home"]).refused(
        125,
        &["claude-code: a session of this agent runs in this project; `fumehood ps`"],
    );
    fs::write(world.project().join("go"), "x").unwrap();
    assert_eq!(running.wait().ended(0), "old");
    assert_eq!(
        forget(&["rm", "--home", "claude-code"]).ended(0),
        "forgot the home of claude-code in this project"
    );
    let next = as_claude(&world).sh("cat ~/.claude/history.jsonl || echo nothing");
    assert_eq!(next.ended(0), "nothing");
}

/// What a session makes of its home keeps the next one neither from starting nor from beginning clean: folders
/// that cannot be entered (as Go's modules are), deeper than descriptors go, the home itself.
#[test]
fn a_home_that_was_closed_is_cleaned_all_the_same() {
    let world = World::new();
    let claude = as_claude(&world);
    let script = "mkdir -p ~/go/pkg ~/.claude/projects/p; echo talk >~/.claude/projects/p/session
        touch ~/go/pkg/module; chmod 555 ~/go/pkg; chmod 0 ~/go
        /usr/bin/python3 -c \"import os; os.chdir(os.environ['HOME'])
for _ in range(1500): os.mkdir('d'); os.chdir('d')\"
        chmod 0 ~";
    claude.sh(script).ended(0);
    let next = claude.sh("ls -A ~ | tr '\\n' ' '; cat ~/.claude/projects/p/session");
    assert!(next.ended(0).ends_with("talk"), "{next:?}");
    let first = next.text().lines().next().unwrap_or_default().to_owned();
    assert!(!first.contains("go") && !first.contains(" d "), "{first}");
}
