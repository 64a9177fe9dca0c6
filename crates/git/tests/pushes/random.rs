//! Random histories: what is proven forward is forward, by git's own judgement.

use crate::made::*;
use fumehood_git::Ci;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;

type Pairs = Vec<(usize, usize)>;

#[test]
fn what_is_proven_forward_is_forward() {
    let (proven, forced) = (Cell::new(0), Cell::new(0));
    let histories = (
        proptest::collection::vec((0..100usize, 0..100usize), 12),
        proptest::collection::vec((0..13usize, 0..13usize), 4),
    );
    let check = |(shape, pushes): (Pairs, Pairs)| {
        let pair = Pair::new("sha1");
        let tree = pair.git(&["rev-parse", "HEAD^{tree}"]);
        let base = pair.base("HEAD");
        let mut ids = vec![pair.git(&["rev-parse", "HEAD"])];
        for (n, (one, two)) in shape.into_iter().enumerate() {
            let parents = [ids[one % ids.len()].clone(), ids[two % ids.len()].clone()];
            let message = n.to_string();
            let mut words = vec!["commit-tree", "-m", &message, "-p", &parents[0]];
            if parents[0] != parents[1] {
                words.extend(["-p", &parents[1]]);
            }
            words.push(&tree);
            ids.push(pair.git(&words));
        }
        for (old, new) in pushes {
            let (old, new) = (&ids[old], &ids[new]);
            if old == new {
                continue;
            }
            let name = "refs/heads/agent/s1/x";
            pair.push(&["-f", &format!("{old}:{name}")]);
            let sent = pair.push(&["-f", &format!("{new}:{name}")]);
            let judged = judged_from(&sent, Ci::None, Some(&base));
            match (judged.effect.kind.name(), judged.own) {
                ("git.ref.update", true) => {
                    prop_assert!(pair.is_ancestor(old, new));
                    proven.set(proven.get() + 1);
                }
                ("git.ref.force", false) => forced.set(forced.get() + 1),
                other => prop_assert!(false, "{other:?}"),
            }
            pair.push(&[&format!(":{name}")]);
        }
        Ok(())
    };
    // Until both were seen; a few histories may well have one kind alone.
    for _ in 0..50 {
        let config = Config {
            cases: 3,
            ..Config::default()
        };
        TestRunner::new(config).run(&histories, check).unwrap();
        if proven.get() > 0 && forced.get() > 0 {
            break;
        }
    }
    assert!(proven.get() > 0 && forced.get() > 0, "{proven:?} {forced:?}");
}
