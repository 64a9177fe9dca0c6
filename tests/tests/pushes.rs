//! Pushes over HTTP: git itself inside, `git http-backend` outside (tests/network/hosts.py). What a push is called on the
//! command line does not matter; its bytes wait for a person.

use fumehood_tests::{Hosts, Running};

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
