//! Regular expressions.
//!
//! Compiled here by an engine that is linear in the text (regex-lite), with a bound to the memory of the
//! program, so that neither `(a+)+$` nor `\x{10FFFF}{1000}{1000}` costs more than its length. A tool whose
//! program backtracks should take a Text and search for it as it is.

use super::{at_most, hidden, not_empty};
use crate::refused::Wrong;

/// Bytes of an expression.
const LONGEST: usize = 1024;
/// Bytes of the compiled program.
const PROGRAM: usize = 1024 * 1024;

/// An expression that compiles within its bounds.
pub(super) fn regex(text: &str) -> Result<(), Wrong> {
    not_empty(text)?;
    at_most(text, LONGEST)?;
    hidden(text).map_or(Ok(()), Err)?;
    regex_lite::RegexBuilder::new(text)
        .size_limit(PROGRAM)
        .build()
        .map(|_| ())
        .map_err(|e| {
            Wrong::of(
                text,
                &format!("is no regular expression: {e}"),
                "escape what is meant as it is",
            )
        })
}
