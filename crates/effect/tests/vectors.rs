//! The test vectors of docs/effect.md; the digests were computed from the text by another program.

use fumehood_effect::{Digest, Effect, EffectKind, Fact, Facts, Resource, Tier};
use proptest::prelude::*;

#[expect(clippy::unwrap_used, reason = "a test's own constant")]
fn plain() -> Effect {
    Effect {
        kind: EffectKind::HttpRead,
        resource: Resource {
            system: String::new(),
            name: String::new(),
        },
        facts: Facts::new(),
        tier: Tier::Low,
        content: Digest::of(b""),
        session: "s".parse().unwrap(),
    }
}

#[test]
fn the_smallest_effect() {
    let hex: String = plain().canonical().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        hex,
        "66756d65686f6f642065666665637420310a0000000000000009687474702e726561640000000000000000000000000000000000000000000000036c6f770000000000000001730000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8550000000000000000"
    );
    assert_eq!(
        plain().digest().to_string(),
        "43b0f4f8170ee329d8d2e4eebe8c18049800e7338e8f4df2983a198591f20d64"
    );
}

#[test]
fn a_fact_of_every_sort() {
    let facts = [
        ("ref", Fact::Text("refs/heads/main".to_owned())),
        ("commits.lost", Fact::Number(14)),
        ("proven", Fact::Flag(true)),
        ("old", Fact::Digest(Digest::of(b""))),
    ];
    let effect = Effect {
        kind: EffectKind::GitRefForce,
        resource: Resource {
            system: "https://forge.example:443".to_owned(),
            name: "acme/api refs/heads/main".to_owned(),
        },
        facts: facts.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        tier: Tier::Critical,
        content: Digest::of(b"abc"),
        session: "k3x-7".parse().unwrap(),
    };
    assert_eq!(
        effect.digest().to_string(),
        "62e64262d0f4116aea2887180214e8133f9f2b91fe0e66a0eb6a999120255388"
    );
}

proptest! {
    #[test]
    fn what_differs_has_other_bytes(a in ".{0,12}", b in ".{0,12}", c in ".{0,12}", d in ".{0,12}") {
        let with = |system: &str, name: &str| {
            let mut effect = plain();
            effect.resource = Resource { system: system.to_owned(), name: name.to_owned() };
            effect.canonical()
        };
        prop_assert_eq!(with(&a, &b) == with(&c, &d), a == c && b == d);
    }
}
