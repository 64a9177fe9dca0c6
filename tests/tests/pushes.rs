//! Pushes over HTTP: git itself inside, `git http-backend` outside (tests/network/hosts.py). What a push is called on the
//! command line does not matter; its bytes wait for a person.

use fumehood_tests::{Hosts, OuterTerminal, Ran, Running};

const URL: &str = "https://good.example/git/r.git";

fn hosts() -> Hosts {
    let hosts = Hosts::new();
    hosts.configure("[network]\nallow = [{ host = \"good.example\", methods = [\"GET\", \"POST\"] }]");
    hosts
}

fn start(hosts: &Hosts, script: &str) -> Running {
    let script = format!(
        "export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid
        cd /tmp && git clone -q {URL} r && cd r && {script}"
    );
    hosts.start(&[], &["sh", "-c", &script])
}

/// The same, where branches are the session's own, pushes start no pipeline with secrets, and nobody can be asked.
fn alone(script: &str) -> (Hosts, Ran) {
    let hosts = Hosts::new();
    hosts.configure(
        "[git]
own = [\"feat/**\"]
ci = { \"good.example/git/**\" = \"without-secrets\" }
[network]
allow = [{ host = \"good.example\", methods = [\"GET\", \"POST\"] }]",
    );
    let script = format!(
        "export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid
        cd /tmp && git clone -q {URL} r && cd r && {script}"
    );
    let ran = hosts.run(&["--holds", "deny"], &["sh", "-c", &script]);
    (hosts, ran)
}

/// The records of this kind, one a line.
fn recorded(hosts: &Hosts, kind: &str) -> String {
    let words = ["audit", "query", "--kind", kind, "--json"];
    let all: Vec<String> = std::iter::once(fumehood_tests::fumehood().display().to_string())
        .chain(words.map(str::to_owned))
        .collect();
    hosts.world.sandbox().start_words(&all).wait().text()
}

/// The first line of what is held, once something is.
fn held(hosts: &Hosts) -> String {
    for _ in 0..200 {
        let said = hosts.beside("holds");
        let is_one = |l: &&str| l.trim_start().starts_with(|c: char| c.is_ascii_digit());
        if let Some(line) = said.lines().find(is_one) {
            return line.to_owned();
        }
    }
    panic!("nothing is held: {}\n{}", hosts.beside("holds"), hosts.log());
}

/// The answer to a hold, by its line.
fn answer(hosts: &Hosts, verb: &str, line: &str, words: &str) -> String {
    let mut all = line.split_whitespace();
    let (id, code) = (all.next().unwrap_or_default(), all.next().unwrap_or_default());
    match verb {
        "allow" => hosts.beside(&format!("allow {id} {code}")),
        _ => hosts.beside(&format!("deny {id} {words}")),
    }
}

/// What the server's branch has: the subjects of its commits, the newest first.
fn history(hosts: &Hosts) -> String {
    let bare = hosts.world.own("state").join("repositories/r.git");
    hosts
        .world
        .git(&bare, &["log", "--format=%s", "main"])
        .trim()
        .replace('\n', " ")
}

/// A bare host is enough to fetch: it reads, though git asks by POST. A push to it is refused by the rule.
#[test]
fn a_fetch_reads_and_a_push_does_not() {
    let hosts = Hosts::new();
    let script = format!(
        "cd /tmp && git clone -q {URL} r && cd r && git log --format=%s && git fetch -q &&
         git -c user.name=t -c user.email=t@t.invalid commit -q --allow-empty -m second && git push -q origin HEAD:main; echo $?"
    );
    let ran = hosts.sh(&["--allow", "good.example"], &script);
    ran.prints("first\n1")
        .says("blocked good.example:443: POST: the rule does not allow this method");
    assert_eq!(history(&hosts), "first");
    assert!(
        !ran.log.contains("POST /git/r.git/git-receive-pack"),
        "{}",
        ran.log
    );
}

/// Forward: held, with what moves; allowed, it arrives as git sent it, and git is content.
#[test]
fn a_push_waits_and_arrives() {
    let hosts = hosts();
    let run = start(
        &hosts,
        "git commit -q --allow-empty -m second && git push -q origin HEAD:main; echo $?",
    );
    let line = held(&hosts);
    assert!(line.contains("git/r.git refs/heads/main"), "{line}");
    assert_eq!(history(&hosts), "first");
    let allowed = answer(&hosts, "allow", &line, "");
    assert!(allowed.contains("allowed"), "{allowed}");
    let out = run.wait();
    assert_eq!(out.ended(0).trim(), "0", "{}", out.errors());
    assert_eq!(history(&hosts), "second first");
    assert_eq!(
        hosts.log().matches("POST /git/r.git/git-receive-pack").count(),
        1,
        "{}",
        hosts.log()
    );
}

/// Forced, by an alias: it is what it is. Denied, git says so in its own words, and the branch is where it was.
#[test]
fn a_forced_push_is_seen_as_one_and_denied_in_gits_own_words() {
    let hosts = hosts();
    let run = start(
        &hosts,
        "git config alias.sync 'push origin +HEAD:main' && git commit -q --amend --allow-empty -m other && git sync; echo $?",
    );
    let line = held(&hosts);
    assert!(line.contains("commits are lost"), "{line}");
    answer(&hosts, "deny", &line, "open a pull request");
    let out = run.wait();
    assert_eq!(out.ended(0).trim(), "1", "{}", out.errors());
    let said = "! [remote rejected] HEAD -> main (fumehood: denied by a person: open a pull request";
    assert!(out.errors().contains(said), "{}", out.errors());
    assert_eq!(history(&hosts), "first");
    assert!(
        !hosts.log().contains("POST /git/r.git/git-receive-pack"),
        "{}",
        hosts.log()
    );
}

/// What is longer than can be looked at is not sent, and git says why.
#[test]
fn a_push_that_is_too_long_is_refused() {
    let hosts = hosts();
    let script = "head -c 9000000 /dev/urandom >large && git add large && git commit -q -m large && git push -q origin HEAD:main; echo $?";
    let out = start(&hosts, script).wait();
    assert_eq!(out.ended(0).trim(), "1", "{}", out.errors());
    assert!(
        out.errors().contains(
            "blocked good.example:443: POST: git push to good.example:443: it is longer than 8 MiB"
        ),
        "{}",
        out.errors()
    );
    assert_eq!(history(&hosts), "first");
}

/// Own branches are created and moved forward without a word, whatever else is pushed in between; each is recorded
/// as what it is.
#[test]
fn own_branches_fly() {
    let script = "echo 1 >a && git add a && git commit -q -m second && git push -q origin HEAD:feat/x &&
        echo 2 >>a && git commit -q -am third && git push -q origin HEAD:feat/x && git fetch -q && git log --format=%s origin/feat/x";
    let (hosts, ran) = alone(script);
    ran.prints("third\nsecond\nfirst");
    assert_eq!(recorded(&hosts, "hold"), "", "{}", ran.out.errors());
    let effects = recorded(&hosts, "effect");
    for kind in ["git.ref.create", "git.ref.update"] {
        assert_eq!(effects.matches(kind).count(), 1, "{effects}");
    }
}

/// What is not the session's ordinary work is held also there: other branches, forced, deleted, tags, options, what
/// defines pipelines, and files that the pack does not show.
#[test]
fn what_is_not_ordinary_is_held_beside_own_branches() {
    let script = "try() { git push -q origin \"$@\" 2>err; echo $? $(grep -o 'held, not sent: [a-z ]*' err | head -1); }
        echo 1 >a && git add a && git commit -q -m second && try HEAD:main && git push -q origin HEAD:feat/x || exit 9
        git commit -q --amend -m other && try +HEAD:feat/x
        try :feat/x
        try HEAD:refs/tags/v1
        mkdir -p .github/workflows && echo 'on: push' >.github/workflows/ci.yml && git add -A && git commit -q -m ci && try HEAD:feat/y
        git reset -q --hard HEAD^ && git push -q origin HEAD:feat/z; echo $?
        mv a b && git add -A && git commit -q -m moved && git push -q origin HEAD:feat/z; echo $?";
    let (hosts, ran) = alone(script);
    let held = "1 held, not sent: ";
    ran.prints(&format!(
        "{held}moves a branch forward\n{held}moves a branch so that commits are lost from it\n{held}deletes a branch\n\
         {held}creates a tag\n{held}starts a pipeline that may hold secrets\n0\n0"
    ));
    assert_eq!(recorded(&hosts, "hold").lines().count(), 5);
    assert_eq!(history(&hosts), "first");
}

/// Git's own user sees that a person is asked, while it is so.
#[test]
fn while_it_waits_git_says_so() {
    let hosts = hosts();
    let run = start(
        &hosts,
        "git commit -q --allow-empty -m second && { git push -q origin HEAD:main 2>err & }
         while ! grep -q 'outside the sandbox: fumehood allow 1' err; do sleep 0.05; done
         git ls-remote https://good.example/git/seen.git 2>/dev/null; wait; cat err",
    );
    let line = held(&hosts);
    for _ in 0..3000 {
        if hosts.log().contains("/seen") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(hosts.log().contains("/seen"), "{}", hosts.log());
    assert_eq!(history(&hosts), "first");
    answer(&hosts, "allow", &line, "");
    let out = run.wait();
    let said = out.ended(0);
    assert!(
        said.contains("remote: fumehood: waiting for approval: moves a branch forward"),
        "{said}"
    );
    assert!(!said.contains("rejected"), "{said}");
    assert_eq!(history(&hosts), "second first");
}

/// Who watches the run is told what waits, and the words that answer: as a line where there is no screen of ours, in the row
/// that nothing inside can address where there is one.
#[test]
fn what_waits_is_told_at_once() {
    let hosts = hosts();
    let push = format!(
        "export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid
         cd /tmp && git clone -q {URL} r && cd r && git commit -q --allow-empty -m second && git push -q origin HEAD:main"
    );
    let run = hosts.start(&[], &["sh", "-c", &push]);
    answer(&hosts, "deny", &held(&hosts), "no");
    let told = "fumehood: hold 1 waits: moves a branch forward: git/r.git refs/heads/main on https://good.example:443; in another \
                terminal: fumehood allow 1, or fumehood deny 1";
    let out = run.wait();
    assert!(out.errors().contains(told), "{}", out.errors());

    let sandbox = hosts.around(hosts.world.sandbox());
    let mut terminal = OuterTerminal::run(&sandbox, &["sh", "-c", &push]);
    let line = held(&hosts);
    terminal.await_text("HOLD 1");
    terminal.await_text("fumehood allow 1: ");
    answer(&hosts, "deny", &line, "no");
    assert_eq!(terminal.wait(), 1);
    let seen = String::from_utf8_lossy(&terminal.seen()).into_owned();
    assert!(!seen.contains("hold 1 waits"), "{seen}");
}
