//! Changes that are kept back: the workspace with the real kernel, as root and as a user.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{OuterTerminal, Output, World, await_that, fumehood, host_program};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

fn kept(world: &World, script: &str) -> Output {
    world.sandbox().flags(["--apply", "ask"]).sh(script)
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

/// Everything of a tree that a user sees, `.git` left out.
fn picture(top: &Path) -> BTreeMap<PathBuf, String> {
    let mut seen = BTreeMap::new();
    let mut waiting = vec![top.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let m = fs::symlink_metadata(&path).unwrap();
            let owner = (m.uid(), m.gid());
            let text = if m.is_dir() {
                waiting.push(path.clone());
                format!("directory {:o} {owner:?}", m.mode())
            } else if m.is_symlink() {
                format!("link {:?} {owner:?}", fs::read_link(&path).unwrap())
            } else {
                format!("{:o} {owner:?} {:?}", m.mode(), fs::read(&path).unwrap())
            };
            seen.insert(path.strip_prefix(top).unwrap().to_owned(), text);
        }
    }
    seen.retain(|path, _| !path.starts_with(".git"));
    seen
}

#[test]
fn nothing_lands_before_apply_and_undo_takes_it_back() {
    let world = World::with_repository();
    let before = picture(&world.project());
    let out = kept(
        &world,
        "echo more >> README && mkdir -p a/b && echo new > a/b/c && git status --short | wc -l",
    );
    assert_eq!(out.ended(0), "2");
    assert_eq!(picture(&world.project()), before);
    let diff = verb(&world, &["diff"]).ended(0);
    assert!(diff.contains("+more") && diff.contains("A a/b/c"), "{diff}");
    verb(&world, &["apply"]).ended(0);
    assert_eq!(
        fs::read_to_string(world.project().join("a/b/c")).unwrap(),
        "new\n"
    );
    assert_eq!(
        world.git(&world.project(), &["status", "--porcelain"]),
        " M README\n?? a/\n"
    );
    verb(&world, &["undo"]).ended(0);
    assert_eq!(picture(&world.project()), before);
    verb(&world, &["discard"]).ended(0);
    verb(&world, &["diff"]).refused(125, &["no session here kept changes back"]);
}

/// `rm -rf` of everything, `.git` included: the project is whole, applied it is gone but for the
/// repository, undone it is back.
#[test]
fn a_wiped_project_comes_back() {
    let world = World::with_repository();
    fs::create_dir_all(world.project().join("src/deep")).unwrap();
    fs::write(world.project().join("src/deep/file"), "work\n").unwrap();
    let before = picture(&world.project());
    kept(&world, "rm -rf ./* ./.git; ls -A | wc -l").ended(0);
    assert_eq!(picture(&world.project()), before);
    verb(&world, &["apply"]).ended(0);
    assert_eq!(picture(&world.project()), BTreeMap::new());
    world.git(&world.project(), &["fsck", "--strict"]);
    verb(&world, &["undo"]).ended(0);
    assert_eq!(picture(&world.project()), before);
}

#[test]
fn a_hidden_file_is_absent_and_cannot_be_applied_over() {
    let world = World::with_repository();
    fs::write(world.project().join(".env"), "secret\n").unwrap();
    let hide = world.sandbox().flags(["--apply", "ask", "--hide", ".env"]);
    let out = hide.sh("cat .env 2>&1; echo mine > .env; cat .env");
    assert_eq!(out.ended(0), "cat: .env: No such file or directory\nmine");
    verb(&world, &["apply"]).ended(0);
    assert_eq!(
        fs::read_to_string(world.project().join(".env")).unwrap(),
        "secret\n"
    );
}

/// Only the structure of a masked file is inside: whatever is done there, and whatever the host saves meanwhile, no value
/// is, and what the session writes is not written over the host's.
#[test]
fn a_masked_file_has_its_names_and_no_value() {
    let world = World::with_repository();
    let project = world.project();
    fs::create_dir(project.join("sub")).unwrap();
    fs::write(
        project.join("fumehood.toml"),
        "version = 1\n[workspace]\nmask = [\".env*\", \"sub/*.json\", \"token\"]\n",
    )
    .unwrap();
    for (name, text) in [
        (".env", "# canary\nUSER_KEY=canary\n"),
        ("sub/a.json", "{\"key\": \"canary\"}"),
        ("token", "canary"),
    ] {
        fs::write(project.join(name), text).unwrap();
    }
    let signals = world.own("runtime").join("signals");
    fs::create_dir(&signals).unwrap();
    let script = format!(
        "cat .env sub/a.json token; echo x > {0}/ready; until [ -e {0}/go ]; do sleep 0.02; done
         cat .env token; ln .env linked; mv token moved; cp .env .env.copy; cat linked moved
         grep -rl canar[y] . /proc/self/root$PWD; echo NEW=1 > .env",
        signals.display()
    );
    let flags = ["--apply", "ask", "--rw", signals.to_str().unwrap()];
    let mut running = world.sandbox().flags(flags).start(&["sh", "-c", &script]);
    running.await_file(&signals.join("ready"));
    fs::write(project.join("new"), "SECOND=canary\n").unwrap();
    fs::rename(project.join("new"), project.join(".env")).unwrap();
    fs::write(project.join("token"), "canary again").unwrap();
    fs::write(signals.join("go"), "").unwrap();
    let out = running.wait();
    fs::remove_dir_all(&signals).unwrap();
    let dotenv = "USER_KEY=fumehood-masked\n";
    let unknown = "# masked by fumehood\n";
    let json = "{\n  \"key\": \"fumehood-masked\"\n}\n";
    let wanted = format!("\n{dotenv}{json}{unknown}\n{dotenv}{unknown}\n{dotenv}{unknown}");
    assert_eq!(out.ended(0).trim(), wanted.trim(), "{}", out.errors());
    let diff = verb(&world, &["diff"]);
    let said = format!("{}{}", diff.text(), diff.errors());
    assert!(!said.contains("canary"), "{said}");
    assert!(said.contains("its values were never inside"), "{said}");
    verb(&world, &["apply"]).ended(0);
    let env = fs::read_to_string(project.join(".env")).unwrap();
    let token = fs::read_to_string(project.join("token")).unwrap();
    assert_eq!(
        (env.as_str(), token.as_str()),
        ("SECOND=canary\n", "canary again")
    );
    let live = world.live().sh("cat .env");
    live.refused(125, &["workspace.mask", "only where changes are kept back"]);
}

/// What git has is not masked by a file in its place: the run does not start, and says what to do.
#[test]
fn what_git_has_is_not_masked() {
    let world = World::with_repository();
    let project = world.project();
    fs::write(
        project.join("fumehood.toml"),
        "version = 1\n[workspace]\nmask = [\".env*\"]\n",
    )
    .unwrap();
    fs::write(project.join(".env.shared"), "A=canary\n").unwrap();
    world.git(&project, &["add", "-f", ".env.shared"]);
    let refused = world.sandbox().sh("cat .env.shared");
    refused.refused(125, &["workspace.mask", "git has .env.shared", "git rm --cached"]);
    assert!(!refused.text().contains("canary"));
    world.git(&project, &["rm", "-q", "--cached", ".env.shared"]);
    let masked = world.sandbox().sh("cat .env.shared");
    assert_eq!(masked.ended(0), "A=fumehood-masked");
}

/// Hiding a file does not hide what git has of it; whoever hides it is told, at the start and by `doctor`.
#[test]
fn a_hidden_file_that_git_has_is_told() {
    let world = World::with_repository();
    let project = world.project();
    for name in [".env", "keys/a", "keys/b", "keys/c", "keys/d", "other.key"] {
        fs::create_dir_all(project.join(name).parent().unwrap()).unwrap();
        fs::write(project.join(name), "secret").unwrap();
    }
    let notice = "hidden as a file, but git has it, and";
    let hide = ["--hide", ".env", "--hide", "keys", "--hide", "other.key"];
    let run = world.sandbox().flags(hide);
    let quiet = run.sh("cat .env 2>&1; true");
    assert!(!quiet.errors().contains(notice), "{}", quiet.errors());
    assert!(!verb(&world, &["doctor"]).text().contains("hidden files"));
    world.git(&project, &["add", "-A"]);
    world.git(&project, &["commit", "-qm", "all"]);
    let told = run.sh("git show HEAD:.env");
    assert_eq!(told.ended(0), "secret", "what the notice says is so");
    let words = format!("{notice} `git show HEAD:.env` works inside: .env, keys/a, keys/b and 3 more");
    assert!(told.errors().contains(&words), "{}", told.errors());
    fs::write(
        project.join("fumehood.toml"),
        "version = 1\n[filesystem]\nhide = [\".env\"]\n",
    )
    .unwrap();
    let seen = verb(&world, &["doctor"]).text();
    let row = seen.lines().find(|line| line.starts_with("hidden files"));
    let row = row.unwrap_or_else(|| panic!("no row: {seen}"));
    assert!(row.contains(notice) && row.ends_with("inside: .env"), "{row}");
}

/// uncovers nothing, by name or by pattern, also in a folder that is replaced whole.
#[test]
fn a_hidden_file_stays_hidden_when_the_host_replaces_it() {
    let world = World::with_repository();
    let project = world.project();
    fs::create_dir_all(project.join("deep/er")).unwrap();
    for name in [".env", "deep/er/own.key"] {
        fs::write(project.join(name), "first secret\n").unwrap();
    }
    let signals = world.own("runtime").join("signals");
    fs::create_dir(&signals).unwrap();
    let script = format!(
        "cat .env deep/er/own.key 2>&1; echo x > {0}/ready; until [ -e {0}/go ]; do sleep 0.02; done
         cat .env deep/er/own.key 2>&1; ls -A . deep/er",
        signals.display()
    );
    let flags = [
        "--hide",
        ".env",
        "--hide",
        "**/*.key",
        "--rw",
        signals.to_str().unwrap(),
    ];
    let mut running = world.sandbox().flags(flags).start(&["sh", "-c", &script]);
    running.await_file(&signals.join("ready"));
    for name in [".env", "deep/er/own.key"] {
        let path = project.join(name);
        fs::write(path.with_extension("new"), "second secret\n").unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    }
    fs::write(signals.join("go"), "").unwrap();
    let seen = running.wait().ended(0);
    fs::remove_dir_all(&signals).unwrap();
    assert_eq!(seen.matches("No such file").count(), 4, "{seen}");
    assert!(!seen.contains("secret"), "{seen}");
    assert!(
        !seen.lines().any(|line| line == ".env" || line == "own.key"),
        "{seen}"
    );
}

/// Situations 5 to 7 of the users' review: the host commits, checks out and prunes while git works inside.
#[test]
fn git_inside_stays_right_while_the_host_commits() {
    let world = World::with_repository();
    let script = "git switch -q -c topic && echo in > inside && git add -A && touch ready-1; sleep 3; git status --short; git commit -qm inside && git log --format=%s | tr '\\n' ' ' && git fsck --strict 2>&1 && git show --stat --format= HEAD";
    let running = world
        .sandbox()
        .flags(["--apply", "ask"])
        .start(&["sh", "-c", script]);
    let begun = std::time::Instant::now();
    while !verb(&world, &["diff", "--name-status"])
        .text()
        .contains("ready-1")
    {
        assert!(begun.elapsed().as_secs() < 20, "it did not begin");
    }
    let project = world.project();
    fs::write(project.join("outside"), "out\n").unwrap();
    world.git(&project, &["add", "-A"]);
    world.git(&project, &["commit", "-q", "-m", "outside"]);
    world.git(&project, &["commit", "-q", "--amend", "-m", "rewritten"]);
    world.git(&project, &["reflog", "expire", "--expire=now", "--all"]);
    world.git(&project, &["gc", "-q", "--prune=now"]);
    let out = running.wait().ended(0);
    assert!(
        !out.contains("D  ") && !out.contains("M  "),
        "no phantom revert: {out}"
    );
    assert!(
        out.contains("inside first ") && out.contains("inside | 1 +"),
        "{out}"
    );
    assert!(
        !out.contains("unable to read") && !out.contains("missing"),
        "{out}"
    );
    assert_eq!(
        world.git(&project, &["log", "--format=%s", "main"]),
        "rewritten\nfirst\n"
    );
    assert_eq!(world.git(&project, &["branch", "--list", "topic"]), "");
    verb(&world, &["discard"]).ended(0);
    assert_eq!(world.git(&project, &["for-each-ref", "refs/fumehood"]), "");
}

/// What git would run is not in the session's configuration, and what the session writes there stays.
#[test]
fn the_hosts_git_never_opens_what_was_written_inside() {
    let world = World::with_repository();
    let project = world.project();
    world.git(&project, &["config", "alias.x", "!true"]);
    world.git(
        &project,
        &["config", "remote.o.url", "https://ann:token@host.invalid/x"],
    );
    let out = kept(
        &world,
        "git config --local --list; printf '#!/bin/sh\\ntouch evil' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; \
         echo /outside > .git/commondir; git config core.fsmonitor evil || true; echo x > .git/objects/info/alternates; echo x > file",
    )
    .ended(0);
    assert!(out.contains("remote.o.url=https://host.invalid/x"), "{out}");
    assert!(!out.contains("alias") && !out.contains("token"), "{out}");
    verb(&world, &["apply", "--all"]).ended(0);
    assert!(!project.join(".git/hooks/pre-commit").exists() && !project.join(".git/commondir").exists());
    assert_eq!(
        world.git(&project, &["config", "--default", "none", "core.fsmonitor"]),
        "none\n"
    );
    assert_eq!(world.git(&project, &["status", "--porcelain"]), "?? file\n");
}

/// A run that changed nothing leaves no ref in the repository, nothing to look at, and of all sessions of a
/// project one empty one, in which the next run begins.
#[test]
fn a_run_that_changes_nothing_leaves_nothing() {
    let world = World::with_repository();
    let names = || {
        let all = fs::read_dir(world.own("state").join("fumehood/sessions")).unwrap();
        all.map(|e| e.unwrap().file_name()).collect::<Vec<_>>()
    };
    kept(&world, "git log --oneline | wc -l").ended(0);
    assert_eq!(
        world.git(&world.project(), &["for-each-ref", "refs/fumehood"]),
        ""
    );
    let first = names();
    assert_eq!(first.len(), 1);
    verb(&world, &["diff"]).refused(125, &["no session here kept changes back"]);
    // Several at a time need one each; all but one, or all, are gone afterwards.
    fs::write(world.project().join("README"), "edited outside\n").unwrap();
    std::thread::scope(|scope| {
        let one = || kept(&world, "cat README; sleep 0.3").ended(0);
        let all: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
        for ended in all {
            assert_eq!(ended.join().unwrap(), "edited outside");
        }
    });
    assert!(names().len() <= 1, "{:?}", names());
    assert_eq!(kept(&world, "cat README").ended(0), "edited outside");
}

/// The git directory of a run that committed nothing serves the next one, of which nothing is believed: what git
/// would run, obey or follow is the host's again, and what the host did meanwhile is there.
#[test]
fn nothing_that_a_run_left_in_its_git_directory_meets_the_next() {
    let world = World::with_repository();
    let hook = world.project().join(".git/hooks/pre-push");
    fs::write(&hook, "#!/bin/sh\necho the hosts own\n").unwrap();
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let look = "cd .git && find . ! -name index -exec ls -ldn --time-style=+ {} + && find . -type f ! -name index -exec cat {} +; \
                cd .. && git config --local --list && git status --short --branch && git log --format=%s";
    let first = kept(&world, look).ended(0);
    assert!(first.contains("the hosts own"), "{first}");
    let spare = || {
        let sessions = world.own("state").join("fumehood/sessions");
        let session = fs::read_dir(sessions).unwrap().next().unwrap().unwrap().path();
        assert!(!session.join("git").exists());
        session.join("spare").exists()
    };
    let deeds = [
        "printf '#!/bin/sh\\necho evil\\n' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit",
        "printf '#!/bin/sh\\necho the evil own\\n' > .git/hooks/pre-push",
        "git config core.fsmonitor evil && git config alias.status '!evil'",
        "echo evil > .git/info/attributes; echo '*' >> .git/info/exclude",
        "mkdir .git/worktrees .git/info/refs; mkfifo .git/pipe; echo /evil > .git/gitdir",
        "rm -r .git/hooks && ln -s /etc .git/hooks; ln -sf /etc/passwd .git/description",
        "echo /evil > .git/objects/info/alternates",
        "chmod 0 .git/info .git/config .git/logs/refs",
        "rm .git/index && git update-index --assume-unchanged README; rm -rf .git/index; mkdir .git/index",
        "rm .git/objects/info/alternates && mkdir .git/objects/info/alternates",
    ];
    for deed in deeds {
        kept(&world, &format!("{deed}; true")).ended(0);
        // What a user cannot look through is not kept at all.
        assert!(spare() || deed.contains("chmod 0"), "{deed}");
        verb(&world, &["diff"]).refused(125, &["no session here kept changes back"]);
        assert_eq!(kept(&world, look).ended(0), first, "{deed}");
    }
    // Objects of its own are gone with the run that made them.
    kept(&world, "echo evil | git hash-object -w --stdin").ended(0);
    assert!(!spare());
    assert_eq!(kept(&world, look).ended(0), first);
    let project = world.project();
    fs::write(project.join("outside"), "out\n").unwrap();
    world.git(&project, &["add", "-A"]);
    world.git(&project, &["commit", "-q", "-m", "outside"]);
    world.git(&project, &["switch", "-q", "-c", "topic"]);
    world.git(&project, &["gc", "-q", "--prune=now"]);
    let seen = kept(
        &world,
        "git status --short --branch && git log --format=%s && git branch --list | cat",
    )
    .ended(0);
    assert_eq!(seen, "## topic\noutside\nfirst\n  main\n* topic");
}

/// A session that waits, and of whose git directory a program left links in place of files: the next start makes it anew,
/// and writes nothing where they lead.
#[test]
fn what_is_left_of_a_git_directory_leads_nowhere() {
    let world = World::with_repository();
    let outside = world.own("runtime").join("victim");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "mine\n").unwrap();
    let script = format!(
        "echo x > kept; rm .git/HEAD .git/config; ln -s {0}/file .git/config; rm -r .git/refs .git/hooks; \
         ln -s {0} .git/refs; ln -s {0} .git/hooks; true",
        outside.display()
    );
    kept(&world, &script).ended(0);
    let resumed = world.sandbox().flags(["--apply", "ask", "--resume"]);
    let out = resumed.sh("cat kept; git log --format=%s; find .git -type l");
    assert_eq!(out.ended(0), "x\nfirst");
    assert_eq!(picture(&outside).len(), 1);
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "mine\n");
    fs::remove_dir_all(&outside).unwrap();
}

/// A folder that takes the place of the project is another project: what was kept for the next run was not for it.
#[test]
fn a_project_made_anew_begins_anew() {
    let mut world = World::new();
    let project = world.project();
    for round in ["one", "two", "three"] {
        assert_eq!(kept(&world, "cat round 2>/dev/null; true").ended(0), "");
        fs::write(project.join("round"), round).unwrap();
        assert_eq!(kept(&world, "cat round").ended(0), round);
        fs::rename(&project, world.root().join(format!("was {round}"))).unwrap();
        fs::create_dir(&project).unwrap();
    }
    world.remember();
}

/// A damaged record is told, and the files still come out.
#[test]
fn a_damaged_session_is_told_and_rescued() {
    let world = World::with_repository();
    kept(
        &world,
        "echo work > kept; rm README; git init -q sub; mkfifo pipe",
    )
    .ended(0);
    let sessions = world.own("state").join("fumehood/sessions");
    let session = fs::read_dir(&sessions).unwrap().next().unwrap().unwrap().path();
    fs::write(session.join("session"), "nonsense").unwrap();
    verb(&world, &["diff"]).refused(125, &["damaged"]);
    let to = world.root().join("state/out");
    let out = verb(&world, &["rescue", to.to_str().unwrap()]);
    assert_eq!(out.code, 1, "the pipe is told: {}", out.errors());
    assert!(out.text().contains("deleted inside: README"), "{}", out.text());
    assert_eq!(fs::read_to_string(to.join("kept")).unwrap(), "work\n");
    assert!(to.join("sub/dot-git/HEAD").is_file() && !to.join("sub/.git").exists());
}

/// The layers outlive the run, and go on under the new run's own id.
#[test]
fn a_session_is_gone_on_with() {
    let world = World::with_repository();
    kept(
        &world,
        "mkdir a && echo one > a/f && chmod 600 a/f && git add -A && git commit -qm inside",
    )
    .ended(0);
    let resumed = world.sandbox().flags(["--resume"]);
    let out = resumed.sh("echo two >> a/f && rm README && git log --format=%s | head -1 && cat a/f");
    assert_eq!(out.ended(0), "inside\none\ntwo");
    let names = verb(&world, &["diff", "--name-status"]).ended(0);
    assert!(
        names.starts_with("D README\nA a/\nA a/f\nref refs/heads/main: "),
        "{names}"
    );
    verb(&world, &["apply"]).ended(0);
    assert_eq!(
        fs::read_to_string(world.project().join("a/f")).unwrap(),
        "one\ntwo\n"
    );
    verb(&world, &["discard"]).ended(0);
    let none = world.sandbox().flags(["--resume"]).sh("true");
    none.refused(125, &["no session here kept changes back"]);
}

/// A running session's changes are applied while it runs, and what it does after that is the next apply's.
#[test]
fn changes_are_applied_while_it_runs() {
    let world = World::with_repository();
    let script = "echo one > f; touch ready; sleep 3; echo two >> f; cat f";
    let running = world
        .sandbox()
        .flags(["--apply", "ask"])
        .start(&["sh", "-c", script]);
    let begun = std::time::Instant::now();
    while !verb(&world, &["diff", "--name-status"]).text().contains("ready") {
        assert!(begun.elapsed().as_secs() < 20, "it did not begin");
    }
    verb(&world, &["apply", "f"]).ended(0);
    assert_eq!(fs::read_to_string(world.project().join("f")).unwrap(), "one\n");
    verb(&world, &["discard"]).refused(125, &["is running"]);
    assert_eq!(running.wait().ended(0), "one\ntwo");
    verb(&world, &["apply", "f"]).ended(0);
    assert_eq!(
        fs::read_to_string(world.project().join("f")).unwrap(),
        "one\ntwo\n"
    );
}

/// What the host would run later waits until it is named, and the far side of that is the host's own shell.
#[test]
fn findings_wait_and_are_said() {
    let world = World::with_repository();
    kept(&world, "echo evil > .envrc; mkdir -p .github/workflows; echo evil > .github/workflows/ci.yml; echo fine > src.rs; ln -s /etc/passwd l").ended(0);
    let diff = verb(&world, &["diff"]).ended(0);
    assert!(
        diff.contains("finding: a shell or a version manager runs it"),
        "{diff}"
    );
    let out = verb(&world, &["apply"]);
    assert_eq!(out.code, 1);
    for path in [".envrc", ".github/workflows/ci.yml", "l"] {
        assert!(
            out.errors().contains(&format!("waits: {path}: ")),
            "{}",
            out.errors()
        );
        assert!(
            fs::symlink_metadata(world.project().join(path)).is_err(),
            "{path}"
        );
    }
    assert_eq!(
        fs::read_to_string(world.project().join("src.rs")).unwrap(),
        "fine\n"
    );
    verb(&world, &["apply", ".envrc"]).ended(0);
    assert_eq!(
        fs::read_to_string(world.project().join(".envrc")).unwrap(),
        "evil\n"
    );
}

/// Any sequence of operations, run inside and applied, equals the same run plainly.
#[test]
fn random_operations_inside_and_applied_equal_the_same_outside() {
    for seed in 1..=25_u64 {
        let world = World::new();
        for n in 0..4 {
            fs::create_dir_all(world.project().join(format!("d{n}/d{n}"))).unwrap();
            fs::write(
                world.project().join(format!("d{n}/f{n}")),
                format!("{seed} {n}\n"),
            )
            .unwrap();
        }
        let copy = world.root().join("state/plain");
        let copied = host_program("cp")
            .arg("-a")
            .arg(world.project())
            .arg(&copy)
            .status();
        assert!(copied.unwrap().success());
        let script = operations(seed);
        let plain = host_program("sh")
            .arg("-c")
            .arg(&script)
            .current_dir(&copy)
            .status();
        assert!(plain.unwrap().success());
        kept(&world, &script).ended(0);
        verb(&world, &["apply", "--all"]).ended(0);
        assert_eq!(picture(&world.project()), picture(&copy), "seed {seed}: {script}");
    }
}

fn operations(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut pick = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    let mut script = String::from("umask 022; {\n");
    for step in 0..30 {
        let (a, b, c) = (pick(4), pick(4), pick(5));
        let place = [
            format!("d{a}"),
            format!("d{a}/d{a}"),
            "new".into(),
            format!("d{a}/x"),
        ][pick(4) as usize]
            .clone();
        let other = format!("d{b}/f{b}");
        let line = match pick(12) {
            0 => format!("mkdir -p {place}"),
            1 => format!("echo {step} > {place}/n{c}"),
            2 => format!("echo {step} >> {other}"),
            3 => format!("mv {other} {place}/m{c}"),
            4 => format!("mv {place} moved{c}"),
            5 => format!("rm -rf {place}"),
            6 => format!("ln -s ../{other} {place}/l{c}"),
            7 => format!(
                "[ ! -f {other} ] || chmod {} {other}",
                ["600", "755", "640"][(c % 3) as usize]
            ),
            8 => format!("rm -f {other}; mkdir {other}; echo {step} > {other}/in"),
            9 => format!("rm -rf {place}; echo {step} > {place}"),
            10 => format!("truncate -s 100000 {other}"),
            _ => format!("ln {other} {place}/h{c}"),
        };
        script.push_str(&line);
        script.push('\n');
    }
    script.push_str("} 2>/dev/null; true\n");
    script
}

/// `--apply turn`: what has no finding lands while the program runs, commits too; what the user takes back
/// stays taken back until it is changed again; what has a finding waits.
#[test]
fn changes_land_by_turns_and_what_is_taken_back_stays_so() {
    let world = World::with_repository();
    let project = world.project();
    let script = "echo one > f; echo evil > .envrc; git add f; git commit -qm inside; \
                  until ls | grep -qx go; do sleep 0.1; done; echo two >> f; sleep 3";
    let running = world
        .sandbox()
        .flags(["--apply", "turn"])
        .start(&["sh", "-c", script]);
    await_that("the first turn", || project.join("f").exists());
    await_that("the commit", || {
        world
            .git(&project, &["log", "--format=%s"])
            .starts_with("inside\n")
    });
    assert_eq!(world.git(&project, &["status", "--porcelain"]), "");
    assert!(!project.join(".envrc").exists());
    verb(&world, &["undo"]).ended(0);
    assert!(!project.join("f").exists() || world.git(&project, &["log", "--format=%s"]) == "first\n");
    while verb(&world, &["undo"]).code == 0 {}
    assert!(!project.join("f").exists());
    std::thread::sleep(std::time::Duration::from_millis(1200));
    assert!(!project.join("f").exists(), "it came back by itself");
    // A listing shows the session what is new outside.
    fs::write(project.join("go"), "").unwrap();
    await_that("the next turn", || {
        fs::read_to_string(project.join("f")).is_ok_and(|t| t == "one\ntwo\n")
    });
    let out = running.wait();
    assert_eq!(out.code, 0);
    assert!(
        out.errors().contains("`fumehood undo` takes the last one back")
            && out.errors().contains(" kept back: "),
        "{}",
        out.errors()
    );
    assert!(!project.join(".envrc").exists());
}

/// With no terminal nothing lands; build outputs serve the next run, and what was applied is the host's again.
#[test]
fn without_a_terminal_nothing_lands_and_build_outputs_are_used_again() {
    let world = World::with_repository();
    fs::write(world.project().join("Cargo.toml"), "[package]\nname = \"x\"\n").unwrap();
    let out = world.sh("mkdir target && echo built > target/out; echo changed >> README");
    assert!(out.errors().contains("1 change kept back"), "{}", out.errors());
    assert_eq!(world.project_files(), ["Cargo.toml", "README"]);
    verb(&world, &["apply"]).ended(0);
    fs::write(world.project().join("README"), "the host's\n").unwrap();
    let out = world.sh("cat target/out README");
    assert_eq!(out.ended(0), "built\nthe host's");
    assert_eq!(out.errors(), "");
    assert!(!world.project().join("target").exists());
    // Under another configuration nothing of it is seen.
    fs::write(
        world.project().join("fumehood.toml"),
        "version = 1\n[[deny]]\neffect = \"package.publish\"\nbecause = \"x\"\n",
    )
    .unwrap();
    let other = world.sh("ls target");
    assert_ne!(other.code, 0, "{}{}", other.text(), other.errors());
}

/// A linked worktree: its repository lies elsewhere, and is no more written to than an ordinary one.
#[test]
fn a_linked_worktree_has_a_git_directory_of_its_own() {
    let mut world = World::with_repository();
    world.git(
        &world.project(),
        &["worktree", "add", "-q", "../tree", "-b", "tree"],
    );
    world.git(&world.project(), &["branch", "other"]);
    let tree = world.home().join("work/tree");
    world.remember();
    let before = fs::read_to_string(tree.join(".git")).unwrap();
    let run = world.sandbox().directory(&tree);
    run.sh("echo x > y && git add -A && git commit -q -m in-the-tree && git status --porcelain; git log --format=%s; \
            echo 'gitdir: /tmp/evil' > .git; git config core.pager evil; true")
        .ended(0);
    assert_eq!(world.git(&tree, &["log", "--format=%s"]), "first\n");
    let apply = [fumehood().into_os_string(), "apply".into()];
    let out = world.sandbox().directory(&tree).start_words(&apply).wait();
    assert_eq!(out.code, 0, "{}", out.errors());
    assert_eq!(world.git(&tree, &["log", "--format=%s"]), "in-the-tree\nfirst\n");
    assert_eq!(world.git(&tree, &["status", "--porcelain"]), "");
    assert_eq!(world.git(&world.project(), &["status", "--porcelain"]), "");
    assert_eq!(fs::read_to_string(tree.join(".git")).unwrap(), before);
    assert_eq!(
        world.git(&tree, &["config", "--default", "none", "core.pager"]),
        "none\n"
    );
    world.remember();
}

/// What the host runs later, made, replaced, renamed or linked inside: none of it lands without a name.
#[test]
fn what_the_host_runs_later_does_not_land_by_itself() {
    let world = World::with_repository();
    let files = [
        ".git/hooks/pre-commit",
        ".claude/settings.json",
        ".mcp.json",
        ".vscode/tasks.json",
        ".envrc",
        ".husky/pre-commit",
        ".pre-commit-config.yaml",
        ".github/workflows/ci.yml",
        ".gitlab-ci.yml",
        ".mise.toml",
        "sub/.envrc",
        ".VSCode/settings.json",
    ];
    let mut script = String::new();
    for file in files {
        script += &format!("mkdir -p $(dirname {file}); echo evil > n; mv n {file}; ");
    }
    world
        .sandbox()
        .flags(["--apply", "turn"])
        .sh(script
            + "git init -q nested; echo evil > nested/.git/hooks/post-checkout; ln -s .envrc link; true")
        .ended(0);
    for file in files.iter().chain(&["nested/.git/hooks/post-checkout"]) {
        assert!(!world.project().join(file).exists(), "{file}");
    }
}

/// At a terminal: changes land by turns, what waits is counted in the last row, and the next run asks.
#[test]
fn a_person_at_a_terminal_gets_turns_a_count_and_a_question() {
    let world = World::with_repository();
    let script = "echo evil > .envrc; echo fine > f; sleep 2; echo done";
    let mut terminal = OuterTerminal::run(&world.sandbox(), &["sh", "-c", script]);
    terminal.await_text("1 change");
    assert_eq!(fs::read_to_string(world.project().join("f")).unwrap(), "fine\n");
    assert_eq!(terminal.wait(), 0, "{}", terminal.screen());
    assert!(terminal.screen().contains("kept back"), "{}", terminal.screen());
    let mut next = OuterTerminal::run(&world.sandbox(), &["cat", ".envrc"]);
    next.await_text("[r]esume");
    next.type_keys(b"r\n");
    assert_eq!(next.wait(), 0, "{}", next.screen());
    assert!(next.screen().contains("evil"), "{}", next.screen());
    let mut new = OuterTerminal::run(&world.sandbox(), &["cat", ".envrc"]);
    new.await_text("[n]ew");
    new.type_keys(b"n\n");
    assert_eq!(new.wait(), 1, "{}", new.screen());
}

/// What a session makes of its layer keeps nobody from forgetting it: deeper than paths and descriptors go, in
/// folders that cannot be entered, the top of it included.
#[test]
fn a_session_that_closes_its_folders_can_be_forgotten() {
    let world = World::with_repository();
    // So many folders are looked at, brought to the disk and removed one by one, which a busy machine takes long for.
    let patient = || world.sandbox().deadline(std::time::Duration::from_secs(120));
    let verb = |words: &[&str]| {
        let all: Vec<_> = [fumehood().to_str().unwrap()]
            .iter()
            .chain(words)
            .map(|w| w.to_string())
            .collect();
        patient().start_words(&all).wait()
    };
    let deep = "import os
for _ in range(1500): os.mkdir('d'); os.chdir('d')
open('end', 'w').close()";
    fs::write(world.home().join("deep.py"), deep).unwrap();
    let dug = world.home().join("deep.py");
    let script = format!(
        "/usr/bin/python3 {}; mkdir -p shut/below; touch shut/below/file made locked; chmod 0 locked shut/below shut .",
        dug.display()
    );
    let run = patient().flags(["--ro", dug.to_str().unwrap()]);
    run.run(&["sh", "-c", &script]).ended(0);
    fs::remove_file(&dug).unwrap();
    let shown = verb(&["diff", "--name-status"]);
    assert!(shown.ended(0).lines().any(|line| line == "A made"), "{shown:?}");
    // What can be read lands, also beside what cannot.
    verb(&["diff"]).ended(0);
    verb(&["apply", "made", "locked"]).ended(0);
    assert!(world.project().join("made").exists());
    // The next run goes on beside it, and then all of it goes, with no more descriptors than is usual.
    patient().run(&["true"]).ended(0);
    let words = [
        "sh",
        "-c",
        "ulimit -n 256; exec \"$0\" discard",
        fumehood().to_str().unwrap(),
    ]
    .map(str::to_owned);
    patient().start_words(&words).wait().ended(0);
    let left: Vec<_> = fs::read_dir(world.own("state").join("fumehood/sessions"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A file that is large by its length alone holds up neither the other changes nor the end of the run: it waits,
/// unread, until it is named.
#[test]
fn a_length_without_content_holds_nothing_up() {
    let world = World::with_repository();
    let run = world.sandbox().flags(["--apply", "turn"]);
    let out = run.sh("truncate -s 4T big; truncate -s 5G a b; echo x > small");
    out.ended(0);
    assert!(world.project().join("small").exists(), "{out:?}");
    assert!(!world.project().join("big").exists(), "{out:?}");
    // One of these fits, but they are alike.
    assert!(!world.project().join("a").exists() && !world.project().join("b").exists());
    let shown = verb(&world, &["apply"]).errors();
    assert!(shown.contains("more data than comes at once"), "{shown}");
    verb(&world, &["discard"]).ended(0);
}

/// The index of a session names the owners that it sees: no file is read again because of them, also where root's
/// files are an ordinary account's inside. `diff-files` compares with the index as it is.
#[test]
fn the_index_fits_what_is_seen_inside() {
    let world = World::with_repository();
    for name in ["a", "b"] {
        fs::write(world.project().join(name), "x").unwrap();
    }
    let mut aged = host_program("touch");
    aged.args(["-d", "2001-02-03", "a", "b"])
        .current_dir(world.project());
    assert!(aged.status().unwrap().success());
    world.git(&world.project(), &["add", "-A"]);
    world.git(&world.project(), &["commit", "-qm", "aged"]);
    assert_eq!(
        world.git(&world.project(), &["diff-files", "--name-only", "--", "a", "b"]),
        ""
    );
    let out = world
        .sh("git diff-files --name-only -- a b; git status --porcelain; git fsck 2>&1 | grep -v dangling");
    assert_eq!(out.text().trim(), "", "{out:?}");
}

/// A build output that the repository tracks is source: what is changed, added to the index's files or removed there
/// comes out like everything else. What is not tracked beside it is an output still.
#[test]
fn a_tracked_build_output_is_no_build_output() {
    let world = World::with_repository();
    let project = world.project();
    fs::create_dir_all(project.join("dist/deep")).unwrap();
    for name in [
        "package.json",
        "dist/app.js",
        "dist/deep/old.js",
        "dist/deep/gone.js",
    ] {
        fs::write(project.join(name), "{}\n").unwrap();
    }
    world.git(&project, &["add", "-A"]);
    world.git(&project, &["commit", "-qm", "built"]);
    kept(&world, "echo new > dist/app.js; rm dist/deep/gone.js; echo x > dist/made.js; mkdir dist/more; echo x > dist/more/y").ended(0);
    assert_eq!(
        verb(&world, &["diff", "--name-status"]).ended(0),
        "M dist/app.js\nD dist/deep/gone.js"
    );
    verb(&world, &["apply"]).ended(0);
    assert_eq!(fs::read_to_string(project.join("dist/app.js")).unwrap(), "new\n");
    assert!(!project.join("dist/deep/gone.js").exists() && !project.join("dist/made.js").exists());
}

/// A package below the project's top, where the run starts, has its build outputs there.
#[test]
fn outputs_of_a_package_deeper_in_the_project_stay_too() {
    let world = World::with_repository();
    let deeper = world.project().join("examples/one");
    fs::create_dir_all(&deeper).unwrap();
    fs::write(deeper.join("Cargo.toml"), "[package]\nname = \"one\"\n").unwrap();
    let run = world.sandbox().flags(["--apply", "ask"]).directory(&deeper);
    run.run(&[
        "sh",
        "-c",
        "mkdir -p target/debug; echo x > target/debug/x; echo y > source",
    ])
    .ended(0);
    assert_eq!(
        verb(&world, &["diff", "--name-status"]).ended(0),
        "A examples/one/source"
    );
    verb(&world, &["discard"]).ended(0);
}

/// Both sides edited one text: what lies apart is put together, what touches is left and told.
#[test]
fn what_both_sides_changed_is_merged_or_told() {
    let world = World::with_repository();
    let text = |first: &str, last: &str| format!("{first}\n2\n3\n4\n5\n{last}\n");
    for name in ["apart", "touching"] {
        fs::write(world.project().join(name), text("1", "6")).unwrap();
    }
    // The layer must be younger than what it lies over, by more than a tick of the kernel's clock.
    let script = "sleep 0.05; sed -i 's/^1$/inside/' apart touching";
    kept(&world, script).ended(0);
    fs::write(world.project().join("apart"), text("1", "outside")).unwrap();
    fs::write(world.project().join("touching"), text("outside", "6")).unwrap();
    let diff = verb(&world, &["diff"]).ended(0);
    assert!(
        diff.contains("M apart (changed on the host too, merged)"),
        "{diff}"
    );
    assert!(
        diff.contains("+inside") && !diff.contains("-outside\n-6"),
        "{diff}"
    );
    let out = verb(&world, &["apply"]);
    assert_eq!(out.code, 1, "{out:?}");
    let said = out.errors();
    assert!(
        said.contains("merged: apart") && said.contains("conflict: touching"),
        "{said}"
    );
    let has = |name: &str| fs::read_to_string(world.project().join(name)).unwrap();
    assert_eq!(
        (has("apart"), has("touching")),
        (text("inside", "outside"), text("outside", "6"))
    );
    verb(&world, &["undo"]).ended(0);
    assert_eq!(has("apart"), text("1", "outside"));
}

/// `apply -p`: parts are taken by hand, hostile names and texts are shown without what acts, and what was shown is what
/// is installed.
#[test]
fn parts_are_picked_at_a_terminal() {
    let world = World::with_repository();
    let text: String = (0..40).map(|n| format!("{n}\n")).collect();
    fs::write(world.project().join("text"), &text).unwrap();
    let script = "sleep 0.05; sed -i 's/^5$/five/; s/^25$/\\x1b]0;evil\\x07/' text; echo new > \"$(printf 'a\\033[2Jb')\"; \
                  echo x > .envrc";
    kept(&world, script).ended(0);
    verb(&world, &["apply", "-p"]).refused(125, &["terminal"]);
    let mut words = vec![fumehood().into_os_string()];
    words.extend(["apply", "-p"].map(Into::into));
    let sandbox = world.sandbox().directory(world.project());
    let mut terminal = OuterTerminal::start(&sandbox, &words);
    terminal.await_text("take .envrc?");
    terminal.type_keys(b"n\n");
    terminal.await_text("take a\\x1b[2Jb?");
    terminal.type_keys(b"y\n");
    terminal.await_text("take text (1/2)?");
    terminal.type_keys(b"y\n");
    terminal.await_text("take text (2/2)?");
    assert!(
        terminal.screen().contains("+\\x1b]0;evil\\x07"),
        "{}",
        terminal.screen()
    );
    terminal.type_keys(b"n\n");
    assert_eq!(terminal.wait(), 0, "{}", terminal.screen());
    let project = world.project();
    assert_eq!(
        fs::read_to_string(project.join("text")).unwrap(),
        text.replace("\n5\n", "\nfive\n")
    );
    assert_eq!(fs::read_to_string(project.join("a\x1b[2Jb")).unwrap(), "new\n");
    assert!(!project.join(".envrc").exists());
    let rest = verb(&world, &["diff", "--name-status"]).ended(0);
    assert_eq!(rest, "A .envrc\nM text");
}
