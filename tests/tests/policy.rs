//! What policy says of something that a person describes, and the examples beside rules.

use fumehood_tests::{Output, World, fumehood};

fn policy(world: &World, words: &[&str]) -> Output {
    let mut all = vec![fumehood().display().to_string(), "policy".to_owned()];
    all.extend(words.iter().map(|w| (*w).to_owned()));
    world.sandbox().start_words(&all).wait()
}

fn project(text: &str) -> World {
    let world = World::new();
    let written = std::fs::write(
        world.project().join("fumehood.toml"),
        format!("version = 1\n{text}\n"),
    );
    assert!(written.is_ok(), "{written:?}");
    world
}

const RELEASES: &str = "[[deny]]
effect = \"package.publish\"
because = \"releases come from CI\"
match = [\"cargo publish\", \"PUT https://registry.example/api/v1/crates/new\"]
not_match = [\"cargo package\", \"cargo publish --dry-run\"]";

/// By a rule, with file and line; by what ships where none says anything; and where nothing is held.
#[test]
fn why_names_the_rule() {
    let world = project(RELEASES);
    for what in [
        &["cargo", "publish"][..],
        &["package.publish"],
        &["PUT https://registry.example/api/v1/crates/new"],
    ] {
        let all = [&["why"], what].concat();
        let said = policy(&world, &all).ended(0);
        if what[0].starts_with("PUT") {
            assert!(said.starts_with("deny: "), "{said}");
            continue;
        }
        assert!(
            said.starts_with("deny: package.publish is denied: releases come from CI"),
            "{said}"
        );
        assert!(said.contains("fumehood.toml:2:"), "{said}");
    }
    let forced = policy(&world, &["why", "git", "push", "--force"]).ended(0);
    assert!(
        forced.starts_with("hold: it moves a branch so that commits are lost from it"),
        "{forced}"
    );
    let json = policy(&world, &["why", "--json", "git.ref.force"]).ended(0);
    assert!(json.contains("\"decision\":\"hold\""), "{json}");
    let unknown = policy(&world, &["why", "frobnicate"]);
    unknown.refused(125, &["nothing that is known"]);
}

/// Examples that hold are counted; one that does not is told with file, line and what it is.
#[test]
fn examples_beside_rules_are_run() {
    let good = policy(&project(RELEASES), &["test"]);
    assert_eq!(good.ended(0), "4 examples, 0 of them do not hold");
    let wrong = "[[deny]]
effect = \"package.publish\"
match = [\"cargo package\", \"frobnicate\"]
not_match = [\"npm publish\"]";
    let said = policy(&project(wrong), &["test"]);
    let text = said.ended(1);
    for words in [
        "fumehood.toml:4:10: `cargo package`: it is no effect, which this does not match",
        "`frobnicate`: nothing that is known",
        "`npm publish`: it is package.publish, which this matches",
        "3 examples, 3 of them do not hold",
    ] {
        assert!(text.contains(words), "{words:?} is not in: {text}");
    }
}
