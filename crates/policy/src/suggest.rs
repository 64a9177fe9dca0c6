//! "Did you mean": the nearest of the words that would have been right.

/// The candidate nearest to `word`, if it is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A bound on work: nobody mistypes a word of this length into ours.
    if word.len() > 64 {
        return None;
    }
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|&(d, _)| d <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance with neighbouring letters swapped counted as one (optimal string alignment),
/// letters compared without case.
fn distance(a: &str, b: &str) -> usize {
    let fold = |s: &str| s.chars().map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>();
    let (a, b) = (fold(a), fold(b));
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_at(&before, j - 2) + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

fn before_at(row: &[usize], at: usize) -> usize {
    row.get(at).copied().unwrap_or(usize::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let words = ["network", "workspace", "limits", "env", "rw", "ro"];
        assert_eq!(nearest("netwrok", words), Some("network"));
        assert_eq!(nearest("limit", words), Some("limits"));
        assert_eq!(nearest("Env", words), Some("env"));
        assert_eq!(nearest("banana", words), None);
        assert_eq!(nearest(&"x".repeat(1000), words), None);
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_zero_for_itself(a in "\\PC{0,12}", b in "\\PC{0,12}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &a), 0);
        }
    }
}
