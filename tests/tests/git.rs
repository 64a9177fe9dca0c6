//! Git and the files the host runs later: codex 15–21, srt 19–36, 76–78, the live half of escapes
//! 103–106: what writes to the project itself (`--live`). The other half is in workspace.rs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{World, host_program};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Codex 15, srt 35: the everyday commands work.
#[test]
fn codex15_commit_works() {
    let world = World::with_repository();
    let out = world.live_sh(
        "echo more >> README && echo new > file && git add -A && git commit -q -m second && git switch -q -c topic \
         && git mv file moved && git commit -qam third && git switch -q main && git merge -q topic && git stash list && git log --oneline | wc -l",
    );
    assert_eq!(out.ended(0), "3");
    assert_eq!(
        world.git(&world.project(), &["log", "--format=%s"]),
        "third\nsecond\nfirst\n"
    );
    assert_eq!(world.git(&world.project(), &["status", "--porcelain"]), "");
    world.git(&world.project(), &["fsck", "--strict"]);
}

/// srt 36: a new repository inside the project.
#[test]
fn srt36_init_works() {
    let world = World::with_repository();
    let out = world.live_sh("git init -q sub && cd sub && git config user.name T && git config user.email t@example.invalid && echo x > y && git add -A && git commit -q -m one && git log --oneline | wc -l");
    assert_eq!(out.ended(0), "1");
}

/// What git runs on the host later, and other files of the kind, present at start.
const LATER: [&str; 21] = [
    ".git/config",
    ".git/hooks/pre-commit",
    ".git/hooks/post-checkout.sample",
    ".git/info/attributes",
    ".claude/settings.json",
    ".claude/commands/x.md",
    ".mcp.json",
    ".cursor/mcp.json",
    ".codex/config.toml",
    ".gemini/settings.json",
    ".vscode/tasks.json",
    ".vscode/settings.json",
    ".idea/workspace.xml",
    ".devcontainer/devcontainer.json",
    ".envrc",
    ".husky/pre-commit",
    ".pre-commit-config.yaml",
    ".github/workflows/ci.yml",
    ".gitlab-ci.yml",
    ".mise.toml",
    "fumehood.toml",
];

fn with_files_run_later() -> World {
    let world = World::with_repository();
    for file in LATER {
        let path = world.project().join(file);
        if !path.exists() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(
                &path,
                if file == "fumehood.toml" {
                    "version = 1\n"
                } else {
                    "before\n"
                },
            )
            .unwrap();
        }
    }
    // git itself reads this one, and must go on to.
    fs::write(world.project().join(".git/info/attributes"), "").unwrap();
    fs::write(world.project().join(".git/hooks/pre-commit"), "#!/bin/sh\n").unwrap();
    world
}

/// Escapes 103–105, codex 15, 20, srt 20–32: what is there at start cannot be written, replaced,
/// moved away with its folder, or removed.
#[test]
fn e103_files_run_later_are_read_only() {
    let world = with_files_run_later();
    let before: Vec<String> = LATER
        .iter()
        .map(|f| fs::read_to_string(world.project().join(f)).unwrap())
        .collect();
    let mut script = String::new();
    for file in LATER {
        let top = file.split('/').next().unwrap_or_default();
        script += &format!(
            "echo evil >> {file}; echo evil > new && mv new {file}; rm -f {file}; ln -sf /tmp/evil {file}; chmod 777 {file}; \
             cp README {file}; mv {top} moved && mkdir -p $(dirname {file}) && echo evil > {file}\n"
        );
    }
    world.live_sh(script + "true").ended(0);
    let changed: Vec<&str> = (LATER.iter().zip(before))
        .filter(|(file, text)| fs::read_to_string(world.project().join(file)).ok().as_ref() != Some(text))
        .map(|(file, _)| *file)
        .collect();
    assert_eq!(changed, [""; 0], "what the host runs later was changed");
}

/// Codex 15, srt 34: git's own way to write its configuration; hooks by a redirected folder.
#[test]
fn e103_git_config_by_git() {
    let world = with_files_run_later();
    let before = fs::read_to_string(world.project().join(".git/config")).unwrap();
    let keys = [
        "core.fsmonitor",
        "core.hooksPath",
        "core.sshCommand",
        "core.pager",
        "alias.x",
        "diff.external",
        "filter.a.clean",
    ];
    for key in keys {
        let out = world.live_sh(format!("git config {key} '!evil'"));
        assert_ne!(out.code, 0, "{key} was set");
        assert!(
            out.errors().contains("Read-only")
                || out.errors().contains("Permission")
                || out.errors().contains("busy"),
            "{}",
            out.errors()
        );
    }
    assert_eq!(
        fs::read_to_string(world.project().join(".git/config")).unwrap(),
        before
    );
    assert!(
        !world.project().join(".git/config.lock").exists(),
        "a lock is left"
    );
}

/// Codex 16: the repository is moved away and rebuilt.
#[test]
fn codex16_git_folder_swapped() {
    let world = World::with_repository();
    world
        .live_sh(
            "mv .git .g; rm -rf .git/hooks .git/config; cp -r .git other; rm -rf .git; mv other .git; true",
        )
        .ended(0);
    let hook = world.project().join(".git/config");
    assert!(fs::read_to_string(hook).unwrap().contains("test@example.invalid"));
    assert!(world.project().join(".git/hooks").is_dir());
}

/// Codex 17: a linked worktree: `.git` is a file, the repository lies elsewhere.
#[test]
fn codex17_linked_worktree() {
    let mut world = World::with_repository();
    world.git(
        &world.project(),
        &["worktree", "add", "-q", "../tree", "-b", "tree"],
    );
    let tree = world.home().join("work/tree");
    let before = fs::read_to_string(tree.join(".git")).unwrap();
    world.remember();
    let run = world.live().directory(&tree);
    run.sh("echo x > y && git add -A && git commit -q -m in-the-tree && git status --porcelain")
        .ended(0);
    assert!(
        world
            .git(&world.project(), &["log", "-1", "--format=%s", "tree"])
            .contains("in-the-tree")
    );
    run.sh("echo 'gitdir: /tmp/evil' > .git; echo x > new; mv new .git; rm .git; echo evil > $(git rev-parse --git-common-dir)/hooks/pre-commit; git config core.pager evil; true");
    assert_eq!(fs::read_to_string(tree.join(".git")).unwrap(), before);
    assert!(!world.project().join(".git/hooks/pre-commit").exists());
    assert!(
        !fs::read_to_string(world.project().join(".git/config"))
            .unwrap()
            .contains("evil")
    );
    world.remember();
}

/// Codex 17: a `.git` file that points anywhere it likes grants nothing.
#[test]
fn codex17_hostile_gitfile() {
    let world = World::new();
    fs::write(
        world.project().join(".git"),
        format!("gitdir: {}\n", world.sibling().display()),
    )
    .unwrap();
    world.assert_refused(&["list", "../sibling"], &["ENOENT"]);
}

/// Pipes where git's files are looked for: nobody writes to them, and nothing waits for that.
#[test]
fn pipes_in_place_of_worktree_files() {
    let world = World::new();
    let project = world.project();
    let pipe = |path: &std::path::Path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(host_program("mkfifo").arg(path).status().unwrap().success());
    };
    let runs = |flags: &[&str]| {
        let run = world.sandbox().flags(flags);
        let out = run.deadline(std::time::Duration::from_secs(10)).sh("echo ran");
        assert_eq!(out.ended(0), "ran");
    };
    pipe(&project.join(".git"));
    runs(&[]);
    fs::remove_file(project.join(".git")).unwrap();
    // A pointer to a folder whose own files are pipes.
    let named = project.join("fake/worktrees/x");
    for file in ["gitdir", "commondir"] {
        pipe(&named.join(file));
    }
    fs::write(project.join(".git"), format!("gitdir: {}\n", named.display())).unwrap();
    runs(&[]);
    fs::remove_file(project.join(".git")).unwrap();
    // A repository whose lists are pipes; `exclude` is read when something is hidden.
    for file in ["info/exclude", "config", "HEAD", "commondir"] {
        pipe(&project.join(".git").join(file));
    }
    fs::write(project.join(".env"), "x").unwrap();
    runs(&["--hide", ".env"]);
    pipe(&project.join(".gitmodules"));
    pipe(&project.join("package.json"));
    runs(&[]);
}

/// Codex 18, srt 24: a repository within the project works. Its own hooks and configuration are not
/// held in live mode (SECURITY.md): finding it would take a walk. Those of the project's repository
/// are, whatever is done in the nested one.
#[test]
fn codex18_nested_repository() {
    let world = World::with_repository();
    let hooks = world.project().join(".git/hooks/pre-commit");
    let before = fs::read_to_string(world.project().join(".git/config")).unwrap();
    world
        .live_sh("git init -q sub && cd sub && echo x > f && git add f && git -c user.name=a -c user.email=b commit -qm x; \
             git -C sub log --oneline; cd ..; echo evil >> .git/config; echo evil > .git/hooks/pre-commit; true")
        .ended(0);
    assert!(world.project().join("sub/.git/refs/heads").is_dir());
    assert!(!hooks.exists());
    assert_eq!(
        fs::read_to_string(world.project().join(".git/config")).unwrap(),
        before
    );
}

/// Codex 20, srt “symlinked protected path”: an agent's folder that is a link does not abort the
/// run, and does not open what it leads to.
#[test]
fn codex20_agent_folder_is_a_link() {
    let world = World::with_repository();
    fs::create_dir(world.project().join("shared")).unwrap();
    fs::write(world.project().join("shared/settings.json"), "before\n").unwrap();
    symlink("shared", world.project().join(".claude")).unwrap();
    symlink(world.home().join(".codex"), world.project().join(".codex")).unwrap();
    symlink("/nonexistent", world.project().join(".vscode")).unwrap();
    let out = world.live_sh(
        "cat .codex/auth.json; rm .claude; mkdir .claude; echo evil > .claude/settings.json; echo ran",
    );
    assert_eq!(out.ended(0), "ran");
    assert_eq!(
        fs::read_to_string(world.project().join("shared/settings.json")).unwrap(),
        "before\n"
    );
    // The link itself cannot be held, and the run says so.
    let said = out.said().join("\n");
    for name in [".claude", ".codex", ".vscode"] {
        assert!(said.contains(&format!("not held: {name}")), "{said}");
    }
}

/// Codex 21, srt 77, 78: git inside sees no files that are not there, and outside none are.
#[test]
fn srt78_no_stub_files() {
    let world = World::with_repository();
    assert_eq!(
        world.live_sh("git status --porcelain --ignored; ls -A").ended(0),
        ".git\nREADME"
    );
    assert_eq!(world.project_files(), ["README"]);
}

/// Escapes 106: the host's login files.
#[test]
fn e106_login_files() {
    let world = World::with_repository();
    let files = [
        ".bashrc",
        ".profile",
        ".zshrc",
        ".gitconfig",
        ".ssh/config",
        ".config/systemd/user/x.service",
        ".config/autostart/x.desktop",
        ".local/bin/git",
        ".local/share/applications/x.desktop",
    ];
    let script: String = files
        .iter()
        .map(|f| format!("mkdir -p $(dirname ~/{f}); echo evil >> ~/{f}\n"))
        .collect();
    world.live_sh(script + "crontab -l; true").ended(0);
    for file in files {
        assert!(!world.home().join(file).exists(), "{file}");
    }
}

/// srt 35 with `add -A`: nothing of the sandbox's gets into a commit.
#[test]
fn srt35_add_all() {
    let world = World::with_repository();
    world
        .live_sh("echo x > y; git add -A; git commit -q -m all")
        .ended(0);
    assert_eq!(world.git(&world.project(), &["ls-files"]), "README\ny\n");
}

/// Editors save by rename and by truncation; package managers make deep trees and links.
#[test]
fn editors_and_package_managers_work() {
    let world = World::with_repository();
    world.live_sh(
        "echo a > f; cp f .f.swp; mv .f.swp f; : > f; sed -i s/hello/bye/ README; mkdir -p node_modules/.bin node_modules/a/b; \
         ln -s ../a/b node_modules/.bin/b; cp -al node_modules copy; rm -rf node_modules; touch -d @1 f; chmod 700 f; mkfifo p",
    )
    .ended(0);
    assert_eq!(
        fs::read_to_string(world.project().join("README")).unwrap(),
        "bye\n"
    );
    assert!(Path::new(&world.project().join("copy/.bin/b")).is_symlink());
}
