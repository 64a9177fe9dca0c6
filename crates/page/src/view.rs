//! The page itself: decoded facts, escaped, with what answers them.

use std::fmt::Write;

/// The style. It loads nothing.
pub const STYLE: &str = include_str!("page.css");
/// The script: it asks whether the page is still as it is, and nothing else.
pub const SCRIPT: &str = include_str!("page.js");

/// A hold, as its card is shown everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Its number.
    pub id: u64,
    /// Its content, 64 hexadecimal digits.
    pub digest: String,
    /// Four characters that stand for the content.
    pub code: String,
    /// How grave.
    pub tier: String,
    /// How many requests wait.
    pub waiting: u64,
    /// The whole text.
    pub lines: Vec<String>,
}

/// A session that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Its name at the desk.
    pub id: String,
    /// What a person calls it: project, command.
    pub called: String,
    /// What is held in it, the gravest first.
    pub cards: Vec<Card>,
    /// What it did last, a line each.
    pub record: Vec<String>,
}

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What changes with it.
    pub version: String,
    /// What only the page knows.
    pub token: String,
    /// All that run.
    pub sessions: Vec<Session>,
}

/// Whether a card of this tier is allowed only with its code, as over a program's screen: all but what is of medium tier.
#[must_use]
pub fn needs_code(tier: &str) -> bool {
    tier != "medium"
}

/// The whole page.
#[must_use]
pub fn page(page: &Page) -> String {
    let held: usize = page.sessions.iter().map(|s| s.cards.len()).sum();
    let mut body = String::new();
    if page.sessions.is_empty() {
        body.push_str("<p>no session runs</p>\n");
    } else if held == 0 {
        body.push_str("<p>nothing is held</p>\n");
    }
    for session in &page.sessions {
        write_session(&mut body, session, &page.token);
    }
    let title = if held == 0 {
        "fumehood".to_owned()
    } else {
        format!("HOLD {held} - fumehood")
    };
    document(&title, &page.version, &body)
}

/// What came of an answer, and the way back.
#[must_use]
pub fn told(text: &str) -> String {
    document(
        "fumehood",
        "",
        &format!(
            "<p id=\"told\">{}</p>\n<p><a href=\"/\">back</a></p>\n",
            Html(text)
        ),
    )
}

fn document(title: &str, version: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/page.css\"><script src=\"/page.js\" defer></script></head>\n\
         <body data-version=\"{}\">\n<h1>fumehood</h1>\n<p id=\"state\"></p>\n{body}</body>\n</html>\n",
        Html(version)
    )
}

fn write_session(out: &mut String, session: &Session, token: &str) {
    let _string = writeln!(out, "<section>\n<h2>{}</h2>", Html(&session.called));
    for card in &session.cards {
        write_card(out, session, card, token);
    }
    if !session.record.is_empty() {
        out.push_str("<details><summary>what it did last</summary><pre>");
        for line in &session.record {
            let _string = writeln!(out, "{}", Html(line));
        }
        out.push_str("</pre></details>\n");
    }
    let _string = writeln!(
        out,
        "<form method=\"post\" action=\"/answer\" class=\"freeze\" autocomplete=\"off\">{}\
         <button name=\"do\" value=\"freeze\">stop this session</button></form>\n</section>",
        hidden(&[("token", token), ("session", &session.id)])
    );
}

fn write_card(out: &mut String, session: &Session, card: &Card, token: &str) {
    let (id, tier) = (card.id.to_string(), Html(&card.tier));
    let waits = match card.waiting {
        0 => "nobody waits: what is allowed passes when it is sent again".to_owned(),
        1 => "a request waits".to_owned(),
        n => format!("{n} requests wait"),
    };
    let _string = writeln!(
        out,
        "<article class=\"{tier}\" id=\"hold-{id}\">\n<h3>hold {id} ({tier}), {waits}</h3>\n<pre>"
    );
    for line in &card.lines {
        let _string = writeln!(out, "{}", Html(line));
    }
    let fields = hidden(&[
        ("token", token),
        ("session", &session.id),
        ("id", &id),
        ("card", &card.digest),
    ]);
    let code = if needs_code(&card.tier) {
        format!(
            "<label>type {} to allow it <input name=\"code\" size=\"4\" maxlength=\"4\"></label> ",
            Html(&card.code)
        )
    } else {
        String::new()
    };
    // The first button is what Enter presses: it denies nothing and allows nothing.
    let _string = writeln!(
        out,
        "</pre>\n<form method=\"post\" action=\"/answer\" autocomplete=\"off\">{fields}\
         <button type=\"submit\" disabled hidden></button>{code}\
         <button name=\"do\" value=\"allow\">allow once</button> \
         <label>or say why not <input name=\"words\" size=\"40\" maxlength=\"200\"></label> \
         <button name=\"do\" value=\"deny\">deny</button></form>\n</article>"
    );
}

fn hidden(fields: &[(&str, &str)]) -> String {
    fields
        .iter()
        .map(|(name, value)| {
            format!(
                "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
                Html(value)
            )
        })
        .collect()
}

/// Text, in an element or a quoted attribute.
struct Html<'a>(&'a str);

impl std::fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn card(tier: &str, line: &str) -> Card {
        Card {
            id: 3,
            digest: "ab".repeat(32),
            code: "k7wq".to_owned(),
            tier: tier.to_owned(),
            waiting: 1,
            lines: vec![line.to_owned()],
        }
    }

    fn shown(tier: &str, line: &str) -> String {
        page(&Page {
            version: "v".to_owned(),
            token: "t".to_owned(),
            sessions: vec![Session {
                id: "s-1".to_owned(),
                called: "api: claude".to_owned(),
                cards: vec![card(tier, line)],
                record: vec!["ran git".to_owned()],
            }],
        })
    }

    #[test]
    fn a_card_is_shown_whole() {
        insta::assert_snapshot!(shown("critical", "moves a branch: <main>"));
        assert!(!shown("medium", "x").contains("name=\"code\""));
        for tier in ["high", "critical", "one-that-is-new"] {
            assert!(shown(tier, "x").contains("name=\"code\""), "{tier}");
        }
        assert!(page(&Page::default()).contains("no session runs"));
    }

    proptest! {
        /// Whatever a text says, the page has the elements that it has without it.
        #[test]
        fn no_text_is_markup(text in "[<>&\"'a-z/= \\PC]{0,60}") {
            let tags = |page: String| page.matches('<').count();
            let quotes = |page: String| page.matches('"').count();
            prop_assert_eq!(tags(shown("high", &text)), tags(shown("high", "x")));
            prop_assert_eq!(quotes(shown("high", &text)), quotes(shown("high", "x")));
            prop_assert_eq!(tags(told(&text)), tags(told("x")));
        }
    }
}
