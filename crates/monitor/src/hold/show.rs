//! A card as text: from decoded facts only, every one escaped; the agent's words last, and labelled.

use super::card::{Card, Member};
use super::time::Time;
use fumehood_effect::Fact;
use fumehood_policy::Escaped;

/// How facts are named to a person; the others are named as they are. A name in the table ends with what
/// stands after the value.
const LABELS: &[(&str, &str, &str)] = &[
    ("amount", "amount", " (smallest unit)"),
    ("bytes", "size", " bytes"),
    ("commits", "brings", " commits"),
    ("commits.lost", "drops", " commits"),
    ("ci", "pipelines that a push starts", ""),
    ("new", "to", ""),
    ("old", "from", ""),
    ("options", "push options", ""),
    ("proven", "proven from the pushed bytes", ""),
    ("recipients", "reaches", " recipients"),
    ("rows", "touches", " rows at most"),
];

/// Characters of a name, and of a sentence, that are shown.
const NAME: usize = 160;
/// Characters of a body that are shown.
const BODY: usize = 2100;
/// Members of a burst that are listed whole.
const LISTED: usize = 256;

/// Text from elsewhere, escaped, both ends kept: at most `limit` characters of it, and how many are left out.
#[must_use]
pub fn escaped_ends(text: &str, limit: usize) -> String {
    Escaped::from(ends(text, limit).as_str()).to_string()
}

/// As [`escaped_ends`], not escaped: for a fact, which is escaped when it is shown.
#[must_use]
pub fn ends(text: &str, limit: usize) -> String {
    let count = text.chars().count();
    if count <= limit {
        return text.to_owned();
    }
    let half = limit / 2;
    let head: String = text.chars().take(limit - half).collect();
    let tail: String = text.chars().skip(count - half).collect();
    format!("{head} …{} more… {tail}", count - limit)
}

/// One line: what the card is about.
#[must_use]
pub fn headline(card: &Card) -> String {
    let Some(first) = card.members.first() else {
        return String::new();
    };
    let what = first.effect.kind.what();
    let system = escaped_ends(&first.effect.resource.system, NAME);
    let place = if system.is_empty() {
        "this machine".to_owned()
    } else {
        system
    };
    match card.members.as_slice() {
        [one] => format!(
            "{what}: {} on {place}",
            escaped_ends(&one.effect.resource.name, NAME)
        ),
        many => format!("{} times: {what}, on {place}", many.len()),
    }
}

/// The whole card. Its code comes last of what we say; what the agent says comes after that.
#[must_use]
pub fn lines(card: &Card, now: Time) -> Vec<String> {
    let tier = card.tier();
    let mut out = vec![format!("hold {} ({tier}): {}", card.id, headline(card))];
    out.push(format!(
        "  held because {} ({})",
        card.reason.why, card.reason.rule
    ));
    for member in card.members.iter().take(LISTED) {
        member_lines(member, card.members.len() > 1, &mut out);
    }
    out.extend(
        card.requirement
            .words()
            .map(|who| format!("  wants {who}; {} so far", card.votes())),
    );
    out.push(format!("  {}", waiting(card, now)));
    out.push(format!("  code {}", card.code()));
    for words in card
        .members
        .iter()
        .filter_map(|m| m.words.as_deref())
        .take(LISTED)
    {
        out.push(format!(
            "  the agent says, and may lie: {}",
            escaped_ends(words, 300)
        ));
    }
    out
}

fn member_lines(member: &Member, many: bool, out: &mut Vec<String>) {
    let effect = &member.effect;
    if many {
        out.push(format!("  - {}", escaped_ends(&effect.resource.name, NAME)));
    }
    let indent = if many { "      " } else { "  " };
    for (name, fact) in &effect.facts {
        out.push(format!("{indent}{}", fact_line(name, fact)));
    }
    out.push(format!("{indent}bytes sha256:{}", effect.content));
}

fn fact_line(name: &str, fact: &Fact) -> String {
    let value = match fact {
        Fact::Text(text) if name == "body" => escaped_ends(text, BODY),
        Fact::Text(text) => escaped_ends(text, NAME),
        Fact::Number(n) => n.to_string(),
        Fact::Flag(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Fact::Digest(digest) => format!("sha256:{digest}"),
    };
    match LABELS.iter().find(|(known, _, _)| *known == name) {
        Some((_, label, unit)) => format!("{label} {value}{unit}"),
        None => format!("{}: {value}", escaped_ends(name, 60)),
    }
}

fn waiting(card: &Card, now: Time) -> String {
    let waiting: usize = card.members.iter().map(Member::waiting).sum();
    let left = now.until(card.until).div_ceil(60_000);
    let kept = card.members.iter().any(|m| m.kept);
    match (waiting, kept) {
        (0, true) => {
            format!("nobody waits; its bytes are kept and are sent when you allow it; given up in {left} min")
        }
        (0, false) => {
            format!("nobody waits; allowed, the same may be sent once more; given up in {left} min")
        }
        (1, _) => "one request waits".to_owned(),
        (n, _) => format!("{n} requests wait"),
    }
}
