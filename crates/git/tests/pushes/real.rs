//! Rows 1 to 6 and 79, 80 of the catalogue, and their twins, by real git.

use crate::made::*;
use fumehood_effect::{Fact, Tier};
use fumehood_git::{Answer, Ci, Pkts};

#[test]
fn own_branches_fly_and_the_protected_one_is_held() {
    for format in ["sha1", "sha256"] {
        let pair = Pair::new(format);
        assert_eq!(
            verdict(&pair.push(&["main"])),
            ("git.ref.create", false),
            "{format}"
        );
        // The server has this commit already, so that the pack does not show its files: the base does.
        let sent = pair.push(&["main:refs/heads/agent/s1/x"]);
        assert_eq!(verdict(&sent), ("git.ci.start", false));
        let base = pair.base("HEAD");
        assert!(judged_from(&sent, Ci::None, Some(&base)).own, "{format}");
        let others = pair.push(&["main:refs/heads/agent/s2/x"]);
        assert!(!judged_from(&others, Ci::None, Some(&base)).own);
        let named = pair.push(&["main:refs/heads/feat/x"]);
        assert!(judged_from(&named, Ci::None, Some(&base)).own);
        pair.commit("second", "a", "two\n");
        assert_eq!(verdict(&pair.push(&["main"])), ("git.ref.update", false));
        // The server has these commits from the push before: the pack is empty and proves nothing.
        assert_eq!(
            verdict(&pair.push(&["main:refs/heads/agent/s1/x"])),
            ("git.ref.force", false)
        );
    }
}

#[test]
fn forward_and_forced_pushes_look_alike_and_are_told_apart() {
    for format in ["sha1", "sha256"] {
        let pair = Pair::new(format);
        let own = "HEAD:refs/heads/agent/s1/x";
        pair.push(&[own]);
        let old = pair.commit("second", "a", "two\n");
        let forward = pair.push(&[own]);
        assert_eq!(verdict(&forward), ("git.ref.update", true));
        pair.git(&["reset", "-q", "--hard", "HEAD^"]);
        let new = pair.commit("another", "b", "three\n");
        assert!(!pair.is_ancestor(&old, &new));
        let lease = format!("--force-with-lease=agent/s1/x:{old}");
        for words in [&["-f", own][..], &["+HEAD:refs/heads/agent/s1/x"], &[&lease, own]] {
            let forced = pair.push(words);
            assert_eq!(verdict(&forced), ("git.ref.force", false), "{words:?}");
            pair.run("far", &["update-ref", "refs/heads/agent/s1/x", &old]);
        }
        let judged = judged(&forward, Ci::None);
        assert_eq!(judged.effect.facts["new"], Fact::Text(old));
    }
}

#[test]
fn a_rewind_and_a_delete_are_no_forward_moves() {
    let pair = Pair::new("sha1");
    pair.commit("second", "a", "two\n");
    let own = "refs/heads/agent/s1/x";
    pair.push(&[&format!("HEAD:{own}")]);
    assert_eq!(
        verdict(&pair.push(&["-f", &format!("HEAD^:{own}")])),
        ("git.ref.force", false)
    );
    let delete = pair.push(&[&format!(":{own}")]);
    assert_eq!(verdict(&delete), ("git.ref.delete", false));
    assert!(!read(&delete).needs_pack());
}

#[test]
fn tags_odd_refs_and_several_at_once() {
    let pair = Pair::new("sha1");
    pair.git(&["tag", "v1.0"]);
    let release = judged(&pair.push(&["v1.0"]), Ci::None);
    assert_eq!(
        (release.effect.kind.name(), release.effect.tier, release.own),
        ("git.tag.create", Tier::High, false)
    );
    pair.commit("second", "a", "two\n");
    pair.git(&["tag", "-f", "v1.0"]);
    assert_eq!(verdict(&pair.push(&["-f", "v1.0"])), ("git.tag.move", false));
    assert_eq!(verdict(&pair.push(&[":refs/tags/v1.0"])), ("git.tag.move", false));
    for odd in [
        "refs/notes/x",
        "refs/for/main",
        "refs/replace/x",
        "refs/meta/config",
    ] {
        let judged = judged(&pair.push(&[&format!("HEAD:{odd}")]), Ci::None);
        assert!(!judged.own && judged.effect.tier >= Tier::High, "{odd}");
    }
    let many = judged(
        &pair.push(&["HEAD:refs/heads/agent/s1/a", "HEAD:refs/heads/agent/s1/b"]),
        Ci::None,
    );
    assert!(!many.own && many.effect.resource.name == "acme/api 2 refs");
    assert!(many.effect.facts.contains_key("0002.new"));
    let mirror = pair.push(&["--mirror"]);
    assert!(!verdict(&mirror).1);
}

#[test]
fn push_options_ask_for_more_than_the_refs_show() {
    let pair = Pair::new("sha1");
    let base = pair.base("HEAD");
    let merge = [
        "-o",
        "merge_request.create",
        "-o",
        "merge_request.merge_when_pipeline_succeeds",
    ];
    let own = "HEAD:refs/heads/agent/s1/x";
    let push = |n: usize, options: &[&str]| {
        let name = format!("{own}{n}");
        let mut words: Vec<String> = options
            .chunks(2)
            .map(|o| format!("--push-option={}", o[1]))
            .collect();
        words.push(name);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        judged_from(&pair.push(&words), Ci::None, Some(&base))
    };
    let asked = push(1, &merge);
    assert!(!asked.own && asked.effect.tier == Tier::High);
    assert_eq!(
        asked.effect.facts["options"],
        Fact::Text("merge_request.create · merge_request.merge_when_pipeline_succeeds".into())
    );
    assert!(!push(2, &["-o", "ci.variable=X=y"]).own);
    assert!(push(3, &["-o", "ci.skip"]).own);
    assert!(push(4, &[]).own);
}

#[test]
fn a_push_that_starts_a_pipeline_with_secrets_is_an_effect_of_its_own() {
    let pair = Pair::new("sha1");
    let sent = pair.push(&["HEAD:refs/heads/agent/s1/x"]);
    let unknown = judged(&sent, Ci::WithSecrets);
    assert_eq!((unknown.effect.kind.name(), unknown.own), ("git.ci.start", false));
    assert!(judged(&sent, Ci::WithoutSecrets).own);
}

#[test]
fn deltas_shallow_clones_and_a_long_history() {
    let pair = Pair::new("sha1");
    let own = "HEAD:refs/heads/agent/s1/x";
    pair.push(&[own]);
    let long =
        "the same words in every message, so that commits are kept as deltas of each other\n".repeat(60);
    for n in 0..40 {
        pair.commit(&format!("{long}{n}"), "a", &n.to_string());
    }
    let sent = pair.push(&[own]);
    assert_eq!(verdict(&sent), ("git.ref.update", true));
    let push = read(&sent);
    let all = objects(&push, &sent, 1 << 20);
    assert_eq!(all.commits.len(), 40);
    for piece in [1, 2, 7, 100, 4096] {
        assert_eq!(objects(&push, &sent, piece), all, "in pieces of {piece}");
    }
    let far = format!("file://{}", pair.path("far").display());
    pair.run(
        ".",
        &[
            "clone",
            "-q",
            "--depth",
            "1",
            "--branch",
            "agent/s1/x",
            &far,
            "shallow",
        ],
    );
    std::fs::rename(pair.path("near"), pair.path("old")).unwrap();
    std::fs::rename(pair.path("shallow"), pair.path("near")).unwrap();
    pair.commit("from a shallow clone", "b", "b");
    let sent = pair.push(&[own]);
    assert_eq!(verdict(&sent), ("git.ref.update", true));
}

#[test]
fn the_probe_of_a_large_push_is_nothing() {
    let push = read(b"0000");
    assert!(push.commands.is_empty() && !push.needs_pack());
}

/// What we answer is what git itself reads: the reason, and a failure.
#[test]
fn git_prints_the_reason_of_a_denial() {
    use std::os::unix::fs::PermissionsExt;
    let pair = Pair::new("sha1");
    let sent = pair.push(&["HEAD:refs/heads/main"]);
    let push = read(&sent);
    let answer = Answer::to(&push);
    let mut reply = answer.progress("fumehood: waiting for approval 3");
    reply.extend(
        answer
            .refuse(&push, "fumehood: denied by a person: use a \x1b[2Jbranch")
            .unwrap(),
    );
    std::fs::write(pair.path("reply"), &reply).unwrap();
    // Advertises as git does, takes the request in, and answers with ours.
    let wrapper = format!(
        "#!/bin/sh\ngit receive-pack --http-backend-info-refs \"$@\"\ncat >/dev/null & cat {}\n",
        pair.path("reply").display()
    );
    std::fs::write(pair.path("denies"), wrapper).unwrap();
    std::fs::set_permissions(pair.path("denies"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let denies = format!("--receive-pack={}", pair.path("denies").display());
    pair.run("far", &["update-ref", "-d", "refs/heads/main"]);
    let far = pair.path("far").display().to_string();
    let out = pair.try_git("near", &["push", &denies, &far, "HEAD:refs/heads/main"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success(), "{said}");
    assert!(
        said.contains("remote: fumehood: waiting for approval 3"),
        "{said}"
    );
    assert!(
        said.contains(r"[remote rejected] HEAD -> main (fumehood: denied by a person: use a \x1b[2Jbranch)"),
        "{said}"
    );
    let mut pkts = Pkts::new(&reply);
    while pkts.read().unwrap().is_some() {}
    assert_eq!(pkts.at(), reply.len());
}

/// What the pushed files define is what runs there: as at the base it flies, new or changed it waits, and so does what
/// the pack does not show.
#[test]
fn definitions_of_pipelines_are_compared_with_the_base() {
    for format in ["sha1", "sha256"] {
        let pair = Pair::new(format);
        pair.run("far", &["config", "receive.unpackLimit", "1"]);
        std::fs::create_dir_all(pair.path("near/.github/workflows")).unwrap();
        pair.commit("pipelines", ".github/workflows/ci.yml", "on: push\n");
        pair.push(&["HEAD:refs/heads/main"]);
        let base = pair.base("HEAD");
        let own = "HEAD:refs/heads/agent/s1/x";
        let thick = |words: &[&str]| pair.push(&[&["--no-thin"], words].concat());
        pair.commit("work", "a", "two\n");
        let sent = thick(&[own]);
        assert!(
            judged_from(&sent, Ci::WithoutSecrets, Some(&base)).own,
            "{format}"
        );
        assert!(!judged_from(&sent, Ci::WithSecrets, Some(&base)).own);
        // Against no base the very same definitions are new.
        assert_eq!(verdict(&sent), ("git.ci.start", false));
        pair.commit("evil", ".github/workflows/ci.yml", "on: push # and more\n");
        let sent = thick(&[own]);
        let judged = judged_from(&sent, Ci::WithoutSecrets, Some(&base));
        assert_eq!((judged.effect.kind.name(), judged.own), ("git.ci.start", false));
        assert_eq!(
            judged.effect.facts["pipelines"],
            Fact::Text("new or changed: .github".into())
        );
        // Back to what the base has, whose files the server knows: the tree is not sent, and it is the base's.
        pair.git(&["checkout", "-q", &base.commit.to_string(), "--", "."]);
        pair.git(&["commit", "-q", "-am", "back"]);
        assert!(judged_from(&thick(&[own]), Ci::None, Some(&base)).own);
    }
}
