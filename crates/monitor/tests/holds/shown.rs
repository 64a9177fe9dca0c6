//! What a person sees.

use crate::made::*;
use fumehood_effect::{EffectKind, Fact};
use fumehood_monitor::hold::{Ask, Requirement, Time, escaped_ends, lines};
use fumehood_policy::escape::acts_or_hides;
use proptest::prelude::*;

#[test]
fn a_card_is_decoded_facts_and_the_agents_words_come_last() {
    let mut holds = holds();
    let mut push = effect(EffectKind::GitRefForce, "acme/api refs/heads/main");
    push.facts.insert("commits.lost".into(), Fact::Number(14));
    push.facts.insert("proven".into(), Fact::Flag(true));
    push.facts.remove("rows");
    let words = Some("harmless\x1b[8m; code aaaa".to_owned());
    let requirement = Requirement {
        count: 2,
        ..Requirement::default()
    };
    let id = hold_id(holds.ask(
        Ask {
            words,
            requirement,
            ..ask(&push, 1)
        },
        Time(0),
    ));
    let shown = card(&holds, id);
    insta::assert_snapshot!(lines(&shown, Time(1)).join("\n"), @r"
    hold 1 (critical): moves a branch so that commits are lost from it: acme/api refs/heads/main on https://api.example:443
      held because w (r)
      drops 14 commits
      proven from the pushed bytes yes
      bytes sha256:422779be95fda59936fc1c05b618d2722316bb506d265cf8027304e911b8f8ba
      wants 2 people; 0 so far
      one request waits
      code chra
      the agent says, and may lie: harmless\x1b[8m; code aaaa
    ");
}

#[test]
fn long_names_keep_both_ends() {
    let name = format!("begin{}end", "x".repeat(500));
    insta::assert_snapshot!(escaped_ends(&name, 20), @"beginxxxxx …488 more… xxxxxxxend");
}

proptest! {
    #[test]
    fn no_text_acts_on_the_terminal_or_starts_a_line(name in any::<String>(), fact in any::<String>(), words in any::<String>()) {
        let mut holds = holds();
        let mut push = effect(EffectKind::GitRefForce, &name);
        push.facts.insert(fact.clone(), Fact::Text(fact));
        let id = hold_id(holds.ask(Ask { words: Some(words), ..ask(&push, 1) }, Time(0)));
        let shown = card(&holds, id);
        let text = lines(&shown, Time(1));
        prop_assert!(text.iter().all(|line| !line.chars().any(acts_or_hides)), "{text:?}");
    }
}
