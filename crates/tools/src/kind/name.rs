//! Names: ASCII, of a shape each, so that none is an option, a path out, or looks like another.

use super::at_most;
use crate::refused::Wrong;

/// A text whose first byte and whose others are of these kinds.
fn shaped(text: &str, most: usize, first: fn(u8) -> bool, rest: fn(u8) -> bool) -> bool {
    !text.is_empty()
        && text.len() <= most
        && text.bytes().next().is_some_and(first)
        && text.bytes().all(|b| first(b) || rest(b))
}

const fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn refuse(text: &str, what: &str, help: &str) -> Wrong {
    Wrong::of(text, &format!("is not {what}"), help)
}

/// A branch, tag, commit, or a range of them. No `:` (a path in a tree, or a transport), no option.
pub(super) fn git_ref(text: &str) -> Result<(), Wrong> {
    if shaped(text, 255, word, |b| b"._/@{}^~-".contains(&b)) {
        return Ok(());
    }
    Err(refuse(
        text,
        "a branch, tag or commit",
        "write a name such as main, v1.2 or HEAD~3",
    ))
}

/// A package of cargo, npm or PyPI, without a version.
pub(super) fn package(text: &str) -> Result<(), Wrong> {
    let plain = |t: &str| shaped(t, 214, word, |b| b"._-".contains(&b)) && !t.contains("..");
    let good = match text.strip_prefix('@').map(|t| t.split_once('/')) {
        Some(Some((scope, name))) => plain(scope) && plain(name),
        Some(None) => false,
        None => plain(text),
    };
    if good {
        return Ok(());
    }
    Err(refuse(
        text,
        "a package's name",
        "write the bare name, such as serde or @types/node",
    ))
}

/// The name of a test: of Rust (`net::tests::dials`), pytest (`tests/test_a.py::test_x[1-2]`), Go, Node.
pub(super) fn test(text: &str) -> Result<(), Wrong> {
    at_most(text, 512)?;
    let shape = shaped(text, 512, word, |b| b"./:[]<>,=+#- ".contains(&b));
    if shape && !text.split(['/', ':']).any(|part| part == "..") {
        return Ok(());
    }
    Err(refuse(
        text,
        "a test's name",
        "write it as the test runner prints it, such as net::tests::dials or tests/test_a.py::test_x",
    ))
}

/// A name of a program's or a database's language.
pub(super) fn identifier(text: &str) -> Result<(), Wrong> {
    if shaped(text, 63, |b| b.is_ascii_alphabetic() || b == b'_', word) {
        return Ok(());
    }
    Err(refuse(
        text,
        "a name",
        "letters, digits and `_`, not a digit first, 63 at most",
    ))
}
