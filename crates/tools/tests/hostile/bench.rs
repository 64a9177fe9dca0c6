//! A project to attack, with a mark to leave outside of it.

use fumehood_policy::config;
use fumehood_policy::origin::Layer;
use fumehood_tools::{Arguments, Manifest, compile};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// What only the file outside holds.
const OUTSIDE: &str = "k7-outside-q2";

pub(crate) struct Bench {
    dir: tempfile::TempDir,
}

/// How a tool is expected to stop an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The manifest is not offered at all.
    Manifest,
    /// The call is refused.
    Call,
    /// The call is made, and the value is only data.
    Data,
}

/// One attack.
pub(crate) struct Attack<'a> {
    /// Its row of the catalogue.
    pub(crate) row: u8,
    /// The command that a tool without types would run.
    pub(crate) raw: &'a [&'a str],
    /// `params` and `argv` of a tool for the same purpose.
    pub(crate) tool: &'a str,
    /// The arguments with the attack in them.
    pub(crate) json: &'a str,
    pub(crate) by: By,
}

pub(crate) const PATHS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Bench {
    pub(crate) fn new() -> Bench {
        let bench = Bench {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir_all(bench.project().join("src")).unwrap();
        std::fs::create_dir_all(bench.dir.path().join("home")).unwrap();
        std::fs::create_dir_all(bench.dir.path().join("project-evil")).unwrap();
        std::fs::write(bench.dir.path().join("outside.txt"), OUTSIDE).unwrap();
        std::fs::write(bench.dir.path().join("project-evil/x"), OUTSIDE).unwrap();
        bench.file("src/a.txt", "needle\nb\na\n");
        bench.file("many.txt", &"line\n".repeat(20_000));
        bench.script(
            "evil.sh",
            &format!("#!/bin/sh\n: >'{}'\n", bench.canary().display()),
        );
        for words in [
            &["git", "init", "-q"][..],
            &["git", "add", "src"],
            &[
                "git",
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b.example",
                "commit",
                "-qm",
                "one",
            ],
        ] {
            assert!(bench.run(words, &[]).status.success());
        }
        bench
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub(crate) fn canary(&self) -> PathBuf {
        self.dir.path().join("canary")
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.project().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn script(&self, name: &str, text: &str) {
        self.file(name, text);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.project().join(name), mode).unwrap();
    }

    /// `@CANARY@`, `@EVIL@` (a program that makes it), `@OUTSIDE@` (a file to read), `@DIR@`, `@CARGO@`.
    pub(crate) fn fill(&self, text: &str) -> String {
        let dir = self.dir.path().to_str().unwrap();
        text.replace("@CANARY@", self.canary().to_str().unwrap())
            .replace("@EVIL@", &format!("{dir}/project/evil.sh"))
            .replace("@OUTSIDE@", &format!("{dir}/outside.txt"))
            .replace("@DIR@", dir)
            .replace("@CARGO@", env!("CARGO"))
    }

    #[expect(clippy::disallowed_methods, reason = "the programs that are attacked")]
    pub(crate) fn run<S: AsRef<str>>(&self, words: &[S], env: &[(&str, &str)]) -> Output {
        let words: Vec<String> = words.iter().map(|w| self.fill(w.as_ref())).collect();
        let mut command = Command::new("/usr/bin/timeout");
        command.arg("60").args(&words).current_dir(self.project());
        command
            .env_clear()
            .env("PATH", PATHS)
            .env("HOME", self.dir.path().join("home"));
        command
            .env("RUSTUP_HOME", rustup_home())
            .env("CARGO_NET_OFFLINE", "true");
        command.env(
            "RUSTC",
            std::path::Path::new(env!("CARGO")).with_file_name("rustc"),
        );
        command.env("npm_config_update_notifier", "false");
        for (name, value) in env {
            command.env(name, self.fill(value));
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert_ne!(
            output.status.code(),
            Some(127),
            "{words:?} is not installed; tests/run installs what is needed"
        );
        output
    }

    /// Whether the attack left its mark.
    pub(crate) fn is_marked(&self, output: &Output) -> bool {
        let read = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(OUTSIDE);
        self.canary().exists() || read(&output.stdout) || read(&output.stderr)
    }
}

fn rustup_home() -> String {
    std::env::var("RUSTUP_HOME")
        .unwrap_or_else(|_| format!("{}/.rustup", std::env::var("HOME").unwrap_or_default()))
}

pub(crate) fn load(tool: &str) -> Result<Manifest, String> {
    let text = format!("version = 1\n[tool.t]\ndescription = \"d\"\n{tool}\n");
    let config = config::parse(Layer::User, "config.toml", text.as_bytes())
        .into_result()
        .map_err(|e| e.to_string())?;
    let mut all = Manifest::of_config(&config).map_err(|e| e.to_string())?;
    Ok(all.remove(0))
}

pub(crate) fn call(manifest: &Manifest, json: &[u8]) -> Result<Vec<String>, String> {
    let arguments = Arguments::parse(manifest, json).map_err(|e| e.to_string())?;
    let words = compile(&manifest.tool().argv, &arguments).map_err(|e| e.to_string())?;
    Ok(words.into_iter().map(|w| w.into_string().unwrap()).collect())
}

/// Makes the attack by hand, then through the tool.
#[track_caller]
pub(crate) fn attack(attack: &Attack<'_>, prepare: impl Fn(&Bench)) {
    let Attack {
        row,
        raw,
        tool,
        json,
        by,
    } = attack;
    let bench = Bench::new();
    prepare(&bench);
    let output = bench.run(raw, &[]);
    assert!(
        bench.is_marked(&output),
        "row {row}: {raw:?} does nothing here: {output:?}"
    );

    let bench = Bench::new();
    prepare(&bench);
    let manifest = match load(tool) {
        Err(why) => {
            assert_eq!(*by, By::Manifest, "row {row}: {why}");
            return;
        }
        Ok(manifest) => manifest,
    };
    match call(&manifest, bench.fill(json).as_bytes()) {
        Err(why) => {
            assert_eq!(*by, By::Call, "row {row}: {why}");
            assert!(why.len() <= 512);
            assert!(!bench.canary().exists());
        }
        Ok(words) => {
            assert_eq!(*by, By::Data, "row {row}: {words:?} is let through");
            let output = bench.run(&words, &[]);
            assert!(!bench.is_marked(&output), "row {row}: {words:?}: {output:?}");
        }
    }
}
