//! Attacks in the arguments of real programs.

use crate::bench::{Attack, Bench, By, attack, load};

fn nothing(_: &Bench) {}

#[track_caller]
fn each(tool: &str, by: By, rows: &[(u8, &[&str], &str)]) {
    for (row, raw, json) in rows {
        attack(
            &Attack {
                row: *row,
                raw,
                tool,
                json,
                by,
            },
            nothing,
        );
    }
}

#[test]
fn paths() {
    let tool = "params = { p = { type = \"RelPath\" } }\nargv = [\"cat\", \"--\", \"{p}\"]";
    each(
        tool,
        By::Call,
        &[
            (1, &["cat", "--", "../outside.txt"], r#"{"p":"../outside.txt"}"#),
            (
                1,
                &["cat", "--", "src/../../outside.txt"],
                r#"{"p":"src/../../outside.txt"}"#,
            ),
            (2, &["cat", "--", "@OUTSIDE@"], r#"{"p":"@OUTSIDE@"}"#),
            (
                3,
                &["cat", "--", "@DIR@/project-evil/x"],
                r#"{"p":"@DIR@/project-evil/x"}"#,
            ),
        ],
    );
}

#[test]
fn what_runs_later() {
    let bench = Bench::new();
    let commit = [
        "git",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.example",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
    ];
    assert!(
        bench
            .run(&["cp", "--", "evil.sh", ".git/hooks/pre-commit"], &[])
            .status
            .success()
    );
    let output = bench.run(&commit, &[]);
    assert!(bench.is_marked(&output), "{output:?}");

    let tool = load("params = { p = { type = \"RelPath\", write = true } }\nargv = [\"cp\", \"--\", \"evil.sh\", \"{p}\"]").unwrap();
    for path in [
        ".git/hooks/pre-commit",
        ".GIT/hooks/pre-commit",
        ".git/HOOKS/pre-commit",
    ] {
        let json = format!("{{\"p\":\"{path}\"}}");
        assert!(crate::bench::call(&tool, json.as_bytes()).is_err(), "{path}");
    }
}

#[test]
fn git() {
    let log = "params = { r = { type = \"GitRef\" } }\nargv = [\"git\", \"log\", \"{r}\", \"--\"]";
    each(
        log,
        By::Call,
        &[
            (
                17,
                &["git", "log", "--output=@CANARY@", "--"],
                r#"{"r":"--output=@CANARY@"}"#,
            ),
            (
                17,
                &["git", "diff", "--no-index", "/dev/null", "@OUTSIDE@"],
                r#"{"r":"@OUTSIDE@"}"#,
            ),
            (
                17,
                &["git", "archive", "--output=@CANARY@", "HEAD"],
                r#"{"r":"--output=@CANARY@"}"#,
            ),
            (
                18,
                &["git", "grep", "--open-files-in-pager=@EVIL@", "needle"],
                r#"{"r":"--open-files-in-pager=@EVIL@"}"#,
            ),
            (18, &["git", "grep", "-O@EVIL@", "needle"], r#"{"r":"-O@EVIL@"}"#),
            (
                19,
                &["git", "ls-remote", "--upload-pack=@EVIL@", "."],
                r#"{"r":"--upload-pack=@EVIL@"}"#,
            ),
            (
                19,
                &["git", "archive", "--remote=.", "--exec=@EVIL@", "HEAD"],
                r#"{"r":"--exec=@EVIL@"}"#,
            ),
            (20, &["git", "-c", "alias.x=!@EVIL@", "x"], r#"{"r":"-c"}"#),
            (
                20,
                &["git", "-c", "core.fsmonitor=@EVIL@", "status"],
                r#"{"r":"-c"}"#,
            ),
            (
                21,
                &["git", "ls-remote", "--upl=@EVIL@", "."],
                r#"{"r":"--upl=@EVIL@"}"#,
            ),
        ],
    );
    let fetch = "params = { u = { type = \"Url\" } }\nargv = [\"git\", \"ls-remote\", \"--\", \"{u}\"]\nnetwork = [\"example.com\"]";
    each(
        fetch,
        By::Call,
        &[(
            12,
            &[
                "git",
                "-c",
                "protocol.ext.allow=always",
                "ls-remote",
                "ext::@EVIL@",
            ],
            r#"{"u":"ext::@EVIL@"}"#,
        )],
    );
}

#[test]
fn options() {
    let sort = "params = { p = { type = \"RelPath\", many = 9 } }\nargv = [\"sort\", \"{p}\"]";
    each(
        sort,
        By::Call,
        &[
            (
                16,
                &["sort", "--output=@CANARY@", "src/a.txt"],
                r#"{"p":["--output=@CANARY@","src/a.txt"]}"#,
            ),
            (
                21,
                &["sort", "--outp=@CANARY@", "src/a.txt"],
                r#"{"p":["--outp=@CANARY@","src/a.txt"]}"#,
            ),
            (
                25,
                &["sort", "-o@CANARY@", "src/a.txt"],
                r#"{"p":["-o@CANARY@","src/a.txt"]}"#,
            ),
            (
                25,
                &["sort", "--compress-program=@EVIL@", "-S", "1k", "many.txt"],
                r#"{"p":["--compress-program=@EVIL@","-S","1k","many.txt"]}"#,
            ),
        ],
    );
    // A second operand that is written to: the number of operands is the manifest's.
    each(
        "params = { p = { type = \"RelPath\" } }\nargv = [\"uniq\", \"{p}\"]",
        By::Call,
        &[(
            25,
            &["uniq", "src/a.txt", "@CANARY@"],
            r#"{"p":["src/a.txt","@CANARY@"]}"#,
        )],
    );
}

#[test]
fn search() {
    let rg = "params = { r = { type = \"Regex\" } }\nargv = [\"rg\", \"{r}\", \".\"]";
    each(
        rg,
        By::Call,
        &[(
            23,
            &["rg", "--pre=@EVIL@", "needle", "."],
            r#"{"r":"--pre=@EVIL@"}"#,
        )],
    );
    attack(
        &Attack {
            row: 22,
            raw: &[
                "env",
                "PATH=@DIR@/project/bin:/usr/bin",
                "rg",
                "-nz",
                "needle",
                "x.gz",
            ],
            tool: rg,
            json: r#"{"r":"-nz"}"#,
            by: By::Call,
        },
        |bench| {
            bench.file("x.gz", "\u{1f}");
            bench.script("bin/gzip", &bench.fill("#!/bin/sh\n: >'@CANARY@'\n"));
        },
    );
    let find = "params = { p = { type = \"RelPath\", many = 9 } }\nargv = [\"find\", \"{p}\"]";
    each(
        find,
        By::Call,
        &[
            (
                23,
                &["find", ".", "-exec", "@EVIL@", ";"],
                r#"{"p":[".","-exec","@EVIL@",";"]}"#,
            ),
            (
                23,
                &["find", ".", "-fprintf", "@CANARY@", "x"],
                r#"{"p":[".","-fprintf","@CANARY@","x"]}"#,
            ),
            (
                23,
                &["find", "src", "-delete", "-fprint", "@CANARY@"],
                r#"{"p":["src","-delete"]}"#,
            ),
        ],
    );
}

#[test]
fn archives() {
    let tar = "params = { p = { type = \"RelPath\", many = 9 } }\nargv = [\"tar\", \"-cf\", \"/dev/null\", \"{p}\"]";
    each(
        tar,
        By::Call,
        &[
            (
                24,
                &[
                    "tar",
                    "-cf",
                    "/dev/null",
                    "--checkpoint=1",
                    "--checkpoint-action=exec=@EVIL@",
                    "many.txt",
                ],
                r#"{"p":["--checkpoint=1","--checkpoint-action=exec=@EVIL@","many.txt"]}"#,
            ),
            (
                24,
                &["tar", "-I@EVIL@", "-cf", "x.tar", "src"],
                r#"{"p":["-I@EVIL@","src"]}"#,
            ),
        ],
    );
    let zip =
        "params = { p = { type = \"RelPath\", many = 9 } }\nargv = [\"zip\", \"-q\", \"x.zip\", \"{p}\"]";
    each(
        zip,
        By::Call,
        &[(
            24,
            &["zip", "-q", "x.zip", "src/a.txt", "-T", "-TT", "@EVIL@"],
            r#"{"p":["src/a.txt","-T","-TT","@EVIL@"]}"#,
        )],
    );
    // A member that names a place outside, written by hand as no tar would, under -P as careless tools have it.
    attack(
        &Attack {
            row: 58,
            raw: &["tar", "-xPf", "slip.tar"],
            tool: "params = { p = { type = \"RelPath\" } }\nargv = [\"tar\", \"-xf\", \"{p}\"]",
            json: r#"{"p":"slip.tar"}"#,
            by: By::Data,
        },
        |bench| {
            let made = bench.run(
                &[
                    "tar",
                    "-cPf",
                    "slip.tar",
                    "--transform=s,src/a.txt,../canary,",
                    "src/a.txt",
                ],
                &[],
            );
            assert!(made.status.success(), "{made:?}");
        },
    );
}

#[test]
fn programs_as_arguments() {
    each(
        "params = { t = { type = \"Text\", max = 200 } }\nargv = [\"sed\", \"-n\", \"{t}\", \"src/a.txt\"]",
        By::Manifest,
        &[
            (26, &["sed", "-n", "1e @EVIL@ </dev/null", "src/a.txt"], "{}"),
            (26, &["sed", "-n", "w @CANARY@", "src/a.txt"], "{}"),
        ],
    );
    each(
        "params = { t = { type = \"Text\", max = 200 } }\nargv = [\"awk\", \"{t}\"]",
        By::Manifest,
        &[(26, &["awk", "BEGIN { system(\"@EVIL@ </dev/null\") }"], "{}")],
    );
    each(
        "params = { t = { type = \"Text\", max = 200 } }\nargv = [\"perl\", \"-ne\", \"{t}\"]",
        By::Manifest,
        &[(26, &["perl", "-e", "system('@EVIL@ </dev/null')"], "{}")],
    );
    let runs = |name: &str| {
        format!(
            "params = {{ t = {{ type = \"Text\", max = 200, many = 9 }} }}\nargv = [\"{name}\", \"{{t}}\"]"
        )
    };
    each(
        &runs("xargs"),
        By::Manifest,
        &[(27, &["xargs", "-a", "src/a.txt", "@EVIL@"], "{}")],
    );
    each(
        &runs("env"),
        By::Manifest,
        &[(27, &["env", "-S", "@EVIL@"], "{}")],
    );
    each(
        &runs("dd"),
        By::Manifest,
        &[(27, &["dd", "if=src/a.txt", "of=@CANARY@"], "{}")],
    );
    each(
        "params = { p = { type = \"RelPath\", many = 9 } }\nargv = [\"split\", \"{p}\"]",
        By::Call,
        &[(
            27,
            &["split", "--filter=@EVIL@", "src/a.txt"],
            r#"{"p":["--filter=@EVIL@","src/a.txt"]}"#,
        )],
    );
    each(
        "params = { p = { type = \"RelPath\" } }\nargv = [\"tee\", \"--\", \"{p}\"]",
        By::Call,
        &[(27, &["tee", "--", "@CANARY@"], r#"{"p":"@CANARY@"}"#)],
    );
    each(
        &runs("ssh"),
        By::Manifest,
        &[(34, &["ssh", "-oProxyCommand=@EVIL@", "host.invalid"], "{}")],
    );
    each(
        "params = { u = { type = \"Url\", many = 9 } }\nargv = [\"curl\", \"-s\", \"{u}\"]\nnetwork = [\"example.com\"]",
        By::Call,
        &[
            (
                34,
                &["curl", "-s", "file://@OUTSIDE@"],
                r#"{"u":["file://@OUTSIDE@"]}"#,
            ),
            (
                34,
                &["curl", "-s", "-o@CANARY@", "file://@OUTSIDE@"],
                r#"{"u":["-o@CANARY@","https://example.com/"]}"#,
            ),
        ],
    );
}

fn rust_project(bench: &Bench) {
    bench.file(
        "Cargo.toml",
        "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\ndoctest = false\n",
    );
    bench.file("src/lib.rs", "#[test]\nfn works() {}\n");
    bench.script(
        "wrapper.sh",
        &bench.fill("#!/bin/sh\n: >'@CANARY@'\nexec \"$@\"\n"),
    );
}

#[test]
fn builds() {
    let cargo = &Bench::new().fill("params = { f = { type = \"TestId\" } }\nargv = [\"@CARGO@\", \"test\", \"--offline\", \"--quiet\", \"--\", \"{f}\"]");
    let wrapper = "build.rustc-wrapper='@DIR@/project/wrapper.sh'";
    for (row, raw, json) in [
        (
            28,
            &["@CARGO@", "test", "--offline", "--quiet", "--config", wrapper][..],
            r#"{"f":"--config"}"#,
        ),
        (
            29,
            &[
                "@CARGO@",
                "test",
                "--offline",
                "--quiet",
                "--",
                "--logfile=@CANARY@",
            ][..],
            r#"{"f":"--logfile=@CANARY@"}"#,
        ),
    ] {
        attack(
            &Attack {
                row,
                raw,
                tool: cargo,
                json,
                by: By::Call,
            },
            rust_project,
        );
    }
    let pytest = "params = { f = { type = \"TestId\" } }\nargv = [\"/usr/bin/python3\", \"-m\", \"pytest\", \"-q\", \"{f}\"]";
    let python_project = |bench: &Bench| {
        bench.file("test_a.py", "def test_a():\n    pass\n");
        bench.file("evil.py", &bench.fill("open('@CANARY@', 'w')\n"));
        bench.file("args", &bench.fill("--junitxml=@CANARY@\n"));
    };
    for (raw, json) in [
        (
            &["/usr/bin/python3", "-m", "pytest", "-q", "-p", "evil"][..],
            r#"{"f":"-p"}"#,
        ),
        (
            &["/usr/bin/python3", "-m", "pytest", "-q", "-pevil"][..],
            r#"{"f":"-pevil"}"#,
        ),
        (
            &["/usr/bin/python3", "-m", "pytest", "-q", "--junitxml=@CANARY@"][..],
            r#"{"f":"--junitxml=@CANARY@"}"#,
        ),
    ] {
        attack(
            &Attack {
                row: 30,
                raw,
                tool: pytest,
                json,
                by: By::Call,
            },
            python_project,
        );
    }
    let node_project =
        |bench: &Bench| bench.file("package.json", r#"{"name":"x","scripts":{"test":"true"}}"#);
    let npm = "params = { f = { type = \"TestId\" } }\nargv = [\"npm\", \"test\", \"{f}\"]";
    let raw = &["npm", "test", "--script-shell=@EVIL@"];
    attack(
        &Attack {
            row: 32,
            raw,
            tool: npm,
            json: r#"{"f":"--script-shell=@EVIL@"}"#,
            by: By::Call,
        },
        node_project,
    );

    let make_project = |bench: &Bench| bench.file("Makefile", "all:\n\t@true x\n");
    let make = "params = { t = { type = \"Ident\" } }\nargv = [\"make\", \"{t}\"]";
    for (raw, json) in [
        (&["make", "SHELL=@EVIL@"][..], r#"{"t":"SHELL=@EVIL@"}"#),
        (
            &["make", "--eval=$(shell @EVIL@ </dev/null)"][..],
            r#"{"t":"--eval=$(shell @EVIL@)"}"#,
        ),
    ] {
        attack(
            &Attack {
                row: 33,
                raw,
                tool: make,
                json,
                by: By::Call,
            },
            make_project,
        );
    }
    // A type that takes `=` would let a variable of make through.
    for kind in ["RelPath", "TestId", "Glob"] {
        assert!(
            load(&format!(
                "params = {{ t = {{ type = \"{kind}\" }} }}\nargv = [\"make\", \"{{t}}\"]"
            ))
            .is_err()
        );
    }
}

#[test]
fn variables() {
    // By each of these a program runs something else; a manifest can neither set nor pass them.
    let bench = Bench::new;
    let project = |bench: &Bench| {
        bench.file("sitecustomize.py", &bench.fill("open('@CANARY@', 'w')\n"));
        bench.file("Evil.pm", &bench.fill("open(F, '>', '@CANARY@'); 1;\n"));
        bench.file(
            "evil.js",
            &bench.fill("require('fs').writeFileSync('@CANARY@', '')\n"),
        );
        bench.file("rc", &bench.fill("--pre=@EVIL@\n"));
        bench.file("test_a.py", "def test_a():\n    pass\n");
        bench.file("src/a.txt", "changed\n");
    };
    let rows: &[(&str, &str, &[&str])] = &[
        ("BASH_ENV", "@EVIL@", &["bash", "-c", "true"]),
        ("PYTHONPATH", "@DIR@/project", &["/usr/bin/python3", "-c", "pass"]),
        ("PERL5OPT", "-I@DIR@/project -MEvil", &["perl", "-e", "1"]),
        (
            "NODE_OPTIONS",
            "--require=@DIR@/project/evil.js",
            &["node", "-e", "1"],
        ),
        ("GIT_EXTERNAL_DIFF", "@EVIL@", &["git", "diff"]),
        (
            "GIT_SSH_COMMAND",
            "@EVIL@",
            &["git", "ls-remote", "ssh://host.invalid/x"],
        ),
        (
            "GIT_CONFIG_COUNT",
            "1",
            &[
                "env",
                "GIT_CONFIG_KEY_0=core.fsmonitor",
                "GIT_CONFIG_VALUE_0=@EVIL@",
                "git",
                "status",
            ],
        ),
        (
            "RIPGREP_CONFIG_PATH",
            "@DIR@/project/rc",
            &["rg", "needle", "many.txt"],
        ),
        (
            "PYTEST_ADDOPTS",
            "--junitxml=@CANARY@",
            &["/usr/bin/python3", "-m", "pytest", "-q", "test_a.py"],
        ),
        (
            "TAR_OPTIONS",
            "--to-stdout -I@EVIL@",
            &["tar", "-cf", "x.tar", "src"],
        ),
    ];
    for (name, value, raw) in rows {
        let bench = bench();
        project(&bench);
        let output = bench.run(raw, &[(name, value)]);
        assert!(bench.is_marked(&output), "{name} does nothing here: {output:?}");
        for env in [
            format!("set = {{ {name} = \"x\" }}"),
            format!("pass = [\"{name}\"]"),
        ] {
            let refused = load(&format!("argv = [\"true\"]\nenv = {{ {env} }}")).unwrap_err();
            assert!(refused.contains(name), "{refused}");
        }
    }
    for name in [
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "RUSTC_WRAPPER",
        "CARGO_TARGET_X_RUNNER",
        "MAKEFLAGS",
        "LESSOPEN",
    ] {
        assert!(
            load(&format!("argv = [\"true\"]\nenv = {{ pass = [\"{name}\"] }}")).is_err(),
            "{name}"
        );
    }
}

#[test]
fn shell() {
    let tool =
        "params = { t = { type = \"Text\", max = 9000, multiline = true } }\nargv = [\"echo\", \"{t}\"]";
    let chain = format!("x{} && : >@CANARY@", " && true".repeat(60));
    for text in [
        "x; : >@CANARY@",
        "x && : >@CANARY@",
        "x | : >@CANARY@",
        "`: >@CANARY@`",
        "$(: >@CANARY@)",
        "x >@CANARY@",
        "x\n: >@CANARY@",
        &chain,
    ] {
        let command = format!("echo {text}");
        let json = format!("{{\"t\":\"{}\"}}", text.replace('\n', "\\n"));
        let row = if text == chain { 37 } else { 36 };
        attack(
            &Attack {
                row,
                raw: &["sh", "-c", &command],
                tool,
                json: &json,
                by: By::Data,
            },
            nothing,
        );
    }
}

#[test]
fn sql() {
    let program = "import sqlite3,sys; sqlite3.connect(':memory:').executescript('create table users(a); select * from ' + sys.argv[1])";
    let tool = format!(
        "params = {{ t = {{ type = \"Ident\" }} }}\nargv = [\"/usr/bin/python3\", \"q.py\", \"{{t}}\"]\n# {program}"
    );
    let attack_text = "users; attach '@CANARY@' as c; create table c.x(a)";
    let json = format!("{{\"t\":\"{attack_text}\"}}");
    attack(
        &Attack {
            row: 48,
            raw: &["/usr/bin/python3", "-c", program, attack_text],
            tool: &tool,
            json: &json,
            by: By::Call,
        },
        nothing,
    );
}
