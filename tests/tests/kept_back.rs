//! The cases that live mode does not hold, with changes kept back (`--apply ask`): escapes 7, 10, 14, 103–105, 107,
//! codex 8, 18, 19, srt 9, 19–33. Nothing reaches the host before an apply; what would run there later waits until it
//! is named; and no tool of the host follows what was planted.

use fumehood_tests::{Output, World, fumehood};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn kept(world: &World, script: &str) -> String {
    world.sandbox().flags(["--apply", "ask"]).sh(script).ended(0)
}

fn verb(world: &World, words: &[&str]) -> Output {
    let mut all = vec![fumehood().into_os_string()];
    all.extend(words.iter().map(Into::into));
    world
        .sandbox()
        .directory(world.project())
        .start_words(&all)
        .wait()
}

fn absent(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err()
}

/// Escapes 7 (CVE-2026-39861): links to secrets, made inside, are shown, applied and rescued as links.
#[test]
fn e007_no_tool_of_the_host_follows_a_planted_link() {
    let world = World::with_repository();
    let secret = world.home().join(".ssh/id_rsa");
    let script = format!(
        "ln -s {0} l && mkdir d && ln -s {1} d/up && ln -s / root && rm README && ln -s {0} README",
        secret.display(),
        world.sibling().display()
    );
    kept(&world, &script);
    let to = world.own("state").join("rescued");
    for words in [
        &["diff"][..],
        &["rescue", to.to_str().unwrap()],
        &["apply"],
        &["apply", "--all"],
    ] {
        let out = verb(&world, words);
        let said = out.text() + &out.errors();
        assert!(!said.contains("canary"), "{words:?}: {said}");
    }
    for link in ["l", "d/up", "root", "README"] {
        assert!(world.project().join(link).is_symlink(), "{link}");
    }
    let rescued = fs::read_link(to.join("l"));
    assert!(absent(&to.join("l")) || rescued.is_ok_and(|target| target == secret));
}

/// Escapes 10, codex 8, srt 9: a file that is hard-linked from outside is the project's alone once it was changed.
#[test]
fn e010_planted_hard_link() {
    let mut world = World::with_repository();
    let (outside, link) = (world.outside().join("file"), world.project().join("planted"));
    fs::hard_link(&outside, &link).unwrap();
    let inode = fs::metadata(&outside).unwrap().ino();
    world.harm_is_fine(); // its count of links changes when the project's name is taken away
    let before = fs::read_to_string(&outside).unwrap();
    assert!(kept(&world, "echo evil >> planted; cat planted").ends_with("evil"));
    assert_eq!(fs::read_to_string(&link).unwrap(), before);
    verb(&world, &["apply"]).ended(0);
    assert!(fs::read_to_string(&link).unwrap().ends_with("evil\n"));
    assert_eq!(fs::read_to_string(&outside).unwrap(), before);
    assert_eq!(fs::metadata(&outside).unwrap().ino(), inode);
    // Undone, the link is what it was, and what is written to it by an apply still stays in the project.
    verb(&world, &["undo"]).ended(0);
    assert_eq!(fs::read_to_string(&outside).unwrap(), before);
}

/// Escapes 14: a folder of the project is swapped for a link to outside while an apply writes into it.
#[test]
fn e014_folder_swapped_while_applying() {
    let world = World::with_repository();
    let (folder, spare) = (world.project().join("d"), world.project().join("spare"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("old"), "old\n").unwrap();
    symlink(world.outside(), &spare).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    for _ in 0..6 {
        kept(
            &world,
            "echo evil > d/file; echo evil > d/new; mkdir d/more; echo evil > d/more/x; rm d/old",
        );
    }
    let (one, other) = (folder.clone(), spare.clone());
    let swapping = std::thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
        }
    });
    // Some of these find a folder, some a link: the second are refused; in neither is anything written outside, which
    // the world's end looks at (`outside/file` is among the names written).
    let codes: Vec<i32> = (0..12).map(|_| verb(&world, &["apply", "--all"]).code).collect();
    over.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(codes.iter().all(|c| [0, 1, 125].contains(c)), "{codes:?}");
    assert!(absent(&world.outside().join("new")) && absent(&world.outside().join("more")));
}

/// Escapes 104, 105, 107, codex 19, srt 20–33: files that were not there at the start, each of which something on the
/// host would obey, wait with their reason; ordinary work beside them lands.
#[test]
fn e104_files_absent_at_start_wait() {
    let world = World::with_repository();
    let planted = [
        ".claude/settings.json",
        ".claude/settings.local.json",
        ".claude/commands/x.md",
        ".claude/agents/a.md",
        ".mcp.json",
        ".cursor/mcp.json",
        ".codex/config.toml",
        ".gemini/settings.json",
        "AGENTS.md",
        "docs/CLAUDE.md",
        ".envrc",
        ".vscode/tasks.json",
        ".VSCode/settings.json",
        ".idea/workspace.xml",
        ".devcontainer/devcontainer.json",
        ".npmrc",
        ".yarnrc.yml",
        ".cargo/config.toml",
        ".bazelrc",
        "tools/bazel",
        ".mise.toml",
        ".husky/pre-push",
        ".pre-commit-config.yaml",
        ".github/workflows/a.yml",
        ".gitmodules",
        ".gitattributes",
        "fumehood.toml",
        "Makefile",
        "build.rs",
        "conftest.py",
        "sitecustomize.py",
        // What starts by itself: when a shell enters, an editor or an agent opens, an interpreter, a debugger or a
        // package manager starts in the folder.
        ".Rprofile",
        ".irbrc",
        ".pdbrc",
        ".gdbinit",
        ".vimrc",
        "x.code-workspace",
        ".hg/hgrc",
        ".huskyrc",
        ".lintstagedrc.js",
        ".mocharc.js",
        ".pnp.cjs",
        ".yarn/plugins/x.cjs",
        ".pylintrc",
        "pytest.ini",
        ".jvmopts",
        "gradle.properties",
        "Gemfile",
        "Rakefile",
        "pom.xml",
        "flake.nix",
        "appveyor.yml",
        ".windsurfrules",
        ".clinerules/x.md",
        ".kiro/steering/x.md",
        ".github/instructions/x.md",
        "opencode.json",
    ];
    let mut script = String::from("set -e\n");
    for path in planted {
        let folder = Path::new(path).parent().unwrap().display().to_string();
        script += &format!("mkdir -p ./{folder}; echo evil > {path}\n");
    }
    script += "echo '{ \"scripts\": { \"postinstall\": \"evil\" } }' > package.json; mkdir src; echo fine > src/lib.rs";
    kept(&world, &script);
    let out = verb(&world, &["apply"]);
    assert_eq!(out.code, 1, "{}", out.errors());
    let errors = out.errors();
    for path in planted.iter().chain(&["package.json"]) {
        assert!(errors.contains(&format!("waits: {path}: ")), "{path}: {errors}");
        assert!(absent(&world.project().join(path)), "{path}");
    }
    assert_eq!(
        fs::read_to_string(world.project().join("src/lib.rs")).unwrap(),
        "fine\n"
    );
}

/// Escapes 103, codex 18, srt 24: hooks and configuration of a nested repository, a folder that looks like a bare
/// repository, and the project's own `.git` moved away and made anew: the host's git runs none of it.
#[test]
fn e103_repositories_made_inside() {
    let world = World::with_repository();
    let mark = world.own("state").join("ran");
    let script = "
        git init -q sub && echo x > sub/f
        printf '#!/bin/sh\\ntouch \"$MARK\"\\n' > sub/.git/hooks/post-checkout; chmod +x sub/.git/hooks/post-checkout
        git -C sub config core.fsmonitor 'touch $MARK; false'
        git init -q --bare bare && git -C bare config core.fsmonitor 'touch $MARK; false' && git -C bare config core.bare false && git -C bare config core.worktree ..
        echo x > bare/f
        mv .git gone && git init -q . && git config core.fsmonitor 'touch $MARK; false'; echo fine > file";
    let script = script.replace("$MARK", mark.to_str().unwrap());
    kept(&world, &script);
    let out = verb(&world, &["apply"]);
    let said = out.text() + &out.errors();
    let project = world.project();
    assert_eq!(fs::read_to_string(project.join("file")).unwrap(), "fine\n");
    for gone in ["sub/.git", "gone/HEAD", "gone/config", "bare/HEAD", "bare/config"] {
        assert!(absent(&project.join(gone)), "{gone}: {said}");
    }
    world.git(&project, &["status"]);
    for folder in ["sub", "bare"] {
        if project.join(folder).is_dir() {
            world.git(&project.join(folder), &["status"]);
        }
    }
    assert!(absent(&mark), "something of the sandbox's ran outside");
    assert_eq!(world.git(&project, &["log", "--format=%s"]), "first\n");
}
