use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::escape::acts_or_hides;

/// A name as a file system that ignores case sees it. Going over upper case also brings the
/// letters together that have several lower-case forms (`ſ`, the Kelvin sign); characters
/// that cannot be seen are dropped, as HFS+ does (CVE-2014-9390).
pub(super) fn fold(name: &OsStr) -> String {
    let text = String::from_utf8_lossy(name.as_bytes());
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let seen = text
        .chars()
        .filter(|c| *c == char::REPLACEMENT_CHARACTER || !acts_or_hides(*c));
    seen.flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_one() {
        for other in [".GIT", ".Git", ".g\u{200c}it", ".gıt"] {
            assert_eq!(fold(OsStr::new(other)), ".git", "{other:?}");
        }
        assert_eq!(fold(OsStr::new(".vſcode")), ".vscode");
        assert_ne!(fold(OsStr::from_bytes(b".git\xff")), ".git");
    }
}
