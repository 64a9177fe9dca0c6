//! What was committed inside comes out as one pack and a list of refs, read as hostile bytes; and what a
//! hostile git directory would lead the host to read stays unread.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{Output, World, fumehood};
use std::fs;
use std::path::Path;

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

fn git(world: &World, words: &[&str]) -> String {
    world.git(&world.project(), words)
}

#[test]
fn commits_branches_and_tags_come_out_and_undo_takes_them_back() {
    let world = World::with_repository();
    let begun = git(&world, &["rev-parse", "HEAD"]);
    kept(
        &world,
        "echo one > a && git add a && git commit -qm one && git tag -a v1 -m v1 && git branch other HEAD~1 && \
         echo two >> a && git commit -qam two",
    )
    .ended(0);
    assert_eq!(git(&world, &["rev-parse", "HEAD"]), begun, "nothing before apply");
    let diff = verb(&world, &["diff"]).ended(0);
    for words in [
        "ref refs/heads/main: ",
        "ref refs/heads/other: new",
        "ref refs/tags/v1: new",
        " two\n",
        " one\n",
    ] {
        assert!(diff.contains(words), "{words:?} in {diff}");
    }
    verb(&world, &["apply"]).ended(0);
    assert_eq!(
        git(&world, &["log", "--format=%s %an", "main"]),
        "two Test\none Test\nfirst Test\n"
    );
    assert_eq!(
        git(&world, &["status", "--porcelain"]),
        "",
        "index and files are those of the commit"
    );
    assert_eq!(git(&world, &["rev-parse", "other"]), begun);
    assert_eq!(git(&world, &["cat-file", "-t", "v1"]), "tag\n");
    git(&world, &["fsck", "--strict"]);
    assert_eq!(verb(&world, &["apply"]).ended(0), "nothing to apply");
    verb(&world, &["undo"]).ended(0);
    assert_eq!(git(&world, &["rev-parse", "HEAD"]), begun);
    assert_eq!(git(&world, &["status", "--porcelain"]), "");
    assert_eq!(git(&world, &["tag"]), "");
    verb(&world, &["apply"]).ended(0);
    assert_eq!(git(&world, &["log", "-1", "--format=%s"]), "two\n", "and again");
}

/// HEAD follows where the session went, also to a branch it made; what was staged outside for another
/// file stays staged.
#[test]
fn head_follows_and_what_is_staged_outside_stays() {
    let world = World::with_repository();
    let out =
        "git switch -q -c topic && echo in > inside && git add -A && git commit -qm inside && git stash list";
    kept(&world, out).ended(0);
    fs::write(world.project().join("mine"), "mine\n").unwrap();
    git(&world, &["add", "mine"]);
    verb(&world, &["apply"]).ended(0);
    assert_eq!(git(&world, &["symbolic-ref", "HEAD"]), "refs/heads/topic\n");
    assert_eq!(git(&world, &["status", "--porcelain"]), "A  mine\n");
    assert_eq!(git(&world, &["log", "--format=%s", "main"]), "first\n");
}

#[test]
fn stashed_work_comes_out_in_order() {
    let world = World::with_repository();
    kept(
        &world,
        "echo 1 >> README; git stash -q; echo 2 >> README; git stash -q; git stash list | wc -l",
    )
    .ended(0);
    verb(&world, &["apply"]).ended(0);
    assert_eq!(git(&world, &["stash", "list"]).lines().count(), 2);
    assert!(git(&world, &["stash", "show", "-p", "stash@{0}"]).contains("+2"));
    assert!(git(&world, &["stash", "show", "-p", "stash@{1}"]).contains("+1"));
    verb(&world, &["undo"]).ended(0);
    assert_eq!(git(&world, &["stash", "list"]), "");
}

/// The branch moved on both sides: nothing is done to it, and the host's index does not move either.
#[test]
fn a_branch_that_moved_on_both_sides_is_a_conflict() {
    let world = World::with_repository();
    kept(
        &world,
        "echo in > inside && git add -A && git commit -qm inside && git branch free",
    )
    .ended(0);
    fs::write(world.project().join("outside"), "out\n").unwrap();
    git(&world, &["add", "-A"]);
    git(&world, &["commit", "-q", "-m", "outside"]);
    let done = verb(&world, &["apply"]);
    assert_eq!(done.code, 1, "{}", done.errors());
    assert!(
        done.errors()
            .contains("waits: refs/heads/main: the project moved it too"),
        "{}",
        done.errors()
    );
    assert_eq!(git(&world, &["log", "--format=%s", "main"]), "outside\nfirst\n");
    assert_eq!(git(&world, &["status", "--porcelain"]), "?? inside\n");
    assert_eq!(git(&world, &["log", "--format=%s", "free"]), "inside\nfirst\n");
    git(
        &world,
        &[
            "merge",
            "-q",
            "--no-edit",
            "-X",
            "theirs",
            "free",
            "--no-ff",
            "--allow-unrelated-histories",
            "-s",
            "ours",
        ],
    );
    git(&world, &["fsck", "--strict"]);
}

/// A commit whose tree would run something on the host waits, though its files may be fine on disk.
#[test]
fn findings_are_made_on_every_new_commit() {
    let world = World::with_repository();
    kept(
        &world,
        "mkdir -p .github/workflows && echo evil > .github/workflows/ci.yml && git add -A && git commit -qm ci && \
         git rm -qr .github && git commit -qm 'nothing to see'",
    )
    .ended(0);
    let done = verb(&world, &["apply"]);
    assert_eq!(done.code, 1);
    assert!(
        done.errors()
            .contains("waits: refs/heads/main: .github/workflows/ci.yml: "),
        "{}",
        done.errors()
    );
    assert_eq!(git(&world, &["log", "--format=%s", "main"]), "first\n");
    verb(&world, &["apply", "refs/heads/main"]).ended(0);
    assert_eq!(
        git(&world, &["log", "--format=%s", "main"]),
        "nothing to see\nci\nfirst\n"
    );
}

/// A deleted branch is looked at first; what git's own fsck refuses never reaches the host.
#[test]
fn deletions_wait_and_broken_objects_are_refused() {
    let world = World::with_repository();
    git(&world, &["branch", "work"]);
    kept(&world, "git branch -q -D work").ended(0);
    let done = verb(&world, &["apply"]);
    assert!(
        done.errors().contains("it was deleted inside"),
        "{}",
        done.errors()
    );
    git(&world, &["rev-parse", "work"]);
    verb(&world, &["discard"]).ended(0);

    // A tree that holds ".git" (CVE-2014-9390's door).
    let script = "b=$(echo x | git hash-object -w --stdin) && t=$(printf '100644 blob %s\\t.git\\n' $b | git mktree) && \
                  c=$(git commit-tree -m bad $t -p HEAD) && git update-ref refs/heads/main $c";
    kept(&world, script).ended(0);
    verb(&world, &["apply"]).refused(125, &["hasDotgit"]);
    assert_eq!(git(&world, &["log", "--format=%s", "main"]), "first\n");
    assert_eq!(
        git(&world, &["count-objects", "-v"])
            .lines()
            .find(|l| l.starts_with("packs")),
        Some("packs: 0")
    );
}

/// F4's doors: each leads git from the session's directory to a canary repository of the host that the
/// session cannot see. What comes out never holds the canary's commit or its content.
#[test]
fn a_hostile_git_directory_leads_to_no_other_repository() {
    let doors = [
        (
            "commondir",
            "rm -rf .git/objects .git/refs; echo CANARY/.git > .git/commondir",
        ),
        (
            "alternates",
            "echo CANARY/.git/objects > .git/objects/info/alternates; cp canary-ref .git/refs/heads/x",
        ),
        (
            "http-alternates",
            "echo http://127.0.0.1:1/objects > .git/objects/info/http-alternates; cp canary-ref .git/refs/heads/x",
        ),
        (
            "objects link",
            "rm -rf .git/objects/pack; ln -s CANARY/.git/objects/pack .git/objects/pack; cp canary-ref .git/refs/heads/x",
        ),
        (
            "loose objects link",
            "d=$(cut -c1-2 canary-ref); ln -s CANARY/.git/objects/$d .git/objects/$d; cp canary-ref .git/refs/heads/x",
        ),
        (
            "refs link",
            "rm -rf .git/refs; ln -s CANARY/.git/refs .git/refs; rm .git/packed-refs",
        ),
        ("ref link", "ln -s CANARY/.git/refs/heads/main .git/refs/heads/x"),
        (
            "HEAD link",
            "rm .git/HEAD; ln -s CANARY/.git/HEAD .git/HEAD; cp canary-ref .git/refs/heads/x",
        ),
        (
            "packed-refs link",
            "rm -f .git/packed-refs; ln -s CANARY/.git/packed-refs .git/packed-refs",
        ),
        ("index link", "rm .git/index; ln -s CANARY/.git/index .git/index"),
        (
            "config include",
            "printf '[include]\\n\\tpath = CANARY/.git/config\\n[extensions]\\n\\tpartialclone = c\\n[core]\\n\\trepositoryformatversion = 1\\n[remote \"c\"]\\n\\tpromisor = true\\n\\turl = CANARY\\n' >> .git/config; cp canary-ref .git/refs/heads/x",
        ),
        (
            "remote program",
            "printf '[remote \"c\"]\\n\\tpromisor = true\\n\\turl = ext::sh -c \"touch ran%% >CANARY/ran\"\\n[protocol]\\n\\tallow = always\\n' >> .git/config; cp canary-ref .git/refs/heads/x",
        ),
        (
            "gitfile",
            "mv .git/objects o; echo 'gitdir: CANARY/.git' > .git/objects; cp canary-ref .git/refs/heads/x",
        ),
    ];
    for (name, script) in doors {
        let mut world = World::with_repository();
        let canary = world.root().join("home/canary");
        let id = canary_repository(&world, &canary);
        world.remember();
        fs::write(world.project().join("canary-ref"), &id).unwrap();
        let before = git(&world, &["for-each-ref"]);
        let script = script.replace("CANARY", canary.to_str().unwrap());
        kept(&world, &format!("{script}; true")).ended(0);
        let done = verb(&world, &["apply", "--all"]);
        let refs = git(
            &world,
            &["for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags"],
        );
        assert_eq!(
            refs,
            "refs/heads/main\n",
            "{name}: {} {}",
            done.text(),
            done.errors()
        );
        let all = git(&world, &["cat-file", "--batch-all-objects", "--batch-check"]);
        assert!(!all.contains(id.trim()), "{name}");
        assert!(!canary.join("ran").exists(), "{name}");
        assert!(git(&world, &["for-each-ref"]).contains(before.trim()), "{name}");
        git(&world, &["fsck", "--strict"]);
        no_canary(&world.own("state"), name);
    }
}

fn canary_repository(world: &World, at: &Path) -> String {
    fs::create_dir_all(at).unwrap();
    world.git(at, &["init", "-q", "-b", "main"]);
    fs::write(at.join("key"), "canary-of-another-repository\n").unwrap();
    world.git(at, &["add", "key"]);
    world.git(
        at,
        &[
            "-c",
            "user.name=C",
            "-c",
            "user.email=c@example.invalid",
            "commit",
            "-q",
            "-m",
            "canary",
        ],
    );
    world.git(at, &["pack-refs", "--all", "--no-prune"]);
    world.git(at, &["rev-parse", "HEAD"])
}

/// Nothing that was written for the session holds the canary's content in the clear.
fn no_canary(top: &Path, name: &str) {
    let mut waiting = vec![top.to_owned()];
    while let Some(path) = waiting.pop() {
        let Ok(m) = fs::symlink_metadata(&path) else {
            continue;
        };
        if m.is_dir() {
            waiting.extend(
                fs::read_dir(&path)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|e| e.path()),
            );
        } else if m.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            let canary = b"canary-of-another-repository";
            assert!(
                !bytes.windows(canary.len()).any(|w| w == canary),
                "{name}: {}",
                path.display()
            );
        }
    }
}

/// SHA-256 repositories, hooks of the host that would run, and a repository that has no commit yet.
#[test]
fn other_formats_hooks_and_unborn_branches() {
    let world = World::new();
    world.git(
        &world.project(),
        &["init", "-q", "-b", "main", "--object-format=sha256"],
    );
    git(&world, &["config", "user.name", "Test"]);
    git(&world, &["config", "user.email", "test@example.invalid"]);
    let ran = world.root().join("state/hook-ran");
    for hook in ["reference-transaction", "post-index-change", "pre-commit"] {
        let path = world.project().join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\ntouch {} || true\n", ran.display())).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    kept(&world, "echo a > a && git add a && git commit -qm one").ended(0);
    verb(&world, &["apply"]).ended(0);
    assert!(!ran.exists(), "a hook ran outside");
    assert_eq!(git(&world, &["log", "--format=%s"]), "one\n");
    fs::remove_dir_all(world.project().join(".git/hooks")).unwrap();
    assert_eq!(git(&world, &["status", "--porcelain", "a"]), "");
    git(&world, &["fsck", "--strict"]);
}
