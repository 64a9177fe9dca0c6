//! Patterns of rows: `*` within a word, `**` for any number of path segments, `{a,b}` for either.

use std::fmt;

/// A word with `*` for any text. ASCII case is ignored: a server may do so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    text: String,
    /// Whether it has no star: then it is compared.
    plain: bool,
}

impl Word {
    pub(crate) fn new(text: &str) -> Word {
        Word {
            text: text.to_ascii_lowercase(),
            plain: !text.contains('*'),
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        if self.plain {
            self.text.eq_ignore_ascii_case(text)
        } else {
            like(&self.text, text)
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a text is as a word with `*` says, without making that word first.
pub(crate) fn like(word: &str, text: &str) -> bool {
    glob(word.as_bytes(), text.as_bytes())
}

/// Linear in practice and quadratic at worst: one place to return to, the last star.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let same = |p: usize, t: usize| match (pattern.get(p), text.get(t)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    };
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            back = Some((p, t));
            p += 1;
        } else if same(p, t) {
            p += 1;
            t += 1;
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            p = star + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern.iter().skip(p).all(|b| *b == b'*')
}

/// A path: segments, `**` for any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPattern(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    One(Word),
    Any,
}

impl PathPattern {
    /// The patterns that a row's text stands for; more than one where it has `{a,b}`.
    pub(crate) fn all(text: &str) -> Vec<PathPattern> {
        alternatives(text)
            .iter()
            .map(|t| PathPattern(t.split('/').filter(|s| !s.is_empty()).map(segment).collect()))
            .collect()
    }

    pub(crate) fn matches(&self, path: &[String]) -> bool {
        matches(&self.0, path)
    }
}

fn segment(text: &str) -> Segment {
    if text == "**" {
        Segment::Any
    } else {
        Segment::One(Word::new(text))
    }
}

/// As [`glob`], with segments for bytes: one place to return to, so no pattern takes long.
fn matches(pattern: &[Segment], path: &[String]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while let Some(text) = path.get(t) {
        match pattern.get(p) {
            Some(Segment::Any) => {
                back = Some((p, t));
                p += 1;
            }
            Some(Segment::One(word)) if word.matches(text) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = back else { return false };
                back = Some((star, from + 1));
                p = star + 1;
                t = from + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|s| *s == Segment::Any)
}

/// `a{b,c}d` is `abd` and `acd`. Braces do not nest.
fn alternatives(text: &str) -> Vec<String> {
    let cut = text
        .split_once('{')
        .and_then(|(head, rest)| Some((head, rest.split_once('}')?)));
    match cut {
        None => vec![text.to_owned()],
        Some((head, (middle, tail))) => middle
            .split(',')
            .flat_map(|one| alternatives(&format!("{head}{one}{tail}")))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/')
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn is(pattern: &str, text: &str) -> bool {
        PathPattern::all(pattern).iter().any(|p| p.matches(&path(text)))
    }

    #[test]
    fn segments() {
        assert!(is("/repos/*/*/git/refs/**", "/repos/a/b/git/refs/heads/main"));
        assert!(is("/repos/*/*/git/refs/**", "/repos/a/b/git/refs"));
        assert!(!is("/repos/*/*/git/refs/**", "/repos/a/git/refs"));
        assert!(is("/**/secrets", "/api/v1/namespaces/x/secrets"));
        assert!(!is("/**/secrets", "/api/v1/secrets/x"));
        assert!(is(
            "/repos/*/*/pulls/*/{merge,reviews}",
            "/repos/a/b/pulls/1/MERGE"
        ));
        assert!(is("/m/**/*.{jar,pom}", "/m/org/x/1/x-1.jar"));
        assert!(!is("/m/**/*.{jar,pom}", "/m/org/x/1/x-1.jar.sha1"));
    }

    proptest! {
        #[test]
        fn any_segments_match_their_own_words(words in prop::collection::vec("[a-z]{1,4}", 0..6)) {
            let text = words.join("/");
            prop_assert!(is(&text, &text));
            prop_assert!(is("/**", &text));
            let starred = vec!["*"; words.len()].join("/");
            prop_assert!(is(&starred, &text));
        }

        #[test]
        fn many_stars_do_not_take_long(text in "[ab]{0,2000}") {
            let _any = Word::new("*a*b*a*b*a*b*c").matches(&text);
        }
    }
}
