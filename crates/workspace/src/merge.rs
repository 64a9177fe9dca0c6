//! What two sides made of one text, as one. Pure.

use crate::hunk::{Piece, lines, pieces};

/// Both sides' changes to `base`, where they lie apart; nothing where they touch and are not the very same, or a text
/// has too many lines. A line between them is what it takes, as with git.
#[must_use]
pub fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    let (base, ours, theirs) = (lines(base)?, lines(ours)?, lines(theirs)?);
    let (a, b) = (pieces(&base, &ours), pieces(&base, &theirs));
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        let (piece, text) = match (a.peek().copied(), b.peek().copied()) {
            (None, None) => break,
            (Some(x), Some(y)) if touch(x, y) => {
                let same = x.old == y.old && ours.get(x.new.clone()) == theirs.get(y.new.clone());
                if !same {
                    return None;
                }
                b.next();
                (a.next()?, &ours)
            }
            (Some(x), Some(y)) if y.old.start < x.old.start => (b.next()?, &theirs),
            (Some(_), _) => (a.next()?, &ours),
            (None, Some(_)) => (b.next()?, &theirs),
        };
        out.extend(base.get(at..piece.old.start)?.concat());
        out.extend(text.get(piece.new.clone())?.concat());
        at = piece.old.end;
    }
    out.extend(base.get(at..)?.concat());
    Some(out)
}

fn touch(x: &Piece, y: &Piece) -> bool {
    x.old.start <= y.old.end && y.old.start <= x.old.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0u8..4, 0..20)
            .prop_map(|lines| lines.iter().flat_map(|l| [b'a' + l, b'\n']).collect())
    }

    proptest! {
        #[test]
        fn one_side_that_did_nothing_leaves_the_others(base in text(), other in text()) {
            prop_assert_eq!(merge(&base, &other, &base).unwrap(), other.clone());
            prop_assert_eq!(merge(&base, &base, &other).unwrap(), other.clone());
            prop_assert_eq!(merge(&base, &other, &other).unwrap(), other);
        }

        #[test]
        fn sides_are_alike(base in text(), ours in text(), theirs in text()) {
            prop_assert_eq!(merge(&base, &ours, &theirs), merge(&base, &theirs, &ours));
        }

        /// Every line of a side that the base does not have is in the outcome, and none that both took away.
        #[test]
        fn nothing_is_lost(base in prop::collection::btree_set(0u16..40, 0..20), ours in 0u64.., theirs in 0u64..) {
            let line = |side: &str, n: &u16| format!("{side}{n}\n");
            let make = |side: &str, bits: u64| -> String {
                base.iter().enumerate().map(|(n, l)| match bits >> (n * 2) & 3 {
                    0 => line(side, l),
                    1 => line("", l) + &line(side, l),
                    _ => line("", l),
                }).collect()
            };
            let (base, ours, theirs) = (make("", u64::MAX), make("o", ours), make("t", theirs));
            if let Some(merged) = merge(base.as_bytes(), ours.as_bytes(), theirs.as_bytes()) {
                let merged = String::from_utf8(merged).unwrap();
                let has = |text: &str, line: &str| text.lines().any(|l| l == line);
                for text in [&ours, &theirs] {
                    prop_assert!(text.lines().filter(|l| !has(&base, l)).all(|l| has(&merged, l)));
                }
                for l in base.lines() {
                    prop_assert_eq!(has(&merged, l), has(&ours, l) && has(&theirs, l));
                }
            }
        }
    }

    #[test]
    fn what_lies_apart_is_merged_and_what_touches_is_not() {
        let base = b"1\n2\n3\n4\n5\n";
        let merged = |ours: &str, theirs: &str| {
            merge(base, ours.as_bytes(), theirs.as_bytes()).map(|m| String::from_utf8(m).unwrap())
        };
        assert_eq!(
            merged("one\n2\n3\n4\n5\n", "1\n2\n3\n4\nfive\n").as_deref(),
            Some("one\n2\n3\n4\nfive\n")
        );
        assert_eq!(merged("one\n2\n3\n4\n5\n", "1\ntwo\n3\n4\n5\n"), None);
        assert_eq!(merged("1\n2\nx\n3\n4\n5\n", "1\n2\ny\n3\n4\n5\n"), None);
        assert_eq!(
            merged("1\n2\nx\n3\n4\n5\n", "1\n2\nx\n3\n4\n").as_deref(),
            Some("1\n2\nx\n3\n4\n")
        );
        // A side that took away what the other changed.
        assert_eq!(merged("", "1\n2\nthree\n4\n5\n"), None);
    }
}
