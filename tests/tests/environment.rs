//! The environment inside: escapes 54, codex 11, 12, srt 47.

use fumehood_tests::World;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Variables with a secret, or that make programs load what the caller loads.
const NOT_PASSED: [&str; 34] = [
    "FAKE_API_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "STRIPE_KEY",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "NPM_TOKEN",
    "CARGO_REGISTRY_TOKEN",
    "DATABASE_URL",
    "PGPASSWORD",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "KUBECONFIG",
    "DOCKER_HOST",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "BASH_ENV",
    "ENV",
    "PROMPT_COMMAND",
    "BASH_FUNC_ls%%",
    "GIT_SSH_COMMAND",
    "GIT_EXTERNAL_DIFF",
    "GIT_CONFIG_PARAMETERS",
    "NODE_OPTIONS",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PERL5OPT",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
    "RUSTC_WRAPPER",
    "MYSQL_PWD",
];

/// Escapes 54 (CVE-2026-22708), codex 11, srt 47: only what is known to be harmless passes.
#[test]
fn e054_loader_variables_and_secrets() {
    let world = World::new();
    let run = NOT_PASSED
        .iter()
        .fold(world.sandbox(), |run, name| run.env(name, "canary-variable"));
    let out = run.sh("env; echo --; cat /proc/self/environ | tr '\\0' '\\n'");
    let text = out.ended(0);
    assert!(!text.contains("canary-variable"), "{text}");
}

/// As above with a git repository and a cargo project, whose presets pass variables by name.
#[test]
fn e054_presets_pass_no_secret() {
    let world = World::with_repository();
    for file in [
        "Cargo.toml",
        "package.json",
        "pyproject.toml",
        "go.mod",
        "pom.xml",
    ] {
        std::fs::write(world.project().join(file), "").expect("the project is writable");
    }
    // The presets of node, python and java pass these by name: they say how the user's own
    // interpreter starts, and change nothing outside.
    let own = ["NODE_OPTIONS", "PYTHONPATH", "JAVA_TOOL_OPTIONS"];
    let names = NOT_PASSED.iter().filter(|name| !own.contains(name));
    let run = names.fold(world.sandbox(), |run, name| run.env(name, "canary-variable"));
    for command in [&["env"][..], &["git", "-c", "alias.e=!env", "e"]] {
        let out = run.run(command);
        assert!(
            !out.ended(0).contains("canary-variable"),
            "{command:?}: {}",
            out.text()
        );
    }
}

/// Codex 11: what programs need is there.
#[test]
fn codex11_base_variables() {
    let world = World::new();
    let out = world
        .sandbox()
        .env("LC_TIME", "C")
        .env("TZ", "UTC")
        .env("COLORTERM", "truecolor")
        .sh("env");
    let text = out.ended(0);
    let home = format!("HOME={}", world.home().display());
    for line in [
        home.as_str(),
        "LANG=C.UTF-8",
        "TERM=xterm",
        "LC_TIME=C",
        "TZ=UTC",
        "COLORTERM=truecolor",
        "SHELL=/bin/sh",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing: {text}");
    }
    for name in ["PATH=", "USER=", "LOGNAME="] {
        assert!(
            text.lines().any(|l| l.starts_with(name)),
            "{name} is missing: {text}"
        );
    }
    assert!(!text.contains("XDG_RUNTIME_DIR"), "{text}");
}

/// `--env NAME=VALUE`, `--env NAME` of a set and of an unset one, later over earlier, and empty.
#[test]
fn env_flag() {
    let world = World::new();
    let run = world.sandbox().env("GIVEN", "from the caller").flags([
        "--env", "A=1", "--env", "A=2=3", "--env", "EMPTY=", "--env", "GIVEN", "--env", "UNSET",
    ]);
    assert_eq!(
        run.sh("echo \"$A|$EMPTY|${EMPTY-unset}|$GIVEN|${UNSET-unset}\"")
            .ended(0),
        "2=3|||from the caller|unset"
    );
}

/// Values of any bytes.
#[test]
fn env_flag_of_any_bytes() {
    let world = World::new();
    let value = OsString::from_vec(b"V=\xff\xfe =\n\"".to_vec());
    let out = world
        .sandbox()
        .flags([OsStr::new("--env"), &value])
        .sh("printf %s \"$V\" | od -An -tx1");
    assert_eq!(out.ended(0), " ff fe 20 3d 0a 22");
    // Passed by name, too.
    let out = world
        .sandbox()
        .env("V", OsStr::from_bytes(b"\xff\xfe"))
        .flags(["--env", "V"])
        .sh("printf %s \"$V\" | od -An -tx1");
    assert_eq!(out.ended(0), " ff fe");
}

/// Who one is inside can be looked up.
#[test]
fn account_is_known() {
    let world = World::new();
    let out = world.sh("getent passwd $(id -u) >/dev/null && getent group $(id -g) > /dev/null && test \"$(id -un)\" = \"$USER\" && echo known");
    assert_eq!(out.ended(0), "known");
}

/// PATH keeps the caller's order, without what is not there inside.
#[test]
fn path_holds_only_what_is_visible() {
    let world = World::new();
    let out = world
        .sandbox()
        .env("PATH", "/nonexistent:/usr/bin:relative:/bin:/root/bin")
        .sh("echo $PATH");
    let text = out.ended(0);
    assert!(text.starts_with("/usr/bin:/bin"), "{text}");
    assert!(
        !text.contains("nonexistent") && !text.contains("relative") && !text.contains("/root"),
        "{text}"
    );
}
