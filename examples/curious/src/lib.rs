//! Real work: counts words.

/// What the build script found.
pub const FOUND: &str = include_str!(concat!(env!("OUT_DIR"), "/report.txt"));

/// How many words a text has.
pub fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_are_counted() {
        assert_eq!(super::words("let them act"), 3);
    }

    #[test]
    fn what_a_build_script_found() {
        println!("\n{}", super::FOUND);
    }
}
